"""Cells of a grid of sweeps: combined into one dataset, and taken apart again."""

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from ibjax.numerics import checks
from ibjax.results.files import datasets_in

__all__ = [
    "cell_configurations",
    "cell_name",
    "cells_of",
    "cells_over",
    "combine",
    "combined_configuration",
    "configured_cells",
    "place_text",
]

_AXIS_NAMES = {
    "batch_size": "batch",
    "learning_rate": "step size",
    "noise_std": "noise",
    "noise_variance": "noise variance",
    "num_samples": "samples",
    "orthonormal": "penalty",
    "snr": "SNR",
    "window": "window",
}


def cell_name(place: dict[str, float | str]) -> str:
    """Name of a cell's directory; empty for the only cell of a plain sweep.

    Characters that are no part of a file's name everywhere, or part cells' names, are
    written as in addresses of the web.

    Example:
      >>> cell_name({"activation": "relu", "batch_size": 512})
      'activation=relu,batch_size=512'
      >>> cell_name({"data": "../mine"})
      'data=..%2Fmine'
    """
    return ",".join(
        f"{_quoted(axis)}={_quoted(value)}" for axis, value in place.items()
    )


def _quoted(text: Any) -> str:
    return re.sub(
        r'[\x00-\x1f\x7f%/\\:*?"<>|,=]',
        lambda found: f"%{ord(found[0]):02X}",
        str(text),
    )


def combine(
    places: Sequence[dict[str, float | str]], datasets: Sequence[xr.Dataset]
) -> xr.Dataset:
    """One dataset of all cells of a grid.

    Args:
      places: Coordinates of the cells, all combinations of those on every axis.
      datasets: A dataset for each.

    Returns:
      A dataset whose first dims are the grid's axes. Its attribute ``configuration``
      holds the entries common to all cells, the axes under ``grid`` and the differing
      entries under ``cells``.

    Raises:
      ValueError: If the places do not form a grid.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> parts = [example_dataset(seed=n, num_seeds=2) for n in range(2)]
      >>> whole = combine([{"activation": "tanh"}, {"activation": "relu"}], parts)
      >>> whole.i_xt.dims
      ('activation', 'seed', 'epoch', 'layer', 'estimator')
    """
    checks.instance("places", places, list, tuple)
    checks.not_empty("places", places)
    _check_places(places)
    datasets = datasets_in("datasets", datasets)
    checks.same_length(places=places, datasets=datasets)
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

    # Axis by axis, since the cells may differ in their layers and in which epochs and
    # estimators they hold: an outer join fills what a cell lacks with NaN.
    def nested(chosen, axes_left):
        if not axes_left:
            return by_place[chosen]
        first, *rest = axes_left
        parts = [nested((*chosen, value), rest) for value in axes[first]]
        index = xr.DataArray(np.asarray(axes[first]), dims=first, name=first)
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
    common = combined_configuration(places, configurations)
    whole.attrs = datasets[0].attrs | {
        "title": f"ibjax sweeps over {', '.join(axes)}",
        "configuration": json.dumps(common),
        "wall_seconds": sum(d.attrs["wall_seconds"] for d in datasets),
        "compile_seconds": sum(d.attrs["compile_seconds"] for d in datasets),
    }
    # Of the estimates of one cell.
    whole.attrs.pop("at_ceiling", None)
    return whole


def combined_configuration(
    places: Sequence[dict[str, float | str]], configurations: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Configuration of a grid: what is common, the axes, and what differs by cell."""
    common = {
        name: value
        for name, value in configurations[0].items()
        if all(name in c and c[name] == value for c in configurations)
    }
    differing = [
        {name: value for name, value in c.items() if name not in common}
        for c in configurations
    ]
    return common | {"grid": _axes(places), "cells": differing}


def cells_of(dataset: xr.Dataset) -> list[tuple[dict[str, float | str], xr.Dataset]]:
    """Cells of a grid's dataset, each as the dataset of a sweep.

    Args:
      dataset: Dataset of a grid of sweeps, or of one sweep.

    Returns:
      Pairs of a cell's coordinates and its dataset, in the order of the grid, without
      the layers that the cell lacks. A plain sweep has one cell, without coordinates.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> [place for place, _ in cells_of(example_grid(num_seeds=2))]
      [{'activation': 'tanh'}, {'activation': 'relu'}]
    """
    checks.instance("dataset", dataset, xr.Dataset)
    checks.holds("the attributes of dataset", dataset.attrs, "configuration")
    cells = cell_configurations(json.loads(dataset.attrs["configuration"]))
    if not cells[0][0]:
        return [({}, dataset)]
    # What all cells took together, each by an equal part: their sum stays what it is.
    shares = {
        name: dataset.attrs[name] / len(cells)
        for name in ("wall_seconds", "compile_seconds")
        if name in dataset.attrs
    }
    found = []
    for place, own in cells:
        cell = dataset.sel(place)
        cell = cell.isel(layer=np.flatnonzero(cell["layer_width"].values > 0))
        cell.attrs = dataset.attrs | shares | {"configuration": json.dumps(own)}
        cell.attrs.pop("at_ceiling", None)  # Of all cells.
        found.append((place, cell.drop_vars(list(place))))
    return found


def configured_cells(
    dataset: xr.Dataset,
) -> list[tuple[dict[str, Any], xr.Dataset]]:
    """Cells of a grid's dataset, with all that each was configured with.

    Args:
      dataset: Dataset of a grid of sweeps, or of one sweep.

    Returns:
      Pairs of a cell's configuration, its coordinates among it, and its dataset. A
      number is found there by its name, whether the grid has it as an axis or not.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> own, _ = configured_cells(example_grid(num_seeds=2))[1]
      >>> own["activation"], own["hidden"]
      ('relu', [10, 7, 5, 4, 3])
    """
    return [
        (json.loads(cell.attrs["configuration"]) | place, cell)
        for place, cell in cells_of(dataset)
    ]


def cell_configurations(
    configuration: dict[str, Any],
) -> list[tuple[dict[str, float | str], dict[str, Any]]]:
    """Place and configuration of every cell; a plain sweep is one without a place.

    Example:
      >>> cell_configurations({"a": 1, "grid": {"b": [2]}, "cells": [{"b": 2}]})
      [({'b': 2}, {'a': 1, 'b': 2})]
    """
    axes = configuration.get("grid", {})
    if not axes:
        return [({}, configuration)]
    shared = {k: v for k, v in configuration.items() if k not in ("grid", "cells")}
    places = itertools.product(*axes.values())
    return [
        (dict(zip(axes, values, strict=True)), shared | own)
        for values, own in zip(places, configuration["cells"], strict=True)
    ]


def cells_over(
    dataset: xr.Dataset, *axes: str
) -> list[tuple[dict[str, float | str], xr.Dataset]]:
    """Cells of a grid that must be over given axes.

    Args:
      dataset: Dataset of a grid of sweeps.
      *axes: Names of the axes, in order.

    Returns:
      The pairs of :func:`cells_of`.

    Raises:
      ValueError: If the dataset is not a grid over these axes.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> cells_over(example_grid(num_seeds=2), "hidden")
      Traceback (most recent call last):
          ...
      ValueError: dataset must be a grid over hidden, got one over ['activation']
    """
    for axis in axes:
        checks.instance("each of axes", axis, str)
    cells = cells_of(dataset)
    found = list(cells[0][0])
    if found != list(axes):
        raise ValueError(
            f"dataset must be a grid over {' and '.join(axes)}, got one over {found}"
        )
    return cells


def _check_places(places) -> None:
    for place in places:
        checks.instance("each of places", place, dict)
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


def place_text(place: dict[str, float | str]) -> str:
    """Coordinates of a cell as text for a reader.

    Example:
      >>> place_text({"activation": "relu", "batch_size": "full"})
      'relu, batch full'
    """
    words = []
    for axis, value in place.items():
        text = value if isinstance(value, str) else f"{value:g}"
        if axis == "train_fraction":
            words.append(f"{100 * value:g} % to train on")
        elif axis in _AXIS_NAMES:
            words.append(f"{_AXIS_NAMES[axis]} {text}")
        else:
            words.append(text)
    return ", ".join(words)
