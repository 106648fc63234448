"""Families of distributions whose mutual information has a closed form.

Every function returns a :class:`KnownInformation`; dimensions and parameters out of
range raise ``ValueError``.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy import optimize, special

from ibjax.compilation import full_precision
from ibjax.numerics import checks

__all__ = [
    "KnownInformation",
    "additive_noise",
    "log_gamma_exponential",
    "multinormal",
    "multinormal_dense",
    "multinormal_sparse",
    "smoothed_uniform",
    "student",
]

# The covariance of more columns has no room in memory.
_MOST_COLUMNS = 2**15

Pair = tuple[jax.Array, jax.Array]


class KnownInformation(NamedTuple):
    """Pair of random variables to draw from, and their mutual information.

    Attributes:
      name: Short name.
      dim_x: Dimension of X.
      dim_y: Dimension of Y.
      mutual_information: I(X;Y) in nats, a float.
      sample: ``sample(key, num_samples) -> (x, y)``, of shapes ``[num_samples,
        dim_x]`` and ``[num_samples, dim_y]``, rows independent, floating or, of
        classes, int32; pure, and jittable with ``num_samples`` static.
    """

    name: str
    dim_x: int
    dim_y: int
    mutual_information: float
    sample: Callable[[jax.Array, int], Pair]


def multinormal(
    covariance: ArrayLike, *, dim_x: int, name: str = "multinormal"
) -> KnownInformation:
    """Jointly normal X and Y of mean zero.

    Args:
      covariance: Covariance of the columns of X and then those of Y, shape ``[dim_x +
        dim_y, dim_x + dim_y]``, positive definite.
      dim_x: Number of columns that are X.
      name: Name of the task.

    Example:
      >>> task = multinormal([[1.0, 0.75], [0.75, 1.0]], dim_x=1)
      >>> print(f"{task.mutual_information:.6f} nats")
      0.413339 nats
    """
    factor = _cholesky("covariance", covariance, dim_x)
    dim_y = len(factor) - dim_x
    sample = partial(_sample_normal, factor=factor, dim_x=dim_x)
    value = _normal_information(factor, dim_x)
    return KnownInformation(name, dim_x, dim_y, value, sample)


def multinormal_dense(
    dim_x: int, dim_y: int, correlation: float = 0.5
) -> KnownInformation:
    """Normal X and Y of unit variances, all pairs of columns equally correlated.

    Args:
      dim_x: Dimension of X.
      dim_y: Dimension of Y.
      correlation: Correlation of any two columns, also within X and within Y.

    Example:
      >>> print(f"{multinormal_dense(2, 2).mutual_information:.6f} nats")
      0.293893 nats
    """
    _check_dimensions(dim_x, dim_y)
    checks.in_range("correlation", correlation, "(-1, 1)")
    dim = dim_x + dim_y
    covariance = (1 - correlation) * np.eye(dim) + correlation
    name = f"multinormal-dense-{dim_x}-{dim_y}-{correlation:g}"
    return multinormal(covariance, dim_x=dim_x, name=name)


def multinormal_sparse(
    dim_x: int, dim_y: int, correlations: Sequence[float] = (0.8, 0.8)
) -> KnownInformation:
    """Normal X and Y of which only the first columns are correlated, pair by pair.

    The value keeps its precision for correlations close to one.

    Args:
      dim_x: Dimension of X.
      dim_y: Dimension of Y.
      correlations: Canonical correlations in (-1, 1): of the first column of X with the
        first of Y, of the second with the second, and so on. All other columns are
        independent.

    Example:
      >>> print(f"{multinormal_sparse(3, 3).mutual_information:.6f} nats")
      1.021651 nats
    """
    _check_dimensions(dim_x, dim_y)
    rho = checks.real("correlations", correlations, np.asarray).astype(np.float64)
    if rho.ndim != 1 or len(rho) > min(dim_x, dim_y) or not np.all(np.abs(rho) < 1):
        raise ValueError(
            f"correlations must be at most {min(dim_x, dim_y)} numbers in (-1, 1), got "
            f"{correlations}"
        )
    factor = np.eye(dim_x + dim_y)
    column = np.arange(len(rho))
    factor[dim_x + column, column] = rho
    factor[dim_x + column, dim_x + column] = np.sqrt((1 - rho) * (1 + rho))
    return KnownInformation(
        f"multinormal-sparse-{dim_x}-{dim_y}-" + "-".join(f"{r:g}" for r in rho),
        dim_x,
        dim_y,
        float(-0.5 * np.sum(np.log1p(-rho) + np.log1p(rho))),
        partial(_sample_normal, factor=factor, dim_x=dim_x),
    )


def student(
    dim_x: int,
    dim_y: int,
    degrees_of_freedom: float,
    dispersion: ArrayLike | None = None,
) -> KnownInformation:
    r"""Jointly Student-distributed X and Y: normal, divided by a common random scale.

    Sharing the scale makes them dependent even where they are not correlated:

    .. math::
        I = I_\mathrm{normal} + f(\nu) + f(\nu + m + n) - f(\nu + m) - f(\nu + n),
        \quad f(\nu) = \log \Gamma(\nu / 2) - \tfrac{\nu}{2} \psi(\nu / 2) ,

    with m and n the dimensions. At one and two degrees of freedom there is no variance,
    so that columns cannot be standardized.

    Args:
      dim_x: Dimension of X.
      dim_y: Dimension of Y.
      degrees_of_freedom: Positive; tails are heavier the fewer there are.
      dispersion: Covariance of the normal variables, shape ``[dim_x + dim_y, dim_x +
        dim_y]``, positive definite; the identity by default.

    References:
      Arellano-Valle, Contreras-Reyes and Genton, `Shannon entropy and mutual
      information for multivariate skew-elliptical distributions`, 2013.

    Example:
      >>> print(f"{student(1, 1, 1).mutual_information:.6f} nats")
      0.224171 nats
    """
    _check_dimensions(dim_x, dim_y)
    degrees_of_freedom = checks.positive("degrees_of_freedom", degrees_of_freedom)
    dim = dim_x + dim_y
    kind = "identity" if dispersion is None else "dispersion"
    dispersion = np.eye(dim) if dispersion is None else dispersion
    checks.shape("dispersion", dispersion, [dim, dim])
    factor = _cholesky("dispersion", dispersion, dim_x)
    # Order by size: the terms are large and cancel for many degrees of freedom.
    added = np.array([0, dim, dim_x, dim_y]) + float(degrees_of_freedom)
    terms = special.gammaln(added / 2) - added / 2 * special.digamma(added / 2)
    value = _normal_information(factor, dim_x) + float(terms @ [1, 1, -1, -1])

    def sample(key, num_samples):
        key_normal, key_scale = jax.random.split(key)
        x, y = _sample_normal(key_normal, num_samples, factor=factor, dim_x=dim_x)
        # The logarithm of a chi-square variable over 2: with few degrees of freedom the
        # variable itself can be too small for float32.
        half = degrees_of_freedom / 2
        log_half_square = jax.random.loggamma(key_scale, half, (num_samples,))
        scale = jnp.sqrt(half) * jnp.exp(-log_half_square / 2)
        return x * scale[:, None], y * scale[:, None]

    name = f"student-{kind}-{dim_x}-{dim_y}-{degrees_of_freedom:g}"
    return KnownInformation(name, dim_x, dim_y, value, sample)


def additive_noise(epsilon: float) -> KnownInformation:
    r"""X uniform on [0, 1] and Y = X + noise, uniform on [-epsilon, epsilon].

    :math:`I = \epsilon - \log 2 \epsilon` up to one half, :math:`1 / 4 \epsilon` above.

    Args:
      epsilon: Half the width of the noise, positive.

    Example:
      >>> print(f"{additive_noise(0.1).mutual_information:.6f} nats")
      1.709438 nats
    """
    epsilon = checks.positive("epsilon", epsilon)
    value = epsilon - math.log(2 * epsilon) if epsilon <= 0.5 else 0.25 / epsilon
    sample = partial(_sample_additive, epsilon=epsilon, dim=1)
    return KnownInformation(f"1v1-additive-{epsilon:g}", 1, 1, value, sample)


def smoothed_uniform(information: float, dim: int = 1) -> KnownInformation:
    r"""Uniform X and Y = X + uniform noise, with a given mutual information.

    In every dimension the noise has the width 1/a that solves :math:`I / \dim = a / 2`
    (a at most one) or :math:`\log a + 1 / 2 a` (above).

    Args:
      information: I(X;Y) in nats, positive, split equally over the dimensions.
      dim: Dimension of X and of Y.

    Example:
      >>> task = smoothed_uniform(1.0, dim=2)
      >>> task.name, task.dim_x
      ('smoothed-uniform-2-1', 2)
    """
    each = _share(information, dim)
    if each <= 0.5:
        epsilon = 0.25 / each
    else:
        # In log a, log a + 1 / 2a lies between log a and log a + 1/2.
        log_a = optimize.brentq(
            lambda t: t + 0.5 * math.exp(-t) - each,
            max(0, each - 0.5),
            each,
            xtol=1e-15,
        )
        epsilon = 0.5 * math.exp(-log_a)
    sample = partial(_sample_additive, epsilon=epsilon, dim=dim)
    name = f"smoothed-uniform-{dim}-{information:g}"
    return KnownInformation(name, dim, dim, float(information), sample)


def log_gamma_exponential(information: float, dim: int = 1) -> KnownInformation:
    r"""Logarithms of a Gamma rate and of an exponential variable with that rate.

    In every dimension :math:`X = \log G` with G of shape 1/s, and
    :math:`Y = \log E - X` with E standard exponential: all of X comes back in Y, up to
    noise of order one. :math:`I(s) = \psi(1/s) + s + \log s` is solved for s. Both have
    a long tail to one side, of length about s.

    Args:
      information: I(X;Y) in nats, positive, split equally over the dimensions, at
        most 20 for each.
      dim: Dimension of X and of Y.

    References:
      Darbellay and Vajda, `Entropy expressions for multivariate continuous
      distributions`, IEEE Transactions on Information Theory, 2000.

    Example:
      >>> print(f"{log_gamma_exponential(2.0).mutual_information:.1f} nats")
      2.0 nats
    """
    each = _share(information, dim)
    if each > 20:
        raise ValueError(f"information must be at most {20 * dim}, got {information}")

    def excess(log_s):
        s = math.exp(log_s)
        # psi(1/s) + s = psi(1 + 1/s), which does not cancel for large s.
        return special.digamma(1 + 1 / s) + log_s - each

    # For large s I is log s - 0.577; for small s it is s / 2.
    shape = math.exp(-optimize.brentq(excess, math.log(each), each + 1, xtol=1e-14))

    def sample(key, num_samples):
        key_rate, key_time = jax.random.split(key)
        x = jax.random.loggamma(key_rate, shape, (num_samples * dim,))
        time = jax.random.exponential(key_time, (num_samples * dim,))
        y = jnp.log(time) - x
        return x.reshape(num_samples, dim), y.reshape(num_samples, dim)

    name = f"log-gamma-exponential-{dim}-{information:g}"
    return KnownInformation(name, dim, dim, float(information), sample)


def _check_dimensions(dim_x: int, dim_y: int) -> None:
    checks.count("dim_x", dim_x)
    checks.count("dim_y", dim_y)
    if dim_x + dim_y > _MOST_COLUMNS:
        raise ValueError(
            f"dim_x and dim_y must sum to {_MOST_COLUMNS} at most, got {dim_x} and "
            f"{dim_y}"
        )


def _share(information: float, dim: int) -> float:
    """Information of each dimension."""
    return checks.positive("information", information) / checks.count("dim", dim)


def _cholesky(name: str, covariance: ArrayLike, dim_x: int) -> np.ndarray:
    """Lower factor of a covariance of X and Y."""
    covariance = checks.real(name, covariance, np.asarray)
    covariance = np.asarray(covariance, np.float64)
    checks.count("dim_x", dim_x)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"{name} must be a square matrix, got {covariance.shape}")
    if not 0 < dim_x < len(covariance):
        raise ValueError(f"dim_x must lie in [1, {len(covariance) - 1}], got {dim_x}")
    try:
        if not np.allclose(covariance, covariance.T, rtol=1e-10):
            raise np.linalg.LinAlgError
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        message = f"{name} must be symmetric and positive definite"
        raise ValueError(message) from None


def _normal_information(factor: np.ndarray, dim_x: int) -> float:
    # |Sigma| / |Sigma_X| is the product of the last squares on the factor's diagonal.
    y_rows = factor[dim_x:]
    log_det_y = np.linalg.slogdet(y_rows @ y_rows.T)[1]
    return float(log_det_y / 2 - np.sum(np.log(np.diag(factor)[dim_x:])))


@full_precision
def _sample_normal(
    key: jax.Array, num_samples: int, *, factor: np.ndarray, dim_x: int
) -> Pair:
    # One flat draw: compiling a draw costs far more than running it.
    dim = len(factor)
    normal = jax.random.normal(key, (num_samples * dim,)).reshape(num_samples, dim)
    sample = normal @ jnp.asarray(factor.T, normal.dtype)
    return sample[:, :dim_x], sample[:, dim_x:]


def _sample_additive(
    key: jax.Array, num_samples: int, *, epsilon: float, dim: int
) -> Pair:
    uniform = jax.random.uniform(key, (2 * num_samples * dim,))
    x, noise = uniform.reshape(2, num_samples, dim)
    return x, x + epsilon * (2 * noise - 1)
