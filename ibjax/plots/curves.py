"""Curves over the epochs: informations, estimators, gradients, losses, accuracies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    MaxNLocator,
    NullLocator,
    StrMethodFormatter,
)

from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, headline, in_a_row, legend, panels
from ibjax.plots.plane import plane_ceilings
from ibjax.plots.style import (
    choose_estimator,
    coordinate,
    epoch_axis,
    from_zero,
    information_bits,
    layer_colors,
    layer_names,
    mark_single,
    mean_band,
    note_size,
    num_seeds_of,
    paper_style,
    pick,
)
from ibjax.results.statistics import (
    NATS_PER_BIT,
    mean_interval,
)

__all__ = [
    "estimator_comparison",
    "information_curves",
    "mark_ceiling",
    "training_curves",
]

_BLUE, _VERMILLION, _GREEN, _ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
_LEAST_BITS = 1e-3  # Distances from a ceiling below this are on a linear scale.
_CEILING: Any = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (1, 2))}
_ESTIMATOR_COLORS = (_BLUE, _VERMILLION, "#CC79A7", "#000000", "#56B4E9")


def information_curves(
    dataset: xr.Dataset,
    *,
    estimator: str | None = None,
    ax: Sequence[Axes] | None = None,
    **line: Any,
) -> Figure:
    """I(X;T) and I(T;Y) against the epoch, in bits, one line per layer.

    Lines are means over seeds, bands the 95 % Student t interval of the mean, which
    is narrower than the spread of the seeds. The epoch axis is linear up to 1 and
    logarithmic above.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator; ``binning``, or the first that fits, by default.
      ax: Two axes to draw in, e.g. those of another run's curves; a new figure by
        default.
      **line: Of the lines, as their ``linestyle``, which tells two runs apart. A
        ``label`` is put behind the layers' names.

    Returns:
      Figure, 7 x 2.7 inches, or that of ``ax``.

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
    suffix = f", {line.pop('label')}" if "label" in line else ""
    with paper_style():
        columns = in_a_row(2)
        size = figure_width(7.0), 2.7 if columns == 2 else 4.4
        figure, both = panels(ax, 2 // columns, columns, size)
        for axes, variable, symbol in zip(
            both, ("i_xt", "i_ty"), ("I(X;T)", "I(T;Y)"), strict=True
        ):
            values = information_bits(dataset, variable, estimator)
            for index, (name, color) in enumerate(zip(names, colors, strict=True)):
                curve = values[:, :, index]
                _line(axes, epochs, curve, color, label=name + suffix, **line)
            epoch_axis(axes, epochs)
            from_zero([axes])
            axes.set_ylabel(f"${symbol}$ (bits)")
        handles, texts = both[0].get_legend_handles_labels()
        legend(figure, both[0], handles, texts, is_new=ax is None, title="layer")
        headline(figure, f"{label}; {_seeds_note(dataset)}", is_new=ax is None)
    return figure


def estimator_comparison(
    dataset: xr.Dataset,
    *,
    below_ceiling: bool = False,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """I(X;T) against the epoch by every estimator, in bits, one panel per layer.

    Lines are means over seeds. The two KDE bounds are drawn as the edges of a band:
    under the KDE's noise, I(X;T) lies between them. The binned estimates assume
    other noise, so they need not lie inside. A dotted line is log2 of the number of
    inputs, which bins and kernel densities cannot exceed.

    Args:
      dataset: Dataset of a sweep.
      below_ceiling: Whether to draw how far each is below log2 of the number of inputs
        instead, on a logarithmic scale. Layers that tell nearly all inputs apart differ
        in that alone.
      ax: Axes to draw in, one for each layer; those of a new figure by default.

    Returns:
      Figure, 7 inches wide, three panels to a row, or that of ``ax``.

    Raises:
      ValueError: If ``below_ceiling`` is asked for of a dataset that lacks the number
        of inputs.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> figure = estimator_comparison(example_dataset())
      >>> figure.axes[0].get_title()
      '1: tanh 10'
    """
    checks.flag("below_ceiling", below_ceiling)
    epochs = coordinate(dataset, "epoch")
    estimators = coordinate(dataset, "estimator").tolist()
    names = layer_names(dataset)
    means = {
        name: mean_interval(information_bits(dataset, "i_xt", name)).mean
        for name in estimators
    }
    ceiling = plane_ceilings(dataset)[0]
    if below_ceiling:
        checks.holds("dataset.attrs", dataset.attrs, "num_samples")
        # Sums of float32 numbers may exceed it by a rounding, neighbours by more.
        means = {name: np.maximum(ceiling - mean, 0) for name, mean in means.items()}
    both = {"kde_lower", "kde_upper"} <= set(estimators)
    with paper_style():
        num_columns = in_a_row(min(3, len(names)))
        num_rows = -(-len(names) // num_columns)
        width = figure_width(max(1.0 + 2.0 * num_columns, 3.4))
        size = width, 0.7 + 1.6 * num_rows
        shared = {"count": len(names), "sharex": True, "sharey": True}
        figure, of_layers = panels(ax, num_rows, num_columns, size, **shared)
        for index, axes in enumerate(of_layers):
            axes.set_title(names[index])
            if both:
                low, high = (means[k][:, index] for k in ("kde_lower", "kde_upper"))
                label = "KDE, lower to upper bound" + _noise(dataset)
                axes.fill_between(
                    epochs, low, high, color=_GREEN, alpha=0.25, lw=0, label=label
                )
                for edge in (low, high):
                    mark_single(axes.plot(epochs, edge, color=_GREEN, linewidth=0.7))
            # The same colours in every panel; many estimators use some twice.
            colors = iter(_ESTIMATOR_COLORS * len(estimators))
            for name in estimators:
                if both and name.startswith("kde"):  # Drawn as a band above.
                    continue
                label = choose_estimator(dataset, name)[1]
                curve = means[name][:, index]
                mark_single(axes.plot(epochs, curve, color=next(colors), label=label))
            # The last row may be incomplete: then columns end in the row above.
            last_of_column = index + num_columns >= len(names)
            epoch_axis(axes, epochs, label=last_of_column)
            axes.tick_params(labelbottom=last_of_column)
            if index % num_columns == 0:
                axes.set_ylabel(
                    r"bits below $\log_2 N$" if below_ceiling else "$I(X;T)$ (bits)"
                )
        first = of_layers[0]
        if below_ceiling:
            _below_ceiling_axis(of_layers, ceiling)
        else:
            from_zero(of_layers)
            first.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
            mark_ceiling(of_layers, ceiling)
        handles, texts = first.get_legend_handles_labels()
        legend(
            figure,
            first,
            handles,
            texts,
            is_new=ax is None,
            place="outside upper left",
            ncols=min(3, len(texts)),
        )
    return figure


def _below_ceiling_axis(panels: Sequence[Axes], ceiling: float) -> None:
    """Makes the vertical axis one of distances, with none of them on top."""
    for axes in panels:  # Each has its own scale, though they share limits.
        axes.set_yscale("symlog", linthresh=_LEAST_BITS, linscale=0.3)
        # Above zero, where a line at zero would be cut in half.
        axes.set_ylim(1.1 * ceiling, -0.25 * _LEAST_BITS)
        axes.axhline(0.0, **_CEILING)
        powers = 10.0 ** np.arange(-3, math.floor(math.log10(ceiling)) + 1)
        axes.yaxis.set_major_locator(FixedLocator([0.0, *powers]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def mark_ceiling(panels: Sequence[Axes], ceiling: float) -> None:
    """Line of log2 N in panels in whose view it is, named in the first of them."""
    if not np.isfinite(ceiling) or panels[0].get_ylim()[1] < ceiling:
        return
    for axes in panels:
        axes.axhline(ceiling, **_CEILING)
    panels[0].annotate(
        r"$\log_2 N$",
        (1.0, ceiling),
        (0, -3),
        xycoords=panels[0].get_yaxis_transform(),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=note_size(),
        color="0.35",
    )


def training_curves(
    dataset: xr.Dataset, *, ax: Sequence[Axes] | None = None, **line: Any
) -> Figure:
    """Cross-entropy in bits and accuracy against the epoch, training and test set.

    Lines are means over seeds, bands the 95 % Student t interval of the mean. A loss in
    no unit is a mean squared error, drawn as it is; there may be no accuracy beside it.

    Args:
      dataset: Dataset of a sweep. Without a test set the test curves are left out.
      ax: Axes to draw in, for the loss and, where there is one, the accuracy; those of
        a new figure by default.
      **line: Of the lines, as for :func:`information_curves`.

    Returns:
      Figure, 2.5 inches high, 7 wide with two panels and 4 with one, or that of ``ax``.

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
    suffix = f", {line.pop('label')}" if "label" in line else ""
    with paper_style():
        columns = in_a_row(len(shown))
        rows = len(shown) // columns
        size = figure_width({1: 4.0, 2: 7.0}[len(shown)]), 2.5 if rows == 1 else 4.0
        figure, both = panels(ax, rows, columns, size)
        for axes, (name, unit, label) in zip(both, shown, strict=True):
            for split, color in (("train", _BLUE), ("test", _VERMILLION)):
                values = pick(dataset, f"{split}_{name}", "seed", "epoch") / unit
                if np.isfinite(values).any():
                    own = {"label": split + suffix, "dash": split == "test"} | line
                    _line(axes, epochs, values, color, **own)
            epoch_axis(axes, epochs)
            axes.set_ylabel(label)
        from_zero(both[:1])
        handles, texts = both[0].get_legend_handles_labels()
        legend(figure, both[0], handles, texts, is_new=ax is None)
        headline(figure, _seeds_note(dataset).capitalize(), is_new=ax is None)
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


def _line(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    color: str,
    *,
    label: str,
    dash: bool = False,
    **options: Any,
) -> None:
    """Mean and 95 % interval of ``values``, ``[num_seeds, num_epochs]``."""
    style: Any = (0, (4, 1.5)) if dash else "-"
    options = {"color": color, "linestyle": style, "label": label} | options
    mark_single([mean_band(axes, epochs, values, **options)])
