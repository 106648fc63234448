"""Counts within a radius along one coordinate, by binary searches in place of pairs."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import map_samples
from ibjax.estimators.knn.separations import separation_of

__all__ = ["count_on_line"]


def count_on_line(
    spaces: tuple[jax.Array, ...], radius: jax.Array, *, metric: str, inclusive: bool
) -> jax.Array:
    """Number of samples closer to every sample than its radius, itself counted.

    The differences from a sample are sorted as the samples are.

    Args:
      spaces: One space of one coordinate, ``[1, num_samples]``.
      radius: Radius of each sample, as a separation, ``[num_samples]``.
      metric: Norm of the separation.
      inclusive: Whether separations equal to the radius count.

    Returns:
      int32, ``[num_samples]``.
    """
    ((x,),) = spaces
    chex.assert_equal_shape([x, radius])
    count = partial(_count_ordered, jnp.sort(x), metric=metric, inclusive=inclusive)
    return map_samples(count, x, radius)


def _count_ordered(ordered, x, radius, *, metric, inclusive):
    num_samples = len(ordered)
    num_steps = num_samples.bit_length()

    def is_close(difference):
        # Differences on the other side are negative, and close.
        separation = separation_of([jnp.maximum(difference, 0.0)], metric)
        beside = separation <= radius if inclusive else separation < radius
        return beside | (difference < 0)

    def first(condition):
        """Number of sorted samples before the first one that meets the condition."""

        def step(_, state):
            low, high = state
            middle = (low + high) // 2
            met = condition(ordered[jnp.minimum(middle, num_samples - 1)])
            met = met | (middle >= num_samples)
            return jnp.where(met, low, middle + 1), jnp.where(met, middle, high)

        start = jnp.zeros(x.shape, jnp.int32)
        return lax.fori_loop(0, num_steps, step, (start, start + num_samples))[0]

    before = first(lambda value: is_close(x - value))
    until = first(lambda value: ~is_close(value - x))
    return until - before
