r"""Leave-one-out Gaussian kernel densities, and the bandwidth that fits best.

The density at a sample, from all the others of its group, is

.. math::
    f_{-i,b}(x_i) = \frac{1}{(n - 1) (2\pi b^2)^{d/2}} \sum_{j \ne i}
    e^{-r_{ij}^2 / 2 b^2} .

Two criteria choose b. *Likelihood* makes the sum of :math:`\log f_{-i,b}(x_i)` largest.
Where its derivative is zero, :math:`d\,b^2 = \langle r^2 \rangle` for a mean over pairs
that weighs near ones more, so that d b² lies between the mean squared distance of a
sample to its nearest neighbour and that of any two samples: nothing outside of these
has to be searched. *Least squares* makes the estimate of the integrated squared error
smallest,

.. math::
    \int f_b^2 - \frac2n \sum_i f_{-i,b}(x_i), \qquad
    \int f_b^2 = \frac{1}{n^2 (4\pi b^2)^{d/2}} \sum_{ij} e^{-r_{ij}^2 / 4 b^2} .

Distances of a tile of pairs are taken once for all the bandwidths that are compared.
They are differences of coordinates, since tight clusters far from the mean would lose
theirs in :math:`|a|^2 + |b|^2 - 2ab`. Exponents count from the nearest neighbour's, so
that the density of an isolated sample underflows at no bandwidth.
"""

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import lax

from ibjax.compilation import on_cpu

__all__ = ["CRITERIA", "LogDensities", "log_densities"]

CRITERIA = ("likelihood", "least_squares")

_TILE = 256
# An accelerator starts as many programs for a tile of any size; this one, 64 MiB, keeps
# it busy and would not fit in a CPU's cache.
_WIDE_TILE = 4096
# With more components, products of tiles take less time than differences, and the
# bandwidth is of the order of the samples' spread, to which rounding is nothing.
_MANY_COMPONENTS = 48
# The first search sees so many samples, each among all the others, at so many
# bandwidths; the second all of them, at three, so far apart in log b.
_FEW_SAMPLES = 1024
_GRID = 16
_STEP = 0.1
_MAX_STEPS = 40


class LogDensities(NamedTuple):
    """Densities of samples, each from the others of its group.

    Attributes:
      values: Log densities, ``[num_samples]``.
      bandwidths: Bandwidth of every group, ``[num_groups]``; NaN where none is best.
    """

    values: jax.Array
    bandwidths: jax.Array


class _Pairs(NamedTuple):
    """Samples and what every pass over pairs of them needs."""

    points: jax.Array  # [num_samples, dim]
    groups: jax.Array  # [num_samples]
    counts: jax.Array  # [num_groups]
    nearest: jax.Array  # Squared distance to the nearest of the group, [num_samples].
    repeated: jax.Array  # Another of the group is the same, booleans [num_samples].


def log_densities(
    points: jax.Array,
    groups: jax.Array,
    num_groups: int,
    repeated: jax.Array,
    *,
    criterion: str | None = None,
    bandwidths: jax.Array | None = None,
) -> LogDensities:
    """Leave-one-out log densities within groups, and the bandwidth of each.

    NaN for a group of fewer than two samples, and where the criterion has no best
    bandwidth: likelihood if all samples of the group have an exact copy, least squares
    if half of them have.

    Args:
      points: Samples, ``[num_samples, dim]``.
      groups: Number of every sample's group, ``[num_samples]``.
      num_groups: Number of groups.
      repeated: Samples with an exact copy in their group, booleans, ``[num_samples]``.
        Their rounded distance in ``points`` need not be zero.
      criterion: One of ``CRITERIA``, by which every group's bandwidth is chosen; or
      bandwidths: The bandwidths, ``[num_groups]``.
    """
    num_samples = points.shape[0]
    chex.assert_shape([groups, repeated], (num_samples,))
    if bandwidths is not None:
        chex.assert_shape(bandwidths, (num_groups,))
    counts = jnp.sum(_members(groups, num_groups), axis=1).astype(points.dtype)
    everyone = jnp.arange(num_samples)
    zeros = jnp.zeros(num_samples, points.dtype)
    pairs = _Pairs(points, groups, counts, zeros, repeated)
    pairs = pairs._replace(nearest=_nearest(pairs, everyone))
    if bandwidths is None:
        bandwidths = _search(pairs, num_groups, criterion)
    values = _log_densities(pairs, everyone, jnp.log(bandwidths)[None])[0]
    return LogDensities(values, bandwidths)


def _search(pairs, num_groups, criterion):
    """Best bandwidth of every group, ``[num_groups]``."""
    low, high = _search_range(pairs, num_groups, criterion)
    possible = (low > 0) & jnp.isfinite(high) & (pairs.counts > 1)
    low = jnp.log(jnp.where(possible, low, 1.0))
    high = jnp.maximum(jnp.log(jnp.where(possible, high, 1.0)), low)

    def score(queries, log_bandwidths):
        return _score(pairs, num_groups, criterion, queries, log_bandwidths)

    num_samples = pairs.points.shape[0]
    some = jnp.arange(0, num_samples, max(1, num_samples // _FEW_SAMPLES))
    fraction = jnp.linspace(0, 1, _GRID, dtype=low.dtype)[:, None]
    grid = low[None] + fraction * (high - low)[None]
    best = jnp.nanargmax(_lowest_for_nan(score(some, grid)), axis=0)
    start = jnp.take_along_axis(grid, best[None], axis=0)[0]

    everyone = jnp.arange(num_samples)
    offsets = jnp.asarray([-_STEP, 0, _STEP], low.dtype)[:, None]

    def improve(state):
        step, centre, done = state
        left, middle, right = _lowest_for_nan(score(everyone, centre[None] + offsets))
        is_peak = (middle >= left) & (middle >= right)
        # The vertex of the parabola through three equidistant scores.
        bend = left - 2 * middle + right
        vertex = (left - right) / jnp.where(bend < 0, 2 * bend, -1.0) * _STEP
        uphill = jnp.where(right > left, _STEP, -_STEP)
        move = jnp.where(is_peak, jnp.clip(vertex, -_STEP, _STEP), uphill)
        moved = jnp.clip(centre + move, low, high)
        # Groups that are done wait for the others: all share the passes over the pairs.
        done_now = done | is_peak | (moved == centre)
        return step + 1, jnp.where(done, centre, moved), done_now

    def unfinished(state):
        step, _, done = state
        return (step < _MAX_STEPS) & ~jnp.all(done)

    state = (0, start, ~possible)
    _, best, done = lax.while_loop(unfinished, improve, state)
    return jnp.where(possible & done, jnp.exp(best), jnp.nan)


def _lowest_for_nan(scores):
    lowest = jnp.finfo(scores.dtype).min
    return jnp.where(jnp.isfinite(scores), scores, lowest)


def _search_range(pairs, num_groups, criterion):
    """Smallest and largest bandwidth worth a look, each ``[num_groups]``."""
    members = _members(pairs.groups, num_groups)
    dim = pairs.points.shape[1]
    counts = jnp.maximum(pairs.counts, 1)

    def mean(values):
        return jnp.sum(jnp.where(members, values[None], 0), axis=1) / counts

    nearest = jnp.where(pairs.repeated, 0, pairs.nearest)
    if criterion == "likelihood":
        low = jnp.sqrt(mean(nearest) / dim)
    else:
        # An isolated sample, which hardly counts here, says nothing of the scale.
        near = jnp.where(members, nearest[None], jnp.nan)
        low = jnp.sqrt(jnp.nanmedian(near, axis=1) / dim) / 2
    centres = jnp.stack([mean(column) for column in pairs.points.T], axis=1)
    square = jnp.sum((pairs.points - centres[pairs.groups]) ** 2, axis=1)
    variance = mean(square) / dim * counts / jnp.maximum(counts - 1, 1)
    return low, jnp.sqrt(2 * variance)


def _score(pairs, num_groups, criterion, queries, log_bandwidths):
    """Criterion to be made largest, ``[num_bandwidths, num_groups]``."""
    members = _members(pairs.groups[queries], num_groups)[None]
    dtype = log_bandwidths.dtype
    counted = jnp.maximum(jnp.sum(members, axis=2), 1).astype(dtype)
    if criterion == "likelihood":
        densities = _log_densities(pairs, queries, log_bandwidths)[:, None]
        return jnp.sum(jnp.where(members, densities, 0), axis=2) / counted

    def log_mean(log_values):
        log_values = jnp.where(members, log_values, -jnp.inf)
        return jax.nn.logsumexp(log_values, axis=2) - jnp.log(counted)

    # A kernel times itself is one that is wider by the root of two. The logarithm of
    # minus the criterion is as good, and stays in range in many dimensions.
    dim = pairs.points.shape[1]
    both = jnp.concatenate([log_bandwidths, log_bandwidths + math.log(2) / 2])
    both = _log_densities(pairs, queries, both)[:, None]
    densities, wide = jnp.split(both, 2)
    counts = jnp.maximum(pairs.counts, 2)[None]
    log_self = -jnp.log(counts) - dim * (log_bandwidths + math.log(4 * math.pi) / 2)
    log_square = jnp.logaddexp(log_self, jnp.log1p(-1 / counts) + log_mean(wide))
    log_density = log_mean(densities)
    gain = 2 - jnp.exp(log_square - log_density)
    return jnp.where(gain > 0, log_density + jnp.log(gain), -jnp.inf)


def _log_densities(pairs, queries, log_bandwidths):
    """At every bandwidth, ``[num_bandwidths, num_groups]``, of every query."""
    dim = pairs.points.shape[1]
    groups = pairs.groups[queries]
    log_bandwidths = log_bandwidths[:, groups]
    others = jnp.maximum(pairs.counts[groups] - 1, 1)
    factor = jnp.log(others)[None] + dim * (log_bandwidths + math.log(2 * math.pi) / 2)
    return _log_sums(pairs, queries, jnp.exp(-2 * log_bandwidths) / 2) - factor


def _nearest(pairs, queries):
    """Squared distance to the nearest other sample of the group."""

    def add(least, beyond, _):
        return jnp.minimum(least, jnp.min(beyond, axis=1))

    start = jnp.full(queries.shape, jnp.inf, pairs.points.dtype)
    nearest = _over_pairs(pairs, queries, add, start, None)
    # A sample alone in its group has no density; its place among tiles is NaN.
    return jnp.where(jnp.isfinite(nearest), nearest, jnp.nan)


def _log_sums(pairs, queries, precisions):
    """Log of the sum of kernels exp(-precision r^2), ``[num_bandwidths, num]``."""

    def add(sums, beyond, precisions):
        def one(precision):
            return jnp.sum(jnp.exp(-precision[:, None] * beyond), axis=1)

        return sums + lax.map(one, precisions.T).T

    start = jnp.zeros(precisions.T.shape, precisions.dtype)
    sums = _over_pairs(pairs, queries, add, start, precisions.T)
    return jnp.log(sums).T - precisions * pairs.nearest[queries][None]


def _over_pairs(pairs, queries, add, start, extra):
    """Fold squared distances beyond the nearest over all pairs, a tile at a time.

    Args:
      pairs: The samples.
      queries: Samples that are one side of the pairs, ``[num_queries]``.
      add: Takes the fold, distances of a tile, ``[tile, width]``, infinite where a pair
        does not count, and the tile's part of ``extra``; returns the fold.
      start: Fold before the first tile, ``[num_queries, ...]``.
      extra: Anything that goes with the queries, ``[num_queries, ...]``, or None.

    Returns:
      Fold after the last, ``[num_queries, ...]``.
    """
    num_samples, dim = pairs.points.shape
    width, tile = _tile_size(num_samples), _tile_size(len(queries))

    # Padding is in no group.
    padding = -num_samples % width
    columns = (
        jnp.pad(pairs.points, ((0, padding), (0, 0))).reshape(-1, width, dim),
        jnp.pad(pairs.groups, (0, padding), constant_values=-1).reshape(-1, width),
        jnp.arange(num_samples + padding).reshape(-1, width),
    )
    columns = (jnp.swapaxes(columns[0], 1, 2), *columns[1:])

    def fold_row(row):
        query, fold, extra = row
        points = pairs.points[query].T

        def fold_tile(fold, column):
            others, groups, number = column
            counts = pairs.groups[query][:, None] == groups[None]
            counts &= query[:, None] != number[None]
            beyond = jnp.where(counts, -pairs.nearest[query][:, None], jnp.inf)
            return add(fold, _add_squares(beyond, points, others), extra), None

        return lax.scan(fold_tile, fold, columns)[0]

    num_queries = len(queries)
    filled = jnp.minimum(jnp.arange(num_queries + -num_queries % tile), num_queries - 1)

    def in_rows(array):
        return array[filled].reshape(-1, tile, *array.shape[1:])

    folds = lax.map(fold_row, jax.tree.map(in_rows, (queries, start, extra)))
    return folds.reshape(-1, *folds.shape[2:])[:num_queries]


def _tile_size(num_samples):
    """Samples on a side of a tile."""
    if on_cpu():
        return min(_TILE, num_samples)
    return -(-num_samples // -(-num_samples // _WIDE_TILE))


def _add_squares(beyond, points, others):
    """Squared distances of columns of both, added to ``beyond``."""
    if len(points) > _MANY_COMPONENTS:
        product = points.T @ others
        squares = jnp.sum(points**2, axis=0)[:, None] + jnp.sum(others**2, axis=0)[None]
        return beyond + (squares - 2 * product)

    def add(total, component):
        left, right = component
        return total + (left[:, None] - right[None]) ** 2, None

    # A loop, so that a CPU does not take the distances again for every bandwidth.
    unroll = 1 if on_cpu() else len(points)
    return lax.scan(add, beyond, (points, others), unroll=unroll)[0]


def _members(groups, num_groups):
    """Members of each group, booleans, ``[num_groups, num_samples]``."""
    return groups[None] == jnp.arange(num_groups, dtype=groups.dtype)[:, None]
