r"""Standard errors from parts of the samples, for estimates without a formula.

Two ways, both around any function of the samples that returns a number:

- *Subsampling* (:func:`subsampling_error`) estimates from disjoint parts. The variance
  of an estimate from M samples falls as B / M for all estimators here, so the spread
  between n parts of N / n samples each, divided by n, is the variance for all N (Holmes
  and Nemenman, 2019). It needs no smoothness, costs less than one more estimate from
  all samples where work grows with their square, and is the choice for estimators that
  look at neighbours, among which a sample twice would be its own: no bootstrap.
- *The jackknife* (:func:`jackknife_error`) leaves out one group at a time. Estimates
  from nearly all samples have nearly the same bias as the one from all of them, which
  parts have not; it is the choice for functions of counts and covariances.

Neither sees the bias of the estimate, which is often the larger error: compare with an
estimate from half of the samples.
"""

import math
from collections.abc import Callable

import jax
import numpy as np
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["jackknife_error", "subsampling_error"]

Estimator = Callable[..., ArrayLike]
"""``estimate(x, y, ...) -> number``, of arrays whose rows belong together."""


def subsampling_error(
    key: jax.Array,
    estimate: Estimator,
    *samples: ArrayLike,
    num_parts: int = 10,
    num_partitions: int = 4,
) -> float:
    r"""Standard error of an estimate, from its spread between disjoint parts.

    The samples are cut at random into ``num_parts`` parts of equal size (a remainder is
    left out), the variance of the estimate between them is averaged over
    ``num_partitions`` such cuts and multiplied by the share of the samples that a part
    has. All parts have one size, so a jitted estimator is compiled once more and no
    more.

    The error has itself an error, of :math:`1 / \sqrt{2 (n - 1)}` of its value for one
    cut into n parts (24 % for 10) and less, though not independently so, for several.
    It is too large where a part is so small that the variance does not fall as one over
    the number of samples yet, as for parts of fewer than some hundred samples.

    Args:
      key: A typed key: how to cut.
      estimate: Function of ``samples``, or of as many of their rows, that returns a
        number.
      *samples: Arrays whose first axis is that of the samples.
      num_parts: Parts of a cut, at least 2.
      num_partitions: Cuts, at least 1.

    Returns:
      The standard error, a float; NaN if an estimate is not finite.

    Raises:
      ValueError: If the arrays' lengths differ, there are fewer samples than two per
        part, or a number is too small.

    References:
      Holmes and Nemenman, `Estimation of mutual information for real-valued data with
      error bars and controlled bias`, Physical Review E, 2019.

    Example:
      >>> x = np.random.default_rng(0).normal(size=10_000)
      >>> print(f"{subsampling_error(jax.random.key(0), np.mean, x):.3f}, truly 0.010")
      0.010, truly 0.010
    """
    arrays, num_samples = _check(key, estimate, samples)
    checks.count("num_parts", num_parts, 2)
    checks.count("num_partitions", num_partitions)
    size = num_samples // num_parts
    if size < 2:
        raise ValueError(
            f"num_parts must leave two samples to each part, got {num_parts} parts of "
            f"{num_samples} samples"
        )
    rng = _generator(key)
    variances = []
    for _ in range(num_partitions):
        parts = rng.permutation(num_samples)[: size * num_parts].reshape(num_parts, -1)
        values = [float(estimate(*(array[rows] for array in arrays))) for rows in parts]
        # Averaged as variances: a mean of their roots would be too small.
        variances.append(np.var(values, ddof=1))
    return math.sqrt(np.mean(variances) * size / num_samples)


def jackknife_error(
    key: jax.Array, estimate: Estimator, *samples: ArrayLike, num_groups: int = 20
) -> float:
    r"""Standard error of an estimate, from leaving out one group of samples at a time.

    With :math:`\theta_j` the estimate without group j of g,
    :math:`\sqrt{\frac{g - 1}{g} \sum_j (\theta_j - \bar\theta)^2}`. Groups are random
    and of equal size. A remainder, the share f of the samples, is never left out. Of a
    mean, :math:`\theta_j - \bar\theta` is :math:`-(1 - f) / (g - 1 + f)` times what the
    mean of group j, of :math:`(1 - f) N / g` samples, differs from that of all groups
    by, and the root above, of the average of its square,
    :math:`\sqrt{1 - f}\,(g - 1) / (g - 1 + f)` of the standard error: it is divided by
    that. On average the jackknife's variance is not too small (Efron and Stein, 1981).

    Args:
      key: A typed key: how to group.
      estimate: Function of ``samples``, or of as many of their rows, that returns a
        number.
      *samples: Arrays whose first axis is that of the samples.
      num_groups: Groups, at least 2.

    Returns:
      The standard error, a float; NaN if an estimate is not finite.

    Raises:
      ValueError: If the arrays' lengths differ, there are fewer samples than groups, or
        ``num_groups`` is too small.

    References:
      Efron and Stein, `The jackknife estimate of variance`, Annals of Statistics, 1981.

    Example:
      >>> x = np.random.default_rng(0).normal(size=10_000)
      >>> print(f"{jackknife_error(jax.random.key(0), np.mean, x):.2f}, truly 0.01")
      0.01, truly 0.01
    """
    arrays, num_samples = _check(key, estimate, samples)
    checks.count("num_groups", num_groups, 2)
    size = num_samples // num_groups
    if size < 1:
        raise ValueError(
            "num_groups must be at most the number of samples, got "
            f"{num_groups} groups of {num_samples} samples"
        )
    # At random: samples that lie beside each other in the arrays may be alike.
    order = _generator(key).permutation(num_samples)
    values = []
    for group in range(num_groups):
        rows = np.delete(order, np.s_[group * size : (group + 1) * size])
        values.append(float(estimate(*(array[rows] for array in arrays))))
    rest = 1 - num_groups * size / num_samples
    of_mean = math.sqrt(1 - rest) * (num_groups - 1) / (num_groups - 1 + rest)
    return math.sqrt((num_groups - 1) * np.var(values)) / of_mean


def _check(key, estimate, samples):
    checks.key("key", key)
    checks.function("estimate", estimate)
    arrays = [checks.numeric("samples", array, np.asarray) for array in samples]
    arrays = [np.asarray(array) for array in arrays]
    lengths = [array.shape[:1] for array in arrays]
    if not arrays or () in lengths or len(set(lengths)) > 1:
        raise ValueError(
            "samples must be arrays of one length, got shapes "
            f"{[array.shape for array in arrays]}"
        )
    return arrays, len(arrays[0])


def _generator(key: jax.Array) -> np.random.Generator:
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
