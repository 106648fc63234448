"""Figures of information dropout: maps, information by region, and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ibjax.experiments.choices import best_place
from ibjax.experiments.information_dropout.claims import Point, errors_of, points_of
from ibjax.plots.style import (
    EPOCH_COLORMAP,
    layer_colors,
    paper_style,
    price_axis,
)
from ibjax.results.cells import configured_cells
from ibjax.results.statistics import mean_interval

__all__ = ["information_dropout_figures"]

_BLUE, _VERMILLION, _GREEN, _PURPLE = layer_colors(4)
_REGIONS = (("digit", _BLUE), ("clutter", _VERMILLION), ("background", "0.5"))
_NUM_IMAGES = 2
_NUM_BETAS = 5


def information_dropout_figures(
    datasets: Mapping[str, xr.Dataset],
) -> dict[str, Figure]:
    """Maps, information of digit and clutter, and errors, by name."""
    dataset = datasets["information-dropout"]
    binary = datasets.get("binary-dropout")
    points = points_of(dataset)
    return {
        "information_dropout_maps": _maps(dataset, points[0]),
        "information_dropout_regions": _regions(points),
        "information_dropout_errors": _errors(
            points, {} if binary is None else errors_of(binary)
        ),
    }


def _maps(dataset: xr.Dataset, point: Point) -> Figure:
    """Nats per place of every layer with places, for some images and betas."""
    cells = sorted(
        ((float(own["beta"]), cell) for own, cell in configured_cells(dataset)),
        key=lambda pair: pair[0],
    )
    chosen = np.unique(np.linspace(0, len(cells) - 1, _NUM_BETAS).round().astype(int))
    cells = [cells[number] for number in chosen]
    layers = point.with_places
    first = cells[0][1]
    most = max(
        float(cell[f"map_{layer}"].isel(seed=0).max())
        for _, cell in cells
        for layer in layers
    )
    norm = SymLogNorm(1.0, vmin=0.0, vmax=most)
    num_images = min(_NUM_IMAGES, first.sizes["drawn"])
    with paper_style():
        figure = Figure(
            figsize=(7.0, 1.15 * num_images * len(layers) + 0.3), layout="constrained"
        )
        panels = figure.subplots(
            num_images * len(layers), 1 + len(cells), squeeze=False
        )
        for number, row in enumerate(panels):
            image, place = divmod(number, len(layers))
            layer = layers[place]
            pixels = first.drawn_image.values[image]
            square = np.argwhere(first.drawn_digit.values[image] > 0)
            for axes in row:
                axes.set_xticks([])
                axes.set_yticks([])
                axes.spines[:].set_visible(False)
            row[0].imshow(pixels, cmap="gray_r")
            _outline(row[0], square, "black")
            row[0].set_ylabel(f"convolution {layer + 1}")
            for axes, (beta, cell) in zip(row[1:], cells, strict=True):
                nats = cell[f"map_{layer}"].isel(seed=0, drawn=image).values
                lost = (len(pixels) - len(nats)) // 2
                axes.imshow(
                    nats,
                    cmap=EPOCH_COLORMAP,
                    norm=norm,
                    extent=(
                        lost - 0.5,
                        len(pixels) - lost - 0.5,
                        len(pixels) - lost - 0.5,
                        lost - 0.5,
                    ),
                )
                # As large as the image, so that places lie below their pixels.
                axes.set_xlim(-0.5, len(pixels) - 0.5)
                axes.set_ylim(len(pixels) - 0.5, -0.5)
                _outline(axes, square, "white")
                if number == 0:
                    axes.set_title(f"β = {beta:g}")
        panels[0][0].set_title("image")
        bar = figure.colorbar(
            ScalarMappable(norm, EPOCH_COLORMAP), ax=list(panels.flat), aspect=40
        )
        bar.set_label("information per place (nats)")
    return figure


def _outline(axes: Axes, square: np.ndarray, color: str) -> None:
    """The square of the digit."""
    (top, left), (bottom, right) = square.min(axis=0), square.max(axis=0)
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5),
            right - left + 1,
            bottom - top + 1,
            fill=False,
            edgecolor=color,
            linewidth=0.8,
        )
    )


def _regions(points: Sequence[Point]) -> Figure:
    """Nats per place in every region, and the ratio of digit to clutter."""
    layers = points[0].with_places
    with paper_style():
        figure = Figure(figsize=(7.0, 3.6), layout="constrained")
        panels = figure.subplots(2, len(layers), sharex=True, sharey="row")
        panels = panels.reshape(2, len(layers))
        for column, layer in zip(panels.T, layers, strict=True):
            for number, (name, color) in enumerate(_REGIONS):
                values = [point.by_region[:, layer, number] for point in points]
                _line(column[0], points, values, color, name)
            column[0].set_title(
                f"convolution {layer + 1}: {points[0].layers[layer]}", loc="left"
            )
            ratios = [point.ratio[:, layer] for point in points]
            _line(column[1], points, ratios, _PURPLE)
            column[1].axhline(1.0, color="0.15", linewidth=0.8)
            price_axis(column[1], [point.beta for point in points])
        shown = np.concatenate(
            [np.nanmean(point.by_region[:, layers], axis=0).ravel() for point in points]
        )
        _logarithmic(panels[0][0], shown)
        # Intervals of few seeds would leave nothing else to see.
        highest = np.nanmax([np.nanmean(p.ratio[:, layers], axis=0) for p in points])
        panels[1][0].set_ylim(0, 1.4 * max(highest, 1.0))
        panels[0][0].set_ylabel("nats per place")
        panels[1][0].set_ylabel("digit / clutter")
        panels[0][0].legend(loc="lower left")
    return figure


def _errors(points: Sequence[Point], binary: dict[float, np.ndarray]) -> Figure:
    """Nats of every layer, and errors beside those of binary dropout, if there are."""
    with paper_style():
        figure = Figure(figsize=(7.0, 2.5), layout="constrained")
        left, right = figure.subplots(1, 2)
        layers = points[0].layers
        for layer, color in enumerate(layer_colors(len(layers))):
            values = [point.information[:, layer] for point in points]
            _line(left, points, values, color, f"{layer + 1}: {layers[layer]}")
        _logarithmic(left, [np.nanmean(p.information, axis=0) for p in points])
        left.set_ylabel("information of a layer (nats)")
        left.legend(loc="lower left", title="noisy layer", title_fontsize=7)
        test = [point.test_error for point in points]
        train = [point.train_error for point in points]
        _line(right, points, test, _BLUE, "information dropout, test")
        _line(right, points, train, _GREEN, "information dropout, training", "--")
        compared = {}
        if binary:
            rate = list(binary)[best_place(list(binary.values()))]
            compared[rate] = (f"binary dropout {rate:g}, test", _VERMILLION)
        if 0.0 in binary:
            compared[0.0] = ("no dropout, test", "0.5")
        for rate, (label, color) in compared.items():
            found = mean_interval(binary[rate])
            right.axhline(found.mean, color=color, label=label, linewidth=1.0)
            if found.count > 2:
                right.axhspan(
                    found.low, found.high, color=color, alpha=0.15, linewidth=0
                )
        right.set_ylim(0, 100)
        right.set_ylabel("wrong classes (%)")
        right.legend(loc="upper left")
        for axes in (left, right):
            price_axis(axes, [point.beta for point in points])
    return figure


def _line(axes: Axes, points, values, color, label=None, dash="-") -> None:
    """Means over seeds against beta, every seed, and intervals of three or more."""
    betas = [point.beta for point in points]
    found = [mean_interval(v) for v in values]
    means = [f.mean for f in found]
    axes.plot(betas, means, dash, color=color, label=label, marker=".")
    for seed in np.transpose(values):
        axes.plot(betas, seed, ".", color=color, markersize=2, alpha=0.6)
    # Two seeds have an interval too, but it is as good as none.
    if max(f.count for f in found) > 2:
        low, high = [f.low for f in found], [f.high for f in found]
        axes.fill_between(betas, low, high, color=color, alpha=0.15, linewidth=0)


def _logarithmic(axes: Axes, means) -> None:
    """A logarithmic vertical axis around the means, whatever their intervals are."""
    means = np.asarray(means)
    axes.set_yscale("log", nonpositive="clip")
    axes.set_ylim(means[means > 0].min() / 3, 3 * np.nanmax(means))
