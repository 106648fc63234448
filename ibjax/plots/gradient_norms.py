"""Gradients of a sweep: the norms of their mean and deviation, and the ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, headline, in_a_row, legend, panels
from ibjax.plots.style import (
    coordinate,
    epoch_axis,
    format_epoch,
    layer_names,
    mark_single,
    note_size,
    num_seeds_of,
    paper_style,
    pick,
)
from ibjax.results.statistics import majority_quantiles, turning_epochs

__all__ = ["gradients"]

_BLUE, _VERMILLION = "#0072B2", "#D55E00"


def gradients(
    dataset: xr.Dataset,
    *,
    normalized: bool = False,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Norms of the mean and the standard deviation of the gradient, and their ratio.

    One pair of panels per layer: above, the norm over the layer's weights of the
    gradient's mean and standard deviation over minibatches; below, their ratio, the
    signal-to-noise ratio (SNR), with a line at one. Lines are medians over seeds
    and bands quartiles, because gradients span decades. A dotted line marks the
    median epoch at which the SNR falls below one for good
    (:func:`ibjax.results.statistics.turning_epochs`), where half the seeds or more do
    so.

    Args:
      dataset: Dataset of a sweep.
      normalized: Whether to divide both norms by the norm of the weights.
      ax: Axes to draw in, two for each layer, for the norms and their ratio; those of a
        new figure by default.

    Returns:
      Figure, up to 7 inches wide, three layers to a row, or that of ``ax``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = gradients(example_dataset())
      >>> [axes.get_ylabel() for axes in figure.axes[::3]]
      ['gradient norm', 'SNR', 'gradient norm', 'SNR']
    """
    checks.flag("normalized", normalized)
    epochs = coordinate(dataset, "epoch")
    suffix = "_normalized" if normalized else ""
    names = layer_names(dataset)
    dims = ("seed", "epoch", "layer")
    mean = pick(dataset, "gradient_mean" + suffix, *dims)
    std = pick(dataset, "gradient_std" + suffix, *dims)
    ratio = pick(dataset, "gradient_snr", *dims)
    with paper_style():
        num_columns = in_a_row(min(3, len(names)))
        num_rows = -(-len(names) // num_columns)
        width = figure_width(max(1.0 + 2.0 * num_columns, 3.4))
        figure, norms, ratios = _pairs(
            ax, len(names), num_rows, num_columns, (width, 0.3 + 2.5 * num_rows)
        )
        for index, (above, below) in enumerate(zip(norms, ratios, strict=True)):
            above.set_title(names[index])
            _quartiles(above, epochs, mean[:, :, index], _BLUE, label="mean")
            _quartiles(
                above,
                epochs,
                std[:, :, index],
                _VERMILLION,
                label="standard deviation",
                dash=True,
            )
            _quartiles(below, epochs, ratio[:, :, index], "black")
            below.axhline(1.0, color="0.5", linewidth=0.6)
            _mark_turning(below, epochs, ratio[:, :, index])
            first = index % num_columns == 0
            for axes, text in ((above, "gradient norm"), (below, "SNR")):
                axes.set_yscale("log")
                axes.set_ylabel(text if first else "")
                if not first:
                    axes.tick_params(labelleft=False)
            last_of_column = index + num_columns >= len(names)
            epoch_axis(below, epochs, label=last_of_column)
            above.tick_params(labelbottom=False)
            below.tick_params(labelbottom=True)
        # Norms and ratios have limits of their own, which ``sharey`` cannot say.
        _share_limits(norms)
        _share_limits(ratios)
        handles, texts = norms[0].get_legend_handles_labels()
        # A narrow figure has no room for the legend beside the title.
        place = "outside upper right" if num_columns == 3 else "outside lower center"
        legend(
            figure, norms[0], handles, texts, is_new=ax is None, place=place, ncols=2
        )
        over = " over the norm of the weights" if normalized else ""
        num_seeds = num_seeds_of(dataset)
        seeds = f"; median and quartiles of {num_seeds} seeds" if num_seeds > 1 else ""
        headline(figure, f"Minibatch gradient{over}{seeds}", is_new=ax is None)
    return figure


def _pairs(
    ax: Sequence[Axes] | None,
    count: int,
    rows: int,
    columns: int,
    size: tuple[float, float],
) -> tuple[Any, list[Axes], list[Axes]]:
    """The figure, and of every layer an upper and a lower panel."""
    if ax is not None:
        figure, found = panels(ax, 2 * count, 1, size)
        return figure, found[::2], found[1::2]
    ratios = {"sharex": True, "height_ratios": [3, 2] * rows}
    figure, found = panels(None, 2 * rows, columns, size, **ratios)
    in_rows = [found[n : n + columns] for n in range(0, len(found), columns)]
    above, below = (
        [axes for row in in_rows[part::2] for axes in row] for part in (0, 1)
    )
    for axes in (*above[count:], *below[count:]):
        axes.set_visible(False)
    return figure, above[:count], below[:count]


def _quartiles(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    color: str,
    *,
    label: str | None = None,
    dash: bool = False,
) -> None:
    """Median and quartiles of ``values``, ``[num_seeds, num_epochs]``."""
    # Epochs at which no seed has a value would leave a warning and a gap.
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return
    low, median, high = _nanquantile(values[:, known], (0.25, 0.5, 0.75))
    style = (0, (4, 1.5)) if dash else "-"
    mark_single(
        axes.plot(epochs[known], median, color=color, linestyle=style, label=label)
    )
    axes.fill_between(epochs[known], low, high, color=color, alpha=0.2, linewidth=0)


def _nanquantile(values: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles over seeds without NaN, shape ``[num_probabilities, num_epochs]``."""
    # ``np.nanquantile`` takes one column after another, for the sake of the NaN.
    complete = np.isfinite(values).all(axis=0)
    found = np.empty((len(probabilities), values.shape[1]))
    found[:, complete] = np.quantile(values[:, complete], probabilities, axis=0)
    found[:, ~complete] = np.nanquantile(values[:, ~complete], probabilities, axis=0)
    return found


def _mark_turning(axes: Axes, epochs: np.ndarray, ratio: np.ndarray) -> None:
    known = np.isfinite(ratio).any(axis=1)
    (epoch,) = majority_quantiles(turning_epochs(epochs, ratio[known]), [0.5])
    if np.isnan(epoch):
        return
    axes.axvline(epoch, color="0.3", linewidth=0.9, linestyle=(0, (1, 1.5)))
    # On a logarithmic axis the last 95 % of the epochs are the right end.
    right = epoch > 0.05 * epochs[-1]
    axes.annotate(
        format_epoch(round(epoch)),
        (epoch, 1.0),
        (-3 if right else 3, -2),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        fontsize=note_size(),
        color="0.3",
        ha="right" if right else "left",
        va="top",
    )


def _share_limits(panels: list[Axes]) -> None:
    limits = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
