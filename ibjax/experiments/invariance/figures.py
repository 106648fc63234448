"""Figure of what representations keep of a nuisance, and tell of the label."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.invariance.claims import entropies_of, points_of
from ibjax.experiments.priced import kind_of
from ibjax.plots.style import layer_colors, mean_band, paper_style, price_axis

__all__ = ["invariance_figures"]

_BLUE, _VERMILLION, _GREEN = layer_colors(3)
_DASHES = {"neighbours": "-", "discriminator": "--"}


def invariance_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Information on label and nuisance against the price, and errors, by name."""
    with paper_style():
        figure = Figure(figsize=(7.0, 4.6), layout="constrained")
        panels = figure.subplots(
            3, len(datasets), sharex="col", sharey="row", squeeze=False
        )
        for column, dataset in zip(panels.T, datasets.values(), strict=True):
            points = points_of(dataset)
            betas = [point.beta for point in points]
            for axes, variable, color in (
                (column[0], "label", _BLUE),
                (column[1], "nuisance", _VERMILLION),
            ):
                for name, dash in _DASHES.items():
                    values = [getattr(point, variable)[name] for point in points]
                    mean_band(
                        axes,
                        betas,
                        np.transpose(values),
                        color=color,
                        linestyle=dash,
                        marker=".",
                        label=name,
                    )
            h_n, h_y = entropies_of(dataset)
            column[0].axhline(h_y, color="0.6", linewidth=0.8, zorder=0)
            column[0].annotate(
                "$H(Y)$",
                (0.99, h_y),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=7,
                color="0.4",
            )
            column[1].axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
            errors = np.transpose([point.test_error for point in points])
            mean_band(column[2], betas, errors, color=_GREEN, marker=".")
            price_axis(column[2], betas)
            column[0].set_title(kind_of(dataset).capitalize(), loc="left")
            column[1].set_title(f"of $H(N)$ = {h_n:.2f} nats", loc="left")
        panels[0][0].set_ylabel("on the digit,\n$I(Z;Y)$ (nats)")
        panels[0][0].set_ylim(0, 1.15 * h_y)
        panels[1][0].set_ylabel("on the nuisance,\n$I(Z;N)$ (nats)")
        panels[2][0].set_ylabel("test error (%)")
        panels[2][0].set_ylim(0, None)
        for axes, place in zip(
            panels[:2, 0], ("lower left", "upper right"), strict=True
        ):
            axes.legend(loc=place, handlelength=3.0)
    return {"invariance": figure}
