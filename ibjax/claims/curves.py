"""Information curves of a sweep, and which of its seeds count for claims."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.results.compression import THRESHOLD_NATS, compression_interval
from ibjax.results.intervals import Estimate, mean_estimate, median_interval
from ibjax.results.statistics import (
    NATS_PER_BIT,
    TURNING_SNAPSHOTS,
    check_nats,
    turning_epochs,
)

__all__ = ["Curves", "decide_seeds"]


class Curves:
    """Informations of a sweep by one estimator, in nats, and the seeds that count.

    Attributes:
      estimator: Name of the estimator.
      epochs: Epochs of the snapshots, ``[num_epochs]``.
      i_xt: I(X;T) in nats, ``[num_layers, num_seeds, num_epochs]``.
      i_ty: I(T;Y) in nats, likewise.
      num_seeds: Number of seeds.
      kept: Whether a layer's curves are finite throughout and the seed did not
        diverge, ``[num_layers, num_seeds]``.
      snr: Gradient signal-to-noise ratios, shaped as ``i_xt``; None without any.
    """

    def __init__(self, dataset: xr.Dataset, estimator: str | None = None):
        """Read a dataset.

        Args:
          dataset: Dataset of a sweep.
          estimator: Name of an estimator; ``binning``, or the first, by default.

        Raises:
          ValueError: If the dataset lacks ``i_xt`` or ``i_ty``, the estimator, a seed
            or an epoch.
        """
        for name in ("i_xt", "i_ty"):
            if name not in dataset:
                raise ValueError(f"dataset must hold {name}, got {sorted(dataset)}")
        check_nats(dataset)
        for dim in ("seed", "epoch"):
            if dataset.sizes[dim] == 0:
                raise ValueError(f"dataset must have at least one {dim}, got none")
        names = dataset["estimator"].values.tolist()
        if estimator is None:
            estimator = "binning" if "binning" in names else names[0]
        if estimator not in names:
            raise ValueError(f"estimator must be one of {names}, got {estimator!r}")
        dims = ("layer", "seed", "epoch")
        chosen = dataset.sel(estimator=estimator)
        self.estimator = estimator
        self.epochs = dataset["epoch"].values.astype(np.float64)
        self.i_xt = chosen["i_xt"].transpose(*dims).values.astype(np.float64)
        self.i_ty = chosen["i_ty"].transpose(*dims).values.astype(np.float64)
        self.num_seeds = dataset.sizes["seed"]
        self.numbers = dataset["layer"].values.tolist()
        self.layer_names = (
            dataset["layer_name"].values.tolist() if "layer_name" in dataset else None
        )
        diverged = np.zeros(self.num_seeds, bool)
        if "diverged" in dataset:
            diverged = dataset["diverged"].values.astype(bool)
        self.not_diverged = ~diverged
        finite = np.isfinite(self.i_xt) & np.isfinite(self.i_ty)
        self.kept = finite.all(axis=2) & ~diverged
        self.snr: Any = None  # An array where gradients were measured.
        if "gradient_snr" in dataset:
            snr = dataset["gradient_snr"].transpose(*dims).values.astype(np.float64)
            self.snr = np.where(diverged[None, :, None], np.nan, snr)

    def name(self, layer: int) -> str:
        """Number and name of a layer."""
        number = self.numbers[layer]
        if self.layer_names is None:
            return str(number)
        return f"{number} ({self.layer_names[layer]})"

    def turning(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        """Turning epochs and a mask of the seeds that have one, ``[num_seeds]``."""
        snr = self.snr[layer]
        known = np.sum(~np.isnan(snr), axis=1) >= TURNING_SNAPSHOTS
        return turning_epochs(self.epochs, snr), known & self.not_diverged

    def compresses(self) -> np.ndarray:
        """Mask of the falls beyond 0.1 bit, ``[num_layers, num_seeds]``."""
        return np.max(self.i_xt, axis=2) - self.i_xt[:, :, -1] > THRESHOLD_NATS

    def compression_bits(self, layer: int) -> Estimate:
        """Fall of I(X;T) from its maximum to the end, in bits (cautious interval)."""
        return self._fall_bits(self.i_xt, layer)

    def forgotten_bits(self, layer: int) -> Estimate:
        """Fall of I(T;Y) from its maximum to the end, in bits."""
        return self._fall_bits(self.i_ty, layer)

    def _fall_bits(self, information: np.ndarray, layer: int) -> Estimate:
        bits = information[layer, self.kept[layer]] / NATS_PER_BIT
        interval = compression_interval(bits)
        again = partial(compression_interval, bits)
        mean, low, high = map(float, interval[:3])
        return Estimate(mean, low, high, int(interval.count), again)


def decide_seeds(
    dataset: xr.Dataset,
    claim: str,
    quantity: str,
    values: np.ndarray,
    *,
    median: bool = False,
    added: bool = False,
    **limits: float,
) -> Claim:
    """Claim about one number per seed, ``[num_seeds]``; diverged seeds are left out.

    The mean or the median decides; ``limits`` are those of :func:`ibjax.claims.decide`.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=3)
      >>> values = np.array([2.0, 2.1, 2.2])
      >>> decide_seeds(dataset, "It is large", "size", values, above=1.0).verdict
      'holds'
    """
    if "diverged" in dataset:
        values = np.where(dataset["diverged"].values, np.nan, values)
    estimate = (median_interval if median else mean_estimate)(values)
    num_seeds = len(values)
    return decide(claim, quantity, estimate, num_seeds=num_seeds, added=added, **limits)
