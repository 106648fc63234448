"""Many networks at once: seeds in blocks, over devices, measured as they train.

Seeds are trained in blocks, which share every matrix product, and the blocks are spread
over the devices. On a CPU a block is what fits the cache, on an accelerator it is all
the device's seeds. A seed's key is folded from its number, so that seed 7 is the same
network however many others run. On a CPU its numbers are then the same to the last bit,
on however many devices, unless the size of the blocks is changed; that changes the
order in which products are summed, and with it the last bits. So does the number of
seeds on an accelerator, where it sets the size of the blocks.

Numbers that are varied (learning rates, penalties, noises) are further copies of the
seeds in the same program: nine learning rates of five seeds are 45 networks.

The programs that train all seeds from one snapshot to the next, and measure them there,
are compiled once, side by side, and called once per snapshot; between two snapshots the
state is saved, which is where an interrupted sweep goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.probes.probe import ProbeFn
from ibjax.results.ceiling import with_ceiling
from ibjax.results.cells import combine, combined_configuration
from ibjax.sweeps import assembly, memory, processes, program
from ibjax.sweeps.checkpoint import check_fits, find_earlier, save_finished
from ibjax.sweeps.configurations import (
    check_outside,
    check_vary,
    chosen_seeds,
    places_of,
    run_configurations,
)
from ibjax.sweeps.networks import NetworkFn, network_trainable
from ibjax.sweeps.runs import (
    Progress,
    check_snapshots,
    progress_after,
    run_snapshots,
)
from ibjax.training.objectives import ObjectiveFn, as_objective
from ibjax.training.trainable import Trainable

__all__ = ["sweep", "sweep_trainable"]


def sweep(
    key: jax.Array,
    task: Task,
    network: Network | NetworkFn,
    config: training.TrainConfig | Callable[..., training.TrainConfig],
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    probes: Sequence[ProbeFn] | None = None,
    objective: ObjectiveFn | None = None,
    vary: Mapping[str, Sequence[float]] | None = None,
    first_seed: int = 0,
    shard: str | None = None,
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
      network: The network, or a function of numbers to vary that returns it:
        ``lambda noise_std: networks.noisy(widths, noise_std=noise_std)``.
      config: How to train it, or such a function.
      num_seeds: Number of networks, for each combination of numbers to vary.
      snapshots: Increasing numbers of epochs after which to measure; 0 is the network
        before any step, the last one ends the training.
      probes: What to measure, functions of a :class:`~ibjax.probes.Snapshot`;
        :func:`ibjax.probes.default_probes` by default. A resumed run compares functions
        of your own by name only.
      objective: What training lowers, ``objective(params, batch, key) -> loss`` or
        ``-> (loss, terms)``, see :mod:`ibjax.training.objectives`. By default the
        cross-entropy, or the squared error where targets are vectors. A resumed run
        compares it by name only.
      vary: Values of numbers, by name, all of whose combinations are trained in one
        program: ``learning_rate`` of an optimizer by name, ``label_noise``, arguments
        of ``network`` or ``config`` where they are functions, keyword-only arguments of
        the objective, and numbers that probes read, as ``kde_bounds("noise_variance")``
        does. They become the first dims of the dataset.
      first_seed: Number of the first seed.
      shard: Which part of these seeds to train, such as ``"2/5"`` for the second of
        five, to train the others elsewhere and join them with
        :func:`ibjax.results.merge`. On one kind of device all shards have together the
        numbers of the whole run to the last bit; on an accelerator if ``block`` is
        given.
      directory: Where to save; nothing is saved by default. Created if need be.
      resume: Whether to go on with an unfinished run of the same configuration found
        in ``directory`` (and to return a finished one as it is).
      block: Seeds trained together on one device; by default 5 on a CPU, all of the
        device's on an accelerator.
      devices: Devices to use, all by default.
      description: More to keep in the dataset's ``configuration``; a run is resumed
        only if this is the same too.
      on_progress: Called with a :class:`~ibjax.sweeps.Progress` after every step.

    Returns:
      Dataset over ``seed``, ``epoch``, ``layer`` and ``estimator``; information in
      nats. Seeds that diverged are NaN from there on and marked in ``diverged``.

    Raises:
      ValueError: If an argument is out of range, or some do not fit together.
      TypeError: If the key, a probe, the objective or the network is no such thing.
      MemoryError: If the networks cannot fit the memory there is.
      ResultsError: If ``directory`` holds another run, or a damaged one, or is in use
        by one.

    Example:
      >>> from ibjax import datasets, networks, probes
      >>> dataset = sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     num_seeds=2,
      ...     snapshots=[0, 1],
      ...     probes=[probes.losses],
      ...     vary={"learning_rate": [1e-3, 1e-2, 1e-1]},
      ... )
      >>> dict(dataset.train_loss.sizes)
      {'learning_rate': 3, 'seed': 2, 'epoch': 2}
    """
    check_outside(directory, devices, on_progress)
    checks.key("key", key)
    vary = check_vary(vary)
    intervals = {} if objective is None else as_objective(objective).intervals
    for name in vary.keys() & intervals.keys():
        for value in vary[name]:
            checks.in_range(name, value, intervals[name])
    trainable = network_trainable(
        task,
        network,
        config,
        objective=objective,
        probes=probes,
        varied=tuple(vary),
        description=description,
    )
    return sweep_trainable(
        key,
        trainable,
        num_seeds=num_seeds,
        snapshots=snapshots,
        vary=vary,
        first_seed=first_seed,
        shard=shard,
        directory=directory,
        resume=resume,
        block=block,
        devices=devices,
        on_progress=on_progress,
    )


def sweep_trainable(
    key: jax.Array,
    trainable: Trainable,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    vary: Mapping[str, Sequence[float]] | None = None,
    first_seed: int = 0,
    shard: str | None = None,
    directory: str | Path | None = None,
    resume: bool = False,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> xr.Dataset:
    """Train many seeds of anything trainable; arguments as for :func:`sweep`.

    Args:
      key: Typed key of the whole sweep.
      trainable: What to train.
      num_seeds: Number of seeds, for each combination of numbers to vary.
      snapshots: Increasing numbers of epochs after which to measure.
      vary: Values of numbers, by name, that ``trainable.init`` is given.
      first_seed: Number of the first seed.
      shard: Which part of these seeds to train.
      directory: Where to save.
      resume: Whether to go on with a run found there.
      block: Seeds trained together on one device.
      devices: Devices to use, all by default.
      on_progress: Called with a :class:`~ibjax.sweeps.Progress` after every step.

    Returns:
      The dataset.

    Raises:
      ValueError: If an argument is out of range.
      TypeError: If ``key`` is no typed key.
      MemoryError: If the networks cannot fit the memory there is.
      ResultsError: If ``directory`` holds another run, or a damaged one, or is in use
        by one.
    """
    checks.instance("trainable", trainable, Trainable)
    checks.flag("resume", resume)
    check_outside(directory, devices, on_progress)
    checks.key("key", key)
    chosen = chosen_seeds(num_seeds, first_seed, shard, block)
    snapshots, vary = check_snapshots(snapshots), check_vary(vary)
    unknown = [name for name in vary if name not in trainable.numbers]
    if unknown:
        raise ValueError(
            f"vary must name numbers that are trained with, "
            f"{', '.join(trainable.numbers) or 'of which there are none'}; got "
            f"{', '.join(unknown)}"
        )
    places, num_seeds = places_of(vary), len(chosen.own)
    num_rows = len(places) * num_seeds
    devices = tuple(jax.devices() if devices is None else devices)
    checks.not_empty("devices", devices)
    # Before there is an array of as many entries as there are networks.
    memory.check_states(trainable, num_rows, devices, tuple(vary))
    layout = program.lay_out(num_rows, block, devices, chosen.rows(len(places)))
    configurations = run_configurations(
        key, trainable, chosen, snapshots=snapshots, vary=vary
    )
    configuration = configurations[0]
    if vary:
        configuration = combined_configuration(places, configurations)

    def prepare(done):
        seeds = np.tile(np.asarray(chosen.own), len(places))
        numbers = {
            name: np.repeat([place[name] for place in places], num_seeds)
            for name in vary
        }
        traced = program.trace(key, trainable, seeds, numbers, layout)
        state, record = traced.shapes
        assembly.check_record(record, trainable, tuple(vary))
        memory.check_records(record, num_rows, len(snapshots))
        if directory is not None:
            _check_saved(state)
        if done is not None:
            # Another probe of the same name may measure something else by now.
            check_fits(done, jax.tree.leaves(state), record, num_rows=num_rows)
        compiled = traced.compile()
        states, own = compiled.start(*traced.arguments)
        if done is not None:
            states = program.restore(states, done.leaves, layout)

        def advance(states, first, last, is_last):
            epochs = first, last, is_last
            return compiled.advance(states, own, trainable.data, *epochs)

        return states, advance

    to_rows = partial(program.by_seed, layout=layout)

    def labelled(run):
        # Of the parameters alone: an optimizer's state may hold what numpy does not.
        diverged = program.diverged(to_rows(trainable.params(run.states)))
        datasets = []
        for number, own_configuration in enumerate(configurations):
            rows = slice(number * num_seeds, (number + 1) * num_seeds)
            dataset = assembly.to_dataset(
                [{k: v[rows] for k, v in record.items()} for record in run.records],
                trainable,
                snapshots=snapshots,
                first_seed=chosen.own[0],
                diverged=diverged[rows],
            )
            dataset.attrs |= assembly.attributes(
                trainable,
                own_configuration,
                devices=layout.devices,
                block=layout.block,
                wall_seconds=run.wall_seconds / len(places),
                compile_seconds=run.compile_seconds / len(places),
            )
            datasets.append(dataset)
        return with_ceiling(combine(places, datasets) if vary else datasets[0])

    # Reserved from the first look to the last file, so that no other run comes between.
    where = None if directory is None else Path(directory)
    with processes.together(), processes.reserved_by_first(where) as own_directory:
        done = None
        if where is not None:
            done = processes.of_first(
                lambda: find_earlier(own_directory, configuration, resume)
            )
        if isinstance(done, xr.Dataset):
            return done
        with program.within_memory(layout):
            run = run_snapshots(
                prepare,
                snapshots,
                to_rows=to_rows,
                done=done,
                directory=own_directory,
                configuration=configuration,
                is_saved=directory is not None,
                on_progress=on_progress,
            )
        dataset = labelled(run)
        if own_directory is not None:
            save_finished(own_directory, dataset)
    if on_progress is not None:
        on_progress(progress_after(len(snapshots), snapshots, "done"))
    return dataset


def _check_saved(state: Any) -> None:
    """Check that a state is numbers, which a checkpoint can hold."""
    for leaf in jax.tree.leaves(state):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.extended):
            raise ValueError(
                f"the optimizer's state must be numbers to be saved, got {leaf.dtype}; "
                "train it without a directory"
            )
