"""Figures of a sweep or a grid of sweeps, in bits.

Each figure is a function of the sweep's dataset that returns a matplotlib figure,
made without pyplot and without touching the settings of the caller:

>>> from ibjax.plots import information_plane
>>> from ibjax.results.example import example_dataset
>>> figure = information_plane(example_dataset())
>>> figure.axes[0].get_xlabel()
'$I(X;T)$ (bits)'

Save it with ``figure.savefig("plane.pdf")``; in a notebook the last value of a cell
shows itself. Every function draws any selection of a dataset, as
``dataset.sel(seed=0)`` or ``dataset.mean("seed")``, in axes of yours where you give it
``ax``, and with the settings of matplotlib that you have changed. Two runs in one
figure:

>>> import matplotlib.figure
>>> ax = matplotlib.figure.Figure().subplots(1, 2)
>>> from ibjax.plots import information_curves
>>> one, another = (example_dataset(num_seeds=2, seed=n) for n in (0, 1))
>>> figure = information_curves(one, ax=ax)
>>> figure = information_curves(another, ax=ax, linestyle="--", label="other")
>>> ax[0].get_legend_handles_labels()[1][-1]
'6: softmax 2, other'
"""

from ibjax.plots.benchmark import estimator_errors
from ibjax.plots.bottleneck import information_curve
from ibjax.plots.curves import (
    estimator_comparison,
    information_curves,
    training_curves,
)
from ibjax.plots.distances import distance_map, distance_tree
from ibjax.plots.files import save_figure
from ibjax.plots.gradient_norms import gradients
from ibjax.plots.grid import grid_compression, grid_curves, grid_planes
from ibjax.plots.optimality import optimality
from ibjax.plots.panels import column_width
from ibjax.plots.plane import information_plane, snapshots

__all__ = [
    "column_width",
    "distance_map",
    "distance_tree",
    "estimator_comparison",
    "estimator_errors",
    "gradients",
    "grid_compression",
    "grid_curves",
    "grid_planes",
    "information_curve",
    "information_curves",
    "information_plane",
    "optimality",
    "save_figure",
    "snapshots",
    "training_curves",
]
