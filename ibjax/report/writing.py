"""The report of a sweep or a grid: figures, animations, summary and one page."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from matplotlib.figure import Figure

from ibjax.plots.curves import (
    estimator_comparison,
    information_curves,
    training_curves,
)
from ibjax.plots.files import encode_figure, write_figure
from ibjax.plots.gradient_norms import gradients
from ibjax.plots.grid import grid_compression, grid_curves, grid_planes
from ibjax.plots.optimality import optimality
from ibjax.plots.plane import information_plane, snapshots
from ibjax.plots.processes import Drawing
from ibjax.plots.style import choose_estimator
from ibjax.report.animation import encode_gif
from ibjax.report.pages import PageFigure, animation_page, grid_page, sweep_page
from ibjax.report.player import player_data
from ibjax.report.verdict import plane_in_words
from ibjax.results.cells import cells_of, place_text
from ibjax.results.files import write_atomically
from ibjax.results.summary import has_information, summarize, summarize_grid

__all__ = ["ReportFigure", "report", "standard_figures"]


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
    """A figure of every report whose dataset holds the variable ``needs``.

    ``label`` in braces in the caption is that of the estimator.
    """

    draw: Callable[[xr.Dataset, str], Figure]
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
        "and their ratio (SNR) with a line at one, of every layer; medians and "
        "quartiles over seeds. Dots: the median epoch at which the SNR falls below one "
        "for good.",
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
# Figures whose numbers the text for those who cannot see them gives.
_IN_WORDS = {"information_plane", "information_curves", "snapshots"}
_GRID_FIGURES = {
    "planes": _Standard(
        lambda dataset, estimator: grid_planes(dataset, estimator=estimator),
        "Information planes",
        "{label}. Mean over seeds, one path per layer, points coloured by epoch.",
    ),
    "curves": _Standard(
        lambda dataset, estimator: grid_curves(dataset, estimator=estimator),
        "Information against the epoch",
        f"{{label}}. I(X;T) of every cell, a line per layer. {_BAND}",
    ),
    "compression": _Standard(
        lambda dataset, _: grid_compression(dataset),
        "Compression",
        "The largest I(X;T) less the last, mean over seeds, by every estimator. "
        "Bold: by more than 0.1 bit with the whole 95 % interval, which stands below.",
    ),
}


def report(
    dataset: xr.Dataset,
    directory: str | os.PathLike[str],
    *,
    estimator: str | None = None,
    extra: Mapping[str, ReportFigure] | None = None,
    pdf: bool = True,
    summary: dict[str, Any] | None = None,
    drawing: Drawing | None = None,
) -> Path:
    """Writes every figure, the animations, the summary and one page with all of it.

    The directory receives ``figures/*.png`` and ``figures/*.pdf``,
    ``animation.html``, ``animation.gif``, ``summary.json`` and ``report.html``,
    which embeds its figures and player and opens from the file system without a
    network. Files are replaced whole, the page last. Six seconds of one core for 50
    seeds and 100 snapshots, nearly all of them matplotlib's.

    Args:
      dataset: Dataset of a sweep, or of a grid of sweeps, of which the planes and the
        compression of all cells are drawn, without animations. Of a grid without any
        information it is the training of all cells, where ``extra`` has no figures.
      directory: Where to write; made if missing.
      estimator: Estimator of the figures that show one; ``binning``, or the first
        that fits, by default. A dataset without information is reported without those
        figures.
      extra: More figures by the name of their files, e.g. those of an experiment; they
        stand after the others.
      pdf: Whether to write the figures as PDF too, for a paper.
      summary: Summary of the dataset, where it is at hand: that of
        :func:`ibjax.results.summarize`, or of a grid ``summarize_grid``.
      drawing: Processes that draw beside this one, from
        :func:`ibjax.plots.processes.forked_drawing`; none by default.

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
    drawing = Drawing() if drawing is None else drawing
    extra = extra or {}
    is_grid = _is_grid(dataset)
    informed = has_information(dataset)
    # Before anything is drawn, since it may be an unknown one.
    estimator, label = _chosen(dataset, estimator)
    shown = _shown(dataset)
    if shared := shown.keys() & extra.keys():
        raise ValueError(f"extra must have new names, got {', '.join(sorted(shared))}")
    encode = functools.partial(encode_figure, pdf=pdf)
    drawn = {}
    # While this process makes a figure, others encode those before it.
    for name, (draw, title, caption, _) in shown.items():
        figure = draw(dataset, estimator)
        drawn[name] = ReportFigure(figure, title, caption.format(label=label))
        drawing.submit(encode, figure)
    if is_grid and not informed and not extra:
        drawn |= (of_cells := _training_of_cells(dataset))
        for figure, _, _ in of_cells.values():
            drawing.submit(encode, figure)
    for figure, _, _ in extra.values():
        drawing.submit(encode, figure)
    drawn |= extra
    if summary is None:
        summary = summarize_grid(dataset) if is_grid else summarize(dataset)
    player = None
    if informed:
        player = player_data(dataset, estimator=estimator, directory=directory)
        if not is_grid:
            # Without what it does not show, which can be large.
            drawing.submit(encode_gif, dataset[["i_xt", "i_ty"]], estimator)
    encoded = drawing.results()
    figures = []
    # Not strict: behind the figures comes the GIF of a sweep.
    for (name, shown), files in zip(drawn.items(), encoded, strict=False):
        write_figure(files, directory / "figures" / name)
        width = shown.figure.get_figwidth()
        alt = f"{shown.title}. {shown.caption}"
        if name in _IN_WORDS and not is_grid and estimator is not None:
            alt = f"{shown.title}. {plane_in_words(summary, estimator)}"
        figures.append(
            PageFigure(shown.title, shown.caption, files[".png"], width, alt)
        )
    attributes = dict(dataset.attrs)
    if is_grid:
        page = grid_page(
            summary, figures, player, estimator=estimator, attributes=attributes
        )
    else:
        if player is not None:
            write_atomically(
                directory / "animation.html", animation_page(player, summary)
            )
            write_atomically(directory / "animation.gif", encoded[-1])
        page = sweep_page(
            summary, figures, player, estimator=estimator, attributes=attributes
        )
    _save_summary(summary, directory)
    return write_atomically(directory / "report.html", page)


def standard_figures(
    dataset: xr.Dataset, estimator: str | None = None
) -> dict[str, ReportFigure]:
    """Figures of every report of a dataset, by the names of their files."""
    estimator, label = _chosen(dataset, estimator)
    found = {
        name: ReportFigure(draw(dataset, estimator), title, caption.format(label=label))
        for name, (draw, title, caption, _) in _shown(dataset).items()
    }
    if _is_grid(dataset) and not has_information(dataset):
        found |= _training_of_cells(dataset)
    return found


def _is_grid(dataset: xr.Dataset) -> bool:
    return "grid" in json.loads(dataset.attrs.get("configuration", "{}"))


def _chosen(dataset: xr.Dataset, estimator: str | None) -> tuple[Any, str]:
    """Name and label of the estimator of figures that show one."""
    if has_information(dataset) or estimator is not None:
        return choose_estimator(dataset, estimator)
    return None, ""


def _shown(dataset: xr.Dataset) -> dict[str, _Standard]:
    known = _GRID_FIGURES if _is_grid(dataset) else _FIGURES
    return {name: known[name] for name in known if known[name].needs in dataset}


def _training_of_cells(dataset: xr.Dataset) -> dict[str, ReportFigure]:
    """Losses of every cell of a grid, by the names of their files."""
    standard = _FIGURES["training_curves"]
    return {
        f"training_curves_{number}": ReportFigure(
            training_curves(cell),
            f"{standard.title}: {place_text(place)}",
            standard.caption,
        )
        for number, (place, cell) in enumerate(cells_of(dataset))
        if standard.needs in cell
    }


def _save_summary(summary: dict[str, Any], directory: Path) -> None:
    content = json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / "summary.json", content + "\n")
