"""Certificates: what a bound says once its error is estimated and its prior chosen."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.weights.pac_bayes.binary import float64, kl_inverse
from ibjax.weights.pac_bayes.bounds import maurer

__all__ = [
    "Certificate",
    "certificate",
    "monte_carlo_error",
    "nearest_prior_variance",
    "prior_union_cost",
    "union_cost",
]


class Certificate(NamedTuple):
    """Bound on the risk of a stochastic classifier, with all that was paid for.

    Attributes:
      risk: Bound on the risk, float64.
      error: Bound on the empirical risk of the posterior that went into it.
      confidence: Probability with which it holds, of data and of draws.
    """

    risk: np.ndarray
    error: np.ndarray
    confidence: np.ndarray


def certificate(
    error: ArrayLike,
    kl: ArrayLike,
    num_samples: ArrayLike,
    *,
    num_draws: ArrayLike,
    delta: ArrayLike = 0.025,
    delta_draws: ArrayLike = 0.01,
    bound: Callable[..., np.ndarray] = maurer,
) -> Certificate:
    r"""Bound on the risk of a posterior whose empirical risk is known from draws alone.

    The empirical risk is an expectation over weights, of which a mean over draws is an
    estimate; :func:`monte_carlo_error` bounds it from above. The two failures,
    ``delta`` and ``delta_draws``, add up.

    Args:
      error: Mean loss over the samples and over draws of the weights, in [0, 1].
      kl: KL(Q || P) in nats, with :func:`union_cost` of all that was chosen by the
        data.
      num_samples: Samples that the error is a mean over; none of them may have been
        used for the prior.
      num_draws: Draws of the weights, each of which saw all the samples.
      delta: Probability with which the data may break the bound.
      delta_draws: Probability with which the draws may.
      bound: One of :mod:`ibjax.weights.pac_bayes`, or any function of ``(error, kl,
        num_samples, *, delta)``.

    Returns:
      The certificate.

    Raises:
      ValueError: If a number is out of its range, or the two deltas leave no
        confidence.

    References:
      Dziugaite and Roy, `Computing nonvacuous generalization bounds for deep
      (stochastic) neural networks`, UAI 2017.

    Example:
      >>> found = certificate(0.028, 5000, 60_000, num_draws=150_000)
      >>> print(f"{found.risk:.4f} with confidence {found.confidence:.3f}")
      0.1528 with confidence 0.965
    """
    checks.function("bound", bound)
    delta = float64("delta", delta, "(0, 1)")
    draws = float64("delta_draws", delta_draws, "(0, 1)")
    checks.within("delta + delta_draws", delta + draws, "(0, 1)")
    corrected = monte_carlo_error(error, num_draws, delta=draws)
    risk = bound(corrected, kl, num_samples, delta=delta)
    return Certificate(risk, corrected, 1 - delta - draws)


def monte_carlo_error(
    error: ArrayLike, num_draws: ArrayLike, *, delta: ArrayLike
) -> np.ndarray:
    r"""Bound on a mean over weights from its mean over independent draws of them.

    The largest r with :math:`kl(error \| r) \le \log(2 / \delta) / m` for m draws.

    Args:
      error: Mean over the draws, in [0, 1].
      num_draws: Number of draws m.
      delta: Probability with which the draws may break the bound.

    Returns:
      Bound on the expectation over weights, float64.

    Raises:
      ValueError: If a number is out of its range.

    References:
      Langford and Caruana, `(Not) bounding the true error`, NeurIPS 2001.

    Example:
      >>> print(f"{monte_carlo_error(0.028, 1000, delta=0.01):.6f}")
      0.048412
    """
    num_draws = float64("num_draws", num_draws, "[1, inf)")
    delta = float64("delta", delta, "(0, 1)")
    return kl_inverse(error, np.log(2 / delta) / num_draws)


def union_cost(num_choices: ArrayLike) -> np.ndarray:
    """What choosing the best of several bounds by the data costs, in nats of KL.

    Several priors, or several constants of a bound, of which each has an equal part of
    delta. Add the cost to ``kl``.

    Args:
      num_choices: How many there were to choose from.

    Returns:
      The logarithm of their number, float64.

    Raises:
      ValueError: If there is none.

    Example:
      >>> print(f"{union_cost(100):.3f} nats")
      4.605 nats
    """
    return np.log(float64("num_choices", num_choices, "[1, inf)"))


def prior_union_cost(
    prior_variance: ArrayLike, *, scale: float = 0.1, precision: float = 100.0
) -> np.ndarray:
    r"""What a prior variance that was learned from the data costs, in nats of KL.

    Variances :math:`c\, e^{-j/b}` with j = 1, 2, ... share delta in proportion to
    :math:`1 / j^2`, so that number j costs :math:`2 \log j + \log(\pi^2 / 6)`, where
    :math:`j = b \log(c / \lambda)`. Between those variances the cost is interpolated,
    as an optimizer needs it; a certificate needs :func:`nearest_prior_variance`.

    Args:
      prior_variance: Variance of the prior, below ``scale``.
      scale: The constant c, an upper limit of the variance.
      precision: The constant b, variances to a factor of e.

    Returns:
      The cost, float64; add it to ``kl``.

    Raises:
      ValueError: If a number is not positive, or a variance above the largest one,
        :math:`c\, e^{-1/b}`.

    References:
      Dziugaite and Roy, `Computing nonvacuous generalization bounds for deep
      (stochastic) neural networks`, UAI 2017.

    Example:
      >>> print(f"{prior_union_cost(np.exp(-6)):.3f} nats")  # 2 log(369.7) + 0.498
      12.323 nats
    """
    number = _number(prior_variance, scale, precision)
    # Rounding of the quotient's logarithm must not exclude the largest variance.
    if np.any(number < 1 - 1e-9 * precision):
        largest = scale * math.exp(-1 / precision)
        raise ValueError(
            f"prior_variance must be at most scale * exp(-1 / precision) = "
            f"{largest:.6g}, got {np.max(prior_variance):.6g}"
        )
    return 2 * np.log(np.maximum(number, 1.0)) + math.log(math.pi**2 / 6)


def nearest_prior_variance(
    prior_variance: ArrayLike, *, scale: float = 0.1, precision: float = 100.0
) -> np.ndarray:
    r"""The nearest, on a log scale, of the variances that :func:`prior_union_cost` has.

    Args:
      prior_variance: A variance, e.g. where an optimizer stopped.
      scale: The constant c of :func:`prior_union_cost`.
      precision: The constant b of :func:`prior_union_cost`.

    Returns:
      The variance :math:`c\, e^{-j/b}`, float64.

    Raises:
      ValueError: If a number is not positive.

    Example:
      >>> print(f"{nearest_prior_variance(np.exp(-6)):.6f} for {np.exp(-6):.6f}")
      0.002472 for 0.002479
    """
    number = np.maximum(np.rint(_number(prior_variance, scale, precision)), 1.0)
    return scale * np.exp(-number / precision)


def _number(prior_variance, scale, precision) -> np.ndarray:
    """The place j of a variance among those of the union, not rounded."""
    variance = float64("prior_variance", prior_variance, "(0, inf)")
    scale = checks.positive("scale", scale)
    precision = checks.positive("precision", precision)
    return precision * np.log(scale / variance)
