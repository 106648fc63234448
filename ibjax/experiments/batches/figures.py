"""Gradient noise, loss and compression on one time axis."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.claims.curves import Curves
from ibjax.experiments.batches.claims import transition_epochs
from ibjax.plots.style import choose_estimator, epoch_axis, layer_colors, paper_style
from ibjax.results.cells import cells_of, place_text
from ibjax.results.statistics import NATS_PER_BIT, majority_quantiles

__all__ = ["transitions"]

_EVENTS = {
    "turning": "SNR below one",
    "kink": "loss bends",
    "onset": "$I(X;T)$ falls",
}


def transitions(dataset: xr.Dataset, *, estimator: str | None = None) -> Figure:
    """Gradient SNR, loss and I(X;T) of the last hidden layer against the epoch.

    Lines are medians over seeds with a band between the quartiles. A dotted line marks
    the median epoch of each of the three events, if half of the seeds have it, and
    short strokes at the foot of its own panel that of every seed.

    Args:
      dataset: Dataset of a grid of sweeps, with ``gradient_snr`` and ``train_loss``.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      Figure with a column per cell, 7 inches wide.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> figure = transitions(example_grid())
      >>> [axes.get_ylabel() for axes in figure.axes[::2]]
      ['gradient SNR', 'training loss (bits)', '$I(X;T)$ (bits)']
    """
    estimator, label = choose_estimator(dataset, estimator)
    cells = cells_of(dataset)
    colors = dict(zip(_EVENTS, layer_colors(len(_EVENTS)), strict=True))
    with paper_style():
        figure = Figure(figsize=(7.0, 4.4), layout="constrained")
        panels = figure.subplots(
            3, len(cells), sharex=True, sharey="row", squeeze=False
        )
        for column, (place, cell) in enumerate(cells):
            curves = Curves(cell, estimator)
            layer = len(curves.i_xt) - 2
            loss = cell["train_loss"].transpose("seed", "epoch").values
            series = {
                "turning": curves.snr[layer],
                "kink": loss / NATS_PER_BIT,
                "onset": curves.i_xt[layer] / NATS_PER_BIT,
            }
            events = transition_epochs(curves, cell)
            for axes, (event, values) in zip(
                panels[:, column], series.items(), strict=True
            ):
                _band(axes, curves.epochs, values, colors[event])
                for name, epochs in events.items():
                    _mark(axes, epochs, colors[name], own=name == event)
                epoch_axis(axes, curves.epochs, label=event == "onset")
            panels[0, column].set_title(place_text(place))
            panels[0, column].axhline(1.0, color="0.6", linewidth=0.7)
        for row in (0, 1):
            panels[row, 0].set_yscale("log")
        for axes, text in zip(
            panels[:, 0],
            ("gradient SNR", "training loss (bits)", "$I(X;T)$ (bits)"),
            strict=True,
        ):
            axes.set_ylabel(text)
        figure.legend(
            [panels[0, 0].plot([], [], ":", color=c)[0] for c in colors.values()],
            _EVENTS.values(),
            loc="outside lower center",
            ncols=3,
        )
        figure.suptitle(
            f"last hidden layer, {label}; median and quartiles of {curves.num_seeds} "
            "seeds",
            x=0.01,
            ha="left",
        )
    return figure


def _band(axes, epochs, values, color) -> None:
    values = np.where(np.isfinite(values), values, np.nan)
    low, middle, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
    axes.fill_between(epochs, low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(epochs, middle, color=color)


def _mark(axes, epochs, color, *, own: bool) -> None:
    (median,) = majority_quantiles(epochs, [0.5])
    if np.isfinite(median):
        axes.axvline(median, color=color, linestyle=":", linewidth=1.0)
    epochs = epochs[np.isfinite(epochs)]
    # An empty line is at the figure's corner, and takes the panels' room.
    if own and epochs.size:
        axes.plot(
            epochs,
            np.zeros_like(epochs),
            "|",
            color=color,
            markersize=5,
            markeredgewidth=0.5,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
        )
