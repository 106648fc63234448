"""Estimators on tasks of known information: how far off, and how much they vary."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.plots.panels import figure_width, legend, panels
from ibjax.plots.style import coordinate, layer_colors, paper_style, pick

__all__ = ["estimator_errors"]

_INCHES_PER_ESTIMATOR = 0.16


def estimator_errors(dataset: xr.Dataset, *, ax: Axes | None = None) -> Figure:
    """Errors of estimators by task, in nats: every seed, their mean and their spread.

    Small points are estimates less the truth, the large one is their mean, the bias,
    and the bar is one standard deviation over seeds to either side. Estimators that
    refuse a task have no point there.

    Args:
      dataset: Result of :func:`ibjax.estimators.benchmark`.
      ax: Axes to draw in; those of a new figure by default.

    Returns:
      Figure, 5 inches wide, as high as its tasks and estimators need; or that of
      ``ax``.

    Raises:
      ValueError: If the dataset is none of a benchmark.

    Example:
      >>> from ibjax import estimators
      >>> from ibjax.datasets.known_information import multinormal_sparse
      >>> found = estimators.benchmark(
      ...     {"zero": lambda x, y: 0.0}, [multinormal_sparse(1, 1, [0.6])],
      ...     num_samples=20, num_seeds=2)
      >>> estimator_errors(found).axes[0].get_xlabel()
      'estimate less the truth (nats)'
    """
    if not {"estimate", "truth"} <= set(dataset):
        raise ValueError(
            "dataset must hold estimate and truth to be of a benchmark, got "
            f"{', '.join(map(str, dataset)) or 'nothing'}"
        )
    tasks = [str(name) for name in coordinate(dataset, "task")]
    names = [str(name) for name in coordinate(dataset, "estimator")]
    estimates = pick(dataset, "estimate", "task", "estimator", "seed")
    off = estimates - pick(dataset, "truth", "task")[:, None, None]
    # Rows of a task stand together, from the top on.
    half = 0.35 * (1 - 1 / len(names))
    apart = np.linspace(-half, half, len(names))
    with paper_style():
        rows = len(tasks) * max(len(names), 2)
        size = figure_width(5.0), 1.0 + _INCHES_PER_ESTIMATOR * rows
        figure, (axes,) = panels(ax, 1, 1, size)
        axes.axvline(0.0, color="0.5", linewidth=0.7)
        handles = []
        for column, (name, color) in enumerate(
            zip(names, layer_colors(len(names)), strict=True)
        ):
            place = np.arange(len(tasks)) + apart[column]
            values = off[:, column]
            known = np.isfinite(values).all(axis=1)
            few = values.shape[1] < 2
            spread = np.zeros(len(values)) if few else np.std(values, axis=1, ddof=1)
            axes.plot(
                values[known],
                np.repeat(place[known, None], values.shape[1], axis=1),
                ".",
                color=color,
                markersize=2,
                alpha=0.5,
            )
            handles.append(
                axes.errorbar(
                    values.mean(axis=1)[known],
                    place[known],
                    xerr=spread[known],
                    fmt="o",
                    color=color,
                    markersize=3.5,
                    linewidth=1.0,
                    label=name,
                )
            )
        axes.set_yticks(range(len(tasks)), tasks)
        axes.set_ylim(len(tasks) - 0.5, -0.5)
        axes.set_xlabel("estimate less the truth (nats)")
        place = "outside lower center"
        options = {"is_new": ax is None, "place": place, "ncols": min(4, len(names))}
        legend(figure, axes, handles, names, **options)
    return figure
