"""Dropout of a chain's units: how many, what is left, and what is no chain."""

from functools import partial

import jax
import numpy as np
import pytest

from ibjax import networks, representations, weights
from ibjax.networks.convolutional import convolutional

KEY = jax.random.key(0)
NOISY = networks.noisy([3, 4, 5, 2], noise_std=[0.5, 0.01])
IMAGES = convolutional((6, 6), channels=(2, 3), hidden=(5,), num_classes=3)


def test_dropped_units_leave_the_mean():
    network = networks.binary_dropout(IMAGES, 0.25, layers=[0])
    params = network.init(KEY)
    x = np.tile(np.linspace(0, 1, 36, dtype=np.float32), (100, 1))
    options = {"key": jax.random.key(1)}
    plain = IMAGES.activations(params, x)[0][0]
    kept = network.activations(params, x, **options)[0][0]
    np.testing.assert_array_equal(kept, plain)
    dropped = jax.jit(partial(network.activations, training=True))(
        params, x, **options
    )[0]
    seen = np.flatnonzero(plain > 0)
    share = np.mean(dropped[:, seen] == 0)
    # Independent draws: five standard errors.
    error = np.sqrt(0.25 * 0.75 / 100 / len(seen))
    assert abs(share - 0.25) < 5 * error
    kept = np.unique(np.asarray(dropped[:, seen[0]]))
    np.testing.assert_allclose(kept, [0, plain[seen[0]] / 0.75], rtol=1e-5)


def test_noise_of_layers_is_kept():
    network = networks.binary_dropout(NOISY, 0.25, layers=[1])
    # All weights zero: every hidden layer is its noise alone, and the logits are zero.
    params = jax.tree.map(np.zeros_like, NOISY.init(KEY))
    x = np.zeros((20_000, 3), np.float32)
    jax.tree.map(
        np.testing.assert_array_equal,
        network.activations(params, x, key=KEY),
        NOISY.activations(params, x, key=KEY),
    )
    drawn = jax.jit(partial(network.activations, training=True))
    first, second, logits = drawn(params, x, key=KEY)
    second = np.asarray(second)
    dropped = second == 0
    # Four standard errors: of a share, and of a variance, (2/n)^1/2 of itself.
    assert abs(dropped.mean() - 0.25) < 4 * np.sqrt(0.25 * 0.75 / dropped.size)
    for draws, std in ((np.asarray(first), 0.5), (second[~dropped], 0.01 / 0.75)):
        ratio = np.float64(draws).var() / std**2
        assert abs(ratio - 1) < 4 * np.sqrt(2 / draws.size)
    assert not np.any(logits)
    assert abs(np.corrcoef(first[:, 0], ~dropped[:, 0])[0, 1]) < 4 / np.sqrt(len(x))


def test_weights_with_noise_leave_dropout():
    network = weights.noisy_weights(
        networks.binary_dropout(networks.mlp([3, 9, 2]), 0.5)
    )
    params, x = jax.jit(network.init)(KEY), np.ones((200, 3), np.float32)
    hidden, _ = jax.jit(partial(network.activations, training=True))(params, x, key=KEY)
    # Five standard errors of the share of 1,800 units.
    assert abs(np.mean(hidden == 0) - 0.5) < 5 * 0.5 / np.sqrt(hidden.size)


@pytest.mark.parametrize(
    "network, options, message",
    [
        (IMAGES, {"rate": 1.0}, "rate must lie in"),
        (IMAGES, {"rate": 0.5, "layers": [2]}, "layers must be one of 0, 1, 3, got 2"),
        (IMAGES._replace(layer=None), {"rate": 0.5}, "network must be a chain"),
        (networks.mlp([3, 2]), {"rate": 0.5}, "layers must hold at least one hidden"),
        (
            networks.binary_dropout(IMAGES, 0.1),
            {"rate": 0.5},
            "network must have no dropout of its own",
        ),
        (
            representations.with_information_dropout(IMAGES).network,
            {"rate": 0.5},
            "no noise that is another one for every input",
        ),
        (weights.noisy_weights(NOISY), {"rate": 0.5}, "network must be a chain"),
    ],
)
def test_what_cannot_be_dropped_is_refused(network, options, message):
    with pytest.raises(ValueError, match=message):
        networks.binary_dropout(network, **options)
