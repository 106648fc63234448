"""Figure of accuracy under attack against the radius."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ibjax.experiments.robustness.claims import Robustness, curves_of
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["robustness_figures"]

_MARKERS = ("s", "o", "^", "D", "v", "X", "P")
_LABELS = {
    "linf": "largest change of a pixel (white is 1)",
    "l2": "Euclidean length of the change (white is 1)",
}


def robustness_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Accuracy under attack against the radius, a panel for each norm, by name."""
    return {"robustness_curves": _curves(curves_of(dataset))}


def _curves(found: dict[str, list[Robustness]]) -> Figure:
    num_curves = max(map(len, found.values()))
    # Black is the deterministic network's.
    colors = ["#000000", *layer_colors(max(num_curves - 1, 1))]
    with paper_style():
        figure = Figure(figsize=(7.0, 2.9), layout="constrained")
        panels = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, (norm, curves) in zip(panels, found.items(), strict=True):
            shift = 0 if curves[0].beta == 0 else 1
            for number, curve in enumerate(curves):
                place = (number + shift) % len(colors)
                marker = _MARKERS[number % len(_MARKERS)]
                _curve(axes, curve, colors[place], marker)
            axes.set_xlim(0, None)
            axes.set_ylim(0, 100)
            axes.set_xlabel(_LABELS[norm])
        panels[0].set_ylabel("accuracy under attack (%)")
        handles, _ = panels[0].get_legend_handles_labels()
        if any(any(c.failed.values()) for curves in found.values() for c in curves):
            handles.append(
                Line2D(
                    [],
                    [],
                    color="0.4",
                    linestyle=":",
                    label="attack failed a check",
                )
            )
        panels[-1].legend(handles=handles, loc="upper right")
    return figure


def _curve(axes, curve: Robustness, color: str, marker: str) -> None:
    radii = np.concatenate([[0.0], curve.radii])
    values = np.column_stack([curve.clean, curve.accuracy])
    intervals = [mean_interval(column) for column in values.T]
    label = "β = 0, deterministic" if curve.beta == 0 else f"β = {curve.beta:g}"
    axes.plot(
        radii,
        [interval.mean for interval in intervals],
        # What an attack that fails its checks leaves is no evidence.
        linestyle=":" if any(curve.failed.values()) else "-",
        marker=marker,
        markersize=3,
        color=color,
        label=label,
    )
    axes.fill_between(
        radii,
        np.clip([interval.low for interval in intervals], 0, 100),
        np.clip([interval.high for interval in intervals], 0, 100),
        color=color,
        alpha=0.15,
        linewidth=0,
    )
