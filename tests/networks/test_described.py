"""Networks from their descriptions."""

import jax
import numpy as np
import pytest

from ibjax import networks


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp([5, 2]),
        networks.mlp([5, 4, 2], "hard-tanh", init="fan-out"),
        networks.mlp([5, 4, 3, 3, 2], ["tanh", "hard-tanh", "relu"], output="linear"),
        networks.noisy([5, 4, 3, 2], "relu", noise_std=[0.1, 1e-5]),
    ],
)
def test_a_description_tells_the_whole_network(network):
    found = networks.from_description(network.description)
    assert found.description == network.description
    assert found.layers == network.layers
    key = jax.random.key(0)
    x = jax.random.normal(jax.random.key(1), (3, 5))
    params = found.init(key)
    jax.tree.map(np.testing.assert_array_equal, params, network.init(key))
    draws = (n.activations(params, x, key=key) for n in (found, network))
    jax.tree.map(np.testing.assert_array_equal, *draws)


def test_varied_noise_is_an_argument():
    described = []

    def make(noise_std):
        described.append(networks.noisy([3, 2, 2], noise_std=noise_std).description)
        return noise_std

    jax.eval_shape(make, 0.5)
    found = networks.from_description(described[0])
    assert (
        found(noise_std=0.5).description == "mlp 3-2-2, tanh, init fan-in, noise [0.5]"
    )


@pytest.mark.parametrize(
    "network",
    [
        networks.mlp([3, 2, 2], lambda z: z**2),
        networks.mlp([3, 2], init=jax.nn.initializers.he_normal()),
    ],
)
def test_functions_of_the_callers_are_not_guessed(network):
    assert networks.from_description(network.description) is None
