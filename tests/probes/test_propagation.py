"""Sample propagation through networks: closed forms, and replicas made by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import weights
from ibjax.estimators import propagation
from ibjax.networks import noisy
from ibjax.probes.propagation import (
    Effort,
    network_information_at,
    noisy_layer_information,
)
from tests.quadrature import information_through_noise


def test_a_deep_network_is_a_markov_chain(key):
    """Layers of a linear Gaussian network: closed form at every depth."""
    network = noisy([1, 1, 1, 2], "linear", noise_std=0.5)
    params = tuple((jnp.ones((1, 1)), jnp.zeros(1)) for _ in range(2))
    params += ((jnp.ones((2, 1)), jnp.zeros(2)),)
    layers = noisy_layer_information(
        key,
        params,
        jnp.array([[-1.0], [1.0]]),
        jnp.array([0, 1]),
        network=network,
        num_classes=2,
        num_replicas=2000,
        num_draws=2000,
    )
    assert len(layers) == 2
    for depth, layer in enumerate(layers, start=1):
        truth = information_through_noise([-1.0, 1.0], 0.5 * math.sqrt(depth))
        error = 3 * float(layer.i_xt_error)
        # Eight replicas of a wider spread are 0.036 too large, so 2,000 less than
        # 1.5e-4. What is held out suffers more, but only downwards.
        assert abs(float(layer.i_xt) - truth) < error + 1.5e-4
        assert float(layer.i_xt_held_out) < truth + error
        assert float(layer.i_xt_held_out) > truth - error - 2e-3
        assert abs(float(layer.i_ty) - truth) < error + 1.5e-4


def test_refuses_too_few_replicas(key):
    network = noisy([1, 1, 2], noise_std=0.1)
    with pytest.raises(ValueError, match="num_replicas must be at least 2"):
        noisy_layer_information(
            key,
            None,
            np.zeros((4, 1), np.float32),
            np.zeros(4, int),
            network=network,
            num_classes=2,
            num_replicas=1,
        )


@pytest.fixture(scope="module")
def small():
    network = noisy([3, 4, 3, 2], noise_std=[0.2, 0.1])
    x = np.stack(np.meshgrid(*3 * [[-1.0, 1.0]], indexing="ij"), -1).reshape(8, 3)
    return network, network.init(jax.random.key(3)), x.astype(np.float32)


def _replicas(key, network, params, x, num_replicas):
    """Every hidden layer before its noise, ``[num_samples, num_replicas, dim]``."""
    t = jnp.repeat(x, num_replicas, axis=0)
    for number, std in enumerate(network.noise_std):
        s = network.layer(params, number, t)
        yield s.reshape(len(x), num_replicas, -1)
        noise = jax.random.normal(jax.random.fold_in(key, number), s.shape)
        t = s + std * noise


def test_a_network_agrees_with_replicas_made_layer_by_layer(small):
    """Their biases differ and vanish with replicas, of which there are few."""
    network, params, x = small
    labels = np.arange(8) % 2
    # There are eight inputs: more rows are all of them.
    effort = Effort(num_rows=100, num_own=128, num_replicas=32, num_draws=128)
    found = network_information_at(
        jax.random.key(0),
        params,
        x,
        labels,
        network=network,
        num_classes=2,
        effort=effort,
    )
    replicas = _replicas(jax.random.key(1), network, params, x, 128)
    for layer, (centres, std) in enumerate(
        zip(replicas, network.noise_std, strict=True)
    ):
        other = propagation.layer_information(
            jax.random.key(2),
            centres[:, 0] if layer == 0 else centres,
            labels,
            num_classes=2,
            noise_std=std,
            num_draws=128,
        )
        for name in ("i_xt", "i_ty"):
            errors = [getattr(other, f"{name}_error")]
            errors.append(getattr(found, f"{name}_error")[layer])
            error = abs(getattr(other, name) - getattr(found, name)[layer])
            bias = abs(other.i_xt - other.i_xt_held_out)
            assert error < 3 * math.hypot(*errors) + bias
    assert found.i_xt[0] < math.log(8) and found.i_xt[1] < found.i_xt[0]


def test_noise_of_weights_is_refused(small):
    network, _, x = small
    network = weights.noisy_weights(network)
    params = network.init(jax.random.key(0))
    key, labels = jax.random.key(1), np.arange(8) % 2
    with pytest.raises(
        ValueError, match="network must be a chain of layers with noise"
    ):
        network_information_at(key, params, x, labels, network=network, num_classes=2)


@pytest.mark.parametrize("name", ["num_rows", "num_own", "num_replicas"])
def test_effort_must_be_positive(small, name):
    network, params, x = small
    with pytest.raises(ValueError, match=f"{name} must be at least"):
        network_information_at(
            jax.random.key(0),
            params,
            x,
            np.arange(8) % 2,
            network=network,
            num_classes=2,
            effort=Effort()._replace(**{name: 0}),
        )


def test_draws_must_come_from_other_passes(small):
    network, params, x = small
    with pytest.raises(ValueError, match=r"num_draws must lie in \[2, 3\], got 4"):
        network_information_at(
            jax.random.key(0),
            params,
            x,
            np.arange(8) % 2,
            network=network,
            num_classes=2,
            effort=Effort(num_own=3, num_draws=4),
        )
