"""Divergences of noisy weights: quadrature, optima, trees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from ibjax.weights import (
    log_normal_information,
    mean_field_kl,
    optimal_prior_variance,
)

RNG = np.random.default_rng(0)
MEAN = {
    "first": (RNG.normal(size=(3, 2)), RNG.normal(size=3)),
    "last": RNG.normal(size=4),
}
STD = jax.tree.map(lambda m: np.exp(RNG.normal(size=m.shape)), MEAN)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def _kl_by_quadrature(q, p, low, high):
    def integrand(w):
        return q.pdf(w) * (q.logpdf(w) - p.logpdf(w))

    return integrate.quad(integrand, low, high, epsabs=1e-12, limit=200)[0]


@pytest.mark.parametrize("mean, std, variance", [(0.3, 0.2, 4.0), (-2.0, 1.5, 0.5)])
def test_one_weight_by_quadrature(x64, mean, std, variance):
    q, p = stats.norm(mean, std), stats.norm(1.0, np.sqrt(variance))
    exact = _kl_by_quadrature(q, p, mean - 12 * std, mean + 12 * std)
    found = mean_field_kl(
        jnp.array(mean), jnp.array(std), prior_variance=variance, prior_mean=1.0
    )
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_trees_add_up_with_a_variance_for_each_layer(x64):
    found = mean_field_kl(
        MEAN, STD, prior_variance={"first": 2.0, "last": 0.3}, prior_mean=MEAN
    )
    parts = [
        (STD["first"][0], 2.0),
        (STD["first"][1], 2.0),
        (STD["last"], 0.3),
    ]
    expected = sum(np.sum(s**2 / v - 1 - np.log(s**2 / v)) / 2 for s, v in parts)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_the_learned_variance_is_the_best(x64):
    best = optimal_prior_variance(MEAN, STD)
    assert jax.tree.structure(best) == jax.tree.structure(MEAN)

    def kl(logs):
        tree = jax.tree.unflatten(jax.tree.structure(MEAN), list(np.exp(logs)))
        return float(mean_field_kl(MEAN, STD, prior_variance=tree))

    logs = np.log(jax.tree.leaves(best))
    for place in range(3):
        for step in (-1e-3, 1e-3, 0.5):
            assert kl(logs + step * np.eye(3)[place]) > kl(logs)
    numeric = optimize.minimize_scalar(
        lambda log: kl(np.array([log, *logs[1:]])), bounds=(-5, 5), method="bounded"
    )
    np.testing.assert_allclose(numeric.x, logs[0], atol=1e-5)
    np.testing.assert_allclose(
        best["last"], np.mean(STD["last"] ** 2 + MEAN["last"] ** 2), rtol=1e-14
    )


def test_many_weights_near_the_prior_keep_their_digits():
    num = 100_000
    std = np.full(num, 1.01, np.float32)
    found = mean_field_kl(np.zeros(num, np.float32), std, prior_variance=1.0)
    ratio = np.float64(std[0]) ** 2
    exact = num * (ratio - 1 - np.log(ratio)) / 2
    # The rounding of a ratio near one, over its distance from one, twice.
    np.testing.assert_allclose(found, exact, rtol=2 * 2**-23 / 0.02)


def test_noises_of_no_size_and_of_negative_size():
    zeros = jnp.zeros(2)
    assert mean_field_kl(zeros, jnp.array([1.0, 0.0]), prior_variance=1.0) == jnp.inf
    found = mean_field_kl(zeros, jnp.array([1.0, -1.0]), prior_variance=1.0)
    assert jnp.isnan(found)


def test_log_normal_noise_by_quadrature(x64):
    # Against a density of 1 / w on an interval of any length: the log of the length
    # is the constant that is left open.
    def kl(alpha):
        q = stats.norm(-alpha / 2, np.sqrt(alpha))
        p = stats.uniform(-60, 120)
        reach = 12 * np.sqrt(alpha)
        return _kl_by_quadrature(q, p, -alpha / 2 - reach, -alpha / 2 + reach)

    alphas, others = np.array([0.02, 0.5]), np.array([0.1, 3.0])
    exact = sum(kl(a) - kl(b) for a, b in zip(alphas, others, strict=True))
    found = log_normal_information({"w": alphas}) - log_normal_information([others])
    np.testing.assert_allclose(found, exact, rtol=1e-9)


def test_gradients_are_those_of_the_formula(x64):
    gradient = jax.grad(mean_field_kl, argnums=1)(MEAN, STD, prior_variance=2.0)
    for g, s in zip(jax.tree.leaves(gradient), jax.tree.leaves(STD), strict=True):
        np.testing.assert_allclose(g, s / 2 - 1 / s, rtol=1e-10)


def test_bad_trees_are_refused():
    one = {"a": jnp.ones(2)}
    cases = [
        ((one, {"b": jnp.ones(2)}), 1.0, "mean and std must have one structure"),
        ((one, {"a": jnp.ones(3)}), 1.0, "mean and std must have one shape"),
        ((one, one), 0.0, "prior_variance must be one positive number"),
        ((one, one), {"b": 1.0}, "prior_variance must be one number or a tree"),
    ]
    for trees, variance, message in cases:
        with pytest.raises(ValueError, match=message):
            mean_field_kl(*trees, prior_variance=variance)
    with pytest.raises(ValueError, match="prior_mean must be one number or a tree"):
        optimal_prior_variance(one, one, prior_mean=(0.0, 1.0))


@pytest.mark.parametrize("scale", [2.0**-62, 2.0**64])
def test_scales_of_weights_and_prior_cancel(scale):
    mean, std = np.float32([0.5, -1.0]), np.float32([0.3, 2.0])
    expected = mean_field_kl(mean, std, prior_variance=0.25)
    found = mean_field_kl(scale * mean, scale * std, prior_variance=scale**2 * 0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def _exact_kl(mean, std, variance):
    """In extended precision, of the float32 numbers; infinite beyond float32."""
    mean, std, variance = (
        np.float32(value).astype(np.longdouble) for value in (mean, std, variance)
    )
    ratio = std**2 / variance
    kl = (mean**2 / variance + ratio - 1 - np.log(ratio)) / 2
    return np.where(kl > np.finfo(np.float32).max, np.inf, kl)


def test_numbers_of_any_size():
    sizes = np.array([1e-37, 1e-30, 1e-20, 0.7, 1.0001, 1e19, 1e20, 1e30])
    mean, std = (a.ravel() for a in np.meshgrid([0.0, 1e-30, 1.0, 1e20], sizes))
    each = jax.jit(jax.vmap(lambda m, s, v: mean_field_kl(m, s, prior_variance=v)))
    for variance in (1e-37, 1e-30, 1.0, 1e30, 3e38):
        found = each(mean, std, np.full_like(mean, variance))
        # Of 1.0001, near the prior, its rounding is a thousandth of what is left.
        expected = _exact_kl(mean, std, variance)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    # And of variances that no float32 holds, or weights that are whole numbers.
    far = mean_field_kl(np.array(1e-25), np.array(1e-25), prior_variance=1e-50)
    np.testing.assert_allclose(far, 0.5, rtol=1e-5)
    whole = mean_field_kl(np.array([2]), np.array([1]), prior_variance=0.25)
    np.testing.assert_allclose(whole, (16 + 4 - 1 - np.log(4)) / 2, rtol=1e-6)
