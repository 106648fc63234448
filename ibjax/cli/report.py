"""``ibjax report``: figures and summary of finished results."""

import contextlib
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import xarray as xr
from rich.console import Console

from ibjax import results
from ibjax.cli import process
from ibjax.cli.options import automatic
from ibjax.cli.progress import wrapped
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS
from ibjax.experiments.experiment import Experiment
from ibjax.numerics.calls import in_a_line
from ibjax.plots.files import FORMATS
from ibjax.plots.processes import Drawing, forked_drawing
from ibjax.plots.style import choose_estimator
from ibjax.report.paper import paper_figures
from ibjax.report.text import format_grid, format_summary
from ibjax.report.writing import ReportFigure, report
from ibjax.results.cells import cells_of
from ibjax.results.files import read_json
from ibjax.results.summary import has_information, summarize, summarize_grid

__all__ = [
    "PaperOptions",
    "drawing_beside",
    "experiment_that_ran",
    "write_paper",
    "write_report",
]


@dataclass(frozen=True)
class PaperOptions:
    """A paper's column, font and formats."""

    column: Annotated[
        float | None,
        automatic("Width of the figures, in inches.", "own"),
    ] = None
    font: Annotated[
        str | None,
        automatic(
            "Family of the fonts, such as serif, or the name of one.", "matplotlib's"
        ),
    ] = None
    format: Annotated[
        tuple[Literal[FORMATS], ...],
        automatic("Formats of the files; pgf needs a LaTeX.", "pdf"),
    ] = ()


@contextlib.contextmanager
def drawing_beside() -> Iterator[Drawing]:
    """Context of processes that will draw figures; for the beginning of a command.

    There are none in a program that calls the command after JAX or threads of its own
    have begun, since they may hold locks that a fork would never see released.
    """
    alone = process.is_alone() and not _jax_has_started()
    with forked_drawing(None if alone else 0) as drawing:
        yield drawing


def _jax_has_started() -> bool:
    config: Any = jax.config
    number = config.jax_num_cpu_devices
    try:
        # Only before it starts does JAX take another number.
        jax.config.update("jax_num_cpu_devices", number + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", number)
    return False


def write_paper(dataset: xr.Dataset, directory: Path, options: PaperOptions) -> None:
    """Write the figures of results for a paper, and say where."""
    found = paper_figures(
        dataset,
        directory,
        column=options.column,
        font=options.font,
        formats=options.format or ("pdf",),
    )
    print(f"{len(found)} files of figures in {directory}")


def write_report(
    dataset: xr.Dataset, directory: Path, console: Console, drawing: Drawing
) -> None:
    """Say what results show, and write a report into their directory.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.
      directory: Where to write.
      console: Where to say it.
      drawing: Processes that draw.
    """
    is_grid = bool(cells_of(dataset)[0][0])
    informed = has_information(dataset)
    others: list[str] = []
    if is_grid:
        summary = summarize_grid(dataset)
        text = format_grid(summary)
    else:
        summary, shown = summarize(dataset), None
        if informed:
            shown, _ = choose_estimator(dataset, None)
            others = [n for n in dataset["estimator"].values.tolist() if n != shown]
        text = format_summary(summary, estimator=shown)
    console.print(text)
    if others:
        more = f"More of {', '.join(others)}: in the report and in summary.json"
        console.print("\n".join(["", *textwrap.wrap(more, 80)]))
    # What comes next takes a while, and a pipe would hold the above back until the end.
    console.print("\ndrawing the figures and the report")
    console.file.flush()
    extra = _own_figures(dataset, console)
    page = report(dataset, directory, extra=extra, summary=summary, drawing=drawing)
    console.print(f"results: {directory / results.DATASET_FILE}\nreport:  {page}")


def _own_figures(dataset: xr.Dataset, console: Console) -> dict[str, ReportFigure]:
    """Figures of this preset alone, if they can be drawn of this sweep."""
    configuration = json.loads(dataset.attrs.get("configuration", "{}"))
    preset = configuration.get("command", "").removeprefix("ibjax sweep ")
    part = SWEEPS.get(preset)
    if part is None or part.figures is None:
        return {}
    try:
        figures = part.figures(dataset)
    # Options may have left out what they show, in more ways than can be foreseen, and
    # nothing else of the report needs them.
    except Exception as error:
        why = f"without the figures of {preset} alone: {in_a_line(error)}"
        console.print(wrapped(why))
        return {}
    stem = preset.replace("-", "_") + "_"
    return {
        name: ReportFigure(
            figure, name.removeprefix(stem).replace("_", " ").capitalize(), part.summary
        )
        for name, figure in figures.items()
    }


def experiment_that_ran(directory: Path) -> Experiment | None:
    """The experiment that is no sweep and whose datasets a directory holds, if any."""
    path = directory / "claims.json"
    if not path.exists() or not any(directory.rglob(results.DATASET_FILE)):
        return None
    content = read_json(path)
    words = content.get("command", "").split() if isinstance(content, dict) else []
    for before, name in zip(words, words[1:], strict=False):
        experiment = EXPERIMENTS.get(name) if before == "reproduce" else None
        if experiment is not None and experiment.run is not None:
            return experiment
    return None
