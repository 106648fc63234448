"""Scores by importances, and trees of scikit-learn that find them."""

import sys

import numpy as np
import pytest

from ibjax import representations as r

RNG = np.random.default_rng(0)
FACTORS = RNG.integers(0, 3, size=(200, 2))


def test_scores_are_entropies_of_importances():
    scipy_stats = pytest.importorskip("scipy.stats")
    found = RNG.uniform(size=(4, 3))
    by_code = 1 - scipy_stats.entropy(found.T, base=3)
    by_factor = 1 - scipy_stats.entropy(found, base=4)
    expected = (
        np.average(by_code, weights=found.sum(1)),
        np.average(by_factor, weights=found.sum(0)),
    )
    np.testing.assert_allclose(r.importance_scores(found), expected, rtol=1e-12)
    # Two dimensions for one factor: each of them is of it alone.
    scores = r.importance_scores([[0.5, 0], [0.5, 0], [0, 1], [0, 0]])
    np.testing.assert_allclose(scores, (1, 0.75), rtol=1e-12)
    assert np.isnan(r.importance_scores(np.zeros((2, 2)))).all()


def test_trees_find_the_factors():
    pytest.importorskip("sklearn")
    codes = FACTORS[:, [1, 0]] + RNG.uniform(-0.2, 0.2, size=(200, 2))
    found = r.dci(
        codes[:120], FACTORS[:120], test_codes=codes[120:], test_factors=FACTORS[120:]
    )
    # A tree splits where nothing is left to learn too, by noise.
    assert found.disentanglement > 0.95 and found.completeness > 0.95
    assert found.informativeness == 1.0
    np.testing.assert_allclose(found.importances, [[0, 1], [1, 0]], atol=0.02)


def test_what_does_not_fit_is_refused(monkeypatch):
    codes = FACTORS.astype(float)
    tests = {"test_codes": codes, "test_factors": FACTORS}
    with pytest.raises(ValueError, match=r"factors\[:, 0\] must vary"):
        r.dci(codes, 0 * FACTORS, **tests)
    with pytest.raises(ValueError, match=r"test_codes must have shape \[num_test, 2\]"):
        r.dci(codes, FACTORS, **tests | {"test_codes": codes[:, :1]})
    with pytest.raises(TypeError, match="factors must be integers"):
        r.dci(codes, codes, **tests)
    with pytest.raises(ValueError, match="importances must have shape"):
        r.importance_scores([[1.0, 2.0]])
    with pytest.raises(ValueError, match="importances must not be negative"):
        r.importance_scores([[1.0, -2.0], [1.0, 1.0]])
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        r.dci(codes, FACTORS, **tests)
