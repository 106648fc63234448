r"""Certificate of a bottleneck solution: a proven bound on what it lacks.

The bottleneck at beta is a rate-distortion problem whose reproductions are all
decoders r, the distributions of Y. For any positive Z(x), weak duality bounds the
least objective from below by

.. math:: -\sum_x p(x) \log Z(x) - \max_r h(r) - \beta I(X;Y), \quad
   h(r) = \log \sum_x \frac{p(x)}{Z(x)} e^{-\beta D(p(y|x) \| r)}.

The maximum is not a concave problem: h has a peak for every cluster and for some that
are missing. An ascent finds a peak, never the proof that none is higher. The proof is
a branch and bound over simplices of decoders, in two steps.

* Every term of the sum has the logarithm :math:`\beta \sum_y p(y|x) \log r(y)` and a
  constant, concave in r. With the tangent at the middle of a simplex in its place, the
  sum is convex, and thus below its largest value at a corner of the simplex. A term of
  an input with one label alone is :math:`r(y)^\beta`, convex as it is. The bound holds
  on the border of the simplex of decoders too, where logarithms are infinite, and its
  error falls with the square of the size.
* At a peak that is as high as the bound to be proven, the error would have to be zero.
  There :math:`h(r) = L(\log r)` with

  .. math:: L(u) = \log \sum_x \frac{p(x)}{Z(x)} e^{-\beta D(p(y|x) \| e^u)}
     - \beta \Big(\sum_y e^{u(y)} - 1\Big),

  whose Hessian is at most :math:`\beta^2 \mathrm{Cov}[p(y|x)] - \beta\,
  \mathrm{diag}(r)`. In a box around the peak in which bounds on its terms keep that
  negative, L is concave and lies below its tangent: no simplex in it is divided.

Decoders outside of the convex hull of the p(y|x) never matter: an ascent leads inside.
So the search has one dimension less than there are labels, or inputs if they are fewer.
All of it is NumPy in float64, whatever the precision of the solution: in float32 the
rounding of beta times a divergence would hide the gap.
"""

from typing import NamedTuple

import numpy as np

from ibjax.bottleneck.dual import (
    NOTHING,
    RESOLUTION,
    SMALL,
    Dual,
    Place,
    ascend,
    climb,
    distinct,
    log,
    logsumexp,
)
from ibjax.bottleneck.tables import merge_inputs

__all__ = ["LARGEST_SEARCH", "Certificate", "certify", "certify_encoder"]

LARGEST_SEARCH = 4
"""Labels, or inputs of different p(y|x), up to which a search is exhaustive."""

# Terms of the dual's sum, over cells, corners and inputs, of a beta in a round of the
# search, the rounds, and betas that are searched together. Beyond them the bounds that
# remain are taken as they are: a certificate all the same, but not as tight.
_MOST_TERMS = 300_000
_ROUNDS = 150
_AT_ONCE = 8
_SHARE_OF_MIDDLE = 0.01


class Certificate(NamedTuple):
    """Bound on a solution's distance from the least objective, or an estimate of it.

    Attributes:
      gap: Bound or estimate, in nats, shape ``[num_betas]``.
      certified: Whether it is a bound, shape ``[num_betas]``; an estimate may be low.
      missing: The decoder of the highest peak found, shape ``[num_betas, num_y]``.
    """

    gap: np.ndarray
    certified: np.ndarray
    missing: np.ndarray


class _Boxes(NamedTuple):
    """One box around a peak for every beta, and the highest h in it.

    Attributes:
      low: Least probabilities, shape ``[num_betas, num_y]``; above one if none.
      high: Largest probabilities, shape ``[num_betas, num_y]``.
      bound: Shape ``[num_betas]``.
    """

    low: np.ndarray
    high: np.ndarray
    bound: np.ndarray


def certify(
    p_xy: np.ndarray,
    betas: np.ndarray,
    log_weight: np.ndarray,
    log_decoder: np.ndarray,
    objective: np.ndarray,
    *,
    quick: bool = False,
) -> Certificate:
    """Certificate of the clusters ``[num_betas, num_t]`` with some objectives.

    The table, ``[num_x, num_y]``, holds no input and no label of probability zero, and
    no two inputs of one p(y|x). ``quick`` leaves the search out.
    """
    p_x = p_xy.sum(axis=1)
    rows = p_xy / p_x[:, None]
    p_y = p_xy.sum(axis=0)
    negative_entropy = (rows * log(rows)).sum(axis=1)
    i_xy = p_x @ negative_entropy - p_y @ log(p_y)
    num_x, num_y = rows.shape
    # By data processing, nothing has a negative objective up to beta = 1, where the
    # dual's peak may be as wide as all decoders. The best decoder is then p(y) alone.
    gap = objective.copy()
    certified = np.ones(len(betas), bool)
    missing = np.broadcast_to(p_y, (len(betas), num_y)).copy()
    searched = np.flatnonzero(betas > 1)
    if len(searched):
        beta = betas[searched]
        log_z = np.stack(
            [
                logsumexp(weight - b * (negative_entropy[:, None] - rows @ decoder.T))
                for weight, decoder, b in zip(
                    log_weight[searched], log_decoder[searched], beta, strict=True
                )
            ]
        )
        offset = np.log(p_x) - log_z - beta[:, None] * negative_entropy
        known = [
            distinct(np.exp(decoder[weight > np.log(SMALL)]))
            for weight, decoder in zip(
                log_weight[searched], log_decoder[searched], strict=True
            )
        ]
        exhaustive = min(num_x, num_y) <= LARGEST_SEARCH and not quick
        for first in range(0, len(searched), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            dual = Dual(beta[some], offset[some], rows)
            highest, proven, found = _search(dual, known[some], exhaustive=exhaustive)
            places = searched[some]
            gap[places] += beta[some] * i_xy + log_z[some] @ p_x + highest
            certified[places], missing[places] = proven, found
    # Sums of terms of up to one, and of beta, in float64.
    rounding = 64 * np.finfo(float).eps * (1 + betas)
    return Certificate(np.maximum(gap, 0) + rounding, certified, missing)


def certify_encoder(
    p_xy: np.ndarray, beta: float, p_t_given_x: np.ndarray
) -> Certificate:
    """Certificate of an encoder, ``[num_x, num_t]``, of any table.

    Labels of probability zero are left out of ``missing``.
    """
    p_xy = np.asarray(p_xy, float)
    encoder = np.asarray(p_t_given_x, float)
    # In float32 they sum to one up to rounding, which beta would magnify.
    p_xy = p_xy / p_xy.sum()
    encoder = encoder / encoder.sum(axis=1, keepdims=True)
    p_x = p_xy.sum(axis=1)
    p_xt, p_ty = p_x[:, None] * encoder, encoder.T @ p_xy
    weight = p_xt.sum(axis=0)
    decoder = p_ty / np.where(weight > 0, weight, 1)[:, None]
    objective = _information(p_xt) - beta * _information(p_ty)
    labels = p_xy.sum(axis=0) > 0
    return certify(
        merge_inputs(p_xy)[0][:, labels],
        np.array([beta], float),
        log(weight)[None],
        log(decoder[:, labels])[None],
        np.array([objective]),
    )


def _search(dual, known, *, exhaustive):
    """Bound on the maximum of h, whether it is one, and the best decoder found.

    ``known`` holds decoders of clusters, ``[num_known, num_y]`` for every beta. Without
    ``exhaustive`` the maximum comes from ascents, and is a bound only if they end in a
    box that holds all decoders.
    """
    num_betas, num_x = dual.offset.shape
    rows = dual.rows
    everyone = np.arange(num_betas)
    middle = np.broadcast_to(rows.mean(axis=0), (num_betas, rows.shape[1]))
    tolerance = RESOLUTION * (1 + dual.beta)
    best, where = dual.heights(everyone, middle), middle.copy()
    boxes = []

    def look(owner, decoders):
        """Climb from one decoder for some betas; keep the peak, and a box for it."""
        peak = climb(dual, owner, decoders)
        height = dual.heights(owner, peak)
        better = height > best[owner]
        best[owner[better]] = height[better]
        where[owner[better]] = peak[better]
        low = np.full((num_betas, rows.shape[1]), 2.0)
        high, bound = low.copy(), np.full(num_betas, -np.inf)
        low[owner], high[owner], bound[owner] = _box(
            dual, owner, peak, tolerance[owner]
        )
        boxes.append(_Boxes(low, high, bound))

    for number in range(max(map(len, known), default=0)):
        owner = np.array([b for b in everyone if number < len(known[b])])
        look(owner, np.stack([known[b][number] for b in owner]))
    if not exhaustive:
        # From every p(y|x), but with a share of the mean: an ascent never gives a
        # label of probability zero any again, so it would stay on the border.
        starts = (1 - _SHARE_OF_MIDDLE) * rows + _SHARE_OF_MIDDLE * middle[0]
        tops = np.empty_like(middle)
        for beta in everyone:
            number = np.full(num_x, beta)
            climbed = ascend(dual, number, starts)
            tops[beta] = climbed[dual.heights(number, climbed).argmax()]
        look(everyone, tops)

    if num_x <= rows.shape[1]:
        corners = rows
    else:
        # The least simplex with the sides of the simplex of decoders around the hull.
        low = rows.min(axis=0)
        corners = low + max(1 - low.sum(), 0) * np.eye(rows.shape[1])
    cells = np.broadcast_to(corners, (num_betas, *corners.shape)).copy()
    hull = rows.min(axis=0), rows.max(axis=0)
    owner, dropped = everyone, np.full(num_betas, -np.inf)
    limit = num_betas * max(_MOST_TERMS // (num_x * len(corners)), 2)
    for round_ in range(_ROUNDS if exhaustive else 1):
        upper, height, centre = _bounds(dual, owner, cells)
        # The highest middle counts too: a peak of a scale of its own, next to the
        # border, can escape the ascents.
        last = _last_of_each(owner, height)
        better = last[height[last] > best[owner[last]]]
        best[owner[better]], where[owner[better]] = height[better], centre[better]
        left = upper > best[owner] + tolerance[owner]
        # A decoder matters in the hull only: so much of a cell is to be inside a box.
        low = np.maximum(_reduce(np.minimum, cells), hull[0])
        high = np.minimum(_reduce(np.maximum, cells), hull[1])
        for box in boxes:
            rest = np.flatnonzero(left)
            at = owner[rest]
            inside = (low[rest] >= box.low[at]) & (high[rest] <= box.high[at])
            inside = rest[_reduce(np.logical_and, inside[..., None])[:, 0]]
            upper[inside] = np.minimum(upper[inside], box.bound[owner[inside]])
            left[inside] = upper[inside] > (best + tolerance)[owner[inside]]
        np.maximum.at(dropped, owner[~left], upper[~left])
        cells, owner, upper = cells[left], owner[left], upper[left]
        height, centre = height[left], centre[left]
        if not len(cells):
            break
        if round_ & (round_ - 1) == 0:
            last = _last_of_each(owner, height)
            # The highest of the cells that are left may be a peak without a box yet.
            look(owner[last], centre[last])
        if len(cells) > limit:
            chosen = np.argpartition(-upper, limit)
            rest = chosen[limit:]
            np.maximum.at(dropped, owner[rest], upper[rest])
            cells, owner = cells[chosen[:limit]], owner[chosen[:limit]]
            upper = upper[chosen[:limit]]
        if exhaustive and round_ < _ROUNDS - 1:
            cells, owner = _halve(cells), np.concatenate([owner, owner])
    unproven = np.zeros(num_betas, bool)
    if exhaustive:
        np.maximum.at(dropped, owner, upper[: len(owner)])
    else:
        unproven[owner] = True
    return np.where(unproven, best, np.maximum(best, dropped)), ~unproven, where


def _last_of_each(owner, height):
    """Place of the highest of every owner."""
    order = np.lexsort((height, owner))
    return order[np.r_[owner[order][1:] != owner[order][:-1], True]]


def _bounds(dual, owner, cells):
    """Bound on h in every cell, h in its middle, and the middle."""
    centre = cells.mean(axis=1)
    inverse = np.where(centre > 0, 1 / np.where(centre > 0, centre, 1), 0)
    at_centre = log(centre) @ dual.rows.T
    slopes = (cells * inverse[:, None]) @ dual.rows.T - 1
    cross = at_centre[:, None] + slopes
    certain = dual.rows.max(axis=1) == 1
    if certain.any():
        cross[..., certain] = log(cells) @ dual.rows[certain].T
    beta, offset = dual.beta[owner], dual.offset[owner]
    terms = offset[:, None] + beta[:, None, None] * cross
    height = logsumexp(offset + beta[:, None] * at_centre)
    return logsumexp(terms).max(axis=1), height, centre


def _halve(cells):
    """Both halves of every cell, cut across its longest edge, ``[2 n, ...]``."""
    first, second = np.triu_indices(cells.shape[1], 1)
    # Differences of roots, Fisher's metric: at the border a probability counts by
    # ratios, in the middle by differences, as in the error of the bound.
    roots = np.sqrt(cells)
    lengths = ((roots[:, first] - roots[:, second]) ** 2).sum(axis=2)
    longest = lengths.argmax(axis=1)
    number = np.arange(len(cells))
    ends = first[longest], second[longest]
    middle = (cells[number, ends[0]] + cells[number, ends[1]]) / 2
    halves = []
    for end in ends:
        half = cells.copy()
        half[number, end] = middle
        halves.append(half)
    return np.concatenate(halves)


def _reduce(function, values):
    """Reduction over the second axis; NumPy's own is slow along a short axis."""
    result = values[:, 0]
    for number in range(1, values.shape[1]):
        result = function(result, values[:, number])
    return result


def _box(dual, owner, peaks, tolerance):
    """Largest box found around every peak in which L is concave: low, high, bound.

    What the labels and inputs left out of L can add is bounded by itself.
    """
    here = Place(dual, owner, peaks)
    small, outside, beta, r = here.small, here.outside, here.beta, here.r
    low = np.full_like(r, 2.0)
    high, bound = low.copy(), np.full(len(r), -np.inf)
    found = outside.all(axis=1)  # Nothing is left of L: no box.
    centred = np.where(small[:, None], 0, dual.rows - here.mean[:, None])
    sizes = np.abs(centred).sum(axis=2)
    scaled = centred / np.sqrt(np.where(small, 1, r))[:, None]
    num_small = np.maximum(small.sum(axis=1), 1)
    for radius in 2.0 ** -np.arange(0, 16):
        # Within the radius a term's logarithm, less that of their mean, changes by no
        # more than this, which bounds its share of the sum.
        change = beta[:, None] * radius * sizes
        least = logsumexp(here.log_shares - change)[:, None]
        largest_share = np.exp(np.minimum(here.log_shares + change - least, 0))
        spread = (scaled * largest_share[..., None]).transpose(0, 2, 1) @ scaled
        largest = beta * np.linalg.eigvalsh(spread)[:, -1]
        # With probability R for the labels left out, an input outside adds at most
        # its term without them, times R to the power of beta times its part there,
        # and L loses beta R.
        extra = _most(
            np.where(outside, here.logs + change - here.height[:, None], NOTHING),
            beta[:, None] * here.part,
            beta / np.maximum(outside.sum(axis=1), 1),
            radius,
        ).sum(axis=1)
        fits = (largest <= np.exp(-radius)) & (extra <= tolerance) & ~found
        found |= fits
        low[fits] = np.where(small, 0, r * np.exp(-radius))[fits]
        reach = np.where(small, radius / num_small[:, None], r * np.exp(radius))
        high[fits] = reach[fits]
        slope = radius * np.abs(here.gradient).sum(axis=1)
        bound[fits] = (here.value + slope + extra)[fits]
        if found.all():
            break
    return low, high, bound


def _most(log_factor, power, slope, end):
    """Largest of exp(log_factor) R^power - slope R over R in [0, end], 0 or above."""
    slope = slope[:, None]
    used = log_factor > NOTHING / 2
    # From power one on it is convex, with its largest value at an end; below, its
    # slope is zero at one place.
    safe = np.clip(power, 1e-12, 1 - 1e-12)
    log_place = (log_factor + np.log(safe) - np.log(slope)) / (1 - safe)
    log_place = np.where(power >= 1, np.log(end), np.minimum(log_place, np.log(end)))
    value = np.exp(np.minimum(log_factor + power * log_place, 700))
    return np.where(used, np.maximum(value - slope * np.exp(log_place), 0), 0)


def _information(p):
    product = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    ratio = np.where(p > 0, p, 1) / np.where(p > 0, product, 1)
    return float((p * np.log(ratio)).sum())
