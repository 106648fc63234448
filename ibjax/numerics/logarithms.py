"""Logarithms whose leading terms cancel."""

import jax
import jax.numpy as jnp

__all__ = ["x_minus_log1p"]

# Below, the series is exact to rounding in float64; above, the difference loses a digit
# of float32 at most.
_SMALL = 0.1
_NUM_TERMS = 16


def x_minus_log1p(x: jax.Array) -> jax.Array:
    """Difference ``x - log(1 + x)``, to a few roundings where x is small too.

    Example:
      >>> print(f"{x_minus_log1p(jnp.float32(1e-4)):.5e}")  # x^2 / 2 - x^3 / 3
      4.99967e-09
    """
    is_small = jnp.abs(x) < _SMALL
    near = jnp.where(is_small, x, 0.0)
    powers = range(_NUM_TERMS + 1, 1, -1)
    coefficients = jnp.array([(-1.0) ** n / n for n in powers], x.dtype)
    series = near**2 * jnp.polyval(coefficients, near)
    # The derivative of a logarithm that is not chosen must not be infinite.
    far = jnp.where(is_small, 1.0, x)
    return jnp.where(is_small, series, far - jnp.log1p(far))
