r"""Sums of two Gaussian kernels over all pairs of samples, class by class.

The wide kernel is :math:`2^{-r^2}` and the narrow one its fourth power. A CPU leaves
out pairs that are too far apart to move the result by a rounding error, a whole tile at
a time (:mod:`ibjax.estimators.kde.tiles`), and takes samples on a line through the
nodes of a grid (:mod:`ibjax.estimators.kde.line`); the sizes of tiles and blocks are
those of its caches and vectors. On other devices :mod:`ibjax.estimators.kde.all_pairs`
does the same by other means. Memory is O(num_samples * dim), whatever the number of
pairs.
"""

from functools import partial

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import by_platform, full_precision
from ibjax.estimators.kde.all_pairs import sums_of_all_pairs
from ibjax.estimators.kde.line import is_line, sums_on_line
from ibjax.estimators.kde.tiles import NEGLIGIBLE, sums_over_pairs
from ibjax.estimators.kde.units import LOG2_E, brought_near

__all__ = ["kernel_sums"]

_FEWEST_COLUMNS = 4
# Pairs that the gradient holds at once on an accelerator, with all their coordinates.
_HELD_DIFFERENCES = 2**24
# Layers of more units are not looked at for a line: it is unlikely, and costs time.
_FEW_UNITS = 32
# Kernels are zero long before points are so far apart, and their squares are finite.
_FARTHEST_APART = 2.0**50


@jax.custom_vjp
def kernel_sums(
    points: jax.Array, unit: jax.Array, weights: jax.Array
) -> tuple[jax.Array, jax.Array]:
    r"""Wide and narrow sums of every sample, each ``[num_samples, num_classes]``.

    They are what all pairs would give, to within a rounding error.

    Args:
      points: Activities, finite, ``[dim, num_samples]``.
      unit: Units in which the wide kernel is :math:`2^{-|a-b|^2}` to one of a
        difference of points, ``[]``.
      weights: Weight of each sample in each class, ``[num_samples, num_classes]``.
    """
    chex.assert_shape(weights, (points.shape[1], None))
    wide, narrow = by_platform(
        points, unit, weights, cpu=_sums_of_near_pairs, default=sums_of_all_pairs
    )
    return wide, narrow


def _sums_of_near_pairs(
    points: jax.Array, unit: jax.Array, weights: jax.Array
) -> jax.Array:
    """Wide and narrow sums by a CPU, ``[2, num_samples, num_classes]``."""
    num_classes = weights.shape[1]
    # On a CPU a product is several times slower with fewer than three columns of
    # weights, or when it has to transpose them.
    width = max(num_classes, _FEWEST_COLUMNS)
    weights = jnp.pad(weights, ((0, 0), (0, width - num_classes)))
    near = brought_near(points, unit)
    direction = _principal_direction(near)
    projection = direction @ near
    over_pairs = partial(sums_over_pairs, near, projection, points, unit, weights)
    if len(points) <= _FEW_UNITS:
        on_line = is_line(near, direction, projection, NEGLIGIBLE)
        on_line_sums = partial(sums_on_line, projection, weights, on_line)
        sums = lax.cond(on_line, on_line_sums, over_pairs)
    else:
        sums = over_pairs()
    return sums[:, :, :num_classes]


# Both are traced when a derivative is taken, where the precision that the function was
# called in holds no more.
@full_precision
def _kernel_sums_forward(points, unit, weights):
    return kernel_sums(points, unit, weights), (points, unit, weights)


@full_precision
def _kernel_sums_backward(residuals, cotangents):
    points, unit, weights = residuals
    wide_bar, narrow_bar = cotangents
    chex.assert_equal_shape([weights, wide_bar, narrow_bar])

    def one_row(row):
        point, weight, wide_bar_i, narrow_bar_i = row
        difference = (point[:, None] - points) * unit
        difference = jnp.clip(difference, -_FARTHEST_APART, _FARTHEST_APART)
        separation = jnp.sum(difference**2, axis=0)
        wide = jnp.exp2(-separation)
        narrow = wide**4
        pull = wide * (weights @ wide_bar_i + wide_bar @ weight)
        pull += 4 * narrow * (weights @ narrow_bar_i + narrow_bar @ weight)
        return (
            -2 / LOG2_E * difference @ pull,
            separation @ pull,
            wide @ wide_bar + narrow @ narrow_bar,
        )

    # A gradient of what was left out would be as small: take all pairs, row by row.
    rows = (points.T, weights, wide_bar, narrow_bar)
    many = min(max(16, _HELD_DIFFERENCES // points.size), points.shape[1])
    points_bar, pulls, weights_bar = by_platform(
        rows,
        cpu=lambda rows: lax.map(one_row, rows, batch_size=16),
        default=lambda rows: lax.map(one_row, rows, batch_size=many),
    )
    # Every pair pulled twice, once for each of its samples.
    return points_bar.T * unit, -jnp.sum(pulls) / (LOG2_E * unit), weights_bar


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
