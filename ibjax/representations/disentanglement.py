r"""Disentanglement of codes, where the factors that made the data are known.

Every measure asks in its own way whether a factor, such as an object's size, is told by
one dimension of the code. They are definitions, not estimates of one quantity, and the
same codes can have any of them high and another low; a number says little without its
definition:

======================  ============================================================
:func:`mig`             information: the gap between the two dimensions that tell most,
                        of means cut into bins
:func:`sampled_mig`     the same gap, of codes drawn from their distributions
:func:`sap`             the gap of squared correlations
:func:`~ibjax.representations.factor_score`
                        votes: the dimension that varies least where a factor is fixed
:func:`~ibjax.representations.dci`
                        importances of dimensions for trees that predict the factors
======================  ============================================================

Factors are integers, ``[num_samples, num_factors]``, each from 0 to its number of
values. All codes are ``[num_samples, k]``; the order and the signs of the dimensions
change nothing (but for :func:`mig`'s bins, to whose edges rounding matters).
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators import discrete
from ibjax.estimators.partitions import data_range_edges
from ibjax.numerics import checks
from ibjax.representations.decomposition import marginals
from ibjax.representations.information import code_information
from ibjax.representations.variational import Posterior

__all__ = [
    "FactorGaps",
    "check_factors",
    "factor_information",
    "mig",
    "sampled_factor_information",
    "sampled_mig",
    "sap",
]


class FactorGaps(NamedTuple):
    """A score and what each factor adds to it.

    Attributes:
      score: Mean over factors, shape ``[]``.
      factors: Gap of every factor, ``[num_factors]``; NaN for one that does not vary.
    """

    score: jax.Array
    factors: jax.Array


def factor_information(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    num_values: Sequence[int],
    num_bins: int = 20,
) -> jax.Array:
    """Information of every dimension of the codes, binned, on every factor, in nats.

    Bins have one width from a dimension's smallest to its largest value. Plug-in
    estimates are biased upward, by about (num_bins - 1)(num_values - 1) / 2N.

    Args:
      codes: Means of the codes, shape ``[num_samples, k]``, floating.
      factors: Shape ``[num_samples, num_factors]``, integers.
      num_values: Number of values of every factor.
      num_bins: Number of bins.

    Returns:
      Information, shape ``[k, num_factors]``; zero for a dimension that does not vary.

    Raises:
      ValueError: If shapes do not fit, or, outside of ``jit``, a factor is out of range
        or a code not finite.
      TypeError: If codes are not floating or factors no integers.

    Example:
      >>> factors = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]])
      >>> codes = factors[:, jnp.array([0, 0, 1])].astype(float)
      >>> print(factor_information(codes, factors, num_values=(2, 2)).round(3))
      [[0.693 0.   ]
       [0.693 0.   ]
       [0.    0.693]]
    """
    codes, factors, num_values = check_factors(codes, factors, num_values)
    checks.count("num_bins", num_bins)
    return _factor_information(codes, factors, num_values, num_bins)


@exact_jit(static_argnames=("num_values", "num_bins"))
def _factor_information(codes, factors, num_values, num_bins):
    def cells(column):
        edges = data_range_edges(column, num_bins)
        places = jnp.searchsorted(edges, column, side="right") - 1
        return jnp.clip(places, 0, num_bins - 1)

    def information(column, factor):
        return discrete.mutual_information(
            # Values that no sample has add nothing: one table does for all factors.
            cells(column),
            factor,
            num_x=num_bins,
            num_y=max(num_values),
        )

    of_code = jax.vmap(information, in_axes=(None, 1))
    return jax.vmap(of_code, in_axes=(1, None))(codes, factors)


def sampled_factor_information(
    key: jax.Array,
    posterior: Posterior,
    factors: ArrayLike,
    *,
    num_values: Sequence[int],
) -> jax.Array:
    """Information of every dimension of a drawn code on every factor, in nats.

    I(z_j; v) for the given inputs with equal weight, by one draw of every code and
    exact but for the draws, see :func:`ibjax.representations.code_information`. All
    pairs are taken, for every dimension and factor.

    Args:
      key: Draws the codes.
      posterior: Distribution of every code, diagonal or full.
      factors: Shape ``[num_samples, num_factors]``, integers.
      num_values: Number of values of every factor.

    Returns:
      Information, shape ``[k, num_factors]``, not below zero.

    Raises:
      ValueError: As :func:`factor_information`.
      TypeError: As there, or if ``key`` is no typed key.
    """
    checks.instance("posterior", posterior, Posterior)
    checks.key("key", key)
    mean, factors, num_values = check_factors(posterior.mean, factors, num_values)
    return _sampled_information(
        key, Posterior(mean, posterior.scale), factors, num_values
    )


@exact_jit(static_argnames="num_values")
def _sampled_information(key, posterior, factors, num_values):
    mean, std = marginals(posterior)

    def information(number):
        mean_j, std_j = (
            lax.dynamic_slice_in_dim(a, number, 1, axis=1) for a in (mean, std)
        )
        found = [
            code_information(
                # The same draws for all factors.
                jax.random.fold_in(key, number),
                Posterior(mean_j, std_j),
                factors[:, place],
                num_classes=size,
            ).i_zy
            for place, size in enumerate(num_values)
        ]
        return jnp.maximum(jnp.stack(found), 0.0)

    return lax.map(information, jnp.arange(mean.shape[1]))


def mig(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    num_values: Sequence[int],
    num_bins: int = 20,
) -> FactorGaps:
    r"""Mutual information gap of binned means.

    For every factor v, :math:`(I_1 - I_2) / H(v)` of the two dimensions that tell most
    of it, with :func:`factor_information`; with one dimension I_2 is zero. This is
    the definition of disentanglement_lib, with its 20 bins. Numbers of
    :func:`sampled_mig` are far lower.

    Args:
      codes: Means of the codes, shape ``[num_samples, k]``, floating.
      factors: Shape ``[num_samples, num_factors]``, integers.
      num_values: Number of values of every factor.
      num_bins: Number of bins.

    Returns:
      The mean gap and that of every factor, in [0, 1].

    Raises:
      ValueError: As :func:`factor_information`.
      TypeError: As there.

    References:
      Chen et al., `Isolating sources of disentanglement in variational autoencoders`,
      NeurIPS 2018. Locatello et al., `Challenging common assumptions in the
      unsupervised learning of disentangled representations`, ICML 2019.

    Example:
      >>> factors = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]])
      >>> codes = factors[:, jnp.array([0, 0, 1])].astype(float)
      >>> print(mig(codes, factors, num_values=(2, 2)).factors)  # The first one twice.
      [0. 1.]
    """
    information = factor_information(
        codes, factors, num_values=num_values, num_bins=num_bins
    )
    return _information_gap(information, jnp.asarray(factors), tuple(num_values))


def sampled_mig(
    key: jax.Array,
    posterior: Posterior,
    factors: ArrayLike,
    *,
    num_values: Sequence[int],
) -> FactorGaps:
    """Mutual information gap of codes drawn from their distributions.

    As :func:`mig`, with :func:`sampled_factor_information`: the definition of its
    authors, who leave out the factor shape, for which the caller leaves out its column.

    Args:
      key: Draws the codes.
      posterior: Distribution of every code.
      factors: Shape ``[num_samples, num_factors]``, integers.
      num_values: Number of values of every factor.

    Returns:
      The mean gap and that of every factor.

    Raises:
      ValueError: As :func:`factor_information`.
      TypeError: As :func:`sampled_factor_information`.

    References:
      Chen et al., `Isolating sources of disentanglement in variational autoencoders`,
      NeurIPS 2018, sec. 4.1.

    Example:
      >>> factors = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]])
      >>> posterior = Posterior(100.0 * factors, jnp.ones((4, 2)))
      >>> found = sampled_mig(
      ...     jax.random.key(0), posterior, factors, num_values=(2, 2)
      ... )
      >>> print(found.score)
      1.0
    """
    information = sampled_factor_information(
        key, posterior, factors, num_values=num_values
    )
    return _information_gap(information, jnp.asarray(factors), tuple(num_values))


@exact_jit(static_argnames="num_values")
def _information_gap(information, factors, num_values):
    entropies = jnp.stack(
        [
            discrete.entropy(jnp.bincount(factors[:, place], length=size))
            for place, size in enumerate(num_values)
        ]
    )
    gaps = _gaps(information)
    varies = entropies > 0
    gaps = jnp.where(varies, gaps / jnp.where(varies, entropies, 1.0), jnp.nan)
    return FactorGaps(jnp.mean(gaps), gaps)


def sap(codes: ArrayLike, factors: ArrayLike) -> FactorGaps:
    """Separated attribute predictability, of linear fits of one dimension.

    For every factor, the squared correlation with the dimension that has most of it
    less that with the next one. It is the score for continuous factors: that a factor's
    values are in order is taken for granted. disentanglement_lib takes by default
    another one, the accuracy of linear classifiers.

    Args:
      codes: Codes or their means, shape ``[num_samples, k]``, floating.
      factors: Shape ``[num_samples, num_factors]``, integers or floating.

    Returns:
      The mean gap and that of every factor, in [0, 1]. A dimension that does not vary
      has correlation zero.

    Raises:
      ValueError: If shapes do not fit, or codes are not finite (outside of ``jit``).
      TypeError: If codes are not floating.

    References:
      Kumar, Sattigeri and Balakrishnan, `Variational inference of disentangled latent
      concepts from unlabeled observations`, ICLR 2018.

    Example:
      >>> factors = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]])
      >>> print(sap(-2.0 * factors, factors).score)
      1.0
    """
    codes = _codes(codes)
    factors = checks.numeric("factors", factors, jnp.asarray)
    checks.shape("factors", factors, (len(codes), "num_factors"), why="to match codes")
    return _sap(codes, jnp.asarray(factors, codes.dtype))


@exact_jit
def _sap(codes, factors):
    codes, code_varies = _unit_columns(codes)
    factors, varies = _unit_columns(factors)
    squares = jnp.minimum((codes.T @ factors) ** 2, 1.0)
    squares = jnp.where(code_varies[:, None], squares, 0.0)
    gaps = jnp.where(varies, _gaps(squares), jnp.nan)
    return FactorGaps(jnp.mean(gaps), gaps)


def _unit_columns(x):
    """Centred columns of length one, and which of them vary."""
    centred = x - jnp.mean(x, axis=0, keepdims=True)
    lengths = jnp.sqrt(jnp.sum(centred**2, axis=0))
    size = jnp.max(jnp.abs(x), axis=0) * jnp.sqrt(float(len(x)))
    varies = lengths > 4 * jnp.finfo(x.dtype).eps * size
    return centred / jnp.where(varies, lengths, 1.0)[None], varies


def _gaps(values: jax.Array) -> jax.Array:
    """Largest entry of every column less the next one."""
    if len(values) == 1:
        return values[0]
    largest = lax.top_k(values.T, 2)[0]
    return largest[:, 0] - largest[:, 1]


def _codes(codes: ArrayLike) -> jax.Array:
    codes = checks.floating("codes", checks.jax_array("codes", codes))
    checks.shape("codes", codes, ("num_samples", "k"))
    return checks.finite("codes", codes)


def check_factors(
    codes: ArrayLike, factors: ArrayLike, num_values: Sequence[int]
) -> tuple[jax.Array, jax.Array, tuple[int, ...]]:
    """Check that codes and factors go together, and the factors with their values."""
    codes = _codes(codes)
    factors = checks.integers("factors", factors)
    checks.shape("factors", factors, (len(codes), "num_factors"), why="to match codes")
    num_values = checks.counts("num_values", num_values)
    if len(num_values) != factors.shape[1]:
        raise ValueError(
            f"num_values must have an entry for each of {factors.shape[1]} factors, "
            f"got {list(num_values)}"
        )
    for place, size in enumerate(num_values):
        checks.indices(f"factors[:, {place}]", factors[:, place], size)
    return codes, jnp.asarray(factors, jnp.int32), num_values
