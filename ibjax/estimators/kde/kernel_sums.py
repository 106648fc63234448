r"""Sums of two Gaussian kernels over all pairs of samples, class by class.

The wide kernel is :math:`2^{-r^2}` and the narrow one its fourth power. Pairs are taken
over the upper triangle of square tiles; both kernels come from one exponential; a
product with the class weights gives every class's sum at once; and pairs so far apart
that they cannot move the result by a rounding error are left out, a whole tile at a
time, after sorting the samples along their principal direction. Samples on a line, such
as the outputs of a softmax over two classes, meet at the nodes of a grid instead of in
pairs. Memory is O(num_samples * dim), whatever the number of pairs.

The sizes of tiles and blocks are those of a CPU's caches and vectors. On other devices
:mod:`ibjax.estimators.kde.all_pairs` does the same by other means.
"""

import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import by_platform, full_precision
from ibjax.estimators.kde.all_pairs import sums_of_all_pairs

__all__ = ["LOG2_E", "kernel_sums"]

LOG2_E = math.log2(math.e)
"""Exponents of the kernels are in powers of two, which are the cheapest to take."""

_TILE = 256
_FEWEST_COLUMNS = 4
# Accelerators round the factors of a product to 10 bits or fewer unless asked not to.
_EXACT = lax.Precision.HIGHEST
# Pairs that the gradient holds at once on an accelerator, with all their coordinates.
_HELD_DIFFERENCES = 2**24
# Pairs are left out when all of a sample's together cannot change its sum by more than
# this part: 1e-5 bits of information, a tenth of what rounding is allowed.
_NEGLIGIBLE = 2.0**-17
# Samples on a line meet at nodes, taken a block at a time, that lie so far apart and
# reach so far beyond the samples, in units in which the kernel is 2^(-r^2).
_NODE_SPACING = 0.5
_NODE_MARGIN = 2.5
_NODE_BLOCK = 16
# Layers of more units are not looked at for a line: it is unlikely, and costs time.
_FEW_UNITS = 32
# 2^f on [-1/2, 1/2] as 1 + f * polynomial(f): largest relative error 9.2e-8.
_EXP2_COEFFICIENTS = (
    0.6931469775373011,
    0.24022242044016756,
    0.05550733832514511,
    0.00967151453603096,
    0.001326470028665805,
)


@jax.custom_vjp
def kernel_sums(points: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""Wide and narrow sums of every sample, each ``[num_samples, num_classes]``.

    They are what all pairs would give, to within a rounding error.

    Args:
      points: Activities in units in which the wide kernel is :math:`2^{-|a-b|^2}`,
        ``[dim, num_samples]``.
      weights: Weight of each sample in each class, ``[num_samples, num_classes]``.
    """
    chex.assert_shape(weights, (points.shape[1], None))
    wide, narrow = by_platform(
        points, weights, cpu=_sums_of_near_pairs, default=sums_of_all_pairs
    )
    return wide, narrow


def _sums_of_near_pairs(points: jax.Array, weights: jax.Array) -> jax.Array:
    """Wide and narrow sums by a CPU, ``[2, num_samples, num_classes]``."""
    num_classes = weights.shape[1]
    # On a CPU a product is several times slower with fewer than three columns of
    # weights, or when it has to transpose them.
    width = max(num_classes, _FEWEST_COLUMNS)
    weights = jnp.pad(weights, ((0, 0), (0, width - num_classes)))
    direction = _principal_direction(points)
    projection = direction @ points
    over_pairs = partial(_sums_over_pairs, points, projection, weights)
    if len(points) <= _FEW_UNITS:
        on_line = _is_line(points, direction, projection)
        on_line_sums = partial(_sums_on_line, projection, weights, on_line)
        sums = lax.cond(on_line, on_line_sums, over_pairs)
    else:
        sums = over_pairs()
    return sums[:, :, :num_classes]


def _is_line(
    points: jax.Array, direction: jax.Array, projection: jax.Array
) -> jax.Array:
    """Samples lie on a line, and close enough together to make use of it: a boolean."""
    farthest = jnp.max(jnp.abs(points - direction[:, None] * projection[None]))
    # Two samples are at most twice as far from each other, across the line, as one is
    # from it, and the narrow kernel is 2^(-4 r^2).
    straight = 16 * len(points) * farthest**2 < _NEGLIGIBLE
    num_blocks = sum(_num_node_blocks(scale * projection) for scale in (1, 2))
    return straight & (4 * _NODE_BLOCK * num_blocks < points.shape[1])


def _num_node_blocks(place: jax.Array) -> jax.Array:
    length = jnp.max(place) - jnp.min(place) + 2 * _NODE_MARGIN
    return jnp.ceil(length / (_NODE_SPACING * _NODE_BLOCK))


def _sums_on_line(
    projection: jax.Array, weights: jax.Array, on_line: jax.Array
) -> jax.Array:
    r"""Kernel sums of samples on a line, in time proportional to its length.

    A Gaussian is the convolution of two others of half its variance, an integral that
    the trapezoidal rule takes almost exactly:

    .. math::
        2^{-(a-b)^2} = 2 \delta \sqrt{\tfrac{\log 2}{\pi}}
            \sum_g 2^{-2 (a - u_g)^2} \, 2^{-2 (b - u_g)^2} (1 + \epsilon) ,
            \quad |\epsilon| \le 2 e^{-\pi^2 / 4 \delta^2 \log 2} ,

    for nodes :math:`u_g` a distance :math:`\delta` apart; at 1/2 that is 1.3e-6. So
    samples give their weights to the nodes and take their sums from there. No term is
    negative, so that sums of any size keep this relative precision.
    """
    chex.assert_shape(weights, (*projection.shape, None))
    factor = 2 * _NODE_SPACING * math.sqrt(math.log(2) / math.pi)

    def sums(place):
        start = jnp.min(place) - _NODE_MARGIN
        block = jnp.arange(_NODE_BLOCK, dtype=place.dtype)

        def add_nodes(n, sums):
            node = (n * _NODE_BLOCK).astype(place.dtype) + block
            distance = (start + _NODE_SPACING * node)[:, None] - place[None]
            share = _exp2(-2 * distance**2)
            mass = factor * jnp.matmul(share, weights, precision=_EXACT)
            # Transposed once, here: a product that does it itself is much slower.
            mass = lax.optimization_barrier(mass.T)
            return sums + jnp.matmul(mass, share, precision=_EXACT)

        # Under vmap this runs even for samples that are on no line: in no steps then.
        num_blocks = jnp.where(on_line, _num_node_blocks(place), 0).astype(jnp.int32)
        return lax.fori_loop(0, num_blocks, add_nodes, jnp.zeros_like(weights.T)).T

    # The narrow kernel is the wide one at twice the distance.
    return jnp.stack([sums(projection), sums(2 * projection)])


def _sums_over_pairs(
    points: jax.Array, projection: jax.Array, weights: jax.Array
) -> jax.Array:
    """Kernel sums of samples anywhere, from all pairs that are not too far apart."""
    num_samples, width = weights.shape
    chex.assert_shape(points, (None, num_samples))
    chex.assert_shape(projection, (num_samples,))
    order = _order_along(projection)
    tile = min(_TILE, num_samples)
    num_tiles = -(-num_samples // tile)
    # Padding repeats the last sample with weight zero, which widens no tile.
    padded = jnp.minimum(jnp.arange(num_tiles * tile), num_samples - 1)
    order = order[padded]
    is_sample = (jnp.arange(num_tiles * tile) < num_samples).astype(points.dtype)
    points = points[:, order].reshape(-1, num_tiles, tile)
    projection = projection[order].reshape(1, num_tiles, tile)
    tile_weights = (weights[order] * is_sample[:, None]).reshape(num_tiles, tile, width)
    transposed_weights = lax.optimization_barrier(jnp.swapaxes(tile_weights, 1, 2))

    # The gap between projections sees what boxes along the axes do not: two tiles of a
    # cloud that is stretched along a diagonal.
    reach = math.log2(num_samples / _NEGLIGIBLE)
    gap = jnp.maximum(_box_gap(points), _box_gap(projection))
    near = jnp.triu(gap < reach)
    nearer = near & (4 * gap < reach)  # The narrow kernel reaches half as far.

    left = 2 * jnp.moveaxis(points, 0, 2)
    right = jnp.moveaxis(points, 0, 1)

    def product(i, j):
        return jnp.matmul(left[i], right[j], precision=_EXACT)

    # |a|^2 from the very products it is taken from in |a|^2 + |b|^2 - 2ab: equal points
    # are then at distance zero, to the last bit, however far they are from the mean.
    square = lax.map(lambda i: jnp.diagonal(product(i, i)), jnp.arange(num_tiles)) / 2

    def add_pairs(sums, chosen, num_kernels):
        rows, columns = jnp.nonzero(chosen, size=num_tiles * (num_tiles + 1) // 2)

        def add_pair(n, sums):
            i, j = rows[n], columns[n]
            kernel = _exp2(product(i, j) - square[i][:, None] - square[j][None, :])
            by_row, by_column = sums
            for number in range(num_kernels):
                # By two squarings: a second exponential would cost more.
                if number == 1:
                    kernel = (kernel * kernel) * (kernel * kernel)
                row = jnp.matmul(kernel, tile_weights[j], precision=_EXACT)
                column = jnp.matmul(transposed_weights[i], kernel, precision=_EXACT)
                by_row = by_row.at[number, i].add(row)
                # On the diagonal the rows have had all pairs already.
                by_column = by_column.at[number, j].add(jnp.where(i == j, 0.0, column))
            return by_row, by_column

        return lax.fori_loop(0, jnp.sum(chosen), add_pair, sums)

    nothing = jnp.zeros((2, num_tiles, tile, width), points.dtype)
    sums = nothing, jnp.swapaxes(nothing, 2, 3)
    # Two loops, because a choice inside of one would copy every tile.
    sums = add_pairs(sums, nearer, num_kernels=2)
    by_row, by_column = add_pairs(sums, near & ~nearer, num_kernels=1)
    sums = by_row + jnp.swapaxes(by_column, 2, 3)
    sums = sums.reshape(2, num_tiles * tile, width)[:, :num_samples]
    return jnp.zeros_like(sums).at[:, order[:num_samples]].set(sums)


def _kernel_sums_forward(points, weights):
    return kernel_sums(points, weights), (points, weights)


@full_precision
def _kernel_sums_backward(residuals, cotangents):
    points, weights = residuals
    wide_bar, narrow_bar = cotangents
    chex.assert_equal_shape([weights, wide_bar, narrow_bar])

    def one_row(row):
        point, weight, wide_bar_i, narrow_bar_i = row
        difference = point[:, None] - points
        wide = jnp.exp2(-jnp.sum(difference**2, axis=0))
        narrow = wide**4
        pull = wide * (weights @ wide_bar_i + wide_bar @ weight)
        pull += 4 * narrow * (weights @ narrow_bar_i + narrow_bar @ weight)
        return -2 / LOG2_E * difference @ pull, wide @ wide_bar + narrow @ narrow_bar

    # A gradient of what was left out would be as small: take all pairs, row by row.
    rows = (points.T, weights, wide_bar, narrow_bar)
    many = min(max(16, _HELD_DIFFERENCES // points.size), points.shape[1])
    points_bar, weights_bar = by_platform(
        rows,
        cpu=lambda rows: lax.map(one_row, rows, batch_size=16),
        default=lambda rows: lax.map(one_row, rows, batch_size=many),
    )
    return points_bar.T, weights_bar


kernel_sums.defvjp(_kernel_sums_forward, _kernel_sums_backward)


def _principal_direction(points: jax.Array) -> jax.Array:
    """Direction along which samples spread (about) most, of length one, or zero.

    A few power iterations suffice: any direction gives the same sums, a good one lets
    more tiles be left out.
    """

    def normalize(direction):
        norm = jnp.sqrt(jnp.sum(direction**2))
        return direction / jnp.where(norm > 0, norm, 1.0)

    def iterate(_, direction):
        return normalize(points @ (direction @ points))

    start = normalize(jnp.cos(jnp.arange(points.shape[0], dtype=points.dtype)))
    return lax.fori_loop(0, 8, iterate, start)


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


def _box_gap(points: jax.Array) -> jax.Array:
    """Squared distance between tiles' bounding boxes, ``[num_tiles, num_tiles]``."""
    low, high = jnp.min(points, axis=2), jnp.max(points, axis=2)
    gap = jnp.maximum(low[:, :, None] - high[:, None, :], 0.0)
    return jnp.sum(jnp.maximum(gap, jnp.swapaxes(gap, 1, 2)) ** 2, axis=0)


def _exp2(x: jax.Array) -> jax.Array:
    """2^x for x <= 0: exact at 0, else within 3e-7 of the value.

    Rounding puts x a little above 0 as often as below. Cutting all of that off would
    shift the sums; only what no rounding explains is.
    """
    x = jnp.clip(x, -126.0, 0.1)
    if x.dtype != jnp.float32:
        return jnp.exp2(x)
    integer = lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)
    fraction = x - integer
    power = jnp.float32(_EXP2_COEFFICIENTS[-1])
    for coefficient in _EXP2_COEFFICIENTS[-2::-1]:
        power = power * fraction + jnp.float32(coefficient)
    power = power * fraction + 1
    # Add the integer to the exponent field of the result.
    bits = lax.bitcast_convert_type(power, jnp.int32)
    bits += integer.astype(jnp.int32) << 23
    return lax.bitcast_convert_type(bits, jnp.float32)
