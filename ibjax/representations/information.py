r"""Information that a Gaussian code holds of given inputs, without a prior.

For N inputs with equal weight the code is a mixture of N known Gaussians, so that
:math:`I(X;Z) = E \log q(z|x) / \frac1N \sum_j q(z|x_j)` is a mean over draws: no bound,
and no estimate but for the draws. The difference between the rate and it is what the
prior costs. It is log N at most: of codes that tell all inputs apart it says no more.
Distances between the pairs of Gaussians bound the same information without a draw.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.representations.variational import Posterior

__all__ = [
    "CodeInformation",
    "CodeInformationBounds",
    "code_information",
    "code_information_bounds",
]

# Inputs whose codes are held against all others at once; more would leave the cache.
_ROWS_AT_ONCE = 8


class CodeInformation(NamedTuple):
    """Information of a code in nats, and standard errors of means over inputs.

    The errors are of inputs that are drawn, too. For given inputs only the draws of
    codes are random, whose errors are no larger, and far smaller where inputs' codes
    differ in what they tell.

    Attributes:
      i_xz: I(X;Z), shape ``[]``.
      i_zy: I(Z;Y), shape ``[]``.
      i_xz_error: Standard error of the former; zero for a single input.
      i_zy_error: Standard error of the latter, likewise.
    """

    i_xz: jax.Array
    i_zy: jax.Array
    i_xz_error: jax.Array
    i_zy_error: jax.Array


def code_information(
    key: jax.Array, posterior: Posterior, labels: ArrayLike, *, num_classes: int
) -> CodeInformation:
    """I(X;Z) and I(Z;Y) for inputs of equal weight, by one draw of every code.

    All pairs are taken, in memory for a few rows at a time.

    Args:
      key: Draws the codes.
      posterior: Distribution of the code of every input, ``[num_samples, k]``.
      labels: Class of every input, shape ``[num_samples]``.
      num_classes: Number of classes.

    Returns:
      The information. ``i_xz`` is at most log num_samples.

    Raises:
      ValueError: If labels do not fit or are out of range.
      TypeError: If labels are no integers.

    Example:
      >>> posterior = Posterior(10 * jnp.eye(3, 2), jnp.ones((3, 2)))
      >>> labels = jnp.array([0, 0, 1])
      >>> found = code_information(
      ...     jax.random.key(0), posterior, labels, num_classes=2
      ... )
      >>> print(f"{found.i_xz:.3f} {found.i_zy:.3f}")  # log 3 and H(Y).
      1.099 0.637
    """
    checks.key("key", key)
    labels = _checked_labels(posterior, labels, num_classes)
    return _code_information(key, posterior, labels, num_classes)


def _checked_labels(posterior, labels, num_classes) -> jax.Array:
    checks.instance("posterior", posterior, Posterior)
    num_samples = len(posterior.mean)
    labels = checks.integers("labels", labels)
    checks.shape("labels", labels, (num_samples,), why="to match the posterior")
    checks.count("num_classes", num_classes)
    checks.indices("labels", labels, num_classes)
    return jnp.asarray(labels, int)


@exact_jit(static_argnames="num_classes")
def _code_information(key, posterior, labels, num_classes):
    num_samples = len(posterior.mean)
    z = posterior.sample(key)
    log_densities = _densities(posterior)
    own_class = jax.nn.one_hot(labels, num_classes, dtype=z.dtype)
    class_sizes = jnp.sum(own_class, axis=0)

    def one_input(number):
        each = log_densities(z[number])
        each = each - each[number]
        # Its own density is one of them: neither sum is below zero.
        total = jnp.maximum(logsumexp(each), 0.0)
        same = labels == labels[number]
        within = jnp.maximum(logsumexp(jnp.where(same, each, -jnp.inf)), 0.0)
        i_xz = jnp.log(float(num_samples)) - total
        return i_xz, i_xz + within - jnp.log(class_sizes[labels[number]])

    values = lax.map(one_input, jnp.arange(num_samples), batch_size=_ROWS_AT_ONCE)
    means = [jnp.mean(value) for value in values]
    freedom = max(num_samples - 1, 1)
    errors = [
        jnp.sqrt(jnp.mean((value - mean) ** 2) / freedom)
        for value, mean in zip(values, means, strict=True)
    ]
    return CodeInformation(*means, *errors)


def _densities(posterior: Posterior):
    """From a code to its log density under every input's Gaussian, but a constant."""
    mean, scale = posterior
    if scale.ndim == mean.ndim:
        volumes = jnp.sum(jnp.log(scale), axis=1)
        return lambda z: (
            -0.5 * jnp.sum(((z[None] - mean) / scale) ** 2, axis=1) - volumes
        )
    volumes = jnp.sum(jnp.log(jnp.diagonal(scale, axis1=1, axis2=2)), axis=1)

    def densities(z):
        standard = solve_triangular(scale, (z[None] - mean)[..., None], lower=True)
        return -0.5 * jnp.sum(standard[..., 0] ** 2, axis=1) - volumes

    return densities


class CodeInformationBounds(NamedTuple):
    """Bounds on I(X;Z) of given inputs of equal weight, and what they make of I(Z;Y).

    Attributes:
      i_xz_lower: At most I(X;Z), nats, shape ``[]``.
      i_xz_upper: At least I(X;Z), likewise.
      i_zy_lower: I(Z;Y) as the difference of lower bounds, likewise; no bound itself.
      i_zy_upper: I(Z;Y) as the difference of upper bounds, likewise; no bound itself.
    """

    i_xz_lower: jax.Array
    i_xz_upper: jax.Array
    i_zy_lower: jax.Array
    i_zy_upper: jax.Array


def code_information_bounds(
    posterior: Posterior, labels: ArrayLike, *, num_classes: int
) -> CodeInformationBounds:
    r"""Bounds on I(X;Z) by pairwise distances of Gaussians, and I(Z;Y) by these.

    :math:`-\frac1N \sum_i \log \frac1N \sum_j e^{-D(q_i, q_j)}` is at least I(X;Z) for
    the KL divergence D, and at most I(X;Z) for the Bhattacharyya distance. They are
    those of :mod:`ibjax.estimators.kde`, for Gaussians each of its own covariance.
    I(Z;Y) is I(X;Z) less I(X;Z|Y), both by one bound, whose errors partly cancel.

    Args:
      posterior: Distribution of the code of every input, ``[num_samples, k]``.
      labels: Class of every input, shape ``[num_samples]``.
      num_classes: Number of classes.

    Returns:
      The bounds, of I(X;Z) from 0 to log num_samples.

    Raises:
      ValueError: If labels do not fit or are out of range.
      TypeError: If labels are no integers.

    References:
      Kolchinsky and Tracey, `Estimating mixture entropy with pairwise distances`,
      Entropy 19, 2017.

    Example:
      >>> posterior = Posterior(10 * jnp.eye(3, 2), jnp.ones((3, 2)))
      >>> labels = jnp.array([0, 0, 1])
      >>> found = code_information_bounds(posterior, labels, num_classes=2)
      >>> print([f"{bound:.3f}" for bound in found])  # log 3 and H(Y).
      ['1.099', '1.099', '0.637', '0.637']
    """
    labels = _checked_labels(posterior, labels, num_classes)
    return _bounds(posterior, labels, num_classes)


@exact_jit(static_argnames="num_classes")
def _bounds(posterior, labels, num_classes):
    num_samples = len(posterior.mean)
    distances = _distances(posterior)
    sizes = jnp.sum(jax.nn.one_hot(labels, num_classes), axis=0)

    def one_input(number):
        same = labels == labels[number]

        def held(each):
            # Its own distance is zero, if it is a number, and none is less.
            each = jnp.where(jnp.arange(num_samples) == number, 0.0 * each, each)
            each = -jnp.maximum(each, 0.0)
            within = logsumexp(jnp.where(same, each, -jnp.inf))
            return (
                jnp.log(float(num_samples)) - logsumexp(each),
                jnp.log(sizes[labels[number]]) - within,
            )

        return tuple(held(each) for each in distances(number))

    (upper, upper_within), (lower, lower_within) = jax.tree.map(
        jnp.mean,
        lax.map(one_input, jnp.arange(num_samples), batch_size=_ROWS_AT_ONCE),
    )
    return CodeInformationBounds(
        lower, upper, lower - lower_within, upper - upper_within
    )


def _distances(posterior: Posterior):
    """From an input to its KL and Bhattacharyya distances to all others' Gaussians."""
    mean, scale = posterior
    if scale.ndim == mean.ndim:
        logs = jnp.log(scale)

        def diagonal(number):
            shift = mean[number][None] - mean
            own = scale[number][None]
            # Ratios: squares of small deviations would vanish.
            kl = (shift / scale) ** 2 + (own / scale) ** 2 - 1
            kl = jnp.sum(kl / 2 + logs - logs[number][None], axis=1)
            widths = jnp.hypot(own, scale) / jnp.sqrt(2.0)
            near = (shift / widths) ** 2 / 8
            near = jnp.sum(
                near + jnp.log(widths) - (logs + logs[number][None]) / 2, axis=1
            )
            return kl, near

        return diagonal
    volumes = jnp.sum(jnp.log(jnp.diagonal(scale, axis1=1, axis2=2)), axis=1)

    def full(number):
        shift = (mean[number][None] - mean)[..., None]
        # In units of the other's Gaussian its covariance is the identity.
        own = jnp.broadcast_to(scale[number][None], scale.shape)
        factor = solve_triangular(scale, own, lower=True)
        shift = solve_triangular(scale, shift, lower=True)
        kl = jnp.sum(shift**2, axis=(1, 2)) + jnp.sum(factor**2, axis=(1, 2))
        kl = (kl - mean.shape[1]) / 2 + volumes - volumes[number]
        root = _root_of_sum(factor) / jnp.sqrt(2.0)
        between = solve_triangular(root, shift, lower=True)
        logs = jnp.sum(jnp.log(jnp.diagonal(root, axis1=1, axis2=2)), axis=1)
        near = jnp.sum(between**2, axis=(1, 2)) / 8
        return kl, near + logs - (volumes[number] - volumes) / 2

    return full


def _root_of_sum(factors: jax.Array) -> jax.Array:
    """Lower triangular roots of :math:`F F^T + 1`, by orthogonal columns.

    The sum itself would lose the one beside a large factor.
    """
    size = factors.shape[-1]
    ones = jnp.broadcast_to(jnp.eye(size, dtype=factors.dtype)[None], factors.shape)
    columns = jnp.concatenate([factors.mT, ones], axis=1)

    def step(number, state):
        columns, rows = state
        own = columns[:, :, number]
        length = jnp.sqrt(jnp.sum(own**2, axis=1))[:, None]
        own = own / length
        along = jnp.einsum("ni,nij->nj", own, columns)
        later = jnp.arange(size)[None] > number
        along = jnp.where(later, along, 0.0)
        columns = columns - own[:, :, None] * along[:, None]
        row = jnp.where(jnp.arange(size)[None] == number, length, along)
        return columns, rows.at[:, number].set(row)

    _, rows = lax.fori_loop(0, size, step, (columns, jnp.zeros_like(factors)))
    return rows.mT
