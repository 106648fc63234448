"""Claims about information dropout on cluttered digits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.experiments.choices import best_place, still_useful
from ibjax.results.cells import configured_cells
from ibjax.results.intervals import mean_estimate

__all__ = ["Point", "errors_of", "information_dropout_claims", "points_of"]

# Percentage points above the best error up to which a network still does its task.
_STILL_USEFUL = 10.0


class Point(NamedTuple):
    """Networks of one price of information, at their last snapshot.

    Attributes:
      beta: The price.
      information: Nats of every noisy layer, ``[num_seeds, num_layers]``.
      by_region: Nats per place, ``[num_seeds, num_layers, num_regions]``, of digit,
        clutter and background; NaN for layers without places.
      total_correlation: Nats per unit, ``[num_seeds, num_layers]``; NaN for layers of
        many units.
      test_error: Share of wrong classes in percent, ``[num_seeds]``.
      train_error: Likewise.
      layers: Names of the noisy layers.
    """

    beta: float
    information: np.ndarray
    by_region: np.ndarray
    total_correlation: np.ndarray
    test_error: np.ndarray
    train_error: np.ndarray
    layers: tuple[str, ...]

    @property
    def ratio(self) -> np.ndarray:
        """Nats per place on the digit over those on clutter."""
        return self.by_region[..., 0] / self.by_region[..., 1]

    @property
    def with_places(self) -> list[int]:
        """Numbers of the noisy layers that have places."""
        # A network that diverged has none.
        return list(np.flatnonzero(np.isfinite(self.by_region[..., 0]).any(axis=0)))


def points_of(dataset: xr.Dataset) -> list[Point]:
    """Networks with information dropout by price, which increases.

    Args:
      dataset: Dataset of
        :class:`ibjax.experiments.information_dropout.setup.InformationDropoutSetup`.

    Returns:
      The points.

    Raises:
      ValueError: If it is no such dataset.
    """
    if "region_information" not in dataset:
        raise ValueError(
            "dataset must be of networks with information dropout, with "
            f"region_information, got {list(dataset.data_vars)}"
        )
    points = []
    for own, cell in configured_cells(dataset):
        last = cell.isel(epoch=-1)

        def values(name, last=last):
            return last[name].values.astype(np.float64)

        points.append(
            Point(
                float(own["beta"]),
                values("layer_information"),
                values("region_information"),
                values("total_correlation"),
                100 * (1 - values("test_accuracy")),
                100 * (1 - values("train_accuracy")),
                tuple(map(str, last.noisy_layer_name.values)),
            )
        )
    return sorted(points, key=lambda point: point.beta)


def errors_of(dataset: xr.Dataset) -> dict[float, np.ndarray]:
    """Test errors of networks with binary dropout in percent, by rate."""
    return {
        float(own["rate"]): 100
        * (1 - cell.test_accuracy.isel(epoch=-1).values.astype(np.float64))
        for own, cell in configured_cells(dataset)
    }


def information_dropout_claims(datasets: Mapping[str, xr.Dataset]) -> list[Claim]:
    """Claims about information dropout, at the last snapshot, seed by seed.

    The best beta and the best rate are those of the least mean test error: both are
    chosen on the images that they are compared on, alike. In order:

    1. What all layers let through falls from each beta to the next.
    2. At the best beta every convolution lets through more nats per place on the ink of
       the digit than on that of clutter; the last one does so at the largest beta too.
    3. The ratio of the two grows with beta: for every convolution it is larger at the
       largest beta that still does the task, with an error within ten points of the
       best, than at the least.
    4. At the best beta networks err less than with binary dropout at its best rate.
    5. A price helps: they err less than with noise at the least beta.

    Args:
      datasets: Datasets of the two set-ups, by the names of their sweeps.

    Returns:
      The claims.

    Raises:
      ValueError: If they are no such datasets.

    References:
      Achille and Soatto, `Information dropout`, PAMI 2018, on claims 1 to 4.
    """
    points = points_of(datasets["information-dropout"])
    binary = errors_of(datasets["binary-dropout"])
    num_seeds = len(points[0].test_error)
    best = points[best_place([point.test_error for point in points])]
    least, strongest = points[0], still_useful(points, _STILL_USEFUL)[-1]

    def claim(text, quantity, values, **limits):
        estimate = mean_estimate(np.asarray(values, np.float64))
        return decide(text, quantity, estimate, num_seeds=num_seeds, **limits)

    totals = np.log([point.information.sum(axis=1) for point in points])
    claims = []
    if len(points) > 1:
        claims.append(
            claim(
                "1. Information falls from each beta to the next",
                "largest logarithm of the ratio of the nats of neighbouring betas",
                np.diff(totals, axis=0).max(axis=0),
                below=0.0,
            )
        )
    per_place = "nats per place on the digit over those on clutter"
    for layer in best.with_places:
        claims.append(
            claim(
                f"2. {_name(best, layer)}: more on the digit than on clutter, at the "
                f"best beta, {best.beta:g}",
                per_place,
                best.ratio[:, layer],
                above=1.0,
            )
        )
    last = best.with_places[-1]
    if points[-1] is not best:
        claims.append(
            claim(
                f"2. {_name(best, last)}: so at the largest beta, {points[-1].beta:g}",
                per_place,
                points[-1].ratio[:, last],
                above=1.0,
            )
        )
    if strongest is not least:
        claims += [
            claim(
                f"3. {_name(best, layer)}: the ratio grows from beta {least.beta:g} to "
                f"{strongest.beta:g}",
                f"difference of {per_place}",
                strongest.ratio[:, layer] - least.ratio[:, layer],
                above=0.0,
            )
            for layer in best.with_places
        ]
    rate = list(binary)[best_place(list(binary.values()))]
    claims.append(
        claim(
            f"4. beta {best.beta:g} errs less than binary dropout of {rate:g}",
            "difference of the test errors, percentage points",
            best.test_error - binary[rate],
            below=0.0,
        )
    )
    if best is not least:
        claims.append(
            claim(
                f"5. beta {best.beta:g} errs less than {least.beta:g}",
                "difference of the test errors, percentage points",
                best.test_error - least.test_error,
                below=0.0,
            )
        )
    return claims


def _name(point: Point, layer: int) -> str:
    return f"convolution {layer + 1} ({point.layers[layer]})"
