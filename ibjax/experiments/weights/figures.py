"""Figures of noisy weights: errors against the price, and certificates."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.weights.claims import Width, certificates, widths_of
from ibjax.plots.style import layer_colors, mean_band, paper_style

__all__ = ["weights_figures"]

_DASHES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1)), (0, (5, 1)), (0, (1, 1)))
_LEAST_NATS = 1e-4


def weights_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Test errors of all widths, and all certificates of the middle one, by name."""
    widths = widths_of(dataset)
    return {
        "weights_errors": _errors(widths),
        "weights_certificates": _certificates(widths[len(widths) // 2]),
    }


def _errors(widths: list[Width]) -> Figure:
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        least = np.inf
        for width, color in zip(widths, layer_colors(len(widths)), strict=True):
            test = 100 * (1 - width.values["test_accuracy"])
            train = 100 * (1 - width.values["train_accuracy"])
            name = f"{width.hidden} units"
            mean_band(left, width.betas, test.T, color=color, marker=".", label=name)
            left.plot(width.betas, np.nanmean(train, axis=1), ":", color=color)
            nats = width.values["weight_information"] / width.num_train
            # An axis of logarithms has to end somewhere.
            nats = np.maximum(nats.T, _LEAST_NATS)
            mean_band(right, width.betas, nats, color=color, marker=".", label=name)
            least = min(least, np.nanmin(nats))
        left.plot([], [], ":", color="0.3", label="training images")
        for axes in (left, right):
            axes.axvline(1.0, color="0.15", linewidth=0.8, linestyle="--")
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("price of a nat in the weights, β")
        left.set_ylim(0.05, 110)
        left.set_ylabel("wrong classes, test (%)")
        right.set_ylim(bottom=least / 2)
        right.set_ylabel("information (nats an image)")
        left.legend(loc="lower right")
        left.set_title(f"{widths[0].num_train:,} training images", loc="left")
    return figure


def _certificates(width: Width) -> Figure:
    """All bounds against the price, with the errors that they are about."""
    found = certificates(width)
    with paper_style():
        figure = Figure(figsize=(5.0, 3.0), layout="constrained")
        axes = figure.subplots()
        colors = layer_colors(len(found))
        order = sorted(found, key=lambda name: -np.nanmean(found[name]))
        for name, color, dash in zip(order, colors, _DASHES, strict=True):
            mean = np.nanmean(100 * np.minimum(found[name], 1.0), axis=1)
            axes.plot(width.betas, mean, linestyle=dash, color=color, label=name)
        for name, label, marker in (
            ("test_gibbs_error", "measured, test", "o"),
            ("train_gibbs_error", "measured, training", "."),
        ):
            mean = np.nanmean(100 * width.values[name], axis=1)
            axes.plot(
                width.betas,
                mean,
                marker=marker,
                markerfacecolor="white" if marker == "o" else "0.15",
                color="0.15",
                linewidth=0.8,
                label=label,
            )
        axes.axvline(1.0, color="0.6", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(0.3, 130)
        axes.set_xlabel("price of a nat in the weights, β")
        axes.set_ylabel("error of drawn weights (%)")
        axes.set_title(
            f"{width.hidden} units, {width.num_train:,} images; bounds hold with "
            "probability 0.965",
            loc="left",
        )
        figure.legend(loc="outside right center")
    return figure
