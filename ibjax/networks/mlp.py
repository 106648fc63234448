"""Small fully connected networks as plain pytrees, laid out for speed.

Activities are kept ``[unit, sample]`` inside, and the three products of a layer's
forward and backward pass are written so that each is one well-shaped matrix product
on a CPU: about twice as fast for these sizes as what autodiff makes of ``x @ w + b``.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import full_precision, on_cpu
from ibjax.networks.network import OUTPUTS, Layer, Network
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.numerics.digests import program_digest

__all__ = ["ACTIVATIONS", "INITIALIZERS", "activation_function", "mlp"]

Activation = str | Callable[[jax.Array], jax.Array]

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

# Layers with no more inputs and units have their products written out on accelerators.
_FEW_UNITS = 32


def mlp(
    widths: Sequence[int],
    activation: Activation | Sequence[Activation] = "tanh",
    *,
    init: str | Callable = "fan-in",
    output: str = "softmax",
) -> Network:
    r"""A fully connected network.

    Weights are drawn from a normal distribution cut off at two standard deviations
    (which leaves 0.88 of them) and biases are zero. The nominal standard deviation is

    - ``"fan-in"``: 1 / sqrt(inputs of the layer), as Shwartz-Ziv and Tishby's program;
    - ``"fan-out"``: 1 / sqrt(units of the layer), except for the output layer, which
      is uniform on :math:`\pm\sqrt{6 / (inputs + units)}`, as Saxe et al.'s.

    Parameters are a tuple of ``(w, b)`` per layer, ``w`` of shape ``[units, inputs]``.
    Gradients are defined in reverse mode only.

    Args:
      widths: Number of inputs, of units of every hidden layer, and of outputs. Inputs
        of several axes are made flat.
      activation: One of :data:`ACTIVATIONS` or an elementwise function; a list has one
        for each hidden layer.
      init: One of :data:`INITIALIZERS`, or a function such as
        ``jax.nn.initializers.he_normal()``, called with a key, the shape ``(inputs,
        units)`` and the dtype.
      output: ``"softmax"`` if the last activity holds logits of classes, ``"linear"``
        if it is the output, e.g. of a regression.

    Returns:
      The network.

    Raises:
      ValueError: If a width is not positive, a name unknown, or there are other than as
        many activation functions as hidden layers.

    Example:
      >>> network = mlp([12, 10, 7, 5, 4, 3, 2])
      >>> params = network.init(jax.random.key(0))
      >>> [t.shape[1] for t in network.activations(params, jnp.zeros((8, 12)))]
      [10, 7, 5, 4, 3, 2]
    """
    widths = checks.counts("widths", widths, fewest=2)
    num_hidden = len(widths) - 2
    names, functions, texts = _activations(activation, num_hidden)
    if not callable(init):
        checks.one_of("init", init, INITIALIZERS, otherwise="a function")
    checks.one_of("output", output, OUTPUTS)

    def activations(params, x, *, key=None, training=False):
        del key, training  # Neither noise nor dropout.
        # From here on [unit, sample]: turned over once, not in every product.
        h = x.reshape(x.shape[0], -1).T
        layers = []
        for (w, b), function in zip(params[:-1], functions, strict=True):
            h = function(_dense(w, b, h))
            layers.append(h.T)
        w, b = params[-1]
        return (*layers, _dense(w, b, h).T)

    def layer(params, number, t):
        w, b = params[number]
        return activate(number, _dense(w, b, t.T).T)

    def activate(number, s):
        return functions[number](s) if number < num_hidden else s

    hidden = [
        Layer(f"{name} {width}", (width,))
        for name, width in zip(names, widths[1:-1], strict=True)
    ]
    last = "softmax" if output == "softmax" else "output"
    kind = texts[0] if len(set(texts)) == 1 else "-".join(texts)
    init_text = _init_text(init, widths)
    description = f"mlp {'-'.join(map(str, widths))}, {kind}, init {init_text}"
    return Network(
        init=lambda key: _init(key, widths, init),
        activations=full_precision(activations),
        kernels=lambda params: tuple(w for w, _ in params),
        layers=(*hidden, Layer(f"{last} {widths[-1]}", widths[-1:])),
        description=description + (", linear output" if output == "linear" else ""),
        output=output,
        layer=full_precision(layer),
        activate=activate,
    )


def activation_function(activation: Activation) -> tuple[str, Callable, str]:
    """Name and function of an activation, given by either, and what tells it apart.

    The last is the name of one of :data:`ACTIVATIONS`; of any other function its name
    and a digest of what it computes, since many functions have one name.
    """
    if not callable(activation):
        checks.one_of("activation", activation, ACTIVATIONS, otherwise="a function")
        return activation, ACTIVATIONS[activation], activation
    for name, function in ACTIVATIONS.items():
        if activation is function:
            return name, function, name
    z = jax.ShapeDtypeStruct((2, 3), jnp.float32)
    shapes_of("activation", activation, z=z)

    def with_gradient(z, bar):
        found, pull = jax.vjp(activation, z)
        return found, pull(bar)

    # A derivative of the function's own is no part of its program.
    if "custom_" in str(jax.make_jaxpr(activation)(z)):
        digest = program_digest(with_gradient, z, z)
    else:
        digest = program_digest(activation, z)
    name = _name(activation)
    return name, activation, f"{name} {digest}"


def _activations(activation, num_hidden: int):
    """Names, functions and texts of all hidden layers; one text even without any."""
    if isinstance(activation, str) or callable(activation):
        name, function, text = activation_function(activation)
        return [name] * num_hidden, [function] * num_hidden, [text] * max(num_hidden, 1)
    checks.instance("activation", activation, str, list, tuple)
    if len(activation) != num_hidden:
        raise ValueError(
            f"activation must name one function for each of the {num_hidden} hidden "
            f"layers, got {len(activation)}"
        )
    found = [activation_function(chosen) for chosen in activation]
    names, functions, texts = zip(*found, strict=True) if found else ((), (), ())
    return names, functions, texts or ("linear",)


def _init_text(init: str | Callable, widths: tuple[int, ...]) -> str:
    if isinstance(init, str):
        return init
    key = jax.random.key(0)
    shapes_of("init", lambda key: _init(key, widths, init), key=key)
    return f"{_name(init)} {program_digest(lambda key: _init(key, widths, init), key)}"


def _name(function: Callable) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _init(key: jax.Array, widths: tuple[int, ...], init: str | Callable):
    if callable(init):
        keys = jax.random.split(key, len(widths) - 1)
        shapes = zip(widths[:-1], widths[1:], strict=True)
        # Drawn [inputs, units], by which initializers tell fan-in from fan-out.
        return tuple(
            (init(key, shape, jnp.float32).T, jnp.zeros(shape[1]))
            for key, shape in zip(keys, shapes, strict=True)
        )
    # One flat draw: compiling a draw costs far more than running it.
    sizes = [m * n for m, n in zip(widths[:-1], widths[1:], strict=True)]
    # Hidden layers draw alike whatever the output layer is drawn from.
    key_normal, key_uniform = jax.random.split(key)
    normal = jax.random.truncated_normal(key_normal, -2.0, 2.0, (sum(sizes),))
    params = []
    start = 0
    for fan_in, fan_out in zip(widths[:-1], widths[1:], strict=True):
        size = fan_in * fan_out
        w = normal[start : start + size].reshape(fan_out, fan_in)
        # The 0.88 that the cut leaves is not made up for, as in both programs.
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
    return _by_size(_product, _unrolled_product, w, b, h)


def _dense_forward(w, b, h):
    return _dense(w, b, h), (w, b, h)


@full_precision
def _dense_backward(residuals, g):
    w, _, h = residuals
    found = _by_size(_pullback, _unrolled_pullback, w, h, g)
    # Inputs may be float64 where parameters are not, or whole numbers.
    return tuple(
        bar.astype(value.dtype) if jnp.issubdtype(value.dtype, jnp.floating) else bar
        for bar, value in zip(found, residuals, strict=True)
    )


_dense.defvjp(_dense_forward, _dense_backward)


def _by_size(product, unrolled, w, *arrays):
    """Matrix products, or for the smallest layers, on an accelerator, none.

    There a matrix product is a program of its own, and a step of a small network is as
    long as its number of programs; sums written out are fused with what is around them.
    """
    written_out = not on_cpu() and max(w.shape) <= _FEW_UNITS
    return (unrolled if written_out else product)(w, *arrays)


def _product(w, b, h):
    return w @ h + b[:, None]


def _pullback(w, h, g):
    # A sum over samples is faster as a product with ones, and a product with a
    # transposed matrix faster when the (tiny) matrix is transposed beforehand.
    transposed = lax.optimization_barrier(w.T)
    return g @ h.T, g @ jnp.ones(g.shape[1], g.dtype), transposed @ g


def _unrolled_product(w, b, h):
    pairs = zip(w.T, h, strict=True)
    return sum(column[:, None] * row[None] for column, row in pairs) + b[:, None]


def _unrolled_pullback(w, h, g):
    # The bias is one more weight, of an input that is one: a program less.
    inputs = jnp.concatenate([h, jnp.ones((1, h.shape[1]), h.dtype)])
    both = jnp.sum(g[:, None] * inputs[None], axis=2)
    pulled = sum(row[:, None] * pull[None] for row, pull in zip(w, g, strict=True))
    return both[:, :-1], both[:, -1], pulled
