"""Convolutional networks for images, written as matrix products.

A convolution inside ``lax.scan`` falls back to slow code on a CPU. Here it is one
product of the image's patches with the kernel, for which the compiler has fast code
everywhere; patches of many images at once would fill the memory, so larger sets pass
through the network a few images at a time.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import full_precision
from ibjax.networks.initialization import uniform_arrays
from ibjax.networks.mlp import activation_function
from ibjax.networks.network import Layer, Network
from ibjax.numerics import checks

__all__ = [
    "check_sizes",
    "convolutional",
    "convolve",
    "in_parts",
    "max_pool",
]

# Images whose patches are held at once: 85 MB after 32 channels of 26 x 26 pixels.
_IMAGES_AT_ONCE = 128


def convolutional(
    image_shape: tuple[int, int],
    channels: Sequence[int] = (32, 64),
    hidden: Sequence[int] = (128,),
    num_classes: int = 10,
    *,
    activation: str = "relu",
    kernel_size: int = 3,
    pool_size: int = 2,
) -> Network:
    r"""Convolutions, one max-pooling, fully connected layers and a softmax.

    The defaults are the network of Keras's MNIST example without its dropout: two
    convolutions of 3 x 3 pixels and 32 and 64 channels, max-pooling over 2 x 2 pixels,
    128 units, 10 classes. Convolutions and pooling have no padding; pixels that do not
    fill a window are left out.

    Weights are uniform on :math:`\pm\sqrt{6 / (inputs + outputs)}` of a unit (Glorot),
    where a pixel of a convolution has ``kernel_size**2 * channels`` of each; biases
    are zero. Parameters are a tuple of ``(w, b)``, ``w`` of shape ``[kernel_size,
    kernel_size, channels_in, channels_out]`` or ``[inputs, units]``. The pooling is a
    layer too; its weight array is empty, so that its gradient has no signal-to-noise
    ratio.

    Args:
      image_shape: Height and width of the images; inputs are ``[num_samples, height,
        width]``, or flat, row by row.
      channels: Channels of every convolution.
      hidden: Units of every fully connected layer between pooling and output.
      num_classes: Number of classes.
      activation: One of ``ibjax.networks.ACTIVATIONS``, or an elementwise function.
      kernel_size: Height and width of a convolution's kernel, in pixels.
      pool_size: Height and width of the pooling's windows, in pixels.

    Returns:
      The network, whose last activation holds the logits. Layers with channels have
      the shape ``(height, width, channels)``.

    Raises:
      ValueError: If a number is not positive, the name unknown, or the image too small
        for the convolutions and the pooling.

    Example:
      >>> network = convolutional((8, 8), channels=(2, 3), hidden=(5,))
      >>> [layer.shape for layer in network.layers]
      [(6, 6, 2), (4, 4, 3), (2, 2, 3), (5,), (10,)]
      >>> params = network.init(jax.random.key(0))
      >>> [t.shape[1] for t in network.activations(params, jnp.zeros((4, 64)))]
      [72, 48, 12, 5, 10]
    """
    shapes = _shapes(image_shape, channels, hidden, num_classes, kernel_size, pool_size)
    activation, activation_fn, text = activation_function(activation)
    num_convolutions = len(channels)

    before = [(*image_shape, 1), *shapes[:num_convolutions]]
    last = len(shapes) - 1

    def layer(params, number, t):
        if number == num_convolutions:
            t = max_pool(t.reshape(-1, *before[number]), pool_size)
        elif number < num_convolutions:
            w, b = params[number]
            t = t.reshape(-1, *before[number])
            t = activation_fn(convolve(t, w) + b[None, None, None])
        else:
            w, b = params[number - 1]  # The pooling has no parameters.
            t = t @ w + b[None]
            t = t if number == last else activation_fn(t)
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

    def kernels(params):
        weights = [w for w, _ in params]
        # One entry for every layer; the pooling is one, and has no weights.
        weights.insert(num_convolutions, jnp.zeros((0, 0), weights[0].dtype))
        return tuple(weights)

    names = [f"{activation} conv {number}" for number in channels]
    names += [f"max-pool {pool_size}"]
    names += [f"{activation} {width}" for width in hidden]
    names += [f"softmax {num_classes}"]
    own = "" if text == activation else f", activation {text}"
    return Network(
        init=lambda key: _init(key, shapes, num_convolutions, kernel_size),
        activations=full_precision(activations),
        kernels=kernels,
        layers=tuple(map(Layer, names, shapes)),
        description=(
            f"convolutional {'x'.join(map(str, image_shape))}, kernels {kernel_size}, "
            f"{', '.join(names)}, init glorot{own}"
        ),
        layer=full_precision(layer),
    )


def check_sizes(
    image_shape, channels, hidden, num_classes, kernel_size, pool_size
) -> None:
    """Check that all sizes are positive and that there is a convolution."""
    checks.counts("image_shape", image_shape, fewest=2, most=2)
    checks.counts("channels", channels)
    checks.counts("hidden", hidden, fewest=0)
    checks.count("num_classes", num_classes)
    checks.count("kernel_size", kernel_size)
    checks.count("pool_size", pool_size)


def _shapes(image_shape, channels, hidden, num_classes, kernel_size, pool_size):
    """Shapes of all layers, or a refusal."""
    check_sizes(image_shape, channels, hidden, num_classes, kernel_size, pool_size)
    height, width = image_shape
    shapes = []
    for number in channels:
        height, width = height - kernel_size + 1, width - kernel_size + 1
        shapes.append((height, width, number))
    shapes.append((height // pool_size, width // pool_size, channels[-1]))
    if min(height, width) < pool_size:
        raise ValueError(
            f"image_shape {tuple(image_shape)} leaves nothing to pool: {len(channels)} "
            f"convolutions of {kernel_size} pixels leave {height} x {width}, windows "
            f"are of {pool_size}"
        )
    return (*shapes, *((width,) for width in (*hidden, num_classes)))


def _init(key, shapes, num_convolutions, kernel_size):
    kernel_shapes, fans = [], []
    before = 1
    for _, _, after in shapes[:num_convolutions]:
        kernel_shapes.append((kernel_size, kernel_size, before, after))
        fans.append(kernel_size**2 * (before + after))
        before = after
    # The first fully connected layer sees all the pixels that the pooling leaves.
    before = math.prod(shapes[num_convolutions])
    for (after,) in shapes[num_convolutions + 1 :]:
        kernel_shapes.append((before, after))
        fans.append(before + after)
        before = after
    limits = [math.sqrt(6 / fan) for fan in fans]
    weights = uniform_arrays(key, kernel_shapes, limits)
    return tuple((w, jnp.zeros(w.shape[-1])) for w in weights)


def in_parts(
    layers_of: Callable[[jax.Array, jax.Array], tuple[jax.Array, ...]],
    x: jax.Array,
    *,
    at_once: int = _IMAGES_AT_ONCE,
) -> tuple[jax.Array, ...]:
    """Layers of many images, a few images at a time.

    Args:
      layers_of: ``layers_of(number, part)``: the layers of some of the images,
        ``[num_part, units]`` each; ``number`` counts the parts.
      x: Images, shape ``[num_samples, ...]``.
      at_once: Images of a part.

    Returns:
      Layers of all images, ``[num_samples, units]`` each.
    """
    num_samples = x.shape[0]
    if num_samples <= at_once:
        return layers_of(jnp.int32(0), x)
    num_parts = -(-num_samples // at_once)
    rows = jnp.arange(num_parts * at_once).reshape(num_parts, -1)
    # The last part is filled up by the last image: one program does for all parts.
    rows = jnp.minimum(rows, num_samples - 1)
    layers = lax.map(
        lambda part: layers_of(part[0], x[part[1]]), (jnp.arange(num_parts), rows)
    )
    return tuple(t.reshape(-1, t.shape[-1])[:num_samples] for t in layers)


def convolve(t: jax.Array, w: jax.Array, *, stride: int = 1) -> jax.Array:
    """Patches times kernel, without padding.

    Args:
      t: Images, shape ``[num_samples, height, width, channels]``.
      w: Kernel, shape ``[size, size, channels, new_channels]``.
      stride: Pixels from one patch to the next.

    Returns:
      Images, shape ``[num_samples, new_height, new_width, new_channels]``; without
      stride ``new_height`` is ``height - size + 1``.
    """
    size = w.shape[0]
    height, width = t.shape[1] - size + 1, t.shape[2] - size + 1
    patches = [
        t[:, i : i + height : stride, j : j + width : stride]
        for i in range(size)
        for j in range(size)
    ]
    return jnp.concatenate(patches, axis=-1) @ w.reshape(-1, w.shape[-1])


def max_pool(t: jax.Array, size: int) -> jax.Array:
    """Largest activity of every window; pixels that do not fill one are left out.

    Args:
      t: Images, shape ``[num_samples, height, width, channels]``.
      size: Height and width of a window.

    Returns:
      Images, shape ``[num_samples, height // size, width // size, channels]``.
    """
    num_samples, height, width, channels = t.shape
    height, width = height // size, width // size
    t = t[:, : height * size, : width * size]
    t = t.reshape(num_samples, height, size, width, size, channels)
    return jnp.max(t, axis=(2, 4))
