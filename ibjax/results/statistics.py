"""Statistics over seeds and snapshots: mean intervals, turning epochs, loss kinks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import special

from ibjax.measures import NATS_PER_BIT

__all__ = [
    "COMPRESSION_THRESHOLD_BITS",
    "NATS_PER_BIT",
    "TURNING_SNAPSHOTS",
    "MeanInterval",
    "cautious_interval",
    "check_nats",
    "loss_kinks",
    "majority_quantiles",
    "mean_interval",
    "turning_epochs",
]

COMPRESSION_THRESHOLD_BITS = 0.1
"""Least fall of I(X;T), in bits, that counts as compression."""

TURNING_SNAPSHOTS = 3
"""Number of consecutive snapshots below one that :func:`turning_epochs` requires."""

_TURNING_FRACTION = 0.9


# Everything reads them in nats, and tells bits.
_IN_NATS = ("i_xt", "i_ty", "train_loss", "test_loss")


def check_nats(dataset: xr.Dataset) -> None:
    """Check that informations and losses say no other unit than nats.

    Example:
      >>> bits = xr.Dataset({"i_xt": ("seed", [3.0], {"units": "bits"})})
      >>> check_nats(bits)
      Traceback (most recent call last):
          ...
      ValueError: i_xt of dataset must be in nats, got bits: multiply it by log 2
    """
    for name in _IN_NATS:
        units = str(dataset[name].attrs.get("units", "")) if name in dataset else ""
        if units.lower() in ("bit", "bits", "shannon", "sh"):
            raise ValueError(
                f"{name} of dataset must be in nats, got {units}: multiply it by log 2"
            )


class MeanInterval(NamedTuple):
    """A mean over seeds and its interval.

    Attributes:
      mean: Mean over the finite values.
      low: Lower end of the interval; NaN with fewer than two finite values.
      high: Upper end of the interval; NaN with fewer than two finite values.
      count: Number of finite values, int.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray


def mean_interval(
    values: ArrayLike, *, axis: int = 0, confidence: float = 0.95
) -> MeanInterval:
    r"""Mean and Student t interval of the mean along an axis, in the values' unit.

    Computes :math:`\bar v \pm t_{n-1}\, s / \sqrt n` over the finite values, with
    :math:`s` the standard deviation that divides by :math:`n - 1`. The interval is
    for the mean over seeds, not for one seed: it shrinks as seeds are added. It covers
    what it says for a normal distribution, and less for a skewed one: verdicts rest on
    :func:`cautious_interval`.

    Args:
      values: Any numeric array; values that are not finite are left out.
      axis: Axis to average over, usually the seeds.
      confidence: Coverage of the interval, in (0, 1).

    Returns:
      Arrays with ``axis`` removed. Without any finite value the mean is NaN, with a
      single one the interval is NaN.

    Raises:
      ValueError: If ``confidence`` is not in (0, 1).

    Example:
      >>> interval = mean_interval([1.0, 2.0, 3.0, float("nan")])
      >>> print(f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
      2.00 [-0.48, 4.48]
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1), got {confidence}")
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    count = np.sum(finite, axis=axis)
    total = np.sum(np.where(finite, values, 0.0), axis=axis)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    centred = np.where(finite, values - np.expand_dims(mean, axis), 0.0)
    variance = np.sum(centred**2, axis=axis) / np.maximum(count - 1, 1)
    quantile = special.stdtrit(np.maximum(count - 1, 1), (1.0 + confidence) / 2.0)
    half = np.where(
        count > 1, quantile * np.sqrt(variance / np.maximum(count, 1)), np.nan
    )
    return MeanInterval(mean, mean - half, mean + half, count)


def cautious_interval(
    values: ArrayLike, *, axis: int = 0, confidence: float = 0.95
) -> MeanInterval:
    r"""Mean and an interval of the mean that allows for skewed values.

    It reaches from the lower of the lower ends to the higher of the higher ends of two
    intervals, Student's (:func:`mean_interval`) and Hall's. The latter corrects the
    statistic :math:`T` for the skewness :math:`\hat\gamma`,

    .. math:: Y = T + k T^2 / 3 + k^2 T^3 / 27 + k / 6,
      \qquad k = \hat\gamma / \sqrt n,

    and takes Student's quantiles for those of :math:`Y`. With 4, 10 and 50 seeds it
    covers 0.97, 0.96 and 0.95 of normal values, 0.93, 0.95 and 0.96 of exponential
    ones, and 0.89, 0.92 and 0.95 of lognormal ones with a logarithm of variance one,
    where Student's covers 0.95, then 0.88, 0.90 and 0.93, then 0.82, 0.84 and 0.90
    (``benchmarks/verdicts.py``).

    An outcome so rare that no seed shows it moves no interval of this kind. Without one
    in n seeds its probability may still be :math:`1 - 0.025^{1/n}`, 0.31 with ten.

    Args:
      values: As for :func:`mean_interval`.
      axis: Likewise.
      confidence: Likewise.

    Returns:
      As :func:`mean_interval`; with two finite values the interval is Student's.

    Raises:
      ValueError: If ``confidence`` is not in (0, 1).

    References:
      Hall, `Journal of the Royal Statistical Society` B 54, 1992.

    Example:
      >>> interval = cautious_interval([1.0, 1.1, 1.2, 3.0])
      >>> print(f"{interval.mean:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
      1.57 [0.06, 4.96]
    """
    values = np.asarray(values, np.float64)
    mean, low, high, count = mean_interval(values, axis=axis, confidence=confidence)
    finite = np.isfinite(values)
    centred = np.where(finite, values - np.expand_dims(mean, axis), 0.0)
    n = np.maximum(count, 3).astype(np.float64)
    # Without spread, or with two values, there is no skewness to correct for.
    spread = np.sqrt(np.sum(centred**2, axis=axis) / (n - 1))
    scale = np.where((count > 2) & (spread > 0), spread, np.inf)
    third = np.sum((centred / np.expand_dims(scale, axis)) ** 3, axis=axis)
    k = n * third / ((n - 1) * (n - 2)) / np.sqrt(n)
    skewed = np.abs(k) > 1e-6  # Below that Hall's T and Y are equal, to rounding.
    k = np.where(skewed, k, 1.0)
    quantile = special.stdtrit(n - 1, (1.0 + confidence) / 2.0)
    error = np.where(skewed, spread, 0.0) / np.sqrt(n)
    ends = [
        mean - error * 3.0 / k * (np.cbrt(1.0 + k * (y - k / 6.0)) - 1.0)
        for y in (quantile, -quantile)
    ]
    return MeanInterval(
        mean, np.minimum(low, ends[0]), np.maximum(high, ends[1]), count
    )


def majority_quantiles(
    values: ArrayLike, probabilities: ArrayLike = (0.25, 0.5, 0.75)
) -> np.ndarray:
    """Quantiles over those seeds that have a value, if half of all seeds do.

    A median over a few would pass for one of all.

    Args:
      values: Shape ``[num_seeds, ...]``; values that are not finite are none.
      probabilities: Shape ``[num_probabilities]``.

    Returns:
      Shape ``[num_probabilities, ...]``, in the values' unit; NaN where fewer than half
      of the seeds have a value.

    Example:
      >>> nan = float("nan")
      >>> values = [[10.0, 10.0], [30.0, nan], [nan, nan], [20.0, nan]]
      >>> print(majority_quantiles(values, [0.5]))
      [[20. nan]]
    """
    values = np.asarray(values, np.float64)
    finite = np.isfinite(values)
    found = np.full((len(probabilities), *values.shape[1:]), np.nan)
    for place in np.ndindex(values.shape[1:]):
        column, known = values[:, *place], finite[:, *place]
        if known.any() and 2 * known.sum() >= len(known):
            found[:, *place] = np.quantile(column[known], probabilities)
    return found


def turning_epochs(epochs: ArrayLike, gradient_snr: ArrayLike) -> np.ndarray:
    """Epoch at which the gradient's signal-to-noise ratio falls below one for good.

    It is the first snapshot that satisfies both:

    * the ratio is below one there and at the next two snapshots;
    * from there to the end it is below one at nine tenths or more of the snapshots.

    The first condition skips single noisy snapshots, the second a ratio that starts
    below one, rises in early training, and falls again. A ratio that is below one from
    the first snapshot on gives that snapshot, although nothing turned there. Snapshots
    whose ratio is NaN, a gradient that vanished, are skipped. The answer is as coarse
    as the snapshots are.

    Args:
      epochs: Epochs of the snapshots, shape ``[num_epochs]``, rising.
      gradient_snr: Norm of the mean gradient over the norm of its standard
        deviation, shape ``[num_epochs]`` or with axes in front, ``[..., num_epochs]``.

    Returns:
      Epochs, float64, shape ``[...]``; NaN where the ratio does not fall below one
      or has fewer than three snapshots.

    Raises:
      ValueError: If the last axis of ``gradient_snr`` is not ``num_epochs`` long.

    Example:
      >>> ratio = [0.9, 3.0, 2.0, 0.8, 1.1, 0.7, 0.4, 0.5]
      >>> print(turning_epochs([0, 1, 3, 10, 30, 100, 300, 1000], ratio))
      100.0
    """
    epochs = np.asarray(epochs, np.float64)
    ratio = np.asarray(gradient_snr, np.float64)
    if epochs.ndim != 1 or ratio.shape[-1:] != epochs.shape:
        raise ValueError(
            "gradient_snr must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {ratio.shape}"
        )
    turning = np.full(ratio.shape[:-1], np.nan)
    for index in np.ndindex(turning.shape):
        known = ~np.isnan(ratio[index])
        below = ratio[index][known] < 1.0
        num_left = np.arange(len(below), 0, -1)
        fraction = np.cumsum(below[::-1])[::-1] / num_left
        for start in range(len(below) - TURNING_SNAPSHOTS + 1):
            run = below[start : start + TURNING_SNAPSHOTS]
            if run.all() and fraction[start] >= _TURNING_FRACTION:
                turning[index] = epochs[known][start]
                break
    return turning


def loss_kinks(epochs: ArrayLike, loss: ArrayLike) -> np.ndarray:
    """Epoch at which the loss bends most, on two logarithmic axes.

    It is where the two straight lines meet that fit the logarithm of the loss best, in
    the mean square over the snapshots from epoch 1 on, among all pairs of lines that
    meet at a snapshot. Every curve has one, sharp or not.

    Args:
      epochs: Epochs of the snapshots, shape ``[num_epochs]``, rising.
      loss: Shape ``[num_epochs]`` or with axes in front, ``[..., num_epochs]``.

    Returns:
      Epochs, float64, shape ``[...]``; NaN where the loss is not positive and finite
      throughout, or has fewer than five snapshots from epoch 1 on.

    Raises:
      ValueError: If the last axis of ``loss`` is not ``num_epochs`` long.

    Example:
      >>> epochs = [1, 2, 4, 8, 16, 32, 64]
      >>> print(loss_kinks(epochs, [1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125]))
      8.0
    """
    epochs, loss = np.asarray(epochs, np.float64), np.asarray(loss, np.float64)
    if epochs.ndim != 1 or loss.shape[-1:] != epochs.shape:
        raise ValueError(
            "loss must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {loss.shape}"
        )
    shown = epochs >= 1
    epochs, loss = epochs[shown], loss[..., shown]
    if len(epochs) < 5:
        return np.full(loss.shape[:-1], np.nan)
    good = (np.isfinite(loss) & (loss > 0)).all(axis=-1)
    y = np.log(np.where(good[..., None], loss, 1.0))
    x = np.log(epochs)
    # Least squares of every candidate at once: projections on the basis of its lines.
    errors = []
    for bend in x[1:-1]:
        lines = np.stack([np.ones_like(x), x, np.maximum(x - bend, 0.0)])
        basis = np.linalg.qr(lines.T)[0]
        errors.append(np.sum((y - y @ basis @ basis.T) ** 2, axis=-1))
    return np.where(good, epochs[1:-1][np.argmin(errors, axis=0)], np.nan)
