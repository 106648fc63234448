"""Divergence of two binary distributions, and its inverse.

All of it is NumPy in float64: a certificate is no better than the arithmetic that it
was computed with.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["binary_kl", "float64", "kl_inverse", "kl_inverse_gradient"]

# Relative error of either term of the divergence, in units in the last place: one for
# the complement, one and a half for the quotient, which a logarithm of at least log 2
# makes two, and one for each of the logarithm, the product and the sum.
_ULPS = 8


def binary_kl(q: ArrayLike, p: ArrayLike) -> np.ndarray:
    r"""Divergence kl(q || p) of two binary distributions, in nats.

    :math:`q \log (q / p) + (1 - q) \log [(1 - q) / (1 - p)]`.

    Args:
      q: Probability of one under the first distribution, in [0, 1], any shape.
      p: The same under the second; the two are broadcast.

    Returns:
      The divergence, float64; infinite where p excludes what q allows.

    Raises:
      ValueError: If a probability is NaN or outside of [0, 1].

    References:
      Maurer, `A note on the PAC Bayesian theorem`, 2004.

    Example:
      >>> print(f"{binary_kl(0.1, 0.3):.4f} nats")
      0.1163 nats
    """
    value, _ = _kl_and_rounding(float64("q", q, "[0, 1]"), float64("p", p, "[0, 1]"))
    return np.maximum(value, 0.0)


def kl_inverse(error: ArrayLike, bound: ArrayLike) -> np.ndarray:
    r"""Largest risk R with kl(error || R) <= bound, rounded upwards.

    Bisection to neighbouring numbers, of which the upper one is returned, and which
    counts the rounding of the divergence against the result: the exact
    kl(error || result) is at least the bound, unless the result is one.

    Args:
      error: Empirical risk, in [0, 1], any shape.
      bound: Bound on the divergence in nats, at least 0; the two are broadcast.

    Returns:
      The risk, in [error, 1], float64.

    Raises:
      ValueError: If a number is NaN or out of its range.

    References:
      Langford and Seeger, `Bounds for averaging classifiers`, 2001. Seeger, `PAC-
      Bayesian generalisation error bounds for Gaussian process classification`, JMLR 3,
      2002.

    Example:
      >>> print(f"{kl_inverse(0.0, 0.5):.4f}")  # 1 - exp(-0.5)
      0.3935
    """
    error = float64("error", error, "[0, 1]")
    bound = float64("bound", bound, "[0, inf]")
    error, bound = np.broadcast_arrays(error, bound)
    # Invariant: the divergence is below the bound at `low`, for certain not at `high`.
    low, high = error.copy(), np.where(bound > 0, 1.0, error)
    while True:
        middle = low + (high - low) / 2
        inside = (low < middle) & (middle < high)
        if not np.any(inside):
            return high[()]
        value, rounding = _kl_and_rounding(error, middle)
        is_above = value - rounding >= bound
        high = np.where(inside & is_above, middle, high)
        low = np.where(inside & ~is_above, middle, low)


def kl_inverse_gradient(
    error: ArrayLike, bound: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    r"""Derivatives of :func:`kl_inverse` R(error, bound) by both arguments.

    With :math:`a = (1 - r) / (1 - R)` and :math:`b = r / R` for an error r,

    .. math::
        \frac{\partial R}{\partial r} = \frac{\log a - \log b}{a - b}, \qquad
        \frac{\partial R}{\partial c} = \frac{1}{a - b} .

    Args:
      error: Empirical risk, in [0, 1], any shape.
      bound: Bound on the divergence in nats, at least 0; the two are broadcast.

    Returns:
      The derivative by the error and by the bound, float64. The first is infinite at
      an error of zero, the second at a bound of zero; where the risk is one both are
      zero.

    Raises:
      ValueError: If a number is NaN or out of its range.

    References:
      Reeb et al., `Learning Gaussian processes by minimizing PAC-Bayesian
      generalization bounds`, NeurIPS 2018.

    Example:
      >>> by_error, by_bound = kl_inverse_gradient(0.1, 0.05)
      >>> step = (kl_inverse(0.1, 0.05 + 1e-6) - kl_inverse(0.1, 0.05)) / 1e-6
      >>> print(f"{by_bound:.4f} {step:.4f}")
      1.4294 1.4294
    """
    risk = kl_inverse(error, bound)
    error, risk = np.broadcast_arrays(np.asarray(error, np.float64), risk)
    is_between = (error < risk) & (risk < 1)
    # Anything between zero and one, where the formulas do not hold.
    r, top = np.where(is_between, error, 0.25), np.where(is_between, risk, 0.5)
    a, b = (1 - r) / (1 - top), r / top
    with np.errstate(divide="ignore"):
        by_error = (np.log(a) - np.log(b)) / (a - b)
    is_tight = (risk < 1) & ~is_between
    by_error = np.where(is_between, by_error, np.where(is_tight, 1.0, 0.0))
    by_bound = np.where(is_between, 1 / (a - b), np.where(is_tight, np.inf, 0.0))
    return by_error[()], by_bound[()]


def float64(name: str, value: Any, interval: str) -> np.ndarray:
    """Check that numbers lie in an interval, and convert them to float64."""
    found = checks.real(name, value, np.asarray)
    return np.asarray(checks.within(name, np.asarray(found), interval), np.float64)


def _kl_and_rounding(q: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divergence, and a bound on the rounding error in it."""
    ones = _times_log_ratio(q, p, p - q)
    zeros = _times_log_ratio(1 - q, 1 - p, q - p)
    value = ones + zeros
    finite = np.isfinite(value)
    rounding = _ULPS * np.finfo(np.float64).eps * (np.abs(ones) + np.abs(zeros))
    return value, np.where(finite, rounding, 0.0)


def _times_log_ratio(q: np.ndarray, p: np.ndarray, difference: np.ndarray):
    """``q log(q / p)``, of nearly equal numbers by their exact difference ``p - q``."""
    present = q > 0
    q, p = np.where(present, q, 1.0), np.where(present, p, 1.0)
    is_near = np.abs(difference) <= q / 2
    with np.errstate(divide="ignore"):
        far = -np.log(np.where(is_near, 1.0, p / q))
    near = -np.log1p(np.where(is_near, difference / q, 0.0))
    return np.where(present, q * np.where(is_near, near, far), 0.0)
