"""Digests of arrays, by which a saved run knows what it was made of."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

__all__ = ["array_bytes", "array_digest"]


def array_bytes(array: ArrayLike, name: str = "") -> bytes:
    r"""Bytes of an array after its name, dtype and shape.

    Without these, two arrays one after the other could be others of the same bytes.

    Args:
      array: An array whose values are known; a key stands for its data.
      name: What to call it.

    Example:
      >>> array_bytes(np.zeros((1, 2), np.uint8), "rows")
      b'rows uint8 (1, 2) \x00\x00'
    """
    if jnp.issubdtype(jnp.result_type(array), jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    found = np.asarray(array)
    return f"{name} {found.dtype} {found.shape} ".encode() + found.tobytes()


def array_digest(array: ArrayLike) -> str:
    """SHA-256 digest of an array, its dtype and its shape, in hexadecimal.

    Example:
      >>> array_digest(np.arange(3)) == array_digest(np.arange(3)[::-1])
      False
    """
    return hashlib.sha256(array_bytes(array)).hexdigest()
