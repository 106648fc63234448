"""Principal components: the linear compression of samples of least squared error."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import check_sample_shape, check_samples
from ibjax.numerics import checks

__all__ = ["Pca", "pca_decode", "pca_encode", "pca_fit"]

_EXACT = lax.Precision.HIGHEST


class Pca(NamedTuple):
    """Principal components of samples.

    Attributes:
      mean: Mean sample, shape ``[*shape]``.
      components: Orthonormal directions of largest variance, the largest first, shape
        ``[dim, *shape]``. Signs are such that the entry of largest size is positive.
      explained_variance: Variance along each (ddof 1), shape ``[dim]``.
    """

    mean: jax.Array
    components: jax.Array
    explained_variance: jax.Array


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
    x = check_samples("x", x, any_shape=True, movable=False)
    num_features = math.prod(x.shape[1:])
    largest = min(x.shape[0] - 1, num_features)
    checks.count("dim", dim)
    checks.in_range("dim", dim, f"[1, {largest}]")
    return _pca_fit(x, dim)


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
    x = check_sample_shape("x", x, pca.mean.shape)
    directions = pca.components.reshape(len(pca.components), -1)
    centred = (x - pca.mean[None]).reshape(x.shape[0], -1)
    return jnp.matmul(centred, directions.T, precision=_EXACT)


def pca_decode(pca: Pca, code: ArrayLike) -> jax.Array:
    """Samples from their coordinates along the components.

    Args:
      pca: The components.
      code: Codes, shape ``[num_samples, dim]``.

    Returns:
      Samples, shape ``[num_samples, *shape]``.

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
    directions = pca.components.reshape(len(pca.components), -1)
    flat = jnp.matmul(code, directions, precision=_EXACT)
    return flat.reshape(code.shape[0], *pca.mean.shape) + pca.mean[None]


@exact_jit(static_argnames="dim")
def _pca_fit(x: jax.Array, dim: int) -> Pca:
    num_samples, shape = x.shape[0], x.shape[1:]
    mean = jnp.mean(x, axis=0)
    rows = (x - mean[None]).reshape(num_samples, -1)
    # Both products have the same eigenvalues but zeros: take the smaller.
    by_feature = rows.shape[1] <= num_samples
    square = rows.T if by_feature else rows
    square = jnp.matmul(square, square.T, precision=_EXACT)
    values, vectors = jnp.linalg.eigh(square)
    values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
    if not by_feature:
        vectors = jnp.matmul(rows.T, vectors, precision=_EXACT)
        # Where there is no variance, orthonormal to the others all the same.
        vectors, _ = jnp.linalg.qr(vectors)
    largest = jnp.argmax(jnp.abs(vectors), axis=0)
    sign = jnp.sign(jnp.take_along_axis(vectors, largest[None], axis=0))
    components = (vectors * sign).T.reshape(dim, *shape)
    return Pca(mean, components, jnp.maximum(values, 0) / (num_samples - 1))
