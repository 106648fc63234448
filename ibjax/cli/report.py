"""``ibjax report``: figures and summary of finished results."""

from pathlib import Path

import xarray as xr
from rich.console import Console

from ibjax import results
from ibjax.experiments.deep_linear.figures import relevance
from ibjax.report.text import format_grid, format_summary
from ibjax.report.writing import ReportFigure, report
from ibjax.results.cells import cells_of
from ibjax.results.summary import summarize, summarize_grid

__all__ = ["write_report"]


def write_report(dataset: xr.Dataset, directory: Path, console: Console) -> None:
    """Write a report into the results' directory, and say what it shows.

    Args:
      dataset: Dataset of a sweep or of a grid of sweeps.
      directory: Where to write.
      console: Where to say it.
    """
    extra = {}
    if "i_irrelevant" in dataset and not cells_of(dataset)[0][0]:
        extra["relevance"] = ReportFigure(
            relevance({"Students": dataset}),
            "Relevant and irrelevant inputs",
            "Information of the output on the inputs that the teacher looks at, on the "
            "others, and on all. Bands are 95 % intervals of the mean over seeds.",
        )
    page = report(dataset, directory, extra=extra)
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
