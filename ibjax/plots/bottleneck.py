"""The information curve in bits, and parts of figures that show one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from ibjax.bottleneck import InformationCurve, Transition, transitions
from ibjax.numerics import checks
from ibjax.plots.panels import figure_width, panels
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = [
    "CURVE_COLOR",
    "GUIDE",
    "GUIDE_TEXT",
    "circles",
    "example_curve",
    "information_curve",
    "plane",
    "shade_out_of_reach",
    "sorted_bits",
    "table_information",
]

CURVE_COLOR = "0.15"
GUIDE = {"color": "0.6", "linewidth": 0.7, "linestyle": (0, (1, 2)), "zorder": 1}
GUIDE_TEXT = {"color": "0.35", "fontsize": 7}
# Room for the name of a division on either side of it, as fractions of the axes.
_NAME_SIZE = np.array([0.5, 0.07])
_LEGEND_COLUMNS = 3


def information_curve(
    curve: InformationCurve,
    *,
    i_xy: float | None = None,
    points: Mapping[str, tuple[ArrayLike, ArrayLike]] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Information curve in bits, with the number of clusters along it.

    Nothing lies above the curve: the shaded side is out of reach of any T made from X.
    Dotted guides show the weaker bounds, I(T;Y) <= I(X;T) and I(T;Y) <= I(X;Y). A
    circle marks every critical beta, with the number of clusters from there on; where
    circles crowd, only some have one. Points of the curve whose iteration did not
    converge are crossed.

    Args:
      curve: The curve, from :func:`ibjax.bottleneck.information_curve`.
      i_xy: I(X;Y) in nats, for its guide; none by default.
      points: Points to compare, e.g. layers: by name I(X;T) and I(T;Y) in nats, each
        one number or one per seed. Seeds are shown as their mean with its 95 % Student
        t interval along both axes. Values that are not finite are left out.
      ax: Axes to draw in, with all legends inside; those of a new figure by default.

    Returns:
      Figure, 3.4 inches wide, a column, and 2.7 high, more with ``points``; or that of
      ``ax``.

    Raises:
      ValueError: If the curve has fewer than two points.

    Example:
      >>> p_xy, curve = example_curve()
      >>> axes = information_curve(curve, i_xy=0.4).axes[0]
      >>> [text.get_text() for text in axes.texts]
      ['$I(T;Y) = I(X;T)$', '$I(X;Y)$', '2 (β 1.562)']
    """
    if i_xy is not None:
        checks.number("i_xy", i_xy)
    if points is not None:
        for name, pair in checks.instance("points", points, Mapping).items():
            checks.instance(f"points[{name!r}]", pair, list, tuple, np.ndarray)
    found = transitions(curve)
    i_xt, i_ty = sorted_bits(curve)
    intervals = {
        name: tuple(
            mean_interval(np.atleast_1d(np.asarray(values, float)) / NATS_PER_BIT)
            for values in pair
        )
        for name, pair in (points or {}).items()
    }
    intervals = {
        name: (x, y)
        for name, (x, y) in intervals.items()
        if np.isfinite([x.mean, y.mean]).all()
    }
    means = np.array([[x.mean, y.mean] for x, y in intervals.values()]).reshape(-1, 2)
    with paper_style():
        height = 2.7 + 0.16 * -(-len(intervals) // _LEGEND_COLUMNS)
        figure, (axes,) = panels(ax, 1, 1, (figure_width(3.4), height))
        ends = np.nanmax(np.concatenate([np.stack([i_xt, i_ty], 1), means]), axis=0)
        plane(axes, float(ends[0]), float(ends[1]), i_xy)
        shade_out_of_reach(axes, curve, i_xy)
        axes.plot(i_xt, i_ty, color=CURVE_COLOR, linewidth=1.4, zorder=3)
        _cross_unconverged(axes, curve)
        at = np.array([[t.i_xt, t.i_ty] for t in found]).reshape(-1, 2) / NATS_PER_BIT
        circles(axes, at, "clusters from here on (critical β)" if found else None)
        marks, _ = axes.get_legend_handles_labels()
        handles = {}
        colors = layer_colors(len(intervals))
        for color, (name, (x, y)) in zip(colors, intervals.items(), strict=True):
            handle = axes.errorbar(
                x.mean,
                y.mean,
                xerr=_whiskers(x),
                yerr=_whiskers(y),
                color=color,
                marker="o",
                markersize=3.5,
                linewidth=0.9,
                zorder=6,
                label=name,
            )
            handles[name] = handle
        inside = marks if ax is None else [*marks, *handles.values()]
        if inside:
            axes.legend(handles=inside, loc="lower right")
        if handles and ax is None:
            figure.legend(
                handles.values(),
                handles.keys(),
                loc="outside lower center",
                ncols=_LEGEND_COLUMNS,
            )
        for index in np.flatnonzero(_spaced(axes, at)):
            _name_division(axes, at[index], found[index])
    return figure


def example_curve() -> tuple[np.ndarray, InformationCurve]:
    """A noisy bit and three points of its curve, on both sides of its division.

    Example:
      >>> p_xy, curve = example_curve()
      >>> print(curve.beta, curve.num_clusters)
      [1. 2. 4.] [1 2 2]
    """
    p_xy = np.array([[0.45, 0.05], [0.05, 0.45]])
    # How often the optimal encoder tells the bit wrong.
    beta, wrong = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.0541007, 0.0009061])
    encoders = np.moveaxis(np.array([[1 - wrong, wrong], [wrong, 1 - wrong]]), 2, 0)
    i_xt = np.array([table_information(0.5 * rows) for rows in encoders])
    i_ty = np.array([table_information(rows.T @ p_xy) for rows in encoders])
    return p_xy, InformationCurve(
        beta=beta,
        p_t_given_x=encoders,
        i_xt=i_xt,
        i_ty=i_ty,
        objective=i_xt - beta * i_ty,
        gap=np.zeros(3),
        certified=np.ones(3, bool),
        num_clusters=np.array([1, 2, 2]),
        num_steps=np.array([3, 3, 3]),
        converged=np.array([True, True, True]),
        critical_beta=np.array([1.5625]),
    )


def table_information(p_xy: np.ndarray) -> float:
    """I(X;Y) of a table, in nats and float64 whatever JAX computes in."""
    independent = p_xy.sum(axis=1, keepdims=True) * p_xy.sum(axis=0, keepdims=True)
    positive = p_xy > 0
    return float(
        np.sum(p_xy[positive] * np.log(p_xy[positive] / independent[positive]))
    )


def sorted_bits(curve: InformationCurve) -> tuple[np.ndarray, np.ndarray]:
    """I(X;T) and I(T;Y) of a curve's points in bits, by increasing beta."""
    order = np.argsort(curve.beta, kind="stable")
    return (
        curve.i_xt[order].astype(float) / NATS_PER_BIT,
        curve.i_ty[order].astype(float) / NATS_PER_BIT,
    )


def plane(axes: Axes, x_end: float, y_end: float, i_xy: float | None) -> None:
    """Labels, limits and the two guides of an information plane."""
    ceiling = math.nan if i_xy is None else float(i_xy) / NATS_PER_BIT
    top = max(y_end, ceiling if math.isfinite(ceiling) else 0.0, 1e-3)
    right = max(x_end, top)
    axes.set_xlim(-0.02 * right, 1.06 * right)
    axes.set_ylim(-0.02 * top, 1.14 * top)
    axes.set_xlabel("$I(X;T)$ (bits)")
    axes.set_ylabel("$I(T;Y)$ (bits)")
    axes.plot([0, 1.14 * top], [0, 1.14 * top], **GUIDE)
    # Both names above the ceiling, on either side of the diagonal's upper end.
    early = 1.14 * top < 0.5 * right
    text = {"textcoords": "offset points", "va": "top", **GUIDE_TEXT}
    axes.annotate(
        "$I(T;Y) = I(X;T)$",
        (1.14 * top, 1.14 * top),
        (3 if early else -9, -1),
        ha="left" if early else "right",
        **text,
    )
    if math.isfinite(ceiling):
        axes.axhline(ceiling, **GUIDE)
        axes.annotate(
            "$I(X;Y)$",
            (1.06 * right if early else 0.0, ceiling),
            (-2 if early else 2, 9),
            ha="right" if early else "left",
            **text,
        )


def shade_out_of_reach(axes: Axes, curve: InformationCurve, i_xy: float | None) -> None:
    """Shades what lies above the curve, and beyond its end above the last tangent."""
    i_xt, i_ty = sorted_bits(curve)
    ceiling = math.inf if i_xy is None else max(i_xy / NATS_PER_BIT, i_ty[-1])
    beyond = i_xt[-1] + np.linspace(0, max(axes.get_xlim()[1] - i_xt[-1], 0), 100)[1:]
    tangent = i_ty[-1] + (beyond - i_xt[-1]) / max(curve.beta.max(), 1)
    axes.fill_between(
        np.concatenate([i_xt, beyond]),
        np.concatenate([i_ty, np.minimum(tangent, ceiling)]),
        axes.get_ylim()[1],
        color="0.93",
        linewidth=0,
        zorder=0,
    )


def _cross_unconverged(axes: Axes, curve: InformationCurve) -> None:
    order = np.argsort(curve.beta, kind="stable")
    unfinished = ~curve.converged[order]
    if unfinished.any():
        i_xt, i_ty = sorted_bits(curve)
        axes.plot(
            i_xt[unfinished],
            i_ty[unfinished],
            linestyle="none",
            marker="x",
            markersize=3.5,
            markeredgewidth=0.8,
            color="#D55E00",
            zorder=5,
            label="not converged",
        )


def _name_division(axes: Axes, at: np.ndarray, transition: Transition) -> None:
    """Number of clusters and beta, below the curve, where nothing else is drawn."""
    x, y = axes.transLimits.transform(at)
    axes.annotate(
        f"{transition.after} (β {transition.beta:.4g})",
        at,
        (5, -2 if y < 0.1 else -4),
        textcoords="offset points",
        ha="left" if x < 0.7 else "right",
        va="bottom" if y < 0.1 else "top",
        color=CURVE_COLOR,
        fontsize=7,
        zorder=5,
    )


def circles(axes: Axes, places: np.ndarray, label: str | None = None) -> None:
    """Marks places on the curve, ``[num_places, 2]``."""
    axes.plot(
        places[:, 0],
        places[:, 1],
        linestyle="none",
        marker="o",
        markersize=3.5,
        markerfacecolor="white",
        markeredgecolor=CURVE_COLOR,
        markeredgewidth=0.9,
        zorder=4,
        label=label,
    )


def _whiskers(interval) -> list[list[float]] | None:
    """Distances to the ends of an interval; none without one."""
    if not np.isfinite(interval.low):
        return None
    return [[interval.mean - interval.low], [interval.high - interval.mean]]


def _spaced(axes: Axes, places: np.ndarray) -> np.ndarray:
    """Mask of the places that have room for a name, greedily from the first on."""
    shown = np.zeros(len(places), bool)
    last = np.full(2, -np.inf)
    for index, place in enumerate(axes.transLimits.transform(places)):
        # Beside or below the last name.
        shown[index] = np.any(place - last > _NAME_SIZE)
        last = place if shown[index] else last
    return shown
