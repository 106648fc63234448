"""Posteriors over weights: moments of draws, divergences, errors of draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import networks, weights
from ibjax.weights import posterior

RNG = np.random.default_rng(0)
MEAN = {"a": jnp.array(RNG.normal(size=(2, 2)), jnp.float32), "b": (jnp.ones(1),)}
STD = {"a": jnp.array([[0.1, 1.0], [2.0, 0.5]]), "b": (jnp.full(1, 3.0),)}
Q = weights.Posterior(MEAN, jax.tree.map(jnp.log, STD))


def _flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def test_draws_have_the_moments_of_the_posterior(key):
    num = 20_000
    draws = jax.jit(jax.vmap(lambda key: posterior.sample(key, Q)))(
        jax.random.split(key, num)
    )
    flat = np.concatenate([np.reshape(d, (num, -1)) for d in jax.tree.leaves(draws)], 1)
    z = (flat - _flat(MEAN)) / _flat(STD)
    assert np.all(np.abs(z.mean(axis=0)) < 4 / np.sqrt(num))
    # Entries of a sample covariance of independent normals, twice that on the diagonal.
    error = 4 * np.sqrt((1 + np.eye(5)) / num)
    assert np.all(np.abs(np.cov(z.T) - np.eye(5)) < error)


def test_whole_numbers_have_noise_as_others_do(key):
    whole = {"a": np.array([1, -2]), "b": jnp.array([3])}
    q = weights.init_posterior(whole, std=0.1)
    # An exponential of a logarithm, of about 2.
    np.testing.assert_allclose(_flat(q.std), 0.1, rtol=4 * 2.0**-23)
    same = jax.tree.map(jnp.float32, whole)
    expected = posterior.sample(key, weights.init_posterior(same, std=0.1))
    for means in (q.mean, whole):
        drawn = posterior.sample(key, weights.Posterior(means, q.log_std))
        np.testing.assert_array_equal(_flat(drawn), _flat(expected))


def test_the_information_is_the_divergence_from_the_prior():
    for options in (
        {"prior_variance": 2.0},
        {"prior_variance": 1.0, "prior_mean": MEAN},
    ):
        found = posterior.kl(Q, **options)
        expected = weights.mean_field_kl(MEAN, STD, **options)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    best = weights.optimal_prior_variance(MEAN, STD)
    learned = posterior.kl(Q)
    np.testing.assert_allclose(
        learned, weights.mean_field_kl(MEAN, STD, prior_variance=best), rtol=1e-6
    )
    # With it the quadratic terms are one on average: only logarithms are left.
    expected = sum(
        np.sum(np.log(v) - 2 * np.log(s)) / 2
        for v, s in zip(jax.tree.leaves(best), jax.tree.leaves(STD), strict=True)
    )
    np.testing.assert_allclose(learned, expected, rtol=1e-5)


def test_noise_of_any_size_has_finite_information():
    """Also where its variance underflows, at a standard deviation below e^-50."""
    logs = jnp.array([-200.0, -60.0, -1e-4, 0.0, 1e-4, 2.0])

    @jax.jit
    def each(logs):
        def one(log):
            q = weights.Posterior(jnp.zeros(()), log)
            return posterior.kl(q, prior_variance=1.0)

        return jax.vmap(jax.value_and_grad(one))(logs)

    found, slope = each(logs)
    exact = np.expm1(2 * np.float64(logs)) / 2 - np.float64(logs)
    # A few roundings, times the ten by which terms cancel at a tenth.
    np.testing.assert_allclose(found, exact, rtol=40 * 2**-24)
    np.testing.assert_allclose(slope, np.expm1(2 * np.float64(logs)), rtol=1e-5)


def test_the_error_of_drawn_weights_is_a_normal_probability(key):
    """A difference of two logits w x is below zero with a probability known exactly."""
    mean = ((jnp.array([[0.0], [1.0]]), jnp.zeros(2)),)
    std = 0.8
    q = weights.init_posterior(mean, std=std)
    x = np.array([[0.5], [-1.0], [2.0]])
    labels = np.array([1, 0, 0])
    num = 20_000
    found = weights.gibbs_error(
        key, q, x, labels, network=networks.mlp([1, 2]), num_draws=num
    )
    # Logits differ by x + std sqrt(2) (x z + z').
    gap = np.where(labels == 1, 1, -1) * x[:, 0]
    exact = stats.norm.cdf(-gap / (std * np.sqrt(2 * (x[:, 0] ** 2 + 1)))).mean()
    # The three samples share their draws: as little as one draw each.
    assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / num)


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_the_error_of_a_diverged_network_is_none(key, lost):
    """Also where every label is the class that the largest of NaN would be."""
    q = weights.init_posterior(((jnp.full((2, 1), lost), jnp.zeros(2)),), std=0.1)
    x, labels = np.array([[1.0], [-1.0]]), np.zeros(2, int)
    network = networks.mlp([1, 2])
    found = weights.gibbs_error(key, q, x, labels, network=network, num_draws=3)
    assert np.isnan(found)


def test_bad_arguments_are_refused(key):
    with pytest.raises(ValueError, match="std must be one positive number"):
        weights.init_posterior(MEAN, std=0.0)
    with pytest.raises(TypeError, match="key must be a key"):
        posterior.sample(0, Q)
    with pytest.raises(ValueError, match="prior_variance must be one positive number"):
        posterior.kl(Q, prior_variance=-1.0)
    network = networks.mlp([1, 2])
    q = weights.init_posterior(network.init(key), std=1.0)
    x = np.ones((3, 1))
    options = {"network": network, "num_draws": 2}
    with pytest.raises(ValueError, match=r"labels must have shape \[3\] to match x"):
        weights.gibbs_error(key, q, x, np.zeros(2, int), **options)
    with pytest.raises(TypeError, match="labels must be integers"):
        weights.gibbs_error(key, q, x, np.zeros(3), **options)
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 2\), got"):
        weights.gibbs_error(key, q, x, np.array([0, 1, 2]), **options)
    with pytest.raises(ValueError, match="num_draws must be a whole number"):
        weights.gibbs_error(key, q, x, np.zeros(3, int), network=network, num_draws=0)
