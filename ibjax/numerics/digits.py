"""What rounding leaves of the values of columns that are far from zero, in words."""

import math

import jax
import numpy as np

__all__ = ["digits_to_lose", "ends_lose_digits", "lost_digits"]

# A column whose range is so few steps of its own precision is no longer continuous.
_FEW_STEPS = 2**13


def lost_digits(name: str, array: np.ndarray | jax.Array) -> str:
    """A sentence on columns that rounding left few values of; empty if there are none.

    Whoever rounded them, nothing here can bring their digits back.
    """
    values = np.asarray(array)
    return ends_lose_digits(name, values.min(axis=0), values.max(axis=0))


def digits_to_lose(name: str, array: np.ndarray) -> str:
    """The sentence of :func:`lost_digits` on columns that float32 leaves few values of.

    For what is rounded whatever it is. Rows that are not finite have no part in it.
    """
    exact = {"f": 4, "i": 2, "u": 2}.get(array.dtype.kind, array.dtype.itemsize)
    if array.dtype.itemsize <= exact or not array.size:
        return ""
    rows = array.reshape(len(array), -1).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        return ""
    ends = rows.min(axis=0), rows.max(axis=0)
    return ends_lose_digits(name, *ends, to=np.dtype(np.float32))


def ends_lose_digits(
    name: str, low: np.ndarray, high: np.ndarray, *, to: np.dtype | None = None
) -> str:
    """The sentence, from columns' ends, of what is rounded ``to`` a dtype, or was."""
    dtype = to or low.dtype
    if dtype.itemsize < 4:
        return ""
    low, high = low.astype(np.float64), high.astype(np.float64)
    step = np.finfo(dtype).eps * np.maximum(np.abs(low), np.abs(high))
    few = (high > low) & (high / 2 - low / 2 < _FEW_STEPS / 2 * step)
    if not np.any(few):
        return ""
    column = int(np.argmax(few.reshape(-1)))
    worst = float((high - low).reshape(-1)[column] / step.reshape(-1)[column])
    is_rounded = "came rounded" if to is None else "is rounded"
    left = "left" if to is None else "leaves"
    return (
        f"{name} {is_rounded} to {dtype}, which {left} no more than "
        f"{math.ceil(worst)} steps over the range of column {column}: subtract its "
        "mean before it is rounded"
    )
