"""Gradients of a sweep: the norms of their mean and deviation, and the ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, headline, in_a_row, legend, panels
from ibjax.plots.style import (
    coordinate,
    epoch_axis,
    layer_colors,
    layer_names,
    mark_single,
    num_seeds_of,
    paper_style,
    pick,
)
from ibjax.results.statistics import majority_quantiles, turning_epochs

__all__ = ["gradients"]

# What the panels show, after the variables' common name.
_PANELS = {
    "mean": "norm of the mean gradient",
    "std": "norm of its standard deviation",
    "snr": "SNR, mean over deviation",
}
_COLUMNS = 3  # Of the legend of layers.


def gradients(
    dataset: xr.Dataset,
    *,
    normalized: bool = False,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Norms of the mean and the standard deviation of the gradient, and their ratio.

    One panel for each, with a line per layer: the norm over the layer's weights of the
    gradient's mean over minibatches, that of its standard deviation, and their ratio,
    the signal-to-noise ratio (SNR), with a line at one. Norms share their limits. Lines
    are medians over seeds and bands quartiles, because gradients span decades. A dot at
    one, and the number in the legend, is the median epoch at which the layer's SNR
    falls below one for good (:func:`ibjax.results.statistics.turning_epochs`), where
    half the seeds or more do so.

    Args:
      dataset: Dataset of a sweep.
      normalized: Whether to divide both norms by the norm of the weights.
      ax: Three axes to draw in; those of a new figure by default.

    Returns:
      Figure, 7 inches wide, or that of ``ax``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = gradients(example_dataset())
      >>> [axes.get_title() for axes in figure.axes][:2]
      ['norm of the mean gradient', 'norm of its standard deviation']
    """
    checks.flag("normalized", normalized)
    epochs = coordinate(dataset, "epoch")
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    with paper_style():
        columns = 3 if in_a_row(3) == 3 else 1
        num_rows = -(-len(names) // _COLUMNS)
        height = 2.2 if columns == 3 else 5.0
        size = figure_width(7.0), height + 0.2 + 0.17 * num_rows
        figure, found = panels(ax, 3 // columns, columns, size)
        for axes, (name, title) in zip(found, _PANELS.items(), strict=True):
            is_norm = name != "snr"
            suffix = "_normalized" if normalized and is_norm else ""
            values = pick(dataset, f"gradient_{name}{suffix}", "seed", "epoch", "layer")
            for layer, color in enumerate(colors):
                _quartiles(axes, epochs, values[:, :, layer], color)
            # Changes since an epoch have no logarithm where all of them are falls.
            axes.set_yscale("log" if (values > 0).any() else "linear")
            over = "over that of the weights" if normalized and is_norm else ""
            axes.set_title(f"{title}\n{over}" if over else title)
            epoch_axis(axes, epochs, label=columns == 3 or not is_norm)
        if found[0].get_yscale() == found[1].get_yscale():
            _share_limits(found[:2])
        ratio = found[2]
        ratio.axhline(1.0, color="0.5", linewidth=0.6)
        handles, texts = [], []
        for layer, (name, color) in enumerate(zip(names, colors, strict=True)):
            epoch = _turning_epoch(epochs, values[:, :, layer])
            handles.append(Line2D([], [], color=color))
            if np.isnan(epoch):
                texts.append(name)
                continue
            texts.append(f"{name} ({round(epoch)})")
            dot = {"markersize": 4.5, "mec": "white", "clip_on": False, "zorder": 3}
            ratio.plot(epoch, 1.0, "o", color=color, **dot)
        low, high = ratio.get_ylim()
        # Powers of ten alone are too few there, and all their parts many.
        if ratio.get_yscale() == "log" and high < 100 * low:
            ratio.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            ratio.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            ratio.yaxis.set_minor_formatter(NullFormatter())
        legend(
            figure,
            ratio,
            handles,
            texts,
            is_new=ax is None,
            place="outside lower center",
            title="layer (dot: epoch from which its SNR stays below 1)",
            ncols=_COLUMNS,
        )
        num_seeds = num_seeds_of(dataset)
        seeds = f"; median and quartiles of {num_seeds} seeds" if num_seeds > 1 else ""
        headline(figure, f"Minibatch gradient{seeds}", is_new=ax is None)
    return figure


def _quartiles(axes: Axes, epochs: np.ndarray, values: np.ndarray, color: str) -> None:
    """Median and quartiles of ``values``, ``[num_seeds, num_epochs]``."""
    # Epochs at which no seed has a value would leave a warning and a gap.
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return
    low, median, high = _nanquantile(values[:, known], (0.25, 0.5, 0.75))
    mark_single(axes.plot(epochs[known], median, color=color))
    axes.fill_between(epochs[known], low, high, color=color, alpha=0.15, linewidth=0)


def _nanquantile(values: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles over seeds without NaN, shape ``[num_probabilities, num_epochs]``."""
    # ``np.nanquantile`` takes one column after another, for the sake of the NaN.
    complete = np.isfinite(values).all(axis=0)
    found = np.empty((len(probabilities), values.shape[1]))
    found[:, complete] = np.quantile(values[:, complete], probabilities, axis=0)
    found[:, ~complete] = np.nanquantile(values[:, ~complete], probabilities, axis=0)
    return found


def _turning_epoch(epochs: np.ndarray, ratio: np.ndarray) -> float:
    """Median epoch at which the ratio falls below one for good, or NaN."""
    known = np.isfinite(ratio).any(axis=1)
    (epoch,) = majority_quantiles(turning_epochs(epochs, ratio[known]), [0.5])
    return float(epoch)


def _share_limits(panels: list[Axes]) -> None:
    limits = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
