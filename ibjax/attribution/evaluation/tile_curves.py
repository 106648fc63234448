"""Degradation: how fast the probability of a class falls as tiles are replaced."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution import loops
from ibjax.attribution.evaluation.tiles import check_maps, tile_numbers, tile_sums
from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["Degradation", "degradation"]


class Degradation(NamedTuple):
    """Probability of the target as more and more tiles are replaced.

    Attributes:
      fractions: Part of the tiles that is replaced, from 0 to 1, ``[num_points]``.
      most_relevant_first: Probabilities, the tiles with the highest mean heat replaced
        first (MoRF), ``[num, num_points]``.
      least_relevant_first: The same in reverse order (LeRF).
      normalized_most: Mean of the former over images, less its end, in units of how far
        the mean probability of the top class lies above that end, ``[num_points]``.
      normalized_least: The same of the latter.
      scores: Area between the two curves of each image, in the same units, ``[num]``:
        zero for maps that know nothing, higher is better.
      score: Mean of the scores, ``[]``.
    """

    fractions: jax.Array
    most_relevant_first: jax.Array
    least_relevant_first: jax.Array
    normalized_most: jax.Array
    normalized_least: jax.Array
    scores: jax.Array
    score: jax.Array


def degradation(
    key: jax.Array,
    model: Callable,
    params: Any,
    x: ArrayLike,
    heatmaps: ArrayLike,
    targets: ArrayLike,
    *,
    tile: int,
    baselines: ArrayLike | None = None,
    num_points: int | None = None,
    batch_size: int | None = 32,
) -> Degradation:
    """Degrade images tile by tile, in the order of their heat and in reverse.

    Both the image as it is and the one with all tiles replaced are among the points.
    The probability is the softmax's; the top class's own curve is that of targets
    ``jnp.argmax(model(params, x), axis=1)``.

    Args:
      key: A typed key, which decides the order of tiles of equal heat.
      model: ``model(params, x) -> [num, num_classes]``, logits.
      params: Its parameters.
      x: Images, ``[num, height, width, ...]``.
      heatmaps: Relevance of every pixel, ``[num, height, width]``; only its order
        matters.
      targets: Classes, ``[num]`` or one.
      tile: Height and width of a tile, in pixels. The last of a row or column take in
        the pixels that are left.
      baselines: What replaces tiles: one number, an image, or one for each; None for
        the mean colour of each image.
      num_points: Points of the curves, evenly spaced; None for one after every tile,
        but at most 101.
      batch_size: Images at a time; None for all at once.

    Returns:
      Curves and scores. Normalised ones are NaN or infinite if degrading does not
      change the mean probability.

    Raises:
      ValueError: If shapes do not match, a map is not finite, or a number is out of
        range.

    References:
      Samek et al., `Evaluating the visualization of what a deep neural network has
      learned`, 2017. Schulz et al., `Restricting the flow`, ICLR 2020, section 4.4.

    Example:
      >>> def model(params, x):
      ...     return jnp.stack([jnp.sum(x, axis=(1, 2)), jnp.zeros(len(x))], axis=1)
      >>> x = jnp.array([[[4.0, 2.0, 0.0]]])
      >>> found = degradation(
      ...     jax.random.key(0), model, None, x, x, 0, tile=1, baselines=-1.0
      ... )
      >>> print([f"{p:.2f}" for p in found.most_relevant_first[0]])
      ['1.00', '0.73', '0.12', '0.05']
    """
    checks.key("key", key)
    x, heatmaps, targets = check_maps(model, params, x, heatmaps, targets)
    if batch_size is not None:
        checks.count("batch_size", batch_size)
    if baselines is None:
        baselines = _mean_colours(x)
    else:
        baselines = loops.check_baselines(baselines, x)
    numbers = tile_numbers(x.shape[1:3], tile)
    num_tiles = int(numbers.max()) + 1
    if num_points is None:
        num_points = min(num_tiles + 1, 101)
    checks.whole("num_points", num_points, f"[2, {num_tiles + 1}]")
    counts = np.round(np.linspace(0, num_tiles, num_points)).astype(np.int32)
    ranks = _ranks(key, heatmaps, numbers, num_tiles)

    def degrade(x, baselines, targets, ranks):
        def step(_, number):
            return None, _probabilities(
                model, params, x, baselines, targets, ranks, counts, number
            )

        return (yield from loops.stepwise(step, None, num_points, axis=1))[1]

    most, least, top = loops.in_batches(
        degrade, batch_size, x, baselines, targets, ranks
    )
    return _degradation(
        (counts / num_tiles).astype(loops.sum_dtype(x)), most, least, top
    )


@partial(jax.jit, static_argnames="num_tiles")
def _ranks(key, heatmaps, numbers, num_tiles):
    """Rank of each pixel's tile, 0 for the highest mean heat, ``[num, h, w]``."""
    heat = _tile_means(heatmaps, numbers, num_tiles)
    # Tiles of equal heat are in random order: that of the image would favour its top.
    lots = jax.random.uniform(key, heat.shape)
    order = jnp.lexsort((lots, -heat), axis=1)
    return jnp.argsort(order, axis=1)[:, numbers]


def _tile_means(maps, numbers, num_tiles):
    """Mean of each tile, exactly that of its pixels where they are all the same."""
    # Sums of as many pixels are rounded alike, but not all tiles are as large.
    pixels = maps.reshape(len(maps), -1).T
    least = jax.ops.segment_min(pixels, numbers.reshape(-1), num_tiles).T
    sizes = tile_sums(jnp.ones_like(maps[:1]), numbers, num_tiles)
    return least + tile_sums(maps - least[:, numbers], numbers, num_tiles) / sizes


@jax.jit
def _mean_colours(x):
    return jnp.broadcast_to(jnp.mean(x, axis=(1, 2), keepdims=True), x.shape)


@exact_jit(static_argnames="model")
def _probabilities(model, params, x, baselines, targets, ranks, counts, number):
    """Of the target in both orders, and of the top class, with some tiles replaced."""
    count = counts[number]
    last = jnp.max(ranks)
    found = []
    for replaced in (ranks < count, last - ranks < count):
        mask = replaced.reshape(*replaced.shape, *[1] * (x.ndim - 3))
        degraded = jnp.where(mask, baselines, x)
        found.append(jax.nn.softmax(model(params, degraded)))
    most, least = found
    return (
        loops.target_outputs(most, targets),
        loops.target_outputs(least, targets),
        jnp.max(most, axis=1),
    )


@jax.jit
def _degradation(fractions, most, least, top):
    end = jnp.mean(most[:, -1])
    unit = jnp.mean(top[:, 0]) - end
    gap = least - most
    areas = (gap[:, 1:] + gap[:, :-1]) / 2 * jnp.diff(fractions)[None]
    scores = jnp.sum(areas, axis=1) / unit
    return Degradation(
        fractions,
        most,
        least,
        (jnp.mean(most, axis=0) - end) / unit,
        (jnp.mean(least, axis=0) - end) / unit,
        scores,
        jnp.mean(scores),
    )
