"""Placing text next to points without covering what is drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

__all__ = ["label_points"]

_RADII = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 52.0, 70.0)
_ALONG = np.linspace(0.15, 1.0, 16)
_NUM_SWEEPS = 3
_NUM_ORDERS = 12
_ANGLES = np.linspace(0.0, 2.0 * np.pi, 16, endpoint=False)


def label_points(
    axes: Axes,
    points: ArrayLike,
    texts: Sequence[str],
    colors: Sequence[str],
    *,
    avoid: ArrayLike,
    size: float = 7.0,
) -> None:
    """Writes a text beside each point, clear of other texts and of drawn points.

    Each label tries places around its point, near ones first, and takes the one
    that covers least, given the others; a thin line joins it to its point when it
    had to move away. Widths are estimated from the number of characters. The layout
    of the figure is computed once here, so set labels, limits and colour bars before.

    Args:
      axes: Axes to write into, in place.
      points: Points in data coordinates, shape ``[num_labels, 2]``. Points that are
        not finite get no label.
      texts: ``num_labels`` texts.
      colors: ``num_labels`` colours.
      avoid: Points not to cover, in data coordinates, shape ``[num_points, 2]``.
      size: Font size in points.

    Raises:
      ValueError: If ``points``, ``texts`` and ``colors`` differ in length.

    Example:
      >>> from matplotlib.figure import Figure
      >>> axes = Figure().subplots()
      >>> label_points(axes, [[0.5, 0.5]], ["here"], ["black"], avoid=[[0.6, 0.5]])
      >>> [text.get_text() for text in axes.texts]
      ['here']
    """
    points = np.asarray(points, float).reshape(-1, 2)
    if not len(points) == len(texts) == len(colors):
        raise ValueError(
            "points, texts and colors must have one length, got "
            f"{len(points)}, {len(texts)} and {len(colors)}"
        )
    axes.figure.draw_without_rendering()
    scale = 72.0 / axes.figure.dpi
    avoid = np.asarray(avoid, float).reshape(-1, 2)
    avoid = axes.transData.transform(avoid[np.isfinite(avoid).all(axis=1)]) * scale
    frame = axes.bbox.extents * scale
    shown = np.flatnonzero(np.isfinite(points).all(axis=1))
    anchors = axes.transData.transform(points[shown]).reshape(-1, 2) * scale
    halves = [np.array([0.31 * len(texts[i]), 0.62]) * size for i in shown]
    offsets = _place(anchors, halves, avoid, frame)
    for index, half, best in zip(shown, halves, offsets, strict=True):
        far = np.hypot(*np.maximum(np.abs(best) - half, 0.0)) > 11.0
        leader = {"arrowstyle": "-", "linewidth": 0.5, "color": colors[index]}
        text = axes.annotate(
            texts[index],
            points[index],
            best,
            textcoords="offset points",
            color=colors[index],
            fontsize=size,
            ha="center",
            va="center",
            arrowprops={**leader, "shrinkA": 0, "shrinkB": 2} if far else None,
            zorder=5,
        )
        text.set_in_layout(False)


def _place(
    anchors: np.ndarray, halves: list[np.ndarray], avoid: np.ndarray, frame: np.ndarray
) -> list[np.ndarray]:
    """Offsets of the labels' centres from their anchors, all in printer's points."""
    directions = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
    radii = np.array(_RADII)[:, None, None]
    offsets = [(directions * (radii + half)).reshape(-1, 2) for half in halves]
    boxes, lines, costs = [], [], []
    drawn = np.unique(_cells(avoid))
    for anchor, half, offset in zip(anchors, halves, offsets, strict=True):
        centres = anchor + offset
        boxes.append(np.concatenate([centres - half, centres + half], axis=1))
        lines.append(anchor + _ALONG[:, None, None] * offset)
        distance = np.repeat(np.array(_RADII), len(_ANGLES))
        covered = np.array([_inside(avoid, box, margin=2.0) for box in boxes[-1]])
        outside = np.maximum(frame[:2] - boxes[-1][:, :2], 0.0)
        outside += np.maximum(boxes[-1][:, 2:] - frame[2:], 0.0)
        # The label's own path begins at its point, so look only beyond that.
        beyond = np.hypot(*np.moveaxis(lines[-1] - anchor, -1, 0)) > 8.0
        struck = (np.isin(_cells(lines[-1]), drawn) & beyond).sum(axis=0)
        cost = 2.0 * distance + 6.0 * covered + 10.0 * struck
        costs.append(cost + 60.0 * outside.sum(axis=1))
    # The outcome depends on who chooses first, so several orders compete.
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(anchors)) for _ in range(_NUM_ORDERS)]
    results = [_descend(order, costs, boxes, lines) for order in orders]
    _, chosen = min(results, key=lambda result: result[0])
    return [offsets[index][chosen[index]] for index in range(len(anchors))]


def _descend(
    order: np.ndarray,
    costs: list[np.ndarray],
    boxes: list[np.ndarray],
    lines: list[np.ndarray],
) -> tuple[float, dict[int, int]]:
    """Each label in turn takes the best place given the others, a few times over."""
    chosen: dict[int, int] = {}
    paid: dict[int, float] = {}
    for index in np.tile(order, _NUM_SWEEPS):
        total = costs[index].copy()
        box, line = boxes[index], lines[index]
        for other, place in chosen.items():
            if other == index:
                continue
            taken, leader = boxes[other][place], lines[other][:, place]
            apart = (box[:, :2] >= taken[2:]) | (taken[:2] >= box[:, 2:])
            total += 1000.0 * ~apart.any(axis=1)
            crossed = ((line > taken[:2]) & (line < taken[2:])).all(axis=-1)
            total += 200.0 * crossed.any(axis=0)
            covers = (leader[:, None] > box[:, :2]) & (leader[:, None] < box[:, 2:])
            total += 200.0 * covers.all(axis=-1).any(axis=0)
        chosen[index] = int(np.argmin(total))
        paid[index] = float(total[chosen[index]])
    return sum(paid.values()), chosen


def _cells(points: np.ndarray) -> np.ndarray:
    """Numbers of the cells, 4 points wide, of a grid over the page."""
    cells = np.floor(points / 4.0).astype(int)
    return cells[..., 0] * 100_000 + cells[..., 1]


def _inside(points: np.ndarray, box: np.ndarray, *, margin: float) -> int:
    near = (points > box[:2] - margin) & (points < box[2:] + margin)
    return int(near.all(axis=1).sum())
