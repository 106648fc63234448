"""Whitening: against numpy in float64, degenerate samples, scale and shift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators.whitening import principal, whiten

EPS = np.finfo(np.float32).eps
NUM_SAMPLES, DIM = 400, 4


@pytest.fixture(scope="module")
def x():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(DIM, DIM))
    return (rng.normal(size=(NUM_SAMPLES, DIM)) @ mixing + 3).astype(np.float32)


def _log_determinant(x):
    return np.linalg.slogdet(np.cov(np.asarray(x, np.float64).T))[1]


def test_covariance_is_one_and_determinant_that_of_numpy(x):
    whitened = whiten(x)
    covariance = np.cov(np.asarray(whitened.white, np.float64).T)
    values = np.linalg.eigvalsh(np.corrcoef(np.asarray(x, np.float64).T))
    # Rounding of the decomposition, some eps, grows with the condition of the samples.
    condition = np.sqrt(values[-1] / values[0])
    tolerance = 10 * EPS * condition
    np.testing.assert_allclose(covariance, np.eye(DIM), atol=tolerance)
    np.testing.assert_allclose(whitened.white.mean(axis=0), 0, atol=tolerance)
    expected = _log_determinant(x)
    np.testing.assert_allclose(whitened.log_determinant, expected, atol=tolerance)
    np.testing.assert_allclose(
        whitened.smallest_eigenvalue_ratio, values[0] / values[-1], rtol=tolerance
    )
    assert whitened.rank == DIM


def test_map_is_the_root_of_the_correlations(x):
    exact = np.asarray(x, np.float64)
    standard = (exact - exact.mean(axis=0)) / exact.std(axis=0, ddof=1)
    values, vectors = np.linalg.eigh(np.corrcoef(exact.T))
    expected = standard @ (vectors / np.sqrt(values)) @ vectors.T
    tolerance = 20 * EPS * values[-1] / values[0]
    np.testing.assert_allclose(whiten(x).white, expected, atol=tolerance)


@pytest.mark.parametrize("scale", [1e-30, 1e-6, 1e6, 1e30])
def test_units_do_not_matter(x, scale):
    whitened, reference = whiten(x * np.float32(scale)), whiten(x)
    np.testing.assert_allclose(whitened.white, reference.white, atol=1e-4)
    shift = 2 * DIM * np.log(np.float64(np.float32(scale)))
    expected = float(reference.log_determinant) + shift
    # Logarithms of up to 4 * 138, and the rounding of the scaled samples.
    np.testing.assert_allclose(whitened.log_determinant, expected, atol=5e-4)


def test_a_large_mean_costs_only_what_rounding_the_samples_does(x):
    shifted = x + np.float32(1000)
    expected = _log_determinant(shifted)  # Of the samples as they are after rounding.
    np.testing.assert_allclose(whiten(shifted).log_determinant, expected, atol=1e-5)


def test_degenerate_directions(x):
    constant = np.full((NUM_SAMPLES, 1), np.float32(0.1))
    total = x.sum(axis=1, keepdims=True)
    for extra in (constant, total):
        whitened = whiten(np.concatenate([x, extra], axis=1))
        assert whitened.rank == DIM
        assert whitened.smallest_eigenvalue_ratio == 0
        assert np.isfinite(whitened.log_determinant)
        # The covariance is a projection on the directions that are there.
        covariance = np.cov(np.asarray(whitened.white).T)
        np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-4)
        np.testing.assert_allclose(np.trace(covariance), DIM, rtol=1e-4)
    whitened = whiten(np.ones((5, 2), np.float32))
    assert whitened.rank == 0 and whitened.log_determinant == 0
    assert not np.any(whitened.white)


def test_fewer_samples_than_components(x):
    assert whiten(x[:3]).rank == 2


def test_high_correlation_is_not_taken_for_one():
    # 1 - rho is 1e-9, 100 times below a rounding of the covariance.
    rng = np.random.default_rng(0)
    first, noise = rng.normal(size=(2, 2000))
    x = np.stack([first, first + 4.5e-5 * noise], axis=1).astype(np.float32)
    whitened = whiten(x)
    assert whitened.rank == 2
    # Small entries of the second direction are known to eps / 4.5e-5, or 0.3 %.
    expected = _log_determinant(x)
    np.testing.assert_allclose(whitened.log_determinant, expected, atol=6e-3)


def test_transformations(x):
    batch = np.stack([x, 2 * x])
    batched = jax.jit(jax.vmap(whiten))(batch)
    expected = np.stack([whiten(one).log_determinant for one in batch])
    np.testing.assert_allclose(batched.log_determinant, expected, rtol=1e-5, atol=1e-5)
    found = jax.jit(whiten)(jnp.full((5, 2), jnp.nan))
    assert found.rank == 0 and np.isnan(found.log_determinant)
    assert np.all(np.isnan(found.white))


def test_bad_input(x):
    with pytest.raises(ValueError, match=r"x must have shape \[num_samples, dim\]"):
        whiten(x[:, 0])
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        whiten(x[:1])
    with pytest.raises(TypeError, match="x must be floating, got int32"):
        whiten(x.astype(np.int32))
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN"):
        whiten(np.array([[0.0], [np.inf]]))


def test_principal_checks_its_rows():
    with pytest.raises(TypeError, match="rows must be floating, got int"):
        principal(np.ones((3, 2), int))
    with pytest.raises(ValueError, match="rows must have shape"):
        principal(1.5)
