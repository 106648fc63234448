"""Many inputs, a batch at a time, and steps one after another.

A convolution in a compiled loop is far slower on a CPU than one outside of it, and a
loop in Python costs nothing beside a network. So these loops are Python's, of programs
that are compiled once, unless they are traced themselves. What surrounds them is
compiled too or left to NumPy: JAX compiles every operation that stands alone.

Small batches stay in a cache and keep one core busy. Devices of a context take a batch
each, as the rows of one array that lie on several: what is compiled, once, for each
device's rows follows them, and no device waits for another.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import divided_rows, exact_jit, num_devices, undivided
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of

__all__ = [
    "check_baselines",
    "check_model",
    "check_targets",
    "in_batches",
    "keys_of_inputs",
    "one_program",
    "outputs_of_targets",
    "repeat",
    "shape_of_one",
    "target_outputs",
]

# Records that a program stacks; one of some thousand arguments would be large.
_FEW = 64


def in_batches(function: Callable, batch_size: int | None, *arrays: Any) -> Any:
    """``function(*arrays)``, a batch of rows at a time.

    Args:
      function: Compiled function of arrays ``[batch, ...]``, row by row, that returns a
        pytree of such arrays.
      batch_size: Rows at a time on each device of the context, see
        :func:`ibjax.compilation.dividing_over`, or None for all at once. The last batch
        is filled up by the last row, so that one program serves all.
      *arrays: Arrays ``[num, ...]``.

    Returns:
      The pytree for all rows, ``[num, ...]``.
    """
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    num = len(arrays[0])
    devices = 1 if one_program() else num_devices()
    batch_size = min(batch_size or num, -(-num // devices)) * devices
    if batch_size == num and devices == 1:
        return function(*arrays)
    starts = np.arange(0, num, batch_size, dtype=np.int32)

    def of_batch(start):
        rows = _rows(arrays, start, batch_size)
        return function(*(divided_rows(rows) if devices > 1 else rows))

    if one_program():
        found = lax.map(of_batch, starts)
        return jax.tree.map(lambda t: t.reshape(-1, *t.shape[2:])[:num], found)
    return _joined(undivided([of_batch(start) for start in starts]), num)


def repeat(
    step: Callable, state: Any, num_steps: int, *, axis: int = 0
) -> tuple[Any, Any]:
    """``state, record = step(state, number)`` for every number, as ``lax.scan``.

    The records are stacked along ``axis``: 1 where they are rows of a batch.
    """
    if one_program():
        state, records = lax.scan(step, state, jnp.arange(num_steps))
        return state, jax.tree.map(lambda t: jnp.moveaxis(t, 0, axis), records)
    records = []
    for number in range(num_steps):
        state, record = step(state, np.int32(number))
        records.append(record)
    # NumPy would wait for the steps, while the next batch's can run beside them.
    if len(records) <= _FEW or checks.is_traced(*jax.tree.leaves(records)):
        return state, _stacked(records, axis)
    return state, jax.tree.map(
        lambda *parts: jnp.asarray(np.stack(parts, axis)), *records
    )


@partial(jax.jit, static_argnames="axis")
def _stacked(records, axis):
    return jax.tree.map(lambda *parts: jnp.stack(parts, axis), *records)


@partial(jax.jit, static_argnames="batch_size")
def _rows(arrays, start, batch_size):
    rows = jnp.minimum(start + jnp.arange(batch_size), len(arrays[0]) - 1)
    return [jnp.asarray(array)[rows] for array in arrays]


@partial(jax.jit, static_argnames="num")
def _joined(parts, num):
    return jax.tree.map(lambda *own: jnp.concatenate(own)[:num], *parts)


def one_program() -> bool:
    """Check if all that runs becomes part of one program, as inside of ``jax.jit``."""
    return checks.is_traced(lax.neg(0.0))


@partial(jax.jit, static_argnames="num")
def keys_of_inputs(key: jax.Array, num: int) -> jax.Array:
    """A key for every input, by its number: no batch size changes what it draws."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(num))


def check_targets(targets: ArrayLike, num: int, num_classes: int) -> jax.Array:
    """Check targets, one class or one for each input; they become ``[num]``."""
    targets = checks.integers("targets", targets, hint="they are classes")
    checks.indices("targets", targets, num_classes)
    if targets.shape != ():
        checks.shape("targets", targets, (num,), why="for one class each, or be one")
    if checks.is_traced(targets):
        return jnp.broadcast_to(targets, (num,))
    return jnp.asarray(np.broadcast_to(np.asarray(targets), (num,)))


def check_baselines(baselines: ArrayLike, x: jax.Array) -> jax.Array:
    """Check baselines, of the shape of the inputs, of one of them, or one number."""
    baselines = checks.numeric("baselines", baselines, np.asarray)
    if baselines.ndim in (0, x.ndim - 1):
        baselines = baselines.reshape(
            *[1] * (x.ndim - baselines.ndim), *baselines.shape
        )
    if baselines.ndim != x.ndim or any(
        n not in (1, m) for n, m in zip(baselines.shape, x.shape, strict=True)
    ):
        raise ValueError(
            "baselines must be one number or fit one input or all, of shape "
            f"{x.shape}, got {baselines.shape}"
        )
    if checks.is_traced(baselines):
        return jnp.broadcast_to(baselines, x.shape).astype(x.dtype)
    return jnp.asarray(np.broadcast_to(np.asarray(baselines), x.shape), x.dtype)


def check_model(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    name: str = "model",
) -> tuple[jax.Array, jax.Array]:
    """Check inputs, a model's outputs and targets, before anything is compiled."""
    x = checks.finite("x", checks.floating("x", checks.shape("x", x, ("num", "*axes"))))
    shape = shape_of_one(model, params, x, name)
    if len(shape) != 2 or shape[0] != 1:
        raise ValueError(
            f"{name} must return outputs [num, num_classes] for x [num, ...], got "
            f"{shape} for {(1, *x.shape[1:])}"
        )
    return jnp.asarray(x), check_targets(targets, len(x), shape[1])


def shape_of_one(
    function: Callable, params: Any, x: Any, name: str = "model"
) -> tuple[int, ...]:
    """Shape of a function's result for one of the inputs, ``(1, ...)``."""
    one = jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
    return shapes_of(name, function, params=params, x=one).shape


@exact_jit(static_argnames="model")
def outputs_of_targets(
    model: Callable, params: Any, x: jax.Array, targets: jax.Array
) -> jax.Array:
    """Every input's output for its own target, ``[num]``, compiled."""
    return target_outputs(model(params, x), targets)


def target_outputs(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Every input's output for its own target, ``[num]``."""
    return jnp.take_along_axis(outputs, targets[:, None], axis=1)[:, 0]
