"""Figure of what representations keep of a nuisance, and tell of the label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.invariance.claims import entropies_of, kind_of, points_of
from ibjax.plots.style import layer_colors, mean_band, paper_style, price_axis

__all__ = ["invariance_figures"]

_BLUE, _VERMILLION, _GREEN = layer_colors(3)
_DASHES = {"neighbours": "-", "discriminator": "--"}
_SHORT = {"neighbours": "neighbours", "discriminator": "discriminator"}


def invariance_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Information on nuisance and label against the price, and errors, by name."""
    with paper_style():
        figure = Figure(figsize=(7.0, 3.8), layout="constrained")
        panels = figure.subplots(
            2,
            len(datasets),
            sharex="col",
            sharey="row",
            squeeze=False,
            height_ratios=(2, 1),
        )
        for (top, bottom), dataset in zip(panels.T, datasets.values(), strict=True):
            points = points_of(dataset)
            betas = [point.beta for point in points]
            for variable, symbol, color in (
                ("label", "I(Z;Y)", _BLUE),
                ("nuisance", "I(Z;N)", _VERMILLION),
            ):
                for name, dash in _DASHES.items():
                    values = [getattr(point, variable)[name] for point in points]
                    mean_band(
                        top,
                        betas,
                        np.transpose(values),
                        color=color,
                        linestyle=dash,
                        marker=".",
                        label=f"${symbol}$, {_SHORT[name]}",
                    )
            for entropy, symbol in zip(entropies_of(dataset), "NY", strict=True):
                top.axhline(entropy, color="0.6", linewidth=0.8, zorder=0)
                top.annotate(
                    f"$H({symbol})$",
                    (0.99, entropy),
                    xycoords=("axes fraction", "data"),
                    ha="right",
                    va="bottom",
                    fontsize=7,
                    color="0.4",
                )
            errors = np.transpose([point.test_error for point in points])
            mean_band(bottom, betas, errors, color=_GREEN, marker=".")
            price_axis(bottom, betas)
            top.set_title(kind_of(dataset).capitalize(), loc="left")
        panels[0][0].set_ylabel("information (nats)")
        panels[0][0].set_ylim(0, 1.12 * entropies_of(dataset)[1])
        panels[1][0].set_ylabel("test error (%)")
        panels[1][0].set_ylim(0, None)
        panels[0][-1].legend(loc="center left")
    return {"invariance": figure}
