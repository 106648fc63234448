"""First weights of flax modules, from one flat draw."""

import math
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["uniform_params"]


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
    sizes = [math.prod(leaf.shape) if leaf.ndim > 1 else 0 for leaf in leaves]
    flat = jax.random.uniform(key, (sum(sizes),), dtype, minval=-1.0, maxval=1.0)
    params, start = [], 0
    for leaf, size in zip(leaves, sizes, strict=True):
        if size:
            scale = math.sqrt(3 / leaf.shape[0])
            params.append(scale * flat[start : start + size].reshape(leaf.shape))
        else:
            params.append(jnp.zeros(leaf.shape, dtype))
        start += size
    return jax.tree.unflatten(structure, params)
