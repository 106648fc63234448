"""Gaussian information: closed forms, float64 determinants, scikit-learn, bias."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm, rankdata

from ibjax.compilation import for_each
from ibjax.estimators import gaussian

NUM_SAMPLES = 300
# Sines and singular values to some 10 float32 roundings, in a sum of logarithms.
ABSOLUTE = 5e-6


def _pair(seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(NUM_SAMPLES, 3)) @ rng.normal(size=(3, 3)) * 100 + 50
    y = x @ rng.normal(size=(3, 2)) + 200 * noise * rng.normal(size=(NUM_SAMPLES, 2))
    return x.astype(np.float32), y.astype(np.float32)


def _log_determinant(matrix):
    return np.linalg.slogdet(matrix)[1]


def _exact(x, y, shrinkage=0.0):
    """From determinants of (shrunken) correlations in float64."""
    both = np.concatenate([x, y], axis=1).astype(np.float64)
    corr = (1 - shrinkage) * np.corrcoef(both.T) + shrinkage * np.eye(both.shape[1])
    d = x.shape[1]
    parts = _log_determinant(corr[:d, :d]) + _log_determinant(corr[d:, d:])
    return (parts - _log_determinant(corr)) / 2


@pytest.fixture(scope="module")
def pair():
    return _pair()


def test_information_is_that_of_determinants(pair):
    x, y = pair
    found = gaussian.mutual_information(x, y, bias_correction=False)
    assert abs(float(found.value) - _exact(x, y)) < ABSOLUTE
    for shrinkage in (0.0, 0.3, 1.0):
        found = gaussian.mutual_information(x, y, shrinkage=shrinkage)
        assert abs(float(found.value) - _exact(x, y, shrinkage)) < ABSOLUTE
        assert found.shrinkage == np.float32(shrinkage)


@pytest.mark.parametrize("nats", [1.0, 6.0, 11.0])
def test_float32_resolves_high_information(nats):
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, NUM_SAMPLES, 1))
    y = np.sqrt(-np.expm1(-2 * nats)) * x + np.exp(-nats) * noise
    # The samples in float32 are what the estimate is of.
    x, y = x.astype(np.float32), y.astype(np.float32)
    found = gaussian.mutual_information(x, y, bias_correction=False)
    # A sine of exp(-11) = 1.7e-5, known to some float32 roundings of one: 1 %.
    tolerance = 3 * np.finfo(np.float32).eps * np.exp(nats) + ABSOLUTE
    assert abs(float(found.value) - _exact(x, y)) < tolerance


def test_bias_and_standard_error_of_gaussians():
    """Simulated, 40 samples of 3 + 2 components, where the bias is large."""
    rng = np.random.default_rng(0)
    rho = 0.6
    truth = -np.log(1 - rho**2) / 2
    data = rng.normal(size=(1500, 40, 5)).astype(np.float32)
    data[..., 3] = rho * data[..., 0] + np.sqrt(1 - rho**2) * data[..., 3]
    found = jax.jit(for_each(gaussian.mutual_information))(data[..., :3], data[..., 3:])
    values = np.asarray(found.value, np.float64)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - truth) < 3 * error
    # Without correction the mean is off by 3 * 2 / 2 / 40 at least.
    assert 3 * error < 0.075 / 2
    # To first order the variance is rho^2 / N = 0.009; the next order, of at most
    # dim_x dim_y / N^2 = 0.004, makes the formula too large, by a fifth at most.
    ratio = np.sqrt(np.mean(np.square(found.standard_error))) / values.std()
    chance = 3 / np.sqrt(2 * len(values))
    assert 1 - chance < ratio < 1.2 + chance


def test_entropy(pair):
    x, _ = pair
    exact = np.cov(x.astype(np.float64).T)
    expected = (3 * np.log(2 * np.pi * np.e) + _log_determinant(exact)) / 2
    found = gaussian.entropy(x, bias_correction=False)
    assert abs(float(found.value) - expected) < 2 * ABSOLUTE
    shrunken = gaussian.entropy(x, shrinkage=1.0)
    diagonal = 3 * np.log(2 * np.pi * np.e) + np.sum(np.log(np.diag(exact)))
    assert abs(float(shrunken.value) - diagonal / 2) < 2 * ABSOLUTE

    rng = np.random.default_rng(0)
    data = rng.normal(size=(2000, 8, 3)).astype(np.float32)
    found = jax.jit(for_each(gaussian.entropy))(data)
    values = np.asarray(found.value, np.float64)
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean() - 1.5 * np.log(2 * np.pi * np.e)) < 3 * error
    np.testing.assert_allclose(found.standard_error[0], values.std(), rtol=3 / 63)


def test_ledoit_wolf_is_that_of_scikit_learn(pair):
    covariance = pytest.importorskip("sklearn.covariance")
    both = np.concatenate(pair, axis=1).astype(np.float64)
    standard = (both - both.mean(axis=0)) / both.std(axis=0, ddof=1)
    _, expected = covariance.ledoit_wolf(standard, assume_centered=True)
    found = gaussian.mutual_information(*pair, shrinkage="ledoit_wolf")
    np.testing.assert_allclose(found.shrinkage, expected, rtol=1e-5)
    assert abs(float(found.value) - _exact(*pair, expected)) < ABSOLUTE


def test_canonical_correlations(pair):
    x, y = (part.astype(np.float64) for part in pair)
    left, right = (np.linalg.qr(part - part.mean(axis=0))[0] for part in (x, y))
    expected = np.linalg.svd(left.T @ right, compute_uv=False)
    np.testing.assert_allclose(
        gaussian.canonical_correlations(*pair), expected, atol=ABSOLUTE
    )


def test_copula_does_not_see_monotonic_functions(pair):
    x, y = pair
    found = gaussian.copula_information(x, y)
    bent = gaussian.copula_information(np.sign(x) * np.abs(x) ** 1.5, np.exp(y / 1000))
    assert float(found.value) == float(bent.value)
    scores = [norm.ppf(rankdata(p, axis=0) / (NUM_SAMPLES + 1)) for p in pair]
    found = gaussian.copula_information(x, y, bias_correction=False)
    assert abs(float(found.value) - _exact(*scores)) < 2 * ABSOLUTE


def test_scores_of_ties_are_shared():
    x = np.random.default_rng(0).integers(0, 5, (50, 2)).astype(np.float32)
    expected = norm.ppf(rankdata(x, axis=0) / 51)
    np.testing.assert_allclose(gaussian.normal_scores(x), expected, atol=1e-5)


def test_degenerate_components_say_nothing(pair):
    x, y = pair
    total = np.concatenate([x, x.sum(axis=1, keepdims=True)], axis=1)
    expected = gaussian.mutual_information(x, y)
    for first, second in ((total, y), (y, total)):
        found = gaussian.mutual_information(first, second)
        # The fourth component is dependent up to rounding, which turns the span by as
        # much: some 1e-6 of angles whose tangent is of order one.
        np.testing.assert_allclose(found.value, expected.value, atol=1e-4)
    found = gaussian.mutual_information(0 * x, y)
    assert abs(float(found.value)) < ABSOLUTE and found.standard_error == 0


def test_units_and_mean(pair):
    x, y = pair
    expected = float(gaussian.mutual_information(x, y).value)
    for scale in (1e-6, 1e6):
        found = gaussian.mutual_information(x * np.float32(scale), y)
        assert abs(float(found.value) - expected) < ABSOLUTE
    shifted = x + 1000 * x.std(axis=0, keepdims=True)
    found = gaussian.mutual_information(shifted, y, bias_correction=False)
    assert abs(float(found.value) - _exact(shifted, y)) < 10 * ABSOLUTE


def test_traced_limits(pair):
    x, y = pair
    broken = np.where(np.arange(NUM_SAMPLES)[:, None] == 3, np.float32(np.nan), y)
    found = jax.jit(for_each(gaussian.mutual_information))(
        np.stack([x, x, x]), np.stack([x[:, :2], broken, y])
    )
    np.testing.assert_array_equal(np.isnan(found.value), [True, True, False])


def test_bad_input(pair):
    x, y = pair
    information = gaussian.mutual_information
    with pytest.raises(ValueError, match="its information is infinite"):
        information(x, x[:, :2])
    with pytest.raises(ValueError, match="5 components need at least 7 samples"):
        information(x[:6], y[:6])
    with pytest.raises(ValueError, match="as many samples, got 300 and 299"):
        information(x, y[1:])
    with pytest.raises(ValueError, match="bias_correction is for"):
        information(x, y, shrinkage=0.1, bias_correction=True)
    with pytest.raises(ValueError, match=r"one of ledoit_wolf or a number in \[0, 1\]"):
        information(x, y, shrinkage="oas")
    with pytest.raises(ValueError, match=r"shrinkage must lie in \[0, 1\], got 1.5"):
        information(x, y, shrinkage=1.5)
    with pytest.raises(TypeError, match="y must be floating"):
        information(x, y.astype(int))
    with pytest.raises(ValueError, match="x must vary in all 3 directions"):
        gaussian.entropy(x * np.array([1, 1, 0], np.float32))
    with pytest.raises(ValueError, match="x must be finite"):
        gaussian.entropy(jnp.full((9, 1), jnp.inf))
