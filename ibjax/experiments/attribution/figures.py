"""Figures of attribution: maps, curves, scores, sanity checks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from ibjax.experiments.attribution.claims import score_of
from ibjax.plots.style import layer_colors, mean_band, paper_style
from ibjax.report import ReportFigure
from ibjax.results.statistics import mean_interval

__all__ = ["attribution_figures"]

# Those of the others that are drawn as curves: more could not be told apart.
_CURVES = (
    "IBA 10/k",
    "IBA readout",
    "integrated gradients",
    "guided backpropagation",
    "Grad-CAM",
    "random",
    "occlusion",
)
_SHORT = {
    "gradient × input": "gradient\n× input",
    "integrated gradients": "integrated\ngradients",
    "guided backpropagation": "guided\nbackprop.",
    "guided Grad-CAM": "guided\nGrad-CAM",
    "IBA readout": "IBA\nreadout",
    "IBA 10/k": "IBA\n10/k",
}
_HEAT, _BITS = "inferno", "viridis"
# Bits fall by decades from the middle of a digit; a root shows what is left.
_BITS_POWER = 0.5


def attribution_figures(dataset: xr.Dataset) -> dict[str, ReportFigure]:
    """All figures of the experiment, by name.

    Args:
      dataset: Dataset of :func:`ibjax.experiments.attribution.measured.measure`.

    Returns:
      Maps of all methods, maps for all prices, degradation curves, scores, sanity
      checks and sensitivity.
    """
    figures = {"maps": _maps(dataset)}
    priced = _priced(dataset)
    if len(priced) > 1:
        figures["prices"] = _prices(dataset, priced)
    figures |= {
        "degradation": _degradation(dataset),
        "scores": _scores(dataset),
        "sanity": _sanity(dataset),
        "sensitivity": _sensitivity(dataset),
    }
    return {
        f"attribution_{name}": ReportFigure(figure, *_TEXTS[name])
        for name, figure in figures.items()
    }


_BAND = "Bands and bars are 95 % intervals over networks."
_TEXTS = {
    "maps": (
        "Maps of all methods",
        "Test images and their maps by the first network. Those of the bottlenecks "
        "share one scale of bits per pixel, and add up to the bits of the layer; the "
        "others have units of their own: black to white for none to the largest, blue "
        "and red where signs count. Where a digit's place is known, it is framed.",
    ),
    "prices": (
        "The bottleneck for several prices of information",
        "All maps on one scale of bits per pixel. Above: the price, for a layer of k "
        "features, and the mean bits of an image.",
    ),
    "degradation": (
        "Degradation",
        "Probability of the true class as tiles are replaced by the mean colour, in "
        "the order of their heat and in reverse; 0 is an image of one colour, 1 the "
        f"mean probability of the top class. {_BAND}",
    ),
    "scores": (
        "Scores",
        "Every method by every measure, higher is better; the line is a map that "
        f"knows nothing. {_BAND}",
    ),
    "sanity": (
        "Sanity checks",
        "Similarity to the maps of the trained network after layers were drawn anew, "
        f"from the output down. {_BAND}",
    ),
    "sensitivity": (
        "Sensitivity-n",
        "Correlation, over random subsets of n tiles, of their heat with what the "
        f"class's logit loses without them. {_BAND}",
    ),
}


def _names(dataset: xr.Dataset) -> list[str]:
    return [str(name) for name in dataset.explainer.values]


def _priced(dataset: xr.Dataset) -> list[str]:
    return [n for n in _names(dataset) if n.startswith("IBA ") and n.endswith("/k")]


def _maps(dataset: xr.Dataset) -> Figure:
    """Images and the maps of all methods by the first network."""
    priced = _priced(dataset)
    main = "IBA 10/k" if "IBA 10/k" in priced else priced[0]
    names = [n for n in _names(dataset) if n not in priced or n == main]
    drawn = dataset.isel(seed=0)
    count = dataset.sizes["drawn"]
    in_bits = [n for n in names if n.startswith("IBA")]
    most = float(drawn.drawn_map.sel(explainer=in_bits).max())
    norm = PowerNorm(_BITS_POWER, 0, most)
    with paper_style():
        figure = Figure(figsize=(7.0, 0.56 * count + 0.75), layout="constrained")
        panels = figure.subplots(count, len(names) + 1, squeeze=False)
        for row in range(count):
            _image(panels[row, 0], dataset, row)
            for axes, name in zip(panels[row, 1:], names, strict=True):
                values = drawn.drawn_map.sel(explainer=name).values[row]
                if name in in_bits:
                    shown = _show(axes, values, cmap=_BITS, norm=norm)
                else:
                    _heat(axes, values, signed=_is_signed(name))
                _box(axes, dataset, row)
        for axes, name in zip(panels[0], ["image", *names], strict=True):
            axes.set_title(_SHORT.get(name, name.replace(" ", "\n")), fontsize=6)
        bar = figure.colorbar(
            shown,
            ax=panels.tolist()[-1],
            location="bottom",
            aspect=60,
            fraction=0.12,
            shrink=0.6,
        )
        bar.set_label("IBA: information (bits per pixel), one scale for both")
        bar.locator = MaxNLocator(5)
    return figure


def _is_signed(name: str) -> bool:
    return name in ("gradient × input", "integrated gradients", "occlusion", "random")


def _heat(axes: Axes, values: np.ndarray, *, signed: bool) -> None:
    """A map in a unit of its own: white for none, or from black to white."""
    most = np.max(np.abs(values)) or 1.0
    if signed:
        _show(axes, values, cmap="RdBu_r", vmin=-most, vmax=most)
    else:
        _show(axes, np.abs(values), cmap=_HEAT, vmin=0, vmax=most)


def _show(axes: Axes, values: np.ndarray, **options):
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.3)
    return axes.imshow(values, interpolation="nearest", **options)


def _image(axes: Axes, dataset: xr.Dataset, row: int) -> None:
    _show(axes, dataset.drawn_image.values[row], cmap="gray")
    _box(axes, dataset, row)


def _box(axes: Axes, dataset: xr.Dataset, row: int) -> None:
    """The digit's square, where there is one."""
    if "drawn_digit" not in dataset:
        return
    rows, columns = np.nonzero(dataset.drawn_digit.values[row])
    size = np.ptp(columns) + 1, np.ptp(rows) + 1
    corner = columns.min() - 0.5, rows.min() - 0.5
    axes.add_patch(
        Rectangle(corner, *size, fill=False, edgecolor="#56B4E9", linewidth=0.6)
    )


def _prices(dataset: xr.Dataset, priced: Sequence[str]) -> Figure:
    """Maps of the bottleneck for all prices, all on one scale of bits."""
    drawn = dataset.isel(seed=0).drawn_map.sel(explainer=list(priced)).values
    norm = PowerNorm(_BITS_POWER, 0, float(drawn.max()))
    count = min(3, dataset.sizes["drawn"])
    bits = dataset.information.mean(["image", "seed"])
    with paper_style():
        figure = Figure(figsize=(4.2, 0.8 * count + 0.3), layout="constrained")
        panels = figure.subplots(count, len(priced) + 1, squeeze=False)
        for row in range(count):
            _image(panels[row, 0], dataset, row)
            for axes, values in zip(panels[row, 1:], drawn[:, row], strict=True):
                shown = _show(axes, values, cmap=_BITS, norm=norm)
                _box(axes, dataset, row)
        panels[0, 0].set_title("image")
        for axes, name in zip(panels[0, 1:], priced, strict=True):
            mean = float(bits.sel(explainer=name))
            axes.set_title(f"β = {name.removeprefix('IBA ')}\n{mean:.0f} bits")
        bar = figure.colorbar(shown, ax=panels, location="right", aspect=25)
        bar.set_label("bits per pixel")
    return figure


def _colors(dataset: xr.Dataset) -> dict[str, str]:
    names = [name for name in _CURVES if name in _names(dataset)]
    return dict(zip(names, layer_colors(len(_CURVES)), strict=False))


def _degradation(dataset: xr.Dataset) -> Figure:
    """Probability of the class as tiles are replaced in the order of their heat."""
    tiles = [int(tile) for tile in dataset.tile.values]
    with paper_style():
        figure = Figure(figsize=(3.5 * len(tiles), 2.7), layout="constrained")
        panels = figure.subplots(1, len(tiles), sharey=True, squeeze=False)[0]
        for axes, tile in zip(panels, tiles, strict=True):
            x = dataset[f"fraction_{tile}"].values.reshape(
                -1, dataset.sizes[f"point_{tile}"]
            )[0]
            for name, color in _colors(dataset).items():
                own = dataset.sel(explainer=name)
                for kind, dash in (("most_first", "-"), ("least_first", "--")):
                    values = own[f"{kind}_{tile}"].transpose("seed", ...).values
                    label = name if dash == "-" else None
                    mean_band(axes, x, values, color=color, linestyle=dash, label=label)
            axes.axhline(0, color="0.6", linewidth=0.5)
            axes.set_xlabel("part of the tiles replaced")
            axes.set_title(f"tiles of {tile} × {tile} pixels", loc="left")
            axes.set_xlim(0, 1)
        panels[0].set_ylabel("probability of the class, normalised")
        panels[-1].plot([], [], color="0.3", label="most relevant first")
        panels[-1].plot([], [], color="0.3", ls="--", label="least relevant first")
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _scores(dataset: xr.Dataset) -> Figure:
    """Every score of every method, with intervals over networks."""
    scores, names = score_of(dataset), _names(dataset)
    blue, vermillion = layer_colors(2)
    colors = [blue if name.startswith("IBA") else vermillion for name in names]
    with paper_style():
        figure = Figure(figsize=(7.0, 0.17 * len(names) + 0.7), layout="constrained")
        panels = figure.subplots(1, len(scores), sharey=True)
        y = np.arange(len(names))[::-1]
        for axes, score in zip(panels, scores, strict=True):
            interval = mean_interval(score.values, axis=1)
            whisker = np.stack(
                [interval.mean - interval.low, interval.high - interval.mean]
            )
            for n, color in enumerate(colors):
                axes.errorbar(
                    interval.mean[n],
                    y[n],
                    xerr=whisker[:, n : n + 1],
                    fmt="o",
                    markersize=3.5,
                    color=color,
                    elinewidth=0.9,
                )
            unknowing = 0.0
            if score.name == "box ratio":
                unknowing = float(dataset.box_area.mean())
            axes.axvline(unknowing, color="0.6", linewidth=0.6, zorder=0)
            axes.set_xlabel(score.name)
            axes.set_yticks(y, names)
    return figure


def _sanity(dataset: xr.Dataset) -> Figure:
    """How similar maps stay as layers are drawn anew from the output down."""
    layers = [str(name).replace("_", " ") for name in dataset.new_layer.values]
    x = np.arange(len(layers) + 1)
    shown = {
        "rank": "rank correlation",
        "SSIM": "structural similarity",
        "HOG": "correlation of gradients",
    }
    # Those of the other figures have their colours there.
    names = [
        *("IBA 10/k", "gradient", "integrated gradients", "guided backpropagation"),
        *("Grad-CAM", "guided Grad-CAM", "SmoothGrad"),
    ]
    names = [name for name in names if name in _names(dataset)]
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        panels = figure.subplots(1, len(shown))
        for axes, (similarity, label) in zip(panels, shown.items(), strict=True):
            for name, color in zip(names, layer_colors(len(names)), strict=True):
                own = dataset.sanity.sel(explainer=name, similarity=similarity)
                values = own.transpose("seed", "new_layer").values
                # The trained network's own maps.
                values = np.concatenate([np.ones((len(values), 1)), values], axis=1)
                mean_band(axes, x, values, color=color, marker=".", label=name)
            axes.axhline(0, color="0.6", linewidth=0.5)
            axes.set_xticks(x, ["none", *layers], rotation=45)
            axes.set_ylabel(label)
        figure.supxlabel("new weights from the output down to", fontsize=8)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _sensitivity(dataset: xr.Dataset) -> Figure:
    """Correlation of heat and loss over random subsets of tiles."""
    x = dataset.num_hidden.values
    tile = int(dataset.tile.values[0])
    with paper_style():
        figure = Figure(figsize=(4.6, 2.5), layout="constrained")
        axes = figure.subplots()
        for name, color in _colors(dataset).items():
            values = dataset.sensitivity.sel(explainer=name)
            values = values.transpose("seed", "num_hidden").values
            mean_band(axes, x, values, color=color, marker=".", label=name)
        axes.axhline(0, color="0.6", linewidth=0.5)
        axes.set_xscale("log")
        axes.set_xticks(x, [str(n) for n in x])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel(f"tiles hidden, of {tile} × {tile} pixels")
        axes.set_ylabel("correlation of heat and loss")
        figure.legend(loc="outside right center")
    return figure
