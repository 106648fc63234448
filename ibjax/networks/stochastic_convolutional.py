r"""Convolutional networks with noise before every layer, in training and afterwards.

Layer :math:`l` reads what the layer before it says through noise,
:math:`L_l = f_l(\tilde L_{l-1})`, so that I(X;L) is finite and no estimator's bins
decide it. Butakov et al. (2024) state their theory for *additive* noise,
:math:`\tilde L = L + \sigma Z`; their program has *multiplicative* noise,
:math:`\tilde L = L + \sigma L Z` unit by unit, which leaves a unit at zero without any.
Both are here, by name.
"""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.networks.convolutional import check_sizes, convolve, in_parts, max_pool
from ibjax.networks.initialization import uniform_arrays
from ibjax.networks.network import Layer, Network, Params
from ibjax.numerics import checks

__all__ = ["NOISES", "stochastic_convolutional"]

Noise = Literal["additive", "multiplicative"]
NOISES: tuple[Noise, ...] = get_args(Noise)
"""Kinds of noise: of one size for all units, or proportional to the activity."""

# Probabilities of dropout are multiples of 2 to the power of minus this: half a word
# a unit costs half as much to draw.
_DROPOUT_BITS = 16


def stochastic_convolutional(
    image_shape: tuple[int, int],
    channels: Sequence[int] = (8, 16, 32),
    hidden: Sequence[int] = (32,),
    num_classes: int = 10,
    *,
    noise: str = "multiplicative",
    noise_std: float = 1e-3,
    dropout: float = 0.1,
    leak: float = 0.01,
    kernel_size: int = 3,
    pool_size: int = 2,
    pixel_mean: float = 0.1307,
    pixel_std: float = 0.3081,
) -> Network:
    r"""Convolutions with pooling, fully connected layers, and noise before each.

    The defaults are the network of Butakov et al.: three convolutions without padding,
    each followed by max-pooling and a leaky ReLU and, with them, one layer; 32 units
    with a leaky ReLU; 10 classes. Pixels that do not fill a window are left out. The
    inputs are standardised first, then every layer's input is dropped out (in training,
    before convolutions only, unit by unit, the others scaled up) and gets its noise.

    Weights and biases are uniform on :math:`\pm 1 / \sqrt{n}` for n inputs of a unit,
    the default of PyTorch. Parameters are a tuple of ``(w, b)``, ``w`` of shape
    ``[kernel_size, kernel_size, channels_in, channels_out]`` or ``[inputs, units]``.

    Args:
      image_shape: Height and width of the images; inputs are ``[num_samples, height *
        width]``, row by row.
      channels: Channels of every convolution.
      hidden: Units of every fully connected layer before the output.
      num_classes: Number of classes.
      noise: One of :data:`NOISES`; the authors' program has ``"multiplicative"``,
        their theory ``"additive"``.
      noise_std: Standard deviation of the noise, positive: of ``z`` in ``t + z`` or in
        ``t * (1 + z)``.
      dropout: Probability to drop, in [0, 1), taken to 16 bits.
      leak: Slope of the activation function below zero, in [0, 1].
      kernel_size: Height and width of a convolution's kernel, in pixels.
      pool_size: Height and width of the pooling's windows, in pixels.
      pixel_mean: Mean that standardises the inputs, in their unit; MNIST's by default.
      pixel_std: Standard deviation that does, positive.

    Returns:
      The network, whose last activation holds the logits. Given a key, activities have
      the noise of one draw before each layer and those below it; with ``training`` they
      have dropout too. A layer's ``noise_std`` is that of the noise before it.

    Raises:
      ValueError: If a number is out of range, the noise unknown, or the image too small
        for the convolutions and the pooling.

    References:
      Butakov, Tolmachev, Malanchuk, Neopryatnaya, Frolov and Andreev, `Information
      bottleneck analysis of deep neural networks via lossy compression`, ICLR 2024.

    Example:
      >>> network = stochastic_convolutional((28, 28), noise="additive")
      >>> [layer.shape for layer in network.layers]
      [(13, 13, 8), (5, 5, 16), (1, 1, 32), (32,), (10,)]
      >>> params, x = network.init(jax.random.key(0)), jnp.zeros((4, 784))
      >>> layers = network.activations(params, x, key=jax.random.key(1))
      >>> [t.shape[1] for t in layers]
      [1352, 400, 32, 32, 10]
    """
    shapes = _shapes(image_shape, channels, hidden, num_classes, kernel_size, pool_size)
    checks.one_of("noise", noise, NOISES)
    noise_std = checks.positive("noise_std", noise_std)
    pixel_std = checks.positive("pixel_std", pixel_std)
    checks.in_range("dropout", dropout, "[0, 1)")
    checks.in_range("leak", leak, "[0, 1]")
    num_convolutions = len(channels)
    widths = [math.prod(image_shape), *(math.prod(shape) for shape in shapes[:-1])]
    # Below one after rounding too, so that what is kept is scaled by a finite number.
    dropped_of = min(round(dropout * 2**_DROPOUT_BITS), 2**_DROPOUT_BITS - 1)
    keep = 1 - dropped_of / 2**_DROPOUT_BITS

    def layers_of(params, x, draws, kept):
        t = (x.reshape(x.shape[0], -1) - pixel_mean) / pixel_std
        layers, start = [], 0
        for number, (w, b) in enumerate(params):
            stop = start + widths[number]
            if kept is not None and number < num_convolutions:
                t = jnp.where(kept[:, start:stop], t / keep, 0.0)
            if draws is not None:
                scale = noise_std * t if noise == "multiplicative" else noise_std
                t = t + scale * draws[:, start:stop]
            if number < num_convolutions:
                shape = shapes[number - 1] if number else (*image_shape, 1)
                t = convolve(t.reshape(-1, *shape), w) + b[None, None, None]
                t = max_pool(t, pool_size).reshape(x.shape[0], -1)
            else:
                t = t @ w + b[None]
            if number < len(shapes) - 1:
                t = jax.nn.leaky_relu(t, leak)
            layers.append(t)
            start = stop
        return tuple(layers)

    def activations(params, x, *, key=None, training=False):
        if key is None:
            return in_parts(lambda _, part: layers_of(params, part, None, None), x)
        key_noise, key_dropout = jax.random.split(key)

        # One draw for all layers: compiling a draw costs far more than running it.
        def part_of(number, part):
            # A key for each part: images of different parts share no noise.
            draws = jax.random.normal(
                jax.random.fold_in(key_noise, number), (len(part), sum(widths))
            )
            kept = None
            if training and dropped_of:
                bits = jax.random.bits(
                    jax.random.fold_in(key_dropout, number),
                    (len(part), sum(widths[:num_convolutions])),
                    jnp.uint16,
                )
                kept = bits >= dropped_of
            return layers_of(params, part, draws, kept)

        return in_parts(part_of, x)

    names = [f"conv {number}" for number in channels]
    names += [f"leaky-relu {width}" for width in hidden]
    names += [f"softmax {num_classes}"]
    return Network(
        init=lambda key: _init(key, shapes, channels, kernel_size),
        activations=full_precision(activations),
        kernels=lambda params: tuple(w for w, _ in params),
        layers=tuple(
            Layer(name, shape, float(noise_std))
            for name, shape in zip(names, shapes, strict=True)
        ),
        description=(
            f"stochastic convolutional {'x'.join(map(str, image_shape))}, kernels "
            f"{kernel_size}, pools {pool_size}, {', '.join(names)}, leak {leak:g}, "
            f"{noise} noise {noise_std:g}, dropout {dropout:g}, pixels less "
            f"{pixel_mean:g} over {pixel_std:g}"
        ),
    )


def _shapes(image_shape, channels, hidden, num_classes, kernel_size, pool_size):
    """Shapes of all layers, or a refusal."""
    check_sizes(image_shape, channels, hidden, num_classes, kernel_size, pool_size)
    height, width = image_shape
    shapes = []
    for number in channels:
        height, width = (
            (side - kernel_size + 1) // pool_size for side in (height, width)
        )
        shapes.append((height, width, number))
        if min(height, width) < 1:
            raise ValueError(
                f"image_shape {tuple(image_shape)} must leave a pixel to every layer, "
                f"but after {len(shapes)} of {len(channels)} convolutions of "
                f"{kernel_size} pixels with pooling by {pool_size} there is none"
            )
    return (*shapes, *((width,) for width in (*hidden, num_classes)))


def _init(key, shapes, channels, kernel_size) -> Params:
    before = (1, *channels)
    kernel_shapes = [
        (kernel_size, kernel_size, before[n], channels[n]) for n in range(len(channels))
    ]
    inputs = math.prod(shapes[len(channels) - 1])
    for (units,) in shapes[len(channels) :]:
        kernel_shapes.append((inputs, units))
        inputs = units
    bias_shapes = [shape[-1:] for shape in kernel_shapes]
    limits = [1 / math.sqrt(math.prod(shape[:-1])) for shape in kernel_shapes]
    arrays = uniform_arrays(key, [*kernel_shapes, *bias_shapes], [*limits, *limits])
    return tuple(zip(arrays[: len(shapes)], arrays[len(shapes) :], strict=True))
