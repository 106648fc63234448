"""Figures of the noise of words: sentences, groups by layer, deletion curves."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ibjax.experiments.word_information.claims import group_entropies
from ibjax.experiments.word_information.groups import GROUPS
from ibjax.plots.style import layer_colors, mean_band, paper_style
from ibjax.report import ReportFigure

__all__ = ["word_figures"]

_NAMES = {"cnn": "CNN", "lstm": "LSTM", "transformer": "Transformer"}
_COLORMAP = "viridis"
_WORDS_SHOWN = 16


def word_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, ReportFigure]:
    """All figures of the experiment, by name.

    Args:
      datasets: Datasets of
        :func:`ibjax.experiments.word_information.measured.measure_kind`, by kind.

    Returns:
      For each kind some sentences, groups of words by layer, and deletion curves.
    """
    figures = {
        f"word_sentences_{kind}": ReportFigure(
            _sentences(dataset),
            f"Sentences: {_NAMES[kind]}",
            "What each layer of the first network leaves open of every word, the "
            "entropy of the noise that it bears, on one scale. Dark words matter.",
        )
        for kind, dataset in datasets.items()
    }
    figures["word_groups"] = ReportFigure(
        _groups(datasets),
        "Groups of words",
        "Entropy that is left open of negations, words of sentiment, function words "
        f"and others, less the mean of their sentence. {_BAND}",
    )
    figures["word_deletion"] = ReportFigure(
        _deletion(datasets),
        "Deletion of words",
        "Probability of the class that a network chose, as words are deleted in the "
        f"order of their noise, of gradient times input, or by lot. {_BAND}",
    )
    return figures


_BAND = "Bands are 95 % intervals over networks."


def _groups(datasets: Mapping[str, xr.Dataset]) -> Figure:
    """Entropy of every group of words less the sentence's mean, layer by layer."""
    with paper_style():
        figure = Figure(figsize=(2.2 * len(datasets) + 1.0, 2.2), layout="constrained")
        panels = figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0]
        for axes, (kind, dataset) in zip(panels, datasets.items(), strict=True):
            x = np.arange(dataset.sizes["layer"])
            for name, values, color in zip(
                GROUPS, group_entropies(dataset), layer_colors(len(GROUPS)), strict=True
            ):
                mean_band(axes, x, values, marker=".", color=color, label=name)
            axes.axhline(0, color="0.6", linewidth=0.5)
            axes.set_xticks(x, [str(name) for name in dataset.layer.values])
            axes.set_title(_NAMES[kind], loc="left")
        panels[0].set_ylabel("entropy left open, less the\nsentence's (nats/dimension)")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", title="words")
    return figure


def _deletion(datasets: Mapping[str, xr.Dataset]) -> Figure:
    """Probability of the class as words are deleted."""
    with paper_style():
        figure = Figure(figsize=(2.2 * len(datasets) + 1.3, 2.3), layout="constrained")
        panels = figure.subplots(1, len(datasets), sharey=True, squeeze=False)[0]
        for axes, (kind, dataset) in zip(panels, datasets.items(), strict=True):
            orders = [str(order) for order in dataset.order.values]
            curves = dataset.deletion.mean("sentence")
            for order, color in zip(orders, layer_colors(len(orders)), strict=True):
                for direction, dash in (("most", "-"), ("least", "--")):
                    values = curves.sel(order=order, direction=direction)
                    mean_band(
                        axes,
                        dataset.fraction,
                        values.transpose("seed", ...),
                        linestyle=dash,
                        color=color,
                        label=order if dash == "-" else None,
                    )
            axes.set_xlabel("part of the words deleted")
            axes.set_title(_NAMES[kind], loc="left")
            axes.set_xlim(0, 1)
            # Intervals of few seeds reach further than a probability can.
            axes.set_ylim(0, 1)
        panels[0].set_ylabel("probability of the class")
        panels[0].plot([], [], "-", color="0.3", label="most relevant first")
        panels[0].plot([], [], "--", color="0.3", label="least relevant first")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center")
    return figure


def _sentences(dataset: xr.Dataset) -> Figure:
    """Words of some sentences, and what layers of the first network leave open."""
    words = dataset.drawn_word.values
    rows = [row for row in range(len(words)) if words[row, 0]]
    entropy = dataset.entropy.isel(seed=0).transpose("sentence", "layer", "word").values
    layers = [str(name) for name in dataset.layer.values]
    shown = entropy[: len(words), :, :_WORDS_SHOWN]
    norm = Normalize(np.nanmin(shown), np.nanmax(shown))
    colormap = matplotlib.colormaps[_COLORMAP].with_extremes(bad="white")
    with paper_style():
        height = 0.45 + 0.16 * len(layers)
        figure = Figure(figsize=(7.0, height * len(rows)), layout="constrained")
        panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
        for axes, row in zip(panels, rows, strict=True):
            axes.imshow(shown[row], cmap=colormap, norm=norm, aspect="auto")
            own = [word for word in words[row] if word]
            if len(own) > _WORDS_SHOWN:
                own = [*own[: _WORDS_SHOWN - 1], f"{own[_WORDS_SHOWN - 1]} …"]
            axes.set_xticks(range(len(own)), own, rotation=30, ha="left")
            axes.xaxis.tick_top()
            axes.tick_params(axis="both", length=0)
            axes.set_yticks(range(len(layers)), layers)
            axes.set_xlim(-0.5, _WORDS_SHOWN - 0.5)
            axes.spines[:].set_visible(False)
        bar = figure.colorbar(
            ScalarMappable(norm, colormap), ax=panels, location="right", aspect=30
        )
        bar.set_label("entropy left open (nats/dimension)")
    return figure
