r"""Whitening: samples of covariance one, and what their entropy lost by it.

A density estimate with one bandwidth for all directions, or a neighbour's distance,
depends on the units in which each component is measured and on the correlations of
the components. Both go away with the linear map that makes the covariance the identity,

.. math:: x \mapsto (x - \bar x) W, \qquad h(X) = h(X W) + \tfrac12 \log\det\Sigma,

where mutual information does not change at all. The map taken here first divides every
component by its standard deviation and then applies the symmetric inverse root of the
correlation matrix. Of all maps that whiten it is the one whose components resemble the
standardised ones most (Kessy, Lewin and Strimmer, 2018), and unlike
:math:`\Sigma^{-1/2}` it gives the same samples whatever units the components have.

The decomposition is that of the samples and not of their covariance, whose condition
number is the square: in float32 a correlation of 1 - 1e-9 still is not taken for one.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import check_samples
from ibjax.numerics.covariances import matmul

__all__ = ["Principal", "Whitened", "principal", "whiten"]

# Singular values, in roundings of the largest times the root of dim, that samples show
# where there is no variance: with 2 to 64 components up to 1 was seen, and 7 with means
# of up to 100 standard deviations, which round the samples themselves.
_ROUNDINGS = 8


class Whitened(NamedTuple):
    r"""Samples of covariance one.

    Attributes:
      white: Samples, shape ``[num_samples, dim]``, of mean zero and covariance one in
        the directions in which ``x`` varies, and zero in the others.
      log_determinant: :math:`\log\det\Sigma` of the covariance (ddof 1), shape ``[]``;
        of a degenerate one the sum of the logarithms of the eigenvalues that are not
        zero after scaling every varying component to variance one.
      rank: Number of directions in which ``x`` varies, int32, shape ``[]``. Below
        ``dim`` the samples have no density and their entropy is minus infinity.
      smallest_eigenvalue_ratio: Smallest eigenvalue of the correlation matrix over the
        largest, shape ``[]``; zero if ``rank`` is below ``dim``.
    """

    white: jax.Array
    log_determinant: jax.Array
    rank: jax.Array
    smallest_eigenvalue_ratio: jax.Array


class Principal(NamedTuple):
    """Standardised samples as ``scores * deviations @ directions``.

    Attributes:
      scores: Orthonormal columns, ``[num_rows, num]`` with ``num = min(num_rows,
        dim)``; zero where there is no variance.
      deviations: Singular values of the rows, descending, ``[num]``; zero where they
        are within rounding of it.
      directions: Orthonormal rows, ``[num, dim]``.
    """

    scores: jax.Array
    deviations: jax.Array
    directions: jax.Array


def whiten(x: ArrayLike) -> Whitened:
    r"""Samples with the identity for covariance, and the determinant it had.

    Entropies of the two differ by half of ``log_determinant``. Memory is
    O(num_samples dim), time O(num_samples dim²).

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating, at least two.

    Returns:
      White samples, log-determinant and rank. A component that does not vary, or that
      is a linear function of others up to rounding, lowers the rank: nothing is added
      to it. All NaN and rank 0 if ``x`` is not finite.

    Raises:
      ValueError: If the shape is wrong or, outside of ``jit``, ``x`` is not finite.
      TypeError: If ``x`` is not floating.

    References:
      Kessy, Lewin and Strimmer, `Optimal whitening and decorrelation`, The American
      Statistician, 2018.

    Example:
      >>> x = jnp.array([[0.0, 1.0], [2.0, 3.0], [4.0, 9.0], [6.0, 7.0]])
      >>> whitened = whiten(x)
      >>> print(jnp.round(jnp.cov(whitened.white.T), 3) + 0.0)
      [[1. 0.]
       [0. 1.]]
      >>> int(whitened.rank)
      2
    """
    return _whiten(check_samples("x", x))


def standardize(
    x: jax.Array, member: jax.Array | None = None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Components of mean zero and variance one, their deviations, and the count.

    Of samples ``[num_samples, dim]``; those that are no ``member``, booleans
    ``[num_samples]``, do not count and become zero. Standard deviations (ddof 1) are
    ``[dim]``, zero for a component that does not vary.
    """
    if member is None:
        member = jnp.ones(x.shape[0], bool)
    chex.assert_shape(member, x.shape[:1])
    count = jnp.sum(member).astype(x.dtype)
    member = member[:, None]

    def mean(values):
        return jnp.sum(values, axis=0, keepdims=True) / jnp.maximum(count, 1)

    # Differences from a sample first: they are exact where the mean is large, and
    # exactly zero for a component that does not vary.
    first = jnp.take(x, jnp.argmax(member[:, 0]), axis=0)[None]
    x = jnp.where(member, x - first, 0)
    x = jnp.where(member, x - mean(x), 0)
    # Squares of very small or large units are out of range.
    unit = jnp.max(jnp.abs(x), axis=0, keepdims=True)
    x = x / jnp.where(unit > 0, unit, 1)
    x = jnp.where(member, x - mean(x), 0)
    ratio = jnp.sqrt(mean(x**2) * count / jnp.maximum(count - 1, 1))
    x = x / jnp.where(ratio > 0, ratio, 1)
    return x, (ratio * unit)[0], count


def principal(rows: ArrayLike) -> Principal:
    """Singular value decomposition of centred rows, zero where within rounding."""
    rows = check_samples("rows", rows, 1, movable=False)
    # Of a tall matrix first the small factor, which is all that is iterated on.
    orthonormal, triangle = jnp.linalg.qr(rows)
    left, deviations, directions = jnp.linalg.svd(triangle, full_matrices=False)
    eps = jnp.finfo(rows.dtype).eps
    rounding = _ROUNDINGS * eps * rows.shape[1] ** 0.5 * deviations[0]
    present = deviations > rounding
    scores = jnp.where(present[None], matmul(orthonormal, left), 0)
    return Principal(scores, jnp.where(present, deviations, 0), directions)


@exact_jit
def _whiten(x: jax.Array) -> Whitened:
    return whiten_members(x, None)


def whiten_members(x: jax.Array, member: jax.Array | None) -> Whitened:
    """Samples that count, whitened as by :func:`whiten`; the others become zero."""
    finite = jnp.all(jnp.isfinite(x))
    standard, deviation, count = standardize(jnp.where(finite, x, 0), member)
    scores, values, directions = principal(standard)
    degrees = jnp.maximum(count - 1, 1)
    present = values > 0
    white = matmul(scores, directions) * jnp.sqrt(degrees)
    eigenvalues = values**2 / degrees
    log_determinant = jnp.sum(jnp.log(jnp.where(present, eigenvalues, 1)))
    varies = deviation > 0
    log_determinant += 2 * jnp.sum(jnp.log(jnp.where(varies, deviation, 1)))
    rank = jnp.sum(present, dtype=jnp.int32)
    full = rank == x.shape[1]
    largest = jnp.where(values[0] > 0, values[0], 1)
    ratio = jnp.where(full, (values[-1] / largest) ** 2, 0)
    nan = jnp.asarray(jnp.nan, x.dtype)
    return Whitened(
        jnp.where(finite, white, nan),
        jnp.where(finite, log_determinant, nan),
        jnp.where(finite, rank, 0),
        jnp.where(finite, ratio, nan),
    )


def whiten_within(
    x: jax.Array, labels: jax.Array, num_classes: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Samples of every class whitened on their own, as by :func:`whiten`.

    Of samples ``[num_samples, dim]`` and integer classes ``[num_samples]``: white
    samples, ``[num_samples, dim]``; log-determinants and ranks, ``[num_classes]``.
    """
    chex.assert_shape(labels, x.shape[:1])

    def add_class(points, label):
        member = labels == label
        white = whiten_members(x, member)
        points = jnp.where(member[:, None], white.white, points)
        return points, (white.log_determinant, white.rank)

    points, (log_determinants, ranks) = lax.scan(
        add_class, jnp.zeros_like(x), jnp.arange(num_classes)
    )
    return points, log_determinants, ranks
