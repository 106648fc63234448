"""Noisy networks: I(X;T) with its penalty, H(bin(T)) beside it, and clusters."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ibjax import datasets
from ibjax.numerics import checks
from ibjax.plots.style import (
    epoch_axis,
    format_epoch,
    information_bits,
    layer_colors,
    layer_names,
    paper_style,
    pick,
)
from ibjax.probes.noisy import binned_entropy_name, layer_samples_name, sample_rows
from ibjax.results.cells import cells_of
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = [
    "noisy_bins",
    "noisy_clusters",
    "noisy_figures",
    "noisy_information",
    "sampled_layers",
]

_BLUE, _VERMILLION = "#0072B2", "#D55E00"
_CLASS_COLORS = (_BLUE, _VERMILLION, "#009E73", "#CC79A7", "#E69F00", "#000000")
_BIN_COLORS = ("#E69F00", "#009E73", _VERMILLION, _BLUE, "#CC79A7")
_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1.5, 1, 1.5)), (0, (6, 2)))
_SEEN_BITS = 0.1
# Looking down at a cube, a little from the side: two axes of the page.
_VIEW = np.array([[0.92, -0.39, 0.0], [0.13, 0.30, 0.95]])


def noisy_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Information, bins and the samples of every layer that has them, by name."""
    task = datasets.szt()
    figures = {
        "noisy_information": noisy_information(dataset),
        "noisy_bins": noisy_bins(dataset),
    }
    layers = sampled_layers(dataset)
    for layer in layers:
        num_inputs = dataset[layer_samples_name(layer)].shape[-2]
        labels = np.asarray(task.labels)[sample_rows(task.num_samples, num_inputs)]
        name = "noisy_clusters" if layer == layers[-1] else f"noisy_clusters_{layer}"
        figures[name] = noisy_clusters(dataset, labels, layer=layer)
    return figures


def noisy_information(dataset: xr.Dataset, *, estimator: str = "propagation") -> Figure:
    """I(X;T) of every noisy layer against the epoch, in bits, one panel per cell.

    Of a grid over two axes the first one's values are the rows.

    Lines are means over seeds, bands the 95 % Student t interval of the mean where it
    lies between 0 and log2 N. The dotted line is log2 N, which no I(X;T) of N inputs
    exceeds.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`.
      estimator: Name of the estimator by sample propagation.

    Returns:
      Figure, up to 7 inches wide.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.
    """
    checks.one_of("estimator", estimator, dataset["estimator"].values.tolist())
    places, cells = zip(*cells_of(dataset), strict=True)
    num_rows = 1
    if len(places[0]) > 1:
        num_rows = len({next(iter(place.values())) for place in places})
    num_columns = len(cells) // num_rows
    num_hidden = cells[0].sizes["layer"] - 1
    colors = layer_colors(num_hidden)
    with paper_style():
        width = min(7.0, 1.3 + 2.6 * num_columns)
        figure = Figure(figsize=(width, 0.4 + 2.2 * num_rows), layout="constrained")
        panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False)
        for axes, cell in zip(panels.flat, cells, strict=True):
            epochs = cell["epoch"].values
            values = information_bits(cell, "i_xt", estimator)
            axes.axhline(_most_bits(cell), color="0.5", linewidth=0.8, linestyle=":")
            for layer, name in enumerate(layer_names(cell)[:num_hidden]):
                interval = mean_interval(values[:, :, layer])
                low, high = (
                    np.clip(end, 0.0, _most_bits(cell))
                    for end in (interval.low, interval.high)
                )
                color = colors[layer]
                axes.plot(epochs, interval.mean, color=color, label=name)
                axes.fill_between(epochs, low, high, color=color, alpha=0.2, lw=0)
            epoch_axis(axes, epochs, label=axes in panels[-1])
            axes.set_title(_cell_title(cell))
        for axes in panels[:, 0]:
            _bits_axis(axes, cells[0], "$I(X;T)$ (bits)")
        handles, texts = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside right center", title="layer")
        figure.suptitle(_seeds_note(dataset), x=0.01, ha="left")
    return figure


def noisy_bins(
    dataset: xr.Dataset, *, layer: int | None = None, estimator: str = "propagation"
) -> Figure:
    """H(bin(T)) for several bins beside I(X;T) of a layer, one row of panels per cell.

    Left, both in bits. Right, every seed's curve from its least value, 0, to its
    largest, 1, to compare their shapes; bins with which H(bin(T)) changes by less than
    0.1 bit on average are left out there. Lines are means over seeds.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`.
      layer: Number of the layer, from 1; the last hidden one by default.
      estimator: Name of the estimator by sample propagation.

    Returns:
      Figure, 7 inches wide.

    Raises:
      ValueError: If the dataset does not hold such a hidden layer.
    """
    cells = [cell for _, cell in cells_of(dataset)]
    layer = _hidden_layer(cells[0], layer)
    widths = json.loads(cells[0].attrs["configuration"])["bin_widths"]
    with paper_style():
        figure = Figure(figsize=(7.0, 0.8 + 1.9 * len(cells)), layout="constrained")
        rows = figure.subplots(len(cells), 2, squeeze=False)
        for (left, right), cell in zip(rows, cells, strict=True):
            epochs = cell["epoch"].values
            left.axhline(_most_bits(cell), color="0.5", linewidth=0.8, linestyle=":")
            information = information_bits(cell, "i_xt", estimator)[:, :, layer - 1]
            for axes in (left, right):
                values = _scaled(information) if axes is right else information
                mean = mean_interval(values).mean
                axes.plot(epochs, mean, color="black", lw=2.0, label="$I(X;T)$")
            styles = zip(widths, itertools.cycle(_BIN_COLORS), itertools.cycle(_LINES))
            for width, color, line in styles:
                name = binned_entropy_name(width)
                entropy = pick(cell.sel(layer=layer), name, "seed", "epoch")
                entropy = entropy / NATS_PER_BIT
                style = {"color": color, "linestyle": line}
                label = f"$H(\\mathrm{{bin}}(T))$, bins of {width:g}"
                mean = mean_interval(entropy).mean
                left.plot(epochs, mean, label=label, **style)
                change = np.max(entropy, axis=1) - np.min(entropy, axis=1)
                if np.nanmean(change) >= _SEEN_BITS:
                    mean = mean_interval(_scaled(entropy)).mean
                    right.plot(epochs, mean, **style)
            for axes in (left, right):
                epoch_axis(axes, epochs, label=cell is cells[-1])
            _bits_axis(left, cell, "bits")
            left.set_title(_cell_title(cell))
            right.set_ylim(0.0, 1.0)
            right.set_ylabel("from least to largest")
        handles, texts = rows[0, 0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=3)
        num_seeds = dataset.sizes["seed"]
        title = f"Layer {layer_names(cells[0])[layer - 1]}; mean of {num_seeds} seeds"
        figure.suptitle(title, x=0.01, ha="left")
    return figure


def sampled_layers(dataset: xr.Dataset) -> list[int]:
    """Numbers of the layers whose samples a dataset holds.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`.

    Returns:
      The numbers, rising.
    """
    layers = dataset["layer"].values.tolist()
    return [layer for layer in layers if layer_samples_name(layer) in dataset]


def noisy_clusters(
    dataset: xr.Dataset,
    labels: ArrayLike,
    *,
    layer: int | None = None,
    epochs: Sequence[int] | None = None,
    seed: int = 0,
    estimator: str = "propagation",
) -> Figure:
    """A layer's noisy samples at a few epochs, coloured by class, one row per cell.

    Above each panel are the epoch and the layer's I(X;T) then. Layers of three units
    are drawn in the cube that tanh units fill, without perspective; those of more on
    the first two principal components of the epochs that are shown, which leave out
    part of their variance, as each row says.

    Args:
      dataset: Dataset of :class:`ibjax.experiments.noisy.setup.NoisySetup`, with the
        samples of a layer of two or more units.
      labels: Integer classes of the samples, ``[num_inputs]``, at most six classes.
      layer: Number of the layer, from 1; the last one with samples by default.
      epochs: Epochs to show; by default four, spread over the snapshots.
      seed: Place of the seed in the dataset.
      estimator: Name of the estimator by sample propagation.

    Returns:
      Figure, up to 7 inches wide.

    Raises:
      ValueError: If there are no samples of the layer, it has one unit, there are other
        than as many labels as samples, or an epoch was not measured.
    """
    labels = np.asarray(labels)
    sampled = sampled_layers(dataset)
    layer = sampled[-1] if layer is None and sampled else layer
    checks.one_of("layer", layer, sampled)
    cells = [cell.isel(seed=[seed]) for _, cell in cells_of(dataset)]
    known = dataset["epoch"].values
    if epochs is None:
        chosen = np.unique(np.linspace(0, len(known) - 1, 4).round().astype(int))
        epochs = known[chosen].tolist()
    for epoch in epochs:
        checks.one_of("epochs", epoch, known.tolist())
    shown = [int(np.flatnonzero(known == epoch)[0]) for epoch in epochs]
    num_inputs, units = cells[0][layer_samples_name(layer)].shape[-2:]
    checks.at_least("number of the layer's units", units, 2)
    checks.shape("labels", labels, (num_inputs,))
    number = cells[0]["layer"].values.tolist().index(layer)
    with paper_style():
        figure = Figure(
            figsize=(0.4 + 1.65 * len(epochs), 0.5 + 1.95 * len(cells)),
            layout="constrained",
        )
        rows = figure.subplots(len(cells), len(epochs), squeeze=False)
        for row, cell in zip(rows, cells, strict=True):
            bits = information_bits(cell, "i_xt", estimator)[0, :, number]
            samples = cell[layer_samples_name(layer)].isel(seed=0, epoch=shown).values
            points, edges, share = _flat(samples)
            extent = 1.05 * np.nanmax(
                np.abs(np.concatenate([points.reshape(-1, 2), edges])), initial=1e-9
            )
            for axes, place, flat in zip(row, shown, points, strict=True):
                _scatter(axes, flat, edges, labels)
                axes.set(xlim=(-extent, extent), ylim=(-extent, extent))
                text = format_epoch(known[place])
                axes.set_title(f"epoch {text}\n$I(X;T)$ = {bits[place]:.1f} bits")
            title = _cell_title(cell, "\n")
            if share < 1.0:
                title += f"\n{100 * share:.0f} % of the variance"
            row[0].text(
                -0.04,
                0.5,
                title,
                transform=row[0].transAxes,
                rotation=90,
                ha="right",
                va="center",
                multialignment="center",
            )
        handles, texts = rows[0, 0].get_legend_handles_labels()
        legend = figure.legend(
            handles, texts, loc="outside lower center", ncols=len(texts)
        )
        for handle in legend.legend_handles:
            handle.set(alpha=1.0, sizes=[14.0])
        name = layer_names(cells[0])[number]
        how = "" if units <= 3 else ", first two principal components"
        figure.suptitle(f"Layer {name}, one network{how}", x=0.01, ha="left")
    return figure


def _flat(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Samples ``[num_epochs, num_inputs, units]`` on the page.

    Returns:
      Points ``[num_epochs, num_inputs, 2]``; ends of the edges of what they lie in,
      ``[2 * num_edges, 2]``; and how much of their variance is seen, at most 1.
    """
    units = samples.shape[-1]
    if units <= 3:
        view = _VIEW if units == 3 else np.eye(2)
        corners = np.array(list(itertools.product((-1.0, 1.0), repeat=units)))
        edges = [
            corner
            for pair in itertools.combinations(corners, 2)
            if np.sum(pair[0] != pair[1]) == 1
            for corner in pair
        ]
        return samples @ view.T, np.array(edges) @ view.T, 1.0
    rows = samples.reshape(-1, units).astype(np.float64)
    # Samples of a network that diverged are not numbers, and are not drawn.
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < 2:
        rows = np.zeros((2, units))
    centre = rows.mean(axis=0)
    _, sizes, directions = np.linalg.svd(rows - centre, full_matrices=False)
    share = np.sum(sizes[:2] ** 2) / max(np.sum(sizes**2), np.finfo(float).tiny)
    return (samples - centre) @ directions[:2].T, np.zeros((0, 2)), share


def _scatter(axes: Axes, points, edges, labels: np.ndarray) -> None:
    axes.set_aspect("equal")
    axes.set_axis_off()
    for edge in edges.reshape(-1, 2, 2):
        axes.plot(*edge.T, color="0.75", linewidth=0.6, zorder=0)
    # Classes in the order of the inputs: none hides another.
    for label in np.unique(labels):
        axes.scatter([], [], color=_CLASS_COLORS[label], label=f"class {label}", s=3)
    colors = [_CLASS_COLORS[label] for label in labels]
    x, y = points.T
    axes.scatter(x, y, c=colors, s=3, alpha=0.6, linewidths=0, zorder=1)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Every seed's curve from 0 to 1; NaN where it never changes."""
    low = np.min(values, axis=1, keepdims=True)
    extent = np.max(values, axis=1, keepdims=True) - low
    return np.where(extent > 0, values - low, np.nan) / np.where(extent > 0, extent, 1)


def _hidden_layer(cell: xr.Dataset, layer: int | None) -> int:
    hidden = cell["layer"].values[:-1].tolist()
    layer = hidden[-1] if layer is None else layer
    return checks.one_of("layer", layer, hidden)


def _most_bits(cell: xr.Dataset) -> float:
    return math.log2(cell.attrs["num_samples"])


def _bits_axis(axes: Axes, cell: xr.Dataset, label: str) -> None:
    most = _most_bits(cell)
    axes.set_ylim(0.0, 1.12 * most)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 4, 5, 10]))
    axes.set_ylabel(label)
    axes.annotate(
        r"$\log_2 N$",
        (0.02, most),
        (0, 1),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        fontsize=7,
        color="0.4",
        va="bottom",
    )


def _cell_title(cell: xr.Dataset, join: str = ", ") -> str:
    options = json.loads(cell.attrs["configuration"])
    weight = options["orthonormal"]
    penalty = f"orthonormal weights ({weight:g})" if weight else "no penalty"
    return f"{penalty}{join}noise {options['noise_std']:g}"


def _seeds_note(dataset: xr.Dataset) -> str:
    num_seeds = dataset.sizes["seed"]
    if num_seeds == 1:
        return "One seed"
    return f"Mean of {num_seeds} seeds, band: 95 % interval of the mean"
