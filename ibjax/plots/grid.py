"""Figures of a grid of sweeps: its information planes, and its compression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, headline, in_a_row, legend, panels
from ibjax.plots.plane import (
    epoch_bar,
    number_ends,
    plane_axes,
    plane_limits,
    plane_paths,
)
from ibjax.plots.style import (
    choose_estimator,
    coordinate,
    epoch_axis,
    epoch_norm,
    from_zero,
    information_bits,
    layer_colors,
    mean_band,
    note_size,
    num_seeds_of,
    paper_style,
)
from ibjax.results.cells import cells_of, place_text
from ibjax.results.compression import compression_interval
from ibjax.results.statistics import COMPRESSION_THRESHOLD_BITS, mean_interval

__all__ = ["Limits", "grid_compression", "grid_curves", "grid_planes"]

Limits = Literal["whole", "paths", "own"]
"""Which part of the information plane panels show, see :func:`grid_planes`."""

_MAX_COLUMNS = 4
_LITTLE = 0.65  # Part of a panel that is so little that it has limits of its own.
_LEAST_CELL = 0.6  # Inches that an interval takes.
_MAX_ROWS = 12


def grid_planes(
    dataset: xr.Dataset,
    *,
    estimator: str | None = None,
    limits: Limits = "whole",
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Information planes of all cells, in bits, mean over seeds, one path per layer.

    The number of a layer stands at the end of its path.

    Args:
      dataset: Dataset of a grid of sweeps.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      limits: What panels show: the ``whole`` plane, from zero to the ceilings; the
        ``paths`` alone, of which a plane from its first snapshots on may be full; or
        the ``own`` part of each panel, where its paths stay far below log2 N. The
        first two are the same for all panels, so that they can be compared by eye.
      ax: Axes to draw in, one for each cell; those of a new figure by default.

    Returns:
      Figure with a panel per cell, up to four in a row, 7 inches wide for three or
      more; or that of ``ax``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``, or ``limits`` is none of
        these.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> [axes.get_title() for axes in grid_planes(example_grid()).axes[:2]]
      ['tanh', 'relu']
    """
    checks.one_of("limits", limits, get_args(Limits))
    estimator, label = choose_estimator(dataset, estimator)
    cells = cells_of(dataset)
    paths = []
    for _, cell in cells:
        i_xt, i_ty = (
            mean_interval(information_bits(cell, name, estimator)).mean
            for name in ("i_xt", "i_ty")
        )
        paths.append((cell["epoch"].values, i_xt, i_ty))
    num_layers = max(i_xt.shape[1] for _, i_xt, _ in paths)
    colors = layer_colors(num_layers)
    # One norm, and limits, so that cells can be compared by eye.
    norm = epoch_norm(dataset["epoch"].values)
    everything = [np.concatenate([p[n].ravel() for p in paths]) for n in (1, 2)]
    ends = plane_limits(dataset, *everything)
    num_columns = in_a_row(_num_columns(dataset, len(cells)))
    num_rows = -(-len(cells) // num_columns)
    with paper_style():
        width = 1.4 + 1.9 * num_columns if num_columns < 3 else 7.0
        width = figure_width(width)
        # Lower panels have no room for the numbers of layers.
        height = 0.9 + max(1.3, (width - 1.2) / num_columns * 0.85) * num_rows
        options = {"count": len(cells), "sharex": limits != "own", "sharey": True}
        figure, found = panels(ax, num_rows, num_columns, (width, height), **options)
        for number, ((place, cell), (epochs, i_xt, i_ty)) in enumerate(
            zip(cells, paths, strict=True)
        ):
            axes = found[number]
            right = _own_right(i_xt, ends[0]) if limits == "own" else ends[0]
            is_first = number % num_columns == 0
            plane_axes(axes, cell, (right, ends[1]), y_label=is_first)
            if limits == "paths":
                _leave_out_zero(axes, *everything)
            # Shared axes are labelled in the last row alone, which may be incomplete.
            if number + num_columns < len(cells):
                axes.set_xlabel("")
            else:
                axes.tick_params(labelbottom=True)
            axes.set_title(place_text(place))
            plane_paths(axes, i_xt, i_ty, epochs, colors[: i_xt.shape[1]], width=4.0)
            number_ends(axes, i_xt, i_ty, colors)
        epoch_bar(figure, found, norm)
        handles = [
            Line2D([], [], color=color, alpha=0.6, linewidth=4.0) for color in colors
        ]
        _legend_of_layers(figure, found[0], handles, is_new=ax is None)
        num_seeds = num_seeds_of(dataset)
        title = f"{label}; mean of {num_seeds} seeds" if num_seeds > 1 else label
        headline(figure, title, is_new=ax is None)
    return figure


def _own_right(i_xt: np.ndarray, right: float) -> float:
    """Right end of a panel: the others', unless its paths fill little of it."""
    own = 1.12 * max(float(np.nanmax(i_xt, initial=0.0)), 1e-3)
    return own if own < _LITTLE * right else right


def _leave_out_zero(axes: Axes, i_xt: np.ndarray, i_ty: np.ndarray) -> None:
    """Makes the axes begin below the least values of all paths, not at zero."""
    for values, (_, high), move in (
        (i_xt, axes.get_xlim(), axes.set_xlim),
        (i_ty, axes.get_ylim(), axes.set_ylim),
    ):
        least = float(np.nanmin(values, initial=high))
        # The numbers of layers stand above the ceiling.
        top = min(high, float(np.nanmax(values, initial=least)))
        space = max(top - least, 1e-3)
        move(least - 0.08 * space, top + 0.16 * space)


def grid_curves(
    dataset: xr.Dataset,
    *,
    estimator: str | None = None,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """I(X;T) against the epoch in all cells, in bits, one line per layer.

    Lines are means over seeds, bands the 95 % Student t interval of the mean.

    Args:
      dataset: Dataset of a grid of sweeps.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      ax: Axes to draw in, one for each cell; those of a new figure by default.

    Returns:
      Figure with a panel per cell, as of :func:`grid_planes`; or that of ``ax``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> [axes.get_title() for axes in grid_curves(example_grid()).axes[:2]]
      ['tanh', 'relu']
    """
    estimator, label = choose_estimator(dataset, estimator)
    cells = cells_of(dataset)
    curves = [information_bits(cell, "i_xt", estimator) for _, cell in cells]
    colors = layer_colors(max(bits.shape[2] for bits in curves))
    num_columns = in_a_row(_num_columns(dataset, len(cells)))
    num_rows = -(-len(cells) // num_columns)
    with paper_style():
        width = figure_width(1.4 + 1.9 * num_columns if num_columns < 3 else 7.0)
        height = 0.9 + (width - 0.6) / num_columns * 0.7 * num_rows
        shared = {"count": len(cells), "sharex": True, "sharey": True}
        figure, found = panels(ax, num_rows, num_columns, (width, height), **shared)
        for number, ((place, cell), bits) in enumerate(zip(cells, curves, strict=True)):
            axes, epochs = found[number], coordinate(cell, "epoch")
            for layer, color in enumerate(colors[: bits.shape[2]]):
                mean_band(axes, epochs, bits[:, :, layer], color=color)
            last_of_column = number + num_columns >= len(cells)
            epoch_axis(axes, epochs, label=last_of_column)
            axes.tick_params(labelbottom=last_of_column)
            axes.set_title(place_text(place))
            if number % num_columns == 0:
                axes.set_ylabel("$I(X;T)$ (bits)")
        from_zero(found)
        handles = [Line2D([], [], color=color) for color in colors]
        _legend_of_layers(figure, found[0], handles, is_new=ax is None)
        num_seeds = num_seeds_of(dataset)
        title = f"{label}; mean of {num_seeds} seeds" if num_seeds > 1 else label
        headline(figure, title, is_new=ax is None)
    return figure


def _legend_of_layers(figure, axes, handles, *, is_new) -> None:
    """Layers by number: the same one has other names in cells of other networks."""
    legend(
        figure,
        axes,
        handles,
        [str(number + 1) for number in range(len(handles))],
        is_new=is_new,
        place="outside lower center",
        title="layer",
        ncols=len(handles),
        handlelength=1.2,
    )


def grid_compression(
    dataset: xr.Dataset, *, ax: Sequence[Axes] | None = None
) -> Figure:
    """Compression of every cell and layer: the largest I(X;T) less the last, in bits.

    Each number is the mean over seeds, with its interval below where there is room;
    bold ones exceed 0.1 bit with the whole cautious
    interval of :func:`ibjax.results.compression.compression_interval`.

    Args:
      dataset: Dataset of a grid of sweeps.
      ax: Axes to draw in, one for each estimator; those of a new figure by default.

    Returns:
      Figure with a panel per estimator, 7 inches wide for two or more; or that of
      ``ax``.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> len(grid_compression(example_grid()).axes)
      3
    """
    cells = cells_of(dataset)
    names = coordinate(dataset, "estimator").tolist()
    num_layers = max(len(coordinate(cell, "layer")) for _, cell in cells)
    mean = np.full((len(names), len(cells), num_layers), np.nan)
    low = np.full_like(mean, np.nan)
    high = np.full_like(mean, np.nan)
    for column, (_, cell) in enumerate(cells):
        for row, name in enumerate(names):
            bits = information_bits(cell, "i_xt", name)
            for layer in range(bits.shape[2]):
                interval = compression_interval(bits[:, :, layer])
                mean[row, column, layer] = interval.mean
                low[row, column, layer] = interval.low
                high[row, column, layer] = interval.high
    # Below each other where that is no long figure: intervals need the width.
    is_short = len(names) * len(cells) <= _MAX_ROWS
    num_columns = 1 if is_short or in_a_row(3) < 3 else min(2, len(names))
    num_rows = -(-len(names) // num_columns)
    with paper_style():
        width = figure_width(7.0 if len(names) > 1 else 4.0)
        # A panel has its names on the left and the bar on the right.
        roomy = (width - 1.8) / num_columns / num_layers > _LEAST_CELL
        height = 0.8 + num_rows * (0.55 + (0.3 if roomy else 0.2) * len(cells))
        shared = {"count": len(names), "sharex": True, "sharey": True}
        figure, found = panels(ax, num_rows, num_columns, (width, height), **shared)
        # Up to one bit at least: where nothing compresses, noise stays pale.
        largest = max(1.0, float(np.nanmax(mean, initial=0.0)))
        for number, name in enumerate(names):
            axes = found[number]
            image = axes.imshow(
                mean[number], cmap="Blues", vmin=0.0, vmax=largest, aspect="auto"
            )
            ends = (low[number], high[number])
            _write_numbers(axes, mean[number], ends, largest, roomy)
            axes.set_title(choose_estimator(dataset, name)[1])
            axes.set_xticks(range(num_layers), range(1, num_layers + 1))
            axes.set_yticks(
                range(len(cells)), [place_text(place) for place, _ in cells]
            )
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            if number + num_columns >= len(names):
                axes.set_xlabel("layer")
                axes.tick_params(labelbottom=True)
        bar = figure.colorbar(image, ax=found, pad=0.02)
        bar.set_label("compression (bits)")
        bar.outline.set_visible(False)
    return figure


def _num_columns(dataset: xr.Dataset, num_cells: int) -> int:
    """Columns such that a row holds the cells of one value of the first axes."""
    sizes = list(dataset.sizes.values())[: len(cells_of(dataset)[0][0])]
    in_row = 1
    for size in reversed(sizes):
        if in_row * size > _MAX_COLUMNS:
            break
        in_row *= size
    if in_row == 1:  # A single long axis is broken like text.
        in_row = min(3, num_cells)
    return in_row


def _write_numbers(axes, mean, ends, largest, roomy) -> None:
    low, high = ends
    size = note_size() - 0.5
    for row, column in np.argwhere(np.isfinite(mean)):
        value = mean[row, column]
        certain = low[row, column] > COMPRESSION_THRESHOLD_BITS
        has_ends = roomy and np.isfinite(high[row, column])
        # The map is dark from about here on.
        color = "white" if value > 0.55 * largest else "black"
        axes.annotate(
            f"{value:.2f}" if value < 10 else f"{value:.1f}",
            (column, row),
            (0, 4 if has_ends else 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=color,
            fontweight="bold" if certain else "normal",
        )
        if has_ends:
            axes.annotate(
                f"{low[row, column]:.2f} to {high[row, column]:.2f}",
                (column, row),
                (0, -4),
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=6.0,
                color=color,
            )
