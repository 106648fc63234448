"""Figures of a dataset for a paper: as wide as a column, in its font and formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import xarray as xr

from ibjax.plots.files import encode_figure, write_figure
from ibjax.plots.panels import column_width
from ibjax.report.writing import standard_figures

__all__ = ["paper_figures"]

_LEAST_COLUMN, _MOST_COLUMN = 2.5, 20.0


def paper_figures(
    dataset: xr.Dataset,
    directory: str | os.PathLike[str],
    *,
    column: float | None = None,
    font: str | None = None,
    formats: Sequence[str] = ("pdf",),
    estimator: str | None = None,
) -> list[Path]:
    """Writes all figures of a dataset for a paper.

    Fonts have 6 to 8 pt at the width asked for, so that nothing need be scaled.

    Args:
      dataset: Dataset of a sweep, or of a grid of sweeps.
      directory: Where to write; made if missing.
      column: Width of a figure, in inches; each has its own by default, up to 7.
      font: Family of the fonts, as ``"serif"``, or a name; matplotlib's by default.
      formats: Formats, of :data:`ibjax.plots.files.FORMATS`; PNG is always written.
      estimator: Estimator of the figures that show one; ``binning``, or the first, by
        default.

    Returns:
      Paths of the files.

    Raises:
      ValueError: If the column is narrower than 2.5 inches or a format is unknown, or
        is pgf and there is no LaTeX.

    Example:
      >>> import tempfile
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=2, num_epochs=4).isel(layer=[5])
      >>> dataset = dataset[["train_loss", "test_loss"]]
      >>> with tempfile.TemporaryDirectory() as place:
      ...     found = paper_figures(dataset, place, column=3.3, formats=("svg",))
      ...     print(sorted(path.name for path in found))
      ['training_curves.png', 'training_curves.svg']
    """
    directory = Path(directory)
    if column is not None and not _LEAST_COLUMN <= column <= _MOST_COLUMN:
        raise ValueError(
            f"column must lie in [{_LEAST_COLUMN}, {_MOST_COLUMN}] inches, got {column}"
        )
    found = []
    family = {} if font is None else {"font.family": font}
    if font == "serif":
        family["mathtext.fontset"] = "dejavuserif"
    with matplotlib.rc_context(family), column_width(column):
        for name, drawn in standard_figures(dataset, estimator).items():
            files = encode_figure(drawn.figure, pdf=False, formats=formats)
            write_figure(files, directory / name)
            found += [directory / f"{name}{suffix}" for suffix in files]
    return found
