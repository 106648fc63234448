"""Squares of numbers whose own squares no float holds."""

import jax
import jax.numpy as jnp
from jax import lax

__all__ = ["power_of_two", "ratio", "root_of_squares"]


def power_of_two(x: jax.Array) -> jax.Array:
    """The power of two below a positive number, or one; division by it is exact.

    Of the very largest numbers it is half of that.

    Example:
      >>> print(power_of_two(jnp.array([5.0, 0.3, 0.0])))
      [4.   0.25 1.  ]
    """
    _, exponent = jnp.frexp(jnp.where(x > 0, x, 1.0))
    # At most one whose reciprocal, by which XLA multiplies, is a normal number.
    most = jnp.finfo(x.dtype).maxexp - 2
    return jnp.ldexp(jnp.ones_like(x), jnp.minimum(exponent - 1, most))


def ratio(a: jax.Array, b: jax.Array) -> jax.Array:
    """Quotient of numbers of any size, whose derivative is as large as it has to be.

    That of a plain quotient is computed from the square of what it is divided by.

    Example:
      >>> print(jax.grad(ratio, 1)(jnp.float32(1e-30), jnp.float32(2e-30)))
      -2.5e+29
    """
    _, exponent = jnp.frexp(lax.stop_gradient(b))
    # Times powers of two, since XLA makes one quotient of several.
    limit = -jnp.finfo(b.dtype).minexp - 1
    unit = jnp.ldexp(jnp.ones_like(b), jnp.clip(-exponent, -limit, limit))
    return (a * unit) / (b * unit)


def root_of_squares(x: jax.Array, axis: int = -1) -> jax.Array:
    """Root of a sum of squares, of numbers of any size.

    Example:
      >>> print(root_of_squares(jnp.array([3e-30, 4e-30])))
      5e-30
    """
    largest = jnp.max(jnp.abs(x), axis=axis, keepdims=True)
    unit = lax.stop_gradient(power_of_two(largest))
    root = jnp.sqrt(jnp.sum((x / unit) ** 2, axis=axis))
    return jnp.squeeze(unit, axis) * root
