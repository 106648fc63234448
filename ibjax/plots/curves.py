"""Curves over the epochs: informations, estimators, gradients, losses, accuracies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ibjax.numerics import checks
from ibjax.plots.style import (
    choose_estimator,
    coordinate,
    epoch_axis,
    format_epoch,
    information_bits,
    layer_colors,
    layer_names,
    mean_band,
    num_seeds_of,
    paper_style,
    pick,
)
from ibjax.results.statistics import (
    NATS_PER_BIT,
    majority_quantiles,
    mean_interval,
    turning_epochs,
)

__all__ = [
    "estimator_comparison",
    "gradients",
    "information_curves",
    "training_curves",
]

_BLUE, _VERMILLION, _GREEN, _ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
_ESTIMATOR_COLORS = (_BLUE, _VERMILLION, "#CC79A7", "#000000", "#56B4E9")


def information_curves(dataset: xr.Dataset, *, estimator: str | None = None) -> Figure:
    """I(X;T) and I(T;Y) against the epoch, in bits, one line per layer.

    Lines are means over seeds, bands the 95 % Student t interval of the mean, which
    is narrower than the spread of the seeds. The epoch axis is linear up to 1 and
    logarithmic above.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first, by default.

    Returns:
      Figure, 7 x 2.7 inches.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = information_curves(example_dataset())
      >>> [axes.get_ylabel() for axes in figure.axes]
      ['$I(X;T)$ (bits)', '$I(T;Y)$ (bits)']
    """
    estimator, label = choose_estimator(dataset, estimator)
    epochs = coordinate(dataset, "epoch")
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.7), layout="constrained")
        panels = figure.subplots(1, 2)
        for axes, variable, symbol in zip(
            panels, ("i_xt", "i_ty"), ("I(X;T)", "I(T;Y)"), strict=True
        ):
            values = information_bits(dataset, variable, estimator)
            for index, (name, color) in enumerate(zip(names, colors, strict=True)):
                _line(axes, epochs, values[:, :, index], color, label=name)
            epoch_axis(axes, epochs)
            # From zero on, so that a small change looks small.
            axes.set_ylim(bottom=0.0)
            axes.set_ylabel(f"${symbol}$ (bits)")
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside right center", title="layer")
        figure.suptitle(f"{label}; {_seeds_note(dataset)}", x=0.01, ha="left")
    return figure


def estimator_comparison(dataset: xr.Dataset) -> Figure:
    """I(X;T) against the epoch by every estimator, in bits, one panel per layer.

    Lines are means over seeds. The two KDE bounds are drawn as the edges of a band:
    under the KDE's noise, I(X;T) lies between them. The binned estimates assume
    other noise, so they need not lie inside.

    Args:
      dataset: Dataset of a sweep.

    Returns:
      Figure, 7 inches wide, three panels to a row.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = estimator_comparison(example_dataset())
      >>> figure.axes[0].get_title()
      '1: tanh 10'
    """
    epochs = coordinate(dataset, "epoch")
    estimators = coordinate(dataset, "estimator").tolist()
    names = layer_names(dataset)
    means = {
        name: mean_interval(information_bits(dataset, "i_xt", name)).mean
        for name in estimators
    }
    both = {"kde_lower", "kde_upper"} <= set(estimators)
    with paper_style():
        num_columns = min(3, len(names))
        num_rows = -(-len(names) // num_columns)
        figure = Figure(
            figsize=(max(1.0 + 2.0 * num_columns, 3.4), 0.7 + 1.6 * num_rows),
            layout="constrained",
        )
        panels = figure.subplots(
            num_rows, num_columns, sharex=True, sharey=True, squeeze=False
        )
        for index, axes in enumerate(panels.flat):
            if index >= len(names):
                axes.set_visible(False)
                continue
            axes.set_title(names[index])
            if both:
                low, high = (means[k][:, index] for k in ("kde_lower", "kde_upper"))
                label = "KDE, lower to upper bound" + _noise(dataset)
                axes.fill_between(
                    epochs, low, high, color=_GREEN, alpha=0.25, lw=0, label=label
                )
                for edge in (low, high):
                    _mark_single(axes.plot(epochs, edge, color=_GREEN, linewidth=0.7))
            # The same colours in every panel; many estimators use some twice.
            colors = iter(_ESTIMATOR_COLORS * len(estimators))
            for name in estimators:
                if both and name.startswith("kde"):  # Drawn as a band above.
                    continue
                label = choose_estimator(dataset, name)[1]
                curve = means[name][:, index]
                _mark_single(axes.plot(epochs, curve, color=next(colors), label=label))
            # The last row may be incomplete: then columns end in the row above.
            last_of_column = index + num_columns >= len(names)
            epoch_axis(axes, epochs, label=last_of_column)
            axes.tick_params(labelbottom=last_of_column)
            if index % num_columns == 0:
                axes.set_ylabel("$I(X;T)$ (bits)")
        panels[0, 0].set_ylim(bottom=0.0)
        panels[0, 0].yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        handles, texts = panels[0, 0].get_legend_handles_labels()
        figure.legend(
            handles, texts, loc="outside upper left", ncols=min(3, len(texts))
        )
    return figure


def gradients(dataset: xr.Dataset, *, normalized: bool = False) -> Figure:
    """Norms of the mean and the standard deviation of the gradient, and their ratio.

    One pair of panels per layer: above, the norm over the layer's weights of the
    gradient's mean and standard deviation over minibatches; below, their ratio, the
    signal-to-noise ratio (SNR), with a line at one. Lines are medians over seeds
    and bands quartiles, because gradients span decades. A dotted line marks the
    median epoch at which the SNR falls below one for good
    (:func:`ibjax.results.statistics.turning_epochs`), where half the seeds or more do
    so.

    Args:
      dataset: Dataset of a sweep.
      normalized: Whether to divide both norms by the norm of the weights.

    Returns:
      Figure, up to 7 inches wide, three layers to a row.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = gradients(example_dataset())
      >>> [axes.get_ylabel() for axes in figure.axes[::3]]
      ['gradient norm', 'SNR', 'gradient norm', 'SNR']
    """
    checks.flag("normalized", normalized)
    epochs = coordinate(dataset, "epoch")
    suffix = "_normalized" if normalized else ""
    names = layer_names(dataset)
    dims = ("seed", "epoch", "layer")
    mean = pick(dataset, "gradient_mean" + suffix, *dims)
    std = pick(dataset, "gradient_std" + suffix, *dims)
    ratio = pick(dataset, "gradient_snr", *dims)
    with paper_style():
        num_columns = min(3, len(names))
        num_rows = -(-len(names) // num_columns)
        figure = Figure(
            figsize=(max(1.0 + 2.0 * num_columns, 3.4), 0.3 + 2.5 * num_rows),
            layout="constrained",
        )
        panels = figure.subplots(
            2 * num_rows,
            num_columns,
            sharex=True,
            squeeze=False,
            height_ratios=[3, 2] * num_rows,
        )
        norms = [panel for row in panels[::2] for panel in row]
        ratios = [panel for row in panels[1::2] for panel in row]
        for index, (above, below) in enumerate(zip(norms, ratios, strict=True)):
            if index >= len(names):
                above.set_visible(False)
                below.set_visible(False)
                continue
            above.set_title(names[index])
            _quartiles(above, epochs, mean[:, :, index], _BLUE, label="mean")
            _quartiles(
                above,
                epochs,
                std[:, :, index],
                _VERMILLION,
                label="standard deviation",
                dash=True,
            )
            _quartiles(below, epochs, ratio[:, :, index], "black")
            below.axhline(1.0, color="0.5", linewidth=0.6)
            _mark_turning(below, epochs, ratio[:, :, index])
            first = index % num_columns == 0
            for axes, text in ((above, "gradient norm"), (below, "SNR")):
                axes.set_yscale("log")
                axes.set_ylabel(text if first else "")
                if not first:
                    axes.tick_params(labelleft=False)
            last_of_column = index + num_columns >= len(names)
            epoch_axis(below, epochs, label=last_of_column)
            above.tick_params(labelbottom=False)
            below.tick_params(labelbottom=True)
        # Norms and ratios have limits of their own, which ``sharey`` cannot say.
        _share_limits(norms[: len(names)])
        _share_limits(ratios[: len(names)])
        handles, texts = norms[0].get_legend_handles_labels()
        # A narrow figure has no room for the legend beside the title.
        place = "outside upper right" if num_columns == 3 else "outside lower center"
        figure.legend(handles, texts, loc=place, ncols=2)
        over = " over the norm of the weights" if normalized else ""
        num_seeds = num_seeds_of(dataset)
        join = "; " if num_columns > 1 else "\n"
        seeds = (
            f"{join}median and quartiles of {num_seeds} seeds" if num_seeds > 1 else ""
        )
        figure.suptitle(f"Minibatch gradient{over}{seeds}", x=0.01, ha="left")
    return figure


def training_curves(dataset: xr.Dataset) -> Figure:
    """Cross-entropy in bits and accuracy against the epoch, training and test set.

    Lines are means over seeds, bands the 95 % Student t interval of the mean. A loss in
    no unit is a mean squared error, drawn as it is; there may be no accuracy beside it.

    Args:
      dataset: Dataset of a sweep. Without a test set the test curves are left out.

    Returns:
      Figure, 2.5 inches high, 7 wide with two panels and 4 with one.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = training_curves(example_dataset())
      >>> [axes.get_ylabel() for axes in figure.axes]
      ['cross-entropy (bits)', 'accuracy']
    """
    epochs = coordinate(dataset, "epoch")
    shown = [("loss", NATS_PER_BIT, "cross-entropy (bits)")]
    if dataset["train_loss"].attrs.get("units") == "1":
        shown = [("loss", 1.0, "mean squared error")]
    if "train_accuracy" in dataset:
        shown.append(("accuracy", 1.0, "accuracy"))
    with paper_style():
        width = {1: 4.0, 2: 7.0}[len(shown)]
        figure = Figure(figsize=(width, 2.5), layout="constrained")
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, (name, unit, label) in zip(panels, shown, strict=True):
            for split, color in (("train", _BLUE), ("test", _VERMILLION)):
                values = pick(dataset, f"{split}_{name}", "seed", "epoch") / unit
                if np.isfinite(values).any():
                    _line(
                        axes, epochs, values, color, label=split, dash=split == "test"
                    )
            epoch_axis(axes, epochs)
            axes.set_ylabel(label)
        panels[0].set_ylim(bottom=0.0)
        handles, texts = panels[0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside right center")
        figure.suptitle(_seeds_note(dataset).capitalize(), x=0.01, ha="left")
    return figure


def _seeds_note(dataset: xr.Dataset) -> str:
    num_seeds = num_seeds_of(dataset)
    if num_seeds == 1:
        return "one seed"
    return f"mean of {num_seeds} seeds, band: 95 % interval of the mean"


def _noise(dataset: xr.Dataset) -> str:
    """The KDE's noise as its label tells it, e.g. ", noise variance 0.001"."""
    _, comma, noise = choose_estimator(dataset, "kde_upper")[1].partition(",")
    return comma + noise


def _mark_single(lines: list) -> None:
    """A single snapshot has no line to draw: mark it with a dot."""
    for line in lines:
        if np.isfinite(line.get_ydata()).sum() == 1:
            line.set(marker="o", markersize=3)


def _line(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    color: str,
    *,
    label: str,
    dash: bool = False,
) -> None:
    """Mean and 95 % interval of ``values``, ``[num_seeds, num_epochs]``."""
    style = (0, (4, 1.5)) if dash else "-"
    line = mean_band(axes, epochs, values, color=color, linestyle=style, label=label)
    _mark_single([line])


def _quartiles(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    color: str,
    *,
    label: str | None = None,
    dash: bool = False,
) -> None:
    """Median and quartiles of ``values``, ``[num_seeds, num_epochs]``."""
    # Epochs at which no seed has a value would leave a warning and a gap.
    known = np.isfinite(values).any(axis=0)
    if not known.any():
        return
    low, median, high = _nanquantile(values[:, known], (0.25, 0.5, 0.75))
    style = (0, (4, 1.5)) if dash else "-"
    _mark_single(
        axes.plot(epochs[known], median, color=color, linestyle=style, label=label)
    )
    axes.fill_between(epochs[known], low, high, color=color, alpha=0.2, linewidth=0)


def _nanquantile(values: np.ndarray, probabilities: Sequence[float]) -> np.ndarray:
    """Quantiles over seeds without NaN, shape ``[num_probabilities, num_epochs]``."""
    # ``np.nanquantile`` takes one column after another, for the sake of the NaN.
    complete = np.isfinite(values).all(axis=0)
    found = np.empty((len(probabilities), values.shape[1]))
    found[:, complete] = np.quantile(values[:, complete], probabilities, axis=0)
    found[:, ~complete] = np.nanquantile(values[:, ~complete], probabilities, axis=0)
    return found


def _mark_turning(axes: Axes, epochs: np.ndarray, ratio: np.ndarray) -> None:
    known = np.isfinite(ratio).any(axis=1)
    (epoch,) = majority_quantiles(turning_epochs(epochs, ratio[known]), [0.5])
    if np.isnan(epoch):
        return
    axes.axvline(epoch, color="0.3", linewidth=0.9, linestyle=(0, (1, 1.5)))
    # On a logarithmic axis the last 95 % of the epochs are the right end.
    right = epoch > 0.05 * epochs[-1]
    axes.annotate(
        format_epoch(round(epoch)),
        (epoch, 1.0),
        (-3 if right else 3, -2),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        fontsize=7,
        color="0.3",
        ha="right" if right else "left",
        va="top",
    )


def _share_limits(panels: list[Axes]) -> None:
    limits = np.array([axes.get_ylim() for axes in panels])
    for axes in panels:
        axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
