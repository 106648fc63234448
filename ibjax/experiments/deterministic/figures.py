"""Figure of bottlenecks of certain labels: the plane, and information by price."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

from ibjax.experiments.deterministic.claims import points_of
from ibjax.experiments.deterministic.setup import solve_table
from ibjax.plots.style import EPOCH_COLORMAP, layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["deterministic_figures"]

_TITLES = {
    "vib": "Variational bound",
    "nonlinear": "Bound by pairs",
    "squared": "Its square",
}
_TICKS = (0.1, 0.2, 0.5, 1, 2)
_BLUE, _VERMILLION = layer_colors(2)


def deterministic_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """What the codes hold and tell, and what each price buys, by name."""
    points = points_of(dataset)
    h_y = float(dataset.attrs["h_y"])
    betas = [p.beta for p in next(iter(points.values()))]
    # Near a price of one, where the solution jumps, and not at it.
    fine = np.geomspace(min(betas), max(betas), 16)
    fine = np.sort([*fine[fine != 1], 0.99, 1.01])
    fine = fine[(fine >= min(betas)) & (fine <= max(betas))]
    solved = solve_table(tuple(fine.tolist()))
    norm = LogNorm(min(betas), max(max(betas), 1.01 * min(betas)))
    with paper_style():
        figure = Figure(figsize=(7.0, 4.3), layout="constrained")
        axes_of = figure.subplots(2, len(points), sharey="row", squeeze=False)
        for column, (method, own) in enumerate(points.items()):
            plane, prices = axes_of[0][column], axes_of[1][column]
            # A code that tells all inputs apart would push the others together.
            limit = 1.5 * h_y
            x = np.array([0, h_y, limit])
            plane.plot(x, np.minimum(x, h_y), color="0.6", linewidth=1.0, zorder=0)
            for p in own:
                plane.plot(
                    p.i_xz,
                    p.i_zy,
                    "o",
                    markersize=3.5,
                    alpha=0.8,
                    markeredgewidth=0,
                    color=matplotlib.colormaps[EPOCH_COLORMAP](norm(p.beta)),
                )
            beyond = sum(int(np.sum(p.i_xz > limit)) for p in own)
            if beyond:
                plane.annotate(
                    f"{beyond} codes beyond →",
                    (0.99, 0.7),
                    xycoords="axes fraction",
                    ha="right",
                    fontsize=7,
                )
            plane.set_xlim(0, limit)
            plane.set_ylim(0, 1.1 * h_y)
            plane.set_title(_TITLES[method], loc="left")
            plane.set_xlabel("$I(X;Z)$ (nats)")
            exact = solved.squared if method == "squared" else solved.plain
            prices.plot(
                fine, exact[1], "--", color="0.5", label="table, exact", zorder=0
            )
            for name, label, color, marker in (
                ("i_xz", "$I(X;Z)$", _VERMILLION, "s"),
                ("i_zy", "$I(Z;Y)$", _BLUE, "o"),
            ):
                spread = [mean_interval(getattr(p, name)) for p in own]
                prices.errorbar(
                    betas,
                    [v.mean for v in spread],
                    yerr=np.nan_to_num(
                        [[v.mean - v.low, v.high - v.mean] for v in spread]
                    ).T,
                    color=color,
                    marker=marker,
                    markersize=3.5,
                    linewidth=0.9,
                    elinewidth=0.7,
                    label=label,
                )
            prices.set_xscale("log")
            prices.xaxis.set_major_locator(FixedLocator(_TICKS))
            prices.xaxis.set_major_formatter(ScalarFormatter())
            prices.xaxis.set_minor_locator(NullLocator())
            prices.xaxis.set_minor_formatter(NullFormatter())
            prices.set_xlabel("price β")
        axes_of[0][0].set_ylabel("$I(Z;Y)$ (nats)")
        axes_of[1][0].set_ylabel("information (nats)")
        means = [np.nanmean(p.i_xz) for own in points.values() for p in own]
        most = np.nanmax(means)
        axes_of[1][0].set_ylim(0, 1.15 * max(most, h_y))
        axes_of[1][-1].legend(loc="upper right")
        bar = figure.colorbar(
            ScalarMappable(norm, EPOCH_COLORMAP), ax=axes_of[0], pad=0.01
        )
        bar.set_ticks([b for b in _TICKS if min(betas) <= b <= max(betas)])
        bar.ax.yaxis.set_major_formatter(ScalarFormatter())
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.set_label("price β")
        bar.outline.set_linewidth(0.6)
    return {"deterministic": figure}
