"""``ibjax report``: figures and summary of finished results."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import jax
import xarray as xr
from rich.console import Console

from ibjax import results
from ibjax.cli import process
from ibjax.experiments.catalogue import EXPERIMENTS
from ibjax.experiments.deep_linear.figures import relevance
from ibjax.experiments.experiment import Experiment
from ibjax.plots.processes import Drawing, forked_drawing
from ibjax.report.text import format_grid, format_summary
from ibjax.report.writing import ReportFigure, report
from ibjax.results.cells import cells_of
from ibjax.results.files import read_json
from ibjax.results.summary import has_information, summarize, summarize_grid

__all__ = ["drawing_beside", "experiment_that_ran", "write_report"]


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
    number = jax.config.jax_num_cpu_devices
    try:
        # Only before it starts does JAX take another number.
        jax.config.update("jax_num_cpu_devices", number + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", number)
    return False


def write_report(
    dataset: xr.Dataset, directory: Path, console: Console, drawing: Drawing
) -> None:
    """Write a report into the results' directory, and say what it shows.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.
      directory: Where to write.
      console: Where to say it.
      drawing: Processes that draw.
    """
    console.print("drawing the figures and the report")
    console.file.flush()  # A pipe would hold it back until the end.
    extra = {}
    if "i_irrelevant" in dataset and not cells_of(dataset)[0][0]:
        extra["relevance"] = ReportFigure(
            relevance({"Students": dataset}),
            "Relevant and irrelevant inputs",
            "Information of the output on the inputs that the teacher looks at, on the "
            "others, and on all. Bands are 95 % intervals of the mean over seeds.",
        )
    informed = has_information(dataset)
    experiment = _experiment(dataset)
    if not informed and experiment is not None and experiment.figures is not None:
        # Those of all sweeps are of information.
        for name, figure in experiment.figures(dataset).items():
            title = name.replace("_", " ").capitalize()
            extra[name] = ReportFigure(figure, title, experiment.summary)
    page = report(dataset, directory, extra=extra, drawing=drawing)
    shown, others = None, []
    if informed:
        names = dataset["estimator"].values.tolist()
        shown, *others = sorted(names, key=lambda name: name != "binning")
    if cells_of(dataset)[0][0]:
        text = format_grid(summarize_grid(dataset), estimator=shown)
    else:
        text = format_summary(summarize(dataset), estimator=shown)
    if others:
        text += f"\n\n{', '.join(others)}: in the report and in summary.json"
    text += f"\nresults: {directory / results.DATASET_FILE}\nreport:  {page}"
    console.print(text)


def _experiment(dataset: xr.Dataset) -> Experiment | None:
    """The experiment of one grid whose sweep a dataset is, if it is of one."""
    configuration = json.loads(dataset.attrs.get("configuration", "{}"))
    command = configuration.get("command", "")
    return EXPERIMENTS.get(command.removeprefix("ibjax sweep "))


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
