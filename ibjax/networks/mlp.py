"""Small fully connected networks as plain pytrees, laid out for speed.

Activities are kept ``[unit, sample]`` inside, and the three products of a layer's
forward and backward pass are written so that each is one well-shaped matrix product
on a CPU: about twice as fast for these sizes as what autodiff makes of ``x @ w + b``.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.networks.network import Network

__all__ = ["ACTIVATIONS", "INITIALIZERS", "mlp"]

ACTIVATIONS = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "softsign": jax.nn.soft_sign,
    "softplus": jax.nn.softplus,
    "linear": lambda z: z,
    "hard-tanh": jax.nn.hard_tanh,
}
"""Activation functions by name."""

INITIALIZERS = ("fan-in", "fan-out")
"""Weight initializations by name, see :func:`mlp`."""


def mlp(
    widths: Sequence[int], activation: str = "tanh", *, init: str = "fan-in"
) -> Network:
    r"""A fully connected network with a softmax output.

    Weights are drawn from a normal distribution cut off at two standard deviations
    (which leaves 0.88 of them) and biases are zero. The nominal standard deviation is

    - ``"fan-in"``: 1 / sqrt(inputs of the layer), as Shwartz-Ziv and Tishby's program;
    - ``"fan-out"``: 1 / sqrt(units of the layer), except for the output layer, which
      is uniform on :math:`\pm\sqrt{6 / (inputs + units)}`, as Saxe et al.'s.

    Parameters are a tuple of ``(w, b)`` per layer, ``w`` of shape ``[units, inputs]``.
    Gradients are defined in reverse mode only.

    Args:
      widths: Number of inputs, of units of every hidden layer, and of classes.
      activation: One of :data:`ACTIVATIONS`.
      init: One of :data:`INITIALIZERS`.

    Returns:
      The network; its last activation holds the logits.

    Raises:
      ValueError: If a width is not positive, or a name unknown.

    Example:
      >>> network = mlp([12, 10, 7, 5, 4, 3, 2])
      >>> params = network.init(jax.random.key(0))
      >>> [t.shape[1] for t in network.activations(params, jnp.zeros((8, 12)))]
      [10, 7, 5, 4, 3, 2]
    """
    widths = tuple(int(width) for width in widths)
    if len(widths) < 2 or min(widths) < 1:
        raise ValueError(
            f"widths must be two or more positive numbers, got {list(widths)}"
        )
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATIONS)}, got {activation!r}"
        )
    if init not in INITIALIZERS:
        raise ValueError(f"init must be one of {', '.join(INITIALIZERS)}, got {init!r}")
    activation_fn = ACTIVATIONS[activation]

    def activations(params, x):
        h = x.T
        layers = []
        for w, b in params[:-1]:
            h = activation_fn(_dense(w, b, h))
            layers.append(h.T)
        w, b = params[-1]
        return (*layers, _dense(w, b, h).T)

    return Network(
        init=lambda key: _init(key, widths, init),
        activations=activations,
        kernels=lambda params: tuple(w for w, _ in params),
        layer_names=tuple(f"{activation} {width}" for width in widths[1:-1])
        + (f"softmax {widths[-1]}",),
        description=f"mlp {'-'.join(map(str, widths))}, {activation}, init {init}",
    )


def _init(key: jax.Array, widths: tuple[int, ...], init: str):
    # One flat draw: compiling a draw costs far more than running it.
    sizes = [m * n for m, n in zip(widths[:-1], widths[1:], strict=True)]
    key_normal, key_uniform = jax.random.split(key)
    normal = jax.random.truncated_normal(key_normal, -2.0, 2.0, (sum(sizes),))
    params = []
    start = 0
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        size = fan_in * fan_out
        w = normal[start : start + size].reshape(fan_out, fan_in)
        w = w / math.sqrt(fan_in if init == "fan-in" else fan_out)
        params.append((w, jnp.zeros(fan_out)))
        start += size
    if init == "fan-out":
        limit = math.sqrt(6 / (fan_in + fan_out))
        w = jax.random.uniform(key_uniform, (size,), minval=-limit, maxval=limit)
        params[-1] = (w.reshape(fan_out, fan_in), params[-1][1])
    return tuple(params)


@jax.custom_vjp
def _dense(w: jax.Array, b: jax.Array, h: jax.Array) -> jax.Array:
    """``w @ h + b`` for ``h`` of shape ``[inputs, samples]``."""
    return w @ h + b[:, None]


def _dense_forward(w, b, h):
    return _dense(w, b, h), (w, h)


def _dense_backward(residuals, g):
    w, h = residuals
    # A sum over samples is faster as a product with ones, and a product with a
    # transposed matrix faster when the (tiny) matrix is transposed beforehand.
    transposed = lax.optimization_barrier(w.T)
    return g @ h.T, g @ jnp.ones(g.shape[1], g.dtype), transposed @ g


_dense.defvjp(_dense_forward, _dense_backward)
