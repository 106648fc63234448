"""Deep linear networks without biases, as plain tuples of weight matrices."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.numerics import checks

__all__ = ["init_weights", "products"]


def init_weights(
    key: jax.Array, widths: Sequence[int], *, scale: float = 1.0
) -> tuple[jax.Array, ...]:
    """Draw normal weights of variance ``scale**2 / inputs of the layer``.

    Args:
      key: Typed key.
      widths: Number of inputs, of units of every hidden layer, and of outputs.
      scale: At 1 a layer keeps the norm of its input on average.

    Returns:
      Weights of every layer, ``[units, inputs]`` each.

    Raises:
      ValueError: If a width is not positive or there are fewer than two.

    Example:
      >>> [w.shape for w in init_weights(jax.random.key(0), [100, 50, 1])]
      [(50, 100), (1, 50)]
    """
    widths = checks.counts("widths", widths, fewest=2)
    shapes = list(zip(widths[1:], widths[:-1], strict=True))
    # One flat draw: compiling a draw costs far more than running it.
    ends = [0]
    for units, inputs in shapes:
        ends.append(ends[-1] + units * inputs)
    normal = scale * jax.random.normal(key, (ends[-1],))
    return tuple(
        normal[start:end].reshape(shape) / math.sqrt(shape[1])
        for start, end, shape in zip(ends[:-1], ends[1:], shapes, strict=True)
    )


@full_precision
def products(weights: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
    """Weights from the input to every layer.

    Args:
      weights: Weights of every layer, ``[units, inputs]`` each.

    Returns:
      For every layer the product of its weights and those before it, ``[units,
      num_inputs]`` each; the last one is the network.

    Example:
      >>> print(products((2 * jnp.eye(2), jnp.ones((1, 2))))[-1])
      [[2. 2.]]
    """
    found = [weights[0]]
    for w in weights[1:]:
        found.append(jnp.matmul(w, found[-1]))
    return tuple(found)
