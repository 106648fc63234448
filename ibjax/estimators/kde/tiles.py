"""Sums of two Gaussian kernels over the pairs of samples that are near enough to count.

Pairs are taken over the upper triangle of square tiles of samples that are sorted along
their principal direction; both kernels come from one exponential; a product with the
class weights gives every class's sum at once; tiles too far apart are left out.

The distance of two points is taken from their product, which costs digits where they
are far from the origin. Tiles of such points are looked at first: where no pair could
be near, however the product was rounded, there is nothing to add; else distances are
taken from differences.
"""

import math

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import sum_of_parts
from ibjax.estimators.kde.units import exp2

__all__ = ["NEGLIGIBLE", "sums_over_pairs"]

NEGLIGIBLE = 2.0**-17
"""Pairs are left out when all of a sample's together cannot change its sum by more than
this part: 1e-5 bits of information, a tenth of what rounding is allowed."""

_TILE = 256
# Squares of points from which on their products are too coarse for the exponents of a
# kernel, which they give to 1/16 there.
_FAR_SQUARE = 2.0**20
# Gaps of tiles, along every coordinate, that are held at once: 16 MiB of float32.
_HELD_GAPS = 2**22
_UNIT = 2.0**-24  # Largest relative error of one operation.


def sums_over_pairs(
    near: jax.Array,
    projection: jax.Array,
    points: jax.Array,
    unit: jax.Array,
    weights: jax.Array,
) -> jax.Array:
    """Wide and narrow sums of every sample, ``[2, num_samples, width]``.

    Args:
      near: Points in the kernel's units, those far off brought near.
      projection: Their places along a direction, ``[num_samples]``.
      points: Points as they were, ``[dim, num_samples]``.
      unit: The kernel's units to one of a difference of ``points``, ``[]``.
      weights: Weight of each sample in each class, ``[num_samples, width]``.
    """
    num_samples, width = weights.shape
    chex.assert_shape([near, points], (None, num_samples))
    chex.assert_shape(projection, (num_samples,))
    order = _order_along(projection)
    tile = min(_TILE, num_samples)
    num_tiles = -(-num_samples // tile)
    # Padding repeats the last sample with weight zero, which widens no tile.
    padded = jnp.minimum(jnp.arange(num_tiles * tile), num_samples - 1)
    order = order[padded]
    is_sample = (jnp.arange(num_tiles * tile) < num_samples).astype(near.dtype)
    # A sample's numbers beside each other, as they are taken: transposed on the way, a
    # layer of many units would be held twice more.
    rows = lax.optimization_barrier(near.T[order].reshape(num_tiles, tile, -1))
    projection = projection[order].reshape(num_tiles, tile, 1)
    tile_weights = (weights[order] * is_sample[:, None]).reshape(num_tiles, tile, width)
    transposed_weights = lax.optimization_barrier(jnp.swapaxes(tile_weights, 1, 2))

    # Begun with a number of the rows, so that room for it is taken once near is gone.
    columns = lax.fori_loop(
        0,
        num_tiles,
        lambda n, columns: columns.at[n].set(rows[n].T),
        jnp.full((num_tiles, rows.shape[2], tile), rows[0, 0, 0]),
    )

    def product(i, j):
        return (2 * rows[i]) @ columns[j]

    # |a|^2 from the very products it is taken from in |a|^2 + |b|^2 - 2ab: equal points
    # are then at distance zero, to the last bit, however far they are from the mean.
    square = lax.map(lambda i: jnp.diagonal(product(i, i)), jnp.arange(num_tiles)) / 2

    def from_products(i, j):
        return product(i, j) - square[i][:, None] - square[j][None, :]

    def from_differences(i, j):
        x, y = (
            points.T[lax.dynamic_slice_in_dim(order, n * tile, tile)] for n in (i, j)
        )

        def add(k, total):
            return total - ((x[:, k][:, None] - y[:, k][None]) * unit) ** 2

        return lax.fori_loop(0, len(points), add, jnp.zeros((tile, tile), points.dtype))

    # The gap between projections sees what boxes along the axes do not: two tiles of a
    # cloud that is stretched along a diagonal.
    reach = math.log2(num_samples / NEGLIGIBLE)
    norm = jnp.sqrt(jnp.max(square, axis=1))
    far = norm**2 > _FAR_SQUARE
    coarse = (8 + math.sqrt(len(points))) * _UNIT
    sizes = jnp.max(jnp.abs(rows), axis=1).T
    gap = jnp.maximum(
        _box_gap(rows, jnp.where(far, 4 * _UNIT * sizes, 0.0)),
        _box_gap(projection, jnp.where(far, 4 * coarse * norm, 0.0)[None]),
    )
    chosen = jnp.triu(gap < reach)
    far = far[:, None] | far[None]
    nearer = chosen & (4 * gap < reach) & ~far  # The narrow kernel reaches half as far.

    def over_tiles(step, chosen, start, part=0, parts=1):
        rows, columns = jnp.nonzero(chosen, size=num_tiles * (num_tiles + 1) // 2)

        def nth(n, state):
            place = n * parts + part
            return step(rows[place], columns[place], state)

        return lax.fori_loop(0, -((part - jnp.sum(chosen)) // parts), nth, start)

    def add_pairs(sums, chosen, num_kernels, own, exponents=from_products):
        def add_pair(i, j, sums):
            kernel = exp2(exponents(i, j))
            by_row, by_column = sums
            for number in range(num_kernels):
                # By two squarings: a second exponential would cost more.
                if number == 1:
                    kernel = (kernel * kernel) * (kernel * kernel)
                row = kernel @ tile_weights[j]
                column = transposed_weights[i] @ kernel
                by_row = by_row.at[number, i].add(row)
                # On the diagonal the rows have had all pairs already.
                by_column = by_column.at[number, j].add(jnp.where(i == j, 0.0, column))
            return by_row, by_column

        return over_tiles(add_pair, chosen, sums, *own)

    def look(i, j, doubtful):
        error = 4 * coarse * (square[i][:, None] + square[j][None])
        itself = (i == j) & jnp.eye(tile, dtype=bool)
        could_count = (from_products(i, j) + error > -reach) & ~itself
        return doubtful.at[i, j].set(jnp.any(could_count))

    doubtful = over_tiles(look, chosen & far, jnp.zeros_like(far))
    alone = jnp.diagonal(chosen & far & ~doubtful)
    by_row = jnp.where(alone[None, :, None, None], tile_weights[None], 0.0)
    by_row = jnp.broadcast_to(by_row, (2, *tile_weights.shape))

    def summed(*own):
        part, _ = own
        start = jnp.where(part == 0, by_row, 0.0)
        sums = start, jnp.zeros_like(jnp.swapaxes(by_row, 2, 3))
        # Several loops, because a choice inside of one would copy every tile.
        sums = add_pairs(sums, nearer, 2, own)
        sums = add_pairs(sums, chosen & ~nearer & ~far, 1, own)
        return add_pairs(sums, doubtful, 2, own, exponents=from_differences)

    by_row, by_column = sum_of_parts(summed)
    sums = by_row + jnp.swapaxes(by_column, 2, 3)
    sums = sums.reshape(2, num_tiles * tile, width)[:, :num_samples]
    return jnp.zeros_like(sums).at[:, order[:num_samples]].set(sums)


def _order_along(projection: jax.Array) -> jax.Array:
    """Sort samples by their projection.

    One word holds a sample's place in its upper bits and the sample's number in the
    lower ones, because sorting words is several times faster than sorting pairs.
    """
    num_samples = len(projection)
    low, high = jnp.min(projection), jnp.max(projection)
    place = (projection - low) / jnp.where(high > low, high - low, 1.0)
    number_bits = max(1, (num_samples - 1).bit_length())
    levels = 2 ** min(32 - number_bits, 24) - 1
    words = (place * levels).astype(jnp.uint32) << number_bits
    words = jnp.sort(words | jnp.arange(num_samples, dtype=jnp.uint32))
    order = words & jnp.uint32(2**number_bits - 1)
    return order.astype(jnp.int32)


def _box_gap(points: jax.Array, margin: jax.Array) -> jax.Array:
    """Squared distance between tiles' bounding boxes, ``[num_tiles, num_tiles]``.

    Of points ``[num_tiles, tile, dim]``; boxes are wider by ``margin [dim, num_tiles]``
    than they say.
    """
    low, high = jnp.min(points, axis=1).T - margin, jnp.max(points, axis=1).T + margin

    def from_all(corners):
        own_low, own_high = corners
        gap = jnp.maximum(own_low[:, None] - high, low - own_high[:, None])
        return jnp.sum(jnp.maximum(gap, 0.0) ** 2, axis=0)

    at_once = max(1, _HELD_GAPS // low.size)
    return lax.map(from_all, (low.T, high.T), batch_size=at_once)
