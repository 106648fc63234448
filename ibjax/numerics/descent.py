"""Gradient steps on a loss: the one loop that networks, critics and encoders share.

What is trained is a pytree ``params``. Beside it a loss may carry ``memory`` from step
to step, which no gradient reaches: running averages, batch statistics.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax import lax
from jax.flatten_util import ravel_pytree

from ibjax.compilation import on_cpu

__all__ = ["DescentState", "Loss", "descend", "init", "is_small", "step"]

# Parameters of so small a network are changed as one vector: on an accelerator in one
# program instead of one for every array.
_SMALL = 2**14

Loss = Callable[[Any, Any, Any], tuple[jax.Array, tuple[Any, Any]]]
"""``loss(params, memory, batch) -> (value, (memory, record))``."""


class DescentState(NamedTuple):
    """State of the training that one step leaves to the next.

    Attributes:
      params: Parameters, by which the gradient is taken.
      optimizer_state: State of the optimizer.
      memory: Numbers that the loss carries from step to step, None for none.
    """

    params: Any
    optimizer_state: Any
    memory: Any = None


def init(
    params: Any, optimizer: optax.GradientTransformation, memory: Any = None
) -> DescentState:
    """State before the first step."""
    return DescentState(params, optimizer.init(params), memory)


def is_small(params: Any) -> bool:
    """Whether parameters are so few that they are better off as one vector."""
    return sum(leaf.size for leaf in jax.tree.leaves(params)) <= _SMALL


def step(
    loss: Loss, state: DescentState, batch: Any, optimizer: optax.GradientTransformation
) -> tuple[DescentState, Any]:
    """One step down the gradient.

    Args:
      loss: ``loss(params, memory, batch) -> (value, (memory, record))``.
      state: State before the step.
      batch: Data of the step, a pytree.
      optimizer: The optimizer.

    Returns:
      The state after the step and the loss's ``record``.
    """
    gradient, (memory, record) = jax.grad(loss, has_aux=True)(
        state.params, state.memory, batch
    )
    updates, optimizer_state = optimizer.update(
        gradient, state.optimizer_state, state.params
    )
    params = optax.apply_updates(state.params, updates)
    return DescentState(params, optimizer_state, memory), record


def descend(
    loss: Loss,
    state: DescentState,
    batches: Any,
    optimizer: optax.GradientTransformation,
    *,
    one_vector: bool = False,
) -> tuple[DescentState, Any]:
    """A step for each of several batches, one after another.

    Args:
      loss: See :func:`step`.
      state: State before the first step.
      batches: Data of every step, a pytree of arrays ``[num_steps, ...]``.
      optimizer: The optimizer.
      one_vector: Whether it does the same with all parameters as one vector, from the
        same state: as one of ``optax.flatten``, and none that looks at single arrays.

    Returns:
      The state after the last step, and the records, ``[num_steps, ...]``.

    Example:
      >>> import jax.numpy as jnp
      >>> def loss(x, memory, target):
      ...     value = jnp.sum((x - target) ** 2)
      ...     return value, (memory, value)
      >>> optimizer = optax.sgd(0.25)
      >>> start = init(jnp.zeros(()), optimizer)
      >>> end, history = descend(loss, start, jnp.ones(3), optimizer)
      >>> print(end.params, history)
      0.875 [1.     0.25   0.0625]
    """
    if on_cpu() or not is_small(state.params) or not one_vector:
        return lax.scan(lambda s, b: step(loss, s, b, optimizer), state, batches)

    flat, as_tree = ravel_pytree(state.params)

    def loss_of_vector(flat, memory, batch):
        return loss(as_tree(flat), memory, batch)

    flat_state = state._replace(params=flat)
    state, records = lax.scan(
        lambda s, b: step(loss_of_vector, s, b, optimizer), flat_state, batches
    )
    return state._replace(params=as_tree(state.params)), records
