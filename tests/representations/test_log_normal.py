"""Log-normal noise: its divergences, its moments, and the total correlation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax import representations as r

KEY = jax.random.key(0)


def test_the_log_uniform_divergence_falls_by_one_over_alpha():
    alpha = jnp.array([0.05, 0.3, 0.701])
    nats = r.log_uniform_kl(alpha, max_alpha=0.701)
    np.testing.assert_allclose(nats, -np.log(np.asarray(alpha) / 0.701), rtol=1e-6)
    assert nats[-1] == 0
    # Against a flat density of logarithms it is the entropy lost, that of normals here.
    entropies = stats.norm(0, np.asarray(alpha, np.float64)).entropy()
    np.testing.assert_allclose(nats, entropies[-1] - entropies, atol=1e-6)
    far = r.log_uniform_kl(1e-30, max_alpha=1e30)  # A ratio beyond float32.
    np.testing.assert_allclose(far, 60 * np.log(10), rtol=1e-6)
    slope = jax.vmap(jax.grad(lambda a: r.log_uniform_kl(a, max_alpha=0.701)))(alpha)
    np.testing.assert_allclose(slope, -1 / np.asarray(alpha), rtol=1e-6)


@pytest.mark.parametrize("unit_mean", [False, True])
def test_the_log_normal_divergence_is_that_of_densities(unit_mean):
    activity, alpha, mean, std = 1.7, 0.4, -0.3, 0.8
    scale = activity * (np.exp(-(alpha**2) / 2) if unit_mean else 1)
    own = stats.lognorm(alpha, scale=scale)
    prior = stats.lognorm(std, scale=np.exp(mean))
    # Both ends are twelve deviations away.
    low, high = scale * np.exp(-12 * alpha), scale * np.exp(12 * alpha)
    expected, _ = integrate.quad(
        lambda z: own.pdf(z) * (own.logpdf(z) - prior.logpdf(z)),
        low,
        high,
        points=[scale],
        limit=200,
    )
    options = {"prior_mean": mean, "prior_std": std, "unit_mean": unit_mean}
    found = r.log_normal_kl(jnp.float32(activity), jnp.float32(alpha), **options)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 3)])
def test_a_prior_of_every_unit_or_row(shape):
    rng = np.random.default_rng(0)
    activity, alpha = np.exp(rng.normal(size=(2, 3))), np.full((2, 3), 0.5)
    mean, std = rng.normal(size=shape), np.exp(rng.normal(size=shape))
    found = r.log_normal_kl(
        jnp.asarray(activity), jnp.asarray(alpha), prior_mean=mean, prior_std=std
    )
    squares = (alpha**2 + (np.log(activity) - mean) ** 2) / std**2
    expected = 0.5 * (squares - 1 - 2 * np.log(alpha / std))
    # A few roundings of terms, which cancel to what is left.
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6 * squares.max())


def test_no_activity_counts_as_the_least_one():
    alpha, options = jnp.full(1, 0.5), {"prior_mean": 0.0, "prior_std": 1.0}
    nothing = r.log_normal_kl(jnp.zeros(1), alpha, **options)
    least = r.log_normal_kl(jnp.full(1, r.LEAST_ACTIVITY), alpha, **options)
    assert nothing == least and np.isfinite(least)


def test_the_noises_logarithm_is_normal():
    alpha, num = 0.7, 100_000
    for unit_mean, mean in ((False, 0.0), (True, -(alpha**2) / 2)):
        noise = r.log_normal_noise(KEY, jnp.full(num, alpha), unit_mean=unit_mean)
        logs = np.log(np.asarray(noise, np.float64))
        assert stats.kstest(logs, stats.norm(mean, alpha).cdf).pvalue > 0.01
    # Its variance is exp(alpha^2) - 1; five standard errors.
    error = np.sqrt(np.expm1(alpha**2) / num)
    np.testing.assert_allclose(noise.mean(), 1, atol=5 * error)


def test_total_correlation_is_that_of_gaussians():
    rng = np.random.default_rng(0)
    sample = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 4))
    expected = -0.5 * np.linalg.slogdet(np.corrcoef(sample.T))[1]
    # A unit that is always zero depends on nothing.
    activities = np.c_[np.exp(sample), np.zeros(500)].astype(np.float32)
    # Logarithms below that of the least activity would be cut off.
    activities *= r.LEAST_ACTIVITY / activities[:, :4].min()
    found = r.log_total_correlation(activities)
    np.testing.assert_allclose(found.nats, expected, rtol=1e-4)
    np.testing.assert_allclose(found.nats_per_unit, found.nats / 5, rtol=1e-6)
    twice = np.c_[activities[:, :4], activities[:, :1]]
    assert np.isinf(r.log_total_correlation(twice).nats)
    activities[0, 0] = np.nan
    assert np.isnan(r.log_total_correlation(activities).nats)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: r.log_uniform_kl(0.0, max_alpha=1.0), "alpha must lie in"),
        (lambda: r.log_uniform_kl(1.0, max_alpha=0.0), "max_alpha must be one posi"),
        (
            lambda: r.log_normal_kl(
                jnp.ones(2), jnp.ones(3), prior_mean=0.0, prior_std=1.0
            ),
            "activity and alpha must have one shape",
        ),
        (lambda: r.log_total_correlation(jnp.ones((3, 3))), "more samples than units"),
        (lambda: r.log_total_correlation(jnp.ones(3)), "activities must have shape"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
