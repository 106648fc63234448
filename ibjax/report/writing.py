"""Everything about one sweep in a directory, and in one page."""

from __future__ import annotations

import json
import os
from pathlib import Path

import xarray as xr

from ibjax.experiments.deep_linear.figures import relevance
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
from ibjax.report.grid_page import grid_page
from ibjax.report.html import PageFigure
from ibjax.report.player import player_fragment, player_page
from ibjax.report.sweep_page import report_page
from ibjax.results.files import write_atomically
from ibjax.results.summary import summarize, summarize_grid

__all__ = ["report"]

_BAND = "Bands are 95 % intervals of the mean over seeds."
_FIGURES = {
    "information_plane": (
        information_plane,
        "Information plane",
        "Mean over seeds, one path per layer, points coloured by epoch. Dotted: the "
        "ceilings log2 of the number of inputs and I(X;Y).",
    ),
    "snapshots": (
        snapshots,
        "Snapshots of the information plane",
        "Each point is a layer of one seed, at the recorded epochs nearest to 0, 400 "
        "and 9000.",
    ),
    "information_curves": (
        information_curves,
        "Information against the epoch",
        f"I(X;T) on the left, I(T;Y) on the right. {_BAND}",
    ),
    "estimator_comparison": (
        estimator_comparison,
        "Estimators compared",
        "I(X;T) by every estimator, mean over seeds. The KDE bounds hold under the "
        "KDE's noise; binned estimates need not lie between them.",
    ),
    "gradients": (
        gradients,
        "Gradients",
        "Norms of the mean and of the standard deviation of the minibatch gradient, "
        "and their ratio (SNR) with a line at one; medians and quartiles over seeds. "
        "Dotted: the median epoch at which the SNR falls below one for good.",
    ),
    "gradients_normalized": (
        lambda dataset: gradients(dataset, normalized=True),
        "Gradients over the norm of the weights",
        "As above, both norms divided by the norm of the layer's weights.",
    ),
    "optimality": (
        optimality,
        "Trained layers and the optimal curve",
        "Left: the best I(T;Y) that any representation of the same I(X;T) has, and the "
        "layers at the last epoch, seed by seed and in the mean. Right: how far each "
        "layer's encoder is from the closest optimal encoder of its own bins.",
    ),
    "training_curves": (
        training_curves,
        "Training",
        f"The loss, and accuracy where there is one. {_BAND}",
    ),
    "relevance": (
        lambda dataset: relevance({"Students": dataset}),
        "Relevant and irrelevant inputs",
        "Information of the output on the inputs that the teacher looks at, on the "
        f"others, and on all. {_BAND}",
    ),
}

# What a figure shows beyond the informations; without it, it is left out.
_NEEDS = {
    "gradients": "gradient_snr",
    "gradients_normalized": "gradient_mean_normalized",
    "optimality": "optimal_beta",
    "training_curves": "train_loss",
    "relevance": "i_irrelevant",
}


def report(
    dataset: xr.Dataset,
    directory: str | os.PathLike[str],
    *,
    estimator: str | None = None,
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
      pdf: Whether to write the figures as PDF too, for a paper.

    Returns:
      Path of ``report.html``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

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
    if "grid" in json.loads(dataset.attrs.get("configuration", "{}")):
        return _report_grid(dataset, directory, estimator=estimator, pdf=pdf)
    summary = summarize(dataset)
    data = player_data(dataset, estimator=estimator)
    figures = []
    for name, (draw, title, caption) in _FIGURES.items():
        if _NEEDS.get(name, "i_xt") not in dataset:
            continue
        takes_one = draw in (information_plane, snapshots, information_curves)
        figure = draw(dataset, estimator=estimator) if takes_one else draw(dataset)
        png = save_figure(figure, directory / "figures" / name, pdf=pdf)
        figures.append(PageFigure(title, caption, png, figure.get_figwidth()))
    write_atomically(directory / "animation.html", player_page(data))
    animation_gif(dataset, directory / "animation.gif", estimator=estimator)
    _save_summary(summary, directory)
    page = report_page(
        summary, figures, player_fragment(data), attributes=dict(dataset.attrs)
    )
    return write_atomically(directory / "report.html", page)


def _report_grid(dataset, directory, *, estimator, pdf) -> Path:
    """A grid's figures, summary and page."""
    summary = summarize_grid(dataset)
    estimator, label = choose_estimator(dataset, estimator)
    planes = grid_planes(dataset, estimator=estimator)
    compression = grid_compression(dataset)
    figures = []
    for name, title, caption, figure in (
        (
            "planes",
            "Information planes",
            f"{label}. Mean over seeds, one path per layer, points coloured by epoch.",
            planes,
        ),
        (
            "compression",
            "Compression",
            "The largest I(X;T) less the last, mean over seeds, by every estimator. "
            "Bold: by more than 0.1 bit with the whole 95 % interval.",
            compression,
        ),
    ):
        png = save_figure(figure, directory / "figures" / name, pdf=pdf)
        figures.append(PageFigure(title, caption, png, figure.get_figwidth()))
    _save_summary(summary, directory)
    page = grid_page(
        summary, figures, estimator=estimator, attributes=dict(dataset.attrs)
    )
    return write_atomically(directory / "report.html", page)


def _save_summary(summary, directory) -> None:
    content = json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / "summary.json", content + "\n")
