"""Checks of joint tables, and the merging of their equal rows."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["check_joint", "is_joint", "merge_inputs"]


def check_joint(p_xy: ArrayLike) -> jax.Array:
    """Check that an array is a joint distribution; it comes back float32 at least.

    A type that is not floating raises ``TypeError``. Another shape than ``[num_x,
    num_y]`` or, outside of ``jit``, a negative or NaN probability or another sum than
    one raises ``ValueError``.
    """
    p_xy = checks.numeric("p_xy", p_xy)
    if p_xy.ndim != 2 or p_xy.shape[0] < 1 or p_xy.shape[1] < 2:
        raise ValueError(
            "p_xy must have shape [num_x, num_y] with at least one row and two "
            f"columns, got {p_xy.shape}"
        )
    p_xy = jnp.asarray(checks.floating("p_xy", p_xy, hint="divide counts by n"))
    if p_xy.dtype.itemsize < 4:
        p_xy = p_xy.astype(jnp.float32)
    if not checks.is_traced(p_xy):
        values = np.asarray(p_xy, np.float64)
        if np.isnan(values).any():
            raise ValueError(f"p_xy must not hold NaN, got {np.isnan(values).sum()}")
        if values.min() < 0:
            raise ValueError(f"p_xy must not be negative, got {values.min():g}")
        if abs(values.sum() - 1) > _sum_tolerance(p_xy):
            raise ValueError(f"p_xy must sum to one, got {values.sum():.9g}")
    return p_xy


def is_joint(p_xy: jax.Array) -> jax.Array:
    """True for the values of a distribution, shape ``[]``; works under ``jit``."""
    near_one = jnp.abs(jnp.sum(p_xy) - 1) <= _sum_tolerance(p_xy)
    return jnp.all(p_xy >= 0) & near_one


def _sum_tolerance(p_xy: jax.Array) -> float:
    """Rounding of the cells, and of their sum in any order."""
    return float(jnp.finfo(p_xy.dtype).eps) * (8 + np.sqrt(p_xy.size))


def merge_inputs(p_xy: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    r"""Table with the rows of equal :math:`p(y|x)` added up, and each input's row.

    Such inputs have one encoder row in every optimal representation, so the merged
    table has the same information curve. Conditionals are equal if they agree in all
    but the last four bits, which the rounding of their own computation can change.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``; not inside ``jit``.

    Returns:
      The merged table, ``[num_merged, num_y]``, without inputs of probability zero,
      and the merged row of every input, ``[num_x]``. An input of probability zero is
      given row 0.
    """
    p_xy = np.asarray(p_xy)
    exact = p_xy.astype(np.float64)
    p_x = exact.sum(axis=1)
    possible = p_x > 0
    conditionals = exact[possible] / p_x[possible, None]
    # Round to a number of significant bits, so that equal rows are found by sorting.
    mantissa, exponent = np.frexp(conditionals)
    kept_bits = np.finfo(p_xy.dtype).nmant - 4
    mantissa = np.rint(np.ldexp(mantissa, kept_bits))
    rounded = np.ldexp(mantissa, exponent - kept_bits)
    _, found = np.unique(rounded, axis=0, return_inverse=True)
    found = found.reshape(-1)
    merged = np.zeros((found.max() + 1, p_xy.shape[1]))
    np.add.at(merged, found, exact[possible])
    rows = np.zeros(p_xy.shape[0], np.int32)
    rows[possible] = found
    return merged.astype(p_xy.dtype), rows
