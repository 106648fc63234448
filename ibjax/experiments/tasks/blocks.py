"""Many networks of one program."""

from collections.abc import Callable

import jax
from jax import lax

from ibjax.compilation import exact_jit

__all__ = ["in_blocks"]

# Side by side on a CPU, where more leave the cache.
_BLOCK = 5


def in_blocks(function: Callable) -> Callable:
    """A function of one network for many, some of them side by side.

    Args:
      function: A function of a tree of arrays.

    Returns:
      The function, compiled, of as many of each, ``[num, ...]``.

    Example:
      >>> import jax.numpy as jnp
      >>> print(in_blocks(lambda x: 2 * x)(jnp.arange(7)))
      [ 0  2  4  6  8 10 12]
    """
    size = _BLOCK if jax.default_backend() == "cpu" else None

    def many(arguments):
        if size is None:
            return jax.vmap(function)(arguments)
        return lax.map(function, arguments, batch_size=size)

    return exact_jit(many)
