"""Phases of curves over epochs: significant stretches of rising and falling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.results.compression import THRESHOLD_NATS

__all__ = [
    "FITTED",
    "STANDARD_ERRORS",
    "STRETCH_STANDARD_ERRORS",
    "Stretches",
    "difference_errors",
    "rise_epochs",
    "stretches",
]

FITTED = 0.95
"""Fraction of its total rise at which a curve counts as fitted."""

STANDARD_ERRORS = 3.0
"""Standard errors beyond which a fall between two given snapshots is significant."""

STRETCH_STANDARD_ERRORS = 4.5
"""Standard errors beyond which a stretch is significant. A stretch is the range of many
snapshots, so it needs more: among flat curves of 25 snapshots with standard errors from
20 groups, one in 25 exceeds 4.5 by chance, one in two exceeds 3."""


class Stretches(NamedTuple):
    """Numbers of significant rises and falls of curves.

    Attributes:
      rising: Number of rises, float64, shape ``[...]``.
      falling: Number of falls, likewise.
    """

    rising: np.ndarray
    falling: np.ndarray


def stretches(
    values: ArrayLike, groups: ArrayLike, *, threshold: float = THRESHOLD_NATS
) -> Stretches:
    """Numbers of significant stretches of rising and of falling of curves.

    A stretch ends at an extreme from which the curve then goes back by more than
    ``threshold`` and by more than :data:`STRETCH_STANDARD_ERRORS` standard errors of
    the difference. Smaller changes do not count.

    Args:
      values: Curves, shape ``[..., num_epochs]``.
      groups: Curves of groups of samples, shape ``[..., num_epochs, num_groups]``: the
        standard error of a difference is the standard deviation of the groups'
        differences over the root of their number.
      threshold: The least change that counts, in the unit of ``values``.

    Returns:
      The numbers; NaN where a value is not finite.

    Raises:
      ValueError: If the shapes do not fit.

    Example:
      >>> curves = np.array([[0.0, 2.0, 1.0, 3.0], [0.0, 2.0, 1.95, 3.0]])
      >>> found = stretches(curves, curves[..., None] + np.zeros(20))
      >>> print(found.rising, found.falling)
      [2. 1.] [1. 0.]
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups, np.float64)
    if values.ndim < 1 or values.shape != groups.shape[:-1] or groups.shape[-1] < 2:
        raise ValueError(
            "groups must have shape [..., num_epochs, num_groups] for values "
            f"[..., num_epochs], got {groups.shape} and {values.shape}"
        )
    found = np.full((2, *values.shape[:-1]), np.nan)
    for index in np.ndindex(values.shape[:-1]):
        curve, errors = values[index], difference_errors(groups[index])
        if np.isfinite(curve).all() and np.isfinite(errors).all():
            signs = _turns(curve, errors, threshold)
            found[(0, *index)] = signs.count(1)
            found[(1, *index)] = signs.count(-1)
    return Stretches(*found)


def difference_errors(groups: ArrayLike) -> np.ndarray:
    """Standard errors of the differences between all pairs of epochs of a curve.

    From the curves of groups of samples, ``[num_epochs, num_groups]``, to
    ``[num_epochs, num_epochs]``.

    Example:
      >>> print(difference_errors([[1.0, 3.0], [2.0, 4.0], [4.0, 4.0]]))
      [[0. 0. 1.]
       [0. 0. 1.]
       [1. 1. 0.]]
    """
    groups = np.asarray(groups, np.float64)
    difference = groups[:, None] - groups[None]
    return np.std(difference, axis=-1, ddof=1) / np.sqrt(groups.shape[-1])


def rise_epochs(
    epochs: ArrayLike, values: ArrayLike, *, fraction: float = FITTED
) -> np.ndarray:
    """First epoch at which a curve has done a fraction of its rise to the maximum.

    Args:
      epochs: Epochs of the snapshots, shape ``[num_epochs]``, rising.
      values: Curves, shape ``[..., num_epochs]``.
      fraction: Of the rise, in (0, 1].

    Returns:
      Epochs, float64, shape ``[...]``; NaN where the curve never rises above its start,
      or is not finite somewhere.

    Raises:
      ValueError: If the last axis of ``values`` is not ``num_epochs`` long.

    Example:
      >>> print(rise_epochs([0, 1, 10, 100], [0.1, 0.5, 0.97, 1.0]))
      10.0
    """
    epochs, values = np.asarray(epochs, np.float64), np.asarray(values, np.float64)
    if epochs.ndim != 1 or values.shape[-1:] != epochs.shape:
        raise ValueError(
            "values must have shape [..., num_epochs] with num_epochs = "
            f"{epochs.shape}, got {values.shape}"
        )
    finite = np.isfinite(values).all(axis=-1)
    curves = np.where(finite[..., None], values, 0.0)
    rise = np.max(curves, axis=-1) - curves[..., 0]
    level = curves[..., 0] + fraction * rise
    # Rounding may put the level of the whole rise above the maximum.
    done = curves >= np.minimum(level, np.max(curves, axis=-1))[..., None]
    return np.where(finite & (rise > 0), epochs[np.argmax(done, axis=-1)], np.nan)


def _turns(curve: np.ndarray, errors: np.ndarray, threshold: float) -> list[int]:
    """Signs of the significant stretches of one curve, in order."""

    def significant(first: int, last: int) -> bool:
        least = max(threshold, STRETCH_STANDARD_ERRORS * errors[first, last])
        return abs(curve[last] - curve[first]) > least

    # One pass: low and high are the extremes since the last stretch ended; a change
    # that becomes significant starts a stretch of the other sign.
    signs: list[int] = []
    low = high = 0
    for place in range(1, len(curve)):
        if curve[place] > curve[high]:
            high = place
        if curve[place] < curve[low]:
            low = place
        going = signs[-1] if signs else 0
        if (
            going <= 0
            and place > low
            and curve[place] > curve[low]
            and significant(low, place)
        ):
            signs.append(1)
            high = place
        elif (
            going >= 0
            and place > high
            and curve[place] < curve[high]
            and significant(high, place)
        ):
            signs.append(-1)
            low = place
    return signs
