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
from ibjax.experiments.critical_periods.pathways import (
    LENGTH,
    exact_strengths,
    kept,
    trained_pathways,
)
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["critical_figures", "linear_figure"]

_NAMES = ("blur", "flip", "labels", "noise")
_COLORS = dict(zip(_NAMES, layer_colors(4), strict=True))
_MARKERS = dict(zip(_NAMES, "os^D", strict=True))
_WORDS = {"labels": "permuted labels"}


def critical_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Networks with deficits, and two linear pathways, exact and trained, by name."""
    return {
        "critical_periods": _networks(dataset),
        "critical_periods_linear": linear_figure(trained_pathways()),
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


def linear_figure(trained: xr.Dataset) -> Figure:
    """What a pathway keeps of a mode, exactly and trained, against its deficit.

    Two pathways of two layers each learn a mode of strength one; the second one sees
    nothing for a while.

    Args:
      trained: Dataset of
        :func:`ibjax.experiments.critical_periods.pathways.trained_pathways`.

    Returns:
      The figure: strengths over time, then what is kept against the end of a deficit
      and against its beginning. Lines are exact; marks are means over the networks,
      and bars reach to the least and the largest of them.
    """
    start, stop = trained["start"].values, trained["stop"].values
    strengths = kept(trained)
    times = np.linspace(0, 8, 200)
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        panels = figure.subplots(1, 3)
        _learning(panels[0], trained)
        for axes, ends, own, place in (
            (panels[1], (0 * times, times), start == 0, stop),
            (panels[2], (times, times + LENGTH), _is_long(start, stop), start),
        ):
            _, second = exact_strengths(60.0, start=ends[0], stop=ends[1])
            axes.plot(times, np.asarray(second), color=_COLORS["blur"])
            axes.errorbar(
                place[own],
                strengths[own].mean(axis=1),
                np.abs(_extremes(strengths[own])),
                fmt="o",
                markersize=3,
                color="0.25",
            )
            axes.axhline(0.5, color="0.0", linestyle="--", linewidth=0.9, zorder=0)
            axes.set_ylim(0, 0.54)
            axes.set_xlim(-0.15, times[-1])
        panels[1].set_ylabel("kept by the second pathway")
        panels[1].set_xlabel("deficit from 0 to time")
        panels[2].set_xlabel(f"deficit of length {LENGTH:g} from time")
    return figure


def _is_long(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    return np.isclose(stop - start, LENGTH)


def _extremes(values: np.ndarray) -> np.ndarray:
    """Least and largest of the networks less their mean, ``[2, num_windows]``."""
    mean = values.mean(axis=1)
    return np.stack([values.min(axis=1) - mean, values.max(axis=1) - mean])


def _learning(axes: Axes, trained: xr.Dataset) -> None:
    """Both pathways over time, for one deficit."""
    times = np.linspace(0, 8, 200)
    start, stop = trained["start"].values, trained["stop"].values
    (window,) = np.flatnonzero((start == 0) & (stop == LENGTH))
    own = trained["pathway_strength"].isel(window=window)
    own = own.transpose("pathway", "seed", "epoch").values
    exact = exact_strengths(times, start=0.0, stop=LENGTH)
    whole, _ = exact_strengths(times, start=0.0, stop=0.0)
    axes.axvspan(0, LENGTH, color="0.93", linewidth=0)
    names = {"first pathway": _COLORS["flip"], "second": _COLORS["blur"]}
    for (name, color), line, networks in zip(names.items(), exact, own, strict=True):
        axes.plot(times, np.asarray(line), color=color, label=name)
        axes.plot(
            trained["time"].values,
            networks.mean(axis=0),
            "o",
            markersize=2.5,
            color="0.25",
            label="trained" if name == "second" else None,
        )
    axes.plot(
        times, np.asarray(whole), "--", color="0.0", linewidth=0.9, label="no deficit"
    )
    axes.set_xlim(0, times[-1])
    axes.set_ylim(0, 1.0)
    axes.set_xlabel("time (1 / strength of the mode)")
    axes.set_ylabel("strength learned")
    axes.legend(loc="upper left")
