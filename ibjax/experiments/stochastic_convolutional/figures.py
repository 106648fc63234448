"""Information of a stochastic network's layers: their plane, and against the epoch."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ibjax.numerics import checks
from ibjax.plots.panels import headline
from ibjax.plots.plane import epoch_bar, number_ends, plane_paths
from ibjax.plots.style import (
    choose_estimator,
    epoch_axis,
    epoch_norm,
    information_bits,
    layer_colors,
    layer_names,
    note_size,
    paper_style,
    pick,
)
from ibjax.results.cells import cells_of
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = ["stochastic_information"]

_LABELS = {"i_xt": "$I(X;L)$ (bits)", "i_ty": "$I(L;Y)$ (bits)"}
_LOSSES = {"train_loss": ("training", "black"), "test_loss": ("test", "#D55E00")}
# Lines of the kinds of noise, thin on broad: where they agree both are seen.
_LINES: tuple[dict[str, Any], ...] = (
    {"linewidth": 2.4, "alpha": 0.5},
    {"linewidth": 0.9, "linestyle": (0, (4, 1.5))},
    {"linewidth": 0.9, "linestyle": (0, (1, 1.5))},
)
# Error bars of a layer are drawn at every so many snapshots.
_BARS_EVERY = 4
# The interval of two seeds is 13 standard errors wide to either side.
_FEWEST_FOR_BAND = 3


def stochastic_information(
    dataset: xr.Dataset, *, estimator: str = "compressed"
) -> Figure:
    """Plane of I(X;L) and I(L;Y), and both, what components keep, and losses, by epoch.

    Information in bits, losses in nats. The part of a layer's variance is that which is
    kept by the principal components which the information is of: of what they leave out
    it says nothing.

    Lines are means over seeds, a broad one for the first kind of noise and thin dashed
    ones for others; bands, for three seeds or more, the 95 % Student t interval of the
    mean, cut off where it would widen the axes. Error bars, at some of the snapshots,
    are one standard error of a single network's estimate to either side: how far
    another set of inputs would move it. The seeds share the inputs, so that it would
    move them alike. The dotted line is H(Y), which no I(L;Y) exceeds.

    Args:
      dataset: Dataset of sweeps with :func:`ibjax.probes.compressed.compressed` and
        :func:`ibjax.probes.losses`: a grid over ``noise``, or one sweep.
      estimator: Name of the estimator.

    Returns:
      Figure, 7 inches wide.

    Raises:
      ValueError: If the dataset does not hold ``estimator`` or what the probe records
        beside it, or has more kinds of noise than there are lines.
    """
    choose_estimator(dataset, estimator)  # Refuses what is not there.
    share = f"{estimator}_explained_variance"
    errors = (_error_name(estimator, quantity) for quantity in _LABELS)
    checks.holds("dataset", dataset, *errors, share)
    cells = [cell for _, cell in cells_of(dataset)]
    if len(cells) > len(_LINES):
        raise ValueError(
            f"dataset must have at most {len(_LINES)} kinds of noise, got {len(cells)}"
        )
    # By itself a sweep needs no broad line.
    lines = _LINES[: len(cells)] if len(cells) > 1 else ({"linewidth": 1.2},)
    names, colors = layer_names(cells[0]), layer_colors(dataset.sizes["layer"])
    with paper_style():
        figure = Figure(figsize=(7.0, 5.4), layout="constrained")
        panels = figure.subplot_mosaic(
            [["plane", "i_xt"], ["plane", "i_ty"], ["kept", "losses"]],
            gridspec_kw={"height_ratios": (1.0, 1.0, 0.9)},
        )
        _plane(figure, panels["plane"], cells, lines, estimator)
        for cell, line in zip(cells, lines, strict=True):
            for quantity in _LABELS:
                values = information_bits(cell, quantity, estimator)
                _layer_lines(panels[quantity], cell, values, line)
            kept = pick(cell, share, "seed", "epoch", "layer")
            _layer_lines(panels["kept"], cell, kept, line)
            for name, (text, color) in _LOSSES.items():
                losses = pick(cell, name, "seed", "epoch")
                label = text if cell is cells[0] else None
                _line(panels["losses"], cell, losses, label=label, color=color, **line)
        for quantity, label in _LABELS.items():
            _error_bars(panels[quantity], cells[0], quantity, estimator)
            panels[quantity].set_ylabel(label)
        panels["kept"].set_ylabel("variance kept")
        panels["losses"].set_ylabel("loss (nats)")
        panels["losses"].legend(loc="lower left")
        _mark_entropy(panels["i_ty"], cells[0])
        for name in ("i_xt", "i_ty", "kept", "losses"):
            # Curves of I(X;L) and I(L;Y) stand above each other.
            epoch_axis(panels[name], cells[0]["epoch"].values, label=name != "i_xt")
            panels[name].tick_params(labelbottom=name != "i_xt")
            _limit(panels[name])
        panels["kept"].set_ylim(0.0, 1.0)
        handles = [Line2D([], [], color=color, linewidth=2.4) for color in colors]
        handles += [Line2D([], [], color="0.3", **line) for line in lines]
        noises = [_noise(cell) for cell in cells]
        figure.legend(handles, [*names, *noises], loc="outside lower center", ncols=3)
        headline(figure, _note(dataset), is_new=True)
    return figure


def _plane(
    figure: Figure,
    axes: Axes,
    cells: list[xr.Dataset],
    lines: tuple[dict[str, Any], ...],
    estimator: str,
) -> None:
    epochs = cells[0]["epoch"].values
    colors = layer_colors(cells[0].sizes["layer"])
    means = [
        [
            mean_interval(information_bits(cell, quantity, estimator)).mean
            for quantity in _LABELS
        ]
        for cell in cells
    ]
    right, top = (
        max(float(np.nanmax(mean[n], initial=1e-3)) for mean in means) for n in (0, 1)
    )
    axes.set_xlim(0.0, 1.1 * right)
    axes.set_ylim(0.0, 1.1 * max(top, _entropy_bits(cells[0])))
    _mark_entropy(axes, cells[0])
    i_xt, i_ty = means[0]
    plane_paths(axes, i_xt, i_ty, epochs, colors, width=4.0)
    number_ends(axes, i_xt, i_ty, colors)
    for (i_xt, i_ty), line in zip(means[1:], lines[1:], strict=True):
        for layer, color in enumerate(colors):
            style = {"color": color, "zorder": 4} | line
            axes.plot(i_xt[:, layer], i_ty[:, layer], **style)
    axes.set(xlabel=_LABELS["i_xt"], ylabel=_LABELS["i_ty"])
    epoch_bar(figure, axes, epoch_norm(epochs))


def _error_bars(axes: Axes, cell: xr.Dataset, quantity: str, estimator: str) -> None:
    epochs = cell["epoch"].values
    errors = pick(cell, _error_name(estimator, quantity), "seed", "epoch", "layer")
    errors = mean_interval(errors / NATS_PER_BIT).mean
    means = mean_interval(information_bits(cell, quantity, estimator)).mean
    for layer, color in enumerate(layer_colors(means.shape[1])):
        # Layers take turns, so that their bars do not hide each other.
        places = np.arange(layer % _BARS_EVERY, len(epochs), _BARS_EVERY)
        axes.errorbar(
            epochs[places],
            means[places, layer],
            yerr=errors[places, layer],
            fmt="none",
            ecolor=color,
            elinewidth=0.8,
            capsize=1.5,
            capthick=0.8,
            zorder=3,
        )


def _layer_lines(
    axes: Axes, cell: xr.Dataset, values: np.ndarray, line: dict[str, Any]
) -> None:
    """A line with its band for every layer, ``[num_seeds, num_epochs, num_layers]``."""
    for layer, color in enumerate(layer_colors(values.shape[2])):
        _line(axes, cell, values[:, :, layer], color=color, **line)


def _line(axes: Axes, cell: xr.Dataset, values: np.ndarray, **style: Any) -> None:
    epochs, interval = cell["epoch"].values, mean_interval(values)
    axes.plot(epochs, interval.mean, **style)
    if len(values) >= _FEWEST_FOR_BAND:
        axes.fill_between(
            epochs, interval.low, interval.high, color=style["color"], alpha=0.15, lw=0
        )


def _limit(axes: Axes) -> None:
    """Vertical limits of a panel, from its lines and not from the bands."""
    heights = np.concatenate([line.get_ydata() for line in axes.lines])
    heights = np.asarray(heights, float)
    heights = heights[np.isfinite(heights)]
    if len(heights):
        low, high = min(0.0, np.min(heights)), np.max(heights)
        axes.set_ylim(low, high + 0.12 * (high - low or 1.0))


def _mark_entropy(axes: Axes, cell: xr.Dataset) -> None:
    entropy = _entropy_bits(cell)
    axes.axhline(entropy, color="0.5", linewidth=0.8, linestyle=":")
    axes.annotate(
        "$H(Y)$",
        (0.02, entropy),
        (0, -1),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        fontsize=note_size(),
        color="0.4",
        va="top",
    )


def _entropy_bits(cell: xr.Dataset) -> float:
    return cell.attrs["h_y"] / NATS_PER_BIT


def _error_name(estimator: str, quantity: str) -> str:
    return f"{estimator}_{quantity}_error"


def _noise(cell: xr.Dataset) -> str:
    options = json.loads(cell.attrs["configuration"])
    return f"{options['noise']} noise, {options['noise_std']:g}"


def _note(dataset: xr.Dataset) -> str:
    num_seeds = dataset.sizes["seed"]
    seeds = "One seed" if num_seeds == 1 else f"Mean of {num_seeds} seeds"
    if num_seeds >= _FEWEST_FOR_BAND:
        seeds += ", band: 95 % interval of the mean"
    return f"{seeds}; bars: standard error of one network's estimate"
