"""Localisation: how much of the heat lies on the object."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["bounding_box_ratio"]


def bounding_box_ratio(heatmap: ArrayLike, mask: ArrayLike) -> jax.Array:
    """Part of the n hottest pixels that lie in a box of n pixels.

    Of pixels that share the lowest heat among the n hottest, each counts for an equal
    part, as if they were drawn by lot: a constant map has the box's part of the image.
    Usually only images are averaged whose box covers at most a third.

    Args:
      heatmap: Relevance of every pixel, ``[..., height, width]``.
      mask: Whether a pixel is in the box, bool, of the same shape.

    Returns:
      Ratio in [0, 1], ``[...]``; NaN where a map has NaN or a mask no pixel.

    Raises:
      ValueError: If the shapes differ or have no height and width.
      TypeError: If the mask is not of bool.

    References:
      Schulz et al., `Restricting the flow`, ICLR 2020, section 4.5.

    Example:
      >>> mask = jnp.array([[True, True, False, False]])
      >>> heat = jnp.array([[3.0, 1.0, 1.0, 0.0]])
      >>> print(bounding_box_ratio(heat, mask))  # The first, and half of a tie.
      0.75
    """
    heatmap = checks.floats("heatmap", heatmap)
    mask = jnp.asarray(checks.booleans("mask", mask))
    checks.same_shape(heatmap=heatmap, mask=mask)
    if heatmap.ndim < 2:
        raise ValueError(
            f"heatmap must have shape [..., height, width], got {heatmap.shape}"
        )
    return _ratio(heatmap, mask)


@jax.jit
def _ratio(heatmap, mask):
    shape = heatmap.shape[:-2]
    heat, inside = (t.reshape(*shape, -1) for t in (heatmap, mask))
    size = jnp.sum(inside, axis=-1, keepdims=True)
    descending = jnp.flip(jnp.sort(heat, axis=-1), axis=-1)
    lowest = jnp.take_along_axis(descending, jnp.maximum(size - 1, 0), axis=-1)

    def count(pixels):
        return jnp.sum(pixels, axis=-1, keepdims=True)

    above, tied = heat > lowest, heat == lowest
    left = size - count(above)
    # A share: the product of two counts of a large map is no 32-bit number.
    share = count(tied & inside) / jnp.maximum(count(tied), 1)
    found = count(above & inside) + left * share
    defined = (size > 0) & ~jnp.any(jnp.isnan(heat), axis=-1, keepdims=True)
    return jnp.where(defined, found / jnp.maximum(size, 1), jnp.nan)[..., 0]
