"""FactorVAE's score of disentanglement, by votes."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.representations.disentanglement import check_factors

__all__ = ["factor_score"]

_VOTES_AT_ONCE = 250


def factor_score(
    key: jax.Array,
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    num_values: Sequence[int],
    batch_size: int = 64,
    num_train: int = 10_000,
    num_test: int = 5_000,
    least_std: float = 0.05,
) -> jax.Array:
    r"""FactorVAE's score: which dimension varies least where a factor is fixed.

    A vote fixes one factor, drawn at random, at the value of a random input, draws
    ``batch_size`` inputs with it, and names the dimension whose variance among their
    codes, over that among all codes, is least. Every dimension stands for the factor
    that most of the first ``num_train`` votes were of; the score is the share of
    ``num_test`` further votes that it is right about.

    Dimensions whose codes vary by less than ``least_std`` are left out: one that has
    collapsed to the prior would vary least, by chance, whatever is fixed.
    disentanglement_lib leaves out none unless told to; the original says 0.05.

    Args:
      key: Draws the votes.
      codes: Means of the codes, shape ``[num_samples, k]``, floating. They should be of
        all combinations of the factors, or of many.
      factors: Shape ``[num_samples, num_factors]``, integers.
      num_values: Number of values of every factor.
      batch_size: Inputs of a vote, at least two.
      num_train: Votes to learn from.
      num_test: Votes to score.
      least_std: Least standard deviation of a dimension, in units of the code.

    Returns:
      The share, shape ``[]``; zero if no dimension is left. At random it is about one
      over the number of factors.

    Raises:
      ValueError: If shapes do not fit, a number is out of range, or, outside of
        ``jit``, a factor is out of range or a code not finite.
      TypeError: As :func:`sampled_factor_information`.

    References:
      Kim and Mnih, `Disentangling by factorising`, ICML 2018, sec. 5 and app. B.

    Example:
      >>> factors = jnp.stack(jnp.divmod(jnp.arange(16), 4), axis=1)
      >>> score = factor_score(
      ...     jax.random.key(0),
      ...     1.0 * factors,
      ...     factors,
      ...     num_values=(4, 4),
      ...     num_train=100,
      ...     num_test=50,
      ... )
      >>> print(score)
      1.0
    """
    checks.key("key", key)
    codes, factors, num_values = check_factors(codes, factors, num_values)
    checks.count("batch_size", batch_size, 2)
    checks.count("num_train", num_train)
    checks.count("num_test", num_test)
    least_std = checks.not_negative("least_std", least_std)
    return _factor_score(
        key, codes, factors, batch_size, num_train, num_test, least_std
    )


@exact_jit(static_argnames=("batch_size", "num_train", "num_test"))
def _factor_score(key, codes, factors, batch_size, num_train, num_test, least_std):
    num_samples, num_factors = factors.shape
    dim = codes.shape[1]
    variances = jnp.var(codes, axis=0, ddof=1)
    active = jnp.sqrt(variances) >= jnp.maximum(least_std, jnp.finfo(codes.dtype).tiny)
    # Rows by the value of every factor: those of one value are neighbours then.
    order = jnp.argsort(factors, axis=0)
    in_order = jnp.take_along_axis(factors, order, axis=0)

    def vote(number):
        keys = jax.random.split(jax.random.fold_in(key, number), 3)
        factor = jax.random.randint(keys[0], (), 0, num_factors)
        value = factors[jax.random.randint(keys[1], (), 0, num_samples), factor]
        column = in_order[:, factor]
        first = jnp.searchsorted(column, value, side="left")
        last = jnp.searchsorted(column, value, side="right")
        places = jax.random.randint(keys[2], (batch_size,), first, last)
        chosen = codes[order[places, factor]]
        ratios = jnp.var(chosen, axis=0, ddof=1) / jnp.where(active, variances, 1.0)
        return factor, jnp.argmin(jnp.where(active, ratios, jnp.inf))

    numbers = jnp.arange(num_train + num_test)
    voted, dimensions = lax.map(vote, numbers, batch_size=_VOTES_AT_ONCE)
    votes = jnp.zeros((dim, num_factors), jnp.int32)
    votes = votes.at[dimensions[:num_train], voted[:num_train]].add(1)
    stands_for = jnp.argmax(votes, axis=1)
    right = stands_for[dimensions[num_train:]] == voted[num_train:]
    return jnp.where(jnp.any(active), jnp.mean(right.astype(codes.dtype)), 0.0)
