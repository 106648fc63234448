"""Distances of the trained layers of a sweep from optimal representations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from ibjax.bottleneck import bounds
from ibjax.numerics import checks

__all__ = ["CurveDistance", "curve_distance", "has_curve"]


class CurveDistance(NamedTuple):
    """Distances of every seed's layers from the information curve, at the last epoch.

    All are of shape ``[num_seeds, num_layers]``, informations in nats.

    Attributes:
      generalization_gap: I(T;Y) of the best representation with the same I(X;T), less
        that of the layer.
      complexity_gap: I(X;T) of the layer, less the least that allows its I(T;Y).
      optimal_beta: Trade-off of the closest optimal encoder of the layer's clusters.
      divergence: Mean KL divergence from that encoder.
    """

    generalization_gap: np.ndarray
    complexity_gap: np.ndarray
    optimal_beta: np.ndarray
    divergence: np.ndarray


def has_curve(dataset: xr.Dataset) -> bool:
    """True if a sweep was measured with :func:`ibjax.probes.optimality`."""
    checks.instance("dataset", dataset, xr.Dataset)
    return "curve_i_xt" in dataset and "optimal_beta" in dataset


def curve_distance(dataset: xr.Dataset, *, estimator: str = "binning") -> CurveDistance:
    """Distances of a sweep's trained layers from the task's information curve.

    Gaps are those of :func:`ibjax.bottleneck.generalization_gap` and
    :func:`ibjax.bottleneck.complexity_gap`, with the informations of one estimator.

    Args:
      dataset: Dataset of a sweep measured with :func:`ibjax.probes.optimality`.
      estimator: Estimator of the layers' informations.

    Returns:
      The distances; NaN for a seed that diverged.

    Raises:
      ValueError: If the dataset lacks the curve or the estimator.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> has_curve(example_dataset(num_seeds=2, num_epochs=4))
      False
    """
    checks.instance("estimator", estimator, str)
    if not has_curve(dataset):
        raise ValueError(
            "dataset must hold optimal_beta and curve_i_xt, from probes.optimality, "
            f"got {sorted(dataset)}"
        )
    if estimator not in dataset["estimator"].values.tolist():
        raise ValueError(
            f"dataset must hold the estimator {estimator}, got "
            f"{dataset['estimator'].values.tolist()}"
        )
    last = dataset.isel(epoch=-1).transpose("seed", "layer", "estimator", ...)
    order = np.argsort(dataset["curve_beta"].values)
    curve = [dataset[f"curve_{name}"].values[order] for name in ("i_xt", "i_ty")]
    point = [
        last[name].sel(estimator=estimator).values.astype(np.float64)
        for name in ("i_xt", "i_ty")
    ]
    return CurveDistance(
        np.asarray(bounds.generalization_gap(*point, *curve)),
        np.asarray(bounds.complexity_gap(*point, *curve)),
        last["optimal_beta"].values,
        last["optimality_divergence"].values,
    )
