"""Figures of critical periods: removal, windows, Fisher information, exact dynamics."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.experiments.critical_periods.claims import (
    Windowed,
    networks_of,
    removals,
    sliding,
)
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval
from ibjax.training.deep_linear import pathway_strengths

__all__ = ["critical_figures", "linear_figure"]

_NAMES = ("blur", "flip", "labels", "noise")
_COLORS = dict(zip(_NAMES, layer_colors(4), strict=True))
_MARKERS = dict(zip(_NAMES, "os^D", strict=True))
_WORDS = {"labels": "permuted labels"}


def critical_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Networks with deficits, and the exact dynamics of two pathways, by name."""
    return {
        "critical_periods": _networks(dataset),
        "critical_periods_linear": linear_figure(),
    }


def _networks(dataset: xr.Dataset) -> Figure:
    """Accuracy against removal, loss against onset, and the Fisher trace."""
    found = networks_of(dataset)
    configuration = json.loads(dataset.attrs["configuration"])
    clean = configuration["clean_epochs"]
    whole = next(iter(found.values()))[0]
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        for name, windows in found.items():
            _line(left, name, removals(windows), "stop", "accuracy")
            _line(middle, name, sliding(windows), "start", "loss")
            longest = removals(windows)[-1]
            _trace(right, longest, _COLORS[name], "-")
        longest = max(w.stop for windows in found.values() for w in windows)
        _trace(right, whole, "0.0", "--", label="no deficit")
        left.axhline(
            np.nanmean(whole.accuracy),
            color="0.0",
            linestyle="--",
            linewidth=0.9,
            zorder=0,
        )
        middle.axhline(0, color="0.0", linestyle="--", linewidth=0.9, zorder=0)
        left.set_xlabel("deficit ends at epoch")
        left.set_ylabel(f"test accuracy, {clean} epochs later (%)")
        slid = sliding(next(iter(found.values())))
        length = f"{slid[0].length}-epoch " if slid else ""
        middle.set_xlabel(f"{length}deficit begins at epoch")
        middle.set_ylabel("loss of accuracy (points)")
        right.axvspan(0, longest, color="0.93", linewidth=0, zorder=0)
        right.set_xlabel("epoch (deficit in the grey part)")
        right.set_ylabel("trace of Fisher information (nats)")
        right.set_yscale("log")
        right.set_xlim(0, None)
        for axes in (left, middle):
            axes.set_xlim(-0.04 * longest, 1.04 * longest)
        handles, labels = left.get_legend_handles_labels()
        more, words = right.get_legend_handles_labels()
        figure.legend(
            handles + more,
            labels + words,
            loc="outside upper center",
            ncols=len(handles) + 1,
        )
    return figure


def _line(axes: Axes, name: str, windows: list[Windowed], end: str, value: str) -> None:
    """Mean over seeds with its interval, against an end of the windows."""
    if not windows:
        return
    places = [getattr(window, end) for window in windows]
    intervals = [mean_interval(getattr(window, value)) for window in windows]
    mean = [interval.mean for interval in intervals]
    axes.plot(
        places,
        mean,
        color=_COLORS[name],
        marker=_MARKERS[name],
        markersize=3,
        label=_WORDS.get(name, name),
    )
    axes.fill_between(
        places,
        [interval.low for interval in intervals],
        [interval.high for interval in intervals],
        color=_COLORS[name],
        alpha=0.15,
        linewidth=0,
    )


def _trace(axes: Axes, window: Windowed, color: str, line: str, **options) -> None:
    trace = np.where(np.isfinite(window.trace), window.trace, np.nan)
    axes.plot(window.epochs, np.nanmean(trace, axis=0), line, color=color, **options)


def linear_figure(*, initial: float = 1e-3, length: float = 1.0) -> Figure:
    """What a pathway keeps of a mode, exactly, against its deficit.

    Two pathways of two layers each learn a mode of strength one; the second one sees
    nothing for a while.

    Args:
      initial: Strength of either pathway where training starts.
      length: Length of the windows that are moved, in time constants of the mode.

    Returns:
      The figure: left against the end of the deficit, right against its beginning.
    """
    times = np.linspace(0, 8, 200)
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        panels = figure.subplots(1, 3)
        _learning(panels[0], initial)
        for axes, start, stop in (
            (panels[1], 0 * times, times),
            (panels[2], times, times + length),
        ):
            _, second = pathway_strengths(
                60.0, strength=1.0, initial=initial, start=start, stop=stop
            )
            axes.plot(times, np.asarray(second), color=_COLORS["blur"])
            axes.axhline(0.5, color="0.0", linestyle="--", linewidth=0.9, zorder=0)
            axes.set_ylim(0, 0.54)
            axes.set_xlim(0, times[-1])
        panels[1].set_ylabel("kept by the second pathway")
        panels[1].set_xlabel("deficit from 0 to time")
        panels[2].set_xlabel(f"deficit of length {length:g} from time")
    return figure


def _learning(axes: Axes, initial: float) -> None:
    """Both pathways over time, for one deficit."""
    times = np.linspace(0, 8, 200)
    first, second = pathway_strengths(
        times, strength=1.0, initial=initial, start=0.0, stop=1.0
    )
    whole, _ = pathway_strengths(
        times, strength=1.0, initial=initial, start=0.0, stop=0.0
    )
    axes.axvspan(0, 1, color="0.93", linewidth=0)
    axes.plot(times, np.asarray(first), color=_COLORS["flip"], label="first pathway")
    axes.plot(times, np.asarray(second), color=_COLORS["blur"], label="second")
    axes.plot(
        times, np.asarray(whole), "--", color="0.0", linewidth=0.9, label="no deficit"
    )
    axes.set_xlim(0, times[-1])
    axes.set_ylim(0, 1.0)
    axes.set_xlabel("time (1 / strength of the mode)")
    axes.set_ylabel("strength learned")
    axes.legend(loc="upper left")
