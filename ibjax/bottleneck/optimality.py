r"""Distance of a layer's encoder from the optimal encoder of its own clusters.

Shwartz-Ziv and Tishby (2017, Fig. 6) test whether a trained layer T satisfies the
bottleneck's self-consistent equations: from the layer's p(t) and p(y|t) they build the
encoder that would be optimal at a trade-off beta,

.. math:: p_\beta(t|x) = \frac{p(t)}{Z_\beta(x)}
   e^{-\beta D(p(y|x) \| p(y|t))},

and find the beta at which it is closest to the layer's own p(t|x).
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.bottleneck import iteration
from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.probabilities import check_sums

__all__ = ["LayerOptimality", "layer_optimality", "map_optimality"]


# Divergences that differ by no more than so many roundings count as equal.
_ROUNDINGS = 1e3
_TABLE = ("num_x", "num_y")


class LayerOptimality(NamedTuple):
    """Closest optimal encoder of a layer's clusters.

    Attributes:
      beta: The beta of the closest optimal encoder, shape ``[]``; NaN if all betas are
        equally close, as for a layer that tells every input apart.
      divergence: Mean over inputs of the KL divergence from the layer's encoder to that
        one, in nats, shape ``[]``.
      divergence_by_beta: This mean at every beta, shape ``[num_betas]``.
    """

    beta: jax.Array
    divergence: jax.Array
    divergence_by_beta: jax.Array


def layer_optimality(
    p_t_given_x: ArrayLike, p_y_given_x: ArrayLike, p_x: ArrayLike, betas: ArrayLike
) -> LayerOptimality:
    r"""Trade-off at which a layer's encoder is closest to optimal.

    Minimises :math:`E_x D(p(t|x) \| p_\beta(t|x))` over the betas given. At an encoder
    that solves the bottleneck at one of them, the divergence is zero there.

    Args:
      p_t_given_x: The layer's encoder, shape ``[num_x, num_t]``, floating.
      p_y_given_x: Shape ``[num_x, num_y]``.
      p_x: Shape ``[num_x]``.
      betas: Trade-offs to compare, non-negative, shape ``[num_betas]``.

    Returns:
      The closest beta and its divergence; NaN for values that are not finite.

    Raises:
      ValueError: If shapes do not match or, outside of ``jit``, probabilities do not
        sum to one.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, 2017, sec. 3.6 and Fig. 6.

    Example:
      >>> p_y_given_x = jnp.array([[0.9, 0.1], [0.1, 0.9]])
      >>> p_x = jnp.array([0.5, 0.5])
      >>> blurred = jnp.array([[0.95, 0.05], [0.05, 0.95]])
      >>> found = layer_optimality(blurred, p_y_given_x, p_x, jnp.arange(1.0, 5.0, 0.1))
      >>> print(f"beta {found.beta:.1f}, {found.divergence:.4f} nats")
      beta 2.0, 0.0000 nats
    """
    p_t_given_x = checks.jax_array("p_t_given_x", p_t_given_x)
    others = _check(p_t_given_x, "p_t_given_x", p_y_given_x, p_x, betas)
    check_sums("p_t_given_x", p_t_given_x)
    return _layer_optimality(p_t_given_x, *others)


@exact_jit
def _layer_optimality(p_t_given_x, p_y_given_x, p_x, betas):
    source = iteration.make_source(p_x[:, None] * p_y_given_x)
    clusters = iteration.clusters_of(source, p_t_given_x)
    joint = p_x[:, None] * p_t_given_x
    p_log_p = jnp.where(p_t_given_x > 0, jnp.log(_or_one(p_t_given_x)), 0)
    # The layer's own entropy does not depend on beta: it is summed once.
    own = jnp.sum(joint * p_log_p)
    used = jnp.where(joint > 0, joint, 0)

    def at(beta):
        exponents = iteration.exponents(source, clusters, beta)
        log_encoder = exponents - jax.nn.logsumexp(exponents, axis=1, keepdims=True)
        return own - jnp.sum(jnp.where(used > 0, used * log_encoder, 0))

    return _closest(betas, lax.map(at, betas))


def map_optimality(
    clusters: ArrayLike,
    inputs: ArrayLike,
    p_y_given_x: ArrayLike,
    betas: ArrayLike,
    *,
    num_t: int,
) -> LayerOptimality:
    r"""Trade-off at which an encoder that is a map, as of a binned layer, is optimal.

    See :func:`layer_optimality`. The divergence of a map is
    :math:`-E_x \log p_\beta(t(x)|x)`. Inputs with the same p(y|x) share
    :math:`Z_\beta`, so the work grows with the number of different p(y|x), not of
    inputs.

    Args:
      clusters: Cluster of every input, integers in ``[0, num_t)``, shape
        ``[num_samples]``; the inputs are equally probable.
      inputs: Row of ``p_y_given_x`` of every input, integers, shape ``[num_samples]``.
      p_y_given_x: The different p(y|x), shape ``[num_x, num_y]``.
      betas: Trade-offs to compare, non-negative, shape ``[num_betas]``.
      num_t: Number of clusters; empty ones cost time but change nothing.

    Returns:
      The closest beta and its divergence; NaN under ``jit`` if a cluster or an input
      is out of range.

    Raises:
      ValueError: If shapes do not match or, outside of ``jit``, a cluster or an input
        is out of range or rows of ``p_y_given_x`` do not sum to one.
      TypeError: If clusters or inputs are no integers.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, 2017, sec. 3.6 and Fig. 6.

    Example:
      >>> p_y_given_x = jnp.array([[0.9, 0.1], [0.1, 0.9]])
      >>> found = map_optimality(
      ...     jnp.array([0, 0, 1, 1]),
      ...     jnp.array([0, 0, 1, 1]),
      ...     p_y_given_x,
      ...     jnp.array([1.0, 10.0]),
      ...     num_t=2,
      ... )
      >>> print(f"beta {found.beta:.0f}, {found.divergence:.4f} nats")
      beta 10, 0.0000 nats
    """
    clusters = checks.jax_array("clusters", clusters)
    inputs = checks.jax_array("inputs", inputs)
    p_y_given_x = checks.floats("p_y_given_x", p_y_given_x)
    if clusters.ndim != 1 or inputs.shape != clusters.shape:
        raise ValueError(
            "clusters and inputs must have one shape [num_samples], got "
            f"{clusters.shape} and {inputs.shape}"
        )
    checks.integers("clusters", clusters)
    checks.integers("inputs", inputs)
    checks.shape("p_y_given_x", checks.floating("p_y_given_x", p_y_given_x), _TABLE)
    check_sums("p_y_given_x", p_y_given_x)
    betas = checks.jax_array("betas", betas, p_y_given_x.dtype)
    checks.count("num_t", num_t)
    checks.indices("clusters", clusters, num_t)
    checks.indices("inputs", inputs, len(p_y_given_x))
    return _map_optimality(clusters, inputs, p_y_given_x, betas, num_t=num_t)


@exact_jit(static_argnames="num_t")
def _map_optimality(clusters, inputs, p_y_given_x, betas, *, num_t):
    # An index out of range would be left out of one sum and clipped in another.
    valid = jnp.all((clusters >= 0) & (clusters < num_t))
    valid &= jnp.all((inputs >= 0) & (inputs < len(p_y_given_x)))
    share = jnp.full(len(clusters), 1 / len(clusters), p_y_given_x.dtype)
    p_x = jnp.zeros(len(p_y_given_x), p_y_given_x.dtype).at[inputs].add(share)
    p_y_given_x, p_x, betas = _check(
        p_y_given_x, "p_y_given_x", p_y_given_x, p_x, betas
    )
    p_t = jnp.zeros(num_t, p_x.dtype).at[clusters].add(share)
    p_ty = jnp.zeros((num_t, p_y_given_x.shape[1]), p_x.dtype)
    p_ty = p_ty.at[clusters].add(share[:, None] * p_y_given_x[inputs])
    summary = iteration.Clusters(
        iteration.log_or_nothing(p_t),
        iteration.log_or_nothing(p_ty / _or_one(p_t)[:, None]),
    )
    source = iteration.make_source(p_x[:, None] * p_y_given_x)
    # log p(t) and the mean divergence D(p(y|x) || p(y|t)) of the map's own pairs.
    mean_log_p_t = jnp.sum(share * summary.log_weight[clusters])
    at_one = iteration.exponents(source, summary, jnp.ones((), p_x.dtype))
    mean_divergence = mean_log_p_t - jnp.sum(share * at_one[inputs, clusters])

    def at(beta):
        exponents = iteration.exponents(source, summary, beta)
        log_z = jax.nn.logsumexp(exponents, axis=1)
        return p_x @ log_z - mean_log_p_t + beta * mean_divergence

    found = _closest(betas, lax.map(at, betas))
    return jax.tree.map(lambda field: jnp.where(valid, field, jnp.nan), found)


def _closest(betas, divergences):
    """Least divergence and its beta; no beta where all divergences are equal."""
    chex.assert_equal_shape([betas, divergences])
    divergences = jnp.maximum(divergences, 0)
    best = jnp.argmin(divergences)
    highest = jnp.max(divergences)
    rounding = _ROUNDINGS * jnp.finfo(divergences.dtype).eps * jnp.maximum(highest, 1)
    flat = highest - divergences[best] <= rounding
    beta = jnp.where(flat & (len(betas) > 1), jnp.nan, betas[best])
    return LayerOptimality(beta, divergences[best], divergences)


def _check(encoder, name, p_y_given_x, p_x, betas):
    p_y_given_x = checks.floats("p_y_given_x", p_y_given_x)
    p_x = checks.floats("p_x", p_x)
    betas = checks.jax_array("betas", betas, p_x.dtype)
    if encoder.ndim != 2 or not jnp.issubdtype(encoder.dtype, jnp.floating):
        raise ValueError(
            f"{name} must be floating of rank 2, got {encoder.dtype} {encoder.shape}"
        )
    checks.shape("p_y_given_x", p_y_given_x, [len(encoder), "num_y"])
    checks.shape("p_x", p_x, [len(encoder)])
    checks.shape("betas", betas, ["num_betas"])
    check_sums("p_y_given_x", p_y_given_x)
    check_sums("p_x", p_x)
    return p_y_given_x, p_x, betas


def _or_one(p):
    return jnp.where(p > 0, p, 1)
