"""Style of the figures: colours, font sizes, the epoch axis, values of a dataset."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm, to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.results.edges import leaves_edges
from ibjax.results.statistics import NATS_PER_BIT, check_nats, mean_interval

__all__ = [
    "EPOCH_COLORMAP",
    "check_dataset",
    "choose_estimator",
    "coordinate",
    "epoch_axis",
    "epoch_norm",
    "epoch_ticks",
    "format_epoch",
    "from_zero",
    "information_bits",
    "layer_colors",
    "layer_names",
    "mark_single",
    "mean_band",
    "note_size",
    "num_seeds_of",
    "paper_style",
    "pick",
    "price_axis",
    "readable_color",
]

EPOCH_COLORMAP = "viridis"
"""Perceptually uniform and readable with the common colour deficiencies."""

# Okabe and Ito's palette without yellow, which is too light for lines on white.
_OKABE_ITO = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#000000",
    "#56B4E9",
)

_STYLE = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "figure.titlesize": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlepad": 4.0,
    "axes.labelpad": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.2,
    "figure.facecolor": "white",
    "figure.dpi": 100.0,
}


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """Context with the font sizes and line widths of the figures.

    Fonts are 7 to 8 pt, so that a figure printed at its own size stays legible.
    Settings of matplotlib that the caller has changed stay as the caller has them.
    """
    now: Any = matplotlib.rcParams
    usual: Any = matplotlib.rcParamsDefault
    style = {name: value for name, value in _STYLE.items() if now[name] == usual[name]}
    with matplotlib.rc_context(style):
        yield


def note_size() -> float:
    """Size of a font for notes inside of panels, in points: 7, beside 8 for labels."""
    return max(6.0, 0.875 * matplotlib.rcParams["font.size"])


def layer_colors(num_layers: int) -> list[str]:
    """Colours of the layers, ``#rrggbb``, told apart with the common deficiencies.

    Up to seven layers take Okabe and Ito's colours; more take evenly spaced ones of a
    sequential map, from dark for the first layer to light for the last. Light ones are
    darkened until their contrast to white is 3, as marks need it.

    Example:
      >>> layer_colors(2)
      ['#0072B2', '#D55E00']
    """
    if num_layers <= len(_OKABE_ITO):
        found = list(_OKABE_ITO[:num_layers])
    else:
        # Not to the end of the map, whose yellow is too light as well.
        colormap = matplotlib.colormaps[EPOCH_COLORMAP]
        found = [to_hex(colormap(x)) for x in np.linspace(0.0, 0.75, num_layers)]
    return [readable_color(color, "white", 3.0) for color in found]


def readable_color(color: str, background: str, contrast: float) -> str:
    """A colour that differs enough from its background, as similar as can be.

    Args:
      color: A colour.
      background: The colour behind it.
      contrast: Least ratio of their luminances as WCAG 2 has it: 3 for marks, 4.5 for
        text.

    Returns:
      The colour, mixed with black on a light background and with white on a dark one
      as far as it takes; ``#rrggbb``.

    Example:
      >>> readable_color("#0072B2", "white", 3.0), readable_color("0.8", "white", 4.5)
      ('#0072B2', '#767676')
    """
    given, behind = np.array(to_rgb(color)), np.array(to_rgb(background))
    end = 0.0 if _luminance(behind) > 0.18 else 1.0
    for share in np.linspace(0.0, 1.0, 101):
        mixed = to_hex((1 - share) * given + share * end).upper()
        if _contrast(np.array(to_rgb(mixed)), behind) >= contrast:
            break
    return mixed


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _contrast(one: np.ndarray, another: np.ndarray) -> float:
    low, high = sorted((_luminance(one), _luminance(another)))
    return (high + 0.05) / (low + 0.05)


def layer_names(dataset: xr.Dataset) -> list[str]:
    """Names of the layers with their numbers in front, e.g. ``1: tanh 10``."""
    numbers = [str(int(number)) for number in coordinate(dataset, "layer")]
    if "layer_name" not in dataset.coords:
        return numbers
    names = coordinate(dataset, "layer_name")
    return [f"{number}: {name}" for number, name in zip(numbers, names, strict=True)]


def check_dataset(dataset: xr.Dataset) -> None:
    """Check that a figure is asked for of a dataset."""
    checks.instance("dataset", dataset, xr.Dataset)
    check_nats(dataset)


def coordinate(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Values of a coordinate, rank 1 even if one value was selected."""
    check_dataset(dataset)
    checks.holds("dataset", dataset.variables, name)
    return np.atleast_1d(dataset[name].values)


def choose_estimator(dataset: xr.Dataset, estimator: str | None) -> tuple[str, str]:
    """Name and label of the estimator to draw.

    By default ``binning``, or the first estimator of a dataset that lacks it, or of
    whose layers one left the edges of the bins.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.
    """
    check_dataset(dataset)
    if "estimator" not in dataset.coords:
        raise ValueError(
            "dataset must hold information by an estimator, got only "
            f"{sorted(map(str, dataset))}"
        )
    known = coordinate(dataset, "estimator").tolist()
    if estimator is None:
        ordered = sorted(known, key=lambda name: name != "binning")
        fitting = (name for name in ordered if not leaves_edges(dataset, name))
        estimator = next(fitting, ordered[0])
    checks.one_of("estimator", estimator, known)
    if "estimator_label" not in dataset.coords:
        return estimator, estimator
    label = coordinate(dataset, "estimator_label")[known.index(estimator)]
    return estimator, str(label)


def num_seeds_of(dataset: xr.Dataset) -> int:
    """Number of seeds; one if one was selected, or their mean was taken."""
    return dataset.sizes.get("seed", 1)


def pick(dataset: xr.Dataset, name: str, *dims: str, **where: Any) -> np.ndarray:
    """Values of a variable in its own unit, float64, with the axes ``dims`` in order.

    ``where`` selects coordinate values, e.g. ``estimator="binning"``. Infinities become
    NaN, so that a mean over seeds can leave both out. A dim that the dataset has lost,
    as after ``sel(seed=0)``, is back with length one.
    """
    variable = dataset[name]
    variable = variable.sel({k: v for k, v in where.items() if k in variable.dims})
    variable = variable.expand_dims([dim for dim in dims if dim not in variable.dims])
    # Sums over many seeds and epochs need more digits than the values have.
    values = variable.transpose(*dims).values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def information_bits(dataset: xr.Dataset, name: str, estimator: str) -> np.ndarray:
    """I(X;T) or I(T;Y), named ``i_xt`` or ``i_ty``, by one estimator, in bits.

    Shape ``[num_seeds, num_epochs, num_layers]``, NaN where not finite.
    """
    nats = pick(dataset, name, "seed", "epoch", "layer", estimator=estimator)
    return nats / NATS_PER_BIT


def epoch_ticks(last: float) -> list[int]:
    """Epochs to label on an axis linear up to 1: 0 and the powers of ten.

    Example:
      >>> epoch_ticks(4000)
      [0, 1, 10, 100, 1000]
    """
    exponents = range(int(math.log10(last)) + 1) if last >= 1 else ()
    return [0, *(10**exponent for exponent in exponents)]


def format_epoch(epoch: float, position: int | None = None) -> str:
    """An epoch as a tick label; powers of ten from 1000 up are written as such.

    A formatter of ticks also passes the tick's position, which changes nothing.

    Example:
      >>> [format_epoch(10), format_epoch(10000), format_epoch(400)]
      ['10', '$10^{4}$', '400']
    """
    if epoch >= 1000 and math.log10(epoch).is_integer():
        return f"$10^{{{int(math.log10(epoch))}}}$"
    return f"{epoch:g}"


def epoch_norm(epochs: Sequence[float]) -> SymLogNorm:
    """Colour norm over epochs, linear up to epoch 1, logarithmic above, never empty."""
    return SymLogNorm(1.0, linscale=0.5, vmin=0.0, vmax=max(1.0, float(max(epochs))))


def epoch_axis(axes: Axes, epochs: Sequence[float], *, label: bool = True) -> None:
    """Makes the horizontal axis one of epochs, linear up to 1, logarithmic above."""
    last = max(1.0, float(max(epochs)))
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
    axes.set_xlim(0.0, last)
    # The scale's own ticks crowd below 1 and leave out the epoch 0.
    axes.xaxis.set_major_locator(FixedLocator(epoch_ticks(last)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(format_epoch))
    if label:
        axes.set_xlabel("epoch")


def from_zero(panels: Sequence[Axes]) -> None:
    """Makes an axis that panels share begin at zero, if no line has a value below.

    So a small change looks small.
    """
    lines = [line for axes in panels for line in axes.lines]
    if not any((np.asarray(line.get_ydata(), float) < 0).any() for line in lines):
        panels[0].set_ylim(bottom=0.0)


def price_axis(axes: Axes, prices: Sequence[float]) -> None:
    """Makes the horizontal axis one of prices, logarithmic above the least one.

    Below the least positive price it is linear, so that zero is on it too.

    Args:
      axes: Where to draw.
      prices: The prices, not negative.

    Example:
      >>> axes = matplotlib.figure.Figure().subplots()
      >>> price_axis(axes, [0.0, 1e-3, 1e-2])
      >>> print(axes.get_xticks().tolist())
      [0.0, 0.001, 0.01]
    """
    least = min((price for price in prices if price > 0), default=1.0)
    axes.set_xscale("symlog", linthresh=least, linscale=0.7)
    # Ticks within the part around zero would lie on each other.
    first, last = np.log10([least, max(*prices, least)])
    powers = 10.0 ** np.arange(np.ceil(first - 1e-9), last + 1e-9)
    axes.set_xticks([0.0, *powers] if 0.0 in prices else powers)
    axes.xaxis.set_minor_locator(NullLocator())
    start = -0.2 * least if 0.0 in prices else least / 1.5
    axes.set_xlim(start, 1.5 * max(prices))
    axes.set_xlabel("price of a nat, β")


def mean_band(axes: Axes, x: ArrayLike, values: ArrayLike, **options: Any) -> Line2D:
    """Line of the mean over seeds, and a band of its 95 % interval.

    Args:
      axes: Where to draw.
      x: Where the values are, ``[num_x]``.
      values: Values of every seed, ``[num_seeds, num_x]``; NaN are left out.
      **options: Of the line, as its label.

    Returns:
      The line.

    Example:
      >>> axes = matplotlib.figure.Figure().subplots()
      >>> line = mean_band(axes, [1, 2], [[0.1, 0.2], [0.3, 0.2]], label="loss")
      >>> print(line.get_ydata(), len(axes.collections))
      [0.2 0.2] 1
    """
    interval = mean_interval(np.asarray(values))
    (line,) = axes.plot(x, interval.mean, **options)
    axes.fill_between(
        x, interval.low, interval.high, color=line.get_color(), alpha=0.2, linewidth=0
    )
    return line


def mark_single(lines: list) -> None:
    """A single snapshot has no line to draw: mark it with a dot."""
    for line in lines:
        if np.isfinite(line.get_ydata()).sum() == 1:
            line.set(marker="o", markersize=3)
