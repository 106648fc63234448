r"""Gaussian distributions of a code, and divergences between them, in nats.

A scale is either standard deviations, one for each dimension, or the lower triangular
factor L of a covariance :math:`L L^T`.
"""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.logarithms import square_minus_log
from ibjax.numerics.scales import ratio

__all__ = ["gaussian_kl", "gaussian_log_density", "relative_gaussian_kl"]

_LOG_2_PI = math.log(2 * math.pi)


def gaussian_kl(mean: ArrayLike, scale: ArrayLike) -> jax.Array:
    r"""KL divergence of a Gaussian from the standard one, in nats.

    .. math:: \tfrac12 (\mathrm{tr} \Sigma + \mu^T \mu - k - \log |\Sigma|)

    Args:
      mean: Shape ``[..., k]``.
      scale: Standard deviations, shape ``[..., k]``, or lower triangular factors of the
        covariances, shape ``[..., k, k]``; deviations and diagonals are positive.

    Returns:
      Divergences summed over the k dimensions, shape ``[...]``.

    Raises:
      ValueError: If shapes do not fit, or a deviation is not positive (outside of
        ``jit``).

    Example:
      >>> print(f"{gaussian_kl(jnp.ones(1), jnp.array([0.5])):.7f}")
      0.8181472
    """
    mean, scale = _checked(mean, scale)
    return _gaussian_kl(mean, scale, jnp.ones_like(mean))


@exact_jit
def _gaussian_kl(difference, scale, prior_std):
    # In the prior's units the prior is the standard Gaussian.
    squares = ratio(difference, prior_std) ** 2
    if scale.ndim == difference.ndim:
        return jnp.sum(squares + square_minus_log(scale, prior_std), axis=-1) / 2
    diagonal = jnp.diagonal(scale, axis1=-2, axis2=-1)
    squares += square_minus_log(diagonal, prior_std)
    others = jnp.where(jnp.eye(scale.shape[-1], dtype=bool), 0.0, scale)
    squares += jnp.sum(ratio(others, prior_std[..., None]) ** 2, axis=-1)
    return jnp.sum(squares, axis=-1) / 2


def relative_gaussian_kl(
    mean: ArrayLike, scale: ArrayLike, prior_mean: ArrayLike, prior_std: ArrayLike
) -> jax.Array:
    r"""KL divergence of a Gaussian from one with independent dimensions, in nats.

    Args:
      mean: Shape ``[..., k]``.
      scale: See :func:`gaussian_kl`.
      prior_mean: Mean of the other one, a shape that broadcasts to ``[..., k]``.
      prior_std: Its standard deviations, positive, likewise.

    Returns:
      Divergences, shape ``[...]``.

    Raises:
      ValueError: As :func:`gaussian_kl`.

    Example:
      >>> value = relative_gaussian_kl(jnp.ones(2), jnp.ones(2), jnp.ones(2), 1.0)
      >>> print(value)
      0.0
    """
    mean, scale = _checked(mean, scale)
    checks.within("prior_std", prior_std, "(0, inf)")
    prior_mean, prior_std = (
        _broadcast(name, array, mean)
        for name, array in (("prior_mean", prior_mean), ("prior_std", prior_std))
    )
    return _gaussian_kl(mean - prior_mean, scale, prior_std)


def gaussian_log_density(z: ArrayLike, mean: ArrayLike, scale: ArrayLike) -> jax.Array:
    """Logarithm of a Gaussian density.

    Args:
      z: Points, shape ``[..., k]``.
      mean: Mean, of the same shape.
      scale: See :func:`gaussian_kl`.

    Returns:
      Log densities in nats, shape ``[...]``.

    Raises:
      ValueError: As :func:`gaussian_kl`, or if ``z`` has another shape.

    Example:
      >>> print(f"{gaussian_log_density(jnp.zeros(2), jnp.zeros(2), jnp.ones(2)):.4f}")
      -1.8379
    """
    mean, scale = _checked(mean, scale)
    z = checks.shape("z", checks.floats("z", z), mean.shape)
    return _log_density(z, mean, scale)


@exact_jit
def _log_density(z, mean, scale):
    if scale.ndim == mean.ndim:
        standard, diagonal = (z - mean) / scale, scale
    else:
        standard = solve_triangular(scale, (z - mean)[..., None], lower=True)[..., 0]
        diagonal = jnp.diagonal(scale, axis1=-2, axis2=-1)
    return -jnp.sum(0.5 * (standard**2 + _LOG_2_PI) + jnp.log(diagonal), axis=-1)


def _broadcast(name: str, value: ArrayLike, mean: jax.Array) -> jax.Array:
    value = checks.jax_array(name, value, mean.dtype)
    try:
        return jnp.broadcast_to(value, mean.shape)
    except ValueError as error:
        raise ValueError(
            f"{name} must broadcast to the mean's shape {mean.shape}, got {value.shape}"
        ) from error


def _checked(mean: ArrayLike, scale: ArrayLike) -> tuple[jax.Array, jax.Array]:
    mean, scale = checks.floats("mean", mean), checks.floats("scale", scale)
    if mean.ndim == 0:
        raise ValueError("mean must be of shape [..., k], got a single number")
    diagonal, full = mean.shape, (*mean.shape, mean.shape[-1])
    checks.shape("scale", scale, diagonal, full, why="for the mean's")
    # Of whole numbers as of any others.
    dtype = jnp.result_type(mean, scale, float)
    mean, scale = mean.astype(dtype), scale.astype(dtype)
    is_full = scale.ndim > mean.ndim
    stds = jnp.diagonal(scale, axis1=-2, axis2=-1) if is_full else scale
    checks.within("scale", stds, "(0, inf)")
    return mean, scale
