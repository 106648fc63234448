"""Covariances of two Gaussian variables: checks, whitening, canonical form."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "Canonical",
    "canonical_analysis",
    "check_covariance",
    "check_covariances",
    "check_definite",
    "check_matrix",
    "covariances_exist",
    "matmul",
    "whiten",
]

# By its own argument, since the rule of a derivative is traced when that is taken,
# where the precision that a function was called in holds no more.
matmul = partial(jnp.matmul, precision=lax.Precision.HIGHEST)
# Roundings, in units of a direction's sensitivity, that a lambda of zero can show:
# up to 7 were seen, with 1 to 100 components and condition numbers up to 1e12.
_ROUNDINGS = 16


class Canonical(NamedTuple):
    """Canonical analysis of two Gaussian variables, ``num = min(dx, dy)`` directions.

    Attributes:
      rho: Correlations, descending, ``[num]``.
      lambdas: ``1 - rho**2``, ``[num]``.
      directions: Combinations of X of variance one, as rows, ``[num, dx]``.
      valid: Whether such variables exist and X is not degenerate, ``[]``.
    """

    rho: jax.Array
    lambdas: jax.Array
    directions: jax.Array
    valid: jax.Array


@exact_jit
def canonical_analysis(
    cov_x: jax.Array, cov_y: jax.Array, cov_xy: jax.Array
) -> Canonical:
    """Canonical directions of X, NaN where no two variables have these covariances."""
    exists = covariances_exist(cov_x, cov_y, cov_xy)
    # A decomposition of NaN may do anything: give it zeros.
    cov_x, cov_y, cov_xy = (jnp.where(exists, cov, 0) for cov in (cov_x, cov_y, cov_xy))
    x_whitening, definite = whiten(cov_x)
    y_whitening, _ = whiten(cov_y)
    between = matmul(matmul(x_whitening, cov_xy), y_whitening.T)
    left, rho, right = jnp.linalg.svd(between, full_matrices=False)
    directions = matmul(left.T, x_whitening)
    directions_y = matmul(right, y_whitening)

    eps = jnp.finfo(rho.dtype).eps
    lambdas = (1 - rho) * (1 + rho)
    # Sensitivity of lambda to a rounding of the correlation matrices of X and Y.
    scaled_x = directions * jnp.sqrt(jnp.abs(jnp.diagonal(cov_x)))[None, :]
    scaled_y = directions_y * jnp.sqrt(jnp.abs(jnp.diagonal(cov_y)))[None, :]
    sensitivity = jnp.sum(scaled_x**2, axis=1) + jnp.sum(scaled_y**2, axis=1)
    # Which correlations are certain is a matter of rounding, not to be differentiated.
    rounding = lax.stop_gradient(_ROUNDINGS * eps * sensitivity)
    certain = lambdas <= rounding
    unrelated = rho <= _ROUNDINGS * eps * (cov_x.shape[0] + cov_y.shape[0])
    lambdas = jnp.where(certain, 0, jnp.where(unrelated, 1, lambdas))
    rho = jnp.where(certain, 1, jnp.where(unrelated, 0, rho))
    return Canonical(rho, lambdas, directions, exists & definite)


def covariances_exist(
    cov_x: jax.Array, cov_y: jax.Array, cov_xy: jax.Array
) -> jax.Array:
    """Existence of two variables of these covariances, a boolean ``[]``."""
    joint = lax.stop_gradient(_joint(cov_x, cov_y, cov_xy, jnp))
    finite = jnp.all(jnp.isfinite(joint))
    values = _eigenvalues(jnp.where(finite, joint, 0), jnp)
    return finite & _semi_definite(values, jnp.finfo(joint.dtype).eps)


def whiten(cov: jax.Array) -> tuple[jax.Array, jax.Array]:
    """W with W cov W^T = I, and whether there is one.

    Of a degenerate covariance the null space gets rows of zeros.
    """
    whitening = _whitening((cov + cov.T) / 2)
    return whitening, jnp.all(jnp.any(whitening != 0, axis=1))


@jax.custom_jvp
def _whitening(cov: jax.Array) -> jax.Array:
    scale = _scale(cov, jnp)
    values, vectors = jnp.linalg.eigh(cov / scale[:, None] / scale[None, :])
    present = values > _smallest(values, jnp.finfo(cov.dtype).eps)
    root = jnp.where(present, lax.rsqrt(jnp.where(present, values, 1)), 0)
    return root[:, None] * vectors.T / scale[None, :]


@_whitening.defjvp
def _whitening_jvp(primals, tangents):
    # W is determined up to a rotation, on which nothing here depends. This choice
    # needs no differences of eigenvalues, which may be equal.
    (cov,), (cov_dot,) = primals, tangents
    whitening = _whitening(cov)
    change = matmul(matmul(whitening, cov_dot), whitening.T)
    return whitening, -matmul(change, whitening) / 2


def _scale(cov, numpy):
    """Standard deviations, one instead of zero."""
    variance = numpy.diagonal(cov)
    return numpy.sqrt(numpy.where(variance > 0, variance, 1))


def _joint(cov_x, cov_y, cov_xy, numpy):
    """Covariance of X and Y together."""
    return numpy.block([[cov_x, cov_xy], [cov_xy.T, cov_y]])


def _eigenvalues(cov, numpy):
    """Eigenvalues of the correlation matrix, ascending; invariant to the units."""
    scale = _scale(cov, numpy)
    return numpy.linalg.eigvalsh(cov / scale[:, None] / scale[None, :])


def _smallest(values, eps):
    """Largest eigenvalue that rounding can give a direction without variance."""
    return values.shape[0] * eps * values[-1]


def _semi_definite(values, eps):
    return values[0] >= -_ROUNDINGS * _smallest(values, eps)


def check_covariances(
    cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike, *, definite: bool = True
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Check that some variables have these covariances; returned in one dtype."""
    cov_x = check_covariance("cov_x", cov_x)
    cov_y = check_covariance("cov_y", cov_y)
    cov_xy = check_matrix("cov_xy", cov_xy)
    shape = (cov_x.shape[0], cov_y.shape[0])
    if cov_xy.shape != shape:
        raise ValueError(
            f"cov_xy must have shape {list(shape)} to match cov_x and cov_y, got "
            f"{cov_xy.shape}"
        )
    if definite:
        check_definite("cov_x", cov_x)
    arrays = (cov_x, cov_y, cov_xy)
    dtype = jnp.result_type(*arrays)
    if not checks.is_traced(*arrays):
        x, y, xy = (np.asarray(array, np.float64) for array in arrays)
        values = _eigenvalues(_joint(x, y, xy, np), np)
        if not _semi_definite(values, jnp.finfo(dtype).eps):
            raise ValueError(
                "cov_xy must belong to variables of covariance cov_x and cov_y, but "
                "the covariance of both together is not positive semi-definite: the "
                f"smallest eigenvalue of its correlations is {values[0]:.3g}"
            )
    return cov_x.astype(dtype), cov_y.astype(dtype), cov_xy.astype(dtype)


def check_covariance(name: str, cov: ArrayLike) -> jax.Array:
    """Check that a matrix is square and, if known, a covariance; at least float32."""
    cov = check_matrix(name, cov)
    if cov.shape[0] != cov.shape[1]:
        raise ValueError(f"{name} must be square, got shape {cov.shape}")
    if checks.is_traced(cov):
        return cov
    values = np.asarray(cov, np.float64)
    difference = np.max(np.abs(values - values.T))
    if difference > jnp.finfo(cov.dtype).eps ** 0.5 * np.max(np.abs(values)):
        raise ValueError(
            f"{name} must be symmetric, got entries that differ by {difference:.3g} "
            "from those across the diagonal"
        )
    values = _eigenvalues(values, np)
    if not _semi_definite(values, jnp.finfo(cov.dtype).eps):
        raise ValueError(
            f"{name} must be positive semi-definite, got correlations whose smallest "
            f"eigenvalue is {values[0]:.3g}"
        )
    return cov


def check_matrix(name: str, matrix: ArrayLike) -> jax.Array:
    """Check that a matrix is floating and, if known, finite; at least float32."""
    matrix = checks.jax_array(name, matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"{name} must be a matrix, got shape {matrix.shape}")
    checks.floating(name, matrix)
    if matrix.dtype.itemsize < 4:
        matrix = matrix.astype(jnp.float32)
    return checks.finite(name, matrix)


def check_definite(name: str, cov: jax.Array) -> None:
    """Check that a matrix, if known, is positive definite."""
    if checks.is_traced(cov):
        return
    values = _eigenvalues(np.asarray(cov, np.float64), np)
    smallest = _smallest(values, jnp.finfo(cov.dtype).eps)
    if values[0] <= smallest:
        raise ValueError(
            f"{name} must be positive definite, got correlations whose smallest "
            f"eigenvalue is {values[0]:.3g}, not above {smallest:.3g}"
        )
