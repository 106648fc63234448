"""The command's part for sweeps: set-ups with their options, runs and reports."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

import jax
import tyro
import xarray as xr
from rich.console import Console

from ibjax import plots, results
from ibjax.assembly import describe_devices
from ibjax.grid import Cell, cells_of, sweep_grid
from ibjax.grid_summary import format_grid, place_text, summarize_grid
from ibjax.progress_bar import ProgressBar
from ibjax.setups import PRESETS, SztSetup, szt_cells
from ibjax.summary import format_summary, summarize
from ibjax.sweep import snapshot_epochs

__all__ = ["SweepOptions", "run_cells", "sweep", "write_report"]


def _automatic(text: str, default: str = "automatic"):
    return tyro.conf.arg(help=text, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class SweepOptions(SztSetup):
    """A set-up, its size, and how to run it."""

    seeds: Annotated[
        int | None, _automatic("Networks of every cell.", "the set-up's")
    ] = None
    epochs: Annotated[
        int | None, _automatic("Passes over the training rows.", "the set-up's")
    ] = None
    snapshots: Annotated[
        int | None,
        _automatic(
            "Epochs at which to measure, log-spaced; the first is the network before "
            "any step.",
            "the set-up's",
        ),
    ] = None
    block: Annotated[int | None, _automatic("Networks trained together.")] = None
    devices: Annotated[int | None, _automatic("Devices to use.", "all")] = None
    key: int = 0
    """Seed of all random numbers."""
    output: Path = Path("ibjax-szt")
    """Directory for everything that is written."""
    resume: bool = False
    """Go on with an unfinished run of the same options in the output directory."""
    quick: bool = False
    """A smaller run that still shows the effect."""
    preset: tyro.conf.Suppress[str] = "szt"


def _subcommand(name: str):
    preset = PRESETS[name]
    chosen = {
        field.name: getattr(preset.setup, field.name)
        for field in dataclasses.fields(SztSetup)
    }
    options = SweepOptions(**chosen, output=Path(f"ibjax-{name}"), preset=name)
    full, quick = preset.full, preset.quick
    description = (
        f"{preset.summary} {full.seeds} networks, {full.epochs:,} epochs, "
        f"{full.snapshots} snapshots; with --quick {quick.seeds}, {quick.epochs:,} and "
        f"{quick.snapshots}."
    )
    return Annotated[
        SweepOptions,
        tyro.conf.subcommand(name, default=options, description=description),
    ]


_Options = Union[tuple(_subcommand(name) for name in PRESETS)]  # noqa: UP007


def sweep(setup: tyro.conf.OmitArgPrefixes[_Options]) -> None:
    """Train many networks and put their layers on the information plane.

    An option that takes several values sweeps their combinations.

    Args:
      setup: A published experiment, whose options can be changed.
    """
    started = time.perf_counter()
    console = Console(highlight=False, soft_wrap=True)
    seeds, epochs, num_snapshots = (
        _size(setup, name) for name in ("seeds", "epochs", "snapshots")
    )
    devices = _chosen_devices(setup.devices)
    cells = szt_cells(
        setup,
        num_seeds=seeds,
        snapshots=snapshot_epochs(epochs, num_snapshots),
        key=setup.key,
        block=setup.block,
        devices=devices,
        description={"command": f"ibjax sweep {setup.preset}"},
    )
    console.print(_announcement(setup, cells, seeds), markup=False)
    console.print(f"devices: {describe_devices(devices)}; output: {setup.output}")
    dataset = run_cells(
        cells,
        console,
        num_seeds=seeds,
        key=setup.key,
        directory=setup.output,
        resume=setup.resume,
        block=setup.block,
        devices=devices,
    )
    write_report(dataset, setup.output, console)
    console.print(f"{time.perf_counter() - started:.0f} s in all")


def run_cells(
    cells: Sequence[Cell], console: Console, *, key: int = 0, **options: Any
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


def _announcement(setup: SweepOptions, cells: Sequence[Cell], seeds: int) -> str:
    """What is about to happen."""
    snapshots = cells[0].snapshots
    names = list(dict.fromkeys(cell.network.description for cell in cells))
    networks = f"networks {_network_text(cells[0])}"
    if len(names) > 1:
        networks = f"networks of each of {len(names)} kinds"
    lines = [
        f"ibjax sweep {setup.preset}: {seeds} {networks}, {snapshots[-1]} epochs, "
        f"measured at {len(snapshots)} of them"
    ]
    if setup.axes:
        swept = [
            f"{axis} {', '.join(map(str, values))}"
            for axis, values in setup.axes.items()
        ]
        lines.append(f"{len(cells)} cells: {'; '.join(swept)}")
    lines.append(f"estimators: {'; '.join(_estimator_texts(setup))}")
    return "\n".join(lines)


def _estimator_texts(setup: SweepOptions) -> list[str]:
    variances = ", ".join(f"{variance:g}" for variance in setup.noise_variance)
    texts = {
        "binning": f"{setup.num_bins} bin edges from -1 to 1",
        "bin-width": f"bins of width {setup.bin_width:g}",
        "data-range": "bins over the range of the run's activities",
        "kde": f"KDE bounds, noise variance {variances}",
        "knn": f"nearest neighbours, noise variance {variances}",
    }
    return [texts[name] for name in setup.estimators]


def _network_text(cell: Cell) -> str:
    inputs, classes = cell.task.num_inputs, cell.task.num_classes
    widths = [inputs, *cell.description["hidden"], classes]
    return f"{'-'.join(map(str, widths))} ({cell.description['activation']})"


def _size(setup: SweepOptions, name: str) -> int:
    """An option whose default is the preset's."""
    given = getattr(setup, name)
    preset = PRESETS[setup.preset]
    scale = preset.quick if setup.quick else preset.full
    return given if given is not None else getattr(scale, name)


def _chosen_devices(number: int | None) -> list[jax.Device]:
    devices = jax.devices()
    if number is None:
        return devices
    if not 1 <= number <= len(devices):
        raise ValueError(f"devices must lie in [1, {len(devices)}], got {number}")
    return devices[:number]
