r"""Information bottleneck of jointly Gaussian variables, in closed form.

For Gaussian X and Y the best representation is a noisy linear one, T = A X + Z with
Z ~ N(0, I), and it depends on the covariances only through the canonical correlations
:math:`\rho_1 \ge \rho_2 \ge \dots` of X and Y. In the terms of Chechik et al. (2005),
:math:`\lambda_i = 1 - \rho_i^2` are the eigenvalues of
:math:`\Sigma_{x|y} \Sigma_x^{-1}`. Minimising :math:`I(T;X) - \beta I(T;Y)` opens one
direction after the other: direction i at :math:`\beta_i = 1 / (1 - \lambda_i)`, after
which it carries

.. math::
    I_i(T;X) = \tfrac12 \log \frac{(\beta - 1)(1 - \lambda_i)}{\lambda_i}, \qquad
    I_i(T;Y) = I_i(T;X) - \tfrac12 \log \beta (1 - \lambda_i) .

The correlations are the singular values of :math:`W_x \Sigma_{xy} W_y^T`, where W
whitens, so that no difference of covariances is taken. Y may be degenerate, with
combinations of its components that are constant; X may not.

Every function takes the covariances ``cov_x [dx, dx]``, positive definite,
``cov_y [dy, dy]``, positive semi-definite, and ``cov_xy [dx, dy]`` of X with Y, and:

* Correlations within rounding of zero or one, where a formula diverges, count as zero
  or one. At zero the direction opens at no beta. At one, that is :math:`\lambda_i`
  below what rounding of the covariances can make of zero, X determines that direction
  of Y, :math:`\lambda_i = 0`, and it carries infinite information. Rounding matters
  more in directions in which X or Y hardly varies.
* A wrong shape raises ``ValueError``, a type that is not floating ``TypeError``.
  Covariances that no two variables have, a degenerate X, and a trade-off that is
  negative or NaN raise ``ValueError`` outside of ``jit``. Under ``jit`` or ``vmap`` the
  result is NaN for them; counts are 0.
* Gradients are right where results are finite, for changes that do not make Y less
  degenerate; but not those of ``projection`` where two correlations are equal, since
  its rows are then not determined.

References:
  Chechik, Globerson, Tishby and Weiss, `Information bottleneck for Gaussian
  variables`, JMLR 6, 2005.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.bottleneck.noisy_linear import (
    LinearInformation,
    linear_projection_information,
)
from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.covariances import Canonical, canonical_analysis, check_covariances

__all__ = [
    "GaussianSolution",
    "LinearInformation",
    "critical_betas",
    "i_ty_of_i_xt",
    "information_curve",
    "linear_projection_information",
    "mutual_information",
    "solve",
]


class GaussianSolution(NamedTuple):
    r"""Point of the Gaussian information curve; ``vmap`` adds an axis to each field.

    Attributes:
      projection: A of T = A X + Z with Z ~ N(0, I), shape ``[min(dx, dy), dx]``. Row i
        belongs to ``lambdas[i]`` and is zero if that direction is not active; its sign
        is arbitrary. It is infinite where its direction's I(T;X) is.
      i_xt: I(T;X) in nats, shape ``[]``.
      i_ty: I(T;Y) in nats, shape ``[]``.
      lambdas: :math:`1 - \rho_i^2`, ascending, shape ``[dx]``; one where there is no
        further direction of Y.
      num_active: Number of active directions, int32, shape ``[]``.
    """

    projection: jax.Array
    i_xt: jax.Array
    i_ty: jax.Array
    lambdas: jax.Array
    num_active: jax.Array


def mutual_information(
    cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike
) -> jax.Array:
    r"""Mutual information :math:`-\frac12 \sum_i \log (1 - \rho_i^2)`, in nats.

    It is the end of the information curve, and invariant under invertible linear maps
    of X and of Y.

    Args:
      cov_x: Covariance of X.
      cov_y: Covariance of Y.
      cov_xy: Covariance of X with Y.

    Returns:
      I(X;Y) in nats, shape ``[]``; infinite if a correlation is one.

    References:
      Cover and Thomas, `Elements of Information Theory`, 2nd ed., 2006, sec. 8.5.

    Example:
      >>> print(f"{mutual_information([[1.0]], [[1.0]], [[0.8]]):.4f} nats")
      0.5108 nats
    """
    return _mutual_information(
        canonical_analysis(*check_covariances(cov_x, cov_y, cov_xy))
    )


def critical_betas(cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike) -> jax.Array:
    r"""Critical betas :math:`\beta_i = 1 / (1 - \lambda_i)`, where a direction opens.

    Args:
      cov_x: Covariance of X.
      cov_y: Covariance of Y.
      cov_xy: Covariance of X with Y.

    Returns:
      Ascending critical betas, each at least one, shape ``[dx]``; infinite for
      directions of X that are independent of Y.

    References:
      Chechik et al., 2005, theorem 3.1.

    Example:
      >>> cov_xy = jnp.diag(jnp.array([0.8, 0.5]))
      >>> print([f"{b:.4f}" for b in critical_betas(jnp.eye(2), jnp.eye(2), cov_xy)])
      ['1.5625', '4.0000']
    """
    return _critical_betas(canonical_analysis(*check_covariances(cov_x, cov_y, cov_xy)))


def solve(
    cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike, beta: ArrayLike
) -> GaussianSolution:
    r"""Gaussian bottleneck solution, which minimises :math:`I(T;X) - \beta I(T;Y)`.

    Row i of the projection is :math:`\alpha_i v_i^T`, where :math:`v_i^T X` is the
    i-th canonical variable of X, of variance one, and

    .. math:: \alpha_i^2 = \frac{\beta (1 - \lambda_i) - 1}{\lambda_i}

    if :math:`\beta > \beta_i`, else zero. So T is constant for beta up to the first
    critical one, in particular up to 1.

    Infinite results are limits. At ``beta=inf`` I(T;X) is infinite unless X and Y are
    independent, and I(T;Y) = I(X;Y). With a :math:`\lambda_i` of zero, both are
    infinite for every beta above 1, and so is the row of the projection: noise in that
    direction never pays. Their difference has a limit, to which the direction
    contributes :math:`\frac12 \log \beta`, but it cannot be read off the result.

    Args:
      cov_x: Covariance of X.
      cov_y: Covariance of Y.
      cov_xy: Covariance of X with Y.
      beta: Trade-off, not negative, possibly infinite, shape ``[]``.

    Returns:
      The optimal projection, its two informations, the lambdas, and the number of
      active directions. NaN under ``jit`` if beta is negative.

    References:
      Chechik et al., 2005, theorem 3.1.

    Example:
      >>> solution = solve([[1.0]], [[1.0]], [[0.8]], beta=5.0)
      >>> print(f"{solution.i_xt:.4f} {solution.i_ty:.4f} nats")
      0.9808 0.3993 nats
    """
    covariances = check_covariances(cov_x, cov_y, cov_xy)
    beta = _check_trade_off("beta", beta, 0, covariances[0].dtype)
    return _at_beta(canonical_analysis(*covariances), beta)


def information_curve(
    cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike, betas: ArrayLike
) -> GaussianSolution:
    """Gaussian bottleneck solutions at several betas.

    Args:
      cov_x: Covariance of X.
      cov_y: Covariance of Y.
      cov_xy: Covariance of X with Y.
      betas: Trade-offs as for :func:`solve`, in any order, shape ``[num_betas]``.

    Returns:
      Result of :func:`solve` with a leading axis ``[num_betas]`` on every field.

    Example:
      >>> curve = information_curve([[1.0]], [[1.0]], [[0.8]], jnp.array([1.0, 5.0]))
      >>> print([f"{i_ty:.4f}" for i_ty in curve.i_ty], curve.num_active)
      ['0.0000', '0.3993'] [0 1]
    """
    covariances = check_covariances(cov_x, cov_y, cov_xy)
    betas = _check_trade_off("betas", betas, 1, covariances[0].dtype)
    return _at_betas(canonical_analysis(*covariances), betas)


def i_ty_of_i_xt(
    cov_x: ArrayLike, cov_y: ArrayLike, cov_xy: ArrayLike, i_xt: ArrayLike
) -> jax.Array:
    r"""Information curve: the largest I(T;Y) at a given I(T;X), in nats.

    In closed form, without beta, it is

    .. math::
        I(T;Y) = I(T;X) - \frac n2 \log \Big( \prod_{i \le n} (1 - \lambda_i)^{1/n}
        + e^{2 I(T;X) / n} \prod_{i \le n} \lambda_i^{1/n} \Big) ,

    where n is the number of directions that are active at I(T;X): the i-th opens when
    those before it carry :math:`\frac12 \sum_{j < i} \log
    [\lambda_i (1 - \lambda_j) / \lambda_j (1 - \lambda_i)]`. The slope is 1/beta,
    continuous, and at most :math:`1 - \lambda_1`. The sum is evaluated direction by
    direction, without the cancellation that this form suffers at small I(T;X).

    Args:
      cov_x: Covariance of X.
      cov_y: Covariance of Y.
      cov_xy: Covariance of X with Y.
      i_xt: I(T;X) in nats, not negative, possibly infinite, shape ``[]``.

    Returns:
      I(T;Y) in nats, shape ``[]``: I(X;Y) for infinite ``i_xt``, and ``i_xt`` itself
      if a lambda is zero. NaN under ``jit`` if ``i_xt`` is negative.

    References:
      Chechik et al., 2005, on the information curve.

    Example:
      >>> print(f"{i_ty_of_i_xt([[1.0]], [[1.0]], [[0.8]], 0.9808):.4f} nats")
      0.3992 nats
    """
    covariances = check_covariances(cov_x, cov_y, cov_xy)
    i_xt = _check_trade_off("i_xt", i_xt, 0, covariances[0].dtype)
    return _i_ty_of_i_xt(canonical_analysis(*covariances), i_xt)


@exact_jit
def _mutual_information(canonical: Canonical) -> jax.Array:
    total = jnp.sum(_scalar_i_ty(canonical, jnp.ones_like(canonical.rho)))
    return jnp.where(canonical.valid, total, jnp.nan)


@exact_jit
def _critical_betas(canonical: Canonical) -> jax.Array:
    betas = _pad(_openings(canonical), canonical.directions.shape[1], jnp.inf)
    return jnp.where(canonical.valid, betas, jnp.nan)


@exact_jit
def _i_ty_of_i_xt(canonical: Canonical, i_xt: jax.Array) -> jax.Array:
    rho, lambdas = canonical.rho, canonical.lambdas
    # Water-filling: all active directions fill to one level, log(beta - 1), from floors
    # at -depth. A correlation of one has no floor, one of zero is never reached.
    ordinary = (rho > 0) & (lambdas > 0)
    odds = jnp.where(ordinary, rho**2, 1) / jnp.where(ordinary, lambdas, 1)
    depth = jnp.log(odds)
    order = jnp.arange(rho.shape[0])
    # I(T;X) of the directions before when the level reaches the next floor: a sum of
    # positive terms, so that nothing cancels.
    step = jnp.where(ordinary[1:], depth[:-1] - depth[1:], 0)
    openings = jnp.concatenate(
        [jnp.zeros(1, rho.dtype), jnp.cumsum(order[1:] * step) / 2]
    )
    active = ordinary & (openings <= i_xt)
    num_active = jnp.maximum(jnp.sum(active), 1)
    mean_depth = jnp.sum(jnp.where(active, depth, 0)) / num_active
    share = i_xt / num_active + (depth - mean_depth) / 2
    kept = jnp.where(active, -jnp.expm1(-2 * jnp.where(active, share, 0)), 0)
    i_ty = jnp.sum(_scalar_i_ty(canonical, kept))
    i_ty = jnp.where(jnp.any(lambdas == 0), i_xt, i_ty)
    return jnp.where(canonical.valid & (i_xt >= 0), i_ty, jnp.nan)


@exact_jit
def _at_betas(canonical: Canonical, betas: jax.Array) -> GaussianSolution:
    return jax.vmap(_at_beta, (None, 0))(canonical, betas)


@exact_jit
def _at_beta(canonical: Canonical, beta: jax.Array) -> GaussianSolution:
    rho, lambdas, directions, valid = canonical
    openings = _openings(canonical)
    active = beta > openings
    # where inside and outside: an inactive direction must not reach a gradient.
    opening = jnp.where(active, openings, 1)
    above = jnp.where(active, beta, 2)
    noise = jnp.where(active, lambdas, 1)
    excess = jnp.where(active, (above * rho**2 - 1) / noise, 0)
    i_xt = jnp.log1p(excess) / 2
    # Written with opening / beta, the ratio stays right at an infinite beta.
    gain = jnp.where(active, rho**2 * (1 - opening / above) / noise, 0)
    i_ty = jnp.log1p(gain) / 2
    length = jnp.where(active, jnp.sqrt(jnp.where(active, excess, 1)), 0)
    # Infinity times zero is NaN: components that are zero stay zero.
    present = (directions != 0) & active[:, None]
    projection = jnp.where(present, length[:, None] * directions, 0)
    valid = valid & (beta >= 0)
    return GaussianSolution(
        projection=jnp.where(valid, projection, jnp.nan),
        i_xt=jnp.where(valid, jnp.sum(i_xt), jnp.nan),
        i_ty=jnp.where(valid, jnp.sum(i_ty), jnp.nan),
        lambdas=jnp.where(
            canonical.valid, _pad(lambdas, directions.shape[1], 1), jnp.nan
        ),
        num_active=jnp.where(valid, jnp.sum(active, dtype=jnp.int32), 0),
    )


def _openings(canonical: Canonical) -> jax.Array:
    """Beta at which each direction opens, ``[num]``; infinite for no correlation."""
    rho = canonical.rho
    return jnp.where(rho > 0, 1 / jnp.where(rho > 0, rho, 1) ** 2, jnp.inf)


def _scalar_i_ty(canonical: Canonical, kept: jax.Array) -> jax.Array:
    r"""I(T;Y) of every direction if T keeps the part ``kept [num]`` of its variance.

    That is :math:`-\frac12 \log (1 - \rho^2 k)` with :math:`k = 1 - e^{-2 I(T;X)}`,
    in the form that is exact for weak or for strong correlations.
    """
    rho, lambdas = canonical.rho, canonical.lambdas
    weak = rho**2 * kept < 0.5
    weak_part = jnp.log1p(-jnp.where(weak, rho**2 * kept, 0))
    strong_part = jnp.log(jnp.where(weak, 1, lambdas * kept + (1 - kept)))
    return -jnp.where(weak, weak_part, strong_part) / 2


def _pad(values: jax.Array, length: int, value: float) -> jax.Array:
    return jnp.pad(values, (0, length - values.shape[0]), constant_values=value)


def _check_trade_off(
    name: str, value: ArrayLike, ndim: int, dtype: jnp.dtype
) -> jax.Array:
    value = checks.jax_array(name, value, dtype)
    if value.ndim != ndim:
        expected = "be one number" if ndim == 0 else f"have shape [num_{name}]"
        raise ValueError(f"{name} must {expected}, got shape {value.shape}")
    if not checks.is_traced(value) and not np.all(np.asarray(value) >= 0):
        raise ValueError(f"{name} must not be negative or NaN, got {value}")
    return value
