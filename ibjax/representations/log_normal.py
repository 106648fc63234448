r"""Multiplicative log-normal noise on activities, and what it lets through, in nats.

An activity f becomes :math:`z = f e^{\alpha \epsilon}` with a standard normal
:math:`\epsilon`: the logarithm of z is normal about that of f, with deviation
:math:`\alpha`. What z tells of the input is bounded by its divergence from a prior that
no input decides: the log-uniform one, which has no scale and suits units that may be
zero, or a log-normal one for positive units.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import at_least_float32
from ibjax.numerics import checks
from ibjax.representations.gaussians import relative_gaussian_kl

__all__ = [
    "LEAST_ACTIVITY",
    "TotalCorrelation",
    "log_normal_kl",
    "log_normal_noise",
    "log_total_correlation",
    "log_uniform_kl",
]

LEAST_ACTIVITY = 1e-4
"""Activities below it count as it where a logarithm is taken."""


def log_normal_noise(
    key: jax.Array, alpha: ArrayLike, *, unit_mean: bool = False
) -> jax.Array:
    r"""Factors :math:`e^{\alpha \epsilon}`, with a standard normal number each.

    Their mean is :math:`e^{\alpha^2 / 2}`: 1.28 at 0.7, 1.65 at 1. A network trained
    with them reads larger activities than without noise; with ``unit_mean`` they are
    divided by it.

    Args:
      key: Draws them.
      alpha: Deviation of the logarithm, not negative, any shape.
      unit_mean: Whether the mean is one. The median is one otherwise.

    Returns:
      The factors, in the shape of ``alpha``. Their gradient is defined.

    Example:
      >>> alpha = jnp.full(100_000, 0.7)
      >>> noise = log_normal_noise(jax.random.key(0), alpha)
      >>> print(f"{jnp.mean(noise):.2f} {jnp.median(noise):.2f}")
      1.28 1.00
    """
    checks.flag("unit_mean", unit_mean)
    checks.key("key", key)
    alpha = checks.floating("alpha", checks.jax_array("alpha", alpha))
    return noise_of(jax.random.normal(key, alpha.shape, alpha.dtype), alpha, unit_mean)


def noise_of(normal: jax.Array, alpha: jax.Array, unit_mean: bool) -> jax.Array:
    """Factors of given standard normal numbers."""
    shift = alpha**2 / 2 if unit_mean else 0.0
    return jnp.exp(alpha * normal - shift)


def log_uniform_kl(alpha: ArrayLike, *, max_alpha: ArrayLike) -> jax.Array:
    r"""KL divergence from the log-uniform prior, but a constant: -log(alpha / max).

    The prior :math:`1/z` is improper, and the divergence known up to a constant, which
    is chosen so that the largest noise tells nothing. It does not depend on the
    activity: as in the authors' program a unit that is exactly zero, on which noise
    changes nothing, costs what its noise says like any other.

    Args:
      alpha: Deviation of the logarithm, positive, at most ``max_alpha``; any shape.
      max_alpha: Its largest value, positive.

    Returns:
      Nats per unit, in the shape of ``alpha``; the derivative is -1 / alpha.

    Raises:
      ValueError: If a number is not positive (outside of ``jit``).

    References:
      Achille and Soatto, `Information dropout: learning optimal representations through
      noisy computation`, PAMI 2018.

    Example:
      >>> print(log_uniform_kl(jnp.array([1.0, 0.5]), max_alpha=1.0))
      [0.        0.6931472]
    """
    alpha = checks.jax_array("alpha", alpha)
    checks.within("alpha", alpha, "(0, inf)")
    max_alpha = checks.positive("max_alpha", max_alpha)
    ratio = max_alpha / alpha
    ordinary = (ratio > 1e-30) & (ratio < 1e30)
    ratio = jnp.where(ordinary, ratio, 1.0)
    logs = jnp.log(max_alpha) - jnp.log(jnp.where(ordinary, 1.0, alpha))
    return jnp.where(ordinary, jnp.log(ratio), logs)


def log_normal_kl(
    activity: ArrayLike,
    alpha: ArrayLike,
    *,
    prior_mean: ArrayLike,
    prior_std: ArrayLike,
    unit_mean: bool = False,
) -> jax.Array:
    r"""KL divergence of the noisy activity from a log-normal prior, in nats.

    It is that of the logarithms, :math:`N(\log f, \alpha^2)` from :math:`N(\mu,
    \sigma^2)`; with ``unit_mean`` the former's mean is less by :math:`\alpha^2 / 2`.

    Args:
      activity: Activity f before noise, any shape; below :data:`LEAST_ACTIVITY` it
        counts as that.
      alpha: Deviation of the logarithm, positive, of the same shape.
      prior_mean: Mean of the prior's logarithm, of a shape that broadcasts.
      prior_std: Its deviation, positive, likewise.
      unit_mean: Whether the noise has mean one, see :func:`log_normal_noise`.

    Returns:
      Nats per unit, in the shape of ``activity``.

    Raises:
      ValueError: If shapes differ or a deviation is not positive (outside of ``jit``).

    References:
      Achille and Soatto, 2018.

    Example:
      >>> one = jnp.ones(1)
      >>> print(log_normal_kl(one, one / 2, prior_mean=1.0, prior_std=1.0).round(4))
      [0.8181]
    """
    checks.flag("unit_mean", unit_mean)
    activity = checks.floats("activity", activity)
    alpha = checks.jax_array("alpha", alpha)
    checks.same_shape(activity=activity, alpha=alpha)
    checks.within("alpha", alpha, "(0, inf)")
    prior_mean = checks.floats("prior_mean", prior_mean)
    prior_std = checks.floats("prior_std", prior_std)
    mean = jnp.log(jnp.maximum(activity, LEAST_ACTIVITY))
    if unit_mean:
        mean = mean - alpha**2 / 2
    # Every unit is a Gaussian of one dimension.
    return relative_gaussian_kl(
        *(array[..., None] for array in (mean, alpha, prior_mean, prior_std))
    )


class TotalCorrelation(NamedTuple):
    """Total correlation of a layer's logarithms, as if they were Gaussian.

    Attributes:
      nats: Of all units together, shape ``[]``.
      nats_per_unit: It over the number of units, as Achille and Soatto print it.
    """

    nats: jax.Array
    nats_per_unit: jax.Array


def log_total_correlation(activities: ArrayLike) -> TotalCorrelation:
    r"""Total correlation of log-activities, :math:`-\tfrac12 \log |R|`.

    R is their correlation matrix: it is exact where they are jointly Gaussian, and a
    lower bound where each is Gaussian by itself. A unit that does not vary depends on
    nothing. For independent units the estimate is about k (k - 1) / 4n nats too high.

    Args:
      activities: Activities, not negative, ``[num_samples, num_units]``, of more
        samples than units; below :data:`LEAST_ACTIVITY` they count as that.

    Returns:
      Nats, and nats per unit; infinite where a unit is determined by others.

    Raises:
      ValueError: If there are too few samples.

    References:
      Achille and Soatto, 2018.

    Example:
      >>> u, v = jax.random.normal(jax.random.key(0), (2, 10_000))
      >>> pair = jnp.exp(jnp.stack([u, 0.6 * u + 0.8 * v], axis=1))
      >>> found = log_total_correlation(pair)  # -log(1 - 0.36) / 2.
      >>> print(f"{found.nats:.2f} {found.nats_per_unit:.2f}")
      0.22 0.11
    """
    activities = at_least_float32(checks.jax_array("activities", activities))
    checks.shape("activities", activities, ("num_samples", "num_units"))
    num_samples, num_units = activities.shape
    if num_samples <= num_units:
        raise ValueError(
            f"activities must be of more samples than units, got {num_samples} of "
            f"{num_units}"
        )
    nats = _log_total_correlation(activities)
    return TotalCorrelation(nats, nats / num_units)


@exact_jit
def _log_total_correlation(activities):
    logs = jnp.log(jnp.maximum(activities, LEAST_ACTIVITY))
    num_samples, num_units = logs.shape
    centred = logs - jnp.mean(logs, axis=0, keepdims=True)
    norms = jnp.sqrt(jnp.sum(centred**2, axis=0))
    eps = jnp.finfo(logs.dtype).eps
    largest = jnp.max(jnp.abs(logs), axis=0)
    # What rounding leaves of a constant.
    varies = norms > 4 * eps * largest * jnp.sqrt(float(num_samples))
    columns = jnp.where(varies[None], centred / jnp.where(varies, norms, 1)[None], 0)
    # What of each unit the units before it leave open; a matrix of products would
    # square the range that has to be told from rounding.
    left = jnp.abs(jnp.diagonal(jnp.linalg.qr(columns, mode="r")))
    determined = varies & (left < 4 * eps * jnp.sqrt(float(num_units)))
    nats = -jnp.sum(jnp.log(jnp.where(varies & ~determined, left, 1)))
    nats = jnp.where(jnp.any(determined), jnp.inf, jnp.maximum(nats, 0))
    return jnp.where(jnp.all(jnp.isfinite(activities)), nats, jnp.nan)
