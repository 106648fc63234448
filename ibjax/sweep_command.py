"""The command's part for sweeps: runs of set-ups, and their reports."""

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import tyro
import xarray as xr
from rich.console import Console

from ibjax import plots, results
from ibjax.assembly import describe_devices
from ibjax.datasets.task import Task
from ibjax.grid import AnyCell, cells_of, sweep_grid
from ibjax.grid_summary import format_grid, place_text, summarize_grid
from ibjax.image_setups import image_task
from ibjax.presets import PRESETS, setup_cells
from ibjax.progress_bar import ProgressBar
from ibjax.summary import format_summary, summarize
from ibjax.sweep_options import ImageOptions, Options, RunOptions

__all__ = ["run_cells", "sweep", "use_all_cores", "write_report"]


def use_all_cores() -> None:
    """Make every core this process may run on a device, to shard seeds over.

    It has to run before JAX starts, and leaves a number that was chosen alone.
    """
    if jax.config.jax_num_cpu_devices >= 1:
        return
    if hasattr(os, "sched_getaffinity"):
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    jax.config.update("jax_num_cpu_devices", num_cores)


def sweep(setup: tyro.conf.OmitArgPrefixes[Options]) -> None:
    """Train many networks and put their layers on the information plane.

    An option that takes several values sweeps their combinations.

    Args:
      setup: A published experiment, whose options can be changed.
    """
    started = time.perf_counter()
    console = Console(highlight=False, soft_wrap=True)
    devices = _chosen_devices(setup.devices)
    scale, block = setup.scale, setup.block
    if block is None:
        block = PRESETS[setup.preset].block
    cells = setup_cells(
        setup,
        scale,
        task=_images(setup) if isinstance(setup, ImageOptions) else None,
        key=setup.key,
        block=block,
        devices=devices,
        description={"command": f"ibjax sweep {setup.preset}"},
    )
    console.print(_announcement(setup, cells, scale.seeds), markup=False)
    console.print(f"devices: {describe_devices(devices)}; output: {setup.output}")
    dataset = run_cells(
        cells,
        console,
        num_seeds=scale.seeds,
        key=setup.key,
        directory=setup.output,
        resume=setup.resume,
        block=block,
        devices=devices,
    )
    write_report(dataset, setup.output, console)
    console.print(f"{time.perf_counter() - started:.0f} s in all")


def run_cells(
    cells: Sequence[AnyCell], console: Console, *, key: int = 0, **options: Any
) -> xr.Dataset:
    """Sweep the cells of a grid, showing how far it is.

    Args:
      cells: The cells.
      console: Where to show it.
      key: Seed of all random numbers.
      **options: Of :func:`ibjax.grid.sweep_grid`.

    Returns:
      The grid's dataset.
    """
    with contextlib.ExitStack() as shown:
        bar, current = None, -1

        def show(number, progress):
            nonlocal bar, current
            if number != current:
                shown.close()
                place = place_text(cells[number].place)
                label = f"{number + 1} of {len(cells)}, {place}" if place else ""
                bar = shown.enter_context(ProgressBar(console, label))
                current = number
            bar.update(progress)

        return sweep_grid(jax.random.key(key), cells, on_progress=show, **options)


def write_report(dataset: xr.Dataset, directory: Path, console: Console) -> None:
    """Write a report into the results' directory, and say what it shows.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.
      directory: Where to write.
      console: Where to say it.
    """
    page = plots.report(dataset, directory)
    names = dataset["estimator"].values.tolist()
    shown, *others = sorted(names, key=lambda name: name != "binning")
    if cells_of(dataset)[0][0]:
        text = format_grid(summarize_grid(dataset), estimator=shown)
    else:
        text = format_summary(summarize(dataset), estimator=shown)
    if others:
        text += f"\n\n{', '.join(others)}: in the report and in summary.json"
    text += f"\nresults: {directory / results.DATASET_FILE}\nreport:  {page}"
    console.print(text, markup=False)


def _images(setup: ImageOptions) -> Task:
    return image_task(
        setup.data,
        num_train=setup.scale.images,
        directory=setup.data_dir,
        download=setup.download,
    )


def _announcement(setup: RunOptions, cells: Sequence[AnyCell], seeds: int) -> str:
    """What is about to happen."""
    snapshots = cells[0].snapshots
    kinds = {cell.network_text for cell in cells}
    networks = f"networks {cells[0].network_text}"
    if len(kinds) > 1:
        networks = f"networks of each of {len(kinds)} kinds"
    lines = [
        f"ibjax sweep {setup.preset}: {seeds} {networks}, {snapshots[-1]} epochs, "
        f"measured at {len(snapshots)} of them"
    ]
    if isinstance(setup, ImageOptions):
        task = cells[0].task
        num_train = task.num_samples - task.num_measured
        lines.append(
            f"{task.name}: {num_train} images to train on, {task.num_measured} to "
            "measure on"
        )
    if setup.axes:
        swept = [
            f"{axis} {', '.join(map(str, values))}"
            for axis, values in setup.axes.items()
        ]
        lines.append(f"{len(cells)} cells: {'; '.join(swept)}")
    lines.append(f"estimators: {'; '.join(setup.estimator_texts())}")
    return "\n".join(lines)


def _chosen_devices(number: int | None) -> list[jax.Device]:
    devices = jax.devices()
    if number is None:
        return devices
    if not 1 <= number <= len(devices):
        raise ValueError(f"devices must lie in [1, {len(devices)}], got {number}")
    return devices[:number]
