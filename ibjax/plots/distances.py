"""Figures of distances between tasks: a matrix beside its tree, and a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from ibjax.numerics import checks
from ibjax.plots.panels import panels
from ibjax.plots.style import EPOCH_COLORMAP, layer_colors, paper_style

__all__ = ["distance_map", "distance_tree", "draw_matrix"]


def distance_tree(distances: ArrayLike, names: Sequence[str]) -> Figure:
    """A matrix of distances in the order of its tree by average linkage, and the tree.

    Args:
      distances: Distance from every task to every other, shape ``[num_tasks,
        num_tasks]``; both ways are averaged. On the diagonal is what two samples of one
        task are apart, which the tree does not see.
      names: Names of the tasks.

    Returns:
      The figure.

    Raises:
      ValueError: If the matrix is not square, or not finite, or names are not as many.

    Example:
      >>> figure = distance_tree([[0.1, 1, 2], [1, 0.1, 2], [2, 2, 0.1]], "abc")
      >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
      ['b', 'a', 'c']
    """
    d = _symmetric(distances, names)
    names = list(names)
    between = d - np.diag(np.diag(d))
    with paper_style():
        figure = Figure(figsize=(7.0, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        tree = linkage(squareform(between, checks=False), "average")
        drawn = dendrogram(
            tree,
            ax=right,
            labels=names,
            orientation="right",
            color_threshold=0,
            above_threshold_color="0.15",
        )
        order = drawn["leaves"][::-1]
        draw_matrix(left, d[np.ix_(order, order)], [names[n] for n in order], "{:.2f}")
        left.set_title("mean distance of both ways", loc="left")
        right.tick_params(axis="y", labelsize=7)
        right.set_xlabel("distance")
        right.set_title("average linkage", loc="left")
        right.spines["left"].set_visible(False)
    return figure


def distance_map(
    distances: ArrayLike,
    names: Sequence[str],
    *,
    kinds: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Tasks in the plane that keeps most of the squares of their distances.

    Classical scaling: the two largest axes of the centred squares.

    Args:
      distances: As in :func:`distance_tree`.
      names: Names of the tasks.
      kinds: Kind of every task, which has a colour; None for one colour.
      ax: Axes to draw in; None for a new figure.

    Returns:
      The figure.

    Raises:
      ValueError: As :func:`distance_tree`, or of kinds that are not as many.

    References:
      Torgerson, `Psychometrika` 17, 1952.

    Example:
      >>> figure = distance_map([[0, 1, 2], [1, 0, 2], [2, 2, 0]], "abc")
      >>> figure.axes[0].get_xlabel()
      'distance along the first axis'
    """
    d = _symmetric(distances, names)
    kinds = [""] * len(d) if kinds is None else list(kinds)
    checks.same_length(names=list(names), kinds=kinds)
    found = list(dict.fromkeys(kinds))
    squares = (d - np.diag(np.diag(d))) ** 2
    centre = np.eye(len(d)) - 1 / len(d)
    values, vectors = np.linalg.eigh(-centre @ squares @ centre / 2)
    places = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
    places = places[:, ::-1]
    with paper_style():
        figure, (axes,) = panels(ax, 1, 1, (3.5, 3.0))
        for kind, color in zip(found, layer_colors(len(found)), strict=True):
            chosen = [own == kind for own in kinds]
            x, y = places[chosen].T
            axes.scatter(x, y, s=12, color=color, label=kind)
        if len(found) > 1:
            # A frame: its marks are no places.
            corner = _emptiest_corner(places)
            axes.legend(loc=corner, frameon=True, edgecolor="0.8", fancybox=False)
        away = _from_nearest(places)
        for name, place, (x, y) in zip(names, places, away, strict=True):
            axes.annotate(
                name,
                place,
                xytext=(3 * x, 3 * y),
                textcoords="offset points",
                ha="left" if x > 0 else "right",
                va="bottom" if y > 0 else "top",
                fontsize=6,
            )
        axes.margins(0.15)
        axes.set_aspect("equal", "datalim")
        axes.set_xlabel("distance along the first axis")
        axes.set_ylabel("along the second")
    return figure


def _emptiest_corner(places: np.ndarray) -> str:
    """The corner whose nearest place is the farthest."""
    (left, lower), (right, upper) = places.min(axis=0), places.max(axis=0)
    corners = {
        "upper right": (right, upper),
        "upper left": (left, upper),
        "lower left": (left, lower),
        "lower right": (right, lower),
    }
    distances = {
        name: np.min(np.linalg.norm(places - corner, axis=1))
        for name, corner in corners.items()
    }
    return max(distances, key=distances.get)


def draw_matrix(axes: Axes, values: np.ndarray, names: list[str], form: str) -> None:
    """A matrix in colours, with its numbers where they can be read."""
    axes.imshow(values, cmap=EPOCH_COLORMAP, aspect="auto")
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    middle = (values.min() + values.max()) / 2
    size = 7 if len(names) <= 10 else 5
    for row, column in np.ndindex(*values.shape):
        value = values[row, column]
        axes.text(
            column,
            row,
            form.format(value),
            ha="center",
            va="center",
            fontsize=size,
            color="white" if value < middle else "black",
        )


def _symmetric(distances: ArrayLike, names: Sequence[str]) -> np.ndarray:
    d = np.asarray(checks.real("distances", distances, np.asarray), np.float64)
    checks.shape("distances", d, ("num_tasks", "num_tasks"))
    checks.shape("distances", d, (len(d), len(d)), why="to be square")
    checks.finite("distances", d)
    checks.same_length(distances=d, names=list(names))
    return (d + d.T) / 2


def _from_nearest(places: np.ndarray) -> np.ndarray:
    """Sides of points ``[num, 2]`` on which the point next to each does not lie."""
    apart = places[:, None] - places[None]
    distance = np.linalg.norm(apart, axis=2) + np.diag(np.full(len(places), np.inf))
    nearest = np.argmin(distance, axis=1)
    return np.where(places >= places[nearest], 1, -1)
