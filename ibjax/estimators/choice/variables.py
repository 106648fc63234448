"""Variables of any kind as the estimators take them: on one scale, or as classes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy import special, stats

from ibjax.estimators.samples import as_array, without_offsets
from ibjax.numerics import checks
from ibjax.numerics.digits import lost_digits

__all__ = ["SCALINGS", "is_label", "prepare", "variable"]

SCALINGS = ("spread", "ranks")
"""Ways to bring columns to one scale: by their quartiles, or by their ranks."""

_QUARTILES_OF_NORMAL = 1.3489795  # Apart, in standard deviations.
# Integers with fewer samples to each value, on average, are no labels.
_FEWEST_TO_A_LABEL = 4
# A value that so many samples have, and at least two, is an atom.
_ATOM_PART = 0.1
# Numbers so large have squares that float32 does not hold.
_LARGEST_SCALED = 1e18


def variable(
    name: str,
    values: ArrayLike,
    discrete: bool | str,
    num_classes: int | None,
    warnings: list[str],
) -> np.ndarray:
    """Samples of a continuous variable, ``[num_samples, dim]``, or labels.

    Labels are integers, ``[num_samples]``; rows of several columns become one each.
    With ``discrete`` "auto" integers are labels unless most of them are distinct.
    """
    shapes = ("num_samples",), ("num_samples", "dim")
    found = checks.numeric(name, as_array(name, values))
    if checks.is_traced(found):
        raise TypeError(
            f"{name} must have values, by which an estimator is chosen, got a traced "
            "array: inside of jit call an estimator itself, such as knn.ksg"
        )
    array = np.asarray(found)
    checks.shape(name, array, *shapes)
    columns = array.reshape(len(array), -1)
    is_floating = jnp.issubdtype(array.dtype, jnp.floating)
    if not (
        is_floating or jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool
    ):
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    if is_floating:
        checks.finite(name, columns)
        lost = lost_digits(name, columns)
        if lost:
            warnings.append(lost)
    if discrete is False or (discrete == "auto" and is_floating):
        return columns if is_floating else _from_least(columns)
    if num_classes is not None and columns.shape[1] == 1:
        if is_floating and np.any(columns != np.floor(columns)):
            raise ValueError(
                f"{name} must hold whole numbers in [0, num_classes = {num_classes}), "
                "got others: leave num_classes out if labels have other values"
            )
        return columns[:, 0]
    seen, labels = np.unique(columns, axis=0, return_inverse=True)
    many = len(seen) * _FEWEST_TO_A_LABEL > len(columns)
    if many and discrete == "auto" and num_classes is None:
        warnings.append(
            f"{name} has {len(seen)} different integers in {len(columns)} samples, too "
            "many for labels: they were taken as numbers; discrete=True takes them as "
            "labels"
        )
        return _from_least(columns)
    if many:
        warnings.append(
            f"{name} has {len(seen)} labels in {len(columns)} samples: so few of each "
            "say little, and estimates are mostly too large"
        )
    return labels.reshape(-1) if columns.shape[1] > 1 or is_floating else columns[:, 0]


def _from_least(columns: np.ndarray) -> np.ndarray:
    """Integers as floating numbers, counted from the least of their column.

    Information knows no offset, and above 2^53 not every integer is a floating number.
    """
    if columns.dtype == bool:
        return columns.astype(np.float64)
    # Modulo 2^64 a difference is right however large both are.
    words = columns.astype(np.uint64)
    least = np.take_along_axis(words, np.argmin(columns, axis=0)[None], axis=0)
    return (words - least).astype(np.float64)


def is_label(array: np.ndarray) -> bool:
    """A variable from :func:`variable` is a label: a boolean."""
    return array.ndim == 1


def prepare(
    array: np.ndarray,
    num_classes: int | None,
    scaling: str | None,
    warnings: list[str],
) -> np.ndarray | None:
    """Columns that vary, on one scale, or classes, int32; None if nothing varies.

    Args:
      array: A variable, from :func:`variable`.
      num_classes: Number of classes of a label, or None for those that are seen.
      scaling: One of :data:`SCALINGS`, or None.
      warnings: Warnings, to which those of this step are added.
    """
    if is_label(array):
        return _classes(array, num_classes, warnings)
    varies = np.any(array != array[:1], axis=0)
    if not varies.all():
        if varies.any():
            warnings.append(
                f"{np.sum(~varies)} of {len(varies)} columns are constant and were "
                "left out"
            )
        array = array[:, varies]
    if not varies.any():
        return None
    # Float64 here costs nothing; the estimators take what JAX is set to.
    columns: Any = without_offsets("columns", array.astype(np.float64))
    if scaling == "spread":
        middle = np.quantile(columns, 0.5, axis=0)
        spread = np.apply_along_axis(_spread, 0, columns)
        columns = (columns - middle[None]) / spread[None]
    elif scaling == "ranks":
        # Equal values share the mean of their ranks: no order is made up for them.
        ranks = stats.rankdata(columns, axis=0)
        columns = special.ndtri(ranks / (len(columns) + 1))
    return columns.astype(jax.dtypes.canonicalize_dtype(np.float64))


def _spread(column: np.ndarray) -> float:
    """Distance of the quartiles, in those of a normal variable, or the deviation.

    Values that are many times there, as zeros of a ReLU unit are, have no part in it.
    The deviation is taken if nothing is left without them, or if others would be out of
    range, as they are where most values are nearly zero, as of a softmax.
    """
    _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
    rest = column[counts[inverse] <= max(1, _ATOM_PART * len(column))]
    if len(rest) > _ATOM_PART * len(column):
        low, high = np.quantile(rest, [0.25, 0.75])
        spread = (high - low) / _QUARTILES_OF_NORMAL
        if np.ptp(column) < _LARGEST_SCALED * spread:
            return spread
    return np.std(column)


def _classes(labels, num_classes, warnings):
    seen, inverse = np.unique(labels, return_inverse=True)
    if num_classes is not None:
        if seen[0] < 0 or seen[-1] >= num_classes:
            raise ValueError(
                f"labels must lie in [0, num_classes = {num_classes}), got values from "
                f"{seen[0]} to {seen[-1]}"
            )
        if len(seen) < num_classes:
            missing = num_classes - len(seen)
            warnings.append(f"{missing} of {num_classes} classes have no sample")
        inverse = labels
    if len(seen) == 1:
        return None
    return inverse.reshape(-1).astype(np.int32)
