"""Claims of Schulz et al. (2020) and Adebayo et al. (2018) about attributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.choices import best_place
from ibjax.numerics import checks
from ibjax.report import PageTable
from ibjax.results.intervals import mean_estimate

__all__ = ["Score", "attribution_claims", "attribution_table", "score_of"]

# The bottleneck that is held against the others: the paper's usual price.
_MAIN = "IBA 10/k"
_UNKNOWING = "random"
_GUIDED = "guided backpropagation"
# More than half of the order of pixels is kept.
_KEPT = 0.5
_UNIT_SCORES = (0.02, 0.05)
_KEPT_SHOWN = ("rank", "SSIM", "HOG")


class Score(NamedTuple):
    """A number by which methods are compared; higher is better.

    Attributes:
      name: What it is.
      values: Its values, ``[num_methods, num_seeds]``, means over images.
    """

    name: str
    values: np.ndarray


def score_of(dataset: xr.Dataset) -> list[Score]:
    """All scores of all methods, in the order of ``dataset.explainer``."""
    found = []
    if "box_ratio" in dataset:
        found.append(Score("box ratio", _means(dataset.box_ratio.mean("image"))))
    for tile in dataset.tile.values:
        own = dataset.degradation.sel(tile=tile).mean("image")
        found.append(Score(f"degradation {tile} × {tile}", _means(own)))
    own = dataset.sensitivity.mean("num_hidden")
    found.append(Score("sensitivity-n", _means(own)))
    return found


def _means(values: xr.DataArray) -> np.ndarray:
    return values.transpose("explainer", "seed").values.astype(np.float64)


def attribution_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims about attribution, over networks.

    In order, IBA being the bottleneck at the price 10/k; those of boxes are left out
    where no one knows what a network should look at:

    1. IBA puts more of its heat on the digit than the best other method, which is named
       and no bottleneck.
    2. IBA's degradation score is above that of the best other, for every size of tiles.
    3. Its sums say more of what the output loses without random tiles (sensitivity-n)
       than those of the best other. The paper does not claim so.
    4. The readout bottleneck is better than the best other likewise, on boxes and
       degradation.
    5. A random map has the box's part of the image and a degradation score of zero.
    6. What every other method keeps of the order of its pixels when all layers but the
       first are drawn anew: guided backpropagation more than half, the others less.
    7. Dearer information is less: bits fall from every price to the next.
    8. (Added after a run had been seen, where claim 6 did not hold of it.) Guided
       backpropagation keeps more than half of the order when the output and the hidden
       layer are drawn anew.

    Args:
      dataset: Dataset of :func:`ibjax.experiments.attribution.measured.measure`.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Schulz et al., `Restricting the flow`, ICLR 2020, section 4. Adebayo et al.,
      `Sanity checks for saliency maps`, NeurIPS 2018.
    """
    needed = ("degradation", "sensitivity", "sanity", "information")
    checks.holds("dataset", list(dataset.data_vars), *needed, why="of attributions")
    names = [str(name) for name in dataset.explainer.values]
    scores = score_of(dataset)
    claims = []
    main = _MAIN if _MAIN in names else names[0]
    numbers = [1] * ("box_ratio" in dataset) + [2] * len(dataset.tile) + [3]
    for number, score in zip(numbers, scores, strict=True):
        claims.append(_first(number, main, names, score))
    claims += [_first(4, "IBA readout", names, score) for score in scores[:-1]]
    claims += _knows_nothing(dataset)
    claims += _sanity(dataset, names)
    claims += _prices(dataset, names)
    guided = dataset.sanity.sel(explainer=_GUIDED, similarity="rank")
    claims.append(
        decide_mean(
            f"8. {_GUIDED} fails the sanity check of the two upper layers",
            "rank correlation with the map before, output and hidden layer new",
            guided.isel(new_layer=1).values,
            above=_KEPT,
            added=True,
        )
    )
    return claims


def _first(number: int, own: str, names: Sequence[str], score: Score) -> Claim:
    """A bottleneck against the best of the methods that are none."""
    others = [n for n, name in enumerate(names) if not name.startswith("IBA")]
    best = others[best_place([-score.values[n] for n in others])]
    return decide_mean(
        f"{number}. {own} is first in {score.name}, before {names[best]}",
        f"{score.name}, difference",
        score.values[names.index(own)] - score.values[best],
        above=0.0,
    )


def _knows_nothing(dataset: xr.Dataset) -> list[Claim]:
    random = dataset.sel(explainer=_UNKNOWING)
    near_area, near_zero = _UNIT_SCORES
    claims = []
    if "box_ratio" in dataset:
        excess = (random.box_ratio - random.box_area).mean("image")
        claims.append(
            decide_mean(
                "5. A random map has the box's part of the image",
                "box ratio less the box's part",
                excess.values,
                above=-near_area,
                below=near_area,
            )
        )
    for tile in dataset.tile.values:
        claims.append(
            decide_mean(
                f"5. A random map does not know which tiles matter, {tile} × {tile}",
                "degradation score",
                random.degradation.sel(tile=tile).mean("image").values,
                above=-near_zero,
                below=near_zero,
            )
        )
    return claims


def _sanity(dataset: xr.Dataset, names: Sequence[str]) -> list[Claim]:
    # The last but one of the new layers: all but the first convolution.
    place = max(0, dataset.sizes["new_layer"] - 2)
    claims = []
    for name in names:
        own = dataset.sanity.sel(explainer=name, similarity="rank").isel(
            new_layer=place
        )
        if name == _UNKNOWING or own.isnull().all():
            continue
        fails = name == _GUIDED
        claims.append(
            decide_mean(
                f"6. {name} {'fails' if fails else 'passes'} the sanity check",
                "rank correlation with the map before, all layers but the first new",
                own.values,
                **({"above": _KEPT} if fails else {"below": _KEPT}),
            )
        )
    return claims


def _prices(dataset: xr.Dataset, names: Sequence[str]) -> list[Claim]:
    priced = [n for n in names if n.startswith("IBA ") and n.endswith("/k")]
    priced.sort(key=lambda name: float(name[len("IBA ") : -len("/k")]))
    bits = dataset.information.mean("image")
    return [
        decide_mean(
            f"7. {high} lets less through than {low}",
            "bits an image, logarithm of the ratio",
            np.log(bits.sel(explainer=high).values / bits.sel(explainer=low).values),
            below=0.0,
        )
        for low, high in zip(priced, priced[1:], strict=False)
    ]


def attribution_table(dataset: xr.Dataset) -> PageTable:
    """All scores of all methods with 95 % intervals over networks.

    Args:
      dataset: Dataset of :func:`ibjax.experiments.attribution.measured.measure`.

    Returns:
      The table, a row for each method.
    """
    scores = score_of(dataset)
    header = ["method", *(score.name for score in scores)]
    header += [f"{similarity} kept" for similarity in _KEPT_SHOWN]
    header += ["infidelity", "bits", "s"]
    place = max(0, dataset.sizes["new_layer"] - 2)
    kept = dataset.sanity.isel(new_layer=place)
    columns = [score.values for score in scores]
    columns += [_means(kept.sel(similarity=s)) for s in _KEPT_SHOWN]
    columns += [
        _means(dataset[name].mean("image")) for name in ("infidelity", "information")
    ]
    seconds = _means(dataset.seconds)
    rows = [
        [
            str(name),
            *(_plus_minus(values[number]) for values in columns),
            f"{np.mean(seconds[number]):.1f}",
        ]
        for number, name in enumerate(dataset.explainer.values)
    ]
    errors = _plus_minus(100 * dataset.test_error.values)
    box = ""
    if "box_area" in dataset:
        box = (
            f" The digit's square is {float(dataset.box_area.mean()):.3f} of an image."
        )
    caption = (
        f"Means over {dataset.sizes['image']} images and {dataset.sizes['seed']} "
        f"networks, whose test error is {errors} %, with half a 95 % interval over "
        "networks. Rank, SSIM and HOG kept: similarity to the map before all layers "
        "but the first were drawn anew. Infidelity: relative to that of a map of "
        f"zeros.{box}"
    )
    return PageTable("Methods", caption, header, rows)


def _plus_minus(values: np.ndarray) -> str:
    estimate = mean_estimate(values)
    if not np.isfinite(estimate.value):
        return ""
    digits = 3 if abs(estimate.value) < 10 else 1
    half = (estimate.high - estimate.low) / 2
    spread = f" ± {half:.{digits}f}" if np.isfinite(half) else ""
    return f"{estimate.value:.{digits}f}{spread}"
