r"""Entropy and information of variables as if they were jointly Gaussian.

Of Gaussian X and Y with canonical correlations :math:`\rho_i`,

.. math:: I(X;Y) = -\tfrac12 \sum_i \log (1 - \rho_i^2), \qquad
          h(X) = \tfrac12 \log\det 2\pi e \Sigma .

Of other variables this is what their linear dependence alone would amount to. With
Gaussian marginals it is a lower bound on I(X;Y); a *copula* estimate makes the
marginals Gaussian, one component at a time, which changes no information.

Correlations come from orthonormal bases of the samples of X and of Y, and
:math:`1 - \rho^2` from what of one basis is left outside the span of the other (Björck
and Golub, 1973), so that float32 resolves up to about 12 nats per direction, where
covariances would end at 7.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jax.typing import ArrayLike
from scipy.special import digamma, polygamma

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import check_pair, check_samples
from ibjax.estimators.whitening import principal, standardize
from ibjax.numerics import checks
from ibjax.numerics.covariances import matmul

__all__ = [
    "GaussianEstimate",
    "canonical_correlations",
    "copula_information",
    "entropy",
    "mutual_information",
    "normal_scores",
]

_LEDOIT_WOLF = "ledoit_wolf"
# Stands for a weight that is to be found.
_UNKNOWN = -1.0
# The smallest sine of dependent variables, in roundings: up to 3 were seen.
_ROUNDINGS = 8


class GaussianEstimate(NamedTuple):
    """An estimate from covariances.

    Attributes:
      value: Estimate in nats, shape ``[]``.
      standard_error: For Gaussian variables and without shrinkage, to first order in
        one over the number of samples, shape ``[]``.
      shrinkage: Weight that the identity got in the correlation matrix, shape ``[]``.
    """

    value: jax.Array
    standard_error: jax.Array
    shrinkage: jax.Array


def mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    shrinkage: ArrayLike | str | None = None,
    bias_correction: bool | None = None,
) -> GaussianEstimate:
    r"""I(X;Y) as if X and Y were jointly Gaussian, in nats.

    Without correction the estimate is biased upward by about dim_x dim_y / 2N. The
    correction removes the bias of Gaussian variables exactly, whatever their
    covariance; the estimate can then be below zero. Components that do not vary, or
    depend on others of the same variable, say nothing and are left out.

    Many estimates at once are for :func:`ibjax.compilation.for_each`: as ``jax.vmap``
    makes them, decompositions can wait for each other for ever on a CPU (jaxlib 0.10).

    Args:
      x: Samples, shape ``[num_samples, dim_x]``, floating.
      y: Samples that belong to them, shape ``[num_samples, dim_y]``, floating.
      shrinkage: Weight of the identity in the correlation matrix of X and Y together,
        in [0, 1], or ``"ledoit_wolf"`` for the weight that makes the expected squared
        error of the matrix least. It lowers the estimate, and allows more components
        than samples. None for none.
      bias_correction: Whether to take off the bias. By default, if there is no
        shrinkage, under which the bias is not known.

    Returns:
      Information. Its standard error is :math:`\sqrt{\sum_i \rho_i^2 / N}`, at
      independence too large by the root of two. Under ``jit``, NaN if ``x`` or ``y`` is
      not finite, or if a combination of one's components is a linear function of the
      other's up to rounding, where information is infinite.

    Raises:
      ValueError: If shapes do not match, there are too few samples, or ``shrinkage`` is
        out of range; outside of ``jit`` also wherever the result would be NaN.
      TypeError: If ``x`` or ``y`` is not floating.

    References:
      Ince et al., `A statistical framework for neuroimaging data analysis based on
      mutual information estimated via a Gaussian copula`, 2017. Misra, Singh and
      Demchuk, `Estimation of the entropy of a multivariate normal distribution`, 2005.
      Ledoit and Wolf, `A well-conditioned estimator for large-dimensional covariance
      matrices`, 2004.

    Example:
      >>> x, noise = jax.random.normal(jax.random.key(0), (2, 2000, 1))
      >>> estimate = mutual_information(x, 0.8 * x + 0.6 * noise)
      >>> print(f"{estimate.value:.2f} +- {estimate.standard_error:.2f} nats")
      0.51 +- 0.02 nats
    """
    x, y = check_pair(x, y)
    bias_correction = _check_correction(shrinkage, bias_correction)
    _check_size(x, x.shape[1] + y.shape[1], shrinkage)
    shrinkage = _check_shrinkage(shrinkage, x.dtype)
    # For all ranks that X and Y can have: the compiled function finds which they are.
    bias = _information_bias(len(x), x.shape[1], y.shape[1]) * bias_correction
    value, error, weight = _information(x, y, shrinkage, jnp.asarray(bias, x.dtype))
    _check_independent(value)
    return GaussianEstimate(value, error, weight)


def copula_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    shrinkage: ArrayLike | str | None = None,
    bias_correction: bool | None = None,
) -> GaussianEstimate:
    """I(X;Y) of variables whose copula is Gaussian, in nats.

    Every component is replaced by the normal scores of its ranks (see
    :func:`normal_scores`), then :func:`mutual_information` is taken. Monotonic
    functions of single components change nothing, so that heavy tails do no harm. For
    other copulas it bounds I(X;Y) from below, up to the error of the samples; not if
    components have ties, whose scores are not normal.

    Args:
      x: Samples, shape ``[num_samples, dim_x]``, floating.
      y: Samples that belong to them, shape ``[num_samples, dim_y]``, floating.
      shrinkage: See :func:`mutual_information`.
      bias_correction: See :func:`mutual_information`; for scores it is approximate.

    Returns:
      Information, as :func:`mutual_information`.

    Raises:
      ValueError: As :func:`mutual_information`.
      TypeError: If ``x`` or ``y`` is not floating.

    References:
      Ince et al., 2017; see :func:`mutual_information`.

    Example:
      >>> x, noise = jax.random.normal(jax.random.key(0), (2, 2000, 1))
      >>> estimate = copula_information(x**3, jnp.exp(0.8 * x + 0.6 * noise))
      >>> print(f"{estimate.value:.2f} nats")
      0.51 nats
    """
    x, y = check_pair(x, y)
    return mutual_information(
        normal_scores(x),
        normal_scores(y),
        shrinkage=shrinkage,
        bias_correction=bias_correction,
    )


def normal_scores(x: ArrayLike) -> jax.Array:
    r"""Quantiles of the normal distribution at the ranks of every component.

    A value of rank r among N becomes :math:`\Phi^{-1}(r / (N + 1))`. Equal values share
    the mean of their ranks: no order is made up for them.

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating.

    Returns:
      Scores, shape ``[num_samples, dim]``; under ``jit`` NaN if ``x`` is not finite.

    Raises:
      ValueError: If the shape is wrong or, outside of ``jit``, ``x`` is not finite.
      TypeError: If ``x`` is not floating.

    Example:
      >>> print(normal_scores(jnp.array([[3.0], [1.0], [1.0]])).ravel().round(3))
      [ 0.674 -0.319 -0.319]
    """
    return _normal_scores(check_samples("x", x))


def canonical_correlations(
    x: ArrayLike, y: ArrayLike, *, shrinkage: ArrayLike | str | None = None
) -> jax.Array:
    """Canonical correlations of two sets of samples.

    They are biased upward: of independent variables they are of the order of
    sqrt((dim_x + dim_y) / N).

    Args:
      x: Samples, shape ``[num_samples, dim_x]``, floating.
      y: Samples that belong to them, shape ``[num_samples, dim_y]``, floating.
      shrinkage: See :func:`mutual_information`.

    Returns:
      Correlations, descending, shape ``[min(dim_x, dim_y)]``; zero where a variable has
      no further direction. Under ``jit``, NaN if ``x`` or ``y`` is not finite.

    Raises:
      ValueError: As :func:`mutual_information`, except that correlations of one are
        correct.
      TypeError: If ``x`` or ``y`` is not floating.

    References:
      Hotelling, `Relations between two sets of variates`, 1936. Björck and Golub,
      `Numerical methods for computing angles between linear subspaces`, 1973.

    Example:
      >>> x = jnp.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 5.0], [4.0, 2.0]])
      >>> print(canonical_correlations(x, x[:, :1]).round(3))
      [1.]
    """
    x, y = check_pair(x, y)
    _check_size(x, x.shape[1] + y.shape[1], shrinkage)
    return _correlations(x, y, _check_shrinkage(shrinkage, x.dtype))


def entropy(
    x: ArrayLike,
    *,
    shrinkage: ArrayLike | str | None = None,
    bias_correction: bool | None = None,
) -> GaussianEstimate:
    """Differential entropy h(X) as if X were Gaussian, in nats.

    No variable of the same covariance has more entropy. Without correction the estimate
    is biased downward by about dim (dim + 1) / 4N; the correction removes the bias of
    Gaussian variables exactly.

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating.
      shrinkage: Weight of the identity in the correlation matrix; see
        :func:`mutual_information`.
      bias_correction: See :func:`mutual_information`.

    Returns:
      Entropy, with the exact standard error of Gaussian variables. Under ``jit``, NaN
      if ``x`` is not finite or, without shrinkage, does not vary in some direction; a
      component that does not vary gives NaN with it as well.

    Raises:
      ValueError: If the shape is wrong, there are too few samples, or ``shrinkage`` is
        out of range; outside of ``jit`` also wherever the result would be NaN.
      TypeError: If ``x`` is not floating.

    References:
      Misra, Singh and Demchuk, 2005; see :func:`mutual_information`.

    Example:
      >>> x = jax.random.normal(jax.random.key(0), (2000, 1))
      >>> estimate = entropy(x)
      >>> print(f"{estimate.value:.2f} +- {estimate.standard_error:.2f} nats")
      1.42 +- 0.02 nats
    """
    x = check_samples("x", x, fewest=2)
    bias_correction = _check_correction(shrinkage, bias_correction)
    num_samples, dim = x.shape
    _check_size(x, dim, shrinkage)
    shrinkage = _check_shrinkage(shrinkage, x.dtype)
    bias = _log_determinant_bias(num_samples, dim)[-1] / 2 if bias_correction else 0.0
    value, weight = _entropy(x, shrinkage)
    if not checks.is_traced(value) and not np.isfinite(value):
        raise ValueError(
            f"x must vary in all {dim} directions to have an entropy: leave out "
            "constant or dependent components"
        )
    degrees = np.maximum(num_samples - np.arange(1, dim + 1), 1)
    variance = np.sum(polygamma(1, degrees / 2)) / 4
    error = jnp.asarray(np.sqrt(variance), x.dtype)
    return GaussianEstimate(value - jnp.asarray(bias, x.dtype), error, weight)


def _check_shrinkage(shrinkage, dtype):
    if shrinkage is None:
        return None
    if isinstance(shrinkage, str):
        number = "a number in [0, 1]"
        checks.one_of("shrinkage", shrinkage, (_LEDOIT_WOLF,), otherwise=number)
        return jnp.asarray(_UNKNOWN, dtype)
    return jnp.asarray(checks.in_range("shrinkage", shrinkage, "[0, 1]"), dtype)


def _check_correction(shrinkage, bias_correction):
    if bias_correction is None:
        return shrinkage is None
    checks.flag("bias_correction", bias_correction)
    if bias_correction and shrinkage is not None:
        raise ValueError(
            "bias_correction is for covariances without shrinkage: set one of the two "
            "to None"
        )
    return bias_correction


def _check_size(x, dim, shrinkage):
    if shrinkage is None and len(x) < dim + 2:
        raise ValueError(
            f"{dim} components need at least {dim + 2} samples without shrinkage, got "
            f"{len(x)}"
        )


def _check_independent(value):
    if checks.is_traced(value) or np.isfinite(value):
        return
    raise ValueError(
        "x and y must not determine one another, but a linear combination of the "
        "components of one is one of the other's: its information is infinite. Add "
        "the noise that is meant, or use shrinkage"
    )


@lru_cache(maxsize=64)
def _log_determinant_bias(num_samples: int, dim: int) -> np.ndarray:
    """Bias of log det of the sample covariance, for 0 to ``dim`` components."""
    degrees = num_samples - np.arange(1, dim + 1)
    terms = digamma(np.maximum(degrees, 1) / 2) + np.log(2 / (num_samples - 1))
    return np.concatenate([[0.0], np.cumsum(terms)])


def _information_bias(num_samples: int, dim_x: int, dim_y: int) -> np.ndarray:
    """Bias of the information, ``[dim_x + 1, dim_y + 1]``, by the ranks of both."""
    bias = _log_determinant_bias(num_samples, dim_x + dim_y)
    rank_x, rank_y = np.arange(dim_x + 1)[:, None], np.arange(dim_y + 1)[None]
    return (bias[rank_x] + bias[rank_y] - bias[rank_x + rank_y]) / 2


@exact_jit
def _information(x, y, shrinkage, bias):
    finite, cosines, sines, ranks, weight = _angles(x, y, shrinkage)
    tiny = jnp.finfo(x.dtype).tiny
    information = -jnp.sum(jnp.log(jnp.maximum(sines, tiny))) - bias[ranks]
    eps = jnp.finfo(x.dtype).eps
    rounding = _ROUNDINGS * eps * (x.shape[1] + y.shape[1]) ** 0.5
    ok = finite & jnp.all(sines > rounding)
    error = jnp.sqrt(jnp.sum(cosines**2) / len(x))
    information, error = (jnp.where(ok, v, jnp.nan) for v in (information, error))
    return information, error, weight


@exact_jit
def _correlations(x, y, shrinkage):
    finite, cosines, *_ = _angles(x, y, shrinkage)
    return jnp.where(finite, jnp.minimum(cosines, 1), jnp.nan)


def _angles(x, y, shrinkage):
    """Cosines and sines of the angles between X and Y, ``[min(dx, dy)]``."""
    finite = jnp.all(jnp.isfinite(x)) & jnp.all(jnp.isfinite(y))
    rows_x, rows_y = (standardize(jnp.where(finite, v, 0))[0] for v in (x, y))
    rows, weight = _shrink(jnp.concatenate([rows_x, rows_y], axis=1), shrinkage)
    bases = [principal(v).scores for v in jnp.split(rows, [x.shape[1]], axis=1)]
    present = [jnp.any(basis != 0, axis=0) for basis in bases]
    ranks = tuple(jnp.sum(p, dtype=jnp.int32) for p in present)
    # One direction of the smaller for every angle.
    larger, smaller = bases if x.shape[1] >= y.shape[1] else bases[::-1]
    present = present[1] if x.shape[1] >= y.shape[1] else present[0]
    between = matmul(larger.T, smaller)
    cosines = jnp.linalg.svd(between, compute_uv=False)
    # A direction that is not there is outside of the other's span.
    outside = smaller - matmul(larger, between)
    outside = jnp.concatenate([outside, jnp.diag((~present).astype(x.dtype))])
    # The triangle has the singular values of the tall matrix, and is small.
    sines = jnp.linalg.svd(jnp.linalg.qr(outside, mode="r"), compute_uv=False)
    return finite, cosines, sines, ranks, weight


@exact_jit
def _entropy(x, shrinkage):
    num_samples, dim = x.shape
    finite = jnp.all(jnp.isfinite(x))
    rows, deviation, _ = standardize(jnp.where(finite, x, 0))
    rows, weight = _shrink(rows, shrinkage)
    singular = principal(rows).deviations
    ok = (
        finite & jnp.all(singular > 0) & jnp.all(deviation > 0) & (len(singular) == dim)
    )
    singular = jnp.where(singular > 0, singular, 1)
    deviation = jnp.where(deviation > 0, deviation, 1)
    value = jnp.sum(jnp.log(singular)) + jnp.sum(jnp.log(deviation))
    value += dim * (np.log(2 * np.pi * np.e) - np.log(num_samples - 1)) / 2
    return jnp.where(ok, value, jnp.nan), weight


@exact_jit
def _normal_scores(x):
    num_samples = len(x)
    finite = jnp.all(jnp.isfinite(x))

    def one(column):
        ordered = jnp.sort(column)
        below = jnp.searchsorted(ordered, column, side="left")
        up_to = jnp.searchsorted(ordered, column, side="right")
        twice = below + up_to + 1  # Of the mean rank, which may be a half.
        # From the nearer end, where small probabilities keep their digits.
        lower = jnp.minimum(twice, 2 * (num_samples + 1) - twice).astype(x.dtype)
        score = ndtri(lower / (2 * (num_samples + 1)))
        return jnp.where(twice <= num_samples + 1, score, -score)

    return jnp.where(finite, jax.vmap(one, 1, 1)(x), jnp.nan)


def _shrink(
    rows: jax.Array, shrinkage: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Rows with the products of the shrunken correlation matrix, and its weight.

    Rows of standardised samples are ``[num_samples, dim]``; shrinkage adds ``dim`` of
    them. The weight is that of the identity, ``[]`` (Ledoit and Wolf, 2004).
    """
    if shrinkage is None:
        return rows, jnp.zeros((), rows.dtype)
    weight = jnp.where(shrinkage < 0, _ledoit_wolf(rows), shrinkage)
    # As many rows more as there are components, which have no correlations.
    prior = jnp.sqrt(weight * (len(rows) - 1)) * jnp.eye(
        rows.shape[1], dtype=rows.dtype
    )
    return jnp.concatenate([jnp.sqrt(1 - weight) * rows, prior]), weight


def _ledoit_wolf(rows):
    """Weight of the identity with least expected squared error, in [0, 1]."""
    num_samples, dim = rows.shape
    covariance = matmul(rows.T, rows) / num_samples
    scale = jnp.trace(covariance) / dim
    spread = jnp.sum((covariance - scale * jnp.eye(dim, dtype=rows.dtype)) ** 2)
    square = jnp.sum(jnp.sum(rows**2, axis=1) ** 2) / num_samples
    error = (square - jnp.sum(covariance**2)) / num_samples
    return jnp.where(spread > 0, jnp.clip(error / spread, 0, 1), 1)
