"""The information plane: I(X;T) against I(T;Y), averaged and seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, headline, in_a_row, legend, panels
from ibjax.plots.style import (
    EPOCH_COLORMAP,
    choose_estimator,
    coordinate,
    epoch_norm,
    epoch_ticks,
    format_epoch,
    information_bits,
    layer_colors,
    layer_names,
    note_size,
    num_seeds_of,
    paper_style,
    readable_color,
)
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = [
    "epoch_bar",
    "information_plane",
    "number_ends",
    "plane_axes",
    "plane_ceilings",
    "plane_limits",
    "plane_paths",
    "snapshots",
]

# Columns of the legend of layers.
_COLUMNS = 3
# Ends of paths that are nearer, in parts of a panel, have one label.
_SAME_PLACE = (0.045, 0.055)
# To the left of and above this, in parts of a panel, is the name of I(X;Y).
_CORNER = (0.2, 0.75)


def information_plane(
    dataset: xr.Dataset, *, estimator: str | None = None, ax: Axes | None = None
) -> Figure:
    """Information plane in bits, mean over seeds, one path per layer.

    Points are coloured by epoch, the broad line under them by layer. Dotted lines mark
    the ceilings of I(X;T) and I(T;Y): log2 of the number of inputs and I(X;Y). Under a
    KDE estimator I(T;Y) is a difference of two bounds, itself no bound, and may cross
    its ceiling.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      ax: Axes to draw in, with the legend inside and the colour bar beside; those of a
        new figure by default.

    Returns:
      Figure, 4.6 inches wide and about 3.6 high, or that of ``ax``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> information_plane(example_dataset()).axes[0].get_ylabel()
      '$I(T;Y)$ (bits)'
    """
    estimator, label = choose_estimator(dataset, estimator)
    i_xt = mean_interval(information_bits(dataset, "i_xt", estimator)).mean
    i_ty = mean_interval(information_bits(dataset, "i_ty", estimator)).mean
    epochs = coordinate(dataset, "epoch")
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    norm = epoch_norm(epochs)
    num_seeds = num_seeds_of(dataset)
    with paper_style():
        height = 3.3 + 0.17 * -(-len(names) // _COLUMNS)
        size = figure_width(4.6), height if in_a_row(2) == 2 else 0.9 * height
        figure, (axes,) = panels(ax, 1, 1, size)
        plane_axes(axes, dataset, plane_limits(dataset, i_xt, i_ty))
        title = f"{label}; mean of {num_seeds} seeds" if num_seeds > 1 else label
        axes.set_title(title, loc="left", wrap=True)
        plane_paths(axes, i_xt, i_ty, epochs, colors)
        epoch_bar(figure, axes, norm)
        # Darker than the paths, whose points darken them.
        handles = [
            Line2D([], [], color=color, alpha=0.6, linewidth=4.0) for color in colors
        ]
        legend(
            figure,
            axes,
            handles,
            names,
            is_new=ax is None,
            place="outside lower center",
            title="layer",
            ncols=_COLUMNS,
        )
    return figure


def snapshots(
    dataset: xr.Dataset,
    *,
    epochs: Sequence[float] = (0, 400, 9000),
    estimator: str | None = None,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Information plane at a few epochs, every seed a point, in bits.

    Args:
      dataset: Dataset of a sweep.
      epochs: Epochs to show, one panel each. The nearest recorded epoch is used and
        named above its panel; two requests for the same one share a panel.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      ax: Axes to draw in, one for each panel; those of a new figure by default.

    Returns:
      Figure, 7 inches wide for three panels, or that of ``ax``.

    Raises:
      ValueError: If the dataset does not hold ``estimator``, or ``epochs`` is empty
        or holds a number that is negative or not finite.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = snapshots(example_dataset(), epochs=(0, 10000))
      >>> [axes.get_title() for axes in figure.axes]
      ['epoch 0', 'epoch 10000']
    """
    wanted = np.asarray(checks.real("epochs", epochs, np.asarray), float).reshape(-1)
    if not len(wanted) or not np.all(np.isfinite(wanted) & (wanted >= 0)):
        raise ValueError(f"epochs must be one or more numbers >= 0, got {epochs!r}")
    estimator, label = choose_estimator(dataset, estimator)
    i_xt = information_bits(dataset, "i_xt", estimator)
    i_ty = information_bits(dataset, "i_ty", estimator)
    recorded = coordinate(dataset, "epoch")
    shown: dict[int, float] = {}  # A dict keeps the order of the request.
    for epoch in wanted:
        shown.setdefault(int(np.argmin(np.abs(recorded - epoch))), epoch)
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    with paper_style():
        width = 7.0 if len(shown) >= 3 else 1.2 + 2.3 * len(shown)
        columns = in_a_row(len(shown))
        rows = -(-len(shown) // columns)
        size = figure_width(width), 2.7 if rows == 1 else 0.6 + 1.8 * rows
        shared = {"count": len(shown), "sharex": True, "sharey": True}
        figure, found = panels(ax, rows, columns, size, **shared)
        # Of all epochs, so that panels of other epochs can be laid beside these.
        limits = plane_limits(dataset, i_xt, i_ty)
        for number, (axes, (index, epoch)) in enumerate(
            zip(found, shown.items(), strict=True)
        ):
            plane_axes(axes, dataset, limits, y_label=number % columns == 0)
            # Shared axes are labelled in the last row alone, which may be incomplete.
            last_of_column = number + columns >= len(shown)
            axes.tick_params(labelbottom=last_of_column)
            if not last_of_column:
                axes.set_xlabel("")
            nearest = "" if recorded[index] == epoch else f" (near {epoch:g})"
            axes.set_title(f"epoch {recorded[index]}{nearest}")
            for layer, (name, color) in enumerate(zip(names, colors, strict=True)):
                axes.scatter(
                    i_xt[:, index, layer],
                    i_ty[:, index, layer],
                    s=9,
                    color=color,
                    alpha=0.75,
                    linewidths=0,
                    label=name,
                )
        handles, texts = found[0].get_legend_handles_labels()
        marks = {"title": "layer", "markerscale": 1.6}
        legend(figure, found[0], handles, texts, is_new=ax is None, **marks)
        num_seeds = num_seeds_of(dataset)
        title = f"{label}; {num_seeds} seeds" if num_seeds > 1 else label
        headline(figure, title, is_new=ax is None)
    return figure


def plane_paths(
    axes: Axes,
    i_xt: np.ndarray,
    i_ty: np.ndarray,
    epochs: np.ndarray,
    colors: Sequence[str],
    *,
    width: float = 6.0,
) -> None:
    """Draws one path per layer: points coloured by epoch on a line coloured by layer.

    ``i_xt`` and ``i_ty`` are in bits, ``[num_epochs, num_layers]``; ``width`` is the
    width of the lines, in points.
    """
    for index, color in enumerate(colors):
        path = i_xt[:, index], i_ty[:, index]
        axes.plot(
            *path,
            color=color,
            alpha=0.4,
            linewidth=width,
            solid_capstyle="round",
            solid_joinstyle="round",
            zorder=2,
        )
        axes.scatter(
            *path,
            c=epochs,
            norm=epoch_norm(epochs),
            cmap=EPOCH_COLORMAP,
            s=7,
            lw=0,
            zorder=3,
        )


def number_ends(
    axes: Axes, i_xt: np.ndarray, i_ty: np.ndarray, colors: Sequence[str]
) -> None:
    """Writes the layers' numbers at the ends of their paths.

    Arguments are those of :func:`plane_paths`; the axes have their limits already. A
    number stands ahead of its path; those of layers that end in one place stand
    together above it, or below it in the corner where the ceiling has its name.
    """
    size = [high - low for low, high in (axes.get_xlim(), axes.get_ylim())]
    paths = np.stack([i_xt, i_ty], axis=-1) / size  # In units of the panel.
    groups: list[list[int]] = []
    for layer in np.flatnonzero(np.isfinite(paths[-1]).all(axis=-1)):
        gaps = [np.abs(paths[-1, layer] - paths[-1, group[0]]) for group in groups]
        near = [n for n, gap in enumerate(gaps) if (gap < _SAME_PLACE).all()]
        if near:
            groups[near[0]].append(int(layer))
        else:
            groups.append([int(layer)])
    for group in groups:
        end = paths[-1, group[0]]
        # Where the path came from: the last place away from its end.
        steps = end - paths[:, group[0]]
        away = np.flatnonzero(np.abs(steps).max(axis=1) > max(_SAME_PLACE))
        side = 0.0 if len(group) > 1 or not len(away) else np.sign(steps[away[-1], 0])
        # Not over the end of another layer.
        ahead, beside = ((paths[-1] - end) * (side, 1.0)).T
        if ((ahead > 0) & (ahead < 2 * _SAME_PLACE[0]) & (abs(beside) < 0.05)).any():
            side = 0.0
        over = -1 if end[0] < _CORNER[0] and end[1] > _CORNER[1] else 1
        first, last = group[0] + 1, group[-1] + 1
        joined = len(group) > 2 and last - first == len(group) - 1
        text = f"{first}–{last}" if joined else ", ".join(str(n + 1) for n in group)
        color = colors[group[0]] if len(group) == 1 else "0.2"
        axes.annotate(
            text,
            tuple(end * size),
            (5 * side, 0) if side else (0, 4 * over),
            textcoords="offset points",
            ha={-1.0: "right", 0.0: "center", 1.0: "left"}[float(side)],
            va="center" if side else {1: "bottom", -1: "top"}[over],
            fontsize=note_size(),
            color=readable_color(color, "white", 4.5),
            # Legible on other paths.
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
            zorder=4,
        )


def epoch_bar(figure: Figure, axes: Axes | Sequence[Axes], norm: Normalize) -> Colorbar:
    """Adds the colour bar of the epochs, which takes its space from ``axes``."""
    bar = figure.colorbar(
        ScalarMappable(norm, EPOCH_COLORMAP), ax=axes, aspect=30, pad=0.02
    )
    bar.ax.yaxis.set_major_locator(FixedLocator(epoch_ticks(norm.vmax)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(format_epoch))
    bar.set_label("epoch")
    bar.outline.set_visible(False)
    return bar


def plane_limits(
    dataset: xr.Dataset, i_xt: np.ndarray, i_ty: np.ndarray
) -> tuple[float, float]:
    """Upper ends of the axes of an information plane, in bits.

    ``i_xt`` and ``i_ty`` are the values to be drawn, in bits, any shape; the dataset's
    ceilings lie within the limits, too.
    """
    log2_num_samples, i_xy = plane_ceilings(dataset)
    ends = []
    for values, ceiling in ((i_xt, log2_num_samples), (i_ty, i_xy)):
        known = np.append(values.ravel(), ceiling)
        known = known[np.isfinite(known)]
        # A network without any information has limits, too.
        ends.append(max(float(np.max(known, initial=0.0)), 1e-3))
    # More above, for the name of the ceiling.
    return 1.05 * ends[0], 1.14 * ends[1]


def plane_axes(
    axes: Axes,
    dataset: xr.Dataset,
    limits: tuple[float, float],
    *,
    y_label: bool = True,
) -> None:
    """Sets up axes as an information plane in bits, with the dataset's ceilings.

    ``limits`` are those of :func:`plane_limits`; where they end below log2 N, a note
    says so.
    """
    log2_num_samples, i_xy = plane_ceilings(dataset)
    # A little below zero, where points at zero would be cut in half.
    axes.set_xlim(-0.02 * limits[0], limits[0])
    axes.set_ylim(-0.02 * limits[1], limits[1])
    axes.set_xlabel("$I(X;T)$ (bits)")
    if y_label:
        axes.set_ylabel("$I(T;Y)$ (bits)")
    line = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (1, 2)), "zorder": 1}
    text = {"color": "0.35", "fontsize": note_size(), "textcoords": "offset points"}
    # On the axes' own scale, so that they stay beside the axes whatever the limits.
    if np.isfinite(log2_num_samples):
        name, place = r"$\log_2 N$", (log2_num_samples, 0.02)
        if limits[0] < log2_num_samples:
            # Above the ceiling of I(T;Y), where there are no paths.
            name, place = r"$\log_2 N \rightarrow$", (limits[0], 0.9)
        else:
            axes.axvline(log2_num_samples, **line)
        over = {"xycoords": axes.get_xaxis_transform(), "ha": "right", "va": "bottom"}
        axes.annotate(name, place, (-2, 2), **over, **text)
    if np.isfinite(i_xy):
        axes.axhline(i_xy, **line)
        beside = {"xycoords": axes.get_yaxis_transform(), "ha": "left", "va": "bottom"}
        axes.annotate("$I(X;Y)$", (0.02, i_xy), (2, 2), **beside, **text)


def plane_ceilings(dataset: xr.Dataset) -> tuple[float, float]:
    """Ceilings of I(X;T) and I(T;Y), log2 N and I(X;Y), in bits; NaN where unknown."""
    num_samples = float(dataset.attrs.get("num_samples", 0)) or np.nan
    i_xy = float(dataset.attrs.get("i_xy", np.nan)) / NATS_PER_BIT
    return math.log2(num_samples), i_xy
