"""Distances to neighbours and counts, as an accelerator takes them: from all pairs.

An accelerator has thousands of lanes and starts a program in microseconds, so samples
are not sorted and nothing is passed over: the pairs of a row are one fused reduction,
from differences of coordinates to the k smallest separations or a count. No pair is
stored, unless ``k`` is large. The numbers are those of :mod:`ibjax.estimators.knn
.search`, whose separations and ties these are.
"""

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import in_pieces, map_blocks, num_parts
from ibjax.estimators.knn.separations import (
    larger,
    largest,
    separations,
    smaller,
    tied,
)

__all__ = ["all_counts", "all_nearest", "all_rectangles"]

# Pairs of one program, whose places must be counted in 32 bits, and pairs that are held
# at once where they are held, 64 MiB of float32.
_PAIRS = 2**30
_HELD_PAIRS = 2**24
# Beyond so many coordinates a program would be long, and pairs are held.
_FEW_COORDINATES = 64
# Above this number of neighbours pairs are held, and sorted.
_FEW_NEIGHBOURS = 8


def all_nearest(
    points: jax.Array, *, dims: tuple[int, ...], metric: str, k: int
) -> jax.Array:
    """Separations of every sample's k nearest neighbours, ``[k, num_samples]``.

    ``points [dim, num_samples]`` are the coordinates of all spaces, one after another.
    """
    chex.assert_shape(points, (sum(dims), None))
    num_samples = points.shape[1]
    few = k <= _FEW_NEIGHBOURS
    numbers = in_pieces(jnp.arange(num_samples), num_samples)

    def one_block(rows):
        separation = largest(_to_all(points, rows, dims, metric))
        # No sample is its own neighbour.
        own = rows[:, None, None] == numbers[None]
        separation = jnp.where(own, jnp.inf, separation)
        if not few:
            separation = separation.reshape(len(rows), -1)
            return -lax.top_k(-separation, k)[0].T
        # Infinite, and no constant, of which JAX's derivative of a reduction fails.
        beyond = jnp.maximum(separation, jnp.inf)
        nearest = [separation] + [beyond] * (k - 1)
        infinity = jnp.asarray(jnp.inf, points.dtype)
        for _ in range(2):  # Inside the pieces, then among them.
            nearest = lax.reduce(nearest, [infinity] * k, _merge, [nearest[0].ndim - 1])
        return jnp.stack(nearest)

    found = _over_rows(one_block, points, hold=not few)
    return jnp.moveaxis(found, 0, 1).reshape(k, -1)[:, :num_samples]


def all_rectangles(
    points: jax.Array, radius: jax.Array, *, dims: tuple[int, ...], metric: str
) -> jax.Array:
    """Largest separation in each space of those within a radius of every sample.

    ``[num_spaces, num_samples]``; see :func:`ibjax.estimators.knn.search.rectangle`.
    """
    chex.assert_shape(points, (sum(dims), *radius.shape))
    num_samples = len(radius)
    radius = tied(radius, metric)

    def one_block(rows):
        found = _to_all(points, rows, dims, metric)
        inside = largest(found) <= radius[rows][:, None, None]
        found = [jnp.where(inside, separation, 0.0) for separation in found]

        def wider(a, b):
            return [larger(x, y) for x, y in zip(a, b, strict=True)]

        zeros = [jnp.zeros((), points.dtype)] * len(dims)
        for _ in range(2):
            found = lax.reduce(found, zeros, wider, [found[0].ndim - 1])
        return jnp.stack(found)

    # XLA does not fuse a choice into several maxima: it holds who is inside.
    sides = _over_rows(one_block, points, hold=True)
    return jnp.moveaxis(sides, 0, 1).reshape(len(dims), -1)[:, :num_samples]


def all_counts(
    points: jax.Array,
    radius: jax.Array,
    *,
    dims: tuple[int, ...],
    metric: str,
    inclusive: bool,
) -> jax.Array:
    """Number of samples closer to each than its radius, or as close, itself included.

    int32, ``[num_samples]``; ties have been moved into or out of ``radius``.
    """
    chex.assert_shape(points, (sum(dims), *radius.shape))

    def one_block(rows):
        separation = largest(_to_all(points, rows, dims, metric))
        limit = radius[rows][:, None, None]
        met = separation <= limit if inclusive else separation < limit
        return jnp.sum(met, axis=(1, 2), dtype=jnp.int32)

    return _over_rows(one_block, points).reshape(-1)[: len(radius)]


def _over_rows(one_block, points, *, hold=False):
    """Results of blocks of row numbers, one after another; the last row fills up."""
    dim, num_samples = points.shape
    at_once = _HELD_PAIRS if hold or dim > _FEW_COORDINATES else _PAIRS
    # Every device has a block at least.
    most = -(-num_samples // num_parts())
    block = min(most, max(1, at_once // num_samples))
    num_blocks = -(-num_samples // block)
    places = jnp.minimum(jnp.arange(num_blocks * block), num_samples - 1)
    return map_blocks(one_block, places.reshape(num_blocks, block))


def _to_all(points, rows, dims, metric):
    """Separations of some rows from all samples, ``[rows, pieces, piece]`` a space.

    What fills up the last piece is infinitely far away.
    """
    if len(points) <= _FEW_COORDINATES:
        mine = list(points[:, rows, None, None])
        others = list(in_pieces(points, jnp.inf)[:, None])
        return separations(mine, others, dims, metric)
    found, start = [], 0
    for dim in dims:
        space = points[start : start + dim]
        start += dim
        found.append(_folded(space, rows, metric))
    return found


def _folded(space, rows, metric):
    """Separations in one space of many coordinates, some of them at a time."""
    dim, num_samples = space.shape
    num_parts = -(-dim // _FEW_COORDINATES)
    # Coordinates that are zero everywhere separate nobody.
    filled = jnp.pad(space, ((0, num_parts * _FEW_COORDINATES - dim), (0, 0)))
    parts = filled.reshape(num_parts, _FEW_COORDINATES, num_samples)
    pieces = in_pieces(parts, jnp.inf)

    def add(total, part):
        mine, others = list(part[0][:, rows, None, None]), list(part[1][:, None])
        (separation,) = separations(mine, others, (len(mine),), metric)
        euclidean = metric == "euclidean"
        return total + separation if euclidean else larger(total, separation), None

    start = jnp.zeros((len(rows), *pieces.shape[2:]), space.dtype)
    return lax.scan(add, start, (parts, pieces))[0]


def _merge(a, b):
    """The k smallest of two sorted lists of k, sorted."""
    k = len(a)
    merged = []
    for m in range(k):
        # The m-th smallest of both has p - 1 below it in one list, m - p in the other.
        value = smaller(a[m], b[m])
        for p in range(m):
            value = smaller(value, larger(a[p], b[m - 1 - p]))
        merged.append(value)
    return merged
