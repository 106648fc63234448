"""Standard normal noise for many inputs, at a fraction of the cost of drawing it all.

Random numbers can cost as much as the network that they are sent through. All inputs
share the noise's magnitudes, and each has signs of its own, which are one bit a number:
32 numbers for the price of one. A normal variable's magnitude and sign are independent,
so that the noise of every input is what it would be if it were drawn alone; noises of
two inputs are uncorrelated, and know of each other by their magnitudes only.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp

__all__ = ["noise_of_inputs"]

_BITS = 32


@partial(jax.jit, static_argnames=("shape", "dtype"))
def noise_of_inputs(
    key: jax.Array,
    keys: jax.Array,
    number: jax.Array,
    shape: tuple[int, ...],
    dtype: jnp.dtype,
) -> jax.Array:
    """Standard normal noise ``[num, *shape]`` of one step.

    Call it before the program that reads it: within that one, the compiler would draw
    the same noise anew wherever it is read, which takes longer than a small network.

    Args:
      key: Key of the magnitudes, the same for all batches of inputs.
      keys: Keys of the inputs' signs, ``[num]``.
      number: Number of the step, which has noise of its own.
      shape: Shape of an input's noise.
      dtype: Its type.
    """
    magnitudes = jax.random.normal(jax.random.fold_in(key, number), shape, dtype)
    size = math.prod(shape)

    def is_negative(key):
        words = jax.random.bits(
            jax.random.fold_in(key, number), (-(-size // _BITS), 1), jnp.uint32
        )
        bits = (words >> jnp.arange(_BITS, dtype=jnp.uint32)[None]) & 1
        return bits.reshape(-1)[:size].reshape(shape)

    negative = jax.vmap(is_negative)(keys)
    return jnp.where(negative == 1, -magnitudes[None], magnitudes[None])
