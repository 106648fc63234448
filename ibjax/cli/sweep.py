"""The command ``ibjax sweep``: a grid of sweeps of an experiment, and its report."""

import math
import time
from collections.abc import Sequence
from functools import partial

import jax
import tyro

from ibjax.cli.options import Options, SweepOptions, check_key
from ibjax.cli.progress import GridBar, plain_console
from ibjax.cli.report import drawing_beside, write_report
from ibjax.datasets.task import Task
from ibjax.experiments.catalogue import SWEEPS
from ibjax.numerics import checks
from ibjax.plots.processes import Drawing
from ibjax.results.directory import reserved
from ibjax.results.provenance import describe_devices
from ibjax.sweeps.grid import Cell, sweep_grid

__all__ = ["sweep"]

_CLASSES_NAMED = 6


def sweep(options: tyro.conf.OmitArgPrefixes[SweepOptions]) -> None:
    """Train many networks and put their layers on the information plane.

    An option that takes several values sweeps their combinations.

    Args:
      options: A published experiment, whose options can be changed.
    """
    with drawing_beside() as drawing:
        _sweep(options, drawing)


def _sweep(options: SweepOptions, drawing: Drawing) -> None:
    started = time.perf_counter()
    console = plain_console()
    check_key(options.run.key)
    part = SWEEPS[options.name]._replace(setup=options.setup)
    scale = part.quick if options.quick else part.full
    scale = scale.chosen(vars(options.size) | vars(options.images))
    run = {
        "block": part.block if options.run.block is None else options.run.block,
        "devices": _chosen_devices(options.run.devices),
    }
    has_task = part.setup.needs_images or part.setup.needs_table
    task = options.images.task(scale.images) if has_task else None
    cells = part.cells(
        scale,
        task=task,
        random_seed=options.run.key,
        description={"command": f"ibjax sweep {options.name}"},
        **run,
    )
    console.print(_announcement(options, cells, scale.seeds))
    devices = describe_devices(run["devices"])
    console.print(f"devices: {devices}; output: {options.output}")
    with GridBar(console) as bar:
        dataset = sweep_grid(
            jax.random.key(options.run.key),
            cells,
            num_seeds=scale.seeds,
            directory=options.output,
            resume=options.resume,
            on_progress=partial(bar.update, "", cells),
            **run,
        )
    with reserved(options.output):
        write_report(dataset, options.output, console, drawing)
    console.print(f"{time.perf_counter() - started:.0f} s in all")


def _announcement(options: Options, cells: Sequence[Cell], seeds: int) -> str:
    """Networks, axes and estimators of what is about to run."""
    snapshots = cells[0].snapshots
    kinds = {cell.network_text for cell in cells}
    networks = f"networks {cells[0].network_text}"
    if len(kinds) > 1:
        networks = f"networks of each of {len(kinds)} kinds"
    lines = [
        f"ibjax sweep {options.name}: {seeds} {networks}, {snapshots[-1]} epochs, "
        f"measured at {len(snapshots)} of them"
    ]
    if options.setup.needs_images:
        task = cells[0].task
        num_train = task.num_samples - task.num_measured
        lines.append(
            f"{task.name}: {num_train} images to train on, {task.num_measured} to "
            "measure on"
        )
    if options.setup.needs_table:
        lines.append(_table_text(cells[0].task, options.images.target))
    axes = options.setup.axes
    if axes:
        swept = [f"{axis} {', '.join(map(str, axes[axis]))}" for axis in axes]
        num_cells = math.prod(map(len, axes.values()))
        lines.append(f"{num_cells} cells: {'; '.join(swept)}")
    estimators = dict.fromkeys(text for cell in cells for text in _estimators(cell))
    if estimators:
        lines.append(f"estimators: {'; '.join(estimators)}")
    return "\n".join(lines)


def _table_text(task: Task, target: str) -> str:
    """Size of a table's task, and what its target was taken for."""
    kind = "a number"
    if task.kind != "vectors":
        names = task.class_names or tuple(map(str, range(task.num_classes)))
        shown = ", ".join(names[:_CLASSES_NAMED])
        more = ", ..." if len(names) > _CLASSES_NAMED else ""
        kind = f"one of {task.num_classes} classes ({shown}{more})"
    return (
        f"{task.name}: {task.num_samples} rows of {task.num_inputs} columns; {target} "
        f"is {kind}"
    )


def _estimators(cell: Cell) -> list[str]:
    """Estimators of a cell, in the words of its probes."""
    if cell.trainable is not None:
        return list(cell.trainable.estimators.values())
    probes = [cell.probes] if callable(cell.probes) else cell.probes
    return [text for probe in probes for text in getattr(probe, "labels", {}).values()]


def _chosen_devices(number: int | None) -> list[jax.Device]:
    devices = jax.devices()
    if number is None:
        return devices
    checks.in_range("devices", number, f"[1, {len(devices)}]")
    return devices[:number]
