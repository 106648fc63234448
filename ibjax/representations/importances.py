"""Disentanglement, completeness and informativeness by trees that predict factors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["DciScores", "dci", "importance_scores"]


class DciScores(NamedTuple):
    """Scores of codes by the importances of their dimensions, float64.

    Attributes:
      disentanglement: Whether a dimension matters for one factor alone, in [0, 1].
      completeness: Whether one dimension alone matters for a factor, in [0, 1].
      informativeness: Accuracy of the trees on the test samples, mean over factors.
      importances: Shape ``[k, num_factors]``; columns sum to one.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: np.ndarray


def dci(
    codes: ArrayLike,
    factors: ArrayLike,
    *,
    test_codes: ArrayLike,
    test_factors: ArrayLike,
    seed: int = 0,
) -> DciScores:
    """Disentanglement, completeness and informativeness of codes.

    For every factor scikit-learn's ``GradientBoostingClassifier``, with its own
    defaults, learns to predict it from the codes; its importances R are what a
    dimension matters for a factor. The first two scores are
    :func:`importance_scores`; the third is an accuracy, as in disentanglement_lib,
    where the original has an error. It is no function of JAX, and takes seconds.

    Args:
      codes: Means of the codes, shape ``[num_samples, k]``.
      factors: Shape ``[num_samples, num_factors]``, integers.
      test_codes: Codes of other inputs.
      test_factors: Their factors.
      seed: Seed of the trees.

    Returns:
      The scores.

    Raises:
      ModuleNotFoundError: If scikit-learn is not installed.
      ValueError: If shapes do not fit, or a factor does not vary.
      TypeError: If factors are no integers.

    References:
      Eastwood and Williams, `A framework for the quantitative evaluation of
      disentangled representations`, ICLR 2018.
    """
    checks.count("seed", seed, 0)
    try:
        from sklearn.ensemble import GradientBoostingClassifier
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "dci learns by scikit-learn, which is not installed: pip install "
            "scikit-learn"
        ) from error
    codes, factors = _samples("codes", codes, "factors", factors)
    test_codes, test_factors = _samples(
        "test_codes", test_codes, "test_factors", test_factors
    )
    checks.shape("test_codes", test_codes, ("num_test", codes.shape[1]))
    checks.shape("test_factors", test_factors, ("num_test", factors.shape[1]))
    importances, accuracies = [], []
    for place in range(factors.shape[1]):
        if len(np.unique(factors[:, place])) < 2:
            raise ValueError(f"factors[:, {place}] must vary, got one value")
        trees = GradientBoostingClassifier(random_state=seed)
        trees.fit(codes, factors[:, place])
        importances.append(trees.feature_importances_)
        accuracies.append(trees.score(test_codes, test_factors[:, place]))
    found = np.stack(importances, axis=1)
    disentanglement, completeness = importance_scores(found)
    return DciScores(disentanglement, completeness, float(np.mean(accuracies)), found)


def importance_scores(importances: ArrayLike) -> tuple[float, float]:
    r"""Disentanglement and completeness of importances R.

    The disentanglement of dimension i is :math:`1 - H(R_{i\cdot} / \sum_k R_{ik})`, the
    entropy in units of the log of the number of factors, and the score its mean with
    weights :math:`\sum_k R_{ik}`. Completeness is the same of the columns, in units of
    the log of the number of dimensions.

    Args:
      importances: Shape ``[k, num_factors]``, two of each at least, not negative.

    Returns:
      Both, in [0, 1]; NaN if all importances are zero.

    Raises:
      ValueError: If the shape is another one, or an importance negative.

    Example:
      >>> importance_scores(np.array([[2.0, 0.0], [0.0, 1.0]]))
      (1.0, 1.0)
    """
    found = checks.real("importances", importances, np.asarray)
    found = np.asarray(found, np.float64)
    if found.ndim != 2 or min(found.shape) < 2:
        raise ValueError(
            "importances must have shape [k, num_factors] with two of each at least, "
            f"got {found.shape}"
        )
    if not np.all(found >= 0):
        raise ValueError("importances must not be negative, got some that are")
    return _concentration(found), _concentration(found.T)


def _concentration(rows: np.ndarray) -> float:
    """One less the entropy of every row, weighed by the rows' sums."""
    masses = rows.sum(axis=1)
    total = masses.sum()
    if total == 0:
        return float("nan")
    p = rows[masses > 0] / masses[masses > 0, None]
    entropies = -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=1)
    scores = 1 - entropies / np.log(rows.shape[1])
    return float(np.sum(scores * masses[masses > 0]) / total)


def _samples(
    name: str, codes: ArrayLike, factors_name: str, factors: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    codes = np.asarray(checks.finite(name, codes), np.float64)
    factors = np.asarray(checks.numeric(factors_name, factors, np.asarray))
    checks.integers(factors_name, factors)
    checks.shape(name, codes, ("num_samples", "k"))
    axes = (len(codes), "num_factors")
    checks.shape(factors_name, factors, axes, why=f"to match {name}")
    return codes, factors
