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
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import probes as probes_module
from ibjax import training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.probes.probe import InformationProbe, LastProbe, Probe
from ibjax.sweeps import assembly, program
from ibjax.sweeps.checkpoint import find_earlier, save_finished
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.runs import (
    Progress,
    check_snapshots,
    progress_after,
    run_snapshots,
    snapshot_epochs,
)

__all__ = ["Progress", "seed_key", "snapshot_epochs", "sweep"]


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
    snapshots = check_snapshots(snapshots)
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

    def prepare(leaves):
        states, orders = program.start(key, task, network, config, first_seed, layout)
        if leaves is not None:
            states = program.restore(states, leaves, layout)
        compiled = program.compile_program(
            states, orders, task, network, config, probes, layout
        )

        def advance(states, first, last, is_last):
            epochs = jnp.int32(first), jnp.int32(last)
            return compiled(states, orders, task, config, *epochs, jnp.bool(is_last))

        return states, advance

    to_rows = partial(program.first_seeds, num_seeds=num_seeds)
    run = run_snapshots(
        prepare,
        snapshots,
        to_rows=to_rows,
        done=done,
        directory=directory,
        configuration=configuration,
        on_progress=on_progress,
    )
    dataset = assembly.to_dataset(
        run.records,
        snapshots=snapshots,
        first_seed=first_seed,
        probes=probes,
        layer_names=network.layer_names,
        layer_widths=_layer_widths(network, task),
        diverged=program.diverged(to_rows(run.states)),
    )
    dataset.attrs |= assembly.attributes(
        task,
        configuration,
        devices=layout.devices,
        wall_seconds=run.wall_seconds,
        compile_seconds=run.compile_seconds,
    )
    if directory is not None:
        save_finished(directory, dataset)
    if on_progress is not None:
        on_progress(progress_after(len(snapshots), snapshots, "done"))
    return dataset


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
