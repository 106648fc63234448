"""Noise of words, against the closed form of linear representations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from ibjax.attribution import feature_statistics, linear_noise, word_noise
from ibjax.estimators import over_devices

KEY = jax.random.key(0)
# The example of the authors' program: five words of one dimension, x ~ N(0, 0.01^2).
WEIGHTS = np.array([10.0, 20.0, 5.0, -20.0, -10.0], np.float32).reshape(5, 1, 1)
STD = 0.01 * np.sqrt(np.sum(WEIGHTS**2))
X = 0.01 * np.random.default_rng(0).normal(size=(3, 5, 1)).astype(np.float32)
# A square of a sum of five words has a mean of 1 and each word's part a deviation of
# sqrt(6); 4 standard errors of half of that are 1 % after this many draws.
DRAWS = {"num_steps": 500, "num_copies": 960}


def _linear(params, x):
    return jnp.einsum("bid,idk->bk", x, params)


def test_the_closed_form_is_that_of_the_authors_example():
    found = linear_noise(WEIGHTS, STD)
    np.testing.assert_allclose(STD, 0.3201562, rtol=1e-6)
    expected = [0.0032016, 0.0016008, 0.0064031, 0.0016008, 0.0032016]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert linear_noise(np.zeros((1, 2, 3), np.float32), 1.0)[0] == np.inf


def test_the_closed_form_is_the_minimum_of_the_loss():
    rng = np.random.default_rng(1)
    weights, std = rng.normal(size=(4, 3, 2)), np.array([0.5, 2.0])

    def loss(log_sigma):
        # Noise of independent words adds up its variance in each unit.
        squares = np.sum(weights**2, axis=1) / std**2
        variance = np.sum(np.exp(2 * log_sigma)[:, None] * squares, axis=0)
        return np.mean(variance) - 0.3 * np.mean(log_sigma)

    best = np.exp(optimize.minimize(loss, np.zeros(4), tol=1e-12).x)
    found = linear_noise(weights.astype(np.float32), std, rate=0.3)
    np.testing.assert_allclose(found, best, rtol=1e-4)


def test_linear_words_bear_noise_in_inverse_proportion():
    # The last two words of the other sentence are not there, and do not count.
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], bool)
    found = word_noise(KEY, _linear, WEIGHTS, X[:2], output_std=STD, mask=mask, **DRAWS)
    borne = np.asarray(found.sigma) * np.abs(WEIGHTS[:, 0, 0])
    np.testing.assert_allclose(borne[0], STD * np.sqrt(0.1 / 10), rtol=0.01)
    np.testing.assert_allclose(borne[1, :3], STD * np.sqrt(0.1 / 6), rtol=0.01)
    expected = np.log(found.sigma * np.sqrt(2 * np.pi * np.e))
    np.testing.assert_allclose(found.entropy, expected, rtol=1e-6)
    # Half the rate: the sum of the conditions that the derivatives are zero.
    np.testing.assert_allclose(found.distortion, 0.05, rtol=0.01)


@pytest.mark.parametrize("rate", [0.1, 0.001])
def test_few_steps_are_enough_for_words_of_any_influence(rate):
    weights = np.ones((30, 4, 1), np.float32)
    weights[:3] *= np.array([10.0, 3.0, 0.1]).reshape(3, 1, 1)
    std = np.sqrt(np.sum(weights**2))
    x = np.random.default_rng(0).normal(size=(64, 30, 4)).astype(np.float32)
    options = {"output_std": std, "rate": rate, "num_steps": 500, "num_copies": 8}
    found = word_noise(KEY, _linear, weights, x, batch_size=64, **options)
    exact = linear_noise(weights, std, rate=rate)
    apart = np.mean(np.log(np.asarray(found.sigma)), axis=0) - np.log(exact)
    # Five standard errors of the mean over sentences.
    error = np.sqrt(30 / (500 * 8)) / np.sqrt(len(x))
    np.testing.assert_allclose(apart, 0, atol=5 * error)


def test_words_without_influence_end_at_the_largest_noise():
    weights = WEIGHTS.copy()
    weights[3] = 0
    found = word_noise(KEY, _linear, weights, X, output_std=STD, num_steps=200)
    np.testing.assert_allclose(found.sigma[:, 3], 10 * X.std(), rtol=1e-4)
    assert np.all(found.sigma[:, :3] < X.std())


def test_sentences_are_fitted_by_themselves():
    options = {"output_std": STD, "num_steps": 20}
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 1, 1, 1]], bool)
    all_at_once = word_noise(KEY, _linear, WEIGHTS, X, mask=mask, **options)
    in_two = word_noise(KEY, _linear, WEIGHTS, X, mask=mask, batch_size=2, **options)
    np.testing.assert_allclose(all_at_once.sigma, in_two.sigma, rtol=1e-4)
    np.testing.assert_array_equal(np.isnan(all_at_once.sigma), ~mask)
    program = jax.jit(
        lambda x: word_noise(KEY, _linear, WEIGHTS, x, mask=mask, **options)
    )
    np.testing.assert_allclose(program(X).sigma, in_two.sigma, rtol=1e-4)
    divided = over_devices(word_noise)
    divided = divided(KEY, _linear, WEIGHTS, X, mask=mask, batch_size=1, **options)
    np.testing.assert_allclose(divided.sigma, in_two.sigma, rtol=1e-4)


@pytest.mark.slow
def test_parts_of_an_image_are_words_too():
    images = np.random.default_rng(2).normal(size=(1, 4, 4, 2)).astype(np.float32)
    groups = np.array([[0, 0, 1, 1]] * 2 + [[2, 2, -1, -1]] * 2)
    weights = np.random.default_rng(3).normal(size=(32, 2)).astype(np.float32)

    def function(params, x):
        return x.reshape(len(x), -1) @ params

    statistics = feature_statistics(
        function, weights, np.random.default_rng(4).normal(size=(50, 4, 4, 2)) + images
    )
    found = word_noise(
        KEY, function, weights, images, output_std=statistics.std, groups=groups,
        num_steps=1000, num_copies=64,
    )  # fmt: skip
    parts = np.repeat(groups.reshape(-1), 2)
    words = np.stack([np.where((parts == n)[:, None], weights, 0) for n in range(3)])
    expected = linear_noise(words, statistics.std)
    np.testing.assert_allclose(found.sigma[0], expected, rtol=0.03)


def test_bad_calls_are_named():
    def call(x=X, output_std=STD, **options):
        return word_noise(KEY, _linear, WEIGHTS, x, output_std=output_std, **options)

    with pytest.raises(ValueError, match="output_std must be positive, got 0.0"):
        call(output_std=0.0)
    with pytest.raises(ValueError, match=r"output_std must have shape \[1\] or be one"):
        call(output_std=np.ones(2))
    with pytest.raises(ValueError, match="max_sigma must be given where x is constant"):
        call(x=np.ones_like(X))
    with pytest.raises(
        ValueError, match=r"groups must have the shape of an input, \(5,"
    ):
        call(groups=np.zeros(4, int))
    with pytest.raises(ValueError, match="numbered from 0 on without a gap"):
        call(groups=np.array([0, 1, 3, 3, -1]))
    with pytest.raises(
        ValueError, match=r"mask must have shape \[3, 5\] for each word"
    ):
        call(mask=np.ones((3, 4), bool))
    with pytest.raises(TypeError, match="mask must be bool, got float64; true where"):
        call(mask=np.where(np.ones((3, 5), bool), 0.0, -1e9))
    with pytest.raises(ValueError, match="rate must be one positive number"):
        call(rate=0.0)
    with pytest.raises(
        ValueError, match=r"function must return a representation \[num"
    ):
        word_noise(KEY, lambda p, x: jnp.sum(x), None, X, output_std=1.0)
    with pytest.raises(ValueError, match=r"weights must have shape \[num_words, dim"):
        linear_noise(WEIGHTS[:, 0], STD)
