r"""Entropies from nearest-neighbour distances, and the information they add up to.

The theory is in :mod:`ibjax.estimators.knn`.
"""

import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit, jit
from ibjax.estimators.knn import neighbour_weights as knn_weights
from ibjax.estimators.knn import search as neighbours
from ibjax.estimators.knn import ties as tied
from ibjax.estimators.knn.samples import (
    check_labels,
    check_neighbours,
    check_together,
    mean_of,
    psi,
    scaled_spaces,
    separations_in_class,
)
from ibjax.estimators.knn.ties import has_repeats, past_copies, unless_repeats
from ibjax.numerics import checks

__all__ = [
    "class_information",
    "entropy",
    "entropy_offset",
    "log_distances",
    "mutual_information",
    "neighbour_weights",
    "num_repeated",
    "weighted_entropy",
]


def entropy(x: ArrayLike, *, k: int = 3, metric: str = "euclidean") -> jax.Array:
    r"""Differential entropy h(X) after Kozachenko and Leonenko, in nats.

    The formula is the first of :mod:`ibjax.estimators.knn`, with :math:`\log(N - 1)`
    where Kraskov et al. write :math:`\psi(N)`. Logarithms of distances are averaged,
    powers of them are never taken.

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating.
      k: Number of neighbours, at least 1 and at most ``num_samples - 2``.
      metric: Shape of the balls, ``"euclidean"`` or ``"chebyshev"``.

    Returns:
      Estimate in nats, shape ``[]``. NaN if a sample is not finite, or has its k-th
      neighbour at distance zero, see :func:`num_repeated`.

    Raises:
      ValueError: If the shape, ``k`` or ``metric`` is not allowed, or, outside of
        ``jit``, a sample is not finite or a column constant: there is no density then.
      TypeError: If ``x`` is not floating, or ``k`` no integer.

    References:
      Kozachenko and Leonenko, `Sample estimate of the entropy of a random vector`,
      Problems of Information Transmission, 1987.

    Example:
      >>> x = jax.random.normal(jax.random.key(0), (400, 1))
      >>> print(f"{entropy(x):.1f} of {0.5 * jnp.log(2 * jnp.pi * jnp.e):.1f} nats")
      1.4 of 1.4 nats
    """
    (x,) = check_together(vary=True, x=x)
    k = check_neighbours(k, len(x))
    checks.one_of("metric", metric, neighbours.METRICS)
    return _entropy(x, neighbour_weights(k, x, None), metric)


def weighted_entropy(x: ArrayLike, *, k: int, weights: str = "bsy") -> jax.Array:
    r"""Differential entropy h(X) from weighted neighbour distances, in nats.

    .. math::
        \hat h = \frac1N \sum_i \sum_{j=1}^k w_j
            \log\left[e^{-\psi(j)} V_d (N - 1) \rho_{ji}^d\right]

    with the weights of :func:`~ibjax.estimators.knn.neighbour_weights.weights`, which
    cancel the leading terms of the bias for many samples. A thousand need not be many:
    of Gaussians in five dimensions the weights leave as much bias, -0.06 to -0.10 nats
    at k = 20, as the 20th neighbour alone, -0.05 to -0.07. They are large when k is
    small for the dimension:
    :func:`~ibjax.estimators.knn.neighbour_weights.weight_norm` is by how much errors
    are magnified, 33 for k = 5 in 8 dimensions, and 5 or less in up to seven: there few
    neighbours do better where the density bends or ends. Of I(X;Y) of 1.02 nats in
    3 + 3 dimensions, 5,000 samples, the bias on spirals is -0.10 nats with 24
    neighbours and -0.03 with 5, on a cube +0.15 and +0.07, at twice the standard
    deviation.

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating.
      k: Number of neighbours, at least ``1 + dim // 4``; Berrett et al. advise about
        the cube root of the number of samples or more.
      weights: ``"bsy"``, of Berrett, Samworth and Yuan, or ``"butakov"``, of Butakov et
        al.; in up to three or four dimensions they are the k-th neighbour alone and
        the first one alone.

    Returns:
      Estimate in nats, shape ``[]``. NaN if a sample is not finite, or has a neighbour
      of weight other than zero at distance zero, see :func:`num_repeated`.

    Raises:
      ValueError: As :func:`entropy`, or if ``k`` is too small for the dimension.
      TypeError: As :func:`entropy`.

    References:
      Berrett, Samworth and Yuan, `Efficient multivariate entropy estimation via
      k-nearest neighbour distances`, Annals of Statistics, 2019.

    Example:
      >>> x = jax.random.normal(jax.random.key(0), (400, 5))
      >>> truth = 2.5 * jnp.log(2 * jnp.pi * jnp.e)
      >>> print(f"{weighted_entropy(x, k=6):.1f} of {truth:.1f} nats")
      7.0 of 7.1 nats
    """
    (x,) = check_together(vary=True, x=x)
    k = check_neighbours(k, len(x))
    return _entropy(x, neighbour_weights(k, x, weights), "euclidean")


def mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    *,
    k: int = 3,
    weights: str | None = None,
    ties: bool | None = None,
) -> jax.Array:
    r"""Information I(X;Y) as h(X) + h(Y) - h(X,Y), in nats.

    Each entropy is that of :func:`entropy` with the Euclidean norm, or of
    :func:`weighted_entropy`, in its own space. Their biases differ, and do not cancel;
    :func:`ksg` is the better choice unless the information is large and the variables
    have a density. Where values repeat, but for a fine grid, they have none, and the
    estimate is that of :func:`ksg`. Where few agree, as by rounding, neighbours at
    distance zero are passed over: the first beyond them takes their place, with the
    digamma function of its own number.

    Args:
      x: Samples of X, shape ``[num_samples, dim_x]``, floating.
      y: Samples of Y, shape ``[num_samples, dim_y]``, floating.
      k: Number of neighbours, at least 1 and at most ``num_samples - 2``.
      weights: None, ``"bsy"`` or ``"butakov"``.
      ties: As for :func:`ksg`.

    Returns:
      Estimate in nats, shape ``[]``. NaN where an entropy is, with ``ties=False``.

    Raises:
      ValueError: As :func:`weighted_entropy`, or if lengths differ.
      TypeError: As :func:`weighted_entropy`.

    Example:
      >>> z = jax.random.normal(jax.random.key(0), (400, 2))
      >>> x, y = z[:, :1], 0.8 * z[:, :1] + 0.6 * z[:, 1:]
      >>> truth = -0.5 * jnp.log(1 - 0.8**2)
      >>> print(f"{mutual_information(x, y):.1f} of {truth:.1f} nats")
      0.4 of 0.5 nats
    """
    x, y = check_together(vary=True, x=x, y=y)
    k = check_neighbours(k, len(x))

    def counted(x, y):
        x, y = tied.spread((x, y), k=k, metric="euclidean")
        # A grid that was spread repeats nothing any more.
        return unless_repeats(None, repeats, by_counting, usual, x, y)

    def by_counting(x, y):
        return tied.ksg(x, y, k, 1, "euclidean")

    def usual(x, y):
        estimate = partial(_from_entropies, k=k, weights=weights)
        return past_copies(ties, k, chosen, estimate, x, y)

    def repeats(x, y):
        return has_repeats(x, k) | has_repeats(y, k)

    # Before any choice, so that what is wrong is refused in either case.
    joint = jnp.concatenate([x, y], axis=1)
    chosen = [neighbour_weights(k, samples, weights) for samples in (joint, x, y)]
    return unless_repeats(ties, repeats, counted, usual, x, y)


def _from_entropies(x, y, k, weights, nearest=None):
    joint = jnp.concatenate([x, y], axis=1)
    h_x, h_y, h_xy = (
        _entropy(samples, neighbour_weights(k, samples, weights), "euclidean", nearest)
        for samples in (x, y, joint)
    )
    return h_x + h_y - h_xy


def class_information(
    x: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    k: int = 3,
    weights: str | None = None,
    ties: bool | None = None,
) -> jax.Array:
    r"""Information I(X;Y) of a label as h(X) - sum of p(y) h(X|y), in nats.

    Each entropy is that of :func:`entropy` with the Euclidean norm, or of
    :func:`weighted_entropy`; p(y) are the frequencies of the classes. The bias is that
    of classes with fewer samples than all together have. Where values repeat, but for a
    fine grid, there is no density, and the estimate is that of :func:`ross`. Where few
    agree, neighbours are passed over as in :func:`mutual_information`.

    Args:
      x: Samples of X, shape ``[num_samples, dim]``, floating.
      labels: Class of every sample, integers in ``[0, num_classes)``, shape
        ``[num_samples]``. A class that no sample has adds nothing.
      num_classes: Number of classes.
      k: Number of neighbours, at least 1; every class that has samples must have more
        than ``k``.
      weights: None, ``"bsy"`` or ``"butakov"``.
      ties: As for :func:`ksg`.

    Returns:
      Estimate in nats, shape ``[]``. NaN where an entropy is, with ``ties=False``, or
      if a class has samples, but not more than ``k``, or none but copies of a sample.

    Example:
      >>> labels = jnp.arange(400) % 2
      >>> x = labels[:, None] + 0.1 * jax.random.normal(jax.random.key(0), (400, 1))
      >>> information = class_information(x, labels, num_classes=2)
      >>> print(f"{information:.1f} of {jnp.log(2):.1f} nats")
      0.7 of 0.7 nats
    """
    (x,) = check_together(vary=True, x=x)
    k = check_neighbours(k, len(x))
    labels = check_labels(labels, num_classes, len(x), k)
    chosen = neighbour_weights(k, x, weights)
    options = {"num_classes": num_classes, "k": k, "metric": "euclidean"}

    def counted(x, labels):
        (x,) = tied.spread((x,), labels, **options)
        return unless_repeats(None, repeats, by_counting, usual, x, labels)

    def by_counting(x, labels):
        return tied.ross(x, labels, **options)

    def usual(x, labels):
        estimate = partial(_class_information, num_classes=num_classes, weights=chosen)
        return past_copies(ties, k, [chosen], estimate, x, labels)

    def repeats(x, labels):
        return has_repeats(x, k)

    return unless_repeats(ties, repeats, counted, usual, x, labels)


def num_repeated(x: ArrayLike, *, k: int = 1) -> jax.Array:
    """Number of samples whose k-th neighbour is at distance zero.

    Of continuous samples in float32 along one coordinate a few agree by rounding from
    about 5,000 of them on: take ``k`` above 1 there, or float64. Many are a sign of a
    variable that is not continuous, such as a saturated unit.

    Args:
      x: Samples, shape ``[num_samples, dim]``, floating.
      k: Which neighbour, at least 1 and at most ``num_samples - 2``.

    Returns:
      Number, int32, shape ``[]``.

    Raises:
      ValueError: As :func:`entropy`, but columns may be constant.
      TypeError: As :func:`entropy`.

    Example:
      >>> int(num_repeated(jnp.array([[0.0], [0.5], [0.5], [2.0]])))
      2
    """
    (x,) = check_together(x=x)
    return _num_repeated(x, check_neighbours(k, len(x)))


@jit(static_argnames=("weights", "metric", "nearest"))
def _entropy(x, weights, metric, nearest=None):
    num_samples, dim = x.shape
    finite, log_scale, log_distance = log_distances(x, weights, metric, nearest=nearest)
    result = (
        math.log(num_samples - 1)
        + entropy_offset(dim, weights, metric)
        + dim * (mean_of(log_distance) + log_scale)
    )
    return jnp.where(finite, result, jnp.nan)


def log_distances(x, weights, metric, labels=None, num_classes=None, *, nearest=None):
    """Weighted log distances of every sample's neighbours, in its class if given.

    Of samples ``[num_samples, dim]`` and classes ``[num_samples]``: a boolean, all are
    finite; the logarithm of the scale taken out; and ``[num_samples]`` means, NaN where
    a neighbour that counts is at distance zero. With ``nearest`` the first of so many
    neighbours that is not takes the place of those that are.
    """
    num_samples, dim = x.shape
    finite, log_scale, (space,) = scaled_spaces(x)
    k = max(len(weights), nearest or 0)
    if labels is None:
        separations = neighbours.nearest_separations(
            neighbours.arrange((space,)), num_samples, dims=(dim,), metric=metric, k=k
        )
    else:
        separations = separations_in_class(space, labels, num_classes, metric, k)
    chex.assert_shape(separations, (k, num_samples))
    # A weight of zero must not make NaN of a neighbour at distance zero.
    used = [(w, separations[j]) for j, w in enumerate(weights) if w]
    more = 0.0
    if nearest:
        others = num_samples - 1
        if labels is not None:
            others = jnp.bincount(labels, length=num_classes)[labels] - 1
        used, more = _without_copies(separations, weights, others)
    return finite, log_scale, _weighted_log_distance(used, metric) + more / dim


def _without_copies(separations, weights, others):
    """Weights and separations, the first above zero for zero, and what to add.

    The logarithms of the volumes within the j-th and the i-th neighbour differ by
    psi(j) - psi(i) on average: ``[num_samples]``, where one takes the other's place. A
    sample that has copies alone among its ``others`` keeps them.
    """
    psis = jnp.array([psi(j + 1) for j in range(len(separations))], separations.dtype)
    num_copies = jnp.sum(separations == 0, axis=0)
    place = jnp.minimum(num_copies, len(separations) - 1)
    first = jnp.take_along_axis(separations, place[None], axis=0)[0]
    first = jnp.where(num_copies < others, first, 0.0)
    used, more = [], 0.0
    for j, weight in enumerate(weights):
        if weight:
            is_copy = separations[j] == 0
            used.append((weight, jnp.where(is_copy, first, separations[j])))
            more += weight * jnp.where(is_copy, psis[j] - psis[place], 0.0)
    return used, more


def entropy_offset(dim: int, weights: tuple[float, ...], metric: str) -> float:
    """Constant of the estimator, which does not depend on the samples, in nats.

    It is the entropy less log(N - 1) and ``dim`` mean log distances.
    """
    return _log_unit_ball(dim, metric) - sum(
        w * psi(j) for j, w in enumerate(weights, start=1) if w
    )


@jit(static_argnames=("num_classes", "weights", "nearest"))
def _class_information(x, labels, num_classes, weights, nearest=None):
    num_samples, dim = x.shape
    finite, _, everywhere = log_distances(x, weights, "euclidean", nearest=nearest)
    _, _, in_class = log_distances(
        x, weights, "euclidean", labels, num_classes, nearest=nearest
    )
    class_size = jnp.bincount(labels, length=num_classes)[labels]
    # A difference of log distances for every sample: their common part cancels before
    # the mean is taken, not after.
    farther = in_class - everywhere
    log_fewer = jnp.log(jnp.maximum(class_size - 1, 1).astype(x.dtype))
    log_fewer -= math.log(num_samples - 1)
    result = -mean_of(log_fewer) - dim * mean_of(farther)
    return jnp.where(finite & jnp.all(class_size > len(weights)), result, jnp.nan)


@exact_jit(static_argnames="k")
def _num_repeated(x, k):
    _, _, (space,) = scaled_spaces(x)
    separations = neighbours.nearest_separations(
        neighbours.arrange((space,)),
        len(x),
        dims=(x.shape[1],),
        metric="chebyshev",
        k=k,
    )
    return jnp.sum(separations[-1] == 0)


def _weighted_log_distance(used, metric):
    """Weighted mean of the neighbours' log distances, ``[num_samples]``.

    Of pairs of a weight and separations, ``[num_samples]``, from near to far. The
    weights sum to one, so that only the farthest neighbour is far from zero in it:
    large weights of both signs then magnify less rounding. NaN at distance zero.
    """
    factor = 0.5 if metric == "euclidean" else 1.0
    repeated = jnp.any(jnp.stack([one for _, one in used]) == 0, axis=0)

    # The inner where keeps the gradient of log 0 from becoming NaN.
    def log(separation):
        return jnp.log(jnp.where(repeated, 1.0, separation))

    farthest = log(used[-1][1])
    total = farthest
    for weight, separation in used[:-1]:
        total = total + weight * (log(separation) - farthest)
    return jnp.where(repeated, jnp.nan, factor * total)


def _log_unit_ball(dim, metric):
    if metric == "chebyshev":
        return dim * math.log(2)
    return dim / 2 * math.log(math.pi) - math.lgamma(1 + dim / 2)


def neighbour_weights(k: int, x: jax.Array, kind: str | None) -> tuple[float, ...]:
    """Weights as a tuple, by which a compiled function is found again.

    They are of ``kind``, None for the k-th neighbour alone, up to the last that is not
    zero: neighbours beyond are not looked for.
    """
    if kind is None:
        return (0.0,) * (k - 1) + (1.0,)
    checks.one_of("weights", kind, knn_weights.KINDS)
    result = knn_weights.weights(k, x.shape[1], kind)
    last = int(np.max(np.nonzero(result)[0]))
    return tuple(result[: last + 1].tolist())
