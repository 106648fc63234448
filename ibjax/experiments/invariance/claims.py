"""Claims about what representations keep of a nuisance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide_mean
from ibjax.experiments.choices import still_useful
from ibjax.experiments.priced import kind_of
from ibjax.results.cells import configured_cells

__all__ = ["Point", "entropies_of", "invariance_claims", "points_of"]

ESTIMATORS = {"neighbours": "neighbours", "discriminator": "a discriminator"}
"""Estimators of I(Z;N) and I(Z;Y), and what they are called."""

# Percentage points above the best error up to which a network still does its task.
_STILL_USEFUL = 2.0


class Point(NamedTuple):
    """Networks of one price of information, at their last snapshot.

    Attributes:
      beta: The price.
      nuisance: I(Z;N) in nats by estimator, ``[num_seeds]`` each.
      label: I(Z;Y) likewise.
      test_error: Share of wrong classes in percent, without noise, ``[num_seeds]``.
      excess: For a code the rate less the bound on I(Z;Y), in nats, an upper bound on
        I(X;Z|Y), ``[num_seeds]``; None for other networks.
    """

    beta: float
    nuisance: dict[str, np.ndarray]
    label: dict[str, np.ndarray]
    test_error: np.ndarray
    excess: np.ndarray | None


def points_of(dataset: xr.Dataset) -> list[Point]:
    """Networks by price, which increases.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.invariance.setup.InvarianceSetup`.

    Returns:
      The points.

    Raises:
      ValueError: If it is no such dataset.
    """
    if "nuisance_discriminator" not in dataset:
        raise ValueError(
            "dataset must be of networks on a nuisance, with nuisance_discriminator, "
            f"got {list(dataset.data_vars)}"
        )
    h_y = float(dataset.attrs["h_y"])
    points = []
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)

        def values(name, last=last):
            return last[name].values.astype(np.float64)

        of = {
            variable: {name: values(f"{variable}_{name}") for name in ESTIMATORS}
            for variable in ("nuisance", "label")
        }
        excess = None
        if "test_rate" in last:
            excess = values("test_rate") - (h_y - values("test_distortion"))
        error = 100 * (1 - values("test_accuracy"))
        beta = float(own["beta"])
        points.append(Point(beta, of["nuisance"], of["label"], error, excess))
    return sorted(points, key=lambda point: point.beta)


def entropies_of(dataset: xr.Dataset) -> tuple[float, float]:
    """H(N) and H(Y) in nats."""
    configuration = json.loads(dataset.attrs["configuration"])
    cell = (configuration.get("cells") or [configuration])[0]
    return float((configuration | cell)["nuisance_entropy"]), float(
        dataset.attrs["h_y"]
    )


def invariance_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about a nuisance N and representations Z, for every kind of network.

    The dearest price is the largest whose networks still do the task, with an error
    within two points of the best. Differences are seed by seed. In order:

    1. At the dearest price less is kept of the nuisance than at the least, by either
       estimator.
    2. (Ours.) It is less than half.
    3. (Ours.) Of the nuisance more is lost than of the label: the share of I(Z;N) that
       is left is smaller than that of I(Z;Y).
    4. A code keeps no more of the nuisance than it has beyond the label: I(Z;N) is at
       most I(X;Z|Y), by either estimator, at the price where there is least room. As N
       is independent of Y it must be so; it is a check of the estimates.
    5. (Ours.) The two estimators agree to 0.1 nats, the mean over prices.

    Args:
      datasets: Datasets of the two set-ups, by the names of their sweeps.

    Returns:
      The claims.

    Raises:
      ValueError: If they are no such datasets.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 2018, secs. 3 and 6, on claims 1 and 4.
    """
    claims = []
    for dataset in datasets.values():
        claims += _claims_of(dataset)
    return sorted(claims, key=lambda claim: claim.claim.split(".")[0])


def _claims_of(dataset: xr.Dataset) -> list[Claim]:
    points, where = points_of(dataset), kind_of(dataset)
    least, dearest = points[0], still_useful(points, _STILL_USEFUL)[-1]
    claims = []
    if dearest is not least:
        prices = f"beta {dearest.beta:g}"
        for name, words in ESTIMATORS.items():
            kept, all_of_it = dearest.nuisance[name], least.nuisance[name]
            claims += [
                decide_mean(
                    f"1. {where}, {prices}: less is kept of the nuisance than at beta "
                    f"{least.beta:g}, by {words}",
                    "difference of I(Z;N), nats",
                    kept - all_of_it,
                    below=0.0,
                ),
                decide_mean(
                    f"2. {where}, {prices}: less than half of it, by {words}",
                    f"I(Z;N) less half of that at beta {least.beta:g}, nats",
                    kept - all_of_it / 2,
                    below=0.0,
                    added=True,
                ),
                decide_mean(
                    f"3. {where}, {prices}: more is lost of the nuisance than of the "
                    f"label, by {words}",
                    "I(Z;N) less what would be left if it fell as I(Z;Y) does, nats",
                    kept - all_of_it * dearest.label[name] / least.label[name],
                    below=0.0,
                    added=True,
                ),
            ]
    if least.excess is not None:
        for name, words in ESTIMATORS.items():
            room = [point.excess - point.nuisance[name] for point in points]
            claims.append(
                decide_mean(
                    f"4. {where}: no more of the nuisance than beyond the label, by "
                    f"{words}",
                    "least I(X;Z|Y) less I(Z;N) of all prices, nats",
                    np.min(room, axis=0),
                    above=0.0,
                )
            )
    apart = [p.nuisance["discriminator"] - p.nuisance["neighbours"] for p in points]
    claims.append(
        decide_mean(
            f"5. {where}: the estimators agree",
            "I(Z;N) by a discriminator less by neighbours, mean size, nats",
            np.mean(np.abs(apart), axis=0),
            below=0.1,
        )
    )
    return claims
