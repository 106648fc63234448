r"""Partitions of inputs by merging clusters, two at a time.

A partition has :math:`H(T|X) = 0`, and thus the objective :math:`H(T) - \beta I(T;Y)`
whatever alpha is: a sum over clusters, so that what a merger changes is known from the
two clusters alone.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import xlogy

from ibjax.compilation import exact_jit

__all__ = ["greedy_partition"]


@exact_jit
def greedy_partition(p_xy: jax.Array, beta: jax.Array) -> jax.Array:
    r"""Encoder of the best partition on the way from T = X to one cluster.

    On that way the two clusters merge whose merger lowers :math:`H(T) - \beta I(T;Y)`
    the most, or raises it the least. It takes memory for all pairs of inputs, and time
    for as many such tables as there are inputs.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.
      beta: Trade-off, shape ``[]``.

    Returns:
      The encoder, one-hot, shape ``[num_x, num_x]``; clusters that have merged into
      others have a column of zeros.

    References:
      Slonim and Tishby, `Agglomerative information bottleneck`, NIPS 1999.

    Example:
      >>> p_xy = jnp.array([[0.2, 0.0], [0.19, 0.01], [0.0, 0.6]])
      >>> print(greedy_partition(p_xy, 5.0))
      [[1. 0. 0.]
       [1. 0. 0.]
       [0. 0. 1.]]
    """
    numbers = jnp.arange(p_xy.shape[0])

    def price(joint):
        """What clusters ``[..., num_y]`` add to the objective, but for H(Y)."""
        weight = jnp.sum(joint, axis=-1)
        within = jnp.sum(xlogy(joint, joint), axis=-1)
        return (beta - 1) * xlogy(weight, weight) - beta * within

    def changes(number, joint, alive):
        """What merging a cluster with each other one changes, ``[num_x]``."""
        merged = price(joint[number][None] + joint)
        change = merged - price(joint[number]) - price(joint)
        return jnp.where(alive & (numbers != number), change, jnp.inf)

    def merge(_, carry):
        joint, labels, alive, change, total, best, best_labels = carry
        # A least number of many is found faster than its place.
        kept = jnp.argmin(jnp.min(change, axis=1))
        gone = jnp.argmin(change[kept])
        total = total + change[kept, gone]
        joint = joint.at[kept].add(joint[gone]).at[gone].set(0)
        labels = jnp.where(labels == gone, kept, labels)
        alive = alive.at[gone].set(False)
        own = changes(kept, joint, alive)
        change = change.at[kept].set(own).at[:, kept].set(own)
        change = change.at[gone].set(jnp.inf).at[:, gone].set(jnp.inf)
        better = total < best
        best_labels = jnp.where(better, labels, best_labels)
        best = jnp.minimum(total, best)
        return joint, labels, alive, change, total, best, best_labels

    alive = jnp.ones(len(numbers), bool)
    change = lax.map(lambda number: changes(number, p_xy, alive), numbers)
    nothing = jnp.zeros((), p_xy.dtype)
    start = p_xy, numbers, alive, change, nothing, nothing, numbers
    *_, labels = lax.fori_loop(0, len(numbers) - 1, merge, start)
    return jax.nn.one_hot(labels, len(numbers), dtype=p_xy.dtype)
