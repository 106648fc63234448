r"""Distances to the nearest neighbours and counts within a radius, for many samples.

A nearest-neighbour estimator asks two things of every sample: how far away its k-th
nearest neighbour is, and how many samples lie closer than that in some of the
coordinates. Both are answered here exactly, from plain differences of coordinates,
which lose nothing however far the samples are from the origin.

Samples are a vector's lanes: a block of them meets a chunk of others, a few at a time,
in two fused loops, one over their distances and one that keeps each sample's k
smallest. Samples are put in an order in which neighbours come together, so that a block
can pass over the chunks whose bounding box is too far away to matter. Along one
coordinate many samples need no pairs: they are sorted, and two binary searches count.
No matrix of pairs is held.

**Separation.** Distances are only ever compared, so they are kept as *separations*: the
distance itself for the Chebyshev norm, its square for the Euclidean one. Spaces have
a norm each, and the separation in several of them together is the largest.

**Ties.** Differences and largest differences are computed without any freedom, so a
Chebyshev distance is the same number wherever it is needed, and "closer than the k-th
neighbour" excludes that neighbour. A sum of squares may round differently from one
compiled loop to the next; there, separations that agree to a few units in the last
place count as equal.
"""

from functools import partial

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import by_platform, map_blocks
from ibjax.estimators.knn.all_pairs import all_counts, all_nearest, all_rectangles
from ibjax.estimators.knn.arrangement import Arrangement, arrange, block_sizes
from ibjax.estimators.knn.line import count_on_line
from ibjax.estimators.knn.separations import (
    METRICS,
    below,
    larger,
    largest,
    separations,
    smaller,
    tied,
)

__all__ = [
    "METRICS",
    "Arrangement",
    "arrange",
    "count_within",
    "nearest_separations",
    "rectangle",
]

# Up to this number of samples comparing those nearby is faster than binary searches.
_FEW_ON_LINE = 10_000
# From this number of blocks on a block looks at the boxes of blocks first, and then at
# those of the chunks in the ones that are near.
_MANY_BLOCKS = 512
# Above this number of neighbours a sort of the chunk is cheaper than comparisons.
_FEW_NEIGHBOURS = 8
# Separations that one compiled loop compares with the smallest ones, where those are
# very few. More, or as many of more, and the compiler gives vectors up.
_INSERTED = 8
_VERY_FEW_NEIGHBOURS = 5


def _box(points):
    """Corners of the bounding box of a block, without padding, each ``[dim]``."""
    low = jnp.min(points, axis=1)
    high = jnp.max(jnp.where(points < jnp.inf, points, -jnp.inf), axis=1)
    return low, high


def _box_separations(arrangement, rows, dims, metric):
    """Least and greatest separation of a block and every chunk, ``[num_chunks]``."""
    low, high = _box(rows)
    gap = jnp.maximum(
        jnp.maximum(arrangement.low - high[:, None], low[:, None] - arrangement.high),
        0.0,
    )
    reach = jnp.maximum(
        arrangement.high - low[:, None], high[:, None] - arrangement.low
    )
    zero = [jnp.zeros((), gap.dtype)] * len(gap)
    nearest = largest(separations(list(gap), zero, dims, metric))
    farthest = largest(separations(list(reach), zero, dims, metric))
    return below(nearest, metric), tied(farthest, metric)


def _columns(points, start, count):
    """Coordinates of consecutive samples as scalars: a list per sample."""
    part = lax.dynamic_slice_in_dim(points, start, count, axis=1)
    return [[part[a, q] for a in range(len(part))] for q in range(count)]


def _insert(smallest, value):
    """Keep the smallest values, in order, of those and one more."""
    kept = []
    for other in smallest[:-1]:
        kept.append(smaller(value, other))
        value = larger(value, other)
    return (*kept, smaller(value, smallest[-1]))


def _over_chunks(visit, state, chosen):
    """Fold ``visit(chunk, state)`` over the chunks chosen, ``[num_chunks]``."""
    num_chunks = len(chosen)
    place = jnp.cumsum(chosen)
    chunks = jnp.zeros(num_chunks, jnp.int32)
    chunks = chunks.at[jnp.where(chosen, place - 1, num_chunks)].set(
        jnp.arange(num_chunks, dtype=jnp.int32), mode="drop"
    )
    return lax.fori_loop(0, place[-1], lambda n, state: visit(chunks[n], state), state)


def _over_near_chunks(visit, choose, state, arrangement, rows, dims, metric):
    """Fold ``visit(chunk, state)`` over the chunks that a block of samples is near.

    Args:
      visit: Takes a chunk's number.
      choose: ``choose(numbers, gap, reach, state) -> (chosen, state)``, which boxes to
        go into, from the numbers of their chunks ``[num_boxes, per_box]`` and their
        least and greatest separations ``[num_boxes]``.
      state: Where the fold starts.
      arrangement: The arrangement.
      rows: Samples of the block, ``[dim, block]``.
      dims: Coordinates of each space.
      metric: Norm inside each space.
    """
    num_chunks = arrangement.low.shape[1]
    num_blocks = arrangement.points.shape[1] // rows.shape[1]
    per_block = num_chunks // num_blocks

    def near(arrangement, numbers, state):
        boxes = _box_separations(arrangement, rows, dims, metric)
        return choose(numbers, *boxes, state)

    numbers = jnp.arange(num_chunks)
    if num_blocks < _MANY_BLOCKS or per_block == 1:
        chosen, state = near(arrangement, numbers[:, None], state)
        return _over_chunks(visit, state, chosen)

    def visit_block(b, state):
        first = b * per_block
        low, high = (
            lax.dynamic_slice_in_dim(corner, first, per_block, axis=1)
            for corner in (arrangement.low, arrangement.high)
        )
        inner = arrangement._replace(low=low, high=high)
        chosen, state = near(inner, first + jnp.arange(per_block)[:, None], state)
        return _over_chunks(lambda c, state: visit(first + c, state), state, chosen)

    coarse = _merge_chunks(arrangement, per_block)
    chosen, state = near(coarse, numbers.reshape(num_blocks, per_block), state)
    return _over_chunks(visit_block, state, chosen)


def nearest_separations(
    arrangement: Arrangement,
    num_samples: int,
    *,
    dims: tuple[int, ...],
    metric: str,
    k: int,
) -> jax.Array:
    """Separations of every sample's k nearest neighbours, itself excluded.

    In increasing order, ``[k, num_samples]``. There are more samples than ``k``; the
    ``metric`` is the norm inside each space, whose coordinates are ``dims``.

    Derivatives hold all pairs. Counts have none: what is counted changes in steps.
    """
    chex.assert_shape(arrangement.samples, (sum(dims), num_samples))
    return _nearest(arrangement, dims, metric, k)


@partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _nearest(arrangement, dims, metric, k):
    return by_platform(
        arrangement,
        cpu=partial(_nearest_by_blocks, dims=dims, metric=metric, k=k),
        default=lambda arrangement: all_nearest(
            arrangement.samples, dims=dims, metric=metric, k=k
        ),
    )


@_nearest.defjvp
def _nearest_jvp(dims, metric, k, primals, tangents):
    # Blocks are filled up with points at infinity, whose differences are NaN.
    samples, change = primals[0].samples, tangents[0].samples
    nearest = partial(all_nearest, dims=dims, metric=metric, k=k)
    return jax.jvp(nearest, [samples], [change])


def _nearest_by_blocks(arrangement, *, dims, metric, k):
    """Separations of the k nearest neighbours, block by block, ``[k, num_samples]``."""
    num_samples = arrangement.samples.shape[1]
    points = arrangement.points
    dim, num_padded = points.shape
    num_blocks, block, chunk = block_sizes(num_samples, dim)
    few = k <= _FEW_NEIGHBOURS
    if not few:  # A sort costs less for the number the larger it is.
        arrangement = _merge_chunks(arrangement, block // chunk)
        chunk = block

    def meet(rows, column, place, number):
        separation = largest(separations(rows, column, dims, metric))
        if place is None:
            return separation
        # No sample is its own neighbour.
        return jnp.where(place == number, jnp.inf, separation)

    def visit(rows, place, start, smallest):
        """Keep the k smallest separations, of those and of a chunk's samples."""
        chex.assert_shape(smallest, (k, block))
        if not few:
            column = lax.dynamic_slice_in_dim(points, start, chunk, axis=1)[:, :, None]
            number = start + jnp.arange(chunk, dtype=jnp.int32)[:, None]
            new = meet(rows, column, place, number)
            values = jnp.concatenate([smallest, new])
            return -lax.top_k(-values.T, k)[0].T
        columns = _columns(points, start, chunk)
        new = [meet(rows, column, place, start + q) for q, column in enumerate(columns)]
        # Without barriers all would be computed anew for each of the k numbers.
        if k > 1:
            new = lax.optimization_barrier(jnp.stack(new))
        at_once = _INSERTED if k <= _VERY_FEW_NEIGHBOURS else _INSERTED // 2
        for first in range(0, chunk, at_once):
            kept = tuple(smallest)
            for separation in new[first : first + at_once]:
                kept = _insert(kept, separation)
            smallest = lax.optimization_barrier(jnp.stack(kept))
        return smallest

    def one_block(b):
        start = b * block
        block_points = lax.dynamic_slice(points, (0, start), (dim, block))
        rows, place = list(block_points), start + jnp.arange(block)
        if not few:
            rows, place = [row[None] for row in rows], place[None]
        # The block itself first: its neighbours bound the distance of what to visit.
        smallest = lax.fori_loop(
            0,
            block // chunk,
            lambda n, smallest: visit(rows, place, start + n * chunk, smallest),
            jnp.full((k, block), jnp.inf, points.dtype),
        )
        if num_blocks == 1:
            return smallest

        is_sample = block_points[0] < jnp.inf
        bound = jnp.max(jnp.where(is_sample, smallest[-1], 0.0))

        def others(chunks, gap, reach, smallest):
            return (chunks[:, 0] // (block // chunk) != b) & (gap <= bound), smallest

        return _over_near_chunks(
            lambda c, smallest: visit(rows, None, c * chunk, smallest),
            others,
            smallest,
            arrangement,
            block_points,
            dims,
            metric,
        )

    smallest = map_blocks(one_block, jnp.arange(num_blocks))
    smallest = jnp.moveaxis(smallest, 0, 1).reshape(k, num_padded)
    return _restore(arrangement, smallest, num_samples)


def _merge_chunks(arrangement, number):
    """Samples as before, in chunks of so many of the present ones."""
    low, high = (
        corner.reshape(len(corner), -1, number)
        for corner in (arrangement.low, arrangement.high)
    )
    return arrangement._replace(low=jnp.min(low, axis=2), high=jnp.max(high, axis=2))


def _restore(arrangement, values, num_samples):
    """Values in the order of the samples, ``[..., num_samples]``."""
    chex.assert_equal_shape_suffix([values, arrangement.order], 1)
    restored = jnp.zeros((*values.shape[:-1], num_samples), values.dtype)
    return restored.at[..., arrangement.order].set(values, mode="drop")


def _by_block(arrangement, values, num_blocks):
    """Values of the samples in the order of the blocks, zero for padding."""
    return jnp.pad(values, (0, 1))[arrangement.order].reshape(num_blocks, -1)


def rectangle(
    arrangement: Arrangement,
    radius: jax.Array,
    *,
    dims: tuple[int, ...],
    metric: str,
) -> jax.Array:
    """Largest separation in each space among the samples within a radius of each.

    ``[num_spaces, num_samples]``. A sample's neighbours are those up to its ``radius
    [num_samples]``, inclusive.
    """
    chex.assert_shape(arrangement.samples, (sum(dims), *radius.shape))
    radius = tied(radius, metric)
    return by_platform(
        arrangement,
        radius,
        cpu=partial(_rectangle_by_blocks, dims=dims, metric=metric),
        default=lambda arrangement, radius: all_rectangles(
            arrangement.samples, radius, dims=dims, metric=metric
        ),
    )


def _rectangle_by_blocks(arrangement, radius, *, dims, metric):
    """Largest separation in each space, block by block, ``[num_spaces, samples]``."""
    num_samples = len(radius)
    points = arrangement.points
    dim, num_padded = points.shape
    num_blocks, block, chunk = block_sizes(num_samples, dim)

    def one_block(args):
        b, radius = args
        block_points = lax.dynamic_slice(points, (0, b * block), (dim, block))
        rows = list(block_points)

        def visit(c, sides):
            for column in _columns(points, c * chunk, chunk):
                found = separations(rows, column, dims, metric)
                inside = largest(found) <= radius
                sides = tuple(
                    larger(side, jnp.where(inside, separation, 0.0))
                    for side, separation in zip(sides, found, strict=True)
                )
            return sides

        sides = (jnp.zeros((block,), points.dtype),) * len(dims)
        if num_blocks == 1:
            sides = lax.fori_loop(0, block // chunk, visit, sides)
        else:
            farthest = jnp.max(radius)
            sides = _over_near_chunks(
                visit,
                lambda chunks, gap, reach, sides: (gap <= farthest, sides),
                sides,
                arrangement,
                block_points,
                dims,
                metric,
            )
        return jnp.stack(sides)

    by_block = _by_block(arrangement, radius, num_blocks)
    sides = map_blocks(one_block, (jnp.arange(num_blocks), by_block))
    sides = jnp.moveaxis(sides, 0, 1).reshape(len(dims), num_padded)
    return _restore(arrangement, sides, num_samples)


def count_within(
    spaces: tuple[jax.Array, ...],
    radius: jax.Array,
    *,
    metric: str,
    inclusive: bool = False,
) -> jax.Array:
    """Number of samples closer to every sample than its radius, itself counted.

    int32, ``[num_samples]``, at least 1. With ``inclusive``, separations equal to the
    radius count. Coordinates in each space are finite.
    """
    for space in spaces:
        chex.assert_shape(space, (None, *radius.shape))
    radius = tied(radius, metric) if inclusive else below(radius, metric)
    on_line = len(spaces) == 1 and len(spaces[0]) == 1
    if on_line and len(radius) > _FEW_ON_LINE:
        by_cpu = count_on_line
    else:
        by_cpu = _count_pairs
    counts = by_platform(
        spaces,
        radius,
        cpu=partial(by_cpu, metric=metric, inclusive=inclusive),
        default=lambda spaces, radius: all_counts(
            jnp.concatenate(spaces),
            radius,
            dims=tuple(map(len, spaces)),
            metric=metric,
            inclusive=inclusive,
        ),
    )
    return jnp.maximum(counts, 1)


def _count_pairs(spaces, radius, *, metric, inclusive):
    num_samples = len(radius)
    dims = tuple(len(space) for space in spaces)
    arrangement = arrange(spaces)
    points = arrangement.points
    dim = len(points)
    num_blocks, block, chunk = block_sizes(num_samples, dim)
    num_in_chunk = jnp.sum(arrangement.order.reshape(-1, chunk) < num_samples, axis=1)

    def one_block(args):
        b, radius = args
        block_points = lax.dynamic_slice(points, (0, b * block), (dim, block))
        rows = list(block_points)
        is_sample = rows[0] < jnp.inf

        def visit(c, counts):
            for column in _columns(points, c * chunk, chunk):
                separation = largest(separations(rows, column, dims, metric))
                met = separation <= radius if inclusive else separation < radius
                counts = counts + met.astype(jnp.int32)
            return counts

        if num_blocks == 1:
            counts = jnp.zeros((block,), jnp.int32)
            return lax.fori_loop(0, block // chunk, visit, counts)
        nearest = jnp.min(jnp.where(is_sample, radius, jnp.inf))
        farthest = jnp.max(radius)

        def choose(chunks, gap, reach, counts):
            all_met = reach < nearest
            num_met = jnp.where(all_met[:, None], num_in_chunk[chunks], 0)
            counts = counts + jnp.sum(num_met).astype(jnp.int32)
            return (gap <= farthest) & ~all_met, counts

        counts = jnp.zeros((block,), jnp.int32)
        return _over_near_chunks(
            visit, choose, counts, arrangement, block_points, dims, metric
        )

    by_block = _by_block(arrangement, radius, num_blocks)
    counts = map_blocks(one_block, (jnp.arange(num_blocks), by_block))
    return _restore(arrangement, counts.reshape(-1), num_samples)
