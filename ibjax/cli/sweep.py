"""The command's part for sweeps: runs of set-ups, and their reports."""

import time
from collections.abc import Sequence

import jax
import tyro
from rich.console import Console

from ibjax.cli.options import ImageOptions, Options, RunOptions
from ibjax.cli.progress import run_cells
from ibjax.cli.report import write_report
from ibjax.datasets.images import image_task
from ibjax.datasets.task import Task
from ibjax.experiments.catalogue import PRESETS, setup_cells
from ibjax.results.provenance import describe_devices
from ibjax.sweeps.grid import AnyCell

__all__ = ["sweep"]


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
