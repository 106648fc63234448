"""Figures of Shwartz-Ziv and Tishby's networks."""

import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots

__all__ = ["FIGURE_EPOCHS", "szt_figures"]

FIGURE_EPOCHS = (0, 400, 9000)
"""Epochs of the paper's Fig. 2."""


def szt_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Information plane, its snapshots (Fig. 2) and the gradients (Fig. 4), by name."""
    last = int(dataset["epoch"].values[-1])
    epochs = [min(epoch, last) for epoch in FIGURE_EPOCHS]
    return {
        "information_plane": plots.information_plane(dataset),
        "snapshots": plots.snapshots(dataset, epochs=epochs),
        "gradients": plots.gradients(dataset, normalized=True),
    }
