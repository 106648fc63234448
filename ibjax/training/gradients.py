r"""Agreement of the minibatch gradients of a layer.

For the gradients :math:`g_1, \dots, g_B` of one layer's weights over the minibatches of
an epoch, all taken at the same parameters,

.. math::
    \mathrm{mean} = \|\langle g_b \rangle\|, \qquad
    \mathrm{std} = \|\mathrm{STD}(g_b)\|, \qquad
    \mathrm{SNR} = \mathrm{mean} / \mathrm{std} .

This is what Saxe et al. (2018) plot. The caption of Shwartz-Ziv and Tishby's Fig. 4
divides both norms by the norm of the layer's weights, which leaves the SNR as it is.
The latter's public program plots something else again, which is not offered here: it
adds up layers 0 to l before taking roots, and its ratio has no unit that makes sense.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "GradientStatistics",
    "gradient_curves",
    "minibatch_statistics",
    "streamed_statistics",
    "weight_norms",
]


# Powers of two that float32 holds with their inverses.
_MOST_DOUBLINGS = 126


class GradientStatistics(NamedTuple):
    """Spread of one layer's gradient over minibatches.

    Attributes:
      mean_norm: Euclidean norm of the mean gradient, shape ``[]``.
      std_norm: Euclidean norm of the elementwise standard deviation (ddof 0), shape
        ``[]``.
      snr: Their ratio, shape ``[]``; infinite where the gradients are all equal, NaN
        where they are all zero.
    """

    mean_norm: jax.Array
    std_norm: jax.Array
    snr: jax.Array


def minibatch_statistics(gradients: ArrayLike) -> GradientStatistics:
    """Mean, spread and signal-to-noise ratio of one layer's minibatch gradients.

    Every batch has the same weight, a short last one too.

    Args:
      gradients: Gradients of one layer, shape ``[num_batches, ...]``.

    Returns:
      The statistics, each of shape ``[]``.

    Raises:
      ValueError: If ``gradients`` has no batch.

    References:
      Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018,
      app. I. Shwartz-Ziv and Tishby, `Opening the black box`, 2017, fig. 4.

    Example:
      >>> statistics = minibatch_statistics(jnp.array([[3.0, 4.0], [3.0, 2.0]]))
      >>> print([f"{value:.3f}" for value in statistics])
      ['4.243', '1.000', '4.243']
    """
    gradients = checks.floats("gradients", gradients)
    if gradients.ndim == 0 or gradients.shape[0] == 0:
        raise ValueError(
            f"gradients must have shape [num_batches, ...], got {gradients.shape}"
        )
    return _minibatch_statistics(gradients)


@exact_jit
def _minibatch_statistics(gradients: jax.Array) -> GradientStatistics:
    (exponent,) = _exponents([gradients])
    unit = _powers_of_two(exponent).astype(gradients.dtype)
    gradients = gradients * _powers_of_two(-exponent).astype(gradients.dtype)
    # Relative to the first batch, so that equal gradients have no spread at all.
    difference = gradients - gradients[:1]
    mean = jnp.mean(difference, axis=0, keepdims=True)
    mean_norm = _norm(gradients[:1] + mean)
    std_norm = _norm(difference - mean) / math.sqrt(gradients.shape[0])
    return GradientStatistics(unit * mean_norm, unit * std_norm, mean_norm / std_norm)


def streamed_statistics(
    gradient: Callable[[Any], tuple[Any, ...]], batches: Any, last: Any = None
) -> tuple[GradientStatistics, ...]:
    """Gradient statistics of several layers in one pass, holding one batch at a time.

    Mean and spread are updated batch by batch (Welford's recursion), which differs
    from :func:`minibatch_statistics` by rounding.

    Args:
      gradient: From one batch to the gradients of every layer.
      batches: Batches, a pytree of arrays ``[num_batches, ...]``.
      last: One more batch, whose arrays may be of other shapes.

    Returns:
      The statistics of every layer, each of shape ``[]``.

    Raises:
      ValueError: If there is no batch.

    Example:
      >>> batches = jnp.array([[3.0, 4.0], [3.0, 2.0]])
      >>> (statistics,) = streamed_statistics(lambda batch: (2 * batch,), batches)
      >>> print([f"{value:.3f}" for value in statistics])
      ['8.485', '2.000', '4.243']
    """
    num_batches = len(jax.tree.leaves(batches)[0])
    checks.count("the number of batches", num_batches)
    shapes = tuple(
        jax.eval_shape(gradient, jax.tree.map(lambda leaf: leaf[0], batches))
    )
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    smallest = jnp.full(len(shapes), -_MOST_DOUBLINGS)

    # The mean square less the square of the mean would cancel where batches agree.
    def one_batch(carry, batch):
        count, exponents, means, squares = carry
        found = tuple(gradient(batch))
        new_means = jax.tree.map(lambda m, g: m + (g - m) / count, means, found)
        larger = jnp.maximum(exponents, _exponents(found))
        shrunk, inverse = (
            _powers_of_two(exponents - larger) ** 2,
            _powers_of_two(-larger),
        )
        layers = zip(shrunk, inverse, squares, found, means, new_means, strict=True)
        squares = tuple(_with_squares(*layer) for layer in layers)
        return (count + 1, larger, new_means, squares), None

    carry, _ = lax.scan(one_batch, (1.0, smallest, zeros, zeros), batches)
    if last is not None:  # Beside the scan, whose batches are of one shape.
        carry, _ = one_batch(carry, last)
        num_batches += 1
    _, exponents, means, squares = carry
    units, inverse = _powers_of_two(exponents), _powers_of_two(-exponents)
    statistics = []
    for unit, scale, mean, square in zip(units, inverse, means, squares, strict=True):
        mean_norm = _norm(jax.tree.map(lambda m, scale=scale: m * scale, mean))
        std_norm = jnp.sqrt(_total(square) / num_batches)
        statistics.append(
            GradientStatistics(unit * mean_norm, unit * std_norm, mean_norm / std_norm)
        )
    return tuple(statistics)


def _with_squares(shrunk, inverse, squares, gradient, mean, new_mean):
    """Squares of one layer with those of one batch more, in the unit there is now."""

    def add(square, g, old, new):
        scale = inverse.astype(g.dtype)
        return square * shrunk.astype(g.dtype) + ((g - old) * scale) * (
            (g - new) * scale
        )

    return jax.tree.map(add, squares, gradient, mean, new_mean)


def _exponents(gradients: Sequence[Any]) -> jax.Array:
    """Exponents of units, powers of two, in which each layer's largest entry is one.

    Squares of gradients near 1e-20 are zero in float32; a power of two rounds nothing.
    """
    largest = [
        [jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree.leaves(layer)]
        for layer in gradients
    ]
    largest = jnp.stack([jnp.max(jnp.stack(leaves or [0.0])) for leaves in largest])
    _, exponents = jnp.frexp(jnp.where(jnp.isfinite(largest), largest, 1.0))
    return jnp.clip(exponents, -_MOST_DOUBLINGS, _MOST_DOUBLINGS)


def _powers_of_two(exponents: jax.Array) -> jax.Array:
    return jnp.ldexp(jnp.ones((), jnp.float32), exponents)


def gradient_curves(
    statistics: Sequence[GradientStatistics], kernels: Sequence[jax.Array]
) -> dict[str, jax.Array]:
    """Gradient statistics and weight norms of all layers, by name.

    Args:
      statistics: Statistics of every layer.
      kernels: Weights of every layer, an array or several.

    Returns:
      ``gradient_mean``, ``gradient_std``, ``gradient_snr``, ``weight_norm``,
      ``gradient_mean_normalized`` and ``gradient_std_normalized``, ``[num_layers]``.

    Example:
      >>> statistics = minibatch_statistics(jnp.array([[3.0, 4.0], [3.0, 2.0]]))
      >>> curves = gradient_curves([statistics], [jnp.array([3.0, 4.0])])
      >>> print(f"{curves['gradient_mean_normalized'].item():.3f}")
      0.849
    """
    _check_layers("statistics", statistics)
    for layer in statistics:
        checks.instance("each of statistics", layer, GradientStatistics)
    norm = weight_norms(kernels)
    checks.same_length(statistics=statistics, kernels=kernels)
    mean, std, snr = (jnp.stack(values) for values in zip(*statistics, strict=True))
    return {
        "gradient_mean": mean,
        "gradient_std": std,
        "gradient_snr": snr,
        "weight_norm": norm,
        "gradient_mean_normalized": mean / norm,
        "gradient_std_normalized": std / norm,
    }


def weight_norms(kernels: Sequence[jax.Array]) -> jax.Array:
    """Euclidean norm of every layer's weights.

    Args:
      kernels: Weights of every layer, an array or several.

    Returns:
      The norms, ``[num_layers]``.

    Example:
      >>> print(weight_norms([jnp.array([[3.0, 4.0]]), jnp.ones(4)]))
      [5. 2.]
    """
    _check_layers("kernels", kernels)
    kernels = checks.real_tree("kernels", kernels)
    return jnp.stack([jnp.sqrt(_total(_squares(layer))) for layer in kernels])


def _check_layers(name: str, layers: Any) -> None:
    """Check that something is made of one entry or more, for as many layers."""
    if not (isinstance(layers, np.ndarray | jax.Array) and layers.ndim):
        checks.instance(name, layers, list, tuple)
    checks.not_empty(name, layers, "layer")


def _squares(layer: Any) -> Any:
    return jax.tree.map(lambda w: w**2, layer)


def _total(layer: Any) -> jax.Array:
    """Sum over all arrays of a layer, zero for a layer without any."""
    first, *others = [jnp.sum(leaf) for leaf in jax.tree.leaves(layer)] or [
        jnp.zeros(())
    ]
    return sum(others, first)


def _norm(x: Any) -> jax.Array:
    """Euclidean norm of a whole array or several, with gradient zero at zero."""
    square = _total(_squares(x))
    # Guarded inside too: a root's gradient at zero is infinite, and NaN times zero.
    # NaN is not zero, and stays.
    zero = square == 0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, square)))
