r"""Counting estimators of variables that repeat values: atoms, grids, or some of both.

Counting takes it that no two distances are equal. A ReLU unit is zero for many samples,
a saturated unit has two such values, rounded ones lie on a grid, counts are whole: the
k-th neighbour is then at distance zero, where nothing is closer, or one of many that
are equally far, and KSG's and Ross's estimates are several nats too large.

*Distance zero.* A sample that more than k others equal is an atom: all copies count, in
the joint space and in each variable, and k gives way to their number (Gao et al.,
2017). For labels this is the information of the table of counts.

*Grids.* A column of which many values repeat is rounded. Where neighbours lie in other
cells of the grid, each value is replaced by a random number of its cell, always the
same one: as the cell tells the value, no information is lost and none is added.

*Equal distances*, up to the rounding of coordinates, are left. If s samples are closer
than the k-th neighbour and t as far, the k-th would be any of the t if they were spread
at random; on average the share :math:`u = (k - s) / (t + 1)` of all that tie is then
closer. So many of those that tie in one variable are counted; of the t neighbours
themselves exactly k - s - 1 are.
Without a tie t is one, nothing is added, and the estimate is as it was.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import digamma

from ibjax.compilation import jit
from ibjax.estimators import binning
from ibjax.estimators.knn import search as neighbours
from ibjax.estimators.knn.samples import (
    label_space,
    mean_of,
    of_each,
    psi,
    scaled_spaces,
    separations_in_class,
)
from ibjax.numerics import checks

__all__ = [
    "conditional",
    "has_repeats",
    "ksg",
    "past_copies",
    "ross",
    "spread",
    "unless_repeats",
]

# Rounding makes pairs of equal numbers, of many in float32, but hardly more of one, and
# repeats no more than such a part of a column.
_FEW_COPIES = 3
_REPEATED_PART = 0.01
# Squared distances this far apart tie, however small the numbers are: more than the
# search takes for equal.
_ROUNDINGS = 32
# A column of which so many values repeat is a grid, and no mixture. It is spread where
# so many samples have neighbours beyond their own cell.
_GRID_PART = 0.02
_FINE_PART = 0.05
# Nobody's own: samples that were drawn by the same numbers would depend on them.
_SEED = 1952015731


class _Neighbours(NamedTuple):
    """Distance of the k-th neighbour, and who ties with it, each ``[num_samples]``."""

    radius: jax.Array
    limits: jax.Array  # Below the first is closer, below the second ties, ``[2, ...]``.
    is_atom: jax.Array
    up_to: jax.Array  # Samples up to the radius, itself counted.
    more: jax.Array  # Digamma of as many as count, less that of k.
    num_tied: jax.Array
    tied_closer: jax.Array  # How many of those are closer, if spread.
    share: jax.Array  # Which share of others that tie is closer.


def unless_repeats(
    ties: bool | None,
    repeats: Callable,
    counted: Callable,
    usual: Callable,
    *arrays: jax.Array,
) -> jax.Array:
    """One estimate of arrays where some repeat values, else the usual one.

    ``repeats``, ``counted`` and ``usual`` take the arrays; ``ties`` decides instead of
    ``repeats`` where it is not None. Of traced arrays the program decides when it runs,
    and under ``vmap`` once for all of them: without a repeated value both estimates are
    the same, to the last bit.
    """
    checks.one_of("ties", ties, (None, False, True))
    if ties is None and checks.is_traced(*arrays):
        # Under vmap, of a choice for each member both ways would be taken.
        choice = _any_in_batch(repeats(*lax.stop_gradient(arrays)))
        return lax.cond(choice, counted, usual, *arrays)
    if ties is None:
        ties = bool(repeats(*map(np.asarray, arrays)))
    return (counted if ties else usual)(*arrays)


def past_copies(
    ties: bool | None,
    k: int,
    weights: Sequence[Sequence[float]],
    estimate: Callable,
    *arrays: jax.Array,
) -> jax.Array:
    """An estimate of arrays in which no number repeats but for rounding.

    ``estimate`` takes the arrays, and as ``nearest`` so many neighbours that one of
    them is not at distance zero; ``weights`` are those of all its entropies. X, with Y
    if it has samples, is asked for copies: those of a class or of both are copies, too.
    """
    few = max(k, _FEW_COPIES)
    first = min(int(np.flatnonzero(own)[0]) + 1 for own in weights)
    if ties is False or first >= few:
        return estimate(*arrays)

    def copied(*arrays):
        return sum(_has_copies(each, first) for each in arrays if each.ndim == 2) > 0

    nearest = min(few, len(arrays[0]) - 1)
    past = partial(estimate, nearest=nearest)
    return unless_repeats(None, copied, past, estimate, *arrays)


@jax.custom_batching.custom_vmap
def _any_in_batch(flag):
    """Flag itself, or under ``vmap`` one for the batch: true if any of it is."""
    return flag


@_any_in_batch.def_vmap
def _any_in_batch_vmap(size, batched, flags):
    return _any_in_batch(jnp.any(flags)), False


def has_repeats(columns: np.ndarray | jax.Array, k: int) -> np.ndarray | jax.Array:
    """Check if a column of ``[num_samples, dim]`` has more than ties of rounding."""
    xp = np if isinstance(columns, np.ndarray) else jnp
    if xp is np:
        ordered = np.sort(columns, axis=0)
    else:
        # Any order in which equal numbers are neighbours: XLA sorts integers four times
        # as fast as floating numbers. Both zeros are equal.
        bits = jnp.int64 if columns.dtype.itemsize == 8 else jnp.int32
        one_zero = jnp.where(columns == 0, 0.0, columns)
        ordered = lax.bitcast_convert_type(one_zero, bits)
        ordered = lax.sort(ordered, dimension=0, is_stable=False)
    repeated = xp.mean(ordered[1:] == ordered[:-1], axis=0)
    copies = max(k, _FEW_COPIES)
    many = xp.any(ordered[copies:] == ordered[:-copies])
    return many | xp.any(repeated > _REPEATED_PART)


def _has_copies(rows: np.ndarray | jax.Array, number: int) -> np.bool | jax.Array:
    """Check if a row of ``[num_samples, dim]`` has so many copies beside itself."""
    if isinstance(rows, np.ndarray):
        # Rows agree only where all columns do, of which a sort tells sooner.
        ordered = np.sort(rows, axis=0)
        alike = np.all(np.any(ordered[number:] == ordered[:-number], axis=0))
        if not alike or rows.shape[1] == 1:
            return alike
        _, counts = np.unique(rows, axis=0, return_counts=True)
        return np.max(counts) > number
    numbers = binning.equal_rows(rows)
    return jnp.max(jnp.bincount(numbers, length=len(rows))) > number


@jit(static_argnames=("num_classes", "k", "metric"))
def spread(variables, labels=None, *, num_classes=None, k, metric):
    """Variables ``[num_samples, dim]``, all scaled alike, fine grids spread.

    Neighbours are those of all variables together, and of the class if ``labels`` are
    given.
    """
    finite, _, spaces = scaled_spaces(*lax.stop_gradient(variables))
    everything = spaces
    if labels is not None:
        everything = (*spaces, label_space(labels, num_classes, spaces[0].dtype))
    radius = _separations(everything, k, metric)[-1]
    radius = radius if metric == "chebyshev" else jnp.sqrt(radius)
    joined = jnp.concatenate(spaces)
    # Always the same numbers, so that the estimate is one.
    noise = jax.random.uniform(jax.random.key(_SEED), joined.shape, joined.dtype)
    result = lax.map(lambda each: _spread_column(*each, radius), (joined, noise))
    result = jnp.where(finite, result, jnp.nan).T
    sides = np.cumsum([len(space) for space in spaces])[:-1]
    return tuple(jnp.split(result, sides, axis=1))


def _spread_column(column, noise, radius):
    """A column, or, of a fine grid, numbers that are even over its cells."""
    ordered = jnp.sort(column)
    left = jnp.searchsorted(ordered, column, side="left")
    right = jnp.searchsorted(ordered, column, side="right")
    last = len(column) - 1
    below = column - ordered[jnp.maximum(left - 1, 0)]
    above = ordered[jnp.minimum(right, last)] - column
    # Cells at the ends are as wide outside as inside.
    below, above = (
        jnp.where(left > 0, below, above),
        jnp.where(right <= last, above, below),
    )
    # Each distinct value has a weight of one.
    weight = 1 / (right - left)
    repeated = jnp.sum(jnp.where(right - left > 1, weight, 0)) / jnp.sum(weight)
    far = jnp.mean(radius >= jnp.minimum(below, above))
    is_fine = (repeated > _GRID_PART) & (far > _FINE_PART)
    return jnp.where(is_fine, column - below / 2 + noise * (below + above) / 2, column)


@jit(static_argnames=("k", "variant", "metric"))
def ksg(x, y, k, variant, metric):
    """KSG's estimate."""
    more, digammas = _ksg(x, y, k, variant, metric)
    mean = sum(mean_of(each) for each in digammas)
    # In this order the same bits as without a look at ties, where there are none.
    constant = psi(k) + psi(len(x)) if variant == 1 else psi(k) - 1 / k + psi(len(x))
    return constant + mean_of(more) - mean


@jit(static_argnames=("num_classes", "k", "metric"))
def ross(x, labels, num_classes, k, metric):
    """Ross's estimate; a class of k samples or fewer has fewer neighbours."""
    more, digammas = _ross(x, labels, num_classes, k, metric)
    mean = sum(mean_of(each) for each in digammas)
    return psi(len(x)) + psi(k) + mean_of(more) - mean


@jit(static_argnames=("k", "metric"))
def conditional(x, y, z, k, metric):
    """Frenzel and Pompe's estimate of I(X;Y|Z)."""
    repeats = has_repeats(jnp.concatenate([x, y, z], axis=1), k)
    finite, _, (x, y, z) = scaled_spaces(*lax.stop_gradient((x, y, z)))
    found = _neighbours((x, y, z), k, metric, repeats)
    n_xz, n_yz, n_z = (
        mean_of(digamma(_count(spaces, found, metric)))
        for spaces in ((x, z), (y, z), (z,))
    )
    value = psi(k) + mean_of(found.more) - (n_xz + n_yz - n_z)
    return jnp.where(finite, value, jnp.nan)


def _ksg(x, y, k, variant, metric):
    """Terms of atoms, and digammas in X and in Y, ``[num_samples]`` each."""
    repeats = has_repeats(jnp.concatenate([x, y], axis=1), k)
    finite, _, spaces = scaled_spaces(*lax.stop_gradient((x, y)))
    found = _neighbours(spaces, k, metric, repeats)
    more = found.more
    if variant == 1:
        counts = of_each(lambda space: _count((space,), found, metric), spaces)
    else:
        # All that tie with the k-th neighbour are in the rectangle.
        sides = neighbours.rectangle(
            neighbours.arrange(spaces),
            jnp.where(repeats, found.limits[1], found.radius),
            dims=(x.shape[1], y.shape[1]),
            metric=metric,
        )
        # A sample is in its own rectangle, but no neighbour: along a side of no length
        # it is one of the copies.
        flat = (sides == 0) & repeats
        margins = [_margin((s,), r, metric) for s, r in zip(spaces, sides, strict=True)]
        ends = sides + jnp.where(repeats & ~flat, jnp.stack(margins), 0)
        counts = [
            neighbours.count_within((space,), end, metric=metric, inclusive=True)
            - jnp.where(is_flat, 0, 1)
            for space, end, is_flat in zip(spaces, ends, flat, strict=True)
        ]
        counts = [count.astype(x.dtype) for count in counts]
        # Where only one side has a length, one neighbour is on its end.
        inside = found.up_to - jnp.where(found.is_atom, 0, 1)
        more = digamma(inside) - jnp.where(jnp.any(flat, axis=0), 0, 1 / inside)
        usual = (inside == k) & ~jnp.any(flat, axis=0)
        more = jnp.where(usual, 0, more - (psi(k) - 1 / k))
    return jnp.where(finite, more, jnp.nan), [digamma(count) for count in counts]


def _ross(x, labels, num_classes, k, metric):
    repeats = has_repeats(x, k)
    finite, _, (space,) = scaled_spaces(*lax.stop_gradient((x,)))
    size = jnp.bincount(labels, length=num_classes)[labels]
    finite &= jnp.all(size > 1)
    separations = separations_in_class(space, labels, num_classes, metric, k)
    in_class = jnp.clip(size - 1, 1, k)
    radius = jnp.take_along_axis(separations, in_class[None] - 1, axis=0)[0]
    spaces = (space, label_space(labels, num_classes, x.dtype))
    number = in_class.astype(x.dtype)
    found = _ties_at(spaces, (space,), radius, number, k, metric, repeats)
    counts = size.astype(x.dtype), _count((space,), found, metric)
    more = jnp.where(finite, found.more, jnp.nan)
    return more, [digamma(count) for count in counts]


def _neighbours(spaces, k, metric, repeats):
    radius = _separations(spaces, k, metric)[-1]
    number = jnp.full_like(radius, k)
    return _ties_at(spaces, spaces, radius, number, k, metric, repeats)


def _margin(coordinates, radius, metric):
    """By how much separations differ that are equal but for rounding.

    Steps of a grid are as even as its numbers are round: each coordinate was rounded
    once, and so was a difference of two, and two differences are compared.
    """
    eps = jnp.finfo(radius.dtype).eps
    if metric == "chebyshev":
        size = jnp.max(jnp.abs(jnp.concatenate(coordinates)), axis=0)
        return 2 * eps * (size + radius)
    size = jnp.max(jnp.stack([jnp.sum(x**2, axis=0) for x in coordinates]), axis=0)
    distance, size = jnp.sqrt(radius), jnp.sqrt(size)
    return 4 * eps * distance * (size + distance) + _ROUNDINGS * eps * radius


def _separations(spaces, k, metric):
    """Separations of the k nearest neighbours in all spaces, ``[k, num_samples]``."""
    return neighbours.nearest_separations(
        neighbours.arrange(spaces),
        spaces[0].shape[1],
        dims=tuple(len(space) for space in spaces),
        metric=metric,
        k=k,
    )


def _ties_at(spaces, coordinates, radius, number, k, metric, repeats):
    """Who ties with the neighbour of this number, at this distance.

    ``coordinates`` are the spaces without that of labels. Nobody ties if no column
    ``repeats`` values; distances agree by chance.
    """
    margin = _margin(coordinates, radius, metric)
    within = jnp.where(repeats, radius - margin, radius)
    beyond = radius + margin
    tiny = jnp.finfo(radius.dtype).tiny
    # Twice the smallest number: one that is smaller still would pass for zero.
    thresholds = jnp.stack([within, jnp.maximum(beyond, 2 * tiny)])
    closer, up_to = _counts_about(spaces, thresholds, metric)
    up_to = jnp.where(repeats, up_to, number + 1)
    closer = jnp.where(repeats, closer, number)
    num_tied = jnp.maximum(up_to - closer, 1)
    left = number - (closer - 1)  # Neighbours to be found among those that tie.
    is_atom = (radius == 0) & repeats
    counted = jnp.where(is_atom, up_to, number)
    return _Neighbours(
        radius,
        thresholds,
        is_atom,
        up_to,
        jnp.where(counted == k, 0, digamma(counted) - psi(k)),
        num_tied,
        left - 1,
        jnp.where(repeats, left / (num_tied + 1), 0),
    )


def _count(spaces, found, metric):
    """Samples closer in some of the spaces, itself counted, ties spread."""
    closer, up_to = _counts_about(spaces, found.limits, metric)
    tied = up_to - closer
    among = jnp.minimum(tied, found.num_tied)
    spread = among / found.num_tied * found.tied_closer + (tied - among) * found.share
    return jnp.where(found.is_atom, up_to, closer + spread)


def _counts_about(spaces, thresholds, metric):
    """Samples closer than each of two separations, itself counted, floating."""

    def count(threshold):
        return neighbours.count_within(spaces, threshold, metric=metric)

    # Compiled once for both.
    closer, up_to = lax.map(count, thresholds).astype(thresholds.dtype)
    return closer, up_to
