"""Figure of accuracy under attack against the radius."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ibjax.experiments.priced import kind_of
from ibjax.experiments.robustness.claims import Robustness, curves_of
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["robustness_figures"]

_MARKERS = ("s", "o", "^", "D", "v", "X", "P")
_LABELS = {
    "linf": "largest change of a pixel (white is 1)",
    "l2": "Euclidean length of the change (white is 1)",
}


def robustness_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Accuracy under attack by radius, a row a kind and a column a norm, by name."""
    found = {kind_of(dataset): curves_of(dataset) for dataset in datasets.values()}
    num_norms = max(map(len, found.values()))
    with paper_style():
        figure = Figure(figsize=(7.0, 0.4 + 2.5 * len(found)), layout="constrained")
        rows = figure.subplots(
            len(found), num_norms, sharex="col", sharey=True, squeeze=False
        )
        for row, (kind, norms) in zip(rows, found.items(), strict=True):
            _row(row, norms)
            row[0].set_ylabel("accuracy under attack (%)")
            row[0].set_title(kind.capitalize(), loc="left")
        for axes, norm in zip(rows[-1], norms, strict=False):
            axes.set_xlabel(_LABELS[norm])
            axes.set_xlim(0, None)
    return {"robustness_curves": figure}


def _row(panels: Sequence[Axes], norms: dict[str, list[Robustness]]) -> None:
    num_curves = max(map(len, norms.values()))
    # Black is that of the networks that pay nothing.
    colors = ["#000000", *layer_colors(max(num_curves - 1, 1))]
    for axes, curves in zip(panels, norms.values(), strict=False):
        shift = 0 if curves[0].beta == 0 else 1
        for number, curve in enumerate(curves):
            place = (number + shift) % len(colors)
            marker = _MARKERS[number % len(_MARKERS)]
            _curve(axes, curve, colors[place], marker)
        axes.set_ylim(0, 100)
    handles, _ = panels[0].get_legend_handles_labels()
    if any(c.minimal is not None for curves in norms.values() for c in curves):
        crosses = Line2D([], [], color="0.4", linestyle="", marker="x", markersize=4)
        crosses.set_label("nearest of another class")
        handles.append(crosses)
    if any(any(c.failed.values()) for curves in norms.values() for c in curves):
        dotted = Line2D([], [], color="0.4", linestyle=":")
        dotted.set_label("attack failed a check")
        handles.append(dotted)
    panels[-1].legend(handles=handles, loc="upper right")


def _curve(axes, curve: Robustness, color: str, marker: str) -> None:
    if curve.minimal is not None:
        nearest = np.nanmean(curve.minimal, axis=0)
        axes.plot(curve.radii, nearest, "x", markersize=4, color=color)
    radii = np.concatenate([[0.0], curve.radii])
    values = np.column_stack([curve.clean, curve.accuracy])
    intervals = [mean_interval(column) for column in values.T]
    axes.plot(
        radii,
        [interval.mean for interval in intervals],
        # What an attack that fails its checks leaves is no evidence.
        linestyle=":" if any(curve.failed.values()) else "-",
        marker=marker,
        markersize=3,
        color=color,
        label=f"β = {curve.beta:g}",
    )
    axes.fill_between(
        radii,
        np.clip([interval.low for interval in intervals], 0, 100),
        np.clip([interval.high for interval in intervals], 0, 100),
        color=color,
        alpha=0.15,
        linewidth=0,
    )
