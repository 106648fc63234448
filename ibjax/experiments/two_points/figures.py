"""Figures of autoencoders of two points: densities, and what lam does."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.experiments.two_points.claims import INFO_LAM, nearest, settings_of
from ibjax.plots.style import layer_colors, paper_style
from ibjax.results.statistics import mean_interval

__all__ = ["two_points_figures"]

_LEFT, _RIGHT, _GREEN, _PINK = layer_colors(4)


def two_points_figures(dataset: xr.Dataset) -> dict[str, Figure]:
    """Densities of codes and samples, and numbers against lam, by name."""
    settings = settings_of(dataset)
    figures = {"two_points": _densities(settings)}
    if len(next(iter(settings.values()))) > 1:
        figures["two_points_lam"] = _numbers(settings)
    return figures


def _densities(settings: dict[float, dict[float, xr.Dataset]]) -> Figure:
    """The paper's figure: codes above, what is decoded below, of the first network."""
    alpha = 0.0 if 0.0 in settings else next(iter(settings))
    lams = settings[alpha]
    # The evidence bound, InfoVAE, and one on the way.
    wanted = (1.0, 0.3 * INFO_LAM, INFO_LAM)
    chosen = sorted({nearest(lams, lam) for lam in wanted})
    with paper_style():
        figure = Figure(figsize=(0.6 + 2.2 * len(chosen), 3.8), layout="constrained")
        panels = figure.subplots(2, len(chosen), sharey="row", squeeze=False)
        for lam, above, below in zip(chosen, *panels, strict=True):
            _codes(above, lams[lam])
            _samples(below, lams[lam])
            above.set_title(_title(alpha, lam), loc="left")
        panels[0, 0].set_ylabel("density of the code")
        panels[1, 0].set_ylabel("density of what is decoded")
        panels[0, -1].legend(loc="upper right", borderaxespad=0)
        panels[1, -1].legend(loc="upper right", borderaxespad=0)
    return figure


def _title(alpha: float, lam: float) -> str:
    if (alpha, lam) == (0.0, 1.0):
        return "evidence bound (λ = 1)"
    extra = "" if alpha == 0 or np.isnan(alpha) else f"α = {alpha:g}, "
    return f"InfoVAE ({extra}λ = {lam:g})"


def _codes(axes: Axes, cell: xr.Dataset) -> None:
    z, densities = cell.z_grid.values, cell.code_density.values
    for other in densities[1:]:
        axes.plot(z, other.mean(0), color="0.75", linewidth=0.5)
    first = densities[0]
    for density, color, sign in zip(first, (_LEFT, _RIGHT), ("−1", "1"), strict=True):
        axes.fill_between(z, density / 2, color=color, alpha=0.25, linewidth=0)
        axes.plot(z, density / 2, color=color, label=f"½ q(z | x = {sign})")
    axes.plot(z, first.mean(0), color="black", label="q(z)")
    prior = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(z, prior, "--", color=_PINK, label="p(z), N(0, 1)")
    axes.plot([], [], color="0.75", linewidth=0.5, label="q(z), other networks")
    axes.set_xlim(z[0], z[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("code z")


def _samples(axes: Axes, cell: xr.Dataset) -> None:
    x, found = cell.x_grid.values, cell.isel(seed=0)
    pairs = zip(
        found.reconstruction_density.values, (_LEFT, _RIGHT), ("−1", "1"), strict=True
    )
    for density, color, sign in pairs:
        axes.plot(x, density / 2, color=color, label=f"½ from q(z | x = {sign})")
    axes.plot(
        x, found.sample_density.values, "--", color=_PINK, label="samples, from p(z)"
    )
    axes.set_yscale("log")
    axes.set_ylim(3e-3, 40)
    axes.set_xlim(-2.5, 2.5)
    axes.set_xlabel("x")


def _numbers(settings: dict[float, dict[float, xr.Dataset]]) -> Figure:
    """How far q(z) is from N(0, 1), and what that costs, against lam."""
    panels = (
        ("code_divergence", "KL of q(z)\nfrom N(0, 1) (nats)", "log"),
        ("posterior_gap", "KL of q(z|x)\nfrom p(z|x) (nats)", "linear"),
        ("sample_distance", "samples from recon-\nstructions (variation)", "linear"),
        ("exact_distortion", "distortion (nats)", "linear"),
    )
    with paper_style():
        figure = Figure(figsize=(7.2, 1.9), layout="constrained")
        all_axes = figure.subplots(1, len(panels))
        for axes, (name, label, scale) in zip(all_axes, panels, strict=True):
            styles = zip(settings.items(), layer_colors(len(settings)), strict=True)
            for number, ((alpha, lams), color) in enumerate(styles):
                values = [mean_interval(cell[name].values) for cell in lams.values()]
                mean = [v.mean for v in values]
                axes.plot(
                    list(lams),
                    mean,
                    ("-", "--", ":")[number % 3],
                    marker=".",
                    color=color,
                    label=f"α = {alpha:g}",
                )
                axes.fill_between(
                    list(lams),
                    [v.low for v in values],
                    [v.high for v in values],
                    color=color,
                    alpha=0.2,
                    linewidth=0,
                )
            axes.set_xscale("log")
            axes.set_yscale(scale)
            axes.set_xlabel("λ")
            axes.set_ylabel(label)
        if len(settings) > 1:
            all_axes[0].legend(loc="best")
    return figure
