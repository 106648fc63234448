"""Sanity checks: the gradient passes, guided backpropagation fails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import attribution, networks
from ibjax.attribution import randomization, rank_correlation

KEY = jax.random.key(5)


@pytest.mark.parametrize("values", ["distinct", "ties"])
def test_rank_correlations_are_those_of_scipy(values):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 4, 3, 5))
    if values == "ties":
        a, b = np.round(a), np.round(b)
    expected = [
        stats.spearmanr(x.reshape(-1), y.reshape(-1)).statistic
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(rank_correlation(a, b), expected, rtol=1e-5)
    np.testing.assert_allclose(rank_correlation(a, -(a**3)), -1, rtol=1e-6)


def test_rank_correlations_that_are_not_defined_are_nan():
    a = jnp.array([[1.0, 1.0], [1.0, jnp.nan], [1.0, 2.0]])
    found = rank_correlation(a, jnp.array([[1.0, 2.0]] * 3))
    np.testing.assert_array_equal(np.isnan(found), [True, True, False])
    with pytest.raises(ValueError, match="a and b must have one shape"):
        rank_correlation(a, a[:2])


def _recorded(params, x):
    """Attributions that are the weights themselves, to see what was drawn anew."""
    return np.tile(np.concatenate([np.ravel(w) for w, _ in params])[None], (2, 1))


def test_layers_are_drawn_anew_from_the_top_down():
    network = networks.mlp([4, 3, 3, 2])
    init = jax.jit(network.init)
    params, fresh = init(jax.random.key(0)), init(KEY)
    x = np.ones((2, 4), np.float32)
    flat = [_recorded(p, x)[0] for p in (params, fresh)]
    sizes = [12, 9, 6]
    for independent in (False, True):
        found = randomization(
            KEY, network, params, _recorded, x, independent=independent
        )
        assert found.layers == ("softmax 2", "tanh 3", "tanh 3")
        for step, stop in enumerate([27, 21, 12]):
            start = stop - sizes[2 - step]
            end = stop if independent else 27
            mixed = flat[0].copy()
            mixed[start:end] = flat[1][start:end]
            expected = stats.spearmanr(flat[0], mixed).statistic
            np.testing.assert_allclose(found.correlation[step], expected, rtol=1e-5)


def test_the_gradient_changes_and_guided_backpropagation_hardly_does(small):
    network, params, x, targets = small
    model = attribution.output(network)
    found = {
        method: randomization(
            KEY,
            network,
            params,
            lambda params, x, method=method: method(model, params, x, targets),
            x,
        )
        for method in (attribution.gradient, attribution.guided_backpropagation)
    }
    gradient, guided = (np.mean(f.correlation, axis=1) for f in found.values())
    # Attributions of 128 numbers that have nothing in common correlate by 0.09, and in
    # the mean over five images by 0.04; with the output layer alone new, images share
    # what is left of three rows of its weights.
    assert np.all(np.abs(gradient) < 0.2)
    # Three of the four layers are new, and the map is still the same.
    assert np.all(guided[:3] > 0.65)


def test_attributions_must_be_of_each_input():
    network = networks.mlp([4, 2])
    params = jax.jit(network.init)(KEY)
    with pytest.raises(ValueError, match=r"an array \[num, ...\] for inputs"):
        randomization(KEY, network, params, lambda p, x: x[0], np.ones((2, 4)))
    with pytest.raises(TypeError, match=r"similarities\['one'\] must be a function"):
        randomization(KEY, network, params, _recorded, None, similarities={"one": 1})
    with pytest.raises(TypeError, match="independent must be True or False, got 'no'"):
        randomization(
            KEY, network, params, _recorded, np.ones((2, 4)), independent="no"
        )


def test_further_similarities_are_recorded():
    network = networks.mlp([4, 3, 2])
    params = jax.jit(network.init)(jax.random.key(0))
    x = np.ones((2, 4), np.float32)
    distance = lambda before, after: np.abs(before - after).max(axis=1)  # noqa: E731
    found = randomization(
        KEY, network, params, _recorded, x, similarities={"distance": distance}
    )
    assert found.similarities["distance"].shape == (2, 2)
    assert np.all(found.similarities["distance"] > 0)
    wrong = {"one": lambda before, after: np.float32(1)}
    with pytest.raises(ValueError, match="one must have shape"):
        randomization(KEY, network, params, _recorded, x, similarities=wrong)
