"""Figures of curvature over training, and of sharpness against generalisation."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ibjax.experiments.sharpness.claims import (
    MEASURES,
    Batch,
    at_loss,
    batches_of,
    common_loss,
    rank_correlations,
)
from ibjax.plots.style import epoch_axis, layer_colors, mean_band, paper_style

__all__ = ["sharpness_figures"]

_LABELS = {
    "fisher_trace_total": "Fisher trace",
    "fisher_log_determinant": "½ log |I + n F| (nats)",
    "sharpness": "largest eigenvalue of\nthe Hessian",
    "effective_information": "effective information\nless H(x) (nats)",
}
_LOGARITHMIC = ("fisher_trace_total", "sharpness", "train_loss")
_MARKERS = "osD^vP*X"


def sharpness_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Measures over training, and networks by measure and generalisation, by name."""
    batches = batches_of(dataset)
    return {
        "sharpness_training": _training(batches),
        "sharpness_generalisation": _generalisation(batches),
    }


def _training(batches: list[Batch]) -> Figure:
    with paper_style():
        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        panels = figure.subplots(2, 3).ravel()
        labels = {"train_loss": "training loss (nats)", **_LABELS}
        labels["test_accuracy"] = "wrong classes, test (%)"
        for axes, (name, label) in zip(panels, labels.items(), strict=True):
            for batch, color in zip(batches, layer_colors(len(batches)), strict=True):
                values = batch.values[name]
                if name == "test_accuracy":
                    values = 100 * (1 - values)
                mean_band(
                    axes,
                    batch.epochs,
                    values,
                    color=color,
                    marker=".",
                    markersize=3,
                    label=batch.name,
                )
            if name in _LOGARITHMIC:
                axes.set_yscale("log")
                _plain_ticks(axes.yaxis)
            epoch_axis(axes, batches[0].epochs)
            axes.set_ylabel(label)
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            texts,
            title="images of a batch",
            loc="outside upper center",
            ncols=len(batches),
        )
    return figure


def _generalisation(batches: list[Batch]) -> Figure:
    """Networks at the end of training, and at one training loss."""
    loss = common_loss(batches)
    colors = layer_colors(len(batches))

    def at(batch, name, row):
        return at_loss(batch, name, loss) if row else batch.values[name][:, -1]

    with paper_style():
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        panels = figure.subplots(2, len(MEASURES), sharey="row")
        for (row, column), axes in np.ndenumerate(panels):
            name = list(MEASURES)[column]
            for number, (batch, color) in enumerate(zip(batches, colors, strict=True)):
                axes.plot(
                    at(batch, name, row),
                    at(batch, "test_loss", row) - at(batch, "train_loss", row),
                    _MARKERS[number % len(_MARKERS)],
                    color=color,
                    markersize=3,
                    label=batch.name,
                )
            low, high = axes.dataLim.intervalx
            if name in _LOGARITHMIC and high > 3 * low:
                axes.set_xscale("log")
                _plain_ticks(axes.xaxis)
            else:
                axes.locator_params("x", nbins=4)
            rho, _ = rank_correlations(batches, name, loss=loss if row else None)
            axes.set_title(f"rank correlation {rho:.2f}", loc="left")
            if row:
                axes.set_xlabel(_LABELS[name])
        gap = "test less training loss\n"
        panels[0, 0].set_ylabel(f"{gap}at the end (nats)")
        panels[1, 0].set_ylabel(f"{gap}where the latter is {loss:.2g} (nats)")
        handles, texts = panels[0, 0].get_legend_handles_labels()
        figure.legend(
            handles,
            texts,
            title="images of a batch",
            loc="outside upper center",
            ncols=len(batches),
        )
    return figure


def _plain_ticks(axis) -> None:
    """Numbers in full at 1, 2 and 5 of every decade: few decades are seen."""
    low, high = axis.get_view_interval()
    wide = high / low > 100
    axis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
