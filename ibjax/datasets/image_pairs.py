r"""Pairs of images with a chosen mutual information.

Estimation after compression can only be judged where the information between two
high-dimensional variables is known. Butakov et al. (2024) draw each image from a few
latent numbers by an injective map, and correlate the latent numbers of the two images:

.. math::
    (\xi, \eta) \text{ normal}, \quad \rho_i = \sqrt{1 - e^{-2 I / d}}, \quad
    U = \Phi(Q_X \xi), \quad V = \Phi(Q_Y \eta), \quad X = g(U), \quad Y = g(V),

with :math:`\Phi` the normal distribution function of every coordinate and Q random
rotations. The d canonical pairs carry I/d each, and neither the rotations nor
:math:`\Phi` nor g, which are injective, change it: I(X;Y) = I exactly.

Every latent vector is uniform on the unit cube whatever I is, so one compressor,
trained on single images, serves every I.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

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
"""Latent numbers of a Gaussian: the coordinates of its centre."""

RECTANGLE_DIM = 4
"""Latent numbers of a rectangle: its beginning and end along each axis."""

# Of exp(-10 r^2), with r in units of the image's side.
_SHARPNESS = 10.0
_SMALLEST_SIDE = 2.0  # Pixels.
_LARGEST_SIZE = 2**14


class ImagePairs(NamedTuple):
    """Pairs of images and their latent numbers.

    Attributes:
      x: First images, shape ``[num_samples, size, size]``, values in [0, 1].
      y: Second images, shape ``[num_samples, size, size]``.
      latents_x: Latent numbers of ``x``, shape ``[num_samples, dim]``, uniform on the
        unit cube. Their information about ``latents_y`` is that of ``x`` about ``y``.
      latents_y: Latent numbers of ``y``.
    """

    x: jax.Array
    y: jax.Array
    latents_x: jax.Array
    latents_y: jax.Array


def gaussian_images(
    key: jax.Array, num_samples: int, *, information: ArrayLike, size: int = 16
) -> ImagePairs:
    """Pairs of images of one Gaussian each, see :func:`gaussian_image`.

    Memory is O(num_samples * size²).

    Args:
      key: Key of the samples and the two rotations.
      num_samples: Number of pairs.
      information: I(X;Y) in nats, not negative; may be traced.
      size: Pixels along a side, at least 2.

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
    """Pairs of images of one rectangle each, see :func:`rectangle_image`.

    Arguments are those of :func:`gaussian_images`; ``size`` is at least 3. There are
    four latent numbers an image.

    Example:
      >>> pairs = rectangle_images(jax.random.key(0), 100, information=3.0, size=32)
      >>> pairs.x.shape, pairs.latents_x.shape
      ((100, 32, 32), (100, 4))
    """
    _check_size(size, 3)
    return _image_pairs(key, num_samples, information, size, rectangle_image)


def gaussian_image(latents: ArrayLike, size: int) -> jax.Array:
    r"""Gaussian :math:`e^{-10 r^2}` around a point, an image ``[size, size]``.

    Pixels lie at ``linspace(0, 1, size)`` along both axes; of ``latents [2]``, in the
    unit square, the first is the centre's coordinate along the columns, the second
    along the rows.

    Example:
      >>> image = gaussian_image(jnp.array([1.0, 0.0]), 3)
      >>> print(f"{image[0, 2]:.2f} {image[0, 0]:.1e}")
      1.00 4.5e-05
    """
    latents = checks.shape("latents", checks.real("latents", latents), [GAUSSIAN_DIM])
    latents = jnp.asarray(latents, jnp.result_type(latents, float))
    _check_size(size, 1)
    place = jnp.linspace(0.0, 1.0, size, dtype=latents.dtype)
    column, row = jnp.exp(-_SHARPNESS * (place[None] - latents[:, None]) ** 2)
    return row[:, None] * column[None]


def rectangle_image(latents: ArrayLike, size: int) -> jax.Array:
    r"""Rectangle, each pixel as bright as the part of it that is covered.

    Along the columns, in units of the side and with m two pixels, it reaches from
    :math:`l = (1 - m)(1 - \sqrt{1 - u_1})` to :math:`l + m + u_2 (1 - l - m)`: for
    uniform u, beginning and end are uniform among those at least m apart. The
    third and fourth latent numbers do so along the rows. As a pixel's brightness tells
    where in it an edge lies, the image determines the latent numbers.

    The latents have shape ``[4]`` and lie in the unit cube, the image has shape
    ``[size, size]`` with ``size`` at least 3.

    Example:
      >>> rectangle_image(jnp.array([0.0, 0.25, 0.0, 0.5]), 4).astype(float)
      Array([[1. , 1. , 0.5, 0. ],
             [1. , 1. , 0.5, 0. ],
             [1. , 1. , 0.5, 0. ],
             [0. , 0. , 0. , 0. ]], dtype=float32)
    """
    latents = checks.shape("latents", checks.real("latents", latents), [RECTANGLE_DIM])
    latents = jnp.asarray(latents, jnp.result_type(latents, float))
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
    """Latent vectors of both images, with a chosen mutual information in nats.

    The information is split equally over ``dim`` canonical pairs and may be traced.
    Both arrays have shape ``[num_samples, dim]`` and are uniform on the unit cube.

    Example:
      >>> u, v = latent_pairs(jax.random.key(0), 5, dim=2, information=1.0)
      >>> u.shape, v.shape
      ((5, 2), (5, 2))
    """
    checks.key("key", key)
    checks.count("num_samples", num_samples)
    checks.count("dim", dim)
    information = checks.not_negative("information", information)
    return _latent_pairs(key, num_samples, dim, jnp.asarray(information, float))


@exact_jit(static_argnames=("num_samples", "dim"))
def _latent_pairs(
    key: jax.Array, num_samples: int, dim: int, information: jax.Array
) -> tuple[jax.Array, jax.Array]:
    key_normal, key_x, key_y = jax.random.split(key, 3)
    normal = jax.random.normal(key_normal, (2 * num_samples * dim,))
    xi, noise = normal.reshape(2, num_samples, dim)
    exponent = -2 * jnp.asarray(information, normal.dtype) / dim
    # exp(exponent) is 1 - rho^2: for rho close to one, a difference would cancel.
    eta = jnp.sqrt(-jnp.expm1(exponent)) * xi + jnp.exp(exponent / 2) * noise

    def uniform(key, v):
        rotation = jax.random.orthogonal(key, dim).astype(v.dtype)
        return ndtr(v @ rotation)

    return uniform(key_x, xi), uniform(key_y, eta)


def _check_size(size: int, least: int) -> None:
    checks.count("size", size, least)
    checks.in_range("size", size, f"[{least}, {_LARGEST_SIZE}]")


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


@exact_jit(static_argnames=("size", "draw"))
def _draw(
    latents: jax.Array, size: int, draw: Callable[[jax.Array, int], jax.Array]
) -> jax.Array:
    return jax.vmap(lambda u: draw(u, size))(latents)
