r"""Noise variances at which the kernel density gives labels their entropy.

The kernel-density bounds depend on the variance of the noise, for which nothing in the
network gives a number. A published way out is to measure something whose information is
known: one-hot labels, of which the estimate should be their entropy. All labels of one
class fall together and any two classes lie :math:`\sqrt 2` apart, so that the estimate
has a closed form,

.. math::
    I(s^2) = -\sum_y p(y) \log[p(y) + (1 - p(y)) e^{-1 / \nu s^2}] ,

with :math:`\nu` 1 for the upper bound and 4 for the lower.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from ibjax.estimators.samples import as_array
from ibjax.numerics import checks

__all__ = ["CalibratedVariance", "calibrated_noise_variance", "label_information"]

_WIDTHS = {"upper": 1.0, "lower": 4.0}
_TOLERANCE_NATS = 0.01 * math.log(2.0)


class CalibratedVariance(NamedTuple):
    """All variances whose estimate is close to a target.

    Attributes:
      smallest: The smallest of them; 0 where every smaller one is close too.
      largest: The largest of them.
      estimate: The estimate at ``largest``, in nats.
      label_entropy: Entropy of the labels, in nats: the estimate without noise.
    """

    smallest: float
    largest: float
    estimate: float
    label_entropy: float


def label_information(
    p_y: ArrayLike, noise_variance: float, *, bound: str = "upper"
) -> float:
    """The kernel-density estimate of the entropy of one-hot labels, in nats.

    It falls as the noise grows, from the labels' entropy to zero, and equals ``i_xt``
    of :func:`ibjax.estimators.kde.layer_information` of the labels as a layer.

    Args:
      p_y: Probability of every class, shape ``[num_classes]``.
      noise_variance: Variance of the noise, positive.
      bound: ``"upper"`` or ``"lower"``.

    Returns:
      The estimate.

    Raises:
      ValueError: If ``p_y`` is no distribution, the variance not positive or the bound
        unknown.

    Example:
      >>> print(f"{label_information(np.full(10, 0.1), 0.0735) / np.log(2):.4f} bits")
      3.3219 bits
    """
    p_y = np.asarray(checks.finite("p_y", as_array("p_y", p_y)), np.float64)
    checks.shape("p_y", p_y, ("num_classes",))
    if np.any(p_y < 0) or not math.isclose(p_y.sum(), 1, abs_tol=1e-6):
        raise ValueError(f"p_y must be a distribution [num_classes], got {p_y}")
    noise_variance = checks.positive("noise_variance", noise_variance)
    checks.one_of("bound", bound, _WIDTHS)
    p_y = p_y[p_y > 0]
    kernel = math.exp(-1 / (_WIDTHS[bound] * noise_variance))
    return float(-np.sum(p_y * np.log(p_y + (1 - p_y) * kernel)))


def calibrated_noise_variance(
    p_y: ArrayLike,
    *,
    target: float | None = None,
    bound: str = "upper",
    tolerance: float = _TOLERANCE_NATS,
) -> CalibratedVariance:
    """The variances at which the kernel density of one-hot labels gives a target.

    They are an interval, not one number: without noise the estimate is the labels'
    entropy, and it stays there until the noise is about as wide as the classes are
    apart. With the entropy or more as the target, every variance below ``largest`` is
    as good as it. MNIST's test labels have 3.3194 bits; log2 10 = 3.3219, the published
    target, is met by none of them exactly, but to 0.01 bit by all below 0.134 (upper
    bound) or 0.0335 (lower bound). The published value is 0.0735.

    Args:
      p_y: Probability of every class, shape ``[num_classes]``.
      target: What the estimate should be, in nats; log of the number of classes by
        default.
      bound: ``"upper"`` or ``"lower"``, the bound to calibrate.
      tolerance: How far the estimate may be from the target, in nats; 0.01 bit by
        default.

    Returns:
      The smallest and the largest variance.

    Raises:
      ValueError: If the labels' entropy is below the target by more than the tolerance,
        the target less the tolerance not positive, or an argument out of range.

    References:
      Kolchinsky and Tracey, `Estimating mixture entropy with pairwise distances`,
      Entropy, 2017.

    Example:
      >>> found = calibrated_noise_variance(np.full(10, 0.1))
      >>> print(f"{found.smallest:g} to {found.largest:.3f}")
      0 to 0.140
    """
    label_information(p_y, 1.0, bound=bound)  # Refuses what is no distribution.
    p_y = np.asarray(p_y, np.float64)
    entropy = float(-np.sum(p_y[p_y > 0] * np.log(p_y[p_y > 0])))
    if target is None:
        target = math.log(len(p_y))
    target = checks.positive("target", target)
    checks.number("tolerance", tolerance)
    if not 0 < tolerance < target:
        raise ValueError(
            "tolerance must lie between 0 and the target, got "
            f"{tolerance} with the target {target}"
        )
    if entropy <= target - tolerance:
        raise ValueError(
            f"target must be at most the labels' entropy, {entropy:.4f} nats, plus the "
            f"tolerance, got {target:.4f}"
        )
    largest = _solve(p_y, target - tolerance, bound)
    smallest = 0.0
    if entropy > target + tolerance:
        smallest = _solve(p_y, target + tolerance, bound)
    estimate = label_information(p_y, largest, bound=bound)
    return CalibratedVariance(smallest, largest, estimate, entropy)


def _solve(p_y: np.ndarray, value: float, bound: str) -> float:
    """The variance of one estimate, which falls as the variance grows."""

    def excess(log_variance):
        return label_information(p_y, math.exp(log_variance), bound=bound) - value

    # Of the logarithm, since variances range over many orders of magnitude.
    low, high = -1.0, 1.0
    while excess(low) < 0:
        low *= 2
    while excess(high) > 0:
        high *= 2
    return math.exp(optimize.brentq(excess, low, high, xtol=1e-12))
