"""Deficits of what is seen: blurred, flipped and noisy images, labels that are wrong.

A network that sees them for a part of its training may never recover. They differ in
what they leave: blur takes the fine parts of images away, a flip and wrong labels keep
all information about the classes, noise keeps none.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["blurred", "flipped", "noise_images", "permuted_targets"]


def blurred(images: ArrayLike, *, factor: int = 4) -> jax.Array:
    """Images made smaller and large again, by linear interpolation both times.

    A smaller pixel is the mean of the larger ones around it, weighted by a triangle
    that is zero at the centres of its neighbours, as in ``PIL.Image.resize``.

    Args:
      images: Shape ``[num_images, height, width]`` or ``[num_images, height, width,
        channels]``.
      factor: By how much height and width are divided; rounded down.

    Returns:
      Images of the same shape, of floats.

    Raises:
      ValueError: If ``images`` is of another rank or ``factor`` larger than a side.

    References:
      Achille, Rovere and Soatto, `Critical learning periods in deep networks`, ICLR
      2019, sec. 2: images of 32 x 32 pixels, a factor of 4.

    Example:
      >>> stripes = jnp.tile(jnp.array([0.0, 1.0]), (1, 32, 16))
      >>> print(f"{stripes.std():.2f} {blurred(stripes).std():.2f}")
      0.50 0.02
    """
    images = _images("images", images)
    shape = images.shape
    checks.count("factor", factor)
    checks.in_range("factor", factor, f"[1, {min(shape[1:3])}]")
    smaller = (shape[0], shape[1] // factor, shape[2] // factor, *shape[3:])
    small = jax.image.resize(images, smaller, "linear", antialias=True)
    return jax.image.resize(small, shape, "linear")


def flipped(images: ArrayLike) -> jax.Array:
    """Images upside down.

    Args:
      images: Shape ``[num_images, height, width]`` or ``[num_images, height, width,
        channels]``.

    Returns:
      The images, first row last.

    Raises:
      ValueError: If ``images`` is of another rank.

    Example:
      >>> print(flipped(jnp.arange(4.0).reshape(1, 2, 2)))
      [[[2. 3.]
        [0. 1.]]]
    """
    return _images("images", images)[:, ::-1]


def noise_images(
    key: jax.Array,
    images: ArrayLike,
    *,
    mean: ArrayLike = 0.5,
    std: ArrayLike = 0.25,
) -> jax.Array:
    """White normal noise in place of images: nothing is seen at all.

    Args:
      key: Typed key.
      images: Whatever has the shape and the dtype of the noise.
      mean: Mean of a pixel, or of each channel.
      std: Standard deviation, likewise.

    Returns:
      The noise.

    Raises:
      ValueError: If ``images`` has no axis, or ``mean`` and ``std`` do not fit it.
      TypeError: If ``key`` is no typed key.

    Example:
      >>> noise = noise_images(jax.random.key(0), jnp.ones((1000, 8, 8)))
      >>> print(f"{noise.mean():.2f} {noise.std():.2f}")
      0.50 0.25
    """
    checks.key("key", key)
    images = _floats("images", images)
    checks.shape("images", images, ("num_images", "*sizes"))
    last = images.shape[-1]
    mean, std = checks.jax_array("mean", mean), checks.jax_array("std", std)
    for name, value in (("mean", mean), ("std", std)):
        checks.shape(name, value, (), (last,), why="to match the channels of images")
    noise = jax.random.normal(key, images.shape, images.dtype)
    ones = (1,) * (images.ndim - 1)
    mean, std = (jnp.reshape(v, (*ones, -1)).astype(images.dtype) for v in (mean, std))
    return mean + std * noise


def permuted_targets(targets: ArrayLike, permutation: ArrayLike) -> jax.Array:
    """Distributions of labels in which every class is called by another one's name.

    Args:
      targets: p(y|x), shape ``[num_samples, num_classes]``.
      permutation: New number of every class, ``[num_classes]``.

    Returns:
      The distributions, of the same shape.

    Raises:
      ValueError: If the permutation is none of the classes.
      TypeError: If it holds no integers.

    Example:
      >>> print(permuted_targets(jnp.eye(3)[:1], jnp.array([2, 0, 1])))
      [[0. 0. 1.]]
    """
    targets = checks.jax_array("targets", targets)
    checks.shape("targets", targets, ("num_samples", "num_classes"))
    permutation = checks.integers("permutation", permutation)
    num_classes = targets.shape[1]
    why = "to match targets"
    checks.shape("permutation", permutation, (num_classes,), why=why)
    checks.indices("permutation", permutation, num_classes)
    if not checks.is_traced(permutation) and len(set(permutation.tolist())) < len(
        permutation
    ):
        raise ValueError(
            f"permutation must name each class once, got {permutation.tolist()}"
        )
    return targets[:, jnp.argsort(permutation)]


def _images(name: str, value: ArrayLike) -> jax.Array:
    found = _floats(name, value)
    axes = ("num_images", "height", "width")
    return checks.shape(name, found, axes, (*axes, "channels"))


def _floats(name: str, value: ArrayLike) -> jax.Array:
    found = checks.jax_array(name, value)
    return found if jnp.issubdtype(found.dtype, jnp.floating) else found.astype(float)
