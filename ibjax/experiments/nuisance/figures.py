"""Figure of what layers hold of a nuisance and of the class."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.nuisance.claims import prices_of
from ibjax.plots.style import layer_colors, mean_band, paper_style

__all__ = ["nuisance_figures"]

_LEAST = 0.5


def nuisance_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """The figure by its name."""
    found = prices_of(dataset)
    colors = layer_colors(len(found.layers))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        axes, left, right = figure.subplots(1, 3)
        for place, (layer, color) in enumerate(zip(found.layers, colors, strict=True)):
            for values, dash, name in (
                (found.label[place], "-", "class"),
                (found.nuisance[place], "--", "nuisance"),
            ):
                line = {"linestyle": dash, "marker": ".", "color": color}
                text = f"{name}, layer {layer}"
                mean_band(axes, found.betas, values.T, label=text, **line)
                mean = np.nanmean(found.information, axis=1)
                # Where weights hold nothing, nor do layers.
                shown = mean > _LEAST
                mean_band(left, mean[shown], values[shown].T, **line)
        axes.set_xlabel("price of a nat in the weights, β")
        axes.set_ylabel("found by a linear decoder (nats)")
        left.set_xlabel("information in the weights\n(nats an image)")
        left.sharey(axes)
        handles, texts = axes.get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside upper center", ncols=4, handlelength=3
        )
        mean_band(
            right, found.betas, 100 * found.test_error.T, marker=".", color="0.15"
        )
        right.set_xlabel("price of a nat in the weights, β")
        right.set_ylabel("wrong classes, test (%)")
        for panel in (axes, left, right):
            panel.set_xscale("log")
            panel.set_ylim(bottom=0)
    return {"nuisance": figure}
