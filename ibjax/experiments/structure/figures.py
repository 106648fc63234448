"""Figure of structure functions: the hulls of all labels, and their slopes."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.experiments.corrupted_labels import (
    Run,
    runs_of,
    share_color,
    share_text,
    structures,
)
from ibjax.plots.style import paper_style
from ibjax.weights.structure import StructureFunction, sufficient_point

__all__ = ["structure_figures"]

_NUM_POINTS = 400


def structure_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Structure functions of all labels, a figure for each number of images."""
    runs = runs_of(dataset)
    if len(runs) == 1:
        return {"structure": _structure(runs[0])}
    return {f"structure_{run.num_train}": _structure(run) for run in runs}


def _structure(run: Run) -> Figure:
    guessing = math.log(run.num_classes)
    most = max(np.nanmax(labels.information) for labels in run.shares.values())
    with paper_style():
        figure = Figure(figsize=(7.0, 2.8), layout="constrained")
        near, far = figure.subplots(1, 2, sharey=True)
        for axes in (near, far):
            line = np.linspace(0, guessing, 100)
            axes.plot(line, guessing - line, color="0.15", linewidth=0.8)
            for share, labels in sorted(run.shares.items()):
                found = structures(labels, run.num_classes)
                # Of seeds of which no network diverged.
                found = [structure for structure in found if structure is not None]
                if found:
                    _curve(axes, found, most, share)
                axes.plot(
                    labels.information.ravel(),
                    labels.loss.ravel(),
                    ".",
                    color=share_color(share),
                    markersize=2,
                    alpha=0.5,
                )
            axes.set_ylim(0, 1.15 * guessing)
            axes.set_xlabel("information in the weights, t (nats an image)")
        near.set_xlim(-0.1, 3 * guessing)
        near.annotate(
            "slope −1",
            (0.6 * guessing, 0.4 * guessing),
            xytext=(4, 2),
            textcoords="offset points",
            ha="left",
            va="bottom",
            fontsize=7,
        )
        far.set_xscale("symlog", linthresh=1.0, linscale=0.5)
        far.set_xlim(0, 1.1 * most)
        near.set_ylabel("least loss, S(t) (nats an image)")
        near.set_title(
            f"{run.num_train} images, up to 3 log {run.num_classes}", loc="left"
        )
        far.set_title("all networks; ring: a nat saves a nat", loc="left")
        far.legend(loc="upper right")
    return figure


def _curve(
    axes: Axes, found: list[StructureFunction], most: float, share: float
) -> None:
    """Mean hull over seeds with their range, and the minimal sufficient points."""
    t = np.concatenate([[0], np.geomspace(1e-3, most, _NUM_POINTS)])
    values = np.stack([structure.at(t) for structure in found])
    color = share_color(share)
    axes.plot(t, values.mean(axis=0), color=color, label=share_text(share))
    axes.fill_between(
        t, values.min(axis=0), values.max(axis=0), color=color, alpha=0.2, linewidth=0
    )
    points = [sufficient_point(structure) for structure in found]
    axes.plot(
        np.mean([p.information for p in points]),
        np.mean([p.loss for p in points]),
        "o",
        markersize=6,
        markerfacecolor="none",
        markeredgecolor=color,
        clip_on=False,
    )
