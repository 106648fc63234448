"""A grid of sweeps: every combination of some choices, in one labelled dataset.

Each cell of the grid is a sweep of its own, over the same seeds, in a directory of its
own; an interrupted grid goes on where it was. What differs between the cells becomes a
dim of the dataset: ``dataset.sel(activation="relu", batch_size=512)`` is one cell.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
import xarray as xr

from ibjax.checkpoint import CHECKPOINT_FILE
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.probes import Probe
from ibjax.results import DATASET_FILE, ResultsError, open_dataset, save_dataset
from ibjax.sweep import Progress, sweep
from ibjax.training import TrainConfig

__all__ = [
    "AnyCell",
    "Cell",
    "cell_name",
    "cells_of",
    "cells_over",
    "combine",
    "sweep_grid",
]


class Cell(NamedTuple):
    """One sweep of a grid.

    Attributes:
      place: Its coordinate on every axis of the grid, by the axis' name.
      task: What to learn.
      network: The network.
      config: How to train it.
      snapshots: Epochs at which to measure.
      probes: What to measure, or a function that returns it, called when it is the
        cell's turn.
      description: More to keep in the dataset's ``configuration``.
    """

    place: dict[str, float | str]
    task: Task
    network: Network
    config: TrainConfig
    snapshots: Sequence[int]
    probes: Sequence[Probe] | Callable[[], Sequence[Probe]]
    description: dict[str, Any]

    @property
    def network_text(self) -> str:
        """The network in words."""
        if "activation" not in self.description:
            return f"({self.network.description})"
        hidden, activation = self.description["hidden"], self.description["activation"]
        widths = [self.task.num_inputs, *hidden, self.task.num_classes]
        return f"{'-'.join(map(str, widths))} ({activation})"

    def run(self, key: jax.Array, **options: Any) -> xr.Dataset:
        """Sweep; options as those of :func:`ibjax.sweep`."""
        probes = self.probes() if callable(self.probes) else self.probes
        return sweep(
            key,
            self.task,
            self.network,
            self.config,
            snapshots=self.snapshots,
            probes=probes,
            description=self.description,
            **options,
        )


class AnyCell(Protocol):
    """What a grid needs of its cells; :class:`Cell` is one."""

    @property
    def place(self) -> dict[str, float | str]:
        """Its coordinate on every axis of the grid, by the axis' name."""

    @property
    def snapshots(self) -> Sequence[int]:
        """Epochs at which to measure."""

    @property
    def network_text(self) -> str:
        """The network in words."""

    def run(self, key: jax.Array, **options: Any) -> xr.Dataset:
        """The cell's dataset; options as those of :func:`ibjax.sweep`."""


def sweep_grid(
    key: jax.Array,
    cells: Sequence[AnyCell],
    *,
    num_seeds: int,
    directory: str | Path | None = None,
    resume: bool = False,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    on_progress: Callable[[int, Progress], None] | None = None,
) -> xr.Dataset:
    """Sweep every cell of a grid.

    Cells that differ in numbers only, such as the learning rate, share one compiled
    program as long as no more than three others come between them.

    Args:
      key: Key of every sweep: seed n starts alike in all cells of one network.
      cells: The cells. Their places must be all combinations of their coordinates;
        a single cell without a place is a plain sweep.
      num_seeds: Networks of every cell.
      directory: Where to save; nothing is saved by default. Each cell has a directory
        of its own in it, see :func:`cell_name`.
      resume: Whether to go on with an unfinished run of the same cells.
      block: See :func:`ibjax.sweep`.
      devices: See :func:`ibjax.sweep`.
      on_progress: Called with the number of the cell and a
        :class:`ibjax.sweep.Progress` after every step.

    Returns:
      Dataset over the axes of the grid and those of :func:`ibjax.sweep`. Cells with
      fewer layers than others are NaN in the layers they lack.

    Raises:
      ValueError: If the cells are no grid, or an argument is out of range.
      ResultsError: If ``directory`` holds another run, or a damaged one.

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
    _check_places([cell.place for cell in cells])
    directory = None if directory is None else Path(directory)
    whole = None
    if directory is not None and cells[0].place:
        whole = directory / DATASET_FILE
        _check_directory(directory, _axes([cell.place for cell in cells]), resume)
    datasets = []
    for number, cell in enumerate(cells):

        def report(progress, number=number):
            if on_progress is not None:
                on_progress(number, progress)

        datasets.append(
            cell.run(
                key,
                num_seeds=num_seeds,
                directory=directory and directory / cell_name(cell.place),
                resume=resume,
                block=block,
                devices=devices,
                on_progress=report,
            )
        )
    if not cells[0].place:
        return datasets[0]
    dataset = combine([cell.place for cell in cells], datasets)
    if whole is not None:
        save_dataset(dataset, whole)
    return dataset


def cell_name(place: dict[str, float | str]) -> str:
    """Name of a cell's directory.

    Args:
      place: Its coordinates.

    Returns:
      The name; empty for the only cell of a plain sweep.

    Example:
      >>> cell_name({"activation": "relu", "batch_size": 512})
      'activation=relu,batch_size=512'
    """
    return ",".join(f"{axis}={value}" for axis, value in place.items())


def combine(
    places: Sequence[dict[str, float | str]], datasets: Sequence[xr.Dataset]
) -> xr.Dataset:
    """Put the datasets of a grid's cells together.

    Args:
      places: Their coordinates, all combinations of those on every axis.
      datasets: A dataset for each.

    Returns:
      One dataset whose first dims are the grid's axes. ``configuration`` holds what is
      common to all cells, the axes under ``grid`` and what differs under ``cells``.

    Raises:
      ValueError: If the places are no grid.

    Example:
      >>> from ibjax.plots.example import example_dataset
      >>> parts = [example_dataset(seed=n, num_seeds=2) for n in range(2)]
      >>> whole = combine([{"activation": "tanh"}, {"activation": "relu"}], parts)
      >>> whole.i_xt.dims
      ('activation', 'seed', 'epoch', 'layer', 'estimator')
    """
    _check_places(places)
    axes = _axes(places)
    layers = sorted({int(n) for dataset in datasets for n in dataset["layer"].values})
    by_place = {}
    for place, dataset in zip(places, datasets, strict=True):
        dataset = dataset.reindex(
            layer=layers, fill_value={"layer_name": "", "layer_width": 0}
        )
        # As data, so that they may differ between the cells.
        dataset = dataset.reset_coords(["layer_name", "layer_width"])
        by_place[tuple(place.values())] = dataset.drop_attrs(deep=False)

    def nested(chosen, axes_left):
        if not axes_left:
            return by_place[chosen]
        first, *rest = axes_left
        parts = [nested((*chosen, value), rest) for value in axes[first]]
        index = xr.DataArray(_coordinate(axes[first]), dims=first, name=first)
        return xr.concat(
            parts,
            dim=index,
            data_vars="all",
            coords="minimal",
            compat="override",
            join="outer",
            combine_attrs="override",
        )

    whole = nested((), list(axes)).set_coords(["layer_name", "layer_width"])
    configurations = [json.loads(d.attrs["configuration"]) for d in datasets]
    common = {
        name: value
        for name, value in configurations[0].items()
        if all(name in c and c[name] == value for c in configurations)
    }
    differing = [
        {name: value for name, value in c.items() if name not in common}
        for c in configurations
    ]
    common |= {"grid": axes, "cells": differing}
    whole.attrs = datasets[0].attrs | {
        "title": f"ibjax sweeps over {', '.join(axes)}",
        "configuration": json.dumps(common),
        "wall_seconds": sum(d.attrs["wall_seconds"] for d in datasets),
        "compile_seconds": sum(d.attrs["compile_seconds"] for d in datasets),
    }
    return whole


def cells_of(dataset: xr.Dataset) -> list[tuple[dict[str, float | str], xr.Dataset]]:
    """The cells of a grid's dataset, each as a sweep's dataset of its own.

    Args:
      dataset: Dataset of :func:`sweep_grid`, or of one sweep.

    Returns:
      Pairs of a place and its dataset, in the order of the grid; layers that the cell
      lacks are left out. A plain sweep has one cell, whose place is empty.

    Example:
      >>> from ibjax.plots.example import example_grid
      >>> [place for place, _ in cells_of(example_grid(num_seeds=2))]
      [{'activation': 'tanh'}, {'activation': 'relu'}]
    """
    configuration = json.loads(dataset.attrs["configuration"])
    axes = configuration.get("grid", {})
    if not axes:
        return [({}, dataset)]
    found = []
    for values, own in zip(
        itertools.product(*axes.values()), configuration["cells"], strict=True
    ):
        place = dict(zip(axes, values, strict=True))
        cell = dataset.sel(place)
        cell = cell.isel(layer=np.flatnonzero(cell["layer_width"].values > 0))
        shared = {k: v for k, v in configuration.items() if k not in ("grid", "cells")}
        cell.attrs = dataset.attrs | {"configuration": json.dumps(shared | own)}
        found.append((place, cell.drop_vars(list(axes))))
    return found


def cells_over(
    dataset: xr.Dataset, *axes: str
) -> list[tuple[dict[str, float | str], xr.Dataset]]:
    """The cells of a grid, which must be over certain axes.

    Args:
      dataset: Dataset of :func:`sweep_grid`.
      *axes: Names of the axes, in order.

    Returns:
      What :func:`cells_of` returns.

    Raises:
      ValueError: If the dataset is no grid over these axes.

    Example:
      >>> from ibjax.plots.example import example_grid
      >>> cells_over(example_grid(num_seeds=2), "hidden")
      Traceback (most recent call last):
          ...
      ValueError: dataset must be a grid over hidden, got one over ['activation']
    """
    cells = cells_of(dataset)
    found = list(cells[0][0])
    if found != list(axes):
        raise ValueError(
            f"dataset must be a grid over {' and '.join(axes)}, got one over {found}"
        )
    return cells


def _check_directory(directory: Path, axes: dict[str, list], resume: bool) -> None:
    """Refuse a directory that holds anything but this grid, to be resumed."""
    if (directory / CHECKPOINT_FILE).exists():
        raise ResultsError(
            f"{directory} holds an unfinished run that is no grid; choose another "
            "directory"
        )
    if not (directory / DATASET_FILE).exists():
        return
    if not resume:
        raise ResultsError(
            f"{directory} already holds results; resume them, or choose another "
            "directory"
        )
    dataset = open_dataset(directory)
    found = json.loads(dataset.attrs["configuration"]).get("grid")
    if found != json.loads(json.dumps(axes)):
        raise ResultsError(
            f"{directory} holds another run, over {found or 'no grid'} and not {axes}; "
            "choose another directory"
        )


def _check_places(places) -> None:
    if not places:
        raise ValueError("cells must hold at least one cell, got none")
    names = {tuple(place) for place in places}
    expected = list(itertools.product(*_axes(places).values()))
    if len(names) > 1 or [tuple(place.values()) for place in places] != expected:
        raise ValueError(
            "the cells' places must be all combinations of their coordinates, in "
            f"order, got {places}"
        )
    for axis, values in _axes(places).items():
        if len({isinstance(value, str) for value in values}) > 1:
            raise ValueError(
                f"the cells' {axis} must be all numbers or all texts, got {values}"
            )


def _axes(places) -> dict[str, list[float | str]]:
    return {
        axis: list(dict.fromkeys(place.get(axis) for place in places))
        for axis in places[0]
    }


def _coordinate(values: list[float | str]) -> np.ndarray:
    return np.asarray(values)
