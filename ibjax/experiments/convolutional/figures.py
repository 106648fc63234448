"""Figures of convolutional networks: what layers show, and their planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ibjax.numerics import checks
from ibjax.plots.panels import headline
from ibjax.plots.plane import number_ends, plane_axes, plane_limits
from ibjax.plots.style import (
    information_bits,
    layer_colors,
    layer_names,
    paper_style,
)
from ibjax.results.statistics import mean_interval

__all__ = ["activity_maps", "channel_planes"]

_DOT = 4.5  # Diameter of a dot, in points.
_WAYS = {"concat": "all channels side by side", "mean": "mean over channels"}


def activity_maps(dataset: xr.Dataset, *, seed: int = 0) -> Figure:
    """Activities of the layers with channels for one image, before and after training.

    One row per layer and epoch, one square per channel. Squares of a row share their
    scale, from zero (dark) to the row's largest activity, which stands beside it.

    Args:
      dataset: Dataset of a sweep with :func:`ibjax.probes.channels.activity_maps`.
      seed: Place of the network on the axis of seeds.

    Returns:
      Figure, 7 inches wide.

    Raises:
      ValueError: If the dataset has no maps.
    """
    names = sorted(
        (name for name in dataset if str(name).startswith("maps_")),
        key=lambda name: int(str(name).removeprefix("maps_")),
    )
    checks.holds("dataset", dataset, "maps_0", "maps_1")
    maps = {
        int(str(name).removeprefix("maps_")): dataset[name].values[seed]
        for name in names
    }
    image = maps.pop(0)[0, 0]
    epochs = dataset["epoch"].values
    shown = {0: f"epoch {epochs[0]:g}", -1: f"epoch {epochs[-1]:g}"}
    layers = dict(zip(dataset["layer"].values, layer_names(dataset), strict=True))
    num_channels = max(values.shape[1] for values in maps.values())
    num_rows = len(shown) * len(maps)
    with paper_style():
        figure = Figure(figsize=(7.0, 0.5 + 0.72 * num_rows), layout="constrained")
        figure.suptitle(
            f"Activities of the first {num_channels} channels, seed "
            f"{dataset['seed'].values[seed]}\n",
            x=0.01,
            ha="left",
        )
        sides: Any = figure.subfigures(1, 2, width_ratios=(1, num_channels))
        left, right = sides
        axes = left.subplots()
        axes.imshow(image, cmap="gray", vmin=0.0)
        axes.set_title("image")
        axes.axis("off")
        layout: Any = figure.get_layout_engine()
        layout.set(h_pad=0.1)
        panels = right.subplots(num_rows, num_channels, squeeze=False)
        for panel in panels.ravel():
            panel.axis("off")
        row = 0
        for number, values in maps.items():
            for place, text in shown.items():
                channels = values[place]
                largest = max(float(np.max(channels)), 1e-6)
                for axes, channel in zip(panels[row], channels, strict=False):
                    axes.imshow(channel, cmap="viridis", vmin=0.0, vmax=largest)
                panels[row, 0].annotate(
                    f"{layers[number]}, {text}, largest {largest:.2g}",
                    (0.0, 1.0),
                    (0, 2),
                    xycoords="axes fraction",
                    textcoords="offset points",
                    fontsize=7,
                ).set_in_layout(False)
                row += 1
    return figure


def channel_planes(dataset: xr.Dataset) -> Figure:
    """Information planes by both ways to measure channels, in bits, mean over seeds.

    A dot lies halfway between the lower and the upper bound, and its bars reach from
    one to the other. Hollow dots are the first snapshot, full ones the last, which have
    the numbers of their layers beside them.

    Args:
      dataset: Dataset of a sweep with the estimators ``concat_upper``,
        ``concat_lower``, ``mean_upper`` and ``mean_lower``.

    Returns:
      Figure, 7 x 2.9 inches.
    """
    names, colors = layer_names(dataset), layer_colors(dataset.sizes["layer"])
    bounds = {
        (way, name): np.stack(
            [
                mean_interval(information_bits(dataset, name, f"{way}_{bound}")).mean
                for bound in ("lower", "upper")
            ]
        )
        for way in _WAYS
        for name in ("i_xt", "i_ty")
    }
    limits = plane_limits(
        dataset,
        *(
            np.concatenate([bounds[way, name].ravel() for way in _WAYS])
            for name in ("i_xt", "i_ty")
        ),
    )
    with paper_style():
        figure = Figure(figsize=(7.0, 2.9), layout="constrained")
        panels = figure.subplots(1, len(_WAYS), sharex=True, sharey=True)
        for number, (axes, (way, text)) in enumerate(
            zip(panels, _WAYS.items(), strict=True)
        ):
            plane_axes(axes, dataset, limits, y_label=number == 0)
            axes.set_title(text)
            for layer, (name, color) in enumerate(zip(names, colors, strict=True)):
                x, y = (bounds[way, n][:, :, layer] for n in ("i_xt", "i_ty"))
                _path(axes, x, y, color, name)
            x, y = (bounds[way, n].mean(axis=0) for n in ("i_xt", "i_ty"))
            number_ends(axes, x, y, colors)
        dot = {"marker": "o", "markersize": _DOT, "linestyle": ""}
        epochs = dataset["epoch"].values
        handles = [Line2D([], [], color=color, **dot) for color in colors]
        handles += [
            Line2D([], [], color="0.3", markerfacecolor="white", **dot),
            Line2D([], [], color="0.3", **dot),
            Line2D([], [], color="0.3", alpha=0.5, linewidth=0.7),
        ]
        key = [f"epoch {epochs[0]:g}", f"epoch {epochs[-1]:g}", "lower to upper bound"]
        figure.legend(handles, [*names, *key], loc="outside right center")
        num_seeds = dataset.sizes["seed"]
        seeds = f"; mean of {num_seeds} seeds" if num_seeds > 1 else ""
        headline(figure, f"Kernel density{seeds}", is_new=True)
    return figure


def _path(axes, x, y, color, name) -> None:
    """One layer's path; ``x`` and ``y`` are bounds, ``[2, num_epochs]``."""
    middle, reach = (np.stack([x, y]).mean(axis=1), np.stack([x, y]).std(axis=1))
    axes.plot(*middle, color=color, alpha=0.5, linewidth=0.8)
    axes.errorbar(
        *middle,
        xerr=reach[0],
        yerr=reach[1],
        fmt="none",
        ecolor=color,
        elinewidth=0.7,
        alpha=0.5,
    )
    for place, fill in ((0, "white"), (-1, color)):
        axes.plot(
            *middle[:, place],
            "o",
            markersize=_DOT,
            color=color,
            markerfacecolor=fill,
            label=name if place else "_first",
            clip_on=False,
        )
