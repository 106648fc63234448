"""Figure of what layers hold of a nuisance and of the class."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.nuisance.claims import prices_of
from ibjax.plots.style import layer_colors, mean_band, paper_style

__all__ = ["nuisance_figures"]


def nuisance_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """The figure by its name."""
    found = prices_of(dataset)
    colors = layer_colors(len(found.layers))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        order = np.argsort(np.nanmean(found.information, axis=1))
        for layer, color in zip(range(len(found.layers)), colors, strict=True):
            for values, dash, name in (
                (found.label, "-", "class"),
                (found.nuisance, "--", "nuisance"),
            ):
                mean_band(
                    left,
                    np.nanmean(found.information, axis=1)[order],
                    values[layer][order].T,
                    linestyle=dash,
                    marker=".",
                    color=color,
                    label=f"{name}, {found.layers[layer]}",
                )
        left.set_xscale("log")
        left.set_ylim(bottom=0)
        left.set_xlabel("information in the weights (nats an image)")
        left.set_ylabel("found by a linear decoder (nats)")
        left.legend(loc="best")
        mean_band(
            right, found.betas, 100 * found.test_error.T, marker=".", color=colors[0]
        )
        right.axvline(1.0, color="0.15", linewidth=0.8, linestyle="--")
        right.set_xscale("log")
        right.set_ylim(bottom=0)
        right.set_xlabel("price of a nat in the weights, β")
        right.set_ylabel("wrong classes, test (%)")
    return {"nuisance": figure}
