"""Deep linear students: their errors and the exact information of their layers."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from ibjax.numerics import checks
from ibjax.plots.panels import headline
from ibjax.plots.style import (
    epoch_axis,
    from_zero,
    layer_colors,
    layer_names,
    mean_band,
    paper_style,
    pick,
)
from ibjax.results.cells import cells_of, place_text
from ibjax.results.statistics import NATS_PER_BIT

__all__ = [
    "deep_linear_figures",
    "gradient_step",
    "relevance",
    "student_figures",
    "students",
]

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
        "batches of 5": datasets["gradient_snr"],
        "batches of 20": datasets["gradient_snr_20"],
    }
    return {
        "deep_linear_students": students(shown),
        "deep_linear_relevance": relevance(parts),
        "deep_linear_relevance_fine": relevance(parts, estimator=_LESS_NOISE),
        "deep_linear_gradients": gradient_step(steps),
    }


def student_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Students of one grid, and of which inputs they know, if some are irrelevant."""
    cells = {place_text(place) or "Students": cell for place, cell in cells_of(dataset)}
    figures = {"deep_linear_students": students(cells)}
    if "i_irrelevant" in dataset:
        figures["deep_linear_relevance"] = relevance(cells)
    return figures


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
                    values = _bits(dataset, name, chosen)[:, :, -1]
                    mean_band(axes, epochs, values, **_INPUTS[name])
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
    """Errors, the gradient's signal-to-noise ratio and I(X;T), below each other.

    All are against the number of gradient steps, which is what training in smaller
    and in larger batches has in common: what coincides is drawn broad and thin. Ratios
    are medians over seeds, with bands from the lower to the upper quartile and a line
    at one; the others are means with the 95 % interval. In a network of one unit a
    layer all layers have the same ratio.

    Args:
      datasets: Datasets of students that were trained in minibatches, by what sets
        them apart.
      estimator: Which noise variance to show; the first by default.

    Returns:
      Figure, 3.4 x 4.7 inches, a column of a paper.

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
      ['training error', 'gradient SNR', '$I(X;T)$ (bits)']
    """
    checks.not_empty("datasets", datasets, "dataset")
    for title, dataset in datasets.items():
        why = "of students trained in minibatches"
        checks.holds(f"datasets[{title!r}]", dataset, "gradient_snr", why=why)
    first = next(iter(datasets.values()))
    colors = layer_colors(len(datasets))
    with paper_style():
        figure = Figure(figsize=(3.4, 4.7), layout="constrained")
        errors, ratios, plane = figure.subplots(3, 1, sharex=True)
        for number, (dataset, color) in enumerate(
            zip(datasets.values(), colors, strict=True)
        ):
            steps = dataset["epoch"].values * _steps_per_epoch(dataset)
            # A thin line on a broad one of the same course.
            style = {"linewidth": 1.2 if number else 2.8, "color": color}
            losses = pick(dataset, "train_loss", "seed", "epoch")
            mean_band(errors, steps, losses, **style)
            snr = pick(dataset, "gradient_snr", "seed", "epoch", "layer")
            bits = _bits(dataset, "i_xt", _chosen(dataset, estimator))
            for layer in range(bits.shape[2]):
                style["linestyle"] = _layer_style(layer, bits.shape[2])
                curve = np.where(snr[..., layer] > 0, snr[..., layer], np.nan)
                low, middle, high = np.nanquantile(curve, (0.25, 0.5, 0.75), axis=0)
                ratios.plot(steps, middle, **style)
                ratios.fill_between(steps, low, high, color=color, alpha=0.2, lw=0)
                mean_band(plane, steps, bits[:, :, layer], **style)
        ratios.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":")
        ratios.set_yscale("log")
        from_zero([plane])
        for axes, text in (
            (errors, "training error"),
            (ratios, "gradient SNR"),
            (plane, "$I(X;T)$ (bits)"),
        ):
            axes.set_ylabel(text)
        epoch_axis(plane, steps)
        plane.set_xlabel("gradient steps")
        names = layer_names(first)
        handles = [Line2D([], [], color=color, linewidth=2.0) for color in colors]
        handles += [
            Line2D([], [], color="0.3", linestyle=_layer_style(layer, len(names)))
            for layer in range(len(names))
        ]
        figure.legend(handles, [*datasets, *names], loc="outside lower center", ncols=2)
        chosen = _chosen(first, estimator).replace("noise_", "noise variance ")
        text = (
            f"{first.sizes['seed']} networks: means and 95 % intervals, SNR median and "
            f"quartiles; information exact, {chosen}"
        )
        headline(figure, text, is_new=True)
    return figure


def _steps_per_epoch(dataset: xr.Dataset) -> int:
    configuration = json.loads(dataset.attrs["configuration"])
    rows = configuration["num_samples"]
    return -(-rows // (configuration["batch_size"] or rows))


def _layer_style(layer: int, num_layers: int) -> str | tuple:
    return _DASH if layer == num_layers - 1 else "-"


_INPUTS = {
    "i_xt": {"color": "black", "label": "all inputs"},
    "i_relevant": {"color": _GREEN, "label": "relevant"},
    "i_irrelevant": {"color": _VERMILLION, "label": "irrelevant", "linestyle": _DASH},
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
    for name, color, text, line in (
        ("train_loss", _BLUE, "training", "-"),
        ("test_loss", _VERMILLION, "test", _DASH),
    ):
        values = pick(dataset, name, "seed", "epoch")
        mean_band(axes, epochs, values, color=color, label=text, linestyle=line)
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
        style = {"color": color, "linestyle": _layer_style(layer, len(names))}
        curve, epochs = values[:, :, layer], dataset["epoch"].values
        mean_band(axes, epochs, curve, label=names[layer], **style)
    axes.set_ylim(bottom=0.0)


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
