"""The compiled program of a sweep: all seeds from one snapshot to the next.

Seeds are arrays ``[num_blocks, block, ...]``: the seeds of a block share every matrix
product, and the blocks are spread over the devices.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ibjax import training
from ibjax.compilation import CPU_OPTIONS
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.probes.probe import LastProbe, Probe
from ibjax.probes.snapshot import take_snapshot
from ibjax.sweeps import assembly

__all__ = [
    "Layout",
    "SeedOrder",
    "compile_program",
    "diverged",
    "first_seeds",
    "lay_out",
    "restore",
    "seed_key",
    "start",
]

# Names that the dataset has anyway.
_RESERVED_NAMES = {"diverged", "i_xt", "i_ty", "seed", "epoch", "layer", "estimator"}
# Epochs whose shuffles are drawn at once, for all blocks of a device.
_EPOCHS_PER_CHUNK = 16
# Seeds of a block on a CPU. Blocks of 5 to 9 are about equally fast; always the same
# size, because products over blocks of another size round differently.
_CPU_BLOCK = 5
# Programs kept for sweeps that differ in numbers only, such as the learning rate.
_MAX_PROGRAMS = 4
_programs: dict[Any, Callable] = {}


class Layout(NamedTuple):
    """Where seeds run.

    Attributes:
      devices: The devices.
      num_blocks: Blocks, a multiple of the devices.
      block: Seeds of a block.
      seeds_at_once: Seeds of a device that are measured together.
      sharding: Of an array with a leading axis of blocks.
    """

    devices: tuple[jax.Device, ...]
    num_blocks: int
    block: int
    seeds_at_once: int
    sharding: NamedSharding


class SeedOrder(NamedTuple):
    """What a seed keeps while it trains.

    Attributes:
      key: Its key, shape ``[]``.
      rows: Its order of rows, ``[num_samples]``.
    """

    key: jax.Array
    rows: jax.Array


def lay_out(
    num_seeds: int, block: int | None, devices: Sequence[jax.Device] | None
) -> Layout:
    """Spread seeds over blocks and devices.

    Args:
      num_seeds: Number of seeds.
      block: Seeds of a block; by default 5 on a CPU, all of the device's elsewhere.
      devices: Devices to use, all by default.

    Returns:
      The layout; its last block may have places to spare.

    Raises:
      ValueError: If ``block`` is below one or there is no device.
    """
    if block is not None and block < 1:
        raise ValueError(f"block must be at least 1, got {block}")
    devices = tuple(jax.devices() if devices is None else devices)
    if not devices:
        raise ValueError("devices must name at least one device, got none")
    on_cpu = devices[0].platform == "cpu"
    if block is None:
        block = _CPU_BLOCK if on_cpu else -(-num_seeds // len(devices))
    num_blocks = -(-num_seeds // block)
    devices = devices[:num_blocks]
    num_blocks = -(-num_blocks // len(devices)) * len(devices)
    sharding = NamedSharding(
        Mesh(np.array(devices), ("block",)), PartitionSpec("block")
    )
    return Layout(devices, num_blocks, block, 1 if on_cpu else block, sharding)


def seed_key(key: jax.Array, seed: int) -> jax.Array:
    """Key of one seed of a sweep.

    Args:
      key: Key of the sweep.
      seed: Number of the seed.

    Returns:
      The key that :func:`ibjax.training.train` needs to train that very network.
    """
    return jax.random.fold_in(key, seed)


def start(
    key: jax.Array,
    task: Task,
    network: Network,
    config: training.TrainConfig,
    first_seed: int,
    layout: Layout,
) -> tuple[training.TrainState, SeedOrder]:
    """All seeds before any step, ``[num_blocks, block, ...]``.

    Args:
      key: Key of the sweep.
      task: What to learn.
      network: The network.
      config: How to train it.
      first_seed: Number of the first seed.
      layout: Where seeds run.

    Returns:
      Training states, and what each seed keeps.
    """

    def one_seed(seed):
        key_seed = seed_key(key, seed)
        state = training.init_state(key_seed, network, config)
        return state, SeedOrder(key_seed, training.split_rows(key_seed, task, config))

    seeds = jnp.arange(layout.num_blocks * layout.block, dtype=jnp.int32)
    seeds = (first_seed + seeds).reshape(layout.num_blocks, layout.block)
    begin = jax.jit(jax.vmap(jax.vmap(one_seed)), out_shardings=layout.sharding)
    return begin(seeds)


def compile_program(
    states: training.TrainState,
    orders: SeedOrder,
    task: Task,
    network: Network,
    config: training.TrainConfig,
    probes: Sequence[Probe],
    layout: Layout,
) -> Callable:
    """The program that takes every seed from one snapshot to the next.

    The last few programs are kept: a sweep that differs from one of them in numbers
    only (learning rate, key, labels) does not compile again.

    Args:
      states: All seeds, from :func:`start`.
      orders: What each seed keeps, likewise.
      task: What to learn.
      network: The network.
      config: How to train it.
      probes: What to measure.
      layout: Where seeds run.

    Returns:
      ``advance(states, orders, task, config, first, last, is_last)``: the states after
      epoch ``last`` of those after epoch ``first``, and what the probes measured there,
      ``[num_blocks, block, ...]``.
    """
    arguments = (states, orders, task, config)
    epochs = (jnp.int32(0), jnp.int32(0), jnp.bool(False))
    shapes = tuple(jax.typeof(leaf) for leaf in jax.tree.leaves(arguments))
    measures = tuple(_measure(probe) for probe in probes)
    key = (network, measures, jax.tree.structure(arguments), shapes, layout)
    if key not in _programs:
        advance = partial(_advance, network=network, probes=probes, layout=layout)
        by_block, everywhere = PartitionSpec("block"), PartitionSpec()
        sharded = jax.shard_map(
            advance,
            mesh=layout.sharding.mesh,
            in_specs=(by_block, by_block, *5 * (everywhere,)),
            out_specs=by_block,
            check_vma=False,
        )
        lowered = jax.jit(sharded).lower(*arguments, *epochs)
        on_cpu = layout.devices[0].platform == "cpu"
        while len(_programs) >= _MAX_PROGRAMS:
            _programs.pop(next(iter(_programs)))
        _programs[key] = lowered.compile(CPU_OPTIONS if on_cpu else None)
    return _programs[key]


def first_seeds(tree: Any, num_seeds: int) -> Any:
    """Leaves ``[num_blocks, block, ...]`` as numpy arrays ``[num_seeds, ...]``."""
    return jax.tree.map(
        lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[:num_seeds], tree
    )


def restore(states: Any, leaves: Sequence[np.ndarray], layout: Layout) -> Any:
    """Put saved leaves in the place of fresh ones, whatever the layout was then.

    Args:
      states: Fresh states, ``[num_blocks, block, ...]``.
      leaves: Saved leaves of :func:`first_seeds`.
      layout: Where seeds run now.

    Returns:
      The states with the saved numbers.
    """
    fresh, structure = jax.tree.flatten(states)
    restored = []
    for old, new in zip(leaves, fresh, strict=True):
        filled = np.array(new).reshape(-1, *new.shape[2:])
        filled[: len(old)] = old
        restored.append(jax.device_put(filled.reshape(new.shape), layout.sharding))
    return jax.tree.unflatten(structure, restored)


def diverged(states: training.TrainState) -> np.ndarray:
    """Whether each seed's parameters are not finite, ``[num_seeds]``."""
    return ~np.asarray(jax.vmap(_all_finite)(states.params))


def _advance(
    states, orders, task, config, first, last, is_last, *, network, probes, layout
):
    num_chunks = -(-(last - first) // _EPOCHS_PER_CHUNK)
    train = partial(
        _train_chunk,
        orders=orders,
        task=task,
        network=network,
        config=config,
        first=first,
        last=last,
    )
    states = lax.fori_loop(0, num_chunks, train, states)
    seeds = jax.tree.map(
        lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), (states.params, orders.rows)
    )
    batches = training.measured_batches(last, task, config)

    def measure(seed):
        snapshot = take_snapshot(*seed, batches, task, network, config)
        return _measured(snapshot, probes, is_last)

    measured = lax.map(
        measure,
        seeds,
        batch_size=None if layout.seeds_at_once == 1 else layout.seeds_at_once,
    )
    shape = orders.rows.shape[:2]
    return states, jax.tree.map(
        lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), measured
    )


def _train_chunk(chunk, states, *, orders, task, network, config, first, last):
    start = first + chunk * _EPOCHS_PER_CHUNK
    epochs = start + jnp.arange(_EPOCHS_PER_CHUNK)
    batches = lax.map(lambda e: training.epoch_batches(e, task, config), epochs)

    def one_seed(state, order, number):
        key = None
        if network.noisy_activations is not None:
            key = training.noise_key(order.key, start + number)
        return training.run_epoch(
            state, order.rows, batches[number], task, network, config, key=key
        )

    def one_block(block):
        states, orders = block

        def one_epoch(number, states):
            return jax.vmap(one_seed, in_axes=(0, 0, None))(states, orders, number)

        num_epochs = jnp.minimum(_EPOCHS_PER_CHUNK, last - start)
        return lax.fori_loop(0, num_epochs, one_epoch, states)

    return lax.map(one_block, (states, orders))


def _measured(snapshot, probes, is_last) -> dict[str, jax.Array]:
    measured: dict[str, Any] = {}
    for probe in probes:
        found = _run_probe(probe, snapshot, is_last)
        taken = (measured.keys() | _RESERVED_NAMES) & found.keys()
        if taken:
            raise ValueError(
                f"probes must return names of their own, got {sorted(taken)} twice"
            )
        measured |= found
    # A diverged network has no accuracy, though its NaN have an argmax.
    finite = _all_finite(snapshot.params)
    return {
        name: jnp.where(finite, value, jnp.nan)
        if jnp.issubdtype(value.dtype, jnp.floating)
        else value
        for name, value in assembly.flatten_record(measured).items()
    }


def _run_probe(probe, snapshot, is_last):
    if not isinstance(probe, LastProbe):
        return probe(snapshot)
    shapes = jax.eval_shape(lambda: probe(snapshot))
    nothing = jax.tree.map(lambda a: jnp.full(a.shape, jnp.nan, a.dtype), shapes)
    return lax.cond(is_last, lambda: probe(snapshot), lambda: nothing)


def _measure(probe: Probe) -> tuple[type, Callable]:
    """What tells a probe from others; two of one maker are two, whatever they do."""
    return type(probe), getattr(probe, "measure", probe)


def _all_finite(params) -> jax.Array:
    leaves = jax.tree.leaves(params)
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))
