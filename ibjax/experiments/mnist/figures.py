"""Figures of fully connected networks on images."""

import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.results.cells import cells_of

__all__ = ["mnist_figures"]


def mnist_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Planes and compression of all networks, and more of the first ones, by name."""
    figures = {
        "mnist_planes": plots.grid_planes(dataset, estimator="kde_upper"),
        "mnist_compression": plots.grid_compression(dataset),
    }
    cells = cells_of(dataset)
    first = cells[0][0].get("hidden")
    for place, cell in cells:
        if place.get("hidden") == first:
            activation = place["activation"]
            figures[f"mnist_gradients_{activation}"] = plots.gradients(cell)
            comparison = plots.estimator_comparison(cell)
            figures[f"mnist_information_{activation}"] = comparison
    return figures
