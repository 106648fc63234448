r"""Attributions by gradients of a model's output for the target class.

A model is ``model(params, x) -> [num, num_classes]``, see
:func:`ibjax.attribution.output`. Its outputs should be logits: probabilities saturate,
and their gradients with them. Attributions have the shape of the inputs; they are
signed, and a saliency map is ``jnp.max(jnp.abs(attributions), axis=-1)``. They can be
differentiated by the parameters.

Every function takes the same first arguments:

* ``model``, and its ``params``;
* ``x``: inputs, ``[num, ...]``, floating and finite;
* ``targets``: the class to explain of each input, ``[num]``, or one for all;
* ``batch_size``: inputs at a time, to bound the memory; None for all at once.

A wrong shape, or a target that is no class, raises ``ValueError``; arrays of another
type raise ``TypeError``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = [
    "IntegratedGradients",
    "gradient",
    "gradient_times_input",
    "integrated_gradients",
    "random_attribution",
    "smooth_grad",
    "target_gradients",
]


class IntegratedGradients(NamedTuple):
    """Integrated gradients and what their sum lacks.

    Attributes:
      attributions: Of the shape of the inputs, ``[num, ...]``.
      delta: Their sum, less the output at the input plus that at the baseline,
        ``[num]``. It is the error of the quadrature, zero for an exact integral.
    """

    attributions: jax.Array
    delta: jax.Array


def gradient(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    batch_size: int | None = None,
) -> jax.Array:
    """Gradient of the target's output by the input.

    Args:
      model: Model, and so on as the module says.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one.
      batch_size: Inputs at a time.

    Returns:
      Gradients, ``[num, ...]``.

    References:
      Simonyan, Vedaldi and Zisserman, `Deep inside convolutional networks`, 2014.

    Example:
      >>> model = lambda params, x: x @ params
      >>> print(gradient(model, jnp.eye(2), jnp.ones((1, 2)), 1))
      [[0. 1.]]
    """
    x, targets = loops.check_model(model, params, x, targets)
    return loops.in_batches(
        lambda *rows: target_gradients(model, params, *rows), batch_size, x, targets
    )


def gradient_times_input(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    batch_size: int | None = None,
) -> jax.Array:
    """Gradient of the target's output, times the input.

    Of a linear model without bias it is what each input adds to the output.

    Args:
      model: Model, and so on as the module says.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one.
      batch_size: Inputs at a time.

    Returns:
      Attributions, ``[num, ...]``.

    Example:
      >>> model = lambda params, x: x @ params
      >>> x = jnp.array([[2.0, 3.0]])
      >>> print(gradient_times_input(model, jnp.ones((2, 1)), x, 0))
      [[2. 3.]]
    """
    found = gradient(model, params, x, targets, batch_size=batch_size)
    return found * checks.floats("x", x)


def integrated_gradients(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    baselines: ArrayLike = 0.0,
    num_steps: int = 50,
    batch_size: int | None = None,
) -> IntegratedGradients:
    r"""Integrated gradients: what each input adds on the way from a baseline.

    .. math:: (x - x') \int_0^1 \nabla f(x' + t (x - x')) \, dt ,

    by Gauss-Legendre quadrature. It is exact where the gradient on that line is a
    polynomial of degree below ``2 * num_steps``, and good for smooth activation
    functions; with ReLU the gradient jumps, and ``delta`` falls slowly, not evenly.

    Args:
      model: Model, and so on as the module says.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one.
      baselines: Inputs without anything to see: one number, an input, or one each.
      num_steps: Points of the quadrature, each a gradient.
      batch_size: Inputs at a time.

    Returns:
      Attributions ``[num, ...]`` and how far they are from adding up, ``[num]``.

    References:
      Sundararajan, Taly and Yan, `Axiomatic attribution for deep networks`, ICML 2017.

    Example:
      >>> model = lambda params, x: jnp.sum(x**2, axis=1, keepdims=True)
      >>> found = integrated_gradients(model, None, jnp.array([[1.0, 2.0]]), 0)
      >>> print([f"{a:.3f}" for a in found.attributions[0]])
      ['1.000', '4.000']
    """
    x, targets = loops.check_model(model, params, x, targets)
    baselines = loops.check_baselines(baselines, x)
    checks.count("num_steps", num_steps)
    # Of all polynomials of a degree, on [-1, 1].
    points, weights = np.polynomial.legendre.leggauss(num_steps)
    dtype = loops.sum_dtype(x)
    nodes = np.stack([(points + 1) / 2, weights / 2], axis=1).astype(dtype)

    def integrate(x, baselines, targets):
        def step(total, number):
            return _add_gradient(
                model, params, x, baselines, targets, nodes, total, number
            ), None

        start = np.zeros(x.shape, dtype)
        total, _ = yield from loops.stepwise(step, start, num_steps)
        return _completed(model, params, x, baselines, targets, total)

    return loops.in_batches(integrate, batch_size, x, baselines, targets)


def smooth_grad(
    key: jax.Array,
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    noise_level: ArrayLike = 0.15,
    num_samples: int = 50,
    batch_size: int | None = None,
) -> jax.Array:
    """SmoothGrad: mean of the gradients at noisy copies of the input.

    Args:
      key: A typed key. An input's noise depends on it and on the input's number.
      model: Model, and so on as the module says.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one.
      noise_level: Standard deviation of the noise, as a part of the range of each
        input's numbers, not negative.
      num_samples: Noisy copies.
      batch_size: Inputs at a time.

    Returns:
      Attributions, ``[num, ...]``.

    References:
      Smilkov et al., `SmoothGrad: removing noise by adding noise`, 2017.

    Example:
      >>> model, x = lambda params, x: x @ params, jnp.array([[0.0, 1.0]])
      >>> found = smooth_grad(jax.random.key(0), model, jnp.ones((2, 1)), x, 0)
      >>> print(found.round(4))
      [[1. 1.]]
    """
    checks.key("key", key)
    x, targets = loops.check_model(model, params, x, targets)
    checks.count("num_samples", num_samples)
    noise_level = checks.not_negative("noise_level", noise_level)

    def average(x, targets, keys):
        def step(total, number):
            return _add_noisy_gradient(
                model, params, x, targets, keys, noise_level, num_samples, total, number
            ), None

        start = np.zeros(x.shape, loops.sum_dtype(x))
        return (yield from loops.stepwise(step, start, num_samples))[0]

    keys = loops.keys_of_inputs(key, len(x))
    return loops.in_batches(average, batch_size, x, targets, keys)


def random_attribution(key: jax.Array, x: ArrayLike) -> jax.Array:
    """Attributions that know nothing, standard normal: what others have to beat.

    Args:
      key: A typed key.
      x: Inputs, ``[num, ...]``.

    Returns:
      Attributions, ``[num, ...]``.

    Example:
      >>> random_attribution(jax.random.key(0), jnp.ones((2, 3))).shape
      (2, 3)
    """
    x = checks.floating("x", checks.array("x", x))
    return jax.random.normal(checks.key("key", key), x.shape, x.dtype)


@exact_jit(static_argnames="model")
def target_gradients(model, params, x, targets):
    """Gradient of each target's output by its input, ``[num, ...]``."""

    def total(x):
        # An output depends on its own input alone: the sum has all gradients.
        return jnp.sum(loops.target_outputs(model(params, x), targets))

    return jax.grad(total)(x)


@exact_jit(static_argnames="model")
def _add_gradient(model, params, x, baselines, targets, nodes, total, number):
    point, weight = nodes[number]
    there = (baselines + point * (x - baselines)).astype(x.dtype)
    return total + weight * target_gradients(model, params, there, targets)


@exact_jit(static_argnames="model")
def _completed(model, params, x, baselines, targets, integral):
    attributions = (x - baselines) * integral
    end, start = (
        loops.target_outputs(model(params, there), targets).astype(integral.dtype)
        for there in (x, baselines)
    )
    total = jnp.sum(attributions.reshape(len(x), -1), axis=1)
    return IntegratedGradients(attributions, total - (end - start))


@exact_jit(static_argnames="model")
def _add_noisy_gradient(
    model, params, x, targets, keys, noise_level, num_samples, total, number
):
    axes = tuple(range(1, x.ndim))
    span = jnp.max(x, axis=axes, keepdims=True) - jnp.min(x, axis=axes, keepdims=True)
    noise = jax.vmap(
        lambda key: jax.random.normal(
            jax.random.fold_in(key, number), x.shape[1:], x.dtype
        )
    )(keys)
    noisy = (x + noise_level * span * noise).astype(x.dtype)
    found = target_gradients(model, params, noisy, targets).astype(total.dtype)
    return total + found / num_samples
