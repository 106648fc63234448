"""The rate's terms against closed forms, and as an identity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import representations as r
from ibjax.representations.decomposition import marginals

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
MEANS = jnp.asarray(RNG.normal(size=(500, 2)) @ [[1.0, 0.8], [0.0, 0.6]], jnp.float32)
STDS = jnp.asarray(np.exp(RNG.normal(size=(500, 2)) / 2 - 1), jnp.float32)


def _sum_of(found):
    return found.information + found.total_correlation + jnp.sum(found.dimension_kl)


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_the_terms_add_up_to_the_rate(covariance):
    scale = STDS
    if covariance == "full":
        scale = STDS[..., None] * jnp.array([[[1.0, 0.0], [0.7, 0.9]]])
    found = r.rate_decomposition(KEY, r.Posterior(MEANS, scale))
    assert abs(_sum_of(found) - found.rate) < 4 * found.error
    assert 0 < found.error < 0.1
    # Of its own draws the sum has no error.
    z = r.Posterior(MEANS, scale).sample(KEY)
    own = r.gaussian_log_density(z, MEANS, scale)
    prior = r.gaussian_log_density(z, jnp.zeros_like(z), jnp.ones_like(z))
    np.testing.assert_allclose(_sum_of(found), jnp.mean(own - prior), rtol=1e-4)
    # Means depend on each other, and no dimension is the prior's.
    assert found.total_correlation > 0.1 and (found.dimension_kl > 0).all()


def test_the_error_is_that_of_the_draws():
    # Inputs whose own rates differ far more than draws do.
    posterior = r.Posterior(10 * MEANS, STDS)
    found = jax.lax.map(
        lambda key: r.rate_decomposition(key, posterior), jax.random.split(KEY, 60)
    )
    residual = jax.vmap(_sum_of)(found) - found.rate
    spread = float(jnp.std(residual, ddof=1))
    # A standard deviation of 60 numbers has an error of 9 %; five of them.
    np.testing.assert_allclose(jnp.mean(found.error), spread, rtol=0.46)
    # The draw of one input says how far it may be off.
    one = r.rate_decomposition(KEY, r.Posterior(MEANS[:1], STDS[:1]))
    np.testing.assert_allclose(one.error, abs(_sum_of(one) - one.rate), rtol=1e-5)


def test_a_gaussian_code_has_gaussian_terms():
    # Inputs so close that q(z) is one Gaussian of unequal, dependent dimensions.
    factor = np.array([[1.0, 0.0], [1.2, 0.5]])
    scale = jnp.broadcast_to(jnp.asarray(factor, jnp.float32)[None], (500, 2, 2))
    found = r.rate_decomposition(KEY, r.Posterior(jnp.zeros((500, 2)), scale))
    cov = factor @ factor.T
    variances = np.diag(cov)
    total = 0.5 * (np.log(variances).sum() - np.log(np.linalg.det(cov)))
    by_dimension = 0.5 * (variances - 1 - np.log(variances))
    np.testing.assert_allclose(found.information, 0, atol=1e-5)
    # The total correlation's draws spread by less than the sum's do here.
    z = np.asarray(r.Posterior(jnp.zeros((500, 2)), scale).sample(KEY))
    quadratic = np.einsum("ni,ij,nj->n", z, np.linalg.inv(cov), z)
    ratios = 0.5 * ((z**2 / variances).sum(1) - quadratic)
    error = ratios.std() / np.sqrt(500)
    assert abs(found.total_correlation - total) < 4 * error
    errors = (0.5 * z**2 * (1 - 1 / variances)).std(0) / np.sqrt(500)
    assert (abs(found.dimension_kl - by_dimension) < 4 * errors + 1e-5).all()


def test_marginals_are_those_of_draws():
    factor = jnp.array([[[2.0, 0.0], [-1.0, 1.0]]])
    found = marginals(r.Posterior(jnp.zeros((1, 2)), factor)).scale
    np.testing.assert_allclose(found**2, [[4.0, 2.0]], rtol=1e-6)


def test_gaussian_total_correlation_is_that_of_the_covariance():
    codes = np.asarray(RNG.normal(size=(400, 3)) @ RNG.normal(size=(3, 3)), np.float32)
    cov = np.cov(codes.T.astype(np.float64))
    expected = 0.5 * (np.log(np.diag(cov)).sum() - np.linalg.slogdet(cov)[1])
    found = r.gaussian_total_correlation(codes)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    # What does not vary depends on nothing.
    held = np.array(codes)
    held[:, 2] = 0.1
    expected = -0.5 * np.log(1 - np.corrcoef(codes[:, :2].T)[0, 1] ** 2)
    found = r.gaussian_total_correlation(held)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_codes_that_are_no_codes_are_refused():
    with pytest.raises(TypeError, match="codes must be floating"):
        r.gaussian_total_correlation(np.ones((3, 2), int))
    with pytest.raises(ValueError, match=r"codes must have shape \[num_samples, k\]"):
        r.gaussian_total_correlation(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="codes must be finite"):
        r.gaussian_total_correlation(np.full((3, 2), np.nan, np.float32))
    with pytest.raises(TypeError, match="key must be a key"):
        r.rate_decomposition(0, r.Posterior(MEANS, STDS))


@pytest.mark.parametrize("scale, offset", [(2.0**90, 0), (2.0**-90, 0), (1, 2.0**30)])
def test_gaussian_total_correlation_at_any_scale(scale, offset):
    codes = np.random.default_rng(8).normal(size=(50, 3))
    codes[:, 2] += codes[:, 1]
    expected = -0.5 * np.linalg.slogdet(np.corrcoef(codes.T))[1]
    # Float32 of the codes, and beside an offset of what float64 has there.
    found = r.gaussian_total_correlation(scale * codes + offset)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
