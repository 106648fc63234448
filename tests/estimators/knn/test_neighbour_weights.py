"""Weights against the conditions they solve, and against known ones."""

import numpy as np
import pytest
from scipy.special import gamma

from ibjax.estimators.knn.neighbour_weights import KINDS, weight_norm, weights


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("k", "dim"), [(5, 5), (5, 8), (30, 8), (50, 8), (40, 12)])
def test_weights_meet_the_conditions(k, dim, kind):
    w = weights(k, dim, kind)
    assert w.dtype == np.float64 and w.shape == (k,)
    j = np.arange(1, k + 1)
    # Terms of the sums are up to |w|_1 times the largest ratio; float64 rounds each,
    # and the solver magnifies that by the condition of the rows, below 1e6 here.
    assert abs(np.sum(w) - 1) < 1e-9
    for term in range(1, dim // 4 + 1):
        ratio = gamma(j + 2 * term / dim) / gamma(j)
        assert abs(np.sum(w * ratio)) < 1e-9 * np.sum(np.abs(w * ratio)) + 1e-9


def test_known_weights():
    expected = [9.85, -7.67, -7.23, -1.21, 7.25]
    for kind in KINDS:  # The support of k = 5 in 8 dimensions is everything.
        np.testing.assert_allclose(weights(5, 8, kind), expected, atol=0.005)


@pytest.mark.parametrize(
    ("k", "dim", "bsy", "butakov"),
    # In the last of these the conditions leave one solution.
    [(30, 8, 13, 25), (50, 8, 11.8, 31.4), (5, 12, 755, 755), (5, 16, 31741, 31741)],
)
def test_known_norms(k, dim, bsy, butakov):
    assert weight_norm(k, dim, "bsy") == pytest.approx(bsy, rel=0.01)
    assert weight_norm(k, dim, "butakov") == pytest.approx(butakov, rel=0.01)


def test_single_neighbour_in_few_dimensions():
    np.testing.assert_array_equal(weights(4, 3, "bsy"), [0, 0, 0, 1])
    np.testing.assert_array_equal(weights(4, 3, "butakov"), [1, 0, 0, 0])
    np.testing.assert_array_equal(weights(4, 4, "butakov"), [1, 0, 0, 0])
    assert np.all(weights(4, 4, "bsy") != 0)
    assert weight_norm(4, 3) == 1


def test_butakov_keeps_the_support():
    # floor(30 l / 8) for l = 1..8.
    support = {3, 7, 11, 15, 18, 22, 26, 30}
    assert set(np.nonzero(weights(30, 8, "butakov"))[0] + 1) == support
    assert np.all(weights(30, 8, "bsy") != 0)


def test_smallest_sum_of_squares():
    # Any other solution is longer: add a vector that the conditions do not see.
    w = weights(10, 8)
    j = np.arange(1, 11)
    rows = np.stack([gamma(j + 2 * term / 8) / gamma(j) for term in range(3)])
    other = np.linalg.svd(rows)[2][-1]
    np.testing.assert_allclose(rows @ other, 0, atol=1e-12)
    for step in (-0.1, 0.1):
        assert np.sum((w + step * other) ** 2) > np.sum(w**2)


def test_impossible_weights_are_refused():
    with pytest.raises(ValueError, match=r"at least 1 \+ dim // 4 = 3 in 8 dim.*got 2"):
        weights(2, 8)
    with pytest.raises(ValueError, match="k = 9 in 32 dimensions meet.*raise k"):
        weights(9, 32, "butakov")
    with pytest.raises(ValueError, match="kind must be one of"):
        weights(5, 8, "uniform")
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        weights(5, 0)
    with pytest.raises(TypeError):
        weights(5.0, 8)
