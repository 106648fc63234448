"""What the scripts share: options, runs of presets, and what they leave behind."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure
from rich.console import Console

from ibjax import claims, results
from ibjax.cli.progress import run_cells
from ibjax.compilation import use_all_cores
from ibjax.datasets import Task
from ibjax.experiments.catalogue import PRESETS, Setup, setup_cells
from ibjax.experiments.experiment import Scale
from ibjax.plots.files import save_figure
from ibjax.sweeps.grid import AnyCell

__all__ = [
    "options",
    "preset_dataset",
    "read",
    "sweep_cells",
    "write",
]


def options(
    description: str, output: str, *, epochs: bool = True
) -> argparse.ArgumentParser:
    """Options that all scripts have.

    Args:
      description: The script's own text.
      output: Default of the directory to write to.
      epochs: Whether their number can be chosen.

    Returns:
      The parser, to which a script adds its own.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument("--seeds", type=int, help="networks")
    if epochs:
        parser.add_argument("--epochs", type=int, help="epochs")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the sweeps in the output"
    )
    parser.add_argument(
        "--output", type=Path, default=Path(output), help="directory to write to"
    )
    parser.add_argument(
        "--from",
        dest="results",
        type=Path,
        metavar="DIR",
        help="use the finished sweeps in this directory instead of training",
    )
    return parser


def preset_dataset(
    name: str,
    args: argparse.Namespace,
    *,
    setup: Setup | None = None,
    task: Callable[[Scale], Task] | None = None,
    also: Iterable[int] = (),
    directory: str | None = None,
) -> xr.Dataset:
    """The dataset of a preset: from ``--from``, or trained.

    Args:
      name: Name of the preset.
      args: Parsed options.
      setup: A set-up in place of the preset's.
      task: For a set-up on images: makes the task of a size.
      also: Epochs to measure at besides those spread over the logarithm.
      directory: Name of the sweeps' directory in the output, that of the preset by
        default.

    Returns:
      The dataset.
    """
    directory = directory or name
    if args.results is not None:
        return read(args.results, directory)
    preset = PRESETS[name]
    scale = (preset.quick if args.quick else preset.full).chosen(args)
    use_all_cores()
    cells = setup_cells(
        setup or preset.setup,
        scale,
        task=None if task is None else task(scale),
        also=also,
        block=preset.block,
    )
    return sweep_cells(
        cells,
        args.output / directory,
        scale.seeds,
        resume=args.resume,
        block=preset.block,
    )


def read(directory: Path, name: str) -> xr.Dataset:
    """Finished sweeps: ``name`` in the directory, or the directory itself."""
    inner = directory / name
    try:
        return results.open_dataset(inner if inner.is_dir() else directory)
    except results.ResultsError as error:
        raise SystemExit(f"error: {error}") from error


def sweep_cells(
    cells: Sequence[AnyCell],
    directory: Path,
    num_seeds: int,
    *,
    resume: bool,
    block: int | None = None,
) -> xr.Dataset:
    """Run a grid with its progress shown on the standard error.

    Args:
      cells: The cells.
      directory: Where to save.
      num_seeds: Networks of every cell.
      resume: Whether to go on with an unfinished run.
      block: Networks trained together; 1 for large ones, which fill a device.

    Returns:
      The dataset.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        return run_cells(
            cells,
            console,
            num_seeds=num_seeds,
            directory=directory,
            resume=resume,
            block=block,
        )
    except (results.ResultsError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error


def write(
    output: Path,
    found: Sequence[claims.Claim],
    figures: dict[str, Figure],
    *,
    title: str,
    datasets: Sequence[xr.Dataset],
) -> None:
    """Write figures and claims, and print the table.

    Args:
      output: Directory to write to.
      found: The claims.
      figures: Figures by name.
      title: What the claims are about.
      datasets: What they were made from.
    """
    for name, figure in figures.items():
        save_figure(figure, output / name)
    table = claims.write_claims(
        output,
        found,
        title=title,
        command=shlex.join(["python", *sys.argv]),
        conditions=[claims.conditions(dataset) for dataset in datasets],
    )
    print(table)
    print(f"Written to {output}", file=sys.stderr)
