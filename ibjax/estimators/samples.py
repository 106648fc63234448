"""Samples of continuous variables: the checks of every estimator from them."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["at_least_float32", "check_pair", "check_sample_shape", "check_samples"]


def check_samples(
    name: str, x: ArrayLike, fewest: int = 2, *, any_shape: bool = False, hint: str = ""
) -> jax.Array:
    """Check that x holds at least ``fewest`` finite samples; at least float32.

    Args:
      name: Name of the argument.
      x: Samples, shape ``[num_samples, dim]``, floating.
      fewest: Samples that are needed.
      any_shape: Whether a sample may have more axes than one, as an image has.
      hint: Advice to those whose samples are not floating.
    """
    axes = ("num_samples", "*shape") if any_shape else ("num_samples", "dim")
    x = checks.shape(name, jnp.asarray(x), axes)
    checks.floating(name, x, hint=hint)
    if len(x) < fewest:
        raise ValueError(f"{name} must have at least {fewest} samples, got {len(x)}")
    return at_least_float32(checks.finite(name, x))


def check_pair(x: ArrayLike, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Samples of two variables, ``[num_samples, dim]`` each, of one dtype."""
    x, y = check_samples("x", x), check_samples("y", y)
    checks.same_length(x=x, y=y)
    dtype = jnp.result_type(x, y)
    return x.astype(dtype), y.astype(dtype)


def check_sample_shape(name: str, x: ArrayLike, shape: tuple[int, ...]) -> jax.Array:
    """Check that every sample has the shape that something was made for."""
    x = checks.shape(name, jnp.asarray(x), ("num_samples", *shape))
    return checks.floating(name, x)


def at_least_float32(x: jax.Array) -> jax.Array:
    """Half precision as float32; sums of many squares need its digits and range."""
    return x.astype(jnp.float32) if x.dtype.itemsize < 4 else x
