"""Figures of taggers: what tags cost and miss, and what their prices do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from ibjax.experiments.tags.claims import Point, known_of, points_of
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["tags_figures"]

_COLORS = layer_colors(3)
_MARKERS = "os^Dv"
_CORPORA = {"tags": "Drawn corpus", "tags-ewt": "Treebank"}


def tags_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Errors against information, and what gamma and beta do, by name."""
    panels = {
        (name, kind): points
        for name, dataset in datasets.items()
        for kind, points in points_of(dataset).items()
    }
    known = {name: known_of(dataset) for name, dataset in datasets.items()}
    return {
        "tags_errors": _errors(panels, known),
        "tags_prices": _prices(panels),
    }


def _errors(panels: dict, known: dict) -> Figure:
    """Share of labels that one tag misses against what the tag costs."""
    rows = list(dict.fromkeys(name for name, _ in panels))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4 * len(rows)), layout="constrained")
        kinds = list(dict.fromkeys(kind for _, kind in panels))
        axes_of = figure.subplots(len(rows), len(kinds), sharey="row", squeeze=False)
        for (name, kind), points in panels.items():
            axes = axes_of[rows.index(name)][kinds.index(kind)]
            for number, gamma in enumerate(_gammas(points)):
                _line(
                    axes,
                    [p for p in points if p.gamma == gamma],
                    number,
                    lambda p: p.values["test_rate"],
                    lambda p: 100 * p.values["test_error_one_draw"],
                    label=f"γ = {gamma:g}",
                )
            for limit, words in (
                ("best_error", "least possible"),
                ("best_type_error", "by the word alone"),
            ):
                if limit in known[name]:
                    height = 100 * known[name][limit]
                    axes.axhline(height, color="0.5", linewidth=0.7, zorder=0)
                    axes.annotate(
                        words,
                        (1.0, height),
                        (0, 2),
                        xycoords=("axes fraction", "data"),
                        textcoords="offset points",
                        ha="right",
                        color="0.35",
                        fontsize=7,
                    )
            axes.set_title(f"{_CORPORA.get(name, name)}, {kind} tags", loc="left")
            axes.set_xlim(left=0)
            if kind == "continuous":
                axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
                axes.xaxis.set_minor_locator(NullLocator())
        for axes in axes_of[-1]:
            axes.set_xlabel("what a tag costs, bound on $I(X;T)$ (nats)")
        for row in axes_of:
            row[0].set_ylabel("test error of one tag (%)")
            row[0].set_ylim(0, 100)
        axes_of[0][0].legend(loc="upper right")
    return figure


def _prices(panels: dict) -> Figure:
    """What is taken from the context, and the agreement with parts of speech."""
    rows = list(dict.fromkeys(name for name, _ in panels))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.3 * len(rows)), layout="constrained")
        axes_of = figure.subplots(len(rows), 3, sharex=True, squeeze=False)
        for (name, kind), points in panels.items():
            row = axes_of[rows.index(name)]
            filled = kind == "discrete"
            for number, gamma in enumerate(_gammas(points)):
                own = [p for p in points if p.gamma == gamma]
                options = {"filled": filled, "dash": "-" if filled else "--"}
                label = f"γ = {gamma:g}, {kind}"

                def beta(p):
                    return np.full_like(p.values["test_rate"], p.beta)

                for axes, variable, scale in zip(
                    row,
                    (
                        "test_type_rate",
                        "part_of_speech_error",
                        "part_of_speech_v_measure",
                    ),
                    (1, 100, 1),
                    strict=True,
                ):
                    if np.isfinite(own[0].values[variable]).any():
                        _line(
                            axes,
                            own,
                            number,
                            beta,
                            lambda p, v=variable, s=scale: s * p.values[v],
                            label=label,
                            **options,
                        )
        for row, name in zip(axes_of, rows, strict=True):
            # Not by the whiskers of two or three seeds, which can be any length.
            most = max(
                np.nanmean(p.values["test_type_rate"])
                for (own_name, _), points in panels.items()
                for p in points
                if own_name == name
            )
            row[0].set_yscale("symlog", linthresh=0.1, linscale=0.5)
            row[0].yaxis.set_minor_locator(NullLocator())
            row[0].set_ylim(0, 1.5 * most)
            row[0].set_ylabel(r"bound on $I(T;X\,|\,\mathrm{type})$ (nats)")
            row[1].set_ylabel("parts of speech missed (%)")
            row[1].set_ylim(0, 100)
            row[2].set_ylabel("V-measure of discrete tags")
            row[2].set_ylim(0, 1)
            row[0].set_title(_CORPORA.get(name, name), loc="left")
        for axes in axes_of[-1]:
            axes.set_xscale("log")
            axes.set_xlabel("price β of a nat of rate")
        handles, labels = axes_of[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _gammas(points: list[Point]) -> list[float]:
    return sorted({p.gamma for p in points})


def _line(axes: Axes, points, number, x_of, y_of, *, label, filled=True, dash="-"):
    """Means over seeds with intervals, points joined in order of beta."""
    x, y = ([mean_interval(of(p)) for p in points] for of in (x_of, y_of))
    color = _COLORS[number % len(_COLORS)]

    def whiskers(intervals):
        spread = [[v.mean - v.low, v.high - v.mean] for v in intervals]
        return np.nan_to_num(np.array(spread)).T

    axes.errorbar(
        [v.mean for v in x],
        [v.mean for v in y],
        yerr=whiskers(y),
        color=color,
        linestyle=dash,
        marker=_MARKERS[number % len(_MARKERS)],
        markersize=3.5,
        markerfacecolor=color if filled else "white",
        linewidth=0.9,
        elinewidth=0.7,
        label=label,
    )
