"""Division of the clusters along the information curve, in bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.markers import TICKRIGHT
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    LogLocator,
    NullFormatter,
    NullLocator,
)
from numpy.typing import ArrayLike

from ibjax.bottleneck import InformationCurve, decoders, transitions
from ibjax.numerics import checks
from ibjax.plots.bottleneck import (
    CURVE_COLOR,
    GUIDE,
    GUIDE_TEXT,
    circles,
    plane,
    shade_out_of_reach,
    sorted_bits,
    table_information,
)
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import NATS_PER_BIT

__all__ = ["bifurcations"]

# Below this a difference of objectives is rounding, in bits.
_LEAST_EXCESS = 1e-8
# Part of the beta axis that two numbers written above it need between them.
_NUMBER_WIDTH = 0.14


def bifurcations(
    p_xy: ArrayLike,
    curve: InformationCurve,
    branches: Mapping[int, InformationCurve] | None = None,
    *,
    label: int = 1,
    scale: Literal["linear", "logit"] = "linear",
) -> Figure:
    r"""Division of the clusters as beta grows, and the cost of keeping them together.

    Left, above: p(y|t) of one label for every cluster of the curve, as wide as the
    cluster's weight; a cluster is joined to the nearest one at the beta before. Dashes
    at the right edge are the inputs' own p(y|x), where clusters end. Left, below: by
    how much the objective I(X;T) - beta I(T;Y) of every branch, a solution with fewer
    clusters, lies above that of the curve. Right: the information plane; circles are
    the places on the curve where clusters divide, squares the ends of the branches, and
    an inset enlarges what a small part of the plane holds. Dotted lines are critical
    betas.

    Args:
      p_xy: The joint table of the curve, shape ``[num_x, num_y]``.
      curve: The curve, from :func:`ibjax.bottleneck.information_curve`.
      branches: Curves at the same betas with ``num_t`` clusters at most, by ``num_t``;
        none by default.
      label: Which y to show p(y|t) of.
      scale: Axis of p(y|t); ``logit`` tells apart what is close to 0 or 1.

    Returns:
      Figure, 7 x 3.6 inches, two columns wide.

    Raises:
      ValueError: If ``p_xy`` or the betas of a branch do not match the curve, or
        ``label`` is no column.

    References:
      Tishby and Zaslavsky, `Deep learning and the information bottleneck principle`,
      2015, Fig. 2. Rose, `Deterministic annealing for clustering, compression,
      classification, regression, and related optimization problems`, 1998.

    Example:
      >>> from ibjax.plots.bottleneck import example_curve
      >>> figure = bifurcations(*example_curve())
      >>> [axes.get_ylabel() for axes in figure.axes]
      ['$p(y=1\\,|\\,t)$', '$I(T;Y)$ (bits)']
    """
    num_x = curve.p_t_given_x.shape[1]
    p_xy = checks.shape("p_xy", np.asarray(p_xy, float), (num_x, "num_y"))
    checks.whole("label", label, f"[0, {p_xy.shape[1]})")
    branches = dict(sorted((branches or {}).items()))
    for num_t, branch in branches.items():
        if not np.array_equal(branch.beta, curve.beta):
            raise ValueError(
                f"branches must have the betas of the curve; {num_t} has not"
            )
    colors = dict(zip(branches, layer_colors(len(branches)), strict=True))
    with paper_style():
        figure = Figure(figsize=(7.0, 3.6 if branches else 2.8), layout="constrained")
        grid = figure.add_gridspec(
            2 if branches else 1, 2, height_ratios=[3, 2] if branches else None
        )
        above = figure.add_subplot(grid[0, 0])
        _draw_decoders(above, p_xy, curve, label, scale)
        if branches:
            below = figure.add_subplot(grid[1, 0], sharex=above)
            above.tick_params(labelbottom=False)
            _draw_excess(below, curve, branches, colors)
        (below if branches else above).set_xlabel(r"$\beta$")
        _draw_branches(figure.add_subplot(grid[:, 1]), p_xy, curve, branches, colors)
    return figure


def _draw_decoders(
    axes: Axes, p_xy: np.ndarray, curve: InformationCurve, label: int, scale: str
) -> None:
    order = np.argsort(curve.beta, kind="stable")
    beta = curve.beta[order]
    segments, widths = [], []
    before_decoders: np.ndarray | None = None
    for number, index in enumerate(order):
        weights, after = decoders(p_xy, curve.p_t_given_x[index])
        if before_decoders is not None:
            for child, parent in _relatives(before_decoders, after):
                ends = before_decoders[parent, label], after[child, label]
                betas = beta[number - 1 : number + 1]
                segments.append(np.stack([betas, ends], axis=1))
                widths.append(0.6 + 4.0 * weights[child])
        before_decoders = after
    lines = LineCollection(
        segments, linewidths=widths, colors=CURVE_COLOR, capstyle="round", zorder=2
    )
    axes.add_collection(lines)
    _beta_axis(axes, curve)
    p_x = p_xy.sum(axis=1)
    inputs = p_xy[p_x > 0, label] / p_x[p_x > 0]
    if scale == "logit":
        low, high = _logit_axis(axes, np.asarray(segments)[..., 1])
        inputs = np.clip(inputs, low, high)
    else:
        axes.set_ylim(-0.03, 1.03)
    axes.plot(
        np.full_like(inputs, 1.01),
        inputs,
        transform=axes.get_yaxis_transform(),
        linestyle="none",
        marker=TICKRIGHT,
        markersize=4,
        markeredgewidth=0.9,
        color="0.35",
        clip_on=False,
    )
    axes.annotate(
        "inputs",
        (1.0, 0.5),
        (10, 0),
        xycoords="axes fraction",
        textcoords="offset points",
        rotation=270,
        ha="left",
        va="center",
        **GUIDE_TEXT,
    )
    axes.set_ylabel(rf"$p(y={label}\,|\,t)$")
    _number_critical(axes, curve)


def _logit_axis(axes: Axes, shown: np.ndarray) -> tuple[float, float]:
    """Makes the vertical axis one of log odds; returns its ends."""
    low = max(1e-12, min(0.03, float(shown.min()) / 3))
    high = 1 - max(1e-12, min(0.03, 1 - float(shown.max())) / 3)
    axes.set_yscale("logit")
    axes.set_ylim(low, high)
    ticks = {0.5: "0.5"}
    for exponent in range(2, 13, 2):
        ticks[10.0**-exponent] = f"$10^{{-{exponent}}}$"
        ticks[1 - 10.0**-exponent] = f"$1 - 10^{{-{exponent}}}$"
    ticks = {tick: text for tick, text in ticks.items() if low < tick < high}
    axes.yaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.yaxis.set_major_formatter(FixedFormatter(list(ticks.values())))
    axes.yaxis.set_minor_locator(NullLocator())
    return low, high


def _relatives(before: np.ndarray, after: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of clusters, at a beta and at the one before, that are to be joined."""
    distance = np.abs(after[:, None, :] - before[None, :, :]).sum(axis=2)
    pairs = {(child, int(np.argmin(row))) for child, row in enumerate(distance)}
    parents = {parent for _, parent in pairs}
    for parent in set(range(len(before))) - parents:
        pairs.add((int(np.argmin(distance[:, parent])), parent))
    return sorted(pairs)


def _beta_axis(axes: Axes, curve: InformationCurve) -> None:
    low, high = curve.beta[curve.beta > 0].min(), curve.beta.max()
    axes.set_xscale("log")
    axes.set_xlim(low, high if high > low else 2 * low)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(lambda beta, _: f"{beta:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    for critical in curve.critical_beta:
        axes.axvline(critical, **GUIDE)


def _number_critical(axes: Axes, curve: InformationCurve) -> None:
    """Writes the critical betas above their lines, close ones together."""
    low, high = np.log(axes.get_xlim())
    places = (np.log(curve.critical_beta) - low) / (high - low)
    groups: list[list[int]] = []
    for index, place in enumerate(places):
        if groups and place - places[groups[-1][-1]] < _NUMBER_WIDTH:
            groups[-1].append(index)
        else:
            groups.append([index])
    for group in groups:
        numbers = [f"{curve.critical_beta[index]:.4g}" for index in group]
        text = ", ".join(numbers)
        if len(group) > 2:
            text = f"{numbers[0]} to {numbers[-1]}"
        axes.annotate(
            text,
            (float(np.mean(places[group])), 1.0),
            (0, 2),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="center" if places[group[0]] > 0.05 else "left",
            va="bottom",
            **GUIDE_TEXT,
        )


def _draw_excess(
    axes: Axes,
    curve: InformationCurve,
    branches: dict[int, InformationCurve],
    colors: dict[int, str],
) -> None:
    _beta_axis(axes, curve)
    axes.set_yscale("log")
    highest = _LEAST_EXCESS
    order = np.argsort(curve.beta, kind="stable")
    for num_t, branch in branches.items():
        excess = (branch.objective - curve.objective)[order] / NATS_PER_BIT
        excess = np.maximum(excess, _LEAST_EXCESS)
        axes.plot(
            curve.beta[order], excess, color=colors[num_t], label=f"$|T|={num_t}$"
        )
        highest = max(highest, float(excess.max()))
    axes.set_ylim(_LEAST_EXCESS, 10 * highest)
    axes.yaxis.set_major_locator(LogLocator(numticks=4))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("objective above\nthe optimum (bits)")
    axes.legend(loc="lower right", labelspacing=0.2)


def _draw_branches(
    axes: Axes,
    p_xy: np.ndarray,
    curve: InformationCurve,
    branches: dict[int, InformationCurve],
    colors: dict[int, str],
) -> None:
    paths = {num_t: sorted_bits(branch) for num_t, branch in branches.items()}
    i_xt, i_ty = sorted_bits(curve)
    i_xy = table_information(p_xy)
    plane(axes, i_xt.max(), i_ty.max(), i_xy)
    shade_out_of_reach(axes, curve, i_xy)
    places = np.array([[t.i_xt, t.i_ty] for t in transitions(curve)])
    places = places.reshape(-1, 2) / NATS_PER_BIT
    ends = np.array([[x[-1], y[-1]] for x, y in paths.values()]).reshape(-1, 2)

    def draw(panel: Axes) -> None:
        panel.plot(i_xt, i_ty, color=CURVE_COLOR, linewidth=1.4, zorder=3)
        for num_t, path in paths.items():
            panel.plot(*path, color=colors[num_t], zorder=2)
        circles(panel, places)
        for end, color in zip(ends, colors.values(), strict=True):
            panel.plot(*end, "s", color=color, markersize=4, zorder=4)

    draw(axes)
    named = axes
    region = np.concatenate([places[1:], ends[1:], [[i_xt[-1], i_ty[-1]]]])
    low, high = region.min(axis=0), region.max(axis=0)
    if branches and len(places) > 1 and high[1] - low[1] < 0.2 * i_ty[-1]:
        # All that happens beyond the first division is a small part of the plane.
        named = axes.inset_axes((0.55, 0.09, 0.42, 0.4))
        margin = 0.12 * (high - low)
        named.set_xlim(low[0] - margin[0], high[0] + margin[0])
        named.set_ylim(low[1] - margin[1], high[1] + margin[1])
        shade_out_of_reach(named, curve, i_xy)
        draw(named)
        axes.indicate_inset_zoom(named, edgecolor="0.35", linewidth=0.6)
    inside = np.all((low <= ends) & (ends <= high), axis=1)
    groups = [(axes, ~inside), (named, inside)]
    for panel, chosen in groups if named is not axes else [(axes, inside | True)]:
        for index, (num_t, color) in enumerate(colors.items()):
            if chosen[index]:
                panel.annotate(
                    f"$|T|={num_t}$",
                    ends[index],
                    (5, -2),
                    textcoords="offset points",
                    color=color,
                    fontsize=7,
                    va="bottom",
                )
