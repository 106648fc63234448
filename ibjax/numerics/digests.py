"""Digests of arrays and functions, by which a saved run knows what it was made of."""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["array_bytes", "array_digest", "program_digest"]

_PROGRAMS = (jax.extend.core.ClosedJaxpr, jax.extend.core.Jaxpr)


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


def program_digest(function: Callable, *arguments: Any) -> str:
    """What a function computes, as a word: equal functions made anew have the same.

    It is of the function's program as JAX traces it, and of the arrays that it closes
    over, and so another one where another version of JAX traces in another way.

    Args:
      function: The function.
      *arguments: Its arguments, or their shapes.

    Returns:
      Twelve hexadecimal digits.

    Example:
      >>> x = jax.ShapeDtypeStruct((2, 3), "float32")
      >>> times = lambda factor: lambda x: x * factor
      >>> program_digest(times(2), x) == program_digest(times(2), x)
      True
      >>> program_digest(times(2), x) == program_digest(times(3), x)
      False
    """
    program = jax.make_jaxpr(function)(*arguments)
    # Without the addresses of functions, which differ from run to run.
    digest = hashlib.sha256(re.sub("0x[0-9a-f]+", "", str(program)).encode())
    for array in _arrays_in(program):
        # Those made of varied numbers have no values; the configuration has theirs.
        if not checks.is_traced(array):
            digest.update(array_bytes(array))
    return digest.hexdigest()[:12]


def _arrays_in(program: Any) -> Iterator[Any]:
    """Arrays that a program holds, at any depth, whose values its text leaves out."""
    if isinstance(program, jax.extend.core.ClosedJaxpr):
        yield from program.consts
        program = program.jaxpr
    for equation in program.eqns:
        for var in equation.invars:
            # Single numbers are in the text.
            if isinstance(var, jax.extend.core.Literal) and np.ndim(var.val):
                yield var.val
        inner = jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda v: isinstance(v, _PROGRAMS),
        )
        for found in inner:
            if isinstance(found, _PROGRAMS):
                yield from _arrays_in(found)
            elif isinstance(found, np.ndarray | jax.Array):
                yield found
