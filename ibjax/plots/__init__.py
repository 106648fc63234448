"""Figures, animations and a report of a sweep, in bits.

Each figure is a function of the sweep's dataset that returns a matplotlib figure,
made without pyplot and without touching the settings of the caller:

>>> from ibjax.plots.example import example_dataset
>>> figure = information_plane(example_dataset())
>>> figure.axes[0].get_xlabel()
'$I(X;T)$ (bits)'

Save it with ``figure.savefig("plane.pdf")``; in a notebook the last value of a cell
shows itself.
"""

from ibjax.plots.animation import animation_gif, animation_html
from ibjax.plots.bifurcations import bifurcations
from ibjax.plots.bottleneck import information_curve
from ibjax.plots.curves import (
    estimator_comparison,
    gradients,
    information_curves,
    training_curves,
)
from ibjax.plots.grid import grid_compression, grid_planes
from ibjax.plots.optimality import optimality
from ibjax.plots.plane import information_plane, snapshots
from ibjax.plots.reporting import report, save_figure
from ibjax.plots.transitions import transitions

__all__ = [
    "animation_gif",
    "animation_html",
    "bifurcations",
    "estimator_comparison",
    "gradients",
    "grid_compression",
    "grid_planes",
    "information_curve",
    "information_curves",
    "information_plane",
    "optimality",
    "report",
    "save_figure",
    "snapshots",
    "training_curves",
    "transitions",
]
