"""Information of a stochastic network's layers against the epoch, above its losses."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.numerics import checks
from ibjax.plots.style import (
    choose_estimator,
    epoch_axis,
    information_bits,
    layer_colors,
    layer_names,
    paper_style,
    pick,
)
from ibjax.results.cells import cells_of
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = ["stochastic_information"]

_LABELS = {"i_xt": "$I(X;L)$ (bits)", "i_ty": "$I(L;Y)$ (bits)"}
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1.5, 1, 1.5)), (0, (6, 2)))
_LOSSES = {"train_loss": ("training", "-"), "test_loss": ("test", (0, (2, 1.2)))}
# Error bars of a layer are drawn at every so many snapshots.
_BARS_EVERY = 4
# The interval of two seeds is 13 standard errors wide to either side.
_FEWEST_FOR_BAND = 3


def stochastic_information(
    dataset: xr.Dataset, *, estimator: str = "compressed"
) -> Figure:
    """I(X;L), I(L;Y), what the components keep of every layer, and losses, by epoch.

    One column per kind of noise; information in bits, losses in nats. The third row is
    the part of a layer's variance that is kept by the principal components which the
    information is of: of what they leave out it says nothing.

    Lines are means over seeds; bands, for three seeds or more, the 95 % Student t
    interval of the mean, cut off where it would widen the axes. Error bars, at some of
    the snapshots, are one standard error of a single network's estimate to either side:
    how far another set of inputs would move it. The seeds share the inputs, so that it
    would move them alike. The dotted line is H(Y), which no I(L;Y) exceeds.

    Args:
      dataset: Dataset of sweeps with :func:`ibjax.probes.compressed.compressed` and
        :func:`ibjax.probes.losses`: a grid over ``noise``, or one sweep.
      estimator: Name of the estimator.

    Returns:
      Figure, 3.5 inches wide for one kind of noise and 7 for two.

    Raises:
      ValueError: If the dataset does not hold ``estimator`` or what the probe records
        beside it.
    """
    choose_estimator(dataset, estimator)  # Refuses what is not there.
    share = f"{estimator}_explained_variance"
    errors = (_error_name(estimator, quantity) for quantity in _LABELS)
    checks.holds("dataset", dataset, *errors, share)
    cells = [cell for _, cell in cells_of(dataset)]
    labels = (*_LABELS.values(), "variance kept", "loss (nats)")
    with paper_style():
        figure = Figure(figsize=(3.5 * len(cells), 6.2), layout="constrained")
        rows = figure.subplots(
            len(labels),
            len(cells),
            sharex=True,
            sharey="row",
            squeeze=False,
            gridspec_kw={"height_ratios": (1.0, 1.0, 0.6, 0.6)},
        )
        for column, cell in zip(rows.T, cells, strict=True):
            for axes, quantity in zip(column, _LABELS, strict=False):
                _information(axes, cell, quantity, estimator)
            _layer_lines(column[2], cell, pick(cell, share, "seed", "epoch", "layer"))
            for name, (text, line) in _LOSSES.items():
                losses = pick(cell, name, "seed", "epoch")
                _line(
                    column[3], cell, losses, color="black", linestyle=line, label=text
                )
            column[0].set_title(_title(cell))
            for axes in column:
                epoch_axis(axes, cell["epoch"].values, label=axes is column[-1])
        for row, label in zip(rows, labels, strict=True):
            row[0].set_ylabel(label)
            _limit(row)
        rows[2, 0].set_ylim(0.0, 1.0)
        _label_entropy(rows[1, 0], cells[0])
        rows[3, 0].legend(loc="lower left")
        # The lines alone: bars belong to the same layers.
        handles, texts = rows[2, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            texts,
            loc="outside lower center",
            ncols=len(texts) if len(cells) > 1 else 3,
            title="layer",
            handlelength=2.4,
        )
        figure.suptitle(_note(dataset, len(cells)), x=0.01, ha="left")
    return figure


def _information(axes: Axes, cell: xr.Dataset, quantity: str, estimator: str) -> None:
    epochs = cell["epoch"].values
    values = information_bits(cell, quantity, estimator)
    errors = pick(cell, _error_name(estimator, quantity), "seed", "epoch", "layer")
    errors = mean_interval(errors / NATS_PER_BIT).mean
    if quantity == "i_ty":
        axes.axhline(_entropy_bits(cell), color="0.5", linewidth=0.8, linestyle=":")
    _layer_lines(axes, cell, values)
    means = mean_interval(values).mean
    for layer, color in enumerate(layer_colors(values.shape[2])):
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


def _layer_lines(axes: Axes, cell: xr.Dataset, values: np.ndarray) -> None:
    """A line with its band for every layer, ``[num_seeds, num_epochs, num_layers]``."""
    names, colors = layer_names(cell), layer_colors(values.shape[2])
    for layer, (name, color) in enumerate(zip(names, colors, strict=True)):
        line = _LINES[layer % len(_LINES)]
        style = {"color": color, "linestyle": line, "label": name}
        _line(axes, cell, values[:, :, layer], **style)


def _line(axes: Axes, cell: xr.Dataset, values: np.ndarray, **style) -> None:
    epochs, interval = cell["epoch"].values, mean_interval(values)
    axes.plot(epochs, interval.mean, **style)
    if len(values) >= _FEWEST_FOR_BAND:
        axes.fill_between(
            epochs, interval.low, interval.high, color=style["color"], alpha=0.18, lw=0
        )


def _limit(row: np.ndarray) -> None:
    """Vertical limits of a row's panels, from their lines and not from the bands."""
    heights = np.concatenate([line.get_ydata() for axes in row for line in axes.lines])
    heights = np.asarray(heights, float)
    heights = heights[np.isfinite(heights)]
    if len(heights):
        low, high = min(0.0, np.min(heights)), np.max(heights)
        row[0].set_ylim(low, high + 0.12 * (high - low or 1.0))


def _label_entropy(axes: Axes, cell: xr.Dataset) -> None:
    axes.annotate(
        "$H(Y)$",
        (0.02, _entropy_bits(cell)),
        (0, -1),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=7,
        color="0.4",
        va="top",
    )


def _entropy_bits(cell: xr.Dataset) -> float:
    return cell.attrs["h_y"] / NATS_PER_BIT


def _error_name(estimator: str, quantity: str) -> str:
    return f"{estimator}_{quantity}_error"


def _title(cell: xr.Dataset) -> str:
    options = json.loads(cell.attrs["configuration"])
    return f"{options['noise']} noise, {options['noise_std']:g}"


def _note(dataset: xr.Dataset, num_cells: int) -> str:
    num_seeds = dataset.sizes["seed"]
    seeds = "One seed" if num_seeds == 1 else f"Mean of {num_seeds} seeds"
    if num_seeds >= _FEWEST_FOR_BAND:
        seeds += ", band: 95 % interval of the mean"
    join = " " if num_cells > 1 else "\n"
    return f"{seeds};{join}bars: standard error of one network's estimate"
