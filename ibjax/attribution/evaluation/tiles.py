"""Square tiles of an image, which are replaced as a whole."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.estimators.samples import at_least_float32
from ibjax.numerics import checks

__all__ = ["check_maps", "tile_numbers", "tile_sums"]


def tile_numbers(size: tuple[int, int], tile: int) -> np.ndarray:
    """Number of each pixel's tile, row by row, ``[height, width]``.

    The last tiles of a row or column take in the pixels that fill none.

    Example:
      >>> print(tile_numbers((2, 5), 2))
      [[0 0 1 1 1]
       [0 0 1 1 1]]
    """
    checks.count("tile", tile)
    if tile > min(size):
        raise ValueError(f"tile must be at most the image, {size}, got {tile}")
    rows, columns = (np.minimum(np.arange(n) // tile, n // tile - 1) for n in size)
    return (columns[None, :] + rows[:, None] * (columns[-1] + 1)).astype(np.int32)


def tile_sums(maps: jax.Array, numbers: jax.Array, num_tiles: int) -> jax.Array:
    """Sum of each tile of maps ``[num, height, width]``, ``[num, num_tiles]``."""
    pixels = maps.reshape(len(maps), -1).T
    return jax.ops.segment_sum(pixels, numbers.reshape(-1), num_tiles).T


def check_maps(
    model: Callable, params: Any, x: ArrayLike, heatmaps: ArrayLike, targets: ArrayLike
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Check images, a map for each, and targets."""
    x, targets = loops.check_model(model, params, x, targets)
    checks.shape(
        "x", x, ("num", "height", "width"), ("num", "height", "width", "*axes")
    )
    heatmaps = checks.floating("heatmaps", checks.finite("heatmaps", heatmaps))
    checks.shape("heatmaps", heatmaps, x.shape[:3], why="to match x")
    # Of images of half precision, too, the order of their heat is all there is.
    return x, at_least_float32(jnp.asarray(heatmaps)), targets
