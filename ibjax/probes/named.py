"""Probes of a layer's information by the names of their estimators."""

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np

from ibjax.numerics import checks
from ibjax.probes.layers import (
    bin_edges,
    bin_width,
    kde_bounds,
    nearest_neighbours,
    target_information,
)
from ibjax.probes.probe import Probe

__all__ = ["ESTIMATORS", "LayerEstimator", "RANGE_LABEL", "named_estimators"]

LayerEstimator = Literal[
    "binning",
    "closed-binning",
    "bin-width",
    "data-range",
    "kde",
    "knn",
    "ross",
    "ksg",
    "gaussian",
]

ESTIMATORS = get_args(LayerEstimator)
"""Names of estimators that need activities and labels alone."""

_RANGE_BINS = 100

# The same for all data, whatever their ranges.
RANGE_LABEL = {"data_range": f"{_RANGE_BINS} bins over the range of activities"}
"""Estimator with bins over the range of activities, in words."""


def named_estimators(
    names: Sequence[str],
    *,
    num_bins: int = 30,
    bin_width: float = 0.07,
    noise_variance: float | str = 1e-3,
    find_range: Callable[[], tuple[float, float]] | None = None,
) -> tuple[Probe, ...]:
    """Probes of estimators by name.

    ``binning`` has edges from -1 to 1, Shwartz-Ziv and Tishby's where they are 30, and
    ``closed-binning`` closes the last bin; ``bin-width`` has bins of one width;
    ``data-range`` 100 bins from the least to the largest activity; ``kde`` bounds and
    ``knn`` an estimate, both for activities with noise; ``ross`` is I(T;Y) with classes
    alone, ``ksg`` and ``gaussian`` with real targets.

    Args:
      names: Some of :data:`ESTIMATORS`.
      num_bins: Edges on [-1, 1] of ``binning`` and ``closed-binning``.
      bin_width: Width of the bins of ``bin-width``, in units of activity.
      noise_variance: Variance of the noise of ``kde`` and ``knn``, in squared units of
        activity; for ``kde`` alone the name of a number, see :func:`kde_bounds`.
      find_range: Returns the least and the largest activity, for ``data-range``.

    Returns:
      A probe for each name, in order.

    Raises:
      ValueError: If a name is unknown or given twice, or a number out of range.

    Example:
      >>> [list(probe.labels) for probe in named_estimators(["bin-width", "kde"])]
      [['bin_width'], ['kde_upper', 'kde_lower']]
    """
    checks.instance("names", names, list, tuple)
    if find_range is not None:
        checks.function("find_range", find_range)
    names = [checks.one_of("each of names of estimators", n, ESTIMATORS) for n in names]
    if len(set(names)) < len(names):
        raise ValueError(
            f"names of estimators must be different, got {', '.join(names)}"
        )
    checks.count("num_bins", num_bins, 2)
    bin_width = checks.positive("bin_width", bin_width)

    def by_range():
        if find_range is None:
            raise ValueError("data-range needs the range of activities, got none")
        edges = np.linspace(*find_range(), _RANGE_BINS + 1, dtype=np.float32)
        return bin_edges(edges, "data_range")._replace(labels=RANGE_LABEL)

    edges = np.linspace(-1, 1, num_bins, dtype=np.float32)
    makers: dict[str, Callable[[], Probe]] = {
        "binning": lambda: bin_edges(edges),
        "closed-binning": lambda: bin_edges(edges, "closed_binning", closed=True),
        "bin-width": lambda: _by_width(bin_width),
        "data-range": by_range,
        "kde": lambda: kde_bounds(noise_variance),
        "knn": lambda: nearest_neighbours(noise_variance),
        "ross": lambda: target_information("ross"),
        "ksg": lambda: target_information("ksg"),
        "gaussian": lambda: target_information("gaussian"),
    }
    return tuple(makers[name]() for name in names)


# Its name is an argument's in the function above.
_by_width = bin_width
