"""The trained layers beside the information curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ibjax.plots.panels import figure_width, in_a_row, panels
from ibjax.plots.style import (
    check_dataset,
    choose_estimator,
    information_bits,
    layer_colors,
    layer_names,
    note_size,
    paper_style,
    pick,
)
from ibjax.results.curve_distance import has_curve
from ibjax.results.statistics import (
    NATS_PER_BIT,
    majority_quantiles,
    mean_interval,
)

__all__ = ["optimality"]

# Room above the curve, where a note stands, and below the layers, as parts of what is
# between them.
_ABOVE, _BELOW = 0.2, 0.1
# The whole plane, inset where the panel shows its upper part: left, bottom, width,
# height, as parts of the panel. Layers stay above it.
_INSET = (0.57, 0.13, 0.41, 0.36)


def optimality(
    dataset: xr.Dataset,
    *,
    estimator: str | None = None,
    ax: Sequence[Axes] | None = None,
) -> Figure:
    """Information plane of the trained layers with the optimal curve, in bits.

    On the left the curve of the best representations, and the layers of every seed at
    the last epoch with their mean. Where all of them know most of Y the panel begins
    below the lowest of them, and an inset has the whole plane. On the right the
    divergence of each layer's encoder
    from the closest optimal encoder of the same clusters, mean and 95 % interval over
    seeds, labelled with the median beta of that encoder.

    Args:
      dataset: Dataset of a sweep measured with :func:`ibjax.probes.optimality`.
      estimator: Name of an estimator; ``binning``, or the first, by default.
      ax: Two axes to draw in; those of a new figure by default.

    Returns:
      Figure, 6.8 x 3.0 inches, or that of ``ax``.

    Raises:
      ValueError: If the dataset lacks the curve or the estimator.
    """
    check_dataset(dataset)
    if estimator is None and "binning" in np.atleast_1d(dataset.get("estimator", [])):
        # Whose clusters the encoders are compared of, fit or not.
        estimator = "binning"
    estimator, label = choose_estimator(dataset, estimator)
    if not has_curve(dataset):
        raise ValueError(
            "dataset must hold the optimal curve, from probes.optimality, "
            f"got {sorted(dataset)}"
        )
    divergence, beta = (
        pick(dataset, name, "seed", "epoch", "layer")[:, -1]
        for name in ("optimality_divergence", "optimal_beta")
    )
    i_xt, i_ty = (
        information_bits(dataset, name, estimator)[:, -1] for name in ("i_xt", "i_ty")
    )
    names = layer_names(dataset)
    colors = layer_colors(len(names))
    # No representation of so many inputs has more.
    top = math.log2(dataset.attrs["num_samples"])
    with paper_style():
        size: tuple[float, float]
        ratios: dict[str, Any]
        if (columns := in_a_row(2)) == 2 and figure_width(6.8) > 5.0:
            size, ratios = (figure_width(6.8), 3.0), {"width_ratios": (1.25, 1)}
        else:
            columns, size, ratios = 1, (figure_width(6.8), 5.2), {}
        figure, (plane, rows) = panels(ax, 2 // columns, columns, size, **ratios)
        curve = _curve_bits(dataset, top)
        limits = _limits(i_xt, i_ty, curve, 1.04 * top)
        _draw_curve(plane, curve, limits[1])
        plane.annotate(
            "no representation is above the curve",
            (0.02, 0.985),
            xycoords="axes fraction",
            va="top",
            fontsize=note_size(),
            color="0.3",
        )
        means = np.stack([mean_interval(i_xt).mean, mean_interval(i_ty).mean], axis=1)
        for index, color in enumerate(colors):
            plane.plot(
                i_xt[:, index],
                i_ty[:, index],
                ".",
                color=color,
                markersize=2,
                alpha=0.4,
            )
            plane.plot(*means[index], "o", color=color, markersize=4.5, mec="white")
        plane.set(
            xlabel="$I(X;T)$ (bits)",
            ylabel="$I(T;Y)$ (bits)",
            xlim=(0, 1.04 * top),
            ylim=limits,
        )
        plane.set_title(label, loc="left")
        if limits[0] > 0:
            _draw_whole(plane, curve, means, colors)

        # The names of the rows are the legend of both panels.
        divergence = mean_interval(divergence / NATS_PER_BIT)
        (beta,) = majority_quantiles(beta, [0.5])
        place = np.arange(len(names))
        for index, color in enumerate(colors):
            low, high = divergence.low[index], divergence.high[index]
            rows.plot([low, high], [index, index], color=color, linewidth=1.2)
            rows.plot(divergence.mean[index], index, "o", color=color, markersize=4.5)
            rows.annotate(
                _beta_text(beta[index], dataset["curve_beta"].values),
                (divergence.mean[index], index),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=note_size(),
            )
        rows.set(
            yticks=place,
            yticklabels=names,
            ylim=(len(names) - 0.5, -0.6),
            xlabel="divergence from the closest\noptimal encoder (bits)",
        )
        rows.margins(x=0.12)
        # A divergence is never negative; the axis stands apart from points at zero.
        rows.set_xlim(left=0.0)
        rows.spines["left"].set_position(("outward", 6))
    return figure


def _limits(
    i_xt: np.ndarray,
    i_ty: np.ndarray,
    curve: tuple[np.ndarray, np.ndarray],
    right: float,
) -> tuple[float, float]:
    """Limits of I(T;Y): from zero, or from below the layers if all know most of Y."""
    highest = float(curve[1].max())
    left, bottom, _, height = _INSET
    # The inset keeps clear of the layers above it.
    over = i_ty[i_xt > left * right]
    share = bottom + height + _BELOW
    free = (np.nanmin(over, initial=highest) - share * highest) / (1 - share)
    lowest = np.nanmin(i_ty, initial=highest)
    # A tenth at least, for layers that all know everything have no height.
    low = min(lowest - _BELOW * (highest - lowest), free, 0.9 * highest)
    low = low if low > 0.5 * highest else 0.0
    return low, highest + _ABOVE * (highest - low)


def _draw_curve(axes: Axes, curve: tuple[np.ndarray, np.ndarray], end: float) -> None:
    axes.fill_between(*curve, end, color="0.93", lw=0)
    axes.plot(*curve, color="0.15", linewidth=1.2)


def _draw_whole(
    plane: Axes,
    curve: tuple[np.ndarray, np.ndarray],
    means: np.ndarray,
    colors: list[str],
) -> None:
    """The whole plane, inset, with a frame around what the panel shows."""
    inset = plane.inset_axes(_INSET)
    (low, end), right = plane.get_ylim(), plane.get_xlim()[1]
    _draw_curve(inset, curve, end)
    for mean, color in zip(means, colors, strict=True):
        inset.plot(*mean, ".", color=color, markersize=3)
    inset.set(xlim=(0, right), ylim=(0, end))
    inset.locator_params(nbins=2)
    inset.tick_params(labelsize=note_size(), pad=1.5)
    inset.axhspan(low, end, fill=False, edgecolor="0.4", linewidth=0.8)
    inset.annotate(
        "the panel's part\nof the plane",
        (0.55 * right, low),
        (0, -3),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=note_size(),
        color="0.3",
    )


def _beta_text(beta: float, compared: np.ndarray) -> str:
    """The closest beta, as a bound where it is the last one compared."""
    if np.isnan(beta):
        return r"any $\beta$"
    sign = "="
    if np.isclose(beta, compared.max()):
        sign = r"\geq"
    elif np.isclose(beta, compared.min()):
        sign = r"\leq"
    number = f"{beta:.0f}" if beta >= 10 else f"{beta:.2g}"
    return rf"$\beta {sign} {number}$"


def _curve_bits(dataset: xr.Dataset, top: float) -> tuple[np.ndarray, np.ndarray]:
    """The curve from the origin to the largest I(X;T), in bits."""
    x, y = (
        np.sort(dataset[f"curve_{name}"].values) / NATS_PER_BIT
        for name in ("i_xt", "i_ty")
    )
    return np.r_[0.0, x, top], np.r_[0.0, y, y[-1]]
