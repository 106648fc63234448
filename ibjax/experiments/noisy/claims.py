"""Claims of Goldfeld et al. (2019) about noisy networks."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.claims.claim import Claim, decide
from ibjax.claims.curves import Curves
from ibjax.probes.noisy import binned_entropy_name
from ibjax.results.cells import cells_of
from ibjax.results.compression import THRESHOLD_NATS, compression_onsets
from ibjax.results.intervals import (
    Estimate,
    event_ratios,
    fraction_interval,
    mean_estimate,
    median_interval,
    rank_correlation,
)
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, NATS_PER_BIT

__all__ = ["TOGETHER", "noisy_claims", "rank_correlations"]

TOGETHER = 0.5
"""Two curves go together if their rank correlation over epochs is above this."""

# A fall is seen if it is this many times its standard error: a maximum over some
# twenty snapshots is by chance rarely further out.
_STANDARD_ERRORS = 3.0


class _Cell(NamedTuple):
    """One sweep: its options, its dataset and its curves."""

    noise_std: float
    orthonormal: float
    bin_widths: tuple[float, ...]
    dataset: xr.Dataset
    curves: Curves

    def values(self, name: str, layer: int) -> np.ndarray:
        """A variable of one layer, ``[num_seeds, num_epochs]``."""
        chosen = self.dataset[name].isel(layer=layer).transpose("seed", "epoch")
        return chosen.values.astype(np.float64)


def noisy_claims(dataset: xr.Dataset, *, estimator: str = "propagation") -> list[Claim]:
    """Claims of Goldfeld et al. (2019) about noisy networks, against a grid of sweeps.

    In order, for the last two hidden layers unless another is named, with 0.1 bit as
    the least fall that is called one:

    1. Without a penalty layers compress
       (:func:`ibjax.results.compression.compression_interval`).
    2. In most networks they do, and it is no error of the estimate: I(X;T) by the side
       that is too small at the maximum, less that by the side that is too large at the
       end, less three standard errors of the difference, is above 0.1 bit.
    3. Compression is clustering: over the epochs of a network I(X;T) goes together with
       the number of clusters, and with the distance of samples within a class over
       that between classes (rank correlations above :data:`TOGETHER`).
    4. The penalty suppresses it: layers fall by less with it, and end with more I(X;T).
    5. (A check of 4.) It delays it at least: I(X;T) starts to fall for good
       (:func:`ibjax.results.compression.compression_onsets`) at a later epoch with it.
    6. With bins at least as wide as the noise, H(bin(T)) of the last hidden layer goes
       together with I(X;T).
    7. With finer bins it stays within 0.1 bit of log N, whatever the network does.

    And of every noise against the next larger one, without a penalty and seed by seed:

    8. With the larger noise a layer at most keeps less of X.
    9. It starts to compress earlier
       (:func:`ibjax.results.compression.compression_onsets`).
    10. It compresses by less.

    These are of the paper's neuron tanh(wX), X being one of -3, -1, 1 and 3, whose
    I(X;T) is exact: it rises to log2 4 bits or, with much noise, not as far, and falls
    to one bit as w grows and clusters come within the noise of each other, which larger
    noise does at a smaller w. That is no statement of the paper's on trained networks.

    Means have Student t intervals over seeds, medians those of
    :func:`ibjax.results.intervals.median_interval` and fractions those of
    :func:`ibjax.results.intervals.fraction_interval`. What a reader could get wrong:

    * The largest I(X;T) may be that before training: a fall need not follow a rise.
    * Snapshots are spread over the logarithm of the epochs, and a rank correlation
      weighs them alike: much of it is about the early epochs.
    * A seed whose number of clusters or entropy never changes has no correlation and is
      left out.
    * The penalty is on the weights. Biases are free, and can saturate units without it.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`, with a
        penalty of zero among its cells. Claims 4 and 5 need another penalty too, and 8
        to 10 another noise.
      estimator: Name of the estimator by sample propagation.

    Returns:
      The claims, those of each noise one after another, then those of several.

    Raises:
      ValueError: If the dataset lacks the estimator or networks without a penalty.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.
    """
    cells = _read(dataset, estimator)
    plain = [cell for cell in cells if cell.orthonormal == 0]
    claims = []
    for cell in plain:
        last = len(cell.curves.i_xt) - 2
        deep = range(max(0, last - 1), last + 1)
        claims += [_compresses(cell, layer) for layer in deep]
        claims += [_beyond_errors(cell, layer, estimator) for layer in deep]
        claims += [_clusters(cell, layer) for layer in deep]
        claims += [_classes(cell, layer) for layer in deep]
        for other in cells:
            if other.orthonormal > 0 and other.noise_std == cell.noise_std:
                claims += [_falls_less(cell, other, layer) for layer in deep]
                claims += [_ends_higher(cell, other, layer) for layer in deep]
                claims += [_falls_later(cell, other, layer) for layer in deep]
        for width in cell.bin_widths:
            # Bins within the noise part one cluster into many, up to all samples.
            decide_width = _follows if width >= cell.noise_std else _saturates
            claims.append(decide_width(cell, last, width))
    by_noise = sorted(plain, key=lambda cell: cell.noise_std)
    for less, more in itertools.pairwise(by_noise):
        last = len(less.curves.i_xt) - 2
        for layer in range(max(0, last - 1), last + 1):
            claims += _of_noise(less, more, layer)
    return claims


def rank_correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation over the epochs of every seed.

    Args:
      first: Curves, shape ``[num_seeds, num_epochs]``.
      second: Other curves of the same seeds.

    Returns:
      Correlations, shape ``[num_seeds]``; NaN where a curve never changes or has a NaN.

    Example:
      >>> print(rank_correlations(np.array([[1, 2, 3]]), np.array([[4, 5, 9]])))
      [1.]
    """
    pairs = zip(first, second, strict=True)
    found = np.array([rank_correlation(one, other).value for one, other in pairs])
    return np.where((np.isnan(first) | np.isnan(second)).any(axis=1), np.nan, found)


def _read(dataset: xr.Dataset, estimator: str) -> list[_Cell]:
    cells = []
    for _, cell in cells_of(dataset):
        options = json.loads(cell.attrs["configuration"])
        cells.append(
            _Cell(
                float(options["noise_std"]),
                float(options["orthonormal"]),
                tuple(options["bin_widths"]),
                cell,
                Curves(cell, estimator),
            )
        )
    if not any(cell.orthonormal == 0 for cell in cells):
        raise ValueError(
            "dataset must hold networks without a penalty (orthonormal 0), got "
            f"orthonormal {sorted({cell.orthonormal for cell in cells})}"
        )
    return cells


def _compresses(cell: _Cell, layer: int) -> Claim:
    return _claim(
        cell,
        f"1. Layer {cell.curves.name(layer)} compresses",
        "largest I(X;T) less the last, bits",
        cell.curves.compression_bits(layer),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _beyond_errors(cell: _Cell, layer: int, estimator: str) -> Claim:
    kept = cell.curves.kept[layer]
    low = cell.values(f"{estimator}_i_xt_held_out", layer)[kept]
    error = cell.values(f"{estimator}_i_xt_error", layer)[kept]
    seeds = np.arange(len(low))
    # Too small at the peak and too large at the end: no bias makes a fall.
    peak = np.argmax(low, axis=1)
    fall = low[seeds, peak] - cell.curves.i_xt[layer, kept, -1]
    fall -= _STANDARD_ERRORS * np.hypot(error[seeds, peak], error[:, -1])
    return _claim(
        cell,
        f"2. In most networks layer {cell.curves.name(layer)} compresses beyond the "
        "errors of the estimate",
        "fraction of networks whose I(X;T) falls by more than 0.1 bit, the bias and "
        "three standard errors taken off",
        fraction_interval(np.where(np.isnan(fall), np.nan, fall > THRESHOLD_NATS)),
        above=0.5,
    )


def _clusters(cell: _Cell, layer: int) -> Claim:
    return _together(
        cell,
        layer,
        f"3. In layer {cell.curves.name(layer)} I(X;T) goes with the number of "
        "clusters",
        "rank correlation over epochs with the number of clusters, median",
        cell.values("num_clusters", layer),
    )


def _classes(cell: _Cell, layer: int) -> Claim:
    within = cell.values("distance_within", layer)
    return _together(
        cell,
        layer,
        f"3. In layer {cell.curves.name(layer)} I(X;T) goes with how far a class is "
        "spread",
        "rank correlation over epochs with the distance within classes over that "
        "between them, median",
        within / cell.values("distance_between", layer),
    )


def _falls_less(plain: _Cell, other: _Cell, layer: int) -> Claim:
    return _paired(
        plain,
        other,
        layer,
        f"4. Orthonormal weights ({other.orthonormal:g}) keep layer "
        f"{plain.curves.name(layer)} from compressing",
        "largest I(X;T) less the last without the penalty less that with it, bits",
        _falls(plain, layer) - _falls(other, layer),
    )


def _ends_higher(plain: _Cell, other: _Cell, layer: int) -> Claim:
    return _paired(
        plain,
        other,
        layer,
        f"4. Layer {plain.curves.name(layer)} keeps more of X with orthonormal "
        f"weights ({other.orthonormal:g})",
        "last I(X;T) with the penalty less that without it, bits",
        other.curves.i_xt[layer, :, -1] - plain.curves.i_xt[layer, :, -1],
    )


def _falls_later(plain: _Cell, other: _Cell, layer: int) -> Claim:
    first, second = _onsets(plain, other, layer)
    # A layer that never falls does so after the last epoch at the earliest.
    second = np.where(np.isnan(second), plain.curves.epochs[-1], second)
    return _claim(
        plain,
        f"5. Orthonormal weights ({other.orthonormal:g}) at least delay the "
        f"compression of layer {plain.curves.name(layer)}",
        "epoch at which I(X;T) starts to fall with the penalty (the last where it does "
        "not) over that without it, median",
        median_interval(second / first),
        above=1.0,
        added=True,
    )


def _of_noise(less: _Cell, more: _Cell, layer: int) -> list[Claim]:
    """Claims 8 to 10, of one layer under two noises."""
    name = more.curves.name(layer)
    at_less, at_more = _onsets(less, more, layer)
    peaks = [np.max(cell.curves.i_xt[layer], axis=1) for cell in (less, more)]
    return [
        _paired(
            more,
            less,
            layer,
            f"8. Layer {name} at most keeps less of X than at noise {less.noise_std:g}",
            "largest I(X;T) at the smaller noise less that at the larger, bits",
            peaks[0] - peaks[1],
        ),
        _claim(
            more,
            f"9. Layer {name} compresses earlier than at noise {less.noise_std:g}",
            "epoch at which I(X;T) starts to fall, never where it does not, over that "
            "at the smaller noise, median",
            median_interval(event_ratios(at_more, at_less)),
            below=1.0,
        ),
        _paired(
            more,
            less,
            layer,
            f"10. Layer {name} compresses by less than at noise {less.noise_std:g}",
            "largest I(X;T) less the last at the smaller noise less that at the "
            "larger, bits",
            _falls(less, layer) - _falls(more, layer),
        ),
    ]


def _falls(cell: _Cell, layer: int) -> np.ndarray:
    i_xt = cell.curves.i_xt[layer]
    return np.max(i_xt, axis=1) - i_xt[:, -1]


def _onsets(first: _Cell, second: _Cell, layer: int) -> tuple[np.ndarray, np.ndarray]:
    """Onsets of compression in both, seed by seed; epoch 0 counts as 1."""
    kept = first.curves.kept[layer] & second.curves.kept[layer]
    onsets = (
        compression_onsets(cell.curves.epochs, cell.curves.i_xt[layer, kept])
        for cell in (first, second)
    )
    return tuple(np.maximum(epochs, 1.0) for epochs in onsets)


def _follows(cell: _Cell, layer: int, width: float) -> Claim:
    return _together(
        cell,
        layer,
        f"6. With bins of {width:g} H(bin(T)) follows I(X;T) of layer "
        f"{cell.curves.name(layer)}",
        "rank correlation over epochs with H(bin(T)), median",
        cell.values(binned_entropy_name(width), layer),
    )


def _saturates(cell: _Cell, layer: int, width: float) -> Claim:
    entropy = cell.values(binned_entropy_name(width), layer)[cell.curves.kept[layer]]
    most = math.log(cell.dataset.attrs["num_samples"])
    return _claim(
        cell,
        f"7. With bins of {width:g} H(bin(T)) of layer {cell.curves.name(layer)} "
        "stays at log N",
        "log N less the least H(bin(T)) of all epochs, bits",
        mean_estimate((most - np.min(entropy, axis=1)) / NATS_PER_BIT),
        below=COMPRESSION_THRESHOLD_BITS,
    )


def _together(cell, layer, claim, quantity, values) -> Claim:
    kept = cell.curves.kept[layer]
    found = rank_correlations(cell.curves.i_xt[layer, kept], values[kept])
    return _claim(cell, claim, quantity, median_interval(found), above=TOGETHER)


def _paired(plain, other, layer, claim, quantity, difference) -> Claim:
    kept = plain.curves.kept[layer] & other.curves.kept[layer]
    return _claim(
        plain,
        claim,
        quantity,
        mean_estimate(difference[kept] / NATS_PER_BIT),
        above=COMPRESSION_THRESHOLD_BITS,
    )


def _claim(
    cell: _Cell, claim: str, quantity: str, estimate: Estimate, **options: Any
) -> Claim:
    number, text = claim.split(" ", 1)
    return decide(
        f"{number} At noise {cell.noise_std:g}, {text[0].lower()}{text[1:]}",
        quantity,
        estimate,
        num_seeds=cell.curves.num_seeds,
        **options,
    )
