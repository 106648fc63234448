"""Clusters of a layer's samples: their number, and distances and cosines of pairs."""

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import full_precision

__all__ = ["connected_components", "pair_statistics"]


def connected_components(t: jax.Array, step: jax.Array) -> jax.Array:
    """Number of clusters that samples form by steps of some length from one to another.

    Args:
      t: Samples, shape ``[num_samples, dim]``.
      step: Longest step, shape ``[]``.

    Returns:
      The number, int32, shape ``[]``.

    Example:
      >>> print(connected_components(jnp.array([[0.0], [0.9], [1.8], [4.0]]), 1.0))
      2
    """
    num_samples = len(t)
    sample = jnp.arange(num_samples, dtype=jnp.int32)
    # A sample is near itself, also by a step of NaN, which nothing else is within.
    near = (_square_distances(t) <= step**2) | (sample[:, None] == sample[None])

    def spread(state):
        owner, _ = state
        least = jnp.min(jnp.where(near, owner[None], num_samples), axis=1)
        least = least[least]  # As far as its own least neighbour has come.
        return least, jnp.any(least != owner)

    owner, _ = lax.while_loop(lambda state: state[1], spread, (sample, jnp.bool(True)))
    return jnp.sum((owner == sample).astype(jnp.int32))


@full_precision
def pair_statistics(t: jax.Array, p_y_given_x: jax.Array) -> dict[str, jax.Array]:
    """Mean distance and cosine of pairs of samples, within and between classes.

    A pair counts as within by the probability that both have the same label, and as
    between by the rest.

    Args:
      t: Samples, shape ``[num_samples, dim]``.
      p_y_given_x: Distribution of their labels, shape ``[num_samples, num_classes]``.

    Returns:
      ``distance_within``, ``distance_between`` (Euclidean, in units of activity),
      ``cosine_within`` and ``cosine_between``, each of shape ``[]``; NaN without pairs.

    Example:
      >>> t = jnp.array([[1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]])
      >>> p = jnp.eye(2)[jnp.array([0, 0, 1])]
      >>> found = pair_statistics(t, p)
      >>> print(found["distance_within"], f"{found['cosine_between']:.3f}")
      1.0 -0.854
    """
    chex.assert_equal_shape_prefix([t, p_y_given_x], 1)
    same = p_y_given_x @ p_y_given_x.T
    # A sample and itself are no pair.
    pairs = 1.0 - jnp.eye(len(t), dtype=t.dtype)
    within = same * pairs
    between = pairs - within
    distance = jnp.sqrt(_square_distances(t))
    length = jnp.sqrt(jnp.sum(t**2, axis=1, keepdims=True))
    # A sample at zero has no direction: its cosines are zero.
    unit = t / jnp.maximum(length, jnp.finfo(t.dtype).tiny)
    cosine = unit @ unit.T
    return {
        f"{name}_{kind}": jnp.sum(weight * values) / jnp.sum(weight)
        for name, values in (("distance", distance), ("cosine", cosine))
        for kind, weight in (("within", within), ("between", between))
    }


def _square_distances(t: jax.Array) -> jax.Array:
    """Squared distances of all pairs, ``[num_samples, num_samples]``."""

    # From differences, unit by unit: |a|^2 + |b|^2 - 2ab would lose small distances.
    def add_unit(total, unit):
        return total + (unit[:, None] - unit[None]) ** 2, None

    start = jnp.zeros((len(t), len(t)), t.dtype)
    return lax.scan(add_unit, start, t.T)[0]
