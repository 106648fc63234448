"""Compression: how far I(X;T) falls from its maximum, since when, and the verdict."""

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.results.statistics import (
    COMPRESSION_THRESHOLD_BITS,
    NATS_PER_BIT,
    MeanInterval,
    cautious_interval,
    mean_interval,
)

__all__ = [
    "THRESHOLD_NATS",
    "compression_interval",
    "compression_onsets",
    "compression_verdict",
]

THRESHOLD_NATS = COMPRESSION_THRESHOLD_BITS * NATS_PER_BIT
"""Least fall of I(X;T), in nats, that counts as compression."""


def compression_interval(i_xt: ArrayLike, *, confidence: float = 0.95) -> MeanInterval:
    r"""Mean fall of I(X;T) from its maximum to the end, with a cautious interval.

    The mean is of each seed's maximum less its last value. Jitter alone makes that
    difference positive, so only the upper end of the interval comes from it
    (:func:`ibjax.results.statistics.cautious_interval`). The lower end comes from other
    seeds than those that choose where the maximum is: every fourth seed chooses the
    snapshot at which their mean curve is largest, and the lower end is that of the
    Student t interval of the other seeds' falls from that snapshot to the last.

    **Coverage.** Let :math:`\mu(e)` be the mean over networks of I(X;T) without jitter.
    The snapshot :math:`e` depends on the choosing seeds only, so given them the others'
    differences are independent, with mean :math:`\mu(e) - \mu(\text{last})`. That is at
    most the fall of the mean curve from its maximum, which is at most the mean of the
    networks' own falls. Hence the lower end exceeds that mean with the probability that
    a t interval's lower end exceeds the mean of its differences: 2.5 % if they are
    normal, however they are correlated over snapshots and whatever the number of
    snapshots; less than that if they are normal with different variances or longer
    tails than that, such as Student's (mixtures of normal distributions of one mean:
    Benjamini). By simulation it is less for lognormal jitter too, and up to 2.8 % for
    jitter with shorter tails than the normal, uniform or of two values
    (``benchmarks/verdicts.py``). The price is power, which is tabulated there: of four
    seeds three are measured, and their mean fall has to be 2.5 of its standard
    deviations over seeds, so that most layers stay undecided with so few.

    Which seeds choose is a matter of their order alone, and so the same dataset always
    gives the same interval. Summary, report, figures and claims all decide by it.

    Args:
      i_xt: Shape ``[num_seeds, num_epochs]``, in any unit. Seeds with a value that is
        not finite are left out.
      confidence: Coverage of the interval, in (0, 1).

    Returns:
      Mean and interval in the unit of ``i_xt``; NaN ends with fewer than three seeds.

    Raises:
      ValueError: If ``i_xt`` does not have rank 2.

    References:
      Benjamini, `Journal of the American Statistical Association` 78, 1983.

    Example:
      >>> jitter = np.random.default_rng(0).normal(size=(20, 50))
      >>> interval = compression_interval(jitter)
      >>> print(bool(interval.mean > 1), bool(interval.low < 0))
      True True
    """
    i_xt = np.asarray(checks.real("i_xt", i_xt, np.asarray), np.float64)
    checks.in_range("confidence", confidence, "(0, 1)")
    if i_xt.ndim != 2 or i_xt.shape[1] == 0:
        raise ValueError(
            f"i_xt must have shape [num_seeds, num_epochs], got {i_xt.shape}"
        )
    i_xt = i_xt[np.isfinite(i_xt).all(axis=1)]
    count = len(i_xt)
    if count == 0:
        return mean_interval(np.zeros(0))
    falls = np.max(i_xt, axis=1) - i_xt[:, -1]
    if count < 3:
        return mean_interval(falls)._replace(low=np.nan, high=np.nan)
    fall = cautious_interval(falls, confidence=confidence)
    chooses = np.arange(1, count + 1) % min(count, 4) == 0
    peak = np.argmax(np.mean(i_xt[chooses], axis=0))
    measured = i_xt[~chooses, peak] - i_xt[~chooses, -1]
    low = mean_interval(measured, confidence=confidence).low
    return fall._replace(low=np.minimum(low, fall.mean))


def compression_verdict(interval_bits: MeanInterval) -> str:
    """Verdict on a layer's compression, from its interval against 0.1 bit.

    Args:
      interval_bits: The interval of :func:`compression_interval`, in bits.

    Returns:
      ``"compresses"`` if the whole interval is above 0.1 bit, ``"does not compress"``
      if it is below, ``"undecided"`` if 0.1 bit lies inside or fewer than three seeds
      count, ``"no data"`` if no seed does.

    Example:
      >>> curves = [[2.0, 6.0, 5.0], [2.0, 6.1, 5.0], [2.0, 6.2, 5.1], [2.0, 6.0, 5.1]]
      >>> compression_verdict(compression_interval(curves))
      'compresses'
    """
    checks.instance("interval_bits", interval_bits, MeanInterval)
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
    epochs = np.asarray(checks.real("epochs", epochs, np.asarray), np.float64)
    i_xt = np.asarray(checks.real("i_xt", i_xt, np.asarray), np.float64)
    checks.number("threshold", threshold)
    checks.shape("epochs", epochs, ["num_epochs"])
    if i_xt.shape[-1:] != epochs.shape:
        raise ValueError(
            "i_xt must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {i_xt.shape}"
        )
    finite = np.isfinite(i_xt).all(axis=-1)
    curves = np.where(finite[..., None], i_xt, 0.0)
    high = curves >= np.max(curves, axis=-1, keepdims=True) - threshold
    last = len(epochs) - 1 - np.argmax(high[..., ::-1], axis=-1)
    return np.where(finite & (last < len(epochs) - 1), epochs[last], np.nan)
