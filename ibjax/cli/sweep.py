"""The command ``ibjax sweep``: a grid of sweeps of an experiment, and its report."""

import math
import shlex
import time
from collections.abc import Sequence
from functools import partial

import jax
import tyro

from ibjax.cli import process
from ibjax.cli.options import RunOptions, SweepOptions, check_key
from ibjax.cli.progress import GridBar, plain_console, wrapped
from ibjax.cli.report import drawing_beside, write_report
from ibjax.datasets.task import Task
from ibjax.experiments.catalogue import SWEEPS
from ibjax.experiments.setup import Setup
from ibjax.numerics import checks
from ibjax.plots.processes import Drawing
from ibjax.results.directory import reserved
from ibjax.results.files import DATASET_FILE
from ibjax.results.provenance import describe_devices
from ibjax.results.shards import Shard
from ibjax.sweeps import processes
from ibjax.sweeps.grid import Cell, sweep_grid

__all__ = ["sweep"]

_CLASSES_NAMED = 6
# For all processes of a job to be there: by default, and a day.
_JOIN_SECONDS = 300
_MOST_JOIN_SECONDS = 86_400


def sweep(options: tyro.conf.OmitArgPrefixes[SweepOptions]) -> None:
    """Train many networks and put their layers on the information plane.

    An option that takes several values sweeps their combinations.

    Args:
      options: A published experiment, whose options can be changed.
    """
    shard = None if options.run.shard is None else Shard.parse(options.run.shard)
    if shard is not None:
        # Its figures would be of some seeds only.
        _sweep(options, shard, None)
        return
    with drawing_beside() as drawing:
        _sweep(options, None, drawing)


def _sweep(options: SweepOptions, shard: Shard | None, drawing: Drawing | None) -> None:
    started = time.perf_counter()
    check_key(options.run.key)
    _join(options.run)
    # All processes do the same; the first one writes and tells.
    is_first = processes.is_first()
    console = plain_console(quiet=not is_first)
    output = options.output
    if shard is not None:
        output /= shard.directory_name
    part = SWEEPS[options.name].chosen(options.setup, options.quick)
    scale = part.quick if options.quick else part.full
    scale = scale.chosen(vars(options.size) | vars(options.images))
    devices = _chosen_devices(options.run.devices)
    block = options.run.block
    if block is None:
        block = part.block_on(devices[0].platform)
    run = {"block": block, "devices": devices}
    has_task = part.setup.needs_images or part.setup.needs_table
    task = options.images.task(scale) if has_task else None
    cells = part.cells(
        scale,
        task=task,
        random_seed=options.run.key,
        description={"command": f"ibjax sweep {options.name}"},
        **run,
    )
    target = options.images.target if part.setup.needs_table else None
    console.print(_announcement(options.name, part.setup, cells, scale.seeds, target))
    where = f"devices: {describe_devices(devices)}; output: {output}"
    console.print(wrapped(where))
    with GridBar(console) as bar:
        dataset = sweep_grid(
            jax.random.key(options.run.key),
            cells,
            num_seeds=scale.seeds,
            shard=options.run.shard,
            directory=output,
            resume=options.resume,
            on_progress=partial(bar.update, "", cells),
            **run,
        )
    if not is_first:
        return
    if drawing is not None:
        with reserved(output):
            write_report(dataset, output, console, drawing)
    else:
        first, last = dataset.seed.values[[0, -1]]
        console.print(
            f"shard {shard}: networks {first} to {last}\nresults: "
            f"{output / DATASET_FILE}\nibjax merge {shlex.quote(str(options.output))} "
            f"joins the shards when all {shard.count} are there"
        )
    console.print(f"{time.perf_counter() - started:.0f} s in all")


def _join(run: RunOptions) -> None:
    """Join the other processes of the job, if there are to be any."""
    place = {"num_processes": run.num_processes, "process": run.process_id}
    given = run.num_processes, run.process_id, run.join_seconds
    if run.distributed is not None:
        seconds = _JOIN_SECONDS if run.join_seconds is None else run.join_seconds
        checks.in_range("join-seconds", seconds, f"[1, {_MOST_JOIN_SECONDS}]")
        address = None if run.distributed == "auto" else run.distributed
        words = (
            f"ibjax: error: the other processes did not come in {seconds} s; the first "
            f"one is looked for at {address or 'the address that the cluster gives'}"
        )
        with process.ending_after(seconds, processes.EXIT_STATUS, words):
            processes.start(address, **place, timeout=2 * seconds)
    elif any(value is not None for value in given):
        raise ValueError(
            "--num-processes, --process-id and --join-seconds go with --distributed"
        )


def _announcement(
    name: str, setup: Setup, cells: Sequence[Cell], seeds: int, target: str | None
) -> str:
    """Networks, axes and estimators of what is about to run."""
    snapshots = cells[0].snapshots
    kinds = {cell.network_text for cell in cells}
    networks = f"networks {cells[0].network_text}"
    if len(kinds) > 1:
        networks = f"networks of each of {len(kinds)} kinds"
    lines = [
        f"ibjax sweep {name}: {seeds} {networks}, {snapshots[-1]} epochs, "
        f"measured at {len(snapshots)} of them"
    ]
    if setup.needs_images:
        task = cells[0].task
        num_train = task.num_samples - task.num_measured
        lines.append(
            f"{task.name}: {num_train} images to train on, {task.num_measured} to "
            "measure on"
        )
    if target is not None:
        lines.append(_table_text(cells[0].task, target))
    axes = setup.axes
    if axes:
        swept = [f"{axis} {', '.join(map(str, axes[axis]))}" for axis in axes]
        num_cells = math.prod(map(len, axes.values()))
        lines.append(f"{num_cells} cells: {'; '.join(swept)}")
    estimators = dict.fromkeys(text for cell in cells for text in _estimators(cell))
    if estimators:
        lines.append(f"estimators: {'; '.join(estimators)}")
    return "\n".join(map(wrapped, lines))


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
    """All devices, or as many of each process, the first ones."""
    devices = jax.devices()
    if number is None:
        return devices
    of_process: dict[int, list[jax.Device]] = {}
    for device in devices:
        of_process.setdefault(device.process_index, []).append(device)
    fewest = min(map(len, of_process.values()))
    checks.in_range("devices", number, f"[1, {fewest}]")
    return [device for own in of_process.values() for device in own[:number]]
