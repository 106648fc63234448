"""Checks of probabilities."""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.numerics import checks

__all__ = ["check_distributions", "check_sums"]


# What a few written digits leave of a sum.
_DIGITS = 1e-5


def check_distributions(name: str, p: jax.Array) -> None:
    """Check that every row holds probabilities, of five digits at least."""
    checks.within(name, p, "[0, inf)")
    check_sums(name, p, tolerance=_DIGITS)


def check_sums(name: str, p: jax.Array, *, tolerance: float = 0.0) -> None:
    """Check that probabilities, or those of every row, sum to one; NaN are let pass."""
    if checks.is_traced(p):
        return
    values = np.asarray(p, np.float64)
    # Rounding of the cells, and of their sum in the worst order.
    rounding = float(jnp.finfo(p.dtype).eps) * (8 + values.shape[-1])
    tolerance = max(tolerance, rounding)
    sums = np.sum(values, axis=-1).reshape(-1)
    off = np.nan_to_num(np.abs(sums - 1))
    worst = np.argmax(off)
    if off[worst] > tolerance:
        row = f"row {worst} sums" if values.ndim == 2 else "it sums"
        raise ValueError(f"{name} must sum to one, but {row} to {sums[worst]:.9g}")
