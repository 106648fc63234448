"""The report of a sweep or a grid: figures, animations, summary and one page."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from matplotlib.figure import Figure

from ibjax.plots.curves import (
    estimator_comparison,
    gradients,
    information_curves,
    training_curves,
)
from ibjax.plots.files import save_figure
from ibjax.plots.grid import grid_compression, grid_planes
from ibjax.plots.optimality import optimality
from ibjax.plots.plane import information_plane, snapshots
from ibjax.plots.style import choose_estimator
from ibjax.report.animation import animation_gif, player_data
from ibjax.report.pages import PageFigure, animation_page, grid_page, sweep_page
from ibjax.results.files import write_atomically
from ibjax.results.summary import summarize, summarize_grid

__all__ = ["ReportFigure", "report"]


class ReportFigure(NamedTuple):
    """A figure with the texts that a report shows around it.

    Attributes:
      figure: The figure.
      title: Heading above it.
      caption: Text below it.
    """

    figure: Figure
    title: str
    caption: str


class _Standard(NamedTuple):
    """A figure of every report whose dataset holds the variable ``needs``."""

    draw: Callable[[xr.Dataset, str | None], Figure]
    title: str
    caption: str
    needs: str = "i_xt"


_BAND = "Bands are 95 % intervals of the mean over seeds."
_FIGURES = {
    "information_plane": _Standard(
        lambda dataset, estimator: information_plane(dataset, estimator=estimator),
        "Information plane",
        "Mean over seeds, one path per layer, points coloured by epoch. Dotted: the "
        "ceilings log2 of the number of inputs and I(X;Y).",
    ),
    "snapshots": _Standard(
        lambda dataset, estimator: snapshots(dataset, estimator=estimator),
        "Snapshots of the information plane",
        "Each point is a layer of one seed, at the recorded epochs nearest to 0, 400 "
        "and 9000.",
    ),
    "information_curves": _Standard(
        lambda dataset, estimator: information_curves(dataset, estimator=estimator),
        "Information against the epoch",
        f"I(X;T) on the left, I(T;Y) on the right. {_BAND}",
    ),
    "estimator_comparison": _Standard(
        lambda dataset, _: estimator_comparison(dataset),
        "Estimators compared",
        "I(X;T) by every estimator, mean over seeds. The KDE bounds hold under the "
        "KDE's noise; binned estimates need not lie between them.",
    ),
    "gradients": _Standard(
        lambda dataset, _: gradients(dataset),
        "Gradients",
        "Norms of the mean and of the standard deviation of the minibatch gradient, "
        "and their ratio (SNR) with a line at one; medians and quartiles over seeds. "
        "Dotted: the median epoch at which the SNR falls below one for good.",
        "gradient_snr",
    ),
    "gradients_normalized": _Standard(
        lambda dataset, _: gradients(dataset, normalized=True),
        "Gradients over the norm of the weights",
        "As above, both norms divided by the norm of the layer's weights.",
        "gradient_mean_normalized",
    ),
    "optimality": _Standard(
        lambda dataset, _: optimality(dataset),
        "Trained layers and the optimal curve",
        "Left: the largest I(T;Y) of any representation with the same I(X;T), and the "
        "layers at the last epoch, seed by seed and in the mean. Right: the distance "
        "of each layer's encoder from the closest optimal encoder of its own bins.",
        "optimal_beta",
    ),
    "training_curves": _Standard(
        lambda dataset, _: training_curves(dataset),
        "Training",
        f"The loss, and accuracy where there is one. {_BAND}",
        "train_loss",
    ),
}


def report(
    dataset: xr.Dataset,
    directory: str | os.PathLike[str],
    *,
    estimator: str | None = None,
    extra: Mapping[str, ReportFigure] | None = None,
    pdf: bool = True,
) -> Path:
    """Writes every figure, the animations, the summary and one page with all of it.

    The directory receives ``figures/*.png`` and ``figures/*.pdf``,
    ``animation.html``, ``animation.gif``, ``summary.json`` and ``report.html``,
    which embeds its figures and player and opens from the file system without a
    network. Files are replaced whole, the page last. Half a minute for 50 seeds and
    100 snapshots, most of it matplotlib's.

    Args:
      dataset: Dataset of a sweep, or of a grid of sweeps, of which the planes and the
        compression of all cells are drawn, without animations.
      directory: Where to write; made if missing.
      estimator: Estimator of the figures that show one; ``binning``, or the first,
        by default.
      extra: More figures by the name of their files, e.g. those of an experiment; they
        stand after the others.
      pdf: Whether to write the figures as PDF too, for a paper.

    Returns:
      Path of ``report.html``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``, or ``extra`` has the name
        of another figure.

    Example:
      >>> import tempfile
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=2, num_epochs=4).isel(layer=[5])
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     page = report(dataset, directory, pdf=False)
      ...     print(page.name, len(list(Path(directory).glob("figures/*.png"))))
      report.html 7
    """
    directory = Path(directory)
    is_grid = "grid" in json.loads(dataset.attrs.get("configuration", "{}"))
    draw = _grid_figures if is_grid else _sweep_figures
    drawn = draw(dataset, estimator)
    if shared := drawn.keys() & (extra or {}).keys():
        raise ValueError(f"extra must have new names, got {', '.join(sorted(shared))}")
    figures = []
    for name, (figure, title, caption) in {**drawn, **(extra or {})}.items():
        png = save_figure(figure, directory / "figures" / name, pdf=pdf)
        figures.append(PageFigure(title, caption, png, figure.get_figwidth()))
    attributes = dict(dataset.attrs)
    if is_grid:
        summary = summarize_grid(dataset)
        estimator, _ = choose_estimator(dataset, estimator)
        page = grid_page(summary, figures, estimator=estimator, attributes=attributes)
    else:
        summary = summarize(dataset)
        player = player_data(dataset, estimator=estimator)
        write_atomically(directory / "animation.html", animation_page(player))
        animation_gif(dataset, directory / "animation.gif", estimator=estimator)
        page = sweep_page(summary, figures, player, attributes=attributes)
    _save_summary(summary, directory)
    return write_atomically(directory / "report.html", page)


def _sweep_figures(
    dataset: xr.Dataset, estimator: str | None
) -> dict[str, ReportFigure]:
    return {
        name: ReportFigure(figure.draw(dataset, estimator), *figure[1:3])
        for name, figure in _FIGURES.items()
        if figure.needs in dataset
    }


def _grid_figures(
    dataset: xr.Dataset, estimator: str | None
) -> dict[str, ReportFigure]:
    _, label = choose_estimator(dataset, estimator)
    return {
        "planes": ReportFigure(
            grid_planes(dataset, estimator=estimator),
            "Information planes",
            f"{label}. Mean over seeds, one path per layer, points coloured by epoch.",
        ),
        "compression": ReportFigure(
            grid_compression(dataset),
            "Compression",
            "The largest I(X;T) less the last, mean over seeds, by every estimator. "
            "Bold: by more than 0.1 bit with the whole 95 % interval.",
        ),
    }


def _save_summary(summary: dict[str, Any], directory: Path) -> None:
    content = json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / "summary.json", content + "\n")
