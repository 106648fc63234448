"""``ibjax report``: figures and summary of finished results."""

from pathlib import Path

import xarray as xr
from rich.console import Console

from ibjax import results
from ibjax.report.text import format_grid, format_summary
from ibjax.report.writing import report
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
    page = report(dataset, directory)
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
