"""What estimators from samples of continuous variables accept."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

__all__ = ["check_samples"]


def check_samples(name: str, x: ArrayLike, fewest: int = 2) -> jax.Array:
    """Refuse what are no samples, or too few.

    Args:
      name: What the caller calls them.
      x: Samples, shape ``[num_samples, dim]``, floating.
      fewest: Samples that are needed.

    Returns:
      Samples as a JAX array; half precision is converted to float32.

    Raises:
      ValueError: If the shape is wrong, samples are too few or, outside of ``jit``, one
        of them is not finite.
      TypeError: If the dtype is wrong.
    """
    x = jnp.asarray(x)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{name} must have shape [num_samples, dim], got {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"{name} must be floating, got {x.dtype}")
    if x.shape[0] < fewest:
        raise ValueError(
            f"{name} must have at least {fewest} samples, got {x.shape[0]}"
        )
    if not isinstance(x, jax.core.Tracer):
        infinite = np.sum(~np.isfinite(np.asarray(x, np.float64)))
        if infinite:
            raise ValueError(
                f"{name} must be finite, got {infinite} NaN or infinite entries"
            )
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
