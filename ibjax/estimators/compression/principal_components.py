"""Principal components: the linear compression of samples of least squared error."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, full_precision
from ibjax.estimators.samples import (
    at_least_float32,
    centred,
    check_array,
    check_sample_shape,
    offsets,
    rounded_mean,
    to_jax,
)
from ibjax.numerics import checks
from ibjax.numerics.principal_directions import principal_directions

__all__ = [
    "Pca",
    "decode_deviations",
    "encode_deviations",
    "pca_decode",
    "pca_encode",
    "pca_fit",
]


class Pca(NamedTuple):
    """Principal components of samples.

    Attributes:
      mean: Mean sample, shape ``[*shape]``.
      components: Orthonormal directions of largest variance, the largest first, shape
        ``[dim, *shape]``. Signs are such that the entry of largest size is positive.
      explained_variance: Variance along each (ddof 1), shape ``[dim]``.
      remainder: What rounding left out of ``mean``, where samples came in a higher
        precision and far from the origin; shape ``[*shape]``, or zero.
    """

    mean: jax.Array
    components: jax.Array
    explained_variance: jax.Array
    remainder: jax.Array | float = 0.0


def pca_fit(x: ArrayLike, dim: int) -> Pca:
    """Principal components, the linear compression of least squared error.

    Components come from the covariance of the features, or of the samples if those are
    fewer, in O(min(num_samples, num_features)²) memory. Variances below 1e-6 of the
    largest are rounding in float32.

    Args:
      x: Samples, shape ``[num_samples, *shape]``, floating.
      dim: Number of components.

    Returns:
      The components. NaN if ``x`` is not finite (under ``jit``).

    Raises:
      ValueError: If there are fewer than two samples, ``dim`` is not in [1,
        min(num_samples - 1, num_features)] or, outside of ``jit``, ``x`` is not finite.
      TypeError: If ``x`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 1.0], [3.0, 5.0], [6.0, 9.0]])
      >>> pca = pca_fit(x, 1)
      >>> print(pca.components, pca.explained_variance)
      [[0.6 0.8]] [25.]
    """
    x = check_array("x", x, 2, any_shape=True)
    offset = offsets(x)
    if offset is not None:
        # Where float64 is off, what is left of a large mean when it is rounded counts.
        x = x - offset[None]
    x = at_least_float32(to_jax("x", x))
    num_features = math.prod(x.shape[1:])
    largest = min(x.shape[0] - 1, num_features)
    checks.count("dim", dim)
    checks.in_range("dim", dim, f"[1, {largest}]")
    pca = _pca_fit(x, dim)
    if offset is None:
        return pca
    mean, remainder = rounded_mean(offset, pca.mean)
    return pca._replace(mean=mean, remainder=remainder)


def pca_encode(pca: Pca, x: ArrayLike) -> jax.Array:
    """Coordinates of samples along the components.

    Args:
      pca: The components.
      x: Samples, shape ``[num_samples, *shape]``.

    Returns:
      Codes, shape ``[num_samples, dim]``.

    Raises:
      ValueError: If ``x`` has another shape than what ``pca`` was fitted to.
      TypeError: If ``x`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
      >>> print(pca_encode(pca_fit(x, 1), x).round(3)[:, 0])
      [-1.414  0.     1.414]
    """
    checks.instance("pca", pca, Pca)
    return encode_deviations(pca, centred("x", x, pca.mean, pca.remainder))


def pca_decode(pca: Pca, code: ArrayLike) -> jax.Array:
    """Samples from their coordinates along the components.

    Args:
      pca: The components.
      code: Codes, shape ``[num_samples, dim]``.

    Returns:
      Samples, shape ``[num_samples, *shape]``, rounded as the mean is.

    Raises:
      ValueError: If ``code`` has another shape.
      TypeError: If ``code`` is not floating.

    Example:
      >>> x = jnp.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
      >>> pca = pca_fit(x, 1)
      >>> bool(jnp.allclose(pca_decode(pca, pca_encode(pca, x)), x, atol=1e-6))
      True
    """
    checks.instance("pca", pca, Pca)
    code = check_sample_shape("code", code, pca.explained_variance.shape)
    return decode_deviations(pca, code) + pca.mean[None]


@full_precision
def decode_deviations(pca: Pca, code: jax.Array) -> jax.Array:
    """Samples less the mean from their codes."""
    directions = pca.components.reshape(len(pca.components), -1)
    return (code @ directions).reshape(code.shape[0], *pca.mean.shape)


@full_precision
def encode_deviations(pca: Pca, deviations: jax.Array) -> jax.Array:
    """Codes of samples less the mean."""
    directions = pca.components.reshape(len(pca.components), -1)
    return deviations.reshape(deviations.shape[0], -1) @ directions.T


@exact_jit(static_argnames="dim")
def _pca_fit(x: jax.Array, dim: int) -> Pca:
    shape = x.shape[1:]
    found = principal_directions(x.reshape(x.shape[0], -1), dim)
    mean, directions, variances = found
    components = jnp.reshape(directions.T, (dim, *shape))
    return Pca(mean.reshape(shape), components, variances)
