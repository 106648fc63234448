r"""Sums of two Gaussian kernels over all pairs, as an accelerator takes them.

An accelerator has thousands of lanes and starts a program in microseconds, so nothing
is left out, sorted or looked at first: the pairs of a row are one fused reduction,
from differences of coordinates to the sums of every class, and no pair is ever stored.
Layers of many units, or tasks of many classes, go a block of rows at a time through
matrix products instead.
"""

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import in_pieces, map_blocks, num_parts

__all__ = ["sums_of_all_pairs"]

# Beyond so many units the differences cost more than a matrix product.
_FEW_UNITS = 64
# Sums that a lane keeps in registers: of two kernels, all classes and several rows.
# What a lane reads of a column serves all of its rows.
_SUMS = 16
_MOST_ROWS = 2
# Pairs of one program, whose places must be counted in 32 bits, and pairs that are held
# at once where they are held, 16 MiB of float32.
_PAIRS = 2**30
_HELD_PAIRS = 2**22
# Squares of points from which on their products are too coarse for a kernel's exponent.
_FAR_SQUARE = 2.0**20


def sums_of_all_pairs(
    points: jax.Array, unit: jax.Array, weights: jax.Array
) -> jax.Array:
    """Wide and narrow sums of every sample, ``[2, num_samples, num_classes]``.

    In the units to which ``unit`` brings differences of ``points [dim, num_samples]``,
    the wide kernel is 2^(-r^2).
    """
    chex.assert_shape(weights, (points.shape[1], None))
    num_samples, num_classes = weights.shape
    few = len(points) <= _FEW_UNITS
    fused = few and 2 * num_classes <= _SUMS
    block = max(1, (_PAIRS if fused else _HELD_PAIRS) // num_samples)
    at_once = max(1, min(_MOST_ROWS, _SUMS // (2 * num_classes))) if fused else 1
    # Every device has a block at least.
    most = -(-num_samples // (at_once * num_parts()))
    block = min(most, max(1, block // at_once)) * at_once
    num_blocks = -(-num_samples // block)
    rows = jnp.minimum(jnp.arange(num_blocks * block), num_samples - 1)
    rows = rows.reshape(num_blocks, block)
    if fused:
        one_block = _fused(points, weights, at_once)
    else:
        one_block = _held(points, weights, rows, few)
    sums = map_blocks(one_block, rows)
    far = unit != 1
    if not few:
        far |= jnp.max(jnp.sum(points**2, axis=0)) > _FAR_SQUARE
    sums = _by_differences(points, unit, weights, far, sums)
    sums = jnp.moveaxis(sums, 0, 1)
    return sums.reshape(2, -1, num_classes)[:, :num_samples]


def _by_differences(points, unit, weights, far, sums):
    """Sums ``[num_blocks, 2, block, num_classes]``, or if ``far`` those of far points.

    They are taken pair by pair from differences of points, each in the kernel's units.
    """
    num_blocks, _, block, num_classes = sums.shape
    dim, num_samples = points.shape
    at_once = max(1, min(block, _HELD_PAIRS // num_samples))

    def one_block(n, sums):
        # The last rows are taken twice rather than any beyond the end.
        first = jnp.minimum(n * at_once, num_blocks * block - at_once)
        rows = jnp.minimum(first + jnp.arange(at_once), num_samples - 1)

        def add(k, separation):
            x = points[k]
            return separation + ((x[rows][:, None] - x[None]) * unit) ** 2

        nothing = jnp.zeros((at_once, num_samples), points.dtype)
        separation = lax.fori_loop(0, dim, add, nothing)
        found = jnp.stack(_kernels(jnp.exp2(-separation))) @ weights[None]
        return lax.dynamic_update_slice_in_dim(sums, found, first, axis=1)

    in_rows = jnp.moveaxis(sums, 0, 1).reshape(2, -1, num_classes)
    # No steps for points of ordinary scale, under vmap too.
    num_steps = jnp.where(far, -(-num_blocks * block // at_once), 0)
    in_rows = lax.fori_loop(0, num_steps, one_block, in_rows)
    return jnp.moveaxis(in_rows.reshape(2, num_blocks, block, -1), 1, 0)


def _kernels(wide: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Wide and narrow kernel; two squarings cost less than a second exponential."""
    square = wide * wide
    return wide, square * square


def _fused(points, weights, at_once):
    """Function from row numbers to their sums, ``[2, num_rows, num_classes]``.

    XLA does not fuse an exponential into several sums. So there is one reduction, of
    numbers that a pair and a sum of pairs both are: kernels ``wide`` of a pair not yet
    added, its weights, and sums. Adding two of them adds what both stand for.
    """
    num_classes = weights.shape[1]
    columns = in_pieces(points, 0.0)  # What fills up has no weight.
    weights = in_pieces(weights.T, 0.0)

    def summed(numbers):
        wide = numbers[:at_once]
        weight = numbers[at_once : at_once + num_classes]
        sums = iter(numbers[at_once + num_classes :])
        return [
            next(sums) + kernel * w
            for row in wide
            for kernel in _kernels(row)
            for w in weight
        ]

    def add(a, b):
        sums = [x + y for x, y in zip(summed(a), summed(b), strict=True)]
        return [jnp.zeros_like(a[0])] * (at_once + num_classes) + sums

    def one_block(rows):
        mine = points[:, rows].reshape(len(points), at_once, -1, 1, 1)
        shape = mine.shape[2], *columns.shape[1:]
        wide = [
            jnp.exp2(
                -sum(
                    (coordinate[row] - column[None]) ** 2
                    for coordinate, column in zip(mine, columns, strict=True)
                )
            )
            for row in range(at_once)
        ]
        weight = [jnp.broadcast_to(w[None], shape) for w in weights]
        nothing = [jnp.zeros(shape, points.dtype)] * (2 * num_classes * at_once)
        numbers = [*wide, *weight, *nothing]
        zeros = [jnp.zeros((), points.dtype)] * len(numbers)
        sums = jnp.stack(summed(lax.reduce(numbers, zeros, add, [2])))
        # A few pieces of columns are left to add.
        sums = jnp.sum(sums, axis=2).reshape(at_once, 2, num_classes, -1)
        return jnp.transpose(sums, (1, 0, 3, 2)).reshape(2, -1, num_classes)

    return one_block


def _held(points, weights, rows, few):
    """Function from row numbers to their sums, from pairs that are held.

    ``rows [num_blocks, block]`` are those it will be called with.
    """

    def products(rows):
        return points[:, rows].T @ points

    def squares(rows):
        return jnp.take_along_axis(products(rows), rows[:, None], axis=1)[:, 0]

    if not few:
        # |a|^2 in |a|^2 + |b|^2 - 2ab is read off the very products, taken once more
        # for it, so that equal points are at distance zero to the last bit.
        square = jnp.zeros_like(points[0]).at[rows].set(lax.map(squares, rows))

    def one_block(rows):
        if few:
            separation = sum((x[rows][:, None] - x[None]) ** 2 for x in points)
        else:
            separation = square[rows][:, None] + square[None] - 2 * products(rows)
        kernels = jnp.stack(_kernels(jnp.exp2(-jnp.maximum(separation, 0.0))))
        return kernels @ weights[None]

    return one_block
