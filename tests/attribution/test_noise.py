"""Noise that shares its magnitudes: standard normal for each input."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from ibjax.attribution.loops import keys_of_inputs
from ibjax.attribution.noise import noise_of_inputs

# No multiple of the 32 signs of a word.
SHAPE = (41, 50)
SIZE = 41 * 50
KEY = jax.random.key(3)
KEYS = keys_of_inputs(jax.random.key(4), 20)
_draw = jax.jit(noise_of_inputs, static_argnums=(3, 4))
NOISE = np.asarray(_draw(KEY, KEYS, 0, SHAPE, jnp.float32)).reshape(20, SIZE)


def test_the_noise_of_every_input_is_standard_normal():
    values = [stats.kstest(each, "norm").pvalue for each in NOISE]
    # They share magnitudes, so that one unlikely draw of these would fail all.
    assert min(values) > 1e-4
    assert 0 < np.mean(NOISE[0] < 0) < 1
    signs = np.sum(NOISE < 0, axis=1)
    # Binomial: five standard deviations of 22.6.
    assert np.all(np.abs(signs - SIZE / 2) < 5 * np.sqrt(SIZE) / 2)


def test_two_inputs_are_uncorrelated_and_share_magnitudes():
    np.testing.assert_array_equal(np.abs(NOISE), np.abs(NOISE[:1]).repeat(20, 0))
    correlations = np.corrcoef(NOISE)[np.triu_indices(20, 1)]
    # The mean of products of squares is 3, that of squares 1.
    assert np.all(np.abs(correlations) < 5 * np.sqrt(3 / SIZE))
    # Within an input, at any distance, as for noise that shares nothing.
    for lag in (1, 31, 32, 50):
        lagged = np.mean(NOISE[:, lag:] * NOISE[:, :-lag], axis=1)
        assert np.all(np.abs(lagged) < 5 / np.sqrt(SIZE - lag))


def test_noise_depends_on_the_step_and_not_on_the_batch():
    some = _draw(KEY, KEYS[5:7], 0, SHAPE, jnp.float32).reshape(2, SIZE)
    np.testing.assert_array_equal(some, NOISE[5:7])
    later = np.asarray(_draw(KEY, KEYS[5:7], 1, SHAPE, jnp.float32)).reshape(2, SIZE)
    assert np.all(np.abs(later) != np.abs(some))
