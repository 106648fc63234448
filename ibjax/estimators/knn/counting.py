"""Information by counting neighbours: Kraskov et al., Ross, Frenzel and Pompe."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import jit
from ibjax.estimators.knn import search as neighbours
from ibjax.estimators.knn import ties as tied
from ibjax.estimators.knn.samples import (
    check_neighbours,
    check_together,
    mean_digamma,
    of_each,
    psi,
    scaled_spaces,
    separations_in_class,
    without_single_labels,
)
from ibjax.estimators.knn.ties import has_repeats, unless_repeats
from ibjax.numerics import checks

__all__ = ["conditional_mutual_information", "ksg", "ross"]

VARIANTS = (1, 2)


def ksg(
    x: ArrayLike,
    y: ArrayLike,
    *,
    k: int = 3,
    variant: int = 1,
    metric: str = "chebyshev",
    ties: bool | None = None,
) -> jax.Array:
    r"""Information I(X;Y) of two continuous variables after Kraskov et al., in nats.

    With :math:`\epsilon_i` the distance from sample i to its k-th neighbour in the
    joint space, the larger of those in X and in Y, variant 1 is

    .. math::
        \psi(k) + \psi(N) - \langle \psi(n_x + 1) + \psi(n_y + 1) \rangle ,

    where :math:`n_x` samples are *closer* than :math:`\epsilon_i` in X. Variant 2,

    .. math::
        \psi(k) - 1/k + \psi(N) - \langle \psi(n_x) + \psi(n_y) \rangle ,

    counts those up to the farthest of the k neighbours in each space, inclusive; if
    others tie with the k-th neighbour, they are neighbours too. Variant 1 has the
    smaller variance, variant 2 the smaller bias in many dimensions.

    The estimate lies between about :math:`\psi(k) - \psi(N)` and
    :math:`\psi(k) + \psi(N) + 2\gamma`; it is near zero when one variable is constant.

    Args:
      x: Samples of X, shape ``[num_samples, dim_x]``, floating.
      y: Samples of Y, shape ``[num_samples, dim_y]``, floating.
      k: Number of neighbours, at least 1 and at most ``num_samples - 2``. Fewer give
        less bias and more variance.
      variant: 1 or 2.
      metric: Norm inside X and inside Y, ``"chebyshev"`` or ``"euclidean"``.
      ties: Whether to take account of values that repeat (:mod:`.ties`), as those of
        ReLU units, saturated units and rounded numbers do. None to look for them, in a
        program when it runs; False saves the look, and half of the compilation there.

    Returns:
      Estimate in nats, shape ``[]``. NaN if a sample is not finite.

    Raises:
      ValueError: If shapes do not match, ``k``, ``variant`` or ``metric`` is not
        allowed, or, outside of ``jit``, a sample is not finite.
      TypeError: If ``x`` or ``y`` is not floating, or ``k`` no integer.

    References:
      Kraskov, Stögbauer and Grassberger, `Estimating mutual information`, Physical
      Review E, 2004.

    Example:
      >>> z = jax.random.normal(jax.random.key(0), (400, 2))
      >>> x, y = z[:, :1], 0.6 * z[:, :1] + 0.8 * z[:, 1:]
      >>> print(f"{ksg(x, y):.1f} of {-0.5 * jnp.log(1 - 0.6**2):.1f} nats")
      0.2 of 0.2 nats
    """
    x, y = check_together(scale_free=True, x=x, y=y)
    k = check_neighbours(k, len(x))
    checks.one_of("variant", variant, VARIANTS)
    checks.one_of("metric", metric, neighbours.METRICS)

    def counted(x, y):
        x, y = tied.spread((x, y), k=k, metric=metric)
        return tied.ksg(x, y, k, variant, metric)

    def usual(x, y):
        return _ksg(x, y, k, variant, metric)

    def repeats(x, y):
        return has_repeats(x, k) | has_repeats(y, k)

    return unless_repeats(ties, repeats, counted, usual, x, y)


def ross(
    x: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    k: int = 3,
    metric: str = "chebyshev",
    ties: bool | None = None,
) -> jax.Array:
    r"""Information I(X;Y) of a continuous variable and a label after Ross, in nats.

    .. math::
        \psi(N) + \psi(k) - \langle \psi(N_y) \rangle - \langle \psi(m_i) \rangle ,

    where :math:`m_i` samples of any class, itself included, are closer to sample i than
    its k-th neighbour in its own class of :math:`N_y` samples.

    Args:
      x: Samples of X, shape ``[num_samples, dim]``, floating.
      labels: Class of every sample, integers in ``[0, num_classes)``, shape
        ``[num_samples]``. A class that no sample has adds nothing.
      num_classes: Number of classes.
      k: Number of neighbours, at least 1; a class of ``k`` samples or fewer has as many
        as it has. The sample of a class that has no other is left out, with a warning.
      metric: ``"chebyshev"`` or ``"euclidean"``.
      ties: As for :func:`ksg`.

    Returns:
      Estimate in nats, shape ``[]``. NaN if a sample is not finite or, inside ``jit``,
      a class has one sample (with ``ties=False``, ``k`` or fewer).

    Raises:
      ValueError: If shapes do not match, ``k`` or ``metric`` is not allowed, or,
        outside of ``jit``, a sample is not finite, a label out of range or every class
        has one sample.
      TypeError: If ``x`` is not floating, or ``labels`` or ``k`` not integer.

    References:
      Ross, `Mutual information between discrete and continuous data sets`, PLoS ONE,
      2014.

    Example:
      >>> labels = jnp.arange(400) % 2
      >>> x = labels[:, None] + 0.1 * jax.random.normal(jax.random.key(0), (400, 1))
      >>> print(f"{ross(x, labels, num_classes=2):.2f} of {jnp.log(2):.2f} nats")
      0.69 of 0.69 nats
    """
    (x,) = check_together(scale_free=True, x=x)
    k = check_neighbours(k, len(x))
    x, labels, few = without_single_labels(x, labels, num_classes, k)
    checks.one_of("metric", metric, neighbours.METRICS)

    def counted(x, labels):
        (x,) = tied.spread((x,), labels, num_classes=num_classes, k=k, metric=metric)
        return tied.ross(x, labels, num_classes, k, metric)

    def usual(x, labels):
        ross_of = tied.ross if few else _ross
        return ross_of(x, labels, num_classes, k, metric)

    def repeats(x, labels):
        is_small = few
        if checks.is_traced(labels):
            size = jnp.bincount(labels, length=num_classes)
            is_small = jnp.any((size > 0) & (size <= k))
        return has_repeats(x, k) | is_small

    return unless_repeats(ties, repeats, counted, usual, x, labels)


def conditional_mutual_information(
    x: ArrayLike,
    y: ArrayLike,
    z: ArrayLike,
    *,
    k: int = 3,
    metric: str = "chebyshev",
    ties: bool | None = None,
) -> jax.Array:
    r"""Information I(X;Y|Z) of three continuous variables, in nats.

    .. math::
        \psi(k) - \langle \psi(n_{xz} + 1) + \psi(n_{yz} + 1) - \psi(n_z + 1) \rangle

    with samples counted that are closer, in two variables or one, than the k-th
    neighbour in all three. The bias is towards zero and grows with the dimension of Z.

    Args:
      x: Samples of X, shape ``[num_samples, dim_x]``, floating.
      y: Samples of Y, shape ``[num_samples, dim_y]``, floating.
      z: Samples of Z, shape ``[num_samples, dim_z]``, floating.
      k: Number of neighbours, at least 1 and at most ``num_samples - 2``.
      metric: Norm inside each variable, ``"chebyshev"`` or ``"euclidean"``; between
        variables it is the largest.
      ties: As for :func:`ksg`.

    Returns:
      Estimate in nats, shape ``[]``. NaN if a sample is not finite.

    References:
      Frenzel and Pompe, `Partial mutual information for coupling analysis of
      multivariate time series`, Physical Review Letters, 2007.

    Example:
      >>> x, y, z = jax.random.normal(jax.random.key(0), (3, 400, 1))
      >>> print(f"{abs(conditional_mutual_information(x + z, y + z, z)):.1f} nats")
      0.0 nats
    """
    x, y, z = check_together(scale_free=True, x=x, y=y, z=z)
    k = check_neighbours(k, len(x))
    checks.one_of("metric", metric, neighbours.METRICS)

    def counted(x, y, z):
        x, y, z = tied.spread((x, y, z), k=k, metric=metric)
        return tied.conditional(x, y, z, k, metric)

    def usual(x, y, z):
        return _conditional(x, y, z, k, metric)

    def repeats(x, y, z):
        return has_repeats(x, k) | has_repeats(y, k) | has_repeats(z, k)

    return unless_repeats(ties, repeats, counted, usual, x, y, z)


@jit(static_argnames=("k", "variant", "metric"))
def _ksg(x, y, k, variant, metric):
    num_samples = len(x)
    finite, _, spaces = scaled_spaces(*lax.stop_gradient((x, y)))
    dims = (x.shape[1], y.shape[1])
    arrangement = neighbours.arrange(spaces)
    radius = neighbours.nearest_separations(
        arrangement, num_samples, dims=dims, metric=metric, k=k
    )[-1]
    # Strictly closer than the k-th neighbour, which is itself as far as the radius in
    # one of the spaces.
    if variant == 1:
        counts = _count_each(spaces, (radius, radius), metric, inclusive=False)
        constant = psi(k) + psi(num_samples)
    else:
        sides = neighbours.rectangle(arrangement, radius, dims=dims, metric=metric)
        # A sample is inside its own rectangle, but no neighbour.
        counts = _count_each(spaces, sides, metric, inclusive=True) - 1
        constant = psi(k) - 1 / k + psi(num_samples)
    mean = sum(mean_digamma(count, x.dtype) for count in counts)
    return jnp.where(finite, constant - mean, jnp.nan)


def _count_each(spaces, radii, metric, inclusive):
    """Counts in each of two spaces within a radius of its own, ``[2, num_samples]``."""

    def count(space, radius):
        return neighbours.count_within(
            (space,), radius, metric=metric, inclusive=inclusive
        )

    return of_each(count, spaces, radii)


@jit(static_argnames=("num_classes", "k", "metric"))
def _ross(x, labels, num_classes, k, metric):
    num_samples = len(x)
    finite, _, (space,) = scaled_spaces(*lax.stop_gradient((x,)))
    separations = separations_in_class(space, labels, num_classes, metric, k)
    radius = separations[-1]
    closer = neighbours.count_within((space,), radius, metric=metric)
    class_size = jnp.bincount(labels, length=num_classes)[labels]
    # Labels are not checked while tracing: a class too small would look elsewhere.
    finite = finite & jnp.all(class_size > k)
    mean = mean_digamma(class_size, x.dtype) + mean_digamma(closer, x.dtype)
    return jnp.where(finite, psi(num_samples) + psi(k) - mean, jnp.nan)


@jit(static_argnames=("k", "metric"))
def _conditional(x, y, z, k, metric):
    finite, _, (x, y, z) = scaled_spaces(*lax.stop_gradient((x, y, z)))
    dims = (len(x), len(y), len(z))
    radius = neighbours.nearest_separations(
        neighbours.arrange((x, y, z)), x.shape[1], dims=dims, metric=metric, k=k
    )[-1]
    n_xz, n_yz, n_z = (
        mean_digamma(
            neighbours.count_within(spaces, radius, metric=metric), radius.dtype
        )
        for spaces in ((x, z), (y, z), (z,))
    )
    return jnp.where(finite, psi(k) - (n_xz + n_yz - n_z), jnp.nan)
