"""Figures of classifiers through a code: the plane, the errors, two-number codes."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.ticker import NullLocator

from ibjax.experiments.vib.claims import Point, points_of
from ibjax.plots.style import EPOCH_COLORMAP, layer_colors, paper_style
from ibjax.results.cells import configured_cells
from ibjax.results.statistics import NATS_PER_BIT, mean_interval

__all__ = ["vib_figures"]

_BLUE, _VERMILLION, _GREEN = layer_colors(3)
# Codes drawn of one class, so that their ellipses stay apart.
_DRAWN_PER_CLASS = 12
_NUM_PANELS = 4


def vib_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """The plane, errors, bounds and noise of all codes, and codes of two numbers."""
    points = points_of(dataset)
    h_y = float(dataset.attrs["h_y"]) / NATS_PER_BIT
    figures = {"vib_plane": _plane(points, h_y), "vib_errors": _errors(points, h_y)}
    # Neither is in runs before there were both.
    if all("kernel_upper_i_xz" in p.values for found in points.values() for p in found):
        figures |= {"vib_bounds": _bounds(points, h_y), "vib_noise": _noise(points)}
    drawn = _drawn_cells(dataset)
    if drawn:
        figures["vib_codes"] = _codes(drawn)
    return figures


def _plane(points: dict[str, list[Point]], h_y: float) -> Figure:
    """What the code costs and tells, with the limit of the bottleneck."""
    norm = _beta_norm(points)
    with paper_style():
        figure = Figure(figsize=(7.0, 2.9), layout="constrained")
        panels = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
        for axes, (code, found) in zip(panels, points.items(), strict=True):
            most = max(np.nanmax(p.values["i_xz"]) for p in found)
            x = np.concatenate([np.linspace(0, h_y, 50), [2 * most]])
            axes.plot(x, np.minimum(x, h_y), color="0.15", linewidth=1.2)
            axes.fill_between(x, np.minimum(x, h_y), 2 * h_y, color="0.93", linewidth=0)
            for p in found:
                color = matplotlib.colormaps[EPOCH_COLORMAP](norm(p.beta))
                _cross(axes, p, "", "o", color)
                _cross(axes, p, "mixture_", "s", color, markerfacecolor="white")
            axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.set_xlim(0, 1.3 * most)
            axes.set_ylim(0, 1.08 * h_y)
            axes.set_xlabel("what the code costs, $I(X;Z)$ (bits)")
            axes.set_title(_title(code), loc="left")
        panels[0].set_ylabel("what it tells, $I(Z;Y)$ (bits)")
        marks = [
            panels[0].plot([], [], "o", color="0.3", label="bounds, fixed prior")[0],
            panels[0].plot(
                [],
                [],
                "s",
                color="0.3",
                markerfacecolor="white",
                label="without a prior",
            )[0],
            panels[0].plot([], [], color="0.15", label="limit: min(I(X;Z), H(Y))")[0],
        ]
        panels[-1].legend(handles=marks, loc="lower right")
        if len({p.beta for found in points.values() for p in found}) > 1:
            _beta_bar(figure, panels, norm)
    return figure


def _cross(axes: Axes, p: Point, prefix: str, marker: str, color, **options) -> None:
    """Mean over seeds with both intervals."""
    x, y = (mean_interval(p.values[f"{prefix}{name}"]) for name in ("i_xz", "i_zy"))
    if not np.isfinite([x.mean, y.mean]).all():
        return
    whiskers = (
        None if np.isnan(v.low) else [[v.mean - v.low], [v.high - v.mean]]
        for v in (x, y)
    )
    x_error, y_error = whiskers
    axes.errorbar(
        x.mean,
        y.mean,
        xerr=x_error,
        yerr=y_error,
        marker=marker,
        markersize=4,
        color=color,
        elinewidth=0.7,
        **options,
    )


def _errors(points: dict[str, list[Point]], h_y: float) -> Figure:
    """Share of wrong classes against the price, and where the code costs H(Y)."""
    with paper_style():
        figure = Figure(figsize=(7.0, 2.5), layout="constrained")
        panels = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
        for axes, (code, found) in zip(panels, points.items(), strict=True):
            betas = np.array([p.beta for p in found])
            for name, label, color, dash in (
                ("test_error_one_draw", "test, one draw", _VERMILLION, "--"),
                ("test_error", "test, mean of draws", _BLUE, "-"),
                ("train_error", "training", _GREEN, ":"),
            ):
                intervals = [mean_interval(100 * p.values[name]) for p in found]
                mean = np.array([i.mean for i in intervals])
                axes.plot(betas, mean, dash, color=color, label=label, marker=".")
                axes.fill_between(
                    betas,
                    [i.low for i in intervals],
                    [i.high for i in intervals],
                    color=color,
                    alpha=0.2,
                    linewidth=0,
                )
            rates = np.array([np.nanmean(p.values["i_xz"]) for p in found])
            below = betas[rates < h_y]
            if below.size:
                axes.axvspan(below[0], betas[-1] * 1.5, color="0.93", linewidth=0)
                axes.text(
                    0.98,
                    0.04,
                    "rate below H(Y)",
                    ha="right",
                    transform=axes.transAxes,
                    color="0.35",
                    fontsize=7,
                )
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlim(betas[0] / 1.5, betas[-1] * 1.5)
            axes.set_xlabel("price of a nat of rate, β")
            axes.set_title(_title(code), loc="left")
        panels[0].set_ylabel("wrong classes (%)")
        panels[0].legend(loc="upper left")
    return figure


def _bounds(points: dict[str, list[Point]], h_y: float) -> Figure:
    """I(X;Z) above and I(Z;Y) below, against the price: bounds, and without a prior."""
    rows = {"i_xz": "$I(X;Z)$ (bits)", "i_zy": "$I(Z;Y)$ (bits)"}
    with paper_style():
        figure = Figure(figsize=(7.0, 4.2), layout="constrained")
        panels = figure.subplots(
            2, len(points), sharex=True, sharey="row", squeeze=False
        )
        for column, (code, found) in zip(panels.T, points.items(), strict=True):
            column[0].set_title(_title(code), loc="left")
            for axes, name in zip(column, rows, strict=True):
                _bounds_of(axes, found, name)
            column[0].axhline(found[0].ceiling, color="0.5", linestyle=":")
            column[0].set_yscale("symlog", linthresh=1.0, linscale=0.5)
            column[0].yaxis.set_minor_locator(NullLocator())
            column[1].axhline(h_y, color="0.5", linestyle=":")
            column[1].set_xlabel("price of a nat of rate, β")
            column[1].set_xscale("log")
        for row, words in zip(panels, rows.values(), strict=True):
            row[0].set_ylabel(words)
            row[0].set_ylim(bottom=0)
        handles, labels = panels[1, 0].get_legend_handles_labels()
        ceiling = Line2D([], [], color="0.5", linestyle=":")
        figure.legend(
            [*handles, ceiling],
            [*labels, "most there is"],
            loc="outside upper center",
            ncols=4,
        )
    return figure


def _bounds_of(axes: Axes, found: list[Point], name: str) -> None:
    betas = [p.beta for p in found]

    def means(prefix):
        return np.array([np.nanmean(p.values[f"{prefix}{name}"]) for p in found])

    lower, upper = means("kernel_lower_"), means("kernel_upper_")
    axes.fill_between(
        betas, lower, upper, color=_GREEN, alpha=0.25, linewidth=0, label="kernels"
    )
    axes.plot(betas, means("mixture_"), "s-", color="0.15", label="without a prior")
    axes.plot(betas, means(""), "o--", color=_BLUE, label="variational bound")


def _noise(points: dict[str, list[Point]]) -> Figure:
    """By how much the error of one draw varies, by network and by draw."""
    with paper_style():
        figure = Figure(figsize=(7.0, 2.5), layout="constrained")
        panels = figure.subplots(1, len(points), sharey=True, squeeze=False)[0]
        for axes, (code, found) in zip(panels, points.items(), strict=True):
            betas = [p.beta for p in found]
            of_networks, of_draws = np.transpose([_deviations(p) for p in found])
            axes.plot(betas, of_networks, "o-", color=_BLUE, label="networks")
            axes.plot(
                betas, of_draws, "s--", color=_VERMILLION, label="draws of one network"
            )
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("price of a nat of rate, β")
            axes.set_title(_title(code), loc="left")
        panels[0].set_ylabel("deviation of the error (points)")
        panels[0].legend(loc="upper left")
    return figure


def _deviations(p: Point) -> tuple[float, float]:
    """Standard deviations in percentage points, over networks and over draws.

    What draws add to the former is taken off; where nothing is left it is NaN.
    """
    errors = 100 * p.values["test_error_one_draw"]
    draws = float(np.nanmean((100 * p.values["test_error_one_draw_std"]) ** 2))
    kept = errors[np.isfinite(errors)]
    if len(kept) < 2:
        return np.nan, np.sqrt(draws)
    own = float(np.var(kept, ddof=1)) - draws / p.num_draws
    return np.sqrt(own) if own > 0 else np.nan, np.sqrt(draws)


def _codes(cells: list[tuple[float, xr.Dataset]]) -> Figure:
    """Codes of two numbers of the first network, one panel for each of some prices."""
    places = np.unique(np.rint(np.linspace(0, len(cells) - 1, _NUM_PANELS)).astype(int))
    with paper_style():
        figure = Figure(figsize=(7.0, 2.2), layout="constrained")
        panels = figure.subplots(1, len(places), squeeze=False)[0]
        colors = [matplotlib.colormaps["tab10"](n) for n in range(10)]
        for axes, place in zip(panels, places, strict=True):
            beta, cell = cells[place]
            first = cell.isel(seed=0)
            means, scales = first.code_mean.values, first.code_scale.values
            labels = first.code_label.values.astype(int)
            for label in np.unique(labels):
                rows = np.flatnonzero(labels == label)[:_DRAWN_PER_CLASS]
                color = colors[label % 10]
                for row in rows:
                    axes.add_patch(_ellipse(means[row], scales[row], color))
                middle = np.median(means[labels == label], axis=0)
                axes.annotate(
                    str(label), middle, color="black", fontsize=7, ha="center"
                )
            axes.autoscale_view()
            axes.set_aspect("equal", adjustable="datalim")
            axes.set_title(f"β = {beta:g}", loc="left")
        panels[0].set_ylabel("second number")
        figure.supxlabel(
            "first number of the code (ellipses: one standard deviation)", fontsize=8
        )
    return figure


def _ellipse(mean: np.ndarray, factor: np.ndarray, color) -> Ellipse:
    directions, lengths, _ = np.linalg.svd(factor)
    angle = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
    return Ellipse(
        mean,
        *(2 * lengths),
        angle=angle,
        facecolor=(*color[:3], 0.15),
        edgecolor=color,
        linewidth=0.6,
    )


def _drawn_cells(dataset: xr.Dataset) -> list[tuple[float, xr.Dataset]]:
    found = []
    for own, cell in configured_cells(dataset):
        if "code_mean" not in cell:
            continue
        # The first network that has not diverged.
        means = cell.code_mean.transpose("seed", ...).values
        drawn = np.flatnonzero(np.isfinite(means).reshape(len(means), -1).all(axis=1))
        if len(drawn):
            found.append((float(own["beta"]), cell.isel(seed=drawn[:1])))
    return sorted(found, key=lambda pair: pair[0])


def _beta_norm(points: dict[str, list[Point]]) -> LogNorm:
    betas = [p.beta for found in points.values() for p in found if p.beta > 0]
    return LogNorm(min(betas, default=0.1), 1.001 * max(betas, default=1.0))


def _beta_bar(figure: Figure, panels, norm: LogNorm) -> None:
    bar = figure.colorbar(
        ScalarMappable(norm, EPOCH_COLORMAP), ax=list(panels), pad=0.01, aspect=30
    )
    bar.set_label("price of a nat of rate, β")


def _title(code: str) -> str:
    if code == "code":
        return "code"
    number, _, kind = code.partition("-")
    return f"code of {number} numbers" + (", any covariance" if kind else "")
