"""Variables of any kind as the estimators take them: on one scale, or as classes."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from scipy import special, stats

from ibjax.numerics import checks

__all__ = ["SCALINGS", "is_label", "prepare", "variable"]

SCALINGS = ("spread", "ranks")
"""Ways to bring columns to one scale: by their quartiles, or by their ranks."""

_QUARTILES_OF_NORMAL = 1.3489795  # Apart, in standard deviations.


def variable(name: str, values: ArrayLike) -> np.ndarray:
    """Samples of a continuous variable, ``[num_samples, dim]``, or labels, int64.

    Labels are ``[num_samples]``; rows of several integers become one label each.
    """
    shapes = ("num_samples",), ("num_samples", "dim")
    array = checks.shape(name, np.asarray(values), *shapes)
    columns = array.reshape(len(array), -1)
    if jnp.issubdtype(array.dtype, jnp.floating):
        return checks.finite(name, columns)
    if not (jnp.issubdtype(array.dtype, jnp.integer) or array.dtype == bool):
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    if columns.shape[1] == 1:
        return columns[:, 0].astype(np.int64)
    return np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)


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
    columns = array.astype(np.float64)
    if scaling == "spread":
        low, middle, high = np.quantile(columns, [0.25, 0.5, 0.75], axis=0)
        spread = (high - low) / _QUARTILES_OF_NORMAL
        columns = columns - middle[None]
        # More than half of the values can be one, as of a unit that is mostly zero.
        spread = np.where(spread > 0, spread, np.std(columns, axis=0))
        columns = columns / spread[None]
    elif scaling == "ranks":
        # Equal values share the mean of their ranks: no order is made up for them.
        ranks = stats.rankdata(columns, axis=0)
        columns = special.ndtri(ranks / (len(columns) + 1))
    return columns.astype(jax.dtypes.canonicalize_dtype(np.float64))


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
