"""Figures of distances between tasks: information, Task2Vec, and maps of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ibjax.experiments.tasks.claims import information_distances
from ibjax.experiments.tasks.photographs import ANIMALS
from ibjax.plots.distances import distance_map, distance_tree, draw_matrix
from ibjax.plots.style import layer_colors, paper_style

__all__ = ["tasks_figures"]


def tasks_figures(distances: Mapping[str, Any]) -> dict[str, Figure]:
    """Information distances, Task2Vec in both forms with its tree, maps, by name."""
    figures = {
        "tasks_information": _information(distances["information"]),
        "tasks_task2vec": _task2vec(distances["task2vec"]),
    }
    if "variational" in distances["task2vec"]:
        figures["tasks_forms"] = _forms(distances["task2vec"])
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
        draw_matrix(left, d, names, "{:.0f}")
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
    figure = distance_tree(_mean(found["distances"]), list(found["tasks"]))
    with paper_style():
        figure.axes[0].set_title("distance of two samples' embeddings", loc="left")
    return figure


def _forms(found: Mapping[str, Any]) -> Figure:
    """Distances of the variational form against those of the Fisher information."""
    fisher, variational = (
        _mean(own["distances"]) for own in (found, found["variational"])
    )
    kinds = _kinds(found)
    with paper_style():
        figure = Figure(figsize=(3.5, 3.0), layout="constrained")
        axes = figure.subplots()
        for (kind, marker), color in zip(
            _MARKERS.items(), layer_colors(len(_MARKERS)), strict=True
        ):
            of_kind = kinds == kind
            if of_kind.any():
                axes.plot(
                    fisher[of_kind],
                    variational[of_kind],
                    marker,
                    color=color,
                    markersize=3.5,
                    label=kind,
                )
        axes.set_xlabel("distance, Fisher information")
        axes.set_ylabel("distance, variational")
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.legend(title="two samples of")
    return figure


_MARKERS = {
    "one task": "o",
    "pairs that share a digit": "s",
    "pairs that share none": "^",
    "rotations": "D",
    "a pair and a rotation": "x",
}


def _kinds(found: Mapping[str, Any]) -> np.ndarray:
    """What every two tasks have to do with each other."""
    names, pairs = list(found["tasks"]), found["pairs"]

    def kind(first, second):
        if first == second:
            return "one task"
        if first in pairs and second in pairs:
            shared = set(pairs[first]) & set(pairs[second])
            return "pairs that share " + ("a digit" if shared else "none")
        both = first not in pairs and second not in pairs
        return "rotations" if both else "a pair and a rotation"

    return np.array([[kind(first, second) for second in names] for first in names])


def _maps(tasks: Mapping[str, Mapping[str, Any]]) -> Figure:
    """A map of every kind of tasks, side by side."""
    with paper_style():
        figure = Figure(figsize=(3.5 * len(tasks), 3.0), layout="constrained")
        panels = figure.subplots(1, len(tasks), squeeze=False)[0]
        for axes, (title, found) in zip(panels, tasks.items(), strict=True):
            names = list(found["tasks"])
            kinds = None
            if set(names) & set(ANIMALS):
                kinds = ["animals" if n in ANIMALS else "vehicles" for n in names]
            distance_map(_mean(found["distances"]), names, kinds=kinds, ax=axes)
            axes.set_title(title, loc="left")
    return figure
