"""Claims about tags of words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.results.cells import configured_cells

__all__ = ["Point", "known_of", "points_of", "tags_claims"]

# Prices that claims are about, or the nearest ones.
_MODERATE, _SMALL = 0.03, 0.01
_V_PRICE = 0.1


class Point(NamedTuple):
    """Taggers of one pair of prices, at their last snapshot.

    Attributes:
      beta: Price of a nat about the input.
      gamma: Price of a nat from the context.
      values: Values of every seed by name, ``[num_seeds]`` each, of the probe
        :func:`ibjax.probes.tag_bounds`, in nats and shares; ``i_ty`` is the bound on
        I(T;Y) of the test rows.
    """

    beta: float
    gamma: float
    values: dict[str, np.ndarray]


def points_of(dataset: xr.Dataset) -> dict[str, list[Point]]:
    """Taggers of every kind by prices.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.tags.setup.TagsSetup`.

    Returns:
      For every kind its points, gamma and then beta increasing.

    Raises:
      ValueError: If it is no such dataset.
    """
    if "test_type_rate" not in dataset:
        raise ValueError(
            "dataset must be of taggers, with test_type_rate, got "
            f"{list(dataset.data_vars)}"
        )
    found: dict[str, list[Point]] = {}
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)
        values = {
            str(name): last[name].values.astype(np.float64)
            for name in last.data_vars
            if last[name].dims == ("seed",)
        }
        names = [str(name) for name in last.layer_name.values]
        layer = next(n for n, name in enumerate(names) if name.startswith("tag "))
        told = last.i_ty.isel(layer=layer).sel(estimator="variational")
        values["i_ty"] = told.values.astype(np.float64)
        point = Point(float(own["beta"]), float(own["gamma"]), values)
        found.setdefault(str(own["kind"]), []).append(point)
    return {
        kind: sorted(points, key=lambda p: (p.gamma, p.beta))
        for kind, points in found.items()
    }


def known_of(dataset: xr.Dataset) -> dict[str, float]:
    """What is known of the corpus, in nats and shares, by name."""
    return json.loads(dataset.attrs["configuration"]).get("known", {})


def tags_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about tags, for every corpus and kind, at the last snapshot.

    Errors are of one draw of the tag, on test tokens; differences are seed by seed;
    prices are the nearest to those named. In order:

    1. (Li and Eisner.) Most of the information is not needed: beta 0.03 leaves less
       than half of the rate of the least beta, and adds less than a point of error.
    2. (Li and Eisner.) Too little is not enough: the largest beta errs ten points more
       than the least.
    3. (Li and Eisner.) A price on the context takes it away: with gamma 1, beta 0.01,
       the tag takes less than 0.1 nats from it, and errs more than with gamma 0. A
       nat of context tells a nat of the label at most, so that none is worth it.
    4. (Ours.) With gamma 0.1 it takes less than half of what it takes with gamma 0, and
       errs less than a point more.
    5. (Li and Eisner.) Discrete tags agree better with the parts of speech at beta 0.1
       than at the least beta, by the V-measure.
    6. (Ours.) Where the entropies are known, the tag tells what it can, to within 0.05
       nats: at the least beta all that there is with gamma 0, and what the word tells
       by itself with gamma 1; and at no price more than there is, to within 0.02.

    Args:
      datasets: The datasets ``tags`` and ``tags-ewt`` of the experiment, or one.

    Returns:
      The claims.

    Raises:
      ValueError: If they are no such datasets.

    References:
      Li and Eisner, `Specializing word embeddings (for parsing) by information
      bottleneck`, EMNLP 2019.
    """
    claims = []
    for name, dataset in datasets.items():
        words = {"tags": "drawn corpus", "tags-ewt": "treebank"}.get(name, name)
        for kind, points in points_of(dataset).items():
            claims += _claims_of(f"{words}, {kind}", points, known_of(dataset))
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])


def _claims_of(where: str, points: list[Point], known: dict) -> list[Claim]:
    def claim(text, quantity, values, **limits):
        number, text = text.split(". ", 1)
        return decide_mean(f"{number}. {where}: {text}", quantity, values, **limits)

    def error(point):
        return 100 * point.values["test_error_one_draw"]

    def at(beta, gamma):
        gammas = {p.gamma for p in points}
        nearest = min(gammas, key=lambda g: abs(g - gamma))
        own = [p for p in points if p.gamma == nearest]
        return min(own, key=lambda p: abs(np.log(p.beta / beta)))

    free = [p for p in points if p.gamma == 0]
    if not free or min(p.beta for p in free) <= 0:
        raise ValueError("datasets must hold gamma 0, and no beta of 0")
    least, most = free[0], free[-1]
    moderate, small, agreeing = at(_MODERATE, 0), at(_SMALL, 0), at(_V_PRICE, 0)
    some, dear = at(small.beta, 0.1), at(small.beta, 1.0)
    points_more = "difference of the test errors, percentage points"
    claims = []
    if moderate is not least:
        claims += [
            claim(
                f"1. beta {moderate.beta:g} leaves less than half of the rate",
                f"rate over that of beta {least.beta:g}",
                moderate.values["test_rate"] / least.values["test_rate"],
                below=0.5,
            ),
            claim(
                f"1. beta {moderate.beta:g} does no harm",
                points_more,
                error(moderate) - error(least),
                below=1.0,
            ),
        ]
    if most is not least:
        claims.append(
            claim(
                f"2. beta {most.beta:g} is too dear",
                points_more,
                error(most) - error(least),
                above=10.0,
            )
        )
    if dear.gamma >= 1:
        claims += [
            claim(
                f"3. gamma {dear.gamma:g} takes the context away",
                "type rate, nats",
                dear.values["test_type_rate"],
                below=0.1,
            ),
            claim(
                f"3. gamma {dear.gamma:g} errs more than gamma 0",
                points_more,
                error(dear) - error(small),
                above=0.0,
            ),
        ]
    if 0 < some.gamma < 1:
        claims += [
            claim(
                f"4. gamma {some.gamma:g} halves what is taken from the context",
                "type rate over that of gamma 0",
                some.values["test_type_rate"] / small.values["test_type_rate"],
                below=0.5,
            ),
            claim(
                f"4. gamma {some.gamma:g} does no harm",
                points_more,
                error(some) - error(small),
                below=1.0,
            ),
        ]
    if (
        agreeing is not least
        and "part_of_speech_v_measure" in least.values
        and np.isfinite(least.values["part_of_speech_v_measure"]).any()
    ):
        claims.append(
            claim(
                f"5. tags agree better with parts of speech at beta {agreeing.beta:g}",
                f"V-measure less that of beta {least.beta:g}",
                agreeing.values["part_of_speech_v_measure"]
                - least.values["part_of_speech_v_measure"],
                above=0.0,
            )
        )
    if known:
        claims += _known_claims(claim, points, at, known)
    return claims


def _known_claims(claim, points, at, known) -> list[Claim]:
    least = points[0].beta
    found = []
    for gamma, name, words in (
        (0, "i_input_tag", "all that there is"),
        (1, "i_word_tag", "what the word does"),
    ):
        point = at(least, gamma)
        if point.gamma == gamma:
            found.append(
                claim(
                    f"6. with gamma {gamma} the tag tells {words}",
                    "I(T;Y) less what there is, nats",
                    point.values["i_ty"] - known[name],
                    above=-0.05,
                    below=0.05,
                )
            )
    told = np.max([p.values["i_ty"] for p in points], axis=0)
    found.append(
        claim(
            "6. no tag tells more than there is",
            "largest I(T;Y) less I(X;Y), nats",
            told - known["i_input_tag"],
            below=0.02,
        )
    )
    return found
