"""Log-normal factors of weights: their law, their information, and training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from ibjax import datasets, networks, objectives, weights
from ibjax.networks.convolutional import convolutional
from ibjax.weights.posterior import LogNormalPosterior, kl, sample
from tests.weights.regression import NUM, as_params, mean_gradient, problem

RNG = np.random.default_rng(0)
MEAN = jnp.array([2.0, -0.5, 0.0, 1.0])
ALPHA = np.array([0.04, 0.5, 0.3, 0.9])
LOGIT = jnp.asarray(special.logit(ALPHA), jnp.float32)
POSTERIOR = LogNormalPosterior(MEAN, LOGIT)


def test_weights_are_log_normal(key):
    num = 20_000
    keys = jax.random.split(key, num)
    drawn = np.asarray(jax.jit(jax.vmap(lambda k: sample(k, POSTERIOR)))(keys))
    np.testing.assert_array_equal(drawn[:, 2], 0.0)
    known = [0, 1, 3]
    factors, alpha = drawn[:, known] / np.asarray(MEAN)[known], ALPHA[known]
    for of_one, variance in zip(factors.T, alpha, strict=True):
        law = stats.norm(-variance / 2, np.sqrt(variance))
        assert stats.kstest(np.log(of_one), law.cdf).pvalue > 1e-3
    np.testing.assert_allclose(POSTERIOR.alpha, ALPHA, rtol=1e-6)
    std = np.abs(MEAN) * np.sqrt(np.expm1(ALPHA))
    np.testing.assert_allclose(POSTERIOR.std, std, rtol=1e-6, atol=1e-18)
    error = std[known] / np.sqrt(num)
    off = drawn[:, known].mean(axis=0) - np.asarray(MEAN)[known]
    assert np.all(np.abs(off) < 4 * error)


@pytest.mark.parametrize("draws", ["local", "explicit"])
def test_pre_activations_have_the_moments_of_drawn_weights(key, draws):
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    network = weights.noisy_weights(
        networks.mlp((3, 2)), std=0.6, noise="log-normal", draws=draws
    )
    params = jax.jit(network.init)(key)
    ((w, b),), ((s, c),) = jax.tree.map(np.asarray, (params.mean, params.std))
    np.testing.assert_allclose(s, 0.6 * np.abs(w), rtol=1e-5)
    mean, variance = x @ w.T + b, x**2 @ s.T**2 + c**2

    def one(key):
        return network.activations(params, x, key=key)[-1]

    num = 20_000
    drawn = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(key, num)))
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 4 * np.sqrt(variance / num))
    # The standard error of a variance, from the fourth moments that were drawn.
    squares = (drawn - mean) ** 2
    error = squares.std(axis=0) / np.sqrt(num)
    assert np.all(np.abs(squares.mean(axis=0) - variance) < 4 * error)


def test_information_is_the_divergence_but_for_a_constant():
    def divergence(alpha):
        """From the density 1 / |w|, which has no norm."""
        law = stats.lognorm(s=np.sqrt(alpha), scale=np.exp(-alpha / 2))
        low, high = law.ppf([1e-14, 1 - 1e-14])

        def of_log(u):
            w = np.exp(u)
            return law.pdf(w) * w * (law.logpdf(w) + u)

        return integrate.quad(of_log, np.log(low), np.log(high), epsabs=1e-11)[0]

    found = [
        weights.log_uniform_information(LogNormalPosterior(MEAN, LOGIT + shift))
        for shift in (0.0, -2.0)
    ]
    sides = [special.expit(np.asarray(LOGIT) + shift) for shift in (0.0, -2.0)]
    expected = sum(divergence(b) - divergence(a) for a, b in zip(*sides, strict=True))
    np.testing.assert_allclose(found[1] - found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(
        found[0], weights.log_normal_information(POSTERIOR.alpha), rtol=1e-6
    )


@pytest.mark.parametrize("draws", ["local", "explicit"])
def test_the_gradient_vanishes_at_the_posterior_of_linear_regression(key, draws):
    """A squared error: alpha e^alpha = beta / (h w^2), and the means are known."""
    beta = 0.7
    task, a, y = problem(RNG, bias=1.0)
    network = weights.noisy_weights(
        networks.mlp((2, 1), output="linear"), noise="log-normal", draws=draws
    )
    objective = weights.log_uniform_bottleneck(
        num_samples=NUM, beta=beta, loss=objectives.squared_error()
    )
    # The loss summed over samples is |y - A w|^2, of Hessian 2 A'A.
    gram = a.T @ a
    mean, alpha = np.linalg.solve(gram, a.T @ y), np.zeros(3)
    for _ in range(200):
        alpha = special.lambertw(beta / (2 * np.diag(gram) * mean**2)).real
        mean = np.linalg.solve(gram + np.diag(np.diag(gram) * np.expm1(alpha)), a.T @ y)
    best = LogNormalPosterior(as_params(mean), as_params(special.logit(alpha)))
    found, error = mean_gradient(network, objective, task, best, key)
    assert np.all(np.abs(found) < 4 * error)
    # The test can fail: twice the variances are felt.
    off = best._replace(logit=as_params(special.logit(2 * alpha)))
    found, error = mean_gradient(network, objective, task, off, key)
    assert np.all(found[3:] > 4 * error[3:])


def test_gradients_are_finite_for_any_noise(key):
    network = weights.noisy_weights(networks.mlp((2, 2)), noise="log-normal")
    objective = weights.log_uniform_bottleneck(num_samples=2)
    batch = datasets.make_task([[0.0, 1.0], [1.0, 2.0]], [0, 1]).batch(jnp.arange(2))
    params = jax.jit(network.init)(key)
    slopes = jax.jit(jax.grad(lambda p: objective(p, batch, key, network=network)[0]))
    for logit in (-1e3, -90.0, 90.0, 1e3):
        extreme = params._replace(
            logit=jax.tree.map(lambda w, v=logit: jnp.full_like(w, v), params.logit)
        )
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes(extreme)))


def test_networks_with_convolutions_are_drawn_as_they_are(key):
    network = weights.noisy_weights(
        convolutional((4, 4), channels=(2,)), noise="log-normal"
    )
    assert "explicit log-normal noise" in network.description
    params = jax.jit(network.init)(key)
    found = jax.jit(network.activations)(params, jnp.ones((3, 16)), key=key)
    # All samples share one draw.
    np.testing.assert_array_equal(found[-1][0], found[-1][1])


def test_bad_arguments_are_refused(key):
    chain = networks.mlp((2, 2))
    with pytest.raises(ValueError, match=r"std must lie in \(0, 1.31\), got 1.5"):
        weights.noisy_weights(chain, std=1.5, noise="log-normal")
    with pytest.raises(ValueError, match="noise must be one of gaussian, log-normal"):
        weights.noisy_weights(chain, noise="normal")
    with pytest.raises(ValueError, match="draws must be local or explicit"):
        weights.noisy_weights(chain, noise="log-normal", draws="flipout")
    with pytest.raises(TypeError, match="posterior must be"):
        kl(POSTERIOR)
    network = weights.noisy_weights(chain, noise="log-normal")
    objective = weights.weight_bottleneck(num_samples=2)
    batch = datasets.make_task([[0.0, 1.0], [1.0, 2.0]], [0, 1]).batch(jnp.arange(2))
    with pytest.raises(TypeError, match="log_uniform_bottleneck"):
        jax.eval_shape(
            lambda key: objective(network.init(key), batch, key, network=network), key
        )
