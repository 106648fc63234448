r"""Kernel-density bounds on the information of a layer with added Gaussian noise.

A deterministic layer T = f(X) has infinite I(X;T) when X is continuous, so one studies
T + Z with Z ~ N(0, s^2 I). Its density is a mixture of Gaussians, one per sample, whose
entropy has no closed form but two bounds from pairwise distances (Kolchinsky and
Tracey, 2017), which Saxe et al. (2018) turned into an information plane:

.. math::
    -\frac1N \sum_i \log \frac1N \sum_j e^{-r_{ij}^2 / 8 s^2} \le I(X; T + Z) \le
    -\frac1N \sum_i \log \frac1N \sum_j e^{-r_{ij}^2 / 2 s^2} .

The pair sums are nearly all the work. Here they are taken over the upper triangle of
square tiles; both kernels come from one exponential, since one is the fourth power of
the other; a product with the class weights gives every class's sum at once; and pairs
so far apart that they cannot move the result by a rounding error are left out, a whole
tile at a time, after sorting the samples along their principal direction. Samples on a
line, such as the outputs of a softmax over two classes, meet at the nodes of a grid
instead of in pairs. Memory is O(num_samples * dim), whatever the number of pairs.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import jit
from ibjax.estimators.layers import (
    LayerInformation,
    LayerInformationBounds,
    check_layer,
    label_weights,
)

__all__ = ["layer_information"]

_TILE = 256
_FEWEST_COLUMNS = 4
# Accelerators round the factors of a product to 10 bits or fewer unless asked not to.
_EXACT = lax.Precision.HIGHEST
_LOG2_E = math.log2(math.e)
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


def layer_information(
    t: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    noise_variance: ArrayLike,
) -> LayerInformationBounds:
    r"""Bounds on I(X;T) and estimates of I(T;Y) for a layer with added noise, in nats.

    ``i_xt`` of ``lower`` and ``upper`` bound :math:`I(X; T + Z)` for the empirical
    distribution of the samples, each lying in [0, log num_samples]. ``i_ty`` is
    :math:`H(T) - \sum_y p(y) H(T|y)` with the same bound for each entropy: a
    difference of two bounds, which is not itself a bound and can leave [0, H(Y)].

    Sums are in float32. On layers of ordinary scale the result is within 1e-4 bits of
    float64; the error grows with the squared spread of the layer over the noise
    variance, 1e-3 bits at 1,000 units of variance one and noise variance 1e-3, but
    ``i_xt`` never exceeds log num_samples. Reverse-mode gradients are defined, with
    respect to ``t`` and ``noise_variance``.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``. A class that no sample has adds nothing.
      num_classes: Number of classes.
      noise_variance: Variance s^2 of the noise, in the squared units of ``t``,
        positive.

    Returns:
      Lower and upper estimates, each with fields of shape ``[]``. NaN if an activity
      is not finite, or its square over the noise variance not; zero if all activities
      are equal.

    Raises:
      ValueError: If shapes do not match, a label is out of range, or
        ``noise_variance`` is not positive (values are checked outside of ``jit``).
      TypeError: If ``t`` is not floating.

    References:
      Kolchinsky and Tracey, `Estimating mixture entropy with pairwise distances`,
      Entropy, 2017. Saxe et al., `On the information bottleneck theory of deep
      learning`, ICLR 2018.

    Example:
      >>> t = jnp.array([[-1.0], [-1.0], [1.0], [1.0]])
      >>> bounds = layer_information(
      ...     t, jnp.array([0, 0, 1, 1]), num_classes=2, noise_variance=1e-3
      ... )
      >>> print(f"{bounds.upper.i_xt:.4f} {bounds.upper.i_ty:.4f} nats")
      0.6931 0.6931 nats
    """
    t, labels = check_layer(t, labels, num_classes)
    concrete = not isinstance(noise_variance, jax.core.Tracer)
    if jnp.ndim(noise_variance) != 0 or (concrete and not noise_variance > 0):
        raise ValueError(
            f"noise_variance must be one positive number, got {noise_variance}"
        )
    return _layer_information(t, labels, num_classes, noise_variance)


@jit(static_argnames="num_classes")
def _layer_information(
    t: jax.Array, labels: jax.Array, num_classes: int, noise_variance: jax.Array
) -> LayerInformationBounds:
    num_samples = t.shape[0]
    weights = label_weights(labels, num_classes, t.dtype)
    points = t - jnp.mean(t, axis=0, keepdims=True)
    # In these units the wide kernel exp(-r^2 / 8 s^2) is a power of two.
    points = points * jnp.sqrt(_LOG2_E / (8 * jnp.asarray(noise_variance, t.dtype)))
    # Not finite either if a squared distance could overflow.
    finite = jnp.isfinite(4 * points.shape[1] * jnp.max(jnp.abs(points)) ** 2)
    wide, narrow = _kernel_sums(jnp.where(finite, points, 0.0).T, weights)

    class_size = jnp.sum(weights, axis=0)
    tiny = jnp.finfo(t.dtype).tiny

    def information(sums):
        # A sample is its own neighbour at distance zero: no sum is truly below that.
        total = jnp.maximum(jnp.sum(sums, axis=1), 1.0)
        within = jnp.where(weights > 0, jnp.maximum(sums, weights), 1.0)
        log_density = jnp.log(within) - jnp.log(jnp.maximum(class_size, tiny))[None]
        i_xt = math.log(num_samples) - jnp.mean(jnp.log(total))
        i_ty = i_xt + jnp.sum(weights * log_density) / num_samples
        nan = jnp.asarray(jnp.nan, t.dtype)
        return LayerInformation(
            jnp.where(finite, jnp.maximum(i_xt, 0.0), nan), jnp.where(finite, i_ty, nan)
        )

    return LayerInformationBounds(lower=information(wide), upper=information(narrow))


@jax.custom_vjp
def _kernel_sums(points: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    r"""Sums of both kernels over all samples, per class, as if nothing were left out.

    Args:
      points: Scaled activities, so that the wide kernel is :math:`2^{-|a-b|^2}` and
        the narrow one its fourth power, ``[dim, num_samples]``.
      weights: Weight of each sample in each class, ``[num_samples, num_classes]``.

    Returns:
      The wide and the narrow sums, each ``[num_samples, num_classes]``.
    """
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
    wide, narrow = sums[:, :, :num_classes]
    return wide, narrow


def _is_line(
    points: jax.Array, direction: jax.Array, projection: jax.Array
) -> jax.Array:
    """Whether samples lie on a line, and close enough together to make use of it."""
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
    factor = 2 * _NODE_SPACING * math.sqrt(math.log(2) / math.pi)

    def sums(place):
        start = jnp.min(place) - _NODE_MARGIN
        block = jnp.arange(_NODE_BLOCK, dtype=place.dtype)

        def add_nodes(n, sums):
            node = (n * _NODE_BLOCK).astype(place.dtype) + block
            distance = (start + _NODE_SPACING * node)[:, None] - place[None]
            share = _exp2(-2 * distance**2)
            mass = factor * jnp.matmul(share, weights, precision=_EXACT)
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
                if number == 1:
                    kernel = (kernel * kernel) * (kernel * kernel)
                row = jnp.matmul(kernel, tile_weights[j], precision=_EXACT)
                column = jnp.matmul(transposed_weights[i], kernel, precision=_EXACT)
                by_row = by_row.at[number, i].add(row)
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
    return _kernel_sums(points, weights), (points, weights)


def _kernel_sums_backward(residuals, cotangents):
    points, weights = residuals
    wide_bar, narrow_bar = cotangents

    def one_row(row):
        point, weight, wide_bar_i, narrow_bar_i = row
        difference = point[:, None] - points
        wide = jnp.exp2(-jnp.sum(difference**2, axis=0))
        narrow = wide**4
        pull = wide * (weights @ wide_bar_i + wide_bar @ weight)
        pull += 4 * narrow * (weights @ narrow_bar_i + narrow_bar @ weight)
        return -2 / _LOG2_E * difference @ pull, wide @ wide_bar + narrow @ narrow_bar

    rows = (points.T, weights, wide_bar, narrow_bar)
    points_bar, weights_bar = lax.map(one_row, rows, batch_size=16)
    return points_bar.T, weights_bar


_kernel_sums.defvjp(_kernel_sums_forward, _kernel_sums_backward)


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
