"""First weights from one flat draw: compiling a draw costs far more than running it."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["uniform_arrays", "uniform_params"]


def uniform_arrays(
    key: jax.Array,
    shapes: Sequence[tuple[int, ...]],
    limits: Sequence[float],
    dtype: Any = jnp.float32,
) -> tuple[jax.Array, ...]:
    r"""Arrays uniform on :math:`\pm` a limit of their own, parts of one flat draw.

    Args:
      key: A typed key.
      shapes: Shape of every array.
      limits: Limit of every array, as many as there are shapes.
      dtype: Of the arrays.

    Returns:
      The arrays.

    Example:
      >>> small, large = uniform_arrays(jax.random.key(0), [(2, 3), (400,)], [0.1, 9.0])
      >>> print(small.shape, bool(abs(small).max() < 0.1), bool(large.max() > 8.0))
      (2, 3) True True
    """
    sizes = [math.prod(shape) for shape in shapes]
    flat = jax.random.uniform(key, (sum(sizes),), dtype, minval=-1.0, maxval=1.0)
    arrays, start = [], 0
    for shape, size, limit in zip(shapes, sizes, limits, strict=True):
        arrays.append(limit * flat[start : start + size].reshape(shape))
        start += size
    return tuple(arrays)


def uniform_params(shapes: Any, key: jax.Array, dtype: Any = jnp.float32) -> Any:
    r"""Uniform weights with variance one over the number of a layer's inputs.

    Arrays of two axes or more are weights, uniform in :math:`\pm\sqrt{3 / n}` with n
    the size of their first axis; all others are biases, zero. Weights are parts of one
    flat draw: to compile a draw for each layer takes longer than to compile all the
    rest of a training.

    Args:
      shapes: A tree of arrays or of shapes, as ``jax.eval_shape`` of a flax module's
        ``init`` returns it.
      key: A typed key.
      dtype: Of the parameters.

    Returns:
      The same tree of parameters.

    References:
      LeCun, Bottou, Orr and Müller, `Efficient BackProp`, 1998, sec. 4.6.

    Example:
      >>> shapes = {"kernel": jnp.zeros((3, 2)), "bias": jnp.zeros(2)}
      >>> params = uniform_params(shapes, jax.random.key(0))
      >>> print(params["kernel"].shape, params["bias"])
      (3, 2) [0. 0.]
    """
    leaves, structure = jax.tree.flatten(shapes)
    weights = [leaf.shape for leaf in leaves if leaf.ndim > 1]
    limits = [math.sqrt(3 / shape[0]) for shape in weights]
    drawn = iter(uniform_arrays(key, weights, limits, dtype))
    params = [
        next(drawn) if leaf.ndim > 1 else jnp.zeros(leaf.shape, dtype)
        for leaf in leaves
    ]
    return jax.tree.unflatten(structure, params)
