"""Maps of a layer brought to the size of the image, and smoothed."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, full_precision
from ibjax.numerics import checks

__all__ = ["blur_matrix", "heatmap", "resize", "smooth"]


def heatmap(capacity: ArrayLike, image_shape: tuple[int, int]) -> jax.Array:
    """Bits per pixel of the image: their sum is the information in the layer.

    Capacities are summed over channels and interpolated between the positions of the
    layer. Interpolation alone keeps the sum only for whole factors, so every map is
    scaled to it. The bits are the layer's: a pixel shows those of the positions around
    it, which see more of the image than that pixel.

    Args:
      capacity: Nats of every feature, ``[num, height, width, channels]``.
      image_shape: Height and width of the image.

    Returns:
      Bits per pixel, ``[num, *image_shape]``.

    Raises:
      ValueError: If the layer has no height and width, or a size is not positive.

    References:
      Schulz et al., `Restricting the flow: information bottlenecks for attribution`,
      ICLR 2020, section 3.

    Example:
      >>> bits = heatmap(jnp.full((1, 2, 2, 3), jnp.log(2.0)), (4, 4))
      >>> print(bits[0, 0, 0], jnp.sum(bits))
      0.75 12.0
    """
    axes = ("num", "height", "width", "channels")
    capacity = checks.floating("capacity", checks.shape("capacity", capacity, axes))
    image_shape = checks.counts("image_shape", image_shape, fewest=2, most=2)
    return _heatmap(capacity, image_shape)


@exact_jit(static_argnames="image_shape")
def _heatmap(capacity, image_shape):
    bits = jnp.sum(capacity, axis=3) / math.log(2.0)
    maps = _resize(bits, image_shape)
    total, sums = (jnp.sum(m, axis=(1, 2), keepdims=True) for m in (bits, maps))
    # A map without information stays zero.
    return maps * jnp.where(sums > 0, total / jnp.where(sums > 0, sums, 1), 1)


def resize(maps: ArrayLike, image_shape: tuple[int, int]) -> jax.Array:
    """Maps ``[num, height, width]`` at the size of the image, bilinear.

    Example:
      >>> resize(jnp.ones((1, 2, 2)), (4, 6)).shape
      (1, 4, 6)
    """
    maps = checks.shape("maps", maps, ("num", "height", "width"))
    return _resize(maps, checks.counts("image_shape", image_shape, fewest=2, most=2))


@exact_jit(static_argnames="image_shape")
def _resize(maps, image_shape):
    return jax.image.resize(maps, (len(maps), *image_shape), "bilinear")


@full_precision
def smooth(maps: jax.Array, std: float) -> jax.Array:
    """Every channel of ``[num, height, width, channels]`` blurred by a Gaussian.

    Anything else, or a standard deviation of zero, stays what it is.
    """
    if std == 0 or maps.ndim != 4:
        return maps
    _, height, width, _ = maps.shape
    rows, columns = (
        jnp.asarray(blur_matrix(size, std), maps.dtype) for size in (height, width)
    )
    return jnp.einsum("ij,bjkc,lk->bilc", rows, maps, columns)


def blur_matrix(size: int, std: float) -> np.ndarray:
    """Gaussian blur along one axis as a matrix ``[size, size]`` of rows that sum to 1.

    The kernel reaches ``round(2 std)`` positions; the ends reflect.

    Example:
      >>> print(blur_matrix(4, 0.5).round(3)[0])
      [0.787 0.213 0.    0.   ]
    """
    radius = max(1, round(2 * std))
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / std) ** 2)
    kernel /= kernel.sum()
    sources = np.pad(np.arange(size), radius, mode="reflect")
    matrix = np.zeros((size, size))
    for offset, weight in enumerate(kernel):
        np.add.at(matrix, (np.arange(size), sources[offset : offset + size]), weight)
    return matrix
