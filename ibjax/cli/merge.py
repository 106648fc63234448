"""The command ``ibjax merge``: the shards of a run joined, and the run's report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
import xarray as xr

from ibjax.cli.progress import plain_console
from ibjax.cli.report import drawing_beside, write_report
from ibjax.results.directory import reserved
from ibjax.results.files import ResultsError
from ibjax.results.merging import (
    merge_cells,
    merge_directories,
    shard_directories,
)
from ibjax.sweeps.checkpoint import Checkpoint, find_earlier, save_finished

__all__ = ["merge"]


def merge(
    directories: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="DIR [DIR ...]", help_behavior_hint=""),
    ],
    output: Annotated[
        Path | None,
        tyro.conf.arg(help_behavior_hint="(default: the directory that holds them)"),
    ] = None,
) -> None:
    """Join the shards of a run into one, with its figures and summary.

    Shards that are missing, unfinished, of another run or there twice are refused by
    name. The shards are left as they are.

    Args:
      directories: The directory in which ``ibjax sweep --shard`` wrote all shards, or
        directories of runs of different networks.
      output: Directory to write to.
    """
    if not directories:
        raise ValueError("DIR must be one directory of shards or more, got none")
    console = plain_console()
    with drawing_beside() as drawing:
        dataset = merge_directories(directories)
        found = shard_directories(directories)
        output = _output(found) if output is None else output
        seeds = dataset.sizes["seed"]
        console.print(f"{len(found)} runs of {seeds} networks in all; output: {output}")
        _save(dataset, merge_cells(directories), output)
        with reserved(output):
            write_report(dataset, output, console, drawing)


def _output(found: Sequence[Path]) -> Path:
    """The directory that holds the shards."""
    parents = {path.parent for path in found}
    if len(parents) > 1:
        raise ValueError(
            "output must be given for runs in different directories, got none"
        )
    return parents.pop()


def _save(dataset: xr.Dataset, cells: dict[str, xr.Dataset], output: Path) -> None:
    """Save a merged run, unless it is there already."""
    with reserved(output) as own:
        configuration = json.loads(dataset.attrs["configuration"])
        earlier = find_earlier(own, configuration, True, cells=cells)
        if isinstance(earlier, Checkpoint):
            raise ResultsError(
                f"{output} holds an unfinished run of this configuration; choose "
                "another directory"
            )
        if earlier is not None and not earlier.equals(dataset):
            raise ResultsError(
                f"{output} holds other results of this configuration; choose another "
                "directory"
            )
        for name, cell in cells.items():
            with reserved(output / name) as place:
                save_finished(place, cell)
        if earlier is None:
            save_finished(own, dataset)
