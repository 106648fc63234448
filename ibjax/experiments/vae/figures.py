"""Figures of autoencoders of sprites: curves, factors against latents, traversals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.experiments.vae.claims import Setting, settings_of
from ibjax.plots.style import EPOCH_COLORMAP, layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["vae_figures"]

_LABELS = {
    "beta": "β held",
    "annealed": "β falling",
    "info": "InfoVAE",
    "capacity": "capacity",
}
_MARKERS = dict(zip(_LABELS, "os^D", strict=True))
_DASHES = dict(zip(_LABELS, ("-", "--", ":", "-."), strict=True))


def vae_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Curves, scores, factors against latents, and traversals, by name."""
    settings = settings_of(datasets)
    return {
        "vae_curves": _curves(settings),
        "vae_factors": _factors(settings),
        "vae_traversals": _traversals(settings),
    }


def _curves(settings: dict[str, list[Setting]]) -> Figure:
    """Distortion and scores against the rate, for every way of training."""
    panels = (
        ("distortion", "distortion (nats)"),
        ("mig", "information gap, means"),
        ("sap", "correlation gap"),
        ("factor_score", "FactorVAE's score"),
        ("total_correlation", "total correlation (nats)"),
        ("dimension_kl", "dimensions from N(0, 1) (nats)"),
    )
    colors = dict(zip(_LABELS, layer_colors(len(_LABELS)), strict=True))
    with paper_style():
        figure = Figure(figsize=(7.2, 4.0), layout="constrained")
        all_axes = figure.subplots(2, 3, sharex=True)
        for axes, (name, label) in zip(all_axes.flat, panels, strict=True):
            for method, found in settings.items():
                _line(axes, found, name, method, colors[method])
            axes.set_ylabel(label)
        for axes in all_axes[-1]:
            axes.set_xlabel("rate (nats)")
        all_axes[0, 0].legend()
    return figure


def _line(axes: Axes, found: list[Setting], name: str, method: str, color: str) -> None:
    """Means over seeds with both intervals, settings joined."""
    x, y = ([mean_interval(s.values(n)) for s in found] for n in ("rate", name))
    axes.errorbar(
        [v.mean for v in x],
        [v.mean for v in y],
        xerr=_whiskers(x),
        yerr=_whiskers(y),
        color=color,
        linestyle=_DASHES[method],
        marker=_MARKERS[method],
        markersize=3.5,
        elinewidth=0.7,
        label=_LABELS[method],
    )


def _whiskers(intervals) -> list[list[float]] | None:
    low = [float(v.mean - v.low) for v in intervals]
    high = [float(v.high - v.mean) for v in intervals]
    return None if np.isnan([low, high]).any() else [low, high]


def _drawn(settings: dict[str, list[Setting]]) -> list[tuple[str, xr.Dataset]]:
    """Titles and first networks of a low and a high price, and of the other ways."""
    chosen = []
    for method, found in settings.items():
        numbers = (1.0, 4.0) if method == "beta" else (1.0,)
        if method == "capacity":
            numbers = (found[len(found) // 2].number,)
        for number in numbers:
            setting = min(found, key=lambda s: abs(s.number - number))
            sign = "C" if method == "capacity" else "β"
            title = f"{_LABELS[method]}".replace("β held", "").replace("β ", "")
            title = f"{title} {sign} = {setting.number:g}".strip()
            chosen.append((title, setting.cell.isel(seed=0)))
    return chosen


def _factors(settings: dict[str, list[Setting]]) -> Figure:
    """How much every dimension tells of every factor, as a share of its entropy."""
    drawn = _drawn(settings)
    with paper_style():
        figure = Figure(figsize=(7.2, 2.3), layout="constrained")
        panels = figure.subplots(1, len(drawn), sharey=True, squeeze=False)[0]
        for axes, (title, cell) in zip(panels, drawn, strict=True):
            information = cell.factor_information.values
            order = np.argsort(-cell.dimension_rate.values)
            shares = information[order] / _factor_entropies(cell)[None]
            image = axes.imshow(
                shares.T, vmin=0, vmax=1, cmap=EPOCH_COLORMAP, aspect="auto"
            )
            names = [str(name) for name in np.ravel(cell.factor_name.values)]
            axes.set_yticks(range(len(names)), names)
            axes.set_xticks(range(len(order)), [str(n + 1) for n in range(len(order))])
            axes.set_title(title, loc="left")
        figure.supxlabel("dimension of the code, by its rate", fontsize=8)
        bar = figure.colorbar(image, ax=list(panels), pad=0.01, aspect=30)
        bar.set_label("share of the factor that is told")
    return figure


def _factor_entropies(cell: xr.Dataset) -> np.ndarray:
    num_values = np.ravel(cell.factor_values.values)
    # A factor of one value has nothing to be told.
    return np.where(num_values > 1, np.log(num_values), np.inf)


def _traversals(settings: dict[str, list[Setting]]) -> Figure:
    """Images along the dimensions of largest rate, for one network of a setting."""
    drawn = _drawn(settings)
    with paper_style():
        figure = Figure(figsize=(7.2, 2.0), layout="constrained")
        panels = figure.subplots(1, len(drawn), squeeze=False)[0]
        for axes, (title, cell) in zip(panels, drawn, strict=True):
            order = np.argsort(-cell.dimension_rate.values)
            images = cell.traversal.values[order]
            side = int(np.sqrt(images.shape[-1]))
            grid = images.reshape(*images.shape[:2], side, side)
            # A line of grey between images.
            grid = np.pad(grid, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=0.5)
            rows = grid.transpose(0, 2, 1, 3).reshape(len(order) * (side + 1), -1)
            axes.imshow(rows, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            rates = cell.dimension_rate.values[order]
            places = (np.arange(len(order)) + 0.5) * (side + 1)
            axes.set_yticks(places, [f"{rate:.1f}" for rate in rates])
            axes.set_xticks([])
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(title, loc="left")
        panels[0].set_ylabel("rate of the dimension (nats)")
        figure.supxlabel("value of the dimension, from −2 to 2", fontsize=8)
    return figure
