"""Errors of networks with drawn weights, against the normal distribution."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from ibjax import datasets, networks, probes, weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 2)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
DRAWS = 3000


def _measured(network, params):
    # Nine rows to train on, two to test on, and another one.
    snapshot = SimpleNamespace(
        network=network,
        params=params,
        task=datasets.make_task(X, LABELS),
        rows=jnp.array(RNG.permutation(12)),
        num_train=9,
        num_test=2,
        key=jax.random.key(0),
    )
    return probes.gibbs_errors(DRAWS)(snapshot), np.asarray(snapshot.rows)


def test_errors_of_one_layer_are_those_of_normal_logits():
    network = weights.noisy_weights(networks.mlp([2, 2]))
    w, b = RNG.normal(size=(2, 2)), RNG.normal(size=2)
    w_std, b_std = RNG.uniform(0.5, 1.5, (2, 2)), RNG.uniform(0.5, 1.5, 2)
    params = jax.tree.map(jnp.float32, (((w, b),), ((np.log(w_std), np.log(b_std)),)))
    found, rows = _measured(network, weights.Posterior(*params))
    logits = X @ w.T + b
    margin = (logits[:, 1] - logits[:, 0]) * (2 * LABELS - 1)
    variance = X**2 @ w_std.T**2 + b_std**2
    wrong = norm.sf(margin / np.sqrt(variance.sum(axis=1)))
    for name, chosen in (("train", wrong[rows[:9]]), ("test", wrong[rows[9:11]])):
        # Rows are drawn independently of each other.
        spread = np.sqrt(np.sum(chosen * (1 - chosen)) / DRAWS) / len(chosen)
        assert abs(found[f"{name}_gibbs_error"] - chosen.mean()) < 4 * spread


def test_diverged_networks_have_no_error():
    network = weights.noisy_weights(networks.mlp([2, 2]))
    mean = ((jnp.full((2, 2), jnp.nan), jnp.zeros(2)),)
    found, _ = _measured(network, weights.init_posterior(mean, std=0.1))
    assert all(np.isnan(value) for value in found.values())


def test_networks_without_noisy_weights_are_refused():
    network = networks.mlp([2, 2])
    params = ((jnp.zeros((2, 2)), jnp.zeros(2)),)
    with pytest.raises(TypeError, match="network must be one of weights.noisy_weights"):
        _measured(network, params)
    with pytest.raises(ValueError, match="num_draws must be a whole number"):
        probes.gibbs_errors(0)
