r"""Pairs of images whose mutual information is set in advance.

Compressing before estimating can only be judged where the information between two
high-dimensional variables is known. Butakov et al. (2024) draw each image from a few
latent numbers, in a way that can be undone, and correlate the latent numbers of the
two images:

.. math::
    (\xi, \eta) \text{ normal}, \quad \rho_i = \sqrt{1 - e^{-2 I / d}}, \quad
    U = \Phi(Q_X \xi), \quad V = \Phi(Q_Y \eta), \quad X = g(U), \quad Y = g(V),

with :math:`\Phi` the normal distribution function of every coordinate and Q random
rotations. The d canonical pairs carry I/d each, and neither the rotations nor
:math:`\Phi` nor g, which are injective, change it: I(X;Y) = I exactly.

The marginal of every latent vector is uniform on the unit cube whatever I is, so one
compressor, trained on single images, serves every I.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

__all__ = [
    "GAUSSIAN_DIM",
    "RECTANGLE_DIM",
    "ImagePairs",
    "gaussian_image",
    "gaussian_images",
    "latent_pairs",
    "rectangle_image",
    "rectangle_images",
]

GAUSSIAN_DIM = 2
"""Latent numbers of a Gaussian: the place of its centre."""

RECTANGLE_DIM = 4
"""Latent numbers of a rectangle: where it begins and ends along each axis."""

_EXACT = lax.Precision.HIGHEST
# exp(-10 r^2), r in parts of the image's side.
_SHARPNESS = 10.0
_SMALLEST_SIDE = 2.0  # Pixels.


class ImagePairs(NamedTuple):
    """Pairs of images and what they were drawn from.

    Attributes:
      x: First images, shape ``[num_samples, size, size]``, values in [0, 1].
      y: Second images, of the same shape.
      latents_x: What ``x`` was drawn from, shape ``[num_samples, dim]``, uniform on
        the unit cube. The same information is between ``latents_x`` and ``latents_y``.
      latents_y: What ``y`` was drawn from.
    """

    x: jax.Array
    y: jax.Array
    latents_x: jax.Array
    latents_y: jax.Array


def gaussian_images(
    key: jax.Array, num_samples: int, *, information: ArrayLike, size: int = 16
) -> ImagePairs:
    """Pairs of pictures of one blob each; see :func:`gaussian_image`.

    Memory is O(num_samples * size²).

    Args:
      key: Decides the samples and the two rotations.
      num_samples: Number of pairs.
      information: I(X;Y) in nats, not negative; may be traced.
      size: Pixels along a side, at least 2.

    Returns:
      The pairs.

    Raises:
      ValueError: If ``information`` is negative (checked outside of ``jit``) or
        ``num_samples`` or ``size`` too small.

    References:
      Butakov, Tolmachev, Malanchuk, Neopryatnaya, Frolov and Andreev, `Information
      bottleneck analysis of deep neural networks via lossy compression`, ICLR 2024.

    Example:
      >>> pairs = gaussian_images(jax.random.key(0), 100, information=3.0)
      >>> pairs.x.shape, pairs.latents_x.shape
      ((100, 16, 16), (100, 2))
    """
    _check_size(size, 2)
    return _image_pairs(key, num_samples, information, size, gaussian_image)


def rectangle_images(
    key: jax.Array, num_samples: int, *, information: ArrayLike, size: int = 16
) -> ImagePairs:
    """Pairs of pictures of one rectangle each; see :func:`rectangle_image`.

    Args:
      key: See :func:`gaussian_images`.
      num_samples: See :func:`gaussian_images`.
      information: See :func:`gaussian_images`.
      size: Pixels along a side, at least 3.

    Returns:
      The pairs, with four latent numbers an image.

    Raises:
      ValueError: As :func:`gaussian_images`.

    Example:
      >>> pairs = rectangle_images(jax.random.key(0), 100, information=3.0, size=32)
      >>> pairs.x.shape, pairs.latents_x.shape
      ((100, 32, 32), (100, 4))
    """
    _check_size(size, 3)
    return _image_pairs(key, num_samples, information, size, rectangle_image)


def gaussian_image(latents: ArrayLike, size: int) -> jax.Array:
    r"""A blob :math:`e^{-10 r^2}` around a point.

    Pixels lie at ``linspace(0, 1, size)`` along both axes; the first latent number is
    the centre's place along the columns, the second along the rows.

    Args:
      latents: In the unit square, shape ``[2]``.
      size: Pixels along a side.

    Returns:
      The image, shape ``[size, size]``.

    Raises:
      ValueError: If ``latents`` has another shape.

    Example:
      >>> image = gaussian_image(jnp.array([1.0, 0.0]), 3)
      >>> print(f"{image[0, 2]:.2f} {image[0, 0]:.1e}")
      1.00 4.5e-05
    """
    latents = _check_latents(latents, GAUSSIAN_DIM)
    place = jnp.linspace(0.0, 1.0, size, dtype=latents.dtype)
    column, row = jnp.exp(-_SHARPNESS * (place[None] - latents[:, None]) ** 2)
    return row[:, None] * column[None]


def rectangle_image(latents: ArrayLike, size: int) -> jax.Array:
    r"""A rectangle, each pixel as bright as the part of it that is covered.

    Along the columns, in parts of the side and with m two pixels, it reaches from
    :math:`l = (1 - m)(1 - \sqrt{1 - u_1})` to :math:`l + m + u_2 (1 - l - m)`: for
    uniform u, beginning and end are uniform among those at least m apart. The
    third and fourth latent numbers do the same along the rows. As a pixel's shade tells
    where in it an edge lies, the image determines the latent numbers.

    Args:
      latents: In the unit cube, shape ``[4]``.
      size: Pixels along a side, at least 3.

    Returns:
      The image, shape ``[size, size]``.

    Raises:
      ValueError: If ``latents`` has another shape or ``size`` is too small.

    Example:
      >>> rectangle_image(jnp.array([0.0, 0.25, 0.0, 0.5]), 4).astype(float)
      Array([[1. , 1. , 0.5, 0. ],
             [1. , 1. , 0.5, 0. ],
             [1. , 1. , 0.5, 0. ],
             [0. , 0. , 0. , 0. ]], dtype=float32)
    """
    latents = _check_latents(latents, RECTANGLE_DIM)
    _check_size(size, 3)
    smallest = _SMALLEST_SIDE / size
    first, second = latents.reshape(2, 2).T
    start = (1 - smallest) * (1 - jnp.sqrt(1 - first))
    end = start + smallest + second * (1 - start - smallest)
    edge = jnp.arange(size, dtype=latents.dtype)
    reach = jnp.minimum((size * end)[:, None], edge[None] + 1)
    column, row = jnp.maximum(
        reach - jnp.maximum((size * start)[:, None], edge[None]), 0
    )
    return row[:, None] * column[None]


def latent_pairs(
    key: jax.Array, num_samples: int, *, dim: int, information: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Uniform vectors with a set mutual information: what the images are drawn from.

    Args:
      key: Decides the samples and the two rotations.
      num_samples: Number of pairs.
      dim: Dimension of both vectors.
      information: I(U;V) in nats, not negative, split equally over ``dim`` canonical
        pairs; may be traced.

    Returns:
      Two arrays of shape ``[num_samples, dim]``, each uniform on the unit cube.

    Raises:
      ValueError: If ``information`` is negative (checked outside of ``jit``) or
        ``num_samples`` or ``dim`` not positive.

    Example:
      >>> u, v = latent_pairs(jax.random.key(0), 5, dim=2, information=1.0)
      >>> u.shape, v.shape
      ((5, 2), (5, 2))
    """
    if num_samples < 1 or dim < 1:
        raise ValueError(
            f"num_samples and dim must be positive, got {num_samples} and {dim}"
        )
    concrete = not isinstance(information, jax.core.Tracer)
    if jnp.ndim(information) != 0 or (
        concrete and not (information >= 0 and math.isfinite(information))
    ):
        raise ValueError(
            f"information must be one number, zero or more, got {information}"
        )
    return _latent_pairs(key, num_samples, dim, information)


@partial(jax.jit, static_argnames=("num_samples", "dim"))
def _latent_pairs(
    key: jax.Array, num_samples: int, dim: int, information: jax.Array
) -> tuple[jax.Array, jax.Array]:
    key_normal, key_x, key_y = jax.random.split(key, 3)
    normal = jax.random.normal(key_normal, (2 * num_samples * dim,))
    xi, noise = normal.reshape(2, num_samples, dim)
    exponent = -2 * jnp.asarray(information, normal.dtype) / dim
    # 1 - rho^2 is what matters close to one, and it is known without a difference.
    eta = jnp.sqrt(-jnp.expm1(exponent)) * xi + jnp.exp(exponent / 2) * noise

    def uniform(key, v):
        rotation = jax.random.orthogonal(key, dim).astype(v.dtype)
        return ndtr(jnp.matmul(v, rotation, precision=_EXACT))

    return uniform(key_x, xi), uniform(key_y, eta)


def _image_pairs(
    key: jax.Array,
    num_samples: int,
    information: ArrayLike,
    size: int,
    draw: Callable[[jax.Array, int], jax.Array],
) -> ImagePairs:
    dim = GAUSSIAN_DIM if draw is gaussian_image else RECTANGLE_DIM
    u, v = latent_pairs(key, num_samples, dim=dim, information=information)
    return ImagePairs(_draw(u, size, draw), _draw(v, size, draw), u, v)


@partial(jax.jit, static_argnames=("size", "draw"))
def _draw(
    latents: jax.Array, size: int, draw: Callable[[jax.Array, int], jax.Array]
) -> jax.Array:
    return jax.vmap(lambda u: draw(u, size))(latents)


def _check_size(size: int, least: int) -> None:
    if size < least:
        raise ValueError(f"size must be at least {least}, got {size}")


def _check_latents(latents: ArrayLike, dim: int) -> jax.Array:
    latents = jnp.asarray(latents)
    if latents.shape != (dim,):
        raise ValueError(f"latents must have shape [{dim}], got {latents.shape}")
    return latents
