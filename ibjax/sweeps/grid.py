"""A grid of sweeps: every combination of some choices, in one labelled dataset.

Each cell of the grid is a sweep of its own, over the same seeds, in a directory of its
own; an interrupted grid goes on where it was. What differs between the cells becomes a
dim of the dataset: ``dataset.sel(activation="relu", batch_size=512)`` is one cell.
"""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import xarray as xr

from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.probes.snapshot import Snapshot
from ibjax.results.ceiling import with_ceiling
from ibjax.results.cells import (
    _check_places,
    cell_name,
    cells_of,
    combine,
    combined_configuration,
)
from ibjax.results.directory import RunDirectory
from ibjax.results.files import ResultsError
from ibjax.sweeps import processes
from ibjax.sweeps.checkpoint import Checkpoint, find_earlier, save_finished
from ibjax.sweeps.configurations import (
    Seeds,
    check_outside,
    check_vary,
    chosen_seeds,
    run_configurations,
)
from ibjax.sweeps.networks import network_trainable
from ibjax.sweeps.runs import Progress
from ibjax.sweeps.seeds import sweep_trainable
from ibjax.training.config import TrainConfig
from ibjax.training.objectives import ObjectiveFn
from ibjax.training.trainable import Trainable

__all__ = ["Cell", "sweep_grid"]


class Cell(NamedTuple):
    """One sweep of a grid.

    Attributes:
      place: Its coordinate on every axis of the grid, by the axis' name.
      task: What to learn; None, as the fields after it, where there is ``trainable``.
      network: The network.
      config: How to train it.
      snapshots: Epochs at which to measure.
      probes: What to measure, or a function that returns it, called when it is the
        cell's turn.
      description: More to keep in the dataset's ``configuration``.
      objective: What training lowers, see :func:`ibjax.sweep`.
      vary: Numbers that are further axes of the grid, see :func:`ibjax.sweep`; the same
        in all cells. They are trained in one program, and saved together.
      trainable: What to train where it is no network on a task, see
        :func:`ibjax.sweeps.sweep_trainable`; it has a description of its own.
    """

    place: dict[str, float | str]
    task: Task | None = None
    network: Network | None = None
    config: TrainConfig | None = None
    snapshots: Sequence[int] = ()
    probes: Sequence[Probe] | Callable[[], Sequence[Probe]] = ()
    description: Mapping[str, Any] = MappingProxyType({})
    objective: ObjectiveFn | None = None
    vary: Mapping[str, Sequence[float]] | None = None
    trainable: Trainable | None = None

    @property
    def network_text(self) -> str:
        """The network in words."""
        if self.trainable is not None:
            return f"({', '.join(layer.name for layer in self.trainable.layers)})"
        if "activation" not in self.description:
            described = isinstance(self.network, Network)
            return f"({self.network.description})" if described else "(varied)"
        hidden, activation = self.description["hidden"], self.description["activation"]
        is_real = self.task.kind == "vectors"
        outputs = self.task.vectors.shape[1] if is_real else self.task.num_classes
        widths = [self.task.num_inputs, *hidden, outputs]
        return f"{'-'.join(map(str, widths))} ({activation})"

    def build(self) -> Trainable:
        """Trainable of a cell, with its probes."""
        if self.trainable is not None:
            return self.trainable
        return network_trainable(
            self.task,
            self.network,
            self.config,
            objective=self.objective,
            probes=self.probes() if callable(self.probes) else self.probes,
            varied=tuple(self.vary or ()),
            description=dict(self.description),
        )


def sweep_grid(
    key: jax.Array,
    cells: Sequence[Cell],
    *,
    num_seeds: int,
    first_seed: int = 0,
    shard: str | None = None,
    directory: str | Path | None = None,
    resume: bool = False,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[int, Progress], None] | None = None,
) -> xr.Dataset:
    """Sweep every cell of a grid.

    Cells that differ in numbers only, such as the learning rate, share one compiled
    program.

    Args:
      key: Key of every sweep: seed n starts alike in all cells of one network.
      cells: The cells. Their places must be all combinations of their coordinates;
        a single cell without a place is a plain sweep.
      num_seeds: Networks of every cell.
      first_seed: Number of the first one, see :func:`ibjax.sweep`.
      shard: Which part of them to train in every cell, see :func:`ibjax.sweep`.
      directory: Where to save; nothing is saved by default. Each cell has a directory
        of its own in it, see :func:`cell_name`.
      resume: Whether to go on with an unfinished run of the same cells.
      block: See :func:`ibjax.sweep`.
      devices: See :func:`ibjax.sweep`.
      on_progress: Called with the number of the cell and a
        :class:`ibjax.sweeps.runs.Progress` after every step.

    Returns:
      Dataset over the axes of the grid and those of :func:`ibjax.sweep`. Cells with
      fewer layers than others are NaN in the layers they lack.

    Raises:
      ValueError: If the cells are no grid, or an argument is out of range.
      TypeError: If ``key`` is no typed key.
      ResultsError: If ``directory`` holds another run, or a damaged one, or is in use
        by one.

    Example:
      >>> from ibjax import datasets, networks, probes
      >>> def cell(rate):
      ...     return Cell(
      ...         place={"learning_rate": rate},
      ...         task=datasets.szt(),
      ...         network=network,
      ...         config=TrainConfig(learning_rate=rate),
      ...         snapshots=[0, 1],
      ...         probes=[probes.losses],
      ...         description={},
      ...     )
      >>> network = networks.mlp([12, 3, 2])
      >>> cells = [cell(rate) for rate in (1e-3, 1e-2)]
      >>> dataset = sweep_grid(jax.random.key(0), cells, num_seeds=2)
      >>> dict(dataset.train_loss.sizes)
      {'learning_rate': 2, 'seed': 2, 'epoch': 2}
    """
    checks.flag("resume", resume)
    checks.instance("cells", cells, list, tuple)
    for number, cell in enumerate(cells):
        checks.instance(f"cells[{number}]", cell, Cell)
    check_outside(directory, devices, on_progress)
    checks.key("key", key)
    _check_places([cell.place for cell in cells])
    chosen = chosen_seeds(num_seeds, first_seed, shard, block)
    where = None if directory is None else Path(directory)
    # One plain sweep has its files where a grid has those of all cells.
    is_grid = bool(cells[0].place)
    shared = where if is_grid else None
    with processes.together(), processes.reserved_by_first(shared) as own:
        built = [None if callable(cell.probes) else cell.build() for cell in cells]
        if is_grid and where is not None:
            done = processes.of_first(
                lambda: _find_grid(own, key, cells, built, resume, chosen)
            )
            if done is not None:
                return done
        datasets = []
        for number, cell in enumerate(cells):
            datasets.append(
                sweep_trainable(
                    key,
                    built[number] or cell.build(),
                    snapshots=cell.snapshots,
                    vary=cell.vary,
                    directory=where and where / cell_name(cell.place),
                    resume=resume,
                    block=block,
                    devices=devices,
                    on_progress=on_progress and partial(on_progress, number),
                    num_seeds=num_seeds,
                    first_seed=first_seed,
                    shard=shard,
                )
            )
        if not is_grid:
            return datasets[0]
        places, parts = [], []
        for cell, dataset in zip(cells, datasets, strict=True):
            for place, part in cells_of(dataset):
                places.append(cell.place | place)
                parts.append(part)
        dataset = with_ceiling(combine(places, parts))
        if own is not None:
            # Again, for probes whose names were not known before.
            find_earlier(
                own,
                json.loads(dataset.attrs["configuration"]),
                True,
                cells=[cell_name(cell.place) for cell in cells],
            )
            save_finished(own, dataset)
    return dataset


def _find_grid(
    own: RunDirectory,
    key: jax.Array,
    cells: Sequence[Cell],
    built: Sequence[Trainable | None],
    resume: bool,
    seeds: Seeds,
) -> xr.Dataset | None:
    """Finished results of this grid in its directory, if all of it is known yet."""
    places, configurations = [], []
    for cell, trainable in zip(cells, built, strict=True):
        # Probes that are made when it is their turn are not made for their names.
        known = trainable or cell._replace(probes=(_no_probe,)).build()
        vary = check_vary(cell.vary)
        found = run_configurations(
            key, known, seeds, snapshots=cell.snapshots, vary=vary
        )
        for values, own_configuration in zip(
            itertools.product(*vary.values()), found, strict=True
        ):
            places.append(cell.place | dict(zip(vary, values, strict=True)))
            configurations.append(own_configuration)
    unknown = ("estimators", "probes") if None in built else ()
    done = find_earlier(
        own,
        json.loads(json.dumps(combined_configuration(places, configurations))),
        resume,
        cells=[cell_name(cell.place) for cell in cells],
        unknown=unknown,
    )
    if isinstance(done, Checkpoint):
        raise ResultsError(
            f"{own.path} holds an unfinished run that is no grid; choose another "
            "directory"
        )
    return None if unknown else done


def _no_probe(snapshot: Snapshot) -> dict[str, jax.Array]:
    del snapshot
    return {}
