"""Deep linear students: their errors and the exact information of their layers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from ibjax.numerics import checks
from ibjax.plots.style import epoch_axis, layer_colors, layer_names, paper_style, pick
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = ["deep_linear_figures", "gradient_step", "relevance", "students"]

_BLUE, _VERMILLION, _GREEN = layer_colors(3)
_DASH = (0, (4, 1.5))
_LESS_NOISE = "noise_0.01"


def deep_linear_figures(datasets: Mapping[str, xr.Dataset]) -> dict[str, Figure]:
    """Students, relevance under both noises, and the gradient's step, by name."""
    shown = {
        "Generalisation": datasets["generalization"],
        "More samples": datasets["generalization_400"],
        "Overtraining": datasets["overtraining"],
    }
    parts = {
        "High SNR": datasets["relevance"],
        "More samples": datasets["relevance_400"],
        "Low SNR": datasets["low_snr"],
    }
    steps = {
        "One unit a layer": datasets["gradient_snr"],
        "Larger batches": datasets["gradient_snr_20"],
    }
    return {
        "deep_linear_students": students(shown),
        "deep_linear_relevance": relevance(parts),
        "deep_linear_relevance_fine": relevance(parts, estimator=_LESS_NOISE),
        "deep_linear_gradients": gradient_step(steps),
    }


def students(
    datasets: Mapping[str, xr.Dataset], *, estimator: str | None = None
) -> Figure:
    """Errors, I(X;T) and I(T;Y) against the epoch, one row per experiment.

    Lines are means over seeds, bands the 95 % Student t interval of the mean. The
    dotted line is the error of the best student that can be had from the sample.

    Args:
      datasets: Datasets of
      :func:`ibjax.experiments.deep_linear.students.student`, by the title
        of their row.
      estimator: Which noise variance to show; the first by default.

    Returns:
      Figure, 7 inches wide and 1.8 high for every row.

    Raises:
      ValueError: If there is no dataset.

    Example:
      >>> import jax
      >>> from ibjax.experiments.deep_linear import students as deep_linear
      >>> from ibjax.sweeps import sweep_trainable
      >>> config = deep_linear.StudentConfig(hidden=(4,), num_samples=20, num_inputs=8)
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0),
      ...     deep_linear.student(config),
      ...     num_seeds=3,
      ...     snapshots=[0, 10, 100]
      ... )
      >>> figure = students({"Generalisation": dataset})
      >>> [axes.get_ylabel() for axes in figure.axes]
      ['squared error', '$I(X;T)$ (bits)', '$I(T;Y)$ (bits)']
    """
    with paper_style():
        figure, panels = _grid(datasets, 3)
        for row, (title, dataset) in zip(panels, datasets.items(), strict=True):
            epochs = dataset["epoch"].values
            errors, *planes = row
            _errors(errors, dataset)
            best = float(dataset["best_loss"].mean())
            errors.axhline(best, color="0.4", linewidth=0.8, linestyle=":")
            errors.annotate(
                "best test error",
                (1.0, best),
                (-2, -2),
                xycoords=errors.get_yaxis_transform(),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=7,
                color="0.3",
            )
            errors.set_title(f"{title} ({_summary(dataset)})", loc="left")
            for axes, name, text in zip(
                planes, ("i_xt", "i_ty"), ("X;T", "T;Y"), strict=True
            ):
                _layers(axes, dataset, name, _chosen(dataset, estimator))
                axes.set_ylabel(f"$I({text})$ (bits)")
            planes[0].legend(loc="upper left")
            for axes in row:
                epoch_axis(axes, epochs, label=row is panels[-1])
        _note(figure, datasets, estimator)
    return figure


def relevance(
    datasets: Mapping[str, xr.Dataset], *, estimator: str | None = None
) -> Figure:
    """Information of the output on relevant, irrelevant and all inputs.

    Args:
      datasets: Datasets with irrelevant inputs, by the title of their row.
      estimator: Which noise variance to show; the first by default.

    Returns:
      Figure, 7 inches wide and 1.8 high for every row.

    Raises:
      ValueError: If there is no dataset, or one has no irrelevant inputs.

    Example:
      >>> import jax
      >>> from ibjax.experiments.deep_linear import students as deep_linear
      >>> from ibjax.sweeps import sweep_trainable
      >>> config = deep_linear.StudentConfig(
      ...     (4,), num_samples=20, num_inputs=8, num_relevant=3
      ... )
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0),
      ...     deep_linear.student(config),
      ...     num_seeds=3,
      ...     snapshots=[0, 10, 100]
      ... )
      >>> [axes.get_ylabel() for axes in relevance({"Parts": dataset}).axes]
      ['squared error', 'information (bits)', 'information (bits)']
    """
    for title, dataset in datasets.items():
        why = "of students with irrelevant inputs"
        checks.holds(f"datasets[{title!r}]", dataset, "i_irrelevant", why=why)
    with paper_style():
        figure, panels = _grid(datasets, 3)
        for row, (title, dataset) in zip(panels, datasets.items(), strict=True):
            epochs = dataset["epoch"].values
            chosen = _chosen(dataset, estimator)
            errors, all_parts, irrelevant = row
            _errors(errors, dataset)
            errors.set_title(f"{title} ({_summary(dataset)})", loc="left")
            for axes, shown in (
                (all_parts, ("i_xt", "i_relevant", "i_irrelevant")),
                (irrelevant, ("i_irrelevant",)),
            ):
                for name in shown:
                    color, text, dash = _INPUTS[name]
                    values = _bits(dataset, name, chosen)[:, :, -1]
                    _line(axes, epochs, values, color, text, dash=dash)
                axes.set_ylabel("information (bits)")
                axes.set_ylim(bottom=0.0)
                axes.legend(loc="upper left")
            for axes in row:
                epoch_axis(axes, epochs, label=row is panels[-1])
        _note(figure, datasets, estimator, " of the output")
    return figure


def gradient_step(
    datasets: Mapping[str, xr.Dataset], *, estimator: str | None = None
) -> Figure:
    """Errors, the gradient's signal-to-noise ratio and I(X;T), one row per experiment.

    Ratios are medians over seeds, with bands from the lower to the upper quartile and
    a line at one; the others are means with the 95 % interval. In a network of one unit
    a layer all layers have the same ratio.

    Args:
      datasets: Datasets of students that were trained in minibatches, by the title of
        their row.
      estimator: Which noise variance to show; the first by default.

    Returns:
      Figure, 7 inches wide and 1.8 high for every row.

    Raises:
      ValueError: If there is no dataset, or one has no minibatches.

    Example:
      >>> import jax
      >>> from ibjax.experiments.deep_linear import students as deep_linear
      >>> from ibjax.sweeps import sweep_trainable
      >>> config = deep_linear.StudentConfig(
      ...     (1,), num_samples=20, num_inputs=1, batch_size=5
      ... )
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0),
      ...     deep_linear.student(config),
      ...     num_seeds=3,
      ...     snapshots=[0, 10, 100]
      ... )
      >>> [axes.get_ylabel() for axes in gradient_step({"Step": dataset}).axes]
      ['squared error', 'gradient SNR (median)', '$I(X;T)$ (bits)']
    """
    for title, dataset in datasets.items():
        why = "of students trained in minibatches"
        checks.holds(f"datasets[{title!r}]", dataset, "gradient_snr", why=why)
    with paper_style():
        figure, panels = _grid(datasets, 3)
        for row, (title, dataset) in zip(panels, datasets.items(), strict=True):
            epochs = dataset["epoch"].values
            errors, ratios, plane = row
            _errors(errors, dataset)
            errors.set_title(f"{title} ({_summary(dataset)})", loc="left")
            values = pick(dataset, "gradient_snr", "seed", "epoch", "layer")
            names = layer_names(dataset)
            for layer, color in enumerate(layer_colors(len(names))):
                curve = np.where(values[..., layer] > 0, values[..., layer], np.nan)
                low, middle, high = np.nanquantile(curve, (0.25, 0.5, 0.75), axis=0)
                style = _DASH if layer == len(names) - 1 else "-"
                ratios.plot(epochs, middle, color=color, linestyle=style)
                ratios.fill_between(epochs, low, high, color=color, alpha=0.2, lw=0)
            ratios.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":")
            ratios.set_yscale("log")
            ratios.set_ylabel("gradient SNR (median)")
            _layers(plane, dataset, "i_xt", _chosen(dataset, estimator))
            plane.set_ylabel("$I(X;T)$ (bits)")
            plane.legend(loc="upper left")
            for axes in row:
                epoch_axis(axes, epochs, label=row is panels[-1])
        _note(figure, datasets, estimator)
    return figure


_INPUTS = {
    "i_xt": ("black", "all inputs", False),
    "i_relevant": (_GREEN, "relevant", False),
    "i_irrelevant": (_VERMILLION, "irrelevant", True),
}


def _grid(datasets, num_columns):
    checks.not_empty("datasets", datasets, "dataset")
    num_rows = len(datasets)
    figure = Figure(figsize=(7.0, 0.2 + 1.8 * num_rows), layout="constrained")
    return figure, list(figure.subplots(num_rows, num_columns, squeeze=False))


def _chosen(dataset: xr.Dataset, estimator: str | None) -> str:
    return str(dataset["estimator"].values[0]) if estimator is None else estimator


def _bits(dataset: xr.Dataset, name: str, estimator: str) -> np.ndarray:
    nats = pick(dataset, name, "seed", "epoch", "layer", estimator=estimator)
    return nats / NATS_PER_BIT


def _errors(axes: Axes, dataset: xr.Dataset) -> None:
    epochs = dataset["epoch"].values
    for name, color, text in (
        ("train_loss", _BLUE, "training"),
        ("test_loss", _VERMILLION, "test"),
    ):
        values = pick(dataset, name, "seed", "epoch")
        _line(axes, epochs, values, color, text, dash=text == "test")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("squared error")
    axes.legend(loc="lower left")


def _layers(axes: Axes, dataset: xr.Dataset, name: str, estimator: str) -> None:
    values = _bits(dataset, name, estimator)
    names = layer_names(dataset)
    for layer, color in enumerate(layer_colors(len(names))):
        last = layer == len(names) - 1
        curve = values[:, :, layer]
        epochs = dataset["epoch"].values
        _line(axes, epochs, curve, color, names[layer], dash=last)
    axes.set_ylim(bottom=0.0)


def _line(
    axes: Axes,
    epochs: np.ndarray,
    values: np.ndarray,
    color: str,
    label: str,
    *,
    dash: bool,
) -> None:
    """Mean and 95 % interval of ``values``, ``[num_seeds, num_epochs]``."""
    interval = mean_interval(values)
    style = _DASH if dash else "-"
    axes.plot(epochs, interval.mean, color=color, linestyle=style, label=label)
    axes.fill_between(
        epochs, interval.low, interval.high, color=color, alpha=0.2, linewidth=0
    )


def _summary(dataset: xr.Dataset) -> str:
    configuration = json.loads(dataset.attrs["configuration"])
    batch = configuration["batch_size"] or "full"
    return (
        f"{configuration['num_samples']} samples, SNR {configuration['snr']:g}, "
        f"batch {batch}"
    )


def _note(figure, datasets, estimator, what="") -> None:
    dataset = next(iter(datasets.values()))
    chosen = _chosen(dataset, estimator)
    num_seeds = dataset.sizes["seed"]
    figure.suptitle(
        f"Information{what}: exact, {chosen.replace('noise_', 'noise variance ')}; "
        f"mean of {num_seeds} seeds, band: 95 % interval of the mean",
        x=0.01,
        ha="left",
    )
