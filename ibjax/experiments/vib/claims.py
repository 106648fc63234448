"""Claims of Alemi et al. (2017) about classifiers through a code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.experiments.choices import best_place
from ibjax.results.cells import configured_cells
from ibjax.results.intervals import Estimate, mean_estimate, variance_ratio
from ibjax.results.statistics import NATS_PER_BIT

__all__ = ["Point", "points_of", "vib_claims"]

# Price at which the paper's networks are best.
_GOOD_BETA = 1e-3


class Point(NamedTuple):
    """Networks of one price of information, at their last snapshot.

    Attributes:
      beta: The price.
      values: Values of every seed by name, ``[num_seeds]`` each: ``i_xz`` and ``i_zy``,
        the bounds, ``mixture_i_xz`` and ``mixture_i_zy`` and those by kernels, in bits;
        ``test_error``, ``train_error``, ``test_error_one_draw`` and so on.
      ceiling: Most bits that I(X;Z) without a prior can be, of so many inputs.
      num_draws: Draws of the code that errors are of.
    """

    beta: float
    values: dict[str, np.ndarray]
    ceiling: float
    num_draws: int


def points_of(dataset: xr.Dataset) -> dict[str, list[Point]]:
    """Networks of every kind of code, by price.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.vib.setup.VibSetup`.

    Returns:
      For every code its points, prices increasing.

    Raises:
      ValueError: If the dataset has no codes measured.
    """
    if "test_rate" not in dataset:
        raise ValueError(
            "dataset must be of networks through a code, with test_rate, got "
            f"{list(dataset.data_vars)}"
        )
    found: dict[str, list[Point]] = {}
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)
        names = [str(name) for name in last.layer_name.values]
        layer = next(n for n, name in enumerate(names) if name.startswith("code "))
        code = last.isel(layer=layer)
        values = {
            name: last[name].values.astype(np.float64)
            for name in map(str, last.data_vars)
            if name.startswith(("train_", "test_")) and last[name].dims == ("seed",)
        }
        for estimator in ("variational", "mixture", "kernel_lower", "kernel_upper"):
            prefix = "" if estimator == "variational" else f"{estimator}_"
            if estimator not in code["estimator"]:
                continue  # Of a run before there were bounds by kernels.
            for name, short in (("i_xt", "i_xz"), ("i_ty", "i_zy")):
                chosen = code[name].sel(estimator=estimator)
                values[prefix + short] = chosen.values / NATS_PER_BIT
        kind = str(own.get("code", "code"))
        measured = _parameters(own)
        most = measured["code_mixture"]
        ceiling = np.log2(min(most, own["num_measured"] or most))
        draws = measured["code_bounds"]["draws"]
        point = Point(float(own["beta"]), values, ceiling, draws)
        found.setdefault(kind, []).append(point)
    return {
        code: sorted(points, key=lambda p: p.beta) for code, points in found.items()
    }


def vib_claims(dataset: xr.Dataset) -> list[Claim]:
    """Claims of Alemi et al. (2017), for every kind of code, at the last snapshot.

    Errors are of the mean of several draws unless another is named; differences are
    seed by seed. In order:

    1. A small price, 1e-3, lowers the test error against the least price of all.
    2. Where the code costs less than H(Y), the test error is more than five points
       above the best; where it costs more than twice H(Y), within one point of it. Of
       the best price neither is asked.
    3. The mean of several draws errs less than one draw where the rate is between H(Y)
       and thrice that. At the least price, where codes hardly vary, it makes no
       difference of a tenth of a point.
    4. The difference of test and training error falls with the price: it is less at the
       best price than at the least one.
    5. The code tells at most what it costs: I(Z;Y) is below I(X;Z) by either estimate.
    6. (Ours.) What the fixed prior costs: the rate less I(X;Z) without a prior, at the
       price 1e-3. The claim is that it is more than a bit. I(X;Z) is log2 of the number
       of inputs at most there, of 2,000 as a rule, and where it is within a bit of it,
       this is no statement on the prior: such a claim is left out.
    7. (Ours.) Networks differ more than draws of one network's codes do, in the error
       of one draw: the ratio of both variances is above one, at the least price, at
       1e-3 and at the largest.
    8. (Ours.) The bound on I(Z;Y) is within a quarter of a bit of what the code itself
       tells of the inputs that statement 6 is of, at the price 1e-3, and left out as it
       is. A decoder has to make do without knowing these inputs.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.vib.setup.VibSetup`, over several
        prices.

    Returns:
      The claims.

    Raises:
      ValueError: If it is no such dataset.

    References:
      Alemi et al., `Deep variational information bottleneck`, ICLR 2017.
    """
    h_y = float(dataset.attrs["h_y"]) / NATS_PER_BIT
    claims = []
    for code, points in points_of(dataset).items():
        claims += _claims_of(f"code {code}" if code != "code" else code, points, h_y)
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])


def _claims_of(code: str, points: list[Point], h_y: float) -> list[Claim]:
    num_seeds = len(points[0].values["test_error"])

    def claim(text, quantity, values, **limits):
        return decide(text, quantity, _mean(values), num_seeds=num_seeds, **limits)

    percent = {p.beta: 100 * p.values["test_error"] for p in points}
    rate = {p.beta: np.nanmean(p.values["i_xz"]) for p in points}
    least, good = points[0], min(points, key=lambda p: abs(np.log(p.beta / _GOOD_BETA)))
    best = points[best_place([p.values["test_error"] for p in points])]
    claims = []
    if good is not least:
        claims.append(
            claim(
                f"1. {code}: beta {good.beta:g} errs less than {least.beta:g}",
                "difference of the test errors, percentage points",
                percent[good.beta] - percent[least.beta],
                below=0.0,
            )
        )
    for p in points:
        above = percent[p.beta] - percent[best.beta]
        if p is not best and rate[p.beta] < h_y:
            claims.append(
                claim(
                    f"2. {code}: a rate below H(Y) is too little, beta {p.beta:g}",
                    "test error above that of the best beta, percentage points",
                    above,
                    above=5.0,
                )
            )
        elif p is not best and rate[p.beta] > 2 * h_y:
            claims.append(
                claim(
                    f"2. {code}: a rate above 2 H(Y) is enough, beta {p.beta:g}",
                    "test error above that of the best beta, percentage points",
                    above,
                    below=1.0,
                )
            )
        if h_y < rate[p.beta] < 3 * h_y:
            claims.append(
                claim(
                    f"3. {code}: several draws err less than one, beta {p.beta:g}",
                    "error of one draw less that of several, percentage points",
                    100 * (p.values["test_error_one_draw"] - p.values["test_error"]),
                    above=0.0,
                )
            )
    gaps = {
        p.beta: 100 * (p.values["test_error"] - p.values["train_error"]) for p in points
    }
    claims += [
        claim(
            f"3. {code}: at the least beta, {least.beta:g}, they do not",
            "error of one draw less that of several, percentage points",
            100 * (least.values["test_error_one_draw"] - least.values["test_error"]),
            above=-0.1,
            below=0.1,
        ),
    ]
    if best is not least:
        claims.append(
            claim(
                f"4. {code}: the best beta, {best.beta:g}, generalises better than "
                f"{least.beta:g}",
                "test less training error, difference, percentage points",
                gaps[best.beta] - gaps[least.beta],
                below=0.0,
            )
        )
    for prefix, words in (("", "by its bounds"), ("mixture_", "without a prior")):
        excess = [p.values[f"{prefix}i_xz"] - p.values[f"{prefix}i_zy"] for p in points]
        claims.append(
            claim(
                f"5. {code}: at no beta more is told than it costs, {words}",
                "I(X;Z) less I(Z;Y) of the beta where it is least, bits",
                np.min(excess, axis=0),
                above=-0.1,
            )
        )
    for p in {p.beta: p for p in (least, good, points[-1])}.values():
        spread = p.values.get("test_error_one_draw_std")
        if spread is None or p.num_draws < 2:
            continue
        errors = p.values["test_error_one_draw"]
        claims.append(
            decide(
                f"7. {code}: networks differ more than draws of one, beta {p.beta:g}",
                "variance of networks' errors over that of draws",
                variance_ratio(errors, spread, num_draws=p.num_draws),
                num_seeds=num_seeds,
                above=1.0,
                added=True,
            )
        )
    if np.nanmean(good.values["mixture_i_xz"]) < good.ceiling - 1:
        claims.append(
            claim(
                f"6. {code}: the fixed prior costs more than a bit, beta {good.beta:g}",
                "rate less I(X;Z) without a prior, bits",
                good.values["i_xz"] - good.values["mixture_i_xz"],
                above=1.0,
            )
        )
        claims.append(
            claim(
                f"8. {code}: the bound tells what the code tells of "
                f"{2**good.ceiling:.0f} inputs, beta {good.beta:g}",
                "I(Z;Y) without a prior less its bound, bits",
                good.values["mixture_i_zy"] - good.values["i_zy"],
                below=0.25,
                added=True,
            )
        )
    return claims


def _parameters(configuration: dict[str, Any]) -> dict[str, Any]:
    """What the probes measured with."""
    found: dict[str, Any] = {}
    for parameters in configuration["probes"]:
        found |= parameters if isinstance(parameters, dict) else {}
    return found


def _mean(values: np.ndarray) -> Estimate:
    return mean_estimate(np.asarray(values, np.float64))
