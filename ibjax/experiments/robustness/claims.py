"""Claims about the robustness of classifiers that pay for information."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide, decide_mean, exact_claim
from ibjax.experiments.priced import kind_of
from ibjax.results.cells import configured_cells
from ibjax.results.intervals import mean_estimate

__all__ = ["NORM_NAMES", "Robustness", "curves_of", "robustness_claims"]

NORM_NAMES = {"linf": "largest change", "l2": "Euclidean length"}
"""What the radius is of, by the name of the norm."""

# Percentage points: as accurate, and more than nothing.
_EQUAL, _SOME, _LITTLE = 1.0, 1.0, 2.0


class Robustness(NamedTuple):
    """Networks of one price under attack in one norm, at their last snapshot.

    Attributes:
      beta: The price.
      radii: Shape ``[num_radii]``.
      accuracy: Percent, ``[num_seeds, num_radii]``.
      clean: Percent of the same inputs without an attack, ``[num_seeds]``.
      test_error: Percent of all test inputs, without noise, ``[num_seeds]``.
      failed: For every check of the attack, in how many seeds it was not passed.
      minimal: Percent of the inputs whose nearest input of another class, as another
        attack finds it, is farther, ``[num_seeds, num_radii]``; None where it was not
        looked for, as in the norm ``linf``.
    """

    beta: float
    radii: np.ndarray
    accuracy: np.ndarray
    clean: np.ndarray
    test_error: np.ndarray
    failed: dict[str, int]
    minimal: np.ndarray | None = None


def curves_of(dataset: xr.Dataset) -> dict[str, list[Robustness]]:
    """Networks under attack, by norm and price.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.robustness.setup.RobustnessSetup`.

    Returns:
      For every norm its curves, prices increasing.

    Raises:
      ValueError: If the dataset has no accuracy under attack.
    """
    norms = [norm for norm in NORM_NAMES if f"accuracy_{norm}" in dataset]
    if not norms:
        raise ValueError(
            "dataset must be of networks under attack, with accuracy_linf or "
            f"accuracy_l2, got {list(dataset.data_vars)}"
        )
    found: dict[str, list[Robustness]] = {norm: [] for norm in norms}
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)
        for norm in norms:
            curve = last[f"accuracy_{norm}"].transpose("seed", f"radius_{norm}")
            passed = last[f"check_{norm}_passed"].transpose("seed", "attack_check")
            failed = np.sum(passed.values < 0.5, axis=0)
            names = map(str, last["attack_check"].values)
            radii = last[f"radius_{norm}"].values
            found[norm].append(
                Robustness(
                    float(own["beta"]),
                    radii,
                    100 * curve.values.astype(np.float64),
                    100 * last[f"accuracy_{norm}_clean"].values.astype(np.float64),
                    100 * (1 - last["test_accuracy"].values.astype(np.float64)),
                    dict(zip(names, map(int, failed), strict=True)),
                    _farther(last, radii) if norm == "l2" else None,
                )
            )
    return {
        norm: sorted(curves, key=lambda c: c.beta) for norm, curves in found.items()
    }


def _farther(last: xr.Dataset, radii: np.ndarray) -> np.ndarray | None:
    """Percent of the distances beyond each radius, NaN of networks that diverged."""
    if "minimal_l2" not in last:
        return None
    distance = last["minimal_l2"].transpose("seed", "attacked").values[..., None]
    farther = 100 * np.mean(distance > radii, axis=1)
    return np.where(np.isnan(distance).any(axis=1), np.nan, farther)


def robustness_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about the accuracy under these attacks; differences are seed by seed.

    For every kind of network and every price but 0, in order:

    1. It is as accurate as the network of price 0, whose noise costs nothing and helps
       nothing: the test errors differ by less than a point.
    2. Where that is so in the mean, it is more robust: its accuracy under attack, the
       mean over the radii, is higher. It says nothing of better attacks. Of networks
       that are not as accurate there is no such claim.
    3. Something is left of it at the largest radius, more than a point, as Alemi et al.
       report of networks through a code and not of deterministic ones.

    For every kind and price:

    4. The attack passes all its checks in all seeds that have not diverged; the claim
       names those it does not. Where it does not hold, the curve is no evidence of
       robustness.
    5. Another attack, which looks for the nearest input of another class, finds little
       more: of Euclidean length, the mean over radii of the accuracy is above the share
       of inputs for which it is farther by less than two points.

    Args:
      datasets: Datasets of :class:`ibjax.experiments.robustness.setup.RobustnessSetup`,
        by the names of their sweeps.

    Returns:
      The claims; of a dataset without the price 0 the last ones alone.

    Raises:
      ValueError: If they are no such datasets.

    References:
      Alemi et al., `Deep variational information bottleneck`, ICLR 2017, sec. 4.2.
      Athalye, Carlini and Wagner, `Obfuscated gradients give a false sense of
      security`, ICML 2018.
    """
    found = []
    for dataset in datasets.values():
        kind = kind_of(dataset)
        for norm, curves in curves_of(dataset).items():
            base = next((curve for curve in curves if curve.beta == 0), None)
            for curve in curves:
                if base is not None and curve is not base:
                    # The test error knows no norm: once is enough.
                    with_error = norm == "linf"
                    found += _against(base, curve, kind, norm, with_error=with_error)
                found.append(_checked(curve, kind, norm))
                if curve.minimal is not None:
                    found.append(_not_weaker(curve, kind))
    return sorted(found, key=lambda claim: claim.claim.split(".")[0])


def _against(
    base: Robustness, curve: Robustness, kind: str, norm: str, *, with_error: bool
) -> list[Claim]:
    num_seeds = len(curve.clean)
    where = f"{kind}, {NORM_NAMES[norm]}, beta {curve.beta:g}"
    errors = mean_estimate(curve.test_error - base.test_error)
    claims = []
    if with_error:
        claims.append(
            decide(
                f"1. {kind}: beta {curve.beta:g} is as accurate as beta 0",
                "difference of the test errors, percentage points",
                errors,
                num_seeds=num_seeds,
                above=-_EQUAL,
                below=_EQUAL,
            )
        )
    if abs(errors.value) < _EQUAL:
        gains = np.mean(curve.accuracy - base.accuracy, axis=1)
        claims.append(
            decide(
                f"2. {where}: more robust than beta 0",
                "difference of the accuracy under attack, mean over radii, percentage "
                "points",
                mean_estimate(gains),
                num_seeds=num_seeds,
                above=0.0,
            )
        )
    claims.append(
        decide(
            f"3. {where}: something is left at the radius {curve.radii[-1]:g}",
            "accuracy under attack, percent",
            mean_estimate(curve.accuracy[:, -1]),
            num_seeds=num_seeds,
            above=_SOME,
        )
    )
    return claims


def _not_weaker(curve: Robustness, kind: str) -> Claim:
    return decide_mean(
        f"5. {kind}, beta {curve.beta:g}: the attack that minimises finds little more",
        "accuracy under the ascent less that under it, mean over radii, percentage "
        "points",
        np.mean(curve.accuracy - curve.minimal, axis=1),
        below=_LITTLE,
        added=True,
    )


def _checked(curve: Robustness, kind: str, norm: str) -> Claim:
    judged = np.isfinite(curve.clean)
    failed = {name: number for name, number in curve.failed.items() if number}
    words = ", ".join(f"{name} in {number}" for name, number in failed.items())
    where = f"{kind}, {NORM_NAMES[norm]}, beta {curve.beta:g}"
    return exact_claim(
        f"4. {where}: the attack passes its checks"
        + (f" (not: {words} of {judged.sum()} seeds)" if failed else ""),
        "checks not passed, over seeds",
        "0",
        float(sum(failed.values())) if judged.any() else math.nan,
        "undecided" if not judged.any() else "does not hold" if failed else "holds",
    )
