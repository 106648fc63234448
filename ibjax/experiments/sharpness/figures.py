"""Figures of curvature over training, and of sharpness against generalisation."""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.sharpness.claims import (
    MEASURES,
    Batch,
    batches_of,
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
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        panels = figure.subplots(1, len(MEASURES), sharey=True)
        colors = layer_colors(len(batches))
        for axes, name in zip(panels, MEASURES, strict=True):
            for number, (batch, color) in enumerate(zip(batches, colors, strict=True)):
                gap = batch.values["test_loss"] - batch.values["train_loss"]
                axes.plot(
                    batch.values[name][:, -1],
                    gap[:, -1],
                    _MARKERS[number % len(_MARKERS)],
                    color=color,
                    markersize=3.5,
                    label=batch.name,
                )
            if name in _LOGARITHMIC:
                axes.set_xscale("log")
            rho, _ = rank_correlations(batches, name)
            axes.set_title(f"rank correlation {rho:.2f}", loc="left")
            axes.set_xlabel(_LABELS[name])
        panels[0].set_ylabel("test less training loss (nats)")
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            texts,
            title="images of a batch",
            loc="outside upper center",
            ncols=len(batches),
        )
    return figure
