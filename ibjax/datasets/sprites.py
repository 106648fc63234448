r"""Sprites: small images of one shape each, drawn from factors that are known.

A factor is one of a few values: of the shape, its scale, its orientation, and where its
centre is across and down. All are independent, and no two combinations of them give one
image: no shape is its own image when turned, so that the orientation is in the image,
which of a square's, say, only a quarter is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["FACTORS", "SHAPES", "Sprites", "sprite_images", "sprites"]

FACTORS = ("shape", "scale", "orientation", "x", "y")
"""Names of the factors."""

SHAPES = ("triangle", "half disc", "ell")
"""Shapes, in the order of their numbers."""

_NUM_VALUES = (3, 3, 8, 8, 8)
# Radii in units of the image's side.
_SMALLEST, _LARGEST = 0.14, 0.25


class Sprites(NamedTuple):
    """Images of sprites, and what they were drawn from.

    Attributes:
      task: The images, ``[num_samples, size * size]`` from 0 to 1, with nothing to
        predict.
      factors: Number of the value of every factor, ``[num_samples, 5]``, int32, in the
        order of :data:`FACTORS`.
      num_values: Number of values of every factor.
    """

    task: Task
    factors: jax.Array
    num_values: tuple[int, ...]


def sprites(
    key: jax.Array | None = None,
    num_samples: int | None = None,
    *,
    num_values: Sequence[int] = _NUM_VALUES,
    size: int = 16,
) -> Sprites:
    """All sprites there are, or a sample of them.

    Args:
      key: Draws the sample; None for all combinations, the last factor fastest.
      num_samples: Images to draw, with replacement; None for all combinations.
      num_values: Number of values of every factor, in the order of :data:`FACTORS`;
        three shapes at most. Scales are a radius from 0.14 to 0.25 of the side,
        orientations parts of a full turn, and centres such that every shape is inside.
      size: Pixels along a side, at least 8.

    Returns:
      The images and their factors. A task is trained on 80 % of them by default.

    Raises:
      ValueError: If a number is out of range, or only one of ``key`` and
        ``num_samples`` is given.
      TypeError: If ``key`` is no typed key.

    Example:
      >>> whole = sprites(num_values=(3, 1, 4, 2, 2))
      >>> print(whole.task.x.shape, whole.factors[-1])
      (48, 256) [2 0 3 1 1]
    """
    num_values = _check_values(num_values)
    if (key is None) != (num_samples is None):
        raise ValueError(
            "key and num_samples must be given together, for a sample, or not at all"
        )
    if key is None:
        axes = np.meshgrid(*map(np.arange, num_values), indexing="ij")
        factors = jnp.asarray(np.stack(axes, axis=-1).reshape(-1, 5), jnp.int32)
    else:
        checks.key("key", key)
        checks.count("num_samples", num_samples)
        shape = num_samples, len(num_values)
        limits = jnp.asarray(num_values, jnp.int32)[None]
        factors = jax.random.randint(key, shape, 0, limits)
    images = sprite_images(factors, num_values=num_values, size=size)
    task = make_task(images.reshape(len(images), -1), name="sprites")
    return Sprites(task, factors, num_values)


def sprite_images(
    factors: ArrayLike, *, num_values: Sequence[int] = _NUM_VALUES, size: int = 16
) -> jax.Array:
    """Images of given factors.

    A pixel is as bright as the shape covers of it, to within a few per cent at an edge.

    Args:
      factors: Number of the value of every factor, ``[num_samples, 5]``, integers.
      num_values: See :func:`sprites`.
      size: Pixels along a side, at least 8.

    Returns:
      Images, shape ``[num_samples, size, size]``, float32 from 0 to 1.

    Raises:
      ValueError: If the shape is another one, a number is out of range, or, outside of
        ``jit``, a factor is.
      TypeError: If factors are no integers.

    Example:
      >>> image = sprite_images(jnp.array([[0, 2, 0, 4, 4]]))[0]
      >>> for row in image[4:12, 4:13]:
      ...     print("".join("-.:#"[int(3 * pixel)] for pixel in row))
      ---------
      --.------
      --::.----
      --:##:.--
      --:####:.
      --:###.--
      --:#.----
      --.------
    """
    num_values = _check_values(num_values)
    checks.count("size", size, 8)
    factors = checks.integers("factors", factors)
    checks.shape("factors", factors, ("num_samples", len(num_values)))
    for place, (name, number) in enumerate(zip(FACTORS, num_values, strict=True)):
        checks.indices(f"factors[:, {place}], {name},", factors[:, place], number)
    return _images(jnp.asarray(factors), num_values, size)


def _check_values(num_values: Sequence[int]) -> tuple[int, ...]:
    num_values = checks.counts(
        "num_values", num_values, fewest=len(FACTORS), most=len(FACTORS)
    )
    if num_values[0] > len(SHAPES):
        raise ValueError(
            f"num_values must have {len(SHAPES)} shapes at most, got {num_values[0]}"
        )
    return num_values


@exact_jit(static_argnames=("num_values", "size"))
def _images(factors, num_values, size):
    radii = _levels(_SMALLEST, _LARGEST, num_values[1]) * size
    angles = 2 * np.pi * np.arange(num_values[2]) / num_values[2]
    margin = _LARGEST * size
    across, down = (_levels(margin, size - margin, num) for num in num_values[3:])
    pixels = jnp.arange(size) + 0.5

    def image(row):
        shape, scale, orientation, x, y = row
        radius = jnp.asarray(radii, jnp.float32)[scale]
        angle = jnp.asarray(angles, jnp.float32)[orientation]
        u = (pixels - jnp.asarray(across, jnp.float32)[x])[None, :] / radius
        v = (pixels - jnp.asarray(down, jnp.float32)[y])[:, None] / radius
        u, v = jnp.broadcast_arrays(u, v)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        outside = jax.lax.switch(
            shape, _DISTANCES, cos * u + sin * v, cos * v - sin * u
        )
        return jnp.clip(0.5 - outside * radius, 0.0, 1.0)

    return jax.vmap(image)(factors)


def _levels(low: float, high: float, num: int) -> np.ndarray:
    """Values from low to high; of one alone the one in the middle."""
    return np.linspace(low, high, num) if num > 1 else np.array([(low + high) / 2])


def _triangle(u, v):
    """Distance from a narrow triangle that points to the right, below zero inside."""
    side = (0.6 * abs(v) + 0.3 * (u - 1.0)) / np.hypot(0.6, 0.3)
    return jnp.maximum(side, -0.6 - u)


def _half_disc(u, v):
    """Distance from the right half of a disc."""
    u = u + 0.4
    return jnp.maximum(jnp.hypot(u, v) - 0.9, -u)


def _ell(u, v):
    """Distance from an L, of two bars."""
    return jnp.minimum(_bar(u + 0.35, v, 0.25, 0.8), _bar(u, v - 0.55, 0.6, 0.25))


def _bar(u, v, half_width, half_height):
    return jnp.maximum(abs(u) - half_width, abs(v) - half_height)


_DISTANCES = (_triangle, _half_disc, _ell)
