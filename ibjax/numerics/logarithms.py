"""Logarithms and exponentials whose leading terms cancel."""

import jax
import jax.numpy as jnp

from ibjax.numerics.scales import ratio

__all__ = ["expm1_minus_x", "square_minus_log", "x_minus_log1p"]

# Below, the series is exact to rounding in float64; above, the difference loses a digit
# of float32 at most.
_SMALL = 0.1
_NUM_TERMS = 16


# Training on a divergence asks for derivatives alone, short ones where those of the
# series are not.
@jax.custom_jvp
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
    return jnp.where(is_small, series, x - jnp.log1p(x))


x_minus_log1p.defjvps(lambda tangent, _, x: tangent * (x / (1 + x)))


@jax.custom_jvp
def expm1_minus_x(x: jax.Array) -> jax.Array:
    """Difference ``e^x - 1 - x``, to a few roundings where x is small too.

    Example:
      >>> print(f"{expm1_minus_x(jnp.float32(1e-4)):.5e}")  # x^2 / 2 + x^3 / 6
      5.00017e-09
    """
    is_small = jnp.abs(x) < _SMALL
    near = x_minus_log1p(jnp.expm1(jnp.where(is_small, x, 0.0)))
    return jnp.where(is_small, near, jnp.expm1(x) - x)


expm1_minus_x.defjvps(lambda tangent, _, x: tangent * jnp.expm1(x))


def square_minus_log(a: jax.Array, b: jax.Array) -> jax.Array:
    """``r^2 - 1 - log(r^2)`` of a ratio ``r = a / b`` of positive numbers of any size.

    It is twice the divergence of Gaussians of deviations a and b. Near one its terms
    cancel, and far from one a square, or the ratio itself, may be out of range where
    the logarithm is not.

    Example:
      >>> print(f"{square_minus_log(jnp.float32(1e-30), jnp.float32(1e30)):.3f}")
      275.310
    """
    logs = jnp.log(a) - jnp.log(b)
    quotient = ratio(a, b)
    is_near = (quotient > 0.5) & (quotient < 2.0)
    # The difference of numbers so close is exact.
    part = ratio(jnp.where(is_near, a, b) - b, b)
    near = x_minus_log1p(part * (part + 2))
    far = jnp.where(is_near, 1.0, quotient)
    return jnp.where(is_near, near, far**2 - 1 - 2 * logs)
