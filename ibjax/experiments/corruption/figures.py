"""Figures of random labels: the jump of the training error, what labels take."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.experiments.corruption.claims import (
    Labels,
    Run,
    critical_betas,
    fitted_information,
    runs_of,
)
from ibjax.plots.style import EPOCH_COLORMAP, layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["band", "corruption_figures", "share_color", "share_text"]


def corruption_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """The training error, and the information, of every prior, by name."""
    runs = runs_of(dataset)
    figures = {}
    for prior in dict.fromkeys(run.prior for run in runs):
        own = sorted((r for r in runs if r.prior == prior), key=lambda r: r.num_train)
        name = prior.replace("-", "_")
        figures[f"corruption_errors_{name}"] = _errors(own)
        figures[f"corruption_information_{name}"] = _information(own)
    return figures


def share_color(share: float):
    """Colour of a share of random labels, dark for true ones."""
    return matplotlib.colormaps[EPOCH_COLORMAP](0.9 * share)


def share_text(share: float) -> str:
    """A share of random labels for a legend.

    Example:
      >>> [share_text(share) for share in (0.0, 0.25, 1.0)]
      ['true labels', '25 % random', 'all random']
    """
    if share == 0:
        return "true labels"
    return "all random" if share == 1 else f"{100 * share:g} % random"


def band(axes: Axes, x: np.ndarray, values: np.ndarray, **options) -> None:
    """Mean over seeds with its interval, of values ``[num_x, num_seeds]``."""
    intervals = [mean_interval(v[np.isfinite(v)]) for v in values]
    axes.plot(x, [i.mean for i in intervals], marker=".", **options)
    axes.fill_between(
        x,
        [i.low for i in intervals],
        [i.high for i in intervals],
        color=options["color"],
        alpha=0.2,
        linewidth=0,
    )


def _errors(runs: list[Run]) -> Figure:
    """Training error against the price, a panel for each number of images."""
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
        for axes, run in zip(panels, runs, strict=True):
            for share, labels in sorted(run.shares.items()):
                band(
                    axes,
                    labels.betas,
                    100 * labels.train_error,
                    color=share_color(share),
                    label=share_text(share),
                )
            axes.axvline(1.0, color="0.15", linewidth=0.8, linestyle="--")
            critical = critical_betas(run.shares[max(run.shares)], run.num_classes)
            if np.isfinite(critical).any():
                axes.axvline(
                    np.nanmean(critical), color="0.6", linewidth=0.8, linestyle=":"
                )
            axes.set_xscale("log")
            axes.set_ylim(-2, 102)
            axes.set_xlabel("price of a nat in the weights, β")
            axes.set_title(f"{run.num_train} images", loc="left")
        panels[0].set_ylabel("wrong classes in training (%)")
        panels[0].legend(loc="upper left")
        figure.text(
            0.995,
            0.995,
            "dashed: β = 1; dotted: critical β of the most random labels",
            ha="right",
            va="top",
            fontsize=7,
            color="0.35",
        )
    return figure


def _information(runs: list[Run]) -> Figure:
    """Nats an image: against the price, and where labels are fitted by their share."""
    last = runs[-1]
    gaussian = last.prior == "gaussian"
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for share, labels in sorted(last.shares.items()):
            band(
                left,
                labels.betas,
                np.maximum(labels.information, 1e-3),
                color=share_color(share),
                label=share_text(share),
            )
        left.axhline(math.log(last.num_classes), color="0.15", linewidth=0.8)
        left.axvline(1.0, color="0.15", linewidth=0.8, linestyle="--")
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_xlabel("price of a nat in the weights, β")
        left.set_ylabel("information in the weights (nats an image)")
        left.set_title(f"{last.num_train} images", loc="left")
        left.legend(loc="lower left")
        colors = layer_colors(len(runs))
        for run, color in zip(runs, colors, strict=True):
            shares = sorted(run.shares)
            needed = np.stack([_needed(run.shares[s], run) for s in shares])
            band(
                right,
                100 * np.array(shares),
                needed,
                color=color,
                label=f"{run.num_train} images",
            )
        ends = np.array([0.0, 100.0])
        if gaussian:
            right.plot(
                ends,
                ends / 100 * math.log(last.num_classes),
                color="0.15",
                linewidth=0.8,
                label="log 10 for each random label"
                if last.num_classes == 10
                else "log classes for each random label",
            )
        right.set_ylim(bottom=0)
        right.set_xlabel("labels that are random (%)")
        right.set_ylabel("nats an image where labels are fitted")
        right.set_title("at the largest β that fits them", loc="left")
        right.legend(loc="upper left")
    return figure


def _needed(labels: Labels, run: Run) -> np.ndarray:
    return fitted_information(labels, run.num_classes)
