"""Many inputs, a batch at a time, and steps one after another.

A convolution in a compiled loop is far slower on a CPU than one outside of it, and a
loop in Python costs nothing beside a network. So these loops are Python's, of programs
that are compiled once, unless they are traced themselves. What surrounds them is
compiled too or left to NumPy: JAX compiles every operation that stands alone.

Small batches stay in a cache and keep one core busy. Devices of a context have a batch
each, whose steps they take in turn: a device runs what it is given while the next one
is given its own, and waits for no other.
"""

import inspect
import itertools
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import devices_in_turn, exact_jit
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
    "stepwise",
    "target_outputs",
]

# Records that a program stacks; one of some thousand arguments would be large.
_FEW = 64


def in_batches(function: Callable, batch_size: int | None, *arrays: Any) -> Any:
    """``function(*arrays)``, a batch of rows at a time.

    Args:
      function: Compiled function of arrays ``[batch, ...]``, row by row, that returns a
        pytree of such arrays; or a generator function that returns one and yields
        between its steps, as :func:`stepwise` does.
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
    devices = (None,) if one_program() else devices_in_turn()
    batch_size = min(batch_size or num, -(-num // len(devices)))
    if batch_size == num and devices == (None,):
        return _finished(function(*arrays))
    starts = np.arange(0, num, batch_size, dtype=np.int32)

    def of_batch(start, device=None):
        rows = _rows(arrays, start, batch_size)
        return function(*jax.device_put(rows, device))

    if one_program():
        found = lax.map(lambda start: _finished(of_batch(start)), starts)
        return jax.tree.map(lambda t: t.reshape(-1, *t.shape[2:])[:num], found)
    found = _in_turn(map(of_batch, starts, itertools.cycle(devices)), len(devices))
    if devices != (None,):
        if checks.is_traced(*jax.tree.leaves(found)):
            # By `vmap` or a derivative, neither of which crosses devices.
            found = _in_turn(map(of_batch, starts), 1)
        else:
            # By way of the host, what is joined, and the result, belongs to no device.
            found = jax.tree.map(np.asarray, found)
    return _joined(found, num)


def _finished(found: Any) -> Any:
    """What a generator returns, or what is none."""
    if not inspect.isgenerator(found):
        return found
    try:
        while True:
            next(found)
    except StopIteration as end:
        return end.value


def _in_turn(batches: Iterator[Any], at_once: int) -> list[Any]:
    """What all batches return; so many generators at a time go on in turn."""
    found: dict[int, Any] = {}
    waiting = enumerate(batches)
    running: list[tuple[int, Generator]] = []
    while True:
        while len(running) < at_once and (batch := next(waiting, None)) is not None:
            if inspect.isgenerator(batch[1]):
                running.append(batch)
            else:
                found[batch[0]] = batch[1]
        if not running:
            return [found[number] for number in sorted(found)]
        for number, steps in tuple(running):
            try:
                next(steps)
            except StopIteration as end:
                found[number] = end.value
                running.remove((number, steps))


def repeat(
    step: Callable, state: Any, num_steps: int, *, axis: int = 0
) -> tuple[Any, Any]:
    """``state, record = step(state, number)`` for every number, as ``lax.scan``.

    The records are stacked along ``axis``: 1 where they are rows of a batch.
    """
    return _finished(stepwise(step, state, num_steps, axis=axis))


def stepwise(
    step: Callable, state: Any, num_steps: int, *, axis: int = 0
) -> Generator[None, None, tuple[Any, Any]]:
    """What :func:`repeat` does, with a pause after every step."""
    if one_program():
        state, records = lax.scan(step, state, jnp.arange(num_steps))
        return state, jax.tree.map(lambda t: jnp.moveaxis(t, 0, axis), records)
    records = []
    for number in range(num_steps):
        state, record = step(state, np.int32(number))
        records.append(record)
        yield
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


def sum_dtype(x: jax.Array) -> Any:
    """Type in which numbers of this one are summed: float32 at least."""
    return jnp.promote_types(x.dtype, jnp.float32)


def check_baselines(baselines: ArrayLike, x: jax.Array) -> jax.Array:
    """Check baselines, of the shape of the inputs, of one of them, or one number."""
    baselines = checks.real("baselines", baselines, np.asarray)
    checks.finite("baselines", baselines)
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
