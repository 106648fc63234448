"""Figures of fully connected networks on images."""

import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.plots.curves import mark_ceiling
from ibjax.plots.panels import headline
from ibjax.plots.plane import plane_ceilings
from ibjax.plots.style import choose_estimator, paper_style
from ibjax.results.cells import cells_of, configured_cells

__all__ = ["mnist_figures", "trained_planes"]


def mnist_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Planes and compression of all networks, and more of the first ones, by name."""
    figures = {
        "mnist_planes": trained_planes(dataset),
        "mnist_compression": plots.grid_compression(dataset),
    }
    cells = configured_cells(dataset)
    first = cells[0][0]["hidden"]
    for own, cell in cells:
        if own["hidden"] == first:
            activation = own["activation"]
            figures[f"mnist_gradients_{activation}"] = plots.gradients(cell)
            # ReLU layers end at the ceiling: they differ in how near they are to it.
            is_full = activation == "relu"
            comparison = plots.estimator_comparison(cell, below_ceiling=is_full)
            figures[f"mnist_information_{activation}"] = comparison
    return figures


def trained_planes(dataset: xr.Dataset) -> Figure:
    """Planes from the first epoch on, and I(X;T) against the epoch below them.

    In one epoch layers go most of the way, and later they move along a ceiling, where
    the plane shows little of how they do.

    Args:
      dataset: Dataset of a grid of sweeps with the estimator ``kde_upper``.

    Returns:
      Figure, 7 inches wide, with two panels for each cell.
    """
    cells = cells_of(dataset)
    epochs = dataset["epoch"].values
    # The last snapshot, where there is no other.
    trained = dataset.isel(epoch=epochs >= min(1, epochs[-1]))
    with paper_style():
        figure = Figure(figsize=(7.0, 4.3), layout="constrained")
        planes, curves = figure.subplots(2, len(cells), sharey="row", squeeze=False)
        estimator = "kde_upper"
        plots.grid_planes(trained, estimator=estimator, limits="paths", ax=planes)
        plots.grid_curves(trained, estimator=estimator, ax=curves)
        legend = planes[0].get_legend()
        figure.legend(
            legend.legend_handles,
            [text.get_text() for text in legend.get_texts()],
            loc="outside lower center",
            title="layer",
            ncols=len(legend.get_texts()),
        )
        for axes in (*planes, *curves):
            if axes.get_legend() is not None:
                axes.get_legend().remove()
        ceiling = plane_ceilings(dataset)[0]
        for axes in curves:
            axes.set_title("")
            axes.set_ylim(0.0, 1.08 * ceiling)
            if epochs[-1] > 1:
                axes.set_xlim(left=1)
        # Named in the last panel, where ReLU layers leave room below it.
        mark_ceiling(curves[::-1], ceiling)
        label = choose_estimator(dataset, estimator)[1]
        headline(
            figure,
            f"{label}; mean of {dataset.sizes['seed']} seeds, from epoch "
            f"{trained['epoch'].values[0]} on",
            is_new=True,
        )
    return figure
