"""Noisy networks: noise where it should be, and otherwise the plain network."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, training
from ibjax.networks import mlp, noisy
from ibjax.probes.training import losses
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.seeds import sweep

WIDTHS = (12, 6, 5, 3)
X = np.random.default_rng(0).normal(size=(50, 12)).astype(np.float32)


def _params():
    rng = np.random.default_rng(1)
    shapes = zip(WIDTHS[1:], WIDTHS[:-1], strict=True)
    return tuple(
        (
            rng.normal(size=shape, scale=0.3).astype(np.float32),
            np.zeros(shape[0], np.float32),
        )
        for shape in shapes
    )


def test_layers_without_noise_are_those_of_the_plain_network(key):
    network, plain = noisy(WIDTHS, "relu", noise_std=0.1), mlp(WIDTHS, "relu")
    params = network.init(key)
    t = X
    for number, expected in enumerate(plain.activations(params, X)):
        t = network.layer(params, number, t)
        np.testing.assert_allclose(t, expected, rtol=1e-6, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, params, plain.init(key))
    assert network.layer_names == plain.layer_names
    assert [w.shape for w in network.kernels(params)] == [(6, 12), (5, 6), (3, 5)]


def test_noise_is_additive_gaussian_on_hidden_layers_only(key):
    network = noisy(WIDTHS, noise_std=[0.5, 0.01])
    # All weights zero: every hidden layer is its noise alone, and the logits are zero.
    params = jax.tree.map(np.zeros_like, _params())
    x = np.zeros((20_000, 12), np.float32)
    first, second, logits = network.activations(params, x, key=key)
    for t, std in ((first, 0.5), (second, 0.01)):
        draws = np.asarray(t, np.float64) / std
        # Of n normal numbers the mean has standard error n^-1/2 and the variance
        # (2/n)^1/2; 4 of them each.
        n = draws.size
        assert abs(draws.mean()) < 4 / np.sqrt(n)
        assert abs(draws.var() - 1) < 4 * np.sqrt(2 / n)
        assert abs((draws**4).mean() - 3) < 4 * np.sqrt(96 / n)
        correlation = np.corrcoef(draws.T) - np.eye(draws.shape[1])
        assert np.abs(correlation).max() < 5 / np.sqrt(len(draws))
    assert np.all(np.asarray(logits) == 0)
    assert abs(np.corrcoef(first[:, 0], second[:, 0])[0, 1]) < 5 / np.sqrt(len(x))


def test_noise_goes_through_the_next_layer(key):
    network = noisy(WIDTHS, noise_std=0.3)
    params = _params()
    layers = network.activations(params, X, key=key)
    s = network.layer(params, 1, layers[0])
    noise = np.asarray(layers[1] - s) / 0.3
    # 250 normal numbers know their standard deviation to 4.5 %: 4 of those.
    assert abs(noise.std() - 1) < 4 * 0.045
    logits = network.layer(params, 2, layers[1])
    np.testing.assert_allclose(logits, layers[2], rtol=1e-6, atol=1e-6)


def test_a_key_is_one_draw(key):
    network = noisy(WIDTHS, noise_std=0.1)
    params = _params()
    activations = jax.jit(jax.vmap(lambda k: network.activations(params, X, key=k)))
    keys = jnp.stack([jax.random.key(n) for n in (1, 1, 2)])
    first, again, other = activations(keys)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("widths", "options", "message"),
    [
        (
            (12, 2),
            {"noise_std": 0.1},
            "widths must be 3 or more positive whole numbers",
        ),
        (WIDTHS, {"noise_std": 0.0}, "noise_std must be one positive number"),
        (WIDTHS, {"noise_std": float("nan")}, "noise_std must be one positive number"),
        (
            WIDTHS,
            {"noise_std": [0.1, 0.1, 0.1]},
            "shape \\[2\\] for as many hidden layers",
        ),
        (WIDTHS, {"noise_std": 0.1, "activation": "cosine"}, "activation must be"),
    ],
)
def test_refuses(widths, options, message):
    with pytest.raises(ValueError, match=message):
        noisy(widths, **options)


def test_a_sweep_trains_with_noise(key):
    """One full-batch step is that of the gradient with the network's own draw."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype(np.float32)
    task = datasets.make_task(x, (x[:, 0] > 0).astype(np.int32))
    network = noisy((3, 2, 2), noise_std=0.5)
    config = TrainConfig(
        learning_rate=0.1, optimizer="sgd", batch_size=None, train_fraction=1.0
    )
    key_seed = seed_key(key, 0)
    draws = jax.random.fold_in(training.epoch_key(key_seed, 0), 0)
    rows = training.split_rows(key_seed, task, config)
    params = training.init_state(key_seed, network, config).params

    def loss(params, activations):
        logits = activations(params, task.x[rows])[-1]
        return training.mean_loss(logits, task.p_y_given_x[rows], jnp.ones(40))

    def step(activations):
        gradient = jax.jit(jax.grad(lambda p: loss(p, activations)))(params)
        return jax.tree.map(lambda p, g: p - 0.1 * g, params, gradient)

    expected = step(lambda params, x: network.activations(params, x, key=draws))
    without = step(network.activations)
    found = training.train(key_seed, task, network, config, num_epochs=1)
    # Sums of 40 terms in another order; the noise moves them over ten times as far.
    chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(*map(jax.tree.leaves, (expected, without)), strict=True):
        assert np.max(np.abs(np.asarray(one) - np.asarray(other))) > 1e-5
    dataset = sweep(
        key, task, network, config, num_seeds=1, snapshots=[1], probes=[losses]
    )
    whole = loss(found, network.activations)
    np.testing.assert_allclose(dataset.train_loss.item(), whole, rtol=1e-5)


def test_without_a_key_there_is_no_noise():
    network, plain, params = noisy(WIDTHS, noise_std=0.5), mlp(WIDTHS), _params()
    found, expected = (n.activations(params, X) for n in (network, plain))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert [layer.noise_std for layer in network.layers] == [0.5, 0.5, 0.0]
    assert network.noise_std == (0.5, 0.5)
