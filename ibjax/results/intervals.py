"""Estimates over seeds with the 95 % intervals that decide verdicts and claims."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from ibjax.results.statistics import (
    COMPRESSION_THRESHOLD_BITS,
    NATS_PER_BIT,
    MeanInterval,
    mean_interval,
)

__all__ = [
    "THRESHOLD_NATS",
    "Estimate",
    "compression_interval",
    "compression_onsets",
    "compression_verdict",
    "event_ratios",
    "fraction_interval",
    "mean_estimate",
    "median_interval",
    "rank_correlation",
    "spread_ratio",
]

THRESHOLD_NATS = COMPRESSION_THRESHOLD_BITS * NATS_PER_BIT
"""Least fall of I(X;T), in nats, that counts as compression."""


class Estimate(NamedTuple):
    """A number over seeds and its interval.

    Attributes:
      value: The number; NaN without seeds.
      low: Lower end of the interval; NaN with too few seeds for one.
      high: Upper end of the interval; NaN with too few seeds for one.
      count: Seeds it comes from.
    """

    value: float
    low: float
    high: float
    count: int


def compression_interval(i_xt: ArrayLike) -> MeanInterval:
    """Mean fall of I(X;T) from its maximum to the end, with a cautious 95 % interval.

    The mean is of each seed's maximum less its last value. Jitter alone makes that
    difference positive, so only the upper end of the interval comes from its Student t
    interval. The lower end comes from a second estimate, in which the snapshot of the
    maximum is chosen, for each seed, from the mean curve of the other seeds. That
    choice is independent of the seed's own jitter, so jitter does not raise the second
    estimate; seeds that peak at different epochs lower it. The fall of the curves
    without jitter lies between the two, so either verdict on a threshold is safe.

    Summary, report, figures and claims all decide by this interval.

    Args:
      i_xt: Shape ``[num_seeds, num_epochs]``, in any unit. Seeds with a value that is
        not finite are left out.

    Returns:
      Mean and interval in the unit of ``i_xt``; NaN ends with fewer than two seeds.

    Raises:
      ValueError: If ``i_xt`` does not have rank 2.

    Example:
      >>> jitter = np.random.default_rng(0).normal(size=(20, 50))
      >>> interval = compression_interval(jitter)
      >>> print(bool(interval.mean > 1), bool(interval.low < 0))
      True True
    """
    i_xt = np.asarray(i_xt, np.float64)
    if i_xt.ndim != 2:
        raise ValueError(
            f"i_xt must have shape [num_seeds, num_epochs], got {i_xt.shape}"
        )
    i_xt = i_xt[np.isfinite(i_xt).all(axis=1)]
    if len(i_xt) == 0:
        return mean_interval(np.zeros(0))
    fall = mean_interval(np.max(i_xt, axis=1) - i_xt[:, -1])
    others = np.sum(i_xt, axis=0) - i_xt
    peaks = np.argmax(others, axis=1)
    low = mean_interval(i_xt[np.arange(len(i_xt)), peaks] - i_xt[:, -1]).low
    return fall._replace(low=np.minimum(low, fall.mean))


def compression_verdict(interval_bits: MeanInterval) -> str:
    """Verdict on a layer's compression, from its interval against 0.1 bit.

    Args:
      interval_bits: The interval of :func:`compression_interval`, in bits.

    Returns:
      ``"compresses"`` if the whole interval is above 0.1 bit, ``"does not compress"``
      if it is below, ``"undecided"`` if 0.1 bit lies inside or fewer than two seeds
      count, ``"no data"`` if no seed does.

    Example:
      >>> curves = [[2.0, 6.0, 5.0], [2.0, 6.1, 5.0], [2.0, 6.0, 5.1]]
      >>> compression_verdict(compression_interval(curves))
      'compresses'
    """
    if interval_bits.count == 0:
        return "no data"
    if interval_bits.low > COMPRESSION_THRESHOLD_BITS:
        return "compresses"
    if interval_bits.high < COMPRESSION_THRESHOLD_BITS:
        return "does not compress"
    return "undecided"


def compression_onsets(
    epochs: ArrayLike, i_xt: ArrayLike, *, threshold: float = THRESHOLD_NATS
) -> np.ndarray:
    """Epoch of the last snapshot at which I(X;T) is within a threshold of its maximum.

    From there on I(X;T) falls for good. Unlike the epoch of the maximum itself, this
    one does not depend on which part of a plateau happens to be the highest.

    Args:
      epochs: Epochs of the snapshots, shape ``[num_epochs]``, rising.
      i_xt: I(X;T) in nats, shape ``[..., num_epochs]``.
      threshold: Least fall that counts, in nats; 0.1 bit by default.

    Returns:
      Epochs, float64, shape ``[...]``; NaN where I(X;T) is within ``threshold`` of its
      maximum at the end, or not finite somewhere.

    Raises:
      ValueError: If the last axis of ``i_xt`` is not ``num_epochs`` long.

    Example:
      >>> i_xt = [[2.0, 5.0, 5.01, 4.99, 3.0], [2.0, 3.0, 4.0, 5.0, 5.0]]
      >>> print(compression_onsets([0, 1, 10, 100, 1000], i_xt))
      [100.  nan]
    """
    epochs, i_xt = np.asarray(epochs, np.float64), np.asarray(i_xt, np.float64)
    if epochs.ndim != 1 or i_xt.shape[-1:] != epochs.shape:
        raise ValueError(
            "i_xt must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {i_xt.shape}"
        )
    finite = np.isfinite(i_xt).all(axis=-1)
    curves = np.where(finite[..., None], i_xt, 0.0)
    high = curves >= np.max(curves, axis=-1, keepdims=True) - threshold
    last = len(epochs) - 1 - np.argmax(high[..., ::-1], axis=-1)
    return np.where(finite & (last < len(epochs) - 1), epochs[last], np.nan)


def event_ratios(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Ratios of the epochs of two events, either of which may never happen (NaN).

    Infinite where only the second happens, zero where only the first does, NaN where
    neither does or both at epoch 0.

    Example:
      >>> print(event_ratios([100.0, np.nan, 10.0], [50.0, 50.0, np.nan]))
      [ 2. inf  0.]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    never = np.isnan(first) & np.isnan(second)
    first, second = (np.where(np.isnan(e), np.inf, e) for e in (first, second))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(never, np.nan, first / second)


def mean_estimate(values: ArrayLike) -> Estimate:
    """Mean over seeds and its Student t interval, as an :class:`Estimate`.

    Args:
      values: Shape ``[num_seeds]``; values that are not finite are left out.

    Example:
      >>> estimate = mean_estimate([1.0, 2.0, 3.0])
      >>> print(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]")
      2.00 [-0.48, 4.48]
    """
    mean, low, high, count = mean_interval(np.asarray(values, np.float64).reshape(-1))
    return Estimate(float(mean), float(low), float(high), int(count))


def median_interval(values: ArrayLike) -> Estimate:
    """Median over seeds and the 95 % interval between two order statistics.

    The interval assumes nothing but independent seeds, covers at least 95 %, and is
    equivariant: the interval of the logarithms is the logarithm of the interval.

    Args:
      values: Shape ``[num_seeds]``. NaNs are left out, infinities are not.

    Returns:
      The estimate; fewer than six values have no such interval.

    Example:
      >>> print(median_interval([1, 2, 3, 4, 5, 6, 7, 8]))
      Estimate(value=4.5, low=1.0, high=8.0, count=8)
    """
    values = np.asarray(values, np.float64).reshape(-1)
    values = np.sort(values[~np.isnan(values)])
    count = len(values)
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    # Not np.median, which makes NaN of two infinities in the middle.
    value = float(values[(count - 1) // 2] + values[count // 2]) / 2.0
    low, high = stats.quantile_test(values, p=0.5).confidence_interval(0.95)
    return Estimate(value, float(low), float(high), count)


def fraction_interval(true: ArrayLike) -> Estimate:
    """Fraction of seeds that are true and its Clopper-Pearson 95 % interval.

    The interval covers at least 95 %.

    Args:
      true: Booleans, shape ``[num_seeds]``.

    Returns:
      The estimate; NaNs without seeds.

    References:
      Clopper and Pearson, `Biometrika` 26, 1934.

    Example:
      >>> estimate = fraction_interval([True] * 9 + [False])
      >>> print(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]")
      0.90 [0.55, 1.00]
    """
    true = np.asarray(true, bool).reshape(-1)
    count, successes = len(true), int(np.sum(true))
    if count == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    # Closed form. scipy's binomtest finds the same ends by bisection, to 1e-12 only.
    low, high = 0.0, 1.0
    if successes > 0:
        low = float(special.betaincinv(successes, count - successes + 1, 0.025))
    if successes < count:
        high = float(special.betaincinv(successes + 1, count - successes, 0.975))
    return Estimate(successes / count, low, high, count)


def rank_correlation(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Spearman's rank correlation over seeds and its 95 % interval.

    The interval is Fisher's, with Bonett and Wright's standard error for ranks.

    Args:
      first: Values, shape ``[num_seeds]``.
      second: Other values of the same seeds. Seeds with a NaN are left out,
        infinities are not.

    Returns:
      The estimate. The value is NaN where all values are equal or with fewer than two
      seeds, the interval also with fewer than five seeds.

    Raises:
      ValueError: If the shapes differ or are not of rank 1.

    References:
      Bonett and Wright, `Psychometrika` 65, 2000.

    Example:
      >>> estimate = rank_correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 9])
      >>> print(f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]")
      0.94 [0.38, 1.00]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise ValueError(
            "first and second must have one shape [num_seeds], got "
            f"{first.shape} and {second.shape}"
        )
    kept = ~(np.isnan(first) | np.isnan(second))
    ranks = [stats.rankdata(values[kept]) for values in (first, second)]
    count = int(np.sum(kept))
    if count < 2 or any(np.ptp(r) == 0.0 for r in ranks):
        return Estimate(math.nan, math.nan, math.nan, count)
    value = float(np.corrcoef(*ranks)[0, 1])
    if count < 5:
        return Estimate(value, math.nan, math.nan, count)
    half = special.ndtri(0.975) * math.sqrt((1 + value**2 / 2) / (count - 3))
    # A perfect correlation would have an infinite arctanh, and no interval.
    centre = np.arctanh(np.clip(value, -1.0, 1.0) * (1 - 1e-12))
    low, high = np.tanh([centre - half, centre + half]).tolist()
    return Estimate(value, low, high, count)


def spread_ratio(first: ArrayLike, last: ArrayLike) -> Estimate:
    """Ratio of the standard deviations over seeds at the end and at the start.

    The 95 % interval is a Student t interval of the logarithm of the ratio. Its
    standard error is the jackknife's (leave one seed out), which accounts for both
    ends coming from the same seeds and needs no normal distribution.

    Args:
      first: Values at the start, shape ``[num_seeds]``.
      last: Values of the same seeds at the end, in the same unit. Seeds with a value
        that is not finite are left out.

    Returns:
      The estimate. The value is NaN with fewer than two seeds or no spread at the
      start, the interval also with fewer than three seeds or where the spread comes
      from one seed.

    Raises:
      ValueError: If the shapes differ or are not of rank 1.

    Example:
      >>> estimate = spread_ratio([1.0, 2.0, 3.0, 4.0], [1.1, 1.2, 1.3, 1.4])
      >>> print(f"{estimate.value:.2f}")
      0.10
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    if first.ndim != 1 or first.shape != last.shape:
        raise ValueError(
            "first and last must have one shape [num_seeds], got "
            f"{first.shape} and {last.shape}"
        )
    kept = np.isfinite(first) & np.isfinite(last)
    first, last = first[kept], last[kept]
    count = len(first)
    if count < 2 or np.ptp(first) == 0.0:
        return Estimate(math.nan, math.nan, math.nan, count)
    value = float(np.std(last) / np.std(first))
    without = [np.delete(np.arange(count), seed) for seed in range(count)]
    spreads = np.array([[np.std(v[rows]) for rows in without] for v in (first, last)])
    # Rounding leaves equal values a spread of an ulp or so.
    scale = max(np.max(np.abs(first)), np.max(np.abs(last)))
    if count < 3 or np.any(spreads <= 1e-12 * scale):
        return Estimate(value, math.nan, math.nan, count)
    logs = np.log(spreads[1] / spreads[0])
    error = math.sqrt((count - 1) / count * np.sum((logs - np.mean(logs)) ** 2))
    factor = math.exp(float(special.stdtrit(count - 1, 0.975)) * error)
    return Estimate(value, value / factor, value * factor, count)
