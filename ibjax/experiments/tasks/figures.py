"""Figures of distances between tasks: matrices, and a tree of embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram, linkage
from scipy.spatial.distance import squareform

from ibjax.experiments.tasks.claims import information_distances
from ibjax.experiments.tasks.photographs import ANIMALS
from ibjax.plots.style import EPOCH_COLORMAP, paper_style

__all__ = ["tasks_figures"]


def tasks_figures(distances: Mapping[str, Any]) -> dict[str, Figure]:
    """Information distances, those of Task2Vec with their tree, and maps, by name."""
    figures = {
        "tasks_information": _information(distances["information"]),
        "tasks_task2vec": _task2vec(distances["task2vec"]),
    }
    maps = {"digits": distances["task2vec"]}
    if "photographs" in distances:
        maps["photographs, one class against the others"] = distances["photographs"]
        figures["tasks_photographs"] = _task2vec(distances["photographs"])
    return figures | {"tasks_maps": _maps(maps)}


def _information(found: Mapping[str, Any]) -> Figure:
    names = list(found["tasks"])
    d = information_distances(found).mean(axis=0)
    alone = _mean(found["information"])
    with paper_style():
        figure = Figure(figsize=(7.0, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
        _matrix(left, d, names, "{:.0f}")
        left.set_xlabel("to")
        left.set_ylabel("from")
        left.set_title("distance d(from → to), nats", loc="left")
        right.barh(range(len(names)), alone, color="0.6")
        right.set_xlabel("nats")
        right.set_title("information alone", loc="left")
    return figure


def _mean(values: Any) -> np.ndarray:
    """Mean over seeds, those that diverged left out."""
    return np.nanmean(np.asarray(values, np.float64), axis=0)


def _task2vec(found: Mapping[str, Any]) -> Figure:
    names = list(found["tasks"])
    d = _mean(found["distances"])
    d = (d + d.T) / 2
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
        _matrix(left, d[np.ix_(order, order)], [names[n] for n in order], "{:.2f}")
        left.set_title("distance of two samples' embeddings", loc="left")
        right.tick_params(axis="y", labelsize=7)
        right.set_xlabel("distance")
        right.set_title("average linkage", loc="left")
        right.spines["left"].set_visible(False)
    return figure


def _maps(tasks: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Tasks in the plane that keeps most of the squares of their distances."""
    with paper_style():
        figure = Figure(figsize=(3.5 * len(tasks), 3.0), layout="constrained")
        panels = figure.subplots(1, len(tasks), squeeze=False)[0]
        for axes, (title, found) in zip(panels, tasks.items(), strict=True):
            d = _mean(found["distances"])
            d = (d + d.T) / 2
            squares = (d - np.diag(np.diag(d))) ** 2
            centre = np.eye(len(d)) - 1 / len(d)
            values, vectors = np.linalg.eigh(-centre @ squares @ centre / 2)
            places = vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))
            places = places[:, ::-1]
            animals = np.isin(found["tasks"], ANIMALS)
            for chosen, color, kind in (
                (animals, "#d55e00", "animals"),
                (~animals, "#0072b2", "vehicles"),
            ):
                axes.scatter(*places[chosen].T, s=12, color=color, label=kind)
            if animals.any():
                axes.legend(loc="upper right")
            away = _from_nearest(places)
            for name, place, (x, y) in zip(found["tasks"], places, away, strict=True):
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
            axes.set_title(title, loc="left")
            axes.set_xlabel("distance along the first axis")
            axes.set_ylabel("along the second")
    return figure


def _from_nearest(places: np.ndarray) -> np.ndarray:
    """Sides of points ``[num, 2]`` on which the point next to each does not lie."""
    apart = places[:, None] - places[None]
    distance = np.linalg.norm(apart, axis=2) + np.diag(np.full(len(places), np.inf))
    nearest = np.argmin(distance, axis=1)
    return np.where(places >= places[nearest], 1, -1)


def _matrix(axes: Axes, values: np.ndarray, names: list[str], form: str) -> None:
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
