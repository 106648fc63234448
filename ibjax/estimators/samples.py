"""What estimators from samples of continuous variables accept."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

__all__ = ["check_sample_shape", "check_samples"]


def check_samples(
    name: str, x: ArrayLike, fewest: int = 2, *, any_shape: bool = False, hint: str = ""
) -> jax.Array:
    """Refuse what are no samples, or too few.

    Args:
      name: What the caller calls them.
      x: Samples, shape ``[num_samples, dim]``, floating.
      fewest: Samples that are needed.
      any_shape: Whether a sample may have more axes than one, as an image has.
      hint: What to say to those whose samples are not floating.

    Returns:
      Samples as a JAX array; half precision is converted to float32.

    Raises:
      ValueError: If the shape is wrong, samples are too few or, outside of ``jit``, one
        of them is not finite.
      TypeError: If the dtype is wrong.
    """
    x = jnp.asarray(x)
    if x.ndim < 2 or (x.ndim > 2 and not any_shape) or x.size == 0:
        expected = "[num_samples, *shape]" if any_shape else "[num_samples, dim]"
        raise ValueError(f"{name} must have shape {expected}, got {x.shape}")
    _check_floating(name, x, hint)
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


def check_sample_shape(name: str, x: ArrayLike, shape: tuple[int, ...]) -> jax.Array:
    """Refuse samples of another shape than something was made for.

    Args:
      name: What the caller calls them.
      x: Samples, shape ``[num_samples, *shape]``, floating.
      shape: Of one sample.

    Returns:
      Samples as a JAX array.

    Raises:
      ValueError: If the shape is another.
      TypeError: If the dtype is wrong.
    """
    x = jnp.asarray(x)
    if x.shape[1:] != shape or x.ndim != len(shape) + 1:
        raise ValueError(
            f"{name} must have shape [num_samples, {', '.join(map(str, shape))}], got "
            f"{x.shape}"
        )
    _check_floating(name, x)
    return x


def _check_floating(name: str, x: jax.Array, hint: str = "") -> None:
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"{name} must be floating, got {x.dtype}{'; ' if hint else ''}{hint}"
        )
