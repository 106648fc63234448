"""Samples in an order in which neighbours come together, in blocks and chunks."""

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

__all__ = ["Arrangement", "arrange", "block_sizes"]

# Samples per block, in few coordinates and in many: small enough to be passed over
# where that is likely, else longer loops. And samples per chunk.
_BLOCK = {True: 320, False: 1280}
_CHUNK = 8
_FEW_COORDINATES = 5
# So few samples all meet: passing over some would cost more than it saves.
_ONE_BLOCK = 640
# Differences that one compiled loop takes at most, which is what compiling it costs.
_LONGEST_LOOP = 256
# Parts into which one sort divides a group of samples.
_SPLIT = 4


class Arrangement(NamedTuple):
    """Samples of several spaces in an order in which neighbours come together.

    Attributes:
      points: Coordinates of all spaces one after the other, ``[dim, num_padded]``; the
        padding is infinitely far away.
      order: Number of the sample at each place, ``[num_padded]``; padding has
        ``num_samples``.
      low: Lower corners of the chunks' bounding boxes, ``[dim, num_chunks]``.
      high: Upper corners.
      samples: Coordinates of the samples as they came, ``[dim, num_samples]``.
    """

    points: jax.Array
    order: jax.Array
    low: jax.Array
    high: jax.Array
    samples: jax.Array


def block_sizes(num_samples: int, dim: int) -> tuple[int, int, int]:
    """Number of blocks, a power of two, and samples per block and per chunk."""
    few = dim <= _FEW_COORDINATES
    num_blocks = 2 ** max(0, round(math.log2(num_samples / _BLOCK[few])))
    if num_samples <= _ONE_BLOCK:
        num_blocks = 1
    chunk = min(_CHUNK, 2 ** (max(1, _LONGEST_LOOP // dim).bit_length() - 1))
    block = -(-num_samples // (num_blocks * chunk)) * chunk
    return num_blocks, block, chunk


def arrange(spaces: tuple[jax.Array, ...]) -> Arrangement:
    """Samples in an order in which neighbours come together, padded to whole blocks.

    Coordinates in each space are finite, ``[dim, num_samples]``. Groups of samples are
    divided again and again along the coordinate in which they spread most. The order
    decides how many pairs can be passed over, never the result.
    """
    chex.assert_equal_shape_suffix(spaces, 1)
    samples = jnp.concatenate(spaces)
    dim, num_samples = samples.shape
    num_blocks, block, chunk = block_sizes(num_samples, dim)
    padding = num_blocks * block - num_samples
    points = jnp.pad(samples, ((0, 0), (0, padding)), constant_values=jnp.inf)
    order = jnp.arange(num_blocks * block, dtype=jnp.int32)
    groups, splits = 1, []
    while groups < num_blocks:
        splits.append(min(_SPLIT, num_blocks // groups))
        groups *= splits[-1]
    groups = 1
    for split in splits:
        place = _along_widest(points.reshape(dim, groups, -1))
        local = _order_along(place) + (
            jnp.arange(groups, dtype=jnp.int32)[:, None] * place.shape[1]
        )
        local = local.reshape(-1)
        points, order = points[:, local], order[local]
        groups *= split
    order = jnp.minimum(order, num_samples)
    chunks = points.reshape(dim, -1, chunk)
    low, high = jnp.min(chunks, axis=2), jnp.max(chunks, axis=2)
    return Arrangement(points, order, low, high, samples)


def _along_widest(points: jax.Array) -> jax.Array:
    """Coordinate along which each group spreads most, scaled to [0, 1].

    ``[dim, num_groups, group_size]`` to ``[num_groups, group_size]``, both infinite
    where there is no sample.
    """
    chex.assert_rank(points, 3)
    low = jnp.min(points, axis=2, keepdims=True)
    high = jnp.max(jnp.where(points < jnp.inf, points, low), axis=2, keepdims=True)
    spread = high - low
    # A group of padding has no spread.
    widest = jnp.argmax(jnp.where(spread < jnp.inf, spread, -1.0), axis=0)[None]

    def take(values):
        return jnp.take_along_axis(values, widest, axis=0)[0]

    spread = take(spread)
    return (take(points) - take(low)) / jnp.where(spread > 0, spread, 1.0)


def _order_along(place: jax.Array) -> jax.Array:
    """Order of each row of numbers in [0, 1], padding last, ``[groups, size]``.

    One word holds a place in its upper bits and a number in the lower ones, because
    sorting words is several times faster than sorting pairs.
    """
    size = place.shape[1]
    bits = max(1, (size - 1).bit_length())
    levels = 2 ** min(32 - bits, 24) - 1
    word = (jnp.minimum(place, 1.0).astype(jnp.float32) * (levels - 1)).astype(
        jnp.uint32
    )
    word = jnp.where(place <= 1.0, word, levels).astype(jnp.uint32) << bits
    word = jnp.sort(word | jnp.arange(size, dtype=jnp.uint32)[None], axis=1)
    return (word & jnp.uint32(2**bits - 1)).astype(jnp.int32)
