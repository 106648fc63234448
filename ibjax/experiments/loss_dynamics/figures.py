"""Measured change of the loss beside its first-order prediction, -lr |g|^2."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from ibjax.plots.style import epoch_axis, layer_colors, layer_names, paper_style, pick
from ibjax.results.statistics import mean_interval

__all__ = ["loss_dynamics"]

_BLUE, _VERMILLION, _GREEN = layer_colors(3)
_DASH = (0, (4, 1.5))


def loss_dynamics(dataset: xr.Dataset) -> Figure:
    """Fall of the loss per step, what the prediction is off by, and layers' shares.

    Left: the measured fall and the predicted one, which is the step size times the
    squared gradient, median over seeds. Middle: by how
    much they differ, to first order and with the curvature along the step. Right: the
    shares of the layers, mean over seeds, one upon the other.

    Args:
      dataset: Dataset of a sweep with the probe
        :func:`ibjax.probes.loss_dynamics.loss_dynamics`.

    Returns:
      Figure, 7 x 2.4 inches.

    Example:
      >>> first = np.full((3, 2), -1e-3)
      >>> dims = ("seed", "epoch")
      >>> shares = first[:, :, None] * [0.2, 0.8]
      >>> dataset = xr.Dataset(
      ...     {
      ...         "loss_change": (dims, 0.999 * first),
      ...         "loss_change_first_order": (dims, first),
      ...         "loss_change_second_order": (dims, -0.001 * first),
      ...         "loss_change_by_layer": ((*dims, "layer"), shares),
      ...     },
      ...     coords={"epoch": [0, 10], "layer": [1, 2]},
      ... )
      >>> [axes.get_ylabel() for axes in loss_dynamics(dataset).axes]
      ['fall of the loss per step (nats)', 'relative difference', 'share of the fall']
    """
    epochs = dataset["epoch"].values
    measured, first, second = (
        pick(dataset, f"loss_change{order}", "seed", "epoch")
        for order in ("", "_first_order", "_second_order")
    )
    by_layer = pick(dataset, "loss_change_by_layer", "seed", "epoch", "layer")
    shares = mean_interval(by_layer / np.sum(by_layer, axis=2, keepdims=True)).mean
    with paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        falls, errors, layers = figure.subplots(1, 3)
        falls.plot(epochs, _median(-measured), color=_BLUE, label="measured")
        falls.plot(
            epochs,
            _median(-first),
            color=_VERMILLION,
            linestyle=_DASH,
            label="predicted",
        )
        falls.set_ylabel("fall of the loss per step (nats)")
        # The loss can rise in a step.
        smallest = float(np.nanmin(_median(-first)))
        falls.set_yscale("symlog", linthresh=smallest)
        falls.axhline(0.0, color="0.6", linewidth=0.7)
        falls.legend(loc="best")
        for rest, color, dash, text in (
            (measured - first, _VERMILLION, _DASH, "first order"),
            (measured - first - second, _GREEN, "-", "with curvature"),
        ):
            off = np.abs(rest / first)
            errors.plot(epochs, _median(off), color=color, linestyle=dash, label=text)
            low, high = np.nanquantile(off, (0.25, 0.75), axis=0)
            errors.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
        errors.axhline(0.01, color="0.4", linewidth=0.8, linestyle=":")
        errors.set_ylabel("relative difference")
        errors.set_yscale("log")
        errors.legend(loc="best")
        names = layer_names(dataset)
        layers.stackplot(
            epochs, shares.T, colors=layer_colors(len(names)), labels=names, linewidth=0
        )
        layers.set_ylim(0.0, 1.0)
        layers.set_ylabel("share of the fall")
        handles, texts = layers.get_legend_handles_labels()
        figure.legend(handles[::-1], texts[::-1], loc="outside right center")
        for axes in (falls, errors, layers):
            epoch_axis(axes, epochs)
        figure.suptitle(
            f"{dataset.sizes['seed']} seeds; left and middle: median (band: "
            "quartiles), right: mean",
            x=0.01,
            ha="left",
        )
    return figure


def _median(values: np.ndarray) -> np.ndarray:
    return np.nanmedian(values, axis=0)
