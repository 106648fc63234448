"""Figures of a sweep or a grid of sweeps, in bits.

Each figure is a function of the sweep's dataset that returns a matplotlib figure,
made without pyplot and without touching the settings of the caller:

>>> from ibjax.plots import information_plane
>>> from ibjax.results.example import example_dataset
>>> figure = information_plane(example_dataset())
>>> figure.axes[0].get_xlabel()
'$I(X;T)$ (bits)'

Save it with ``figure.savefig("plane.pdf")``; in a notebook the last value of a cell
shows itself.
"""

from ibjax.plots.bottleneck import information_curve
from ibjax.plots.curves import (
    estimator_comparison,
    gradients,
    information_curves,
    training_curves,
)
from ibjax.plots.files import save_figure
from ibjax.plots.grid import grid_compression, grid_planes
from ibjax.plots.optimality import optimality
from ibjax.plots.plane import information_plane, snapshots

__all__ = [
    "estimator_comparison",
    "gradients",
    "grid_compression",
    "grid_planes",
    "information_curve",
    "information_curves",
    "information_plane",
    "optimality",
    "save_figure",
    "snapshots",
    "training_curves",
]
