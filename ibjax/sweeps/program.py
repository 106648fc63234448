"""Compiled programs of a sweep: all seeds from one snapshot to the next.

Seeds are arrays ``[num_blocks, block, ...]``: the seeds of a block share every matrix
product, and the blocks are spread over the devices. What is trained is a
:class:`~ibjax.training.trainable.Trainable`; nothing here knows a network.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec

from ibjax.compilation import CPU_OPTIONS, compiling_for, for_each, full_precision
from ibjax.numerics import checks
from ibjax.sweeps import processes
from ibjax.sweeps.assembly import as_recorded, check_record, flatten_record
from ibjax.sweeps.layout import Layout, lay_out
from ibjax.training.trainable import Trainable

__all__ = [
    "Compiled",
    "Layout",
    "Traced",
    "arrange",
    "by_seed",
    "compiled_measure",
    "diverged",
    "lay_out",
    "measure_program",
    "restore",
    "seed_key",
    "start_program",
    "trace",
    "train_program",
    "within_memory",
]

# Epochs whose shuffles are drawn at once, for all blocks of a device.
_EPOCHS_PER_CHUNK = 16
# Compiled programs kept for sweeps that differ in numbers only, or in nothing.
_MAX_PROGRAMS = 24
# Random numbers count seeds in 32 bits.
_LARGEST_SEED = 2**32 - 1
_programs: dict[Any, Callable] = {}
_lock = threading.Lock()


def seed_key(key: jax.Array, seed: int) -> jax.Array:
    """Key of one seed of a sweep.

    Args:
      key: Key of the sweep.
      seed: Number of the seed.

    Returns:
      The key with which :func:`ibjax.training.train` trains that network, to rounding;
      :func:`ibjax.replay` gives it to the last bit.
    """
    checks.key("key", key)
    if isinstance(seed, int):
        checks.in_range("seed", seed, f"[0, {_LARGEST_SEED}]")
    else:
        checks.shape("seed", checks.integers("seed", seed), ())
    return jax.random.fold_in(key, seed)


class Compiled(NamedTuple):
    """Programs of a sweep; all that they return is ``[num_blocks, block, ...]``.

    Attributes:
      start: ``start(*arguments)``, the states before any step and what each seed keeps.
      train: ``train(states, own, data, first, last)``, the states after epoch ``last``
        of those after epoch ``first``.
      measure: ``measure(states, own, data, epoch, is_last)``, arrays by name.
    """

    start: Callable
    train: Callable
    measure: Callable

    def advance(
        self, states: Any, own: Any, data: Any, first: int, last: int, is_last: bool
    ) -> tuple[Any, dict[str, jax.Array]]:
        """States of a later epoch, and what is measured there."""
        first, last = jnp.int32(first), jnp.int32(last)
        states = self.train(states, own, data, first, last)
        return states, self.measure(states, own, data, last, jnp.bool(is_last))


class Traced(NamedTuple):
    """Programs of a sweep, traced and not compiled yet.

    Attributes:
      start: The program of all seeds before any step.
      arguments: Its arguments.
      train: The program from one snapshot to the next.
      measure: The program that measures there.
      layout: Where seeds run.
    """

    start: jax.stages.Traced
    arguments: tuple[Any, ...]
    train: jax.stages.Traced
    measure: jax.stages.Traced
    layout: Layout

    @property
    def shapes(self) -> tuple[Any, dict[str, Any]]:
        """Shapes of the state and of the record of one seed."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype),
            (self.train.out_info, self.measure.out_info),
        )

    def compile(self) -> "Compiled":
        """Compile all programs, one beside the other."""
        # Lowered in this thread, whose settings of JAX another does not have.
        programs = self.start, self.train, self.measure
        lowered = [_lowered(each, self.layout) for each in programs]
        with ThreadPoolExecutor(len(lowered)) as threads:
            compiled = threads.map(partial(_compiled, self.layout), lowered)
        return Compiled(*compiled)


def arrange(values: np.ndarray, layout: Layout) -> np.ndarray:
    """Rows ``[num_seeds, ...]`` as ``[num_blocks, block, ...]``, on the host.

    Places to spare hold copies of the first seed.
    """
    filled = np.repeat(values[:1], layout.num_blocks * layout.block, axis=0)
    filled[layout.slots] = values
    return filled.reshape(layout.num_blocks, layout.block, *values.shape[1:])


def trace(
    key: jax.Array,
    trainable: Trainable,
    seeds: np.ndarray,
    numbers: dict[str, np.ndarray],
    layout: Layout,
) -> Traced:
    """Trace the programs of a sweep; mistakes in what is trained show here.

    Args:
      key: Key of the sweep.
      trainable: What is trained.
      seeds: Numbers of the seeds, ``[num_seeds]``; the same for several copies.
      numbers: The numbers of every copy, by name, ``[num_seeds]`` each.
      layout: Where seeds run.

    Returns:
      The programs.
    """
    arguments = (
        arrange(np.asarray(seeds, np.int32), layout),
        {name: arrange(np.float32(values), layout) for name, values in numbers.items()},
        key,
        trainable.data,
    )
    with compiling_for(layout.devices[0].platform):
        start = start_program(trainable, layout).trace(*arguments)
    # Of shapes alone: what does not fit is found before anything is compiled.
    states, own = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=layout.sharding
        ),
        start.out_info,
    )
    seeds, epoch = (states, own, trainable.data), jnp.int32(0)
    with compiling_for(layout.devices[0].platform):
        train = train_program(trainable, layout).trace(*seeds, epoch, epoch)
        measure = measure_program(trainable, layout).trace(
            *seeds, epoch, jnp.bool(False)
        )
    return Traced(start, arguments, train, measure, layout)


def start_program(trainable: Trainable, layout: Layout) -> Any:
    """The program that starts seeds, as ``jax.jit`` makes it."""

    def begin(seeds, numbers, key, data):
        def one_seed(seed, chosen):
            return trainable.init(seed_key(key, seed), data, chosen)

        return for_each(for_each(one_seed))(seeds, numbers)

    by_block, everywhere = PartitionSpec("block"), PartitionSpec()
    return _sharded(begin, layout, (by_block, by_block, everywhere, everywhere))


def train_program(trainable: Trainable, layout: Layout) -> Any:
    """The program that takes seeds from one snapshot to the next, likewise.

    It is another than the one that measures: the two compile side by side.
    """
    return _by_block(partial(_train, trainable=trainable), layout)


def measure_program(trainable: Trainable, layout: Layout) -> Any:
    """The program that measures seeds at a snapshot, likewise."""
    return _by_block(partial(_measure, trainable=trainable, layout=layout), layout)


def _by_block(function: Callable, layout: Layout) -> Callable:
    """A function of states, what seeds keep, data and two numbers, on all devices."""
    by_block, everywhere = PartitionSpec("block"), PartitionSpec()
    return _sharded(function, layout, (by_block, by_block, *3 * (everywhere,)))


def _sharded(function: Callable, layout: Layout, specs: tuple) -> Callable:
    sharded = jax.shard_map(
        function,
        mesh=layout.sharding.mesh,
        in_specs=specs,
        out_specs=PartitionSpec("block"),
        check_vma=False,
    )
    return jax.jit(full_precision(sharded))


def compiled_measure(trainable: Trainable, layout: Layout, *arguments: Any) -> Callable:
    """Compile what measures seeds that were trained elsewhere.

    Args:
      trainable: What tells how to measure.
      layout: Where seeds are.
      *arguments: Those of the program, or their shapes.

    Returns:
      The program, :attr:`Compiled.measure`.
    """
    with compiling_for(layout.devices[0].platform):
        traced = measure_program(trainable, layout).trace(*arguments)
    record = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[2:], leaf.dtype), traced.out_info
    )
    check_record(record, trainable)
    return _compiled(layout, _lowered(traced, layout))


@contextmanager
def within_memory(layout: Layout) -> Iterator[None]:
    """Context that says what to do where a device has not memory enough."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        half = layout.block // 2
        fewer = f"; a block of {half} (--block {half}) takes half" if half else ""
        raise MemoryError(
            f"out of memory with {layout.block} networks at once on "
            f"{layout.devices[0].device_kind}{fewer}; what is saved stays, and goes on "
            "with another block too"
        ) from error


def by_seed(tree: Any, layout: Layout) -> Any:
    """Leaves ``[num_blocks, block, ...]`` as numpy arrays ``[num_seeds, ...]``."""
    return jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[layout.slots],
        processes.gathered(tree),
    )


def restore(states: Any, leaves: Sequence[np.ndarray], layout: Layout) -> Any:
    """Restore saved states into this layout, which may differ from the one that saved.

    Args:
      states: Fresh states, ``[num_blocks, block, ...]``.
      leaves: Saved leaves of :func:`by_seed`.
      layout: Where seeds run now.

    Returns:
      The states with the saved numbers.
    """
    rows = [arrange(leaf, layout) for leaf in leaves]
    restored = [processes.spread(leaf, layout.sharding) for leaf in rows]
    return jax.tree.unflatten(jax.tree.structure(states), restored)


def diverged(params: Any) -> np.ndarray:
    """Mask of the seeds whose parameters are not finite, ``[num_seeds]``."""
    return ~np.asarray(_finite_seeds(params))


def _lowered(traced: jax.stages.Traced, layout: Layout) -> jax.stages.Lowered:
    with compiling_for(layout.devices[0].platform):
        return traced.lower()


def _compiled(layout: Layout, lowered: jax.stages.Lowered) -> Callable:
    """The executable of a program, one kept from before if it is the same program.

    Programs are told apart by their text, so that networks, probes and tasks made anew
    hit, and a change of the default precision does not.
    """
    platform = layout.devices[0].platform
    text = hashlib.sha256(lowered.as_text().encode()).digest()
    key = text, layout.devices, lowered.in_tree, lowered.out_tree
    found = _programs.get(key)
    if found is None:
        found = lowered.compile(CPU_OPTIONS if platform == "cpu" else None)
        with _lock:
            while len(_programs) >= _MAX_PROGRAMS:
                _programs.pop(next(iter(_programs)))
            _programs[key] = found
    return found


def _train(states, own, data, first, last, *, trainable):
    num_chunks = -(-(last - first) // _EPOCHS_PER_CHUNK)
    chunk = partial(
        _train_chunk, own=own, data=data, trainable=trainable, first=first, last=last
    )
    return lax.fori_loop(0, num_chunks, chunk, states)


def _measure(states, own, data, last, is_last, *, trainable, layout):
    shape = jax.tree.leaves(own)[0].shape[:2]
    drawn = trainable.draw_measured(data, last)

    def measure(seed):
        state, own = seed
        measured = trainable.measure(state, own, data, drawn, last, is_last)
        record = flatten_record(as_recorded(measured))
        # A diverged network has no accuracy, though its NaN have an argmax.
        finite = _all_finite(trainable.params(state))
        return {
            name: jnp.where(finite, value, jnp.nan) for name, value in record.items()
        }

    seeds = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (states, own))
    measured = lax.map(
        measure,
        seeds,
        batch_size=None if layout.seeds_at_once == 1 else layout.seeds_at_once,
    )
    return jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), measured)


def _train_chunk(chunk, states, *, own, data, trainable, first, last):
    start = first + chunk * _EPOCHS_PER_CHUNK
    epochs = start + jnp.arange(_EPOCHS_PER_CHUNK)
    # Drawn once for all seeds: a shuffle costs more than an epoch of a small network.
    drawn = lax.map(lambda epoch: trainable.draw(data, epoch), epochs)

    def one_seed(state, own, number):
        chosen = jax.tree.map(lambda leaf: leaf[number], drawn)
        return trainable.run_epoch(state, own, data, chosen, start + number)

    def one_block(block):
        states, own = block

        def one_epoch(number, states):
            return jax.vmap(one_seed, in_axes=(0, 0, None))(states, own, number)

        num_epochs = jnp.minimum(_EPOCHS_PER_CHUNK, last - start)
        return lax.fori_loop(0, num_epochs, one_epoch, states)

    return lax.map(one_block, (states, own))


def _all_finite(params) -> jax.Array:
    leaves = [
        leaf
        for leaf in jax.tree.leaves(params)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


_finite_seeds = jax.jit(jax.vmap(_all_finite))
