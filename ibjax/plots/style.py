"""What the figures share: colours, font sizes, the epoch axis, reading a dataset."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm, to_hex
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ibjax.results.statistics import NATS_PER_BIT

__all__ = [
    "EPOCH_COLORMAP",
    "choose_estimator",
    "epoch_axis",
    "epoch_norm",
    "epoch_ticks",
    "format_epoch",
    "information_bits",
    "layer_colors",
    "layer_names",
    "paper_style",
    "pick",
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
    "savefig.dpi": 200.0,
    "pdf.fonttype": 42,
    "svg.hashsalt": "ibjax",
}


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """A context with the font sizes and line widths of the figures.

    The settings of the caller are back in place afterwards. Fonts are 7 to 8 pt, so
    that a figure printed at its own size stays legible.

    Yields:
      None.

    Example:
      >>> with paper_style():
      ...     print(matplotlib.rcParams["xtick.labelsize"])
      7.0
    """
    with matplotlib.rc_context(_STYLE):
        yield


def layer_colors(num_layers: int) -> list[str]:
    """One colour per layer, told apart with the common colour deficiencies.

    Up to seven layers take Okabe and Ito's colours; more take evenly spaced ones of
    a sequential map, from dark for the first layer to light for the last.

    Args:
      num_layers: Number of colours.

    Returns:
      Colours as ``#rrggbb``, ``num_layers`` of them.

    Example:
      >>> layer_colors(2)
      ['#0072B2', '#D55E00']
    """
    if num_layers <= len(_OKABE_ITO):
        return list(_OKABE_ITO[:num_layers])
    colormap = matplotlib.colormaps[EPOCH_COLORMAP]
    return [to_hex(colormap(x)) for x in np.linspace(0.0, 0.9, num_layers)]


def layer_names(dataset: xr.Dataset) -> list[str]:
    """Names of the layers, e.g. ``1: tanh 10``.

    Args:
      dataset: Dataset of a sweep.

    Returns:
      One name per layer, the layer's number in front.

    Example:
      >>> layer_names(xr.Dataset(coords={"layer": [1, 2]}))
      ['1', '2']
    """
    numbers = [str(int(number)) for number in dataset["layer"].values]
    if "layer_name" not in dataset.coords:
        return numbers
    names = dataset["layer_name"].values
    return [f"{number}: {name}" for number, name in zip(numbers, names, strict=True)]


def choose_estimator(dataset: xr.Dataset, estimator: str | None) -> tuple[str, str]:
    """The estimator to draw and its label.

    Args:
      dataset: Dataset of a sweep.
      estimator: Name of an estimator, or None for ``binning`` where the dataset has
        it and its first estimator otherwise.

    Returns:
      Name and label.

    Raises:
      ValueError: If the dataset does not hold ``estimator``.

    Example:
      >>> choose_estimator(xr.Dataset(coords={"estimator": ["kde_upper"]}), None)
      ('kde_upper', 'kde_upper')
    """
    known = dataset["estimator"].values.tolist()
    if estimator is None:
        estimator = "binning" if "binning" in known else known[0]
    if estimator not in known:
        raise ValueError(f"estimator must be one of {known}, got {estimator!r}")
    if "estimator_label" not in dataset.coords:
        return estimator, estimator
    return estimator, str(dataset["estimator_label"].values[known.index(estimator)])


def pick(dataset: xr.Dataset, name: str, *dims: str, **where: Any) -> np.ndarray:
    """Values of a variable as float64 with the axes in the order asked for.

    Infinities become NaN, so a mean over seeds can leave both out.

    Args:
      dataset: Dataset of a sweep.
      name: Name of the variable.
      *dims: Names of the axes.
      **where: Coordinate values to select, e.g. ``estimator="binning"``.

    Returns:
      Array with the axes ``dims``, in the variable's unit.

    Example:
      >>> pick(xr.Dataset({"loss": ("seed", [0.5, np.inf])}), "loss", "seed")
      array([0.5, nan])
    """
    values = dataset[name].sel(where).transpose(*dims).values.astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def information_bits(dataset: xr.Dataset, name: str, estimator: str) -> np.ndarray:
    """I(X;T) or I(T;Y) by one estimator, in bits.

    Args:
      dataset: Dataset of a sweep, in nats.
      name: ``i_xt`` or ``i_ty``.
      estimator: Name of an estimator of the dataset.

    Returns:
      Bits, shape ``[num_seeds, num_epochs, num_layers]``, NaN where not finite.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> information_bits(example_dataset(num_seeds=2), "i_xt", "binning").shape
      (2, 60, 6)
    """
    nats = pick(dataset, name, "seed", "epoch", "layer", estimator=estimator)
    return nats / NATS_PER_BIT


def epoch_ticks(last: float) -> list[int]:
    """Epochs to label on an axis that is linear up to 1 and logarithmic above.

    Args:
      last: Last epoch on the axis.

    Returns:
      0 and the powers of ten up to ``last``.

    Example:
      >>> epoch_ticks(4000)
      [0, 1, 10, 100, 1000]
    """
    exponents = range(int(math.log10(last)) + 1) if last >= 1 else ()
    return [0, *(10**exponent for exponent in exponents)]


def format_epoch(epoch: float) -> str:
    """An epoch as text; powers of ten from 1000 up are written as such.

    Args:
      epoch: Whole number of epochs.

    Returns:
      Text for a tick label.

    Example:
      >>> [format_epoch(10), format_epoch(10000), format_epoch(400)]
      ['10', '$10^{4}$', '400']
    """
    if epoch >= 1000 and math.log10(epoch).is_integer():
        return f"$10^{{{int(math.log10(epoch))}}}$"
    return f"{epoch:g}"


def epoch_norm(epochs: Sequence[float]) -> SymLogNorm:
    """Colour norm over epochs, linear up to epoch 1 and logarithmic above.

    Args:
      epochs: Recorded epochs.

    Returns:
      A norm from epochs to [0, 1], never of zero width.

    Example:
      >>> norm = epoch_norm([0, 10, 10000])
      >>> print(f"{norm(0):.1f} {norm(10000):.1f}")
      0.0 1.0
    """
    return SymLogNorm(1.0, linscale=0.5, vmin=0.0, vmax=max(1.0, float(max(epochs))))


def epoch_axis(axes: Axes, epochs: Sequence[float], *, label: bool = True) -> None:
    """Makes the horizontal axis one of epochs: epoch 0, then a logarithmic scale.

    Args:
      axes: Axes to set up, in place.
      epochs: Recorded epochs.
      label: Whether to write "epoch" below.

    Example:
      >>> from matplotlib.figure import Figure
      >>> axes = Figure().subplots()
      >>> epoch_axis(axes, [0, 1, 10, 100])
      >>> axes.get_xlabel()
      'epoch'
    """
    last = max(1.0, float(max(epochs)))
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.5)
    axes.set_xlim(0.0, last)
    axes.xaxis.set_major_locator(FixedLocator(epoch_ticks(last)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: format_epoch(x)))
    if label:
        axes.set_xlabel("epoch")
