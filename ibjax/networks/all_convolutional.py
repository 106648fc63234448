"""Convolutions all the way: strides in place of pooling, and a mean over the image."""

import math
from collections.abc import Sequence

import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.networks.convolutional import convolve, in_parts
from ibjax.networks.initialization import uniform_arrays
from ibjax.networks.mlp import activation_function
from ibjax.networks.network import Layer, Network
from ibjax.numerics import checks

__all__ = ["all_convolutional"]


def all_convolutional(
    image_shape: tuple[int, ...],
    channels: Sequence[int] = (96, 96, 192, 192, 192, 192),
    strides: Sequence[int] = (1, 1, 2, 1, 1, 2),
    num_classes: int = 10,
    *,
    activation: str = "relu",
    kernel_size: int = 3,
) -> Network:
    r"""Convolutions of which some have strides, a mean over the image and a softmax.

    Images keep their size, but for strides, by a border of zeros. The last layer is of
    every channel's mean, which is the mean of a convolution of one pixel. Compared with
    All-CNN it lacks dropout and the two convolutions of one pixel before that.

    Weights are uniform on :math:`\pm\sqrt{6 / inputs}` of a unit (He), biases zero.
    Parameters are a tuple of ``(w, b)``, ``w`` of shape ``[kernel_size, kernel_size,
    channels_in, channels_out]`` and, in the last layer, ``[channels, num_classes]``.

    Args:
      image_shape: Height and width of the images, or height, width and channels; inputs
        are of this shape, or flat, row by row with the channels innermost.
      channels: Channels of every convolution.
      strides: Stride of each.
      num_classes: Number of classes.
      activation: One of ``ibjax.networks.ACTIVATIONS``, or an elementwise function.
      kernel_size: Height and width of a convolution's kernel, an odd number of pixels.

    Returns:
      The network, whose last activation holds the logits. Layers with channels have the
      shape ``(height, width, channels)``.

    Raises:
      ValueError: If a number is not positive, there are not as many strides as
        channels, the kernel's size is even, or the name unknown.

    References:
      Springenberg, Dosovitskiy, Brox and Riedmiller, `Striving for simplicity: the all
      convolutional net`, ICLR 2015 (workshop). He, Zhang, Ren and Sun, `Delving deep
      into rectifiers`, ICCV 2015.

    Example:
      >>> import jax
      >>> network = all_convolutional((8, 8, 3), channels=(4, 6), strides=(1, 2))
      >>> [layer.shape for layer in network.layers]
      [(8, 8, 4), (4, 4, 6), (10,)]
      >>> params = jax.jit(network.init)(jax.random.key(0))
      >>> layers = jax.jit(network.activations)(params, jnp.zeros((5, 192)))
      >>> [t.shape[1] for t in layers]
      [256, 96, 10]
    """
    image_shape = checks.counts("image_shape", image_shape, fewest=2, most=3)
    channels = checks.counts("channels", channels)
    strides = checks.counts(
        "strides", strides, fewest=len(channels), most=len(channels)
    )
    checks.count("num_classes", num_classes)
    checks.count("kernel_size", kernel_size)
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd, got {kernel_size}")
    activation, activation_fn, text = activation_function(activation)
    before = [(*image_shape, 1)[:3]]
    for number, stride in zip(channels, strides, strict=True):
        height, width, _ = before[-1]
        before.append((-(-height // stride), -(-width // stride), number))
    shapes = (*before[1:], (num_classes,))
    border = kernel_size // 2
    padding = ((0, 0), (border, border), (border, border), (0, 0))

    def layer(params, number, t):
        w, b = params[number]
        t = t.reshape(-1, *before[number])
        if number == len(channels):
            return jnp.mean(t, axis=(1, 2)) @ w + b[None]
        t = convolve(jnp.pad(t, padding), w, stride=strides[number])
        t = activation_fn(t + b[None, None, None])
        return t.reshape(t.shape[0], -1)

    def layers_of(params, t):
        layers = []
        for number in range(len(shapes)):
            t = layer(params, number, t)
            layers.append(t)
        return tuple(layers)

    def activations(params, x, *, key=None, training=False):
        del key, training  # Neither noise nor dropout.
        return in_parts(lambda _, part: layers_of(params, part), x)

    kernel_shapes = [
        (kernel_size, kernel_size, first[2], last[2])
        for first, last in zip(before[:-1], before[1:], strict=True)
    ]
    kernel_shapes.append((channels[-1], num_classes))

    def init(key):
        limits = [math.sqrt(6 / math.prod(shape[:-1])) for shape in kernel_shapes]
        weights = uniform_arrays(key, kernel_shapes, limits)
        return tuple((w, jnp.zeros(w.shape[-1])) for w in weights)

    names = [
        f"{activation} conv {number}" + (f" / {stride}" if stride > 1 else "")
        for number, stride in zip(channels, strides, strict=True)
    ]
    names.append(f"softmax {num_classes}")
    own = "" if text == activation else f", activation {text}"
    return Network(
        init=init,
        activations=full_precision(activations),
        kernels=lambda params: tuple(w for w, _ in params),
        layers=tuple(map(Layer, names, shapes)),
        description=(
            f"all convolutional {'x'.join(map(str, image_shape))}, kernels "
            f"{kernel_size}, {', '.join(names)}, init he{own}"
        ),
        layer=full_precision(layer),
    )
