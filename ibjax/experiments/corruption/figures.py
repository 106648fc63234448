"""Figures of random labels: the jump of the error, what labels take and are made of."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.experiments.corrupted_labels import (
    Run,
    critical_betas,
    fitted_information,
    label_entropy,
    runs_of,
    share_color,
    share_text,
)
from ibjax.plots.style import layer_colors, mean_band, paper_style

__all__ = ["corruption_figures"]

# An axis of logarithms has to end somewhere.
_LEAST_NATS = 1e-3


def corruption_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """The training error, the information and the terms of the loss, by name.

    The terms are of the Gaussian prior, where some labels are random and some true.
    """
    runs = runs_of(dataset)
    figures = {}
    for prior in dict.fromkeys(run.prior for run in runs):
        own = sorted((r for r in runs if r.prior == prior), key=lambda r: r.num_train)
        name = prior.replace("-", "_")
        figures[f"corruption_errors_{name}"] = _errors(own)
        figures[f"corruption_information_{name}"] = _information(own)
        if prior == "gaussian" and any(0 < share < 1 for share in own[-1].shares):
            figures[f"corruption_terms_{name}"] = _terms(own[-1])
    return figures


def _errors(runs: list[Run]) -> Figure:
    """Training error against the price, a panel for each number of images."""
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
        for axes, run in zip(panels, runs, strict=True):
            for share, labels in sorted(run.shares.items()):
                mean_band(
                    axes,
                    labels.betas,
                    100 * labels.train_error.T,
                    marker=".",
                    color=share_color(share),
                    label=share_text(share),
                )
            axes.axvline(
                1.0, color="0.15", linewidth=0.8, linestyle="--", label="β = 1"
            )
            critical = critical_betas(run.shares[max(run.shares)], run.num_classes)
            # Of other priors the zero of the information is an arbitrary one.
            if run.prior == "gaussian" and np.isfinite(critical).any():
                axes.axvline(
                    np.nanmean(critical),
                    color="0.5",
                    linewidth=1.0,
                    linestyle=":",
                    label=f"critical β, {share_text(max(run.shares))}",
                )
            axes.set_xscale("log")
            axes.set_ylim(-2, 102)
            axes.set_xlabel("price of a nat in the weights, β")
            axes.set_title(f"{run.num_train} images", loc="left")
        panels[0].set_ylabel("wrong in training (%)")
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=4)
    return figure


def _information(runs: list[Run]) -> Figure:
    """Nats an image: against the price, and where labels are fitted by their share."""
    last = runs[-1]
    gaussian = last.prior == "gaussian"
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for share, labels in sorted(last.shares.items()):
            mean_band(
                left,
                labels.betas,
                np.maximum(labels.information.T, _LEAST_NATS),
                marker=".",
                color=share_color(share),
                label=share_text(share),
            )
        if gaussian:
            left.axhline(math.log(last.num_classes), color="0.15", linewidth=0.8)
        left.axvline(1.0, color="0.15", linewidth=0.8, linestyle="--")
        left.set_xscale("log")
        left.set_yscale("log")
        left.set_ylim(bottom=_LEAST_NATS)
        left.set_xlabel("price of a nat in the weights, β")
        left.set_ylabel("information (nats an image)")
        left.set_title(f"{last.num_train} images", loc="left")
        left.legend(loc="lower left")
        colors = layer_colors(len(runs))
        for run, color in zip(runs, colors, strict=True):
            shares = sorted(run.shares)
            needed = [
                fitted_information(run.shares[s], run.num_classes) for s in shares
            ]
            mean_band(
                right,
                100 * np.array(shares),
                np.transpose(needed),
                marker=".",
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
                label="log of the classes, a random label",
            )
        right.set_ylim(bottom=0)
        right.set_xlabel("labels that are random (%)")
        right.set_ylabel("information (nats an image)")
        right.set_title("at the largest β that fits the labels", loc="left")
        right.set_ylim(top=1.5 * right.get_ylim()[1])
        right.legend(loc="upper left", ncols=2)
    return figure


def _terms(run: Run) -> Figure:
    """Cross-entropy and entropy of labels; where it is below, labels are by heart."""
    shares = sorted(share for share in run.shares if 0 < share < 1)
    entropy_color, loss_color, information_color = layer_colors(3)
    with paper_style():
        figure = Figure(figsize=(7.0, 2.6), layout="constrained")
        panels = figure.subplots(1, len(shares), sharey=True, squeeze=False)[0]
        for axes, share in zip(panels, shares, strict=True):
            labels = run.shares[share]
            entropy = label_entropy(share, run.num_classes)
            axes.axhline(
                entropy, color=entropy_color, linestyle="--", label="labels' entropy"
            )
            for values, color, marker, label in (
                (labels.loss, loss_color, "o", "cross-entropy"),
                (labels.information, information_color, "s", "information in weights"),
            ):
                mean_band(
                    axes,
                    labels.betas,
                    values.T,
                    marker=marker,
                    markersize=3,
                    color=color,
                    label=label,
                )
            loss = np.nanmean(labels.loss, axis=1)
            axes.fill_between(
                labels.betas,
                loss,
                entropy,
                where=loss < entropy,
                interpolate=True,
                color="0.85",
                linewidth=0,
                zorder=0,
                label="learned by heart, at least",
            )
            axes.set_xscale("log")
            axes.set_ylim(0, 2 * math.log(run.num_classes))
            axes.set_xlabel("price of a nat in the weights, β")
            axes.set_title(share_text(share), loc="left")
        panels[0].set_ylabel("nats an image")
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside upper center", ncols=4)
    return figure
