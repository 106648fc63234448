"""Many networks at once: seeds in blocks, over devices, measured as they train.

Seeds are trained in blocks, which share every matrix product, and the blocks are spread
over the devices. On a CPU a block is what fits the cache, on an accelerator it is all
the device's seeds. A seed's key is folded from its number, so that seed 7 is the same
network however many others run. On a CPU its numbers are then the same to the last bit,
on however many devices, unless the size of the blocks is changed; that changes the
order in which products are summed, and with it the last bits. So does the number of
seeds on an accelerator, where it sets the size of the blocks.

The program that advances all seeds from one snapshot to the next, and measures them
there, is compiled once and called once per snapshot; between two calls the state is
saved, which is where an interrupted sweep goes on.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import assembly, program, training
from ibjax import probes as probes_module
from ibjax.checkpoint import (
    CHECKPOINT_FILE,
    Checkpoint,
    find_earlier,
    save_checkpoint,
)
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.probes import InformationProbe, LastProbe, Probe
from ibjax.program import seed_key
from ibjax.results import DATASET_FILE, save_dataset

__all__ = ["Progress", "seed_key", "snapshot_epochs", "sweep"]


class Progress(NamedTuple):
    """How far a sweep is.

    Attributes:
      epoch: Epochs done.
      num_epochs: Epochs in all.
      num_snapshots_done: Snapshots done.
      num_snapshots: Snapshots in all.
      seconds: Time the last step took; None before the first.
      stage: What comes next: ``"compile"``, ``"run"`` or ``"done"``.
    """

    epoch: int
    num_epochs: int
    num_snapshots_done: int
    num_snapshots: int
    seconds: float | None
    stage: str


def sweep(
    key: jax.Array,
    task: Task,
    network: Network,
    config: training.TrainConfig,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    probes: Sequence[Probe] | None = None,
    first_seed: int = 0,
    directory: str | Path | None = None,
    resume: bool = False,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    description: dict[str, Any] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Train many seeds and measure every layer at the snapshot epochs.

    Args:
      key: Typed key of the whole sweep; seed n trains with ``seed_key(key, n)``. The
        shuffles of the epochs come from ``config.shuffle_seed``.
      task: What to learn.
      network: The network.
      config: How to train it.
      num_seeds: Number of networks.
      snapshots: Increasing numbers of epochs after which to measure; 0 is the network
        before any step, the last one ends the training.
      probes: What to measure, :func:`ibjax.probes.default_probes` by default. A
        resumed run compares functions of your own by name only.
      first_seed: Number of the first seed, to train some here and others elsewhere and
        join them with :func:`ibjax.results.merge`.
      directory: Where to save; nothing is saved by default. Created if need be.
      resume: Whether to go on with an unfinished run of the same configuration found
        in ``directory`` (and to return a finished one as it is).
      block: Seeds trained together on one device; by default 5 on a CPU, all of the
        device's on an accelerator.
      devices: Devices to use, all by default.
      description: More to keep in the dataset's ``configuration``; a run is resumed
        only if this is the same too.
      on_progress: Called with a :class:`Progress` after every step.

    Returns:
      Dataset over ``seed``, ``epoch``, ``layer`` and ``estimator``; information in
      nats. Seeds that diverged are NaN from there on and marked in ``diverged``.

    Raises:
      ValueError: If an argument is out of range.
      ResultsError: If ``directory`` holds another run, or a damaged one.

    Example:
      >>> from ibjax import datasets, networks
      >>> dataset = sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     num_seeds=2,
      ...     snapshots=[0, 1],
      ...     probes=[probes_module.losses],
      ... )
      >>> dict(dataset.train_loss.sizes)
      {'seed': 2, 'epoch': 2}
    """
    if num_seeds < 1:
        raise ValueError(f"num_seeds must be at least 1, got {num_seeds}")
    if first_seed < 0:
        raise ValueError(f"first_seed must not be negative, got {first_seed}")
    snapshots = _check_snapshots(snapshots)
    if probes is not None and not probes:
        raise ValueError("probes must name at least one probe, got none")
    training.num_train_rows(task, config)  # Refuses what cannot be trained.
    probes = probes_module.default_probes() if probes is None else tuple(probes)
    layout = program.lay_out(num_seeds, block, devices)
    configuration = _configuration(
        key, task, network, config, snapshots, probes, description
    )
    configuration |= {"num_seeds": num_seeds, "first_seed": first_seed}
    directory = None if directory is None else Path(directory)
    done = find_earlier(directory, configuration, resume)
    if isinstance(done, xr.Dataset):
        return done

    report = on_progress or (lambda progress: None)

    def progress(count, seconds, stage):
        epoch = snapshots[count - 1] if count else 0
        report(Progress(epoch, snapshots[-1], count, len(snapshots), seconds, stage))

    records: list[dict[str, np.ndarray]] = [] if done is None else done.records
    seconds_before = 0.0 if done is None else done.wall_seconds
    started = time.perf_counter()
    progress(len(records), None, "compile")
    states, orders = program.start(key, task, network, config, first_seed, layout)
    if done is not None:
        states = program.restore(states, done.leaves, layout)
    advance = program.compile_program(
        states, orders, task, network, config, probes, layout
    )
    compile_seconds = time.perf_counter() - started

    progress(len(records), None, "run")
    for count in range(len(records), len(snapshots)):
        step_started = time.perf_counter()
        first = snapshots[count - 1] if count else 0
        epochs = jnp.int32(first), jnp.int32(snapshots[count])
        is_last = jnp.bool(count == len(snapshots) - 1)
        states, measured = advance(states, orders, task, config, *epochs, is_last)
        records.append(program.first_seeds(measured, num_seeds))
        if directory is not None:
            wall = seconds_before + time.perf_counter() - started
            leaves = jax.tree.leaves(program.first_seeds(states, num_seeds))
            save_checkpoint(directory, Checkpoint(leaves, records, wall), configuration)
        seconds = time.perf_counter() - step_started
        progress(count + 1, seconds, "run")

    dataset = assembly.to_dataset(
        records,
        snapshots=snapshots,
        first_seed=first_seed,
        probes=probes,
        layer_names=network.layer_names,
        layer_widths=_layer_widths(network, task),
        diverged=program.diverged(program.first_seeds(states, num_seeds)),
    )
    dataset.attrs |= assembly.attributes(
        task,
        configuration,
        devices=layout.devices,
        wall_seconds=seconds_before + time.perf_counter() - started,
        compile_seconds=compile_seconds,
    )
    if directory is not None:
        save_dataset(dataset, directory / DATASET_FILE)
        (directory / CHECKPOINT_FILE).unlink(missing_ok=True)
    progress(len(snapshots), None, "done")
    return dataset


def snapshot_epochs(num_epochs: int, num_snapshots: int = 100) -> tuple[int, ...]:
    """Epochs spread evenly on a log scale, from 0 to the last.

    Args:
      num_epochs: Last epoch.
      num_snapshots: How many at most; rounding leaves fewer when epochs are few.

    Returns:
      Increasing epochs, the first 0 and the last ``num_epochs``.

    Raises:
      ValueError: If there are fewer than two snapshots or no epoch.

    Example:
      >>> snapshot_epochs(100, 7)
      (0, 1, 3, 6, 16, 40, 100)
    """
    if num_epochs < 1:
        raise ValueError(f"num_epochs must be at least 1, got {num_epochs}")
    if num_snapshots < 2:
        raise ValueError(f"num_snapshots must be at least 2, got {num_snapshots}")
    if num_snapshots > num_epochs:
        return tuple(range(num_epochs + 1))
    if num_snapshots == 2:
        return (0, num_epochs)
    # Rounding merges the first epochs; ask for more points until enough are left.
    for points in range(num_snapshots - 1, 100 * num_snapshots):
        epochs = np.unique(np.rint(np.geomspace(1, num_epochs, points)).astype(int))
        if len(epochs) >= num_snapshots - 1:
            break
    return (0, *(int(epoch) for epoch in epochs))


def _check_snapshots(snapshots: Sequence[int]) -> tuple[int, ...]:
    snapshots = tuple(int(epoch) for epoch in snapshots)
    if not snapshots or snapshots[0] < 0 or np.any(np.diff(snapshots) <= 0):
        raise ValueError(
            f"snapshots must be increasing epochs from 0 on, got {list(snapshots)}"
        )
    return snapshots


def _layer_widths(network, task) -> list[int]:
    params = jax.eval_shape(network.init, jax.random.key(0))
    layers = jax.eval_shape(network.activations, params, task.measured.x)
    return [layer.shape[1] for layer in layers]


def _configuration(
    key, task, network, config, snapshots, probes, description
) -> dict[str, Any]:
    """All that decides the numbers, as JSON would return it."""
    digest = hashlib.sha256()
    for array in (task.x, task.labels, task.p_y_given_x):
        digest.update(np.ascontiguousarray(array).tobytes())
    estimators = assembly.estimator_labels(probes)
    configuration = {
        **(description or {}),
        **asdict(config),
        "learning_rate": float(config.learning_rate),
        "task": task.name,
        "task_sha256": digest.hexdigest(),
        "num_measured": task.num_measured,
        "network": network.description,
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "snapshots": list(snapshots),
        "estimators": estimators,
        "probes": [
            probe.parameters
            if isinstance(probe, InformationProbe | LastProbe)
            else getattr(probe, "__name__", type(probe).__name__)
            for probe in probes
        ],
    }
    return json.loads(json.dumps(configuration))
