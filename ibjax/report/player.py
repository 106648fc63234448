"""Data of the player: the information planes of a sweep, or of all cells of a grid."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import xarray as xr

from ibjax.plots.plane import plane_ceilings, plane_limits
from ibjax.plots.style import (
    choose_estimator,
    coordinate,
    information_bits,
    layer_colors,
    layer_names,
    num_seeds_of,
    pick,
    readable_color,
)
from ibjax.results.cells import cell_name, cells_of, place_text
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = ["DARK_PAGE", "count_text", "player_data"]

DARK_PAGE = "#16181c"
"""Background of the pages where the reader's system is dark."""

# Most bytes of all informations of a page, as text: with its figures it stays below
# three megabytes. Time is thinned out first, and seeds where there are more than these.
_MAX_BYTES, _MAX_FRAMES, _MAX_SEEDS = 1_300_000, 400, 100
_NOTHING = 2**16 - 1
# Graphical marks need this contrast to their background.
_CONTRAST = 3.0


def player_data(
    dataset: xr.Dataset, *, estimator: str | None = None, directory: Path | None = None
) -> dict[str, Any]:
    """Data of the player, ready for JSON.

    Informations are whole multiples of a unit that each array has of its own, so that
    the largest fits 16 bits: off by less than a ten-thousandth of it.

    Args:
      dataset: Dataset of a sweep, or of a grid of sweeps, whose cells are side by side.
      estimator: Estimator to begin with; ``binning``, or the first that fits, by
        default.
      directory: Where the page will be; cells of a grid that have a directory there are
        linked to.

    Returns:
      Dictionary of the ``title``, the ``layers`` with their colours on a light and on a
      dark page, the ``seeds`` that are shown, the ``estimators`` with the limits of
      their planes in bits, the number of the ``chosen`` one, all ``epochs``, and the
      ``panels``. Of each of these: its ``title``, ``link``, names of its ``layers``,
      its ``epochs``, the ``ceilings`` in bits, the ``losses``, and ``values``, by the
      estimator, with ``x`` and ``y`` as base64 of little-endian 16-bit numbers of shape
      ``[num_epochs, num_layers, num_seeds]``, and their units in bits.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> data = player_data(example_dataset(num_seeds=2, num_epochs=5))
      >>> data["seeds"], len(data["panels"]), data["panels"][0]["epochs"]
      ([0, 1], 1, [0, 1, 22, 464, 10000])
    """
    chosen, _ = choose_estimator(dataset, estimator)
    names = [str(name) for name in coordinate(dataset, "estimator")]
    labels = [choose_estimator(dataset, name)[1] for name in names]
    cells = cells_of(dataset)
    num_layers = max(len(coordinate(cell, "layer")) for _, cell in cells)
    total = num_seeds_of(dataset)
    seeds = (
        coordinate(dataset, "seed") if "seed" in dataset.coords else np.arange(total)
    )
    shown = np.arange(min(total, _MAX_SEEDS))
    bytes_per_frame = len(cells) * len(names) * num_layers * len(shown) * 2 * 8 / 3
    max_frames = int(min(_MAX_FRAMES, max(_MAX_BYTES // bytes_per_frame, 2)))
    panels = [
        _panel(place, cell, names, shown, max_frames, directory)
        for place, cell in cells
    ]
    colors = layer_colors(num_layers)
    return {
        "title": str(dataset.attrs.get("title", "")),
        "count": count_text(total, len(shown)),
        "layers": [
            {
                "name": str(number + 1) if len(cells) > 1 else name,
                "color": readable_color(color, "white", _CONTRAST),
                "dark": readable_color(color, DARK_PAGE, _CONTRAST),
            }
            for number, (name, color) in enumerate(
                zip(_longest([p["layers"] for p in panels]), colors, strict=True)
            )
        ],
        "seeds": np.atleast_1d(seeds)[shown].tolist(),
        "estimators": [
            {"name": name, "label": label, "limits": _limits(dataset, cells, name)}
            for name, label in zip(names, labels, strict=True)
        ],
        "chosen": names.index(chosen),
        "epochs": sorted({epoch for panel in panels for epoch in panel["epochs"]}),
        "panels": panels,
    }


def _panel(
    place: dict[str, Any],
    cell: xr.Dataset,
    names: Sequence[str],
    shown: np.ndarray,
    max_frames: int,
    directory: Path | None,
) -> dict[str, Any]:
    """One plane: a sweep, or a cell of a grid."""
    epochs = coordinate(cell, "epoch")
    frames = frames_of(len(epochs), max_frames)
    return {
        "title": place_text(place),
        "link": _link(place, directory),
        "layers": layer_names(cell),
        "epochs": epochs[frames].tolist(),
        "ceilings": [
            round(ceiling, 4) if math.isfinite(ceiling) else None
            for ceiling in plane_ceilings(cell)
        ],
        "losses": _losses(cell, frames),
        "values": [
            _values(
                *(
                    information_bits(cell, variable, name)[shown][:, frames]
                    for variable in ("i_xt", "i_ty")
                )
            )
            for name in names
        ],
    }


def _link(place: dict[str, Any], directory: Path | None) -> str | None:
    """Address of a cell's page, or of its directory, relative to the page."""
    if directory is None:
        return None
    axes = list(place.items())
    # Numbers that were trained side by side, the last axes, share a directory.
    for count in range(len(axes), 0, -1):
        name = cell_name(dict(axes[:count]))
        if (directory / name).is_dir():
            has_page = (directory / name / "report.html").is_file()
            return f"{quote(name)}/{'report.html' if has_page else ''}"
    return None


def _values(i_xt: np.ndarray, i_ty: np.ndarray) -> dict[str, Any]:
    """Both informations of ``[num_seeds, num_epochs, num_layers]`` as texts."""
    found: dict[str, Any] = {}
    for name, bits in (("x", i_xt), ("y", i_ty)):
        bits = np.moveaxis(bits, 0, -1)
        known = np.isfinite(bits)
        largest = float(np.max(bits, where=known, initial=0.0))
        unit = max(largest, 1e-3) / (_NOTHING - 1)
        whole = np.round(np.where(known, np.maximum(bits, 0.0), 0.0) / unit)
        words = np.where(known, whole, _NOTHING).astype("<u2")
        found[name] = base64.b64encode(words.tobytes()).decode()
        found[f"unit_{name}"] = float(f"{unit:.7g}")
    return found


def _losses(cell: xr.Dataset, frames: np.ndarray) -> dict[str, Any] | None:
    """Mean loss of every frame, on the training and the test set; None without."""
    if "train_loss" not in cell:
        return None
    is_squared = cell["train_loss"].attrs.get("units") == "1"
    unit = 1.0 if is_squared else NATS_PER_BIT
    found: dict[str, Any] = {"label": "squared error" if is_squared else "loss (bits)"}
    for split in ("train", "test"):
        name = f"{split}_loss"
        if name in cell:
            means = mean_interval(pick(cell, name, "seed", "epoch")).mean[frames] / unit
            found[split] = [
                float(f"{mean:.4g}") if math.isfinite(mean) else None for mean in means
            ]
    return found


def _limits(
    dataset: xr.Dataset, cells: Sequence[tuple[dict, xr.Dataset]], name: str
) -> list[float]:
    """Ends of the axes of all planes by one estimator."""
    ends = [
        plane_limits(
            cell,
            information_bits(cell, "i_xt", name),
            information_bits(cell, "i_ty", name),
        )
        for _, cell in cells
    ]
    return [round(float(end), 4) for end in np.max(ends, axis=0)]


def frames_of(num_epochs: int, max_frames: int) -> np.ndarray:
    """Indices of the snapshots to show, which include the last one."""
    count = min(num_epochs, max_frames)
    if count == 1:
        return np.array([num_epochs - 1])
    return np.unique(np.linspace(0, num_epochs - 1, count).round().astype(int))


def _longest(lists: Sequence[list[str]]) -> list[str]:
    return max(lists, key=len)


def count_text(total: int, num_shown: int | None = None) -> str:
    """How many seeds there are, and how many of them are shown, if not all."""
    if total == 1:
        return "one seed"
    some = num_shown not in (None, total)
    return f"{num_shown} of {total} seeds" if some else f"{total} seeds"
