r"""Fixed-point iteration of the information bottleneck's self-consistent equations.

A representation is a set of clusters, each with a weight q(t) and a decoder q(y|t).
They determine the encoder,

.. math:: q(t|x) \propto
   \exp\Big(\tfrac{1}{\alpha}\big[\log q(t) - \beta\, D(p(y|x) \| q(y|t))\big]\Big),

and the encoder determines the clusters: :math:`q(t) = \sum_x p(x) q(t|x)` and
:math:`q(y|t) = \sum_x p(x) q(t|x) p(y|x) / q(t)`. Each half minimises the same free
energy, so that it never rises; at a fixed point it is the bottleneck's objective.

The iteration runs over clusters, not encoders: there are few of them, and their
logarithms can be extrapolated. Near a critical beta, where it slows down, two
successive steps are extrapolated as if all further ones shrank by the same factor, and
the guess is kept only if the free energy has not risen (squared extrapolation of
Varadhan and Roland, 2008).
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import lax

__all__ = [
    "NOTHING",
    "Clusters",
    "Fixed",
    "Source",
    "best_encoder",
    "clusters_of",
    "exponents",
    "iterate",
    "log_or_nothing",
    "make_source",
]

NOTHING = -1e30
"""Stands for the logarithm of zero: finite, so that zero times it is zero."""

# A step shorter than so many roundings is rounding itself and shrinks no further.
_ROUNDINGS = 32
# The extrapolated step may be so many times the length of a plain one.
_MAX_STRETCH = 1e6
_STEPS_PER_CYCLE = 3


class Source(NamedTuple):
    """Marginal, conditionals and information of a joint table.

    Attributes:
      p_x: Shape ``[num_x]``.
      p_y_given_x: Shape ``[num_x, num_y]``; that of p(y) where p(x) is zero.
      negative_entropy: :math:`-H(Y|X=x)` in nats, shape ``[num_x]``.
      i_xy: I(X;Y) in nats, shape ``[]``.
    """

    p_x: jax.Array
    p_y_given_x: jax.Array
    negative_entropy: jax.Array
    i_xy: jax.Array


class Clusters(NamedTuple):
    r"""Cluster weights q(t) and decoders q(y|t).

    Attributes:
      log_weight: :math:`\log q(t)`, shape ``[num_t]``.
      log_decoder: :math:`\log q(y|t)`, shape ``[num_t, num_y]``.
    """

    log_weight: jax.Array
    log_decoder: jax.Array


class Fixed(NamedTuple):
    r"""End of an iteration.

    Attributes:
      clusters: The last clusters.
      history: Free energy less :math:`\beta I(X;Y)` before every step, NaN after the
        last, shape ``[max_steps]``, or ``[0]`` if it was not asked for.
      num_steps: Evaluations of the map, shape ``[]``.
      converged: Whether the distance still to go was below ``tol``, shape ``[]``.
    """

    clusters: Clusters
    history: jax.Array
    num_steps: jax.Array
    converged: jax.Array


def make_source(p_xy: jax.Array) -> Source:
    """Source of a joint table, ``[num_x, num_y]``."""
    chex.assert_rank(p_xy, 2)
    p_x = jnp.sum(p_xy, axis=1)
    p_y = jnp.sum(p_xy, axis=0)
    possible = p_x > 0
    p_y_given_x = jnp.where(
        possible[:, None], p_xy / _or_one(p_x)[:, None], p_y[None, :]
    )
    negative_entropy = jnp.sum(_p_log_p(p_y_given_x), axis=1)
    i_xy = jnp.maximum(p_x @ negative_entropy - jnp.sum(_p_log_p(p_y)), 0)
    return Source(p_x, p_y_given_x, negative_entropy, i_xy)


def clusters_of(source: Source, p_t_given_x: jax.Array) -> Clusters:
    """Clusters of an encoder, ``[num_x, num_t]``."""
    chex.assert_shape(p_t_given_x, (*source.p_x.shape, None))
    joint = source.p_x[:, None] * p_t_given_x
    weight = jnp.sum(joint, axis=0)
    decoder = joint.T @ source.p_y_given_x
    decoder = decoder / _or_one(weight)[:, None]
    return Clusters(log_or_nothing(weight), log_or_nothing(decoder))


def best_encoder(
    source: Source, clusters: Clusters, beta: jax.Array, alpha: jax.Array
) -> jax.Array:
    """Encoder p(t|x) given the clusters, by the equation above, ``[num_x, num_t]``."""
    return _encode(exponents(source, clusters, beta), alpha)


def exponents(source: Source, clusters: Clusters, beta: jax.Array) -> jax.Array:
    """Logarithm of q(t) exp(-beta KL(p(y|x) || q(y|t))), ``[num_x, num_t]``."""
    # Entropy and cross-entropy instead of logarithms of ratios: one matrix product
    # gives all pairs. Rounding can make their difference negative.
    cross = source.p_y_given_x @ clusters.log_decoder.T
    divergence = jnp.maximum(source.negative_entropy[:, None] - cross, 0)
    return clusters.log_weight[None, :] - beta * divergence


def iterate(
    source: Source,
    clusters: Clusters,
    beta: jax.Array,
    alpha: jax.Array,
    *,
    max_steps: int,
    tol: float,
    keep_history: bool = False,
) -> Fixed:
    """Fixed point that the iteration reaches from given clusters.

    Args:
      source: The joint table.
      clusters: Where to start.
      beta: Trade-off, shape ``[]``.
      alpha: Weight of H(T|X) in the objective, shape ``[]``.
      max_steps: Evaluations of the map at most, at least three.
      tol: Distance still to go, in Fisher's metric, at which to stop; extrapolated
        from the last steps.
      keep_history: Whether to keep the free energy after every step.
    """
    num_x, num_y = source.p_y_given_x.shape
    chex.assert_shape(source.p_x, (num_x,))
    chex.assert_shape(clusters.log_decoder, (*clusters.log_weight.shape, num_y))
    chex.assert_shape([beta, alpha], ())

    def evaluate(clusters):
        exponent = exponents(source, clusters, beta)
        energy = _free_energy(source, exponent, alpha) - beta * source.i_xy
        after = clusters_of(source, _encode(exponent, alpha))
        # A cluster without weight has no decoder of its own; it keeps the last one, so
        # that the step of its logarithms is zero and not undefined.
        empty = after.log_weight[:, None] <= NOTHING
        decoder = jnp.where(empty, clusters.log_decoder, after.log_decoder)
        return Clusters(after.log_weight, decoder), energy

    rounding = _ROUNDINGS * jnp.finfo(source.p_x.dtype).eps

    def cycle(carry):
        first, history, num_steps, _ = carry
        second, energy_first = evaluate(first)
        third, energy_second = evaluate(second)
        length_before = _length(second, _difference(second, first))
        length = _length(third, _difference(third, second))
        # A plain step from the guess costs nothing more, since its energy is needed,
        # and takes back the guess's error in all directions but the slowest.
        after_guess, energy_guess = evaluate(_extrapolate(first, second, third))
        better = energy_guess <= energy_second
        last = jax.tree.map(
            lambda new, old: jnp.where(better, new, old), after_guess, third
        )
        # Steps that shrink by one factor add up to a geometric series. Steps that do
        # not shrink give infinity, unless they are rounding.
        distance = length**2 / jnp.maximum(length_before - length, 0)
        distance = jnp.where(length <= rounding, 0, distance)
        if keep_history:
            lower = jnp.where(better, energy_guess, energy_second)
            energies = jnp.stack([energy_first, energy_second, lower])
            history = lax.dynamic_update_slice(history, energies, (num_steps,))
        return last, history, num_steps + _STEPS_PER_CYCLE, distance

    def unfinished(carry):
        _, _, num_steps, distance = carry
        return (distance >= tol) & (num_steps + _STEPS_PER_CYCLE <= max_steps)

    dtype = source.p_x.dtype
    history = jnp.full(max_steps if keep_history else 0, jnp.nan, dtype)
    start = clusters, history, jnp.int32(0), jnp.asarray(jnp.inf, dtype)
    clusters, history, num_steps, distance = lax.while_loop(unfinished, cycle, start)
    # What is not a number leaves clusters without weight, which have nowhere to go.
    converged = (distance < tol) & jnp.any(clusters.log_weight > NOTHING)
    return Fixed(clusters, history, num_steps, converged)


def _encode(exponents, alpha):
    """Encoder from its exponents; at alpha = 0 each input goes to the best cluster."""
    soft = jax.nn.softmax(_over(exponents, alpha), axis=1)
    best = jnp.argmax(exponents, axis=1)
    return jnp.where(
        alpha > 0, soft, jax.nn.one_hot(best, soft.shape[1], dtype=soft.dtype)
    )


def _free_energy(source, exponents, alpha):
    """Least of -E log q(t) - alpha H(T|X) + beta E[D] over encoders, shape ``[]``."""
    soft = alpha * jax.nn.logsumexp(_over(exponents, alpha), axis=1)
    # At alpha = 0 the maximum alone is left.
    return -source.p_x @ (jnp.max(exponents, axis=1) + soft)


def _over(exponents, alpha):
    """Exponents less the largest of each row, over alpha; finite for any alpha."""
    below = exponents - jnp.max(exponents, axis=1, keepdims=True)
    # A compiler may compute the largest anew and round it in another way: over a tiny
    # alpha that is infinite unless it is cut off.
    least = -jnp.finfo(exponents.dtype).max / 2
    scaled = jnp.maximum(below / _or_one(alpha), least)
    # Not a minimum, whose slope at zero is a half.
    return jnp.where(scaled > 0, 0, scaled)


def _extrapolate(first, second, third):
    """Guess of the limit of three successive clusters."""
    # If all steps shrink by one factor r, the bend is (r - 1) times the step, the
    # stretch 1 / (1 - r) and the guess the limit itself. Stretch one gives the third.
    step = _difference(second, first)
    bend = jax.tree.map(jnp.subtract, _difference(third, second), step)
    size, curvature = _length(second, step), _length(second, bend)
    stretch = jnp.clip(size / _or_one(curvature), 1, _MAX_STRETCH)
    # Where nothing moves, the end itself: it may hold NOTHING, which sums would blur.
    guess = jax.tree.map(
        lambda start, s, b, end: jnp.where(
            (s == 0) & (b == 0), end, start + 2 * stretch * s + stretch**2 * b
        ),
        first,
        step,
        bend,
        third,
    )
    return Clusters(_normalize(guess.log_weight), _normalize(guess.log_decoder))


def _difference(after, before):
    """Change of logarithms; zero where either is the logarithm of zero."""
    return jax.tree.map(
        lambda a, b: jnp.where(jnp.minimum(a, b) <= NOTHING, 0, a - b), after, before
    )


def _length(clusters, step):
    """Length of a step of the logarithms in Fisher's metric, shape ``[]``."""
    weight = jnp.exp(clusters.log_weight)
    decoder = jnp.exp(clusters.log_decoder)
    moved = step.log_weight**2 + jnp.sum(decoder * step.log_decoder**2, axis=1)
    return jnp.sqrt(jnp.sum(weight * moved))


def _normalize(log_p):
    total = jax.nn.logsumexp(log_p, axis=-1, keepdims=True)
    return jnp.where(log_p <= NOTHING, NOTHING, log_p - total)


def log_or_nothing(p: jax.Array) -> jax.Array:
    """Logarithm of probabilities, ``NOTHING`` for zero."""
    return jnp.where(p > 0, jnp.log(_or_one(p)), NOTHING)


def _p_log_p(p):
    # The logarithm of one instead of zero keeps gradients finite.
    return jnp.where(p > 0, p * jnp.log(_or_one(p)), 0)


def _or_one(x):
    """Positive numbers as they are, one for all others: safe to divide by."""
    return jnp.where(x > 0, x, 1)
