"""Errors of networks with drawn weights, against the normal distribution."""

import jax
import numpy as np
import pytest
from scipy.stats import norm

from ibjax import TrainConfig, datasets, networks, probes, sweep, weights

X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(int)
TASK = datasets.make_task(X, LABELS)
DRAWS = 3000


def _kept(snapshot):
    posterior = snapshot.params
    ((w, b),), ((w_std, b_std),) = posterior.mean, posterior.std
    return {"w": w, "b": b, "w_std": w_std, "b_std": b_std, "rows": snapshot.rows}


def _sweep(network):
    return sweep(
        jax.random.key(0),
        TASK,
        network,
        TrainConfig(learning_rate=0.1, train_fraction=0.75),
        num_seeds=1,
        snapshots=[0, 3],
        probes=[probes.gibbs_errors(DRAWS), _kept],
    )


def test_errors_of_one_layer_are_those_of_normal_logits():
    dataset = _sweep(weights.noisy_weights(networks.mlp([2, 2]), std=0.7))
    assert np.isnan(dataset.train_gibbs_error.isel(epoch=0)).all()
    last = dataset.isel(seed=0, epoch=-1)
    logits = X @ last.w.values.T + last.b.values
    margin = (logits[:, 1] - logits[:, 0]) * (2 * LABELS - 1)
    variance = X**2 @ last.w_std.values.T**2 + last.b_std.values**2
    wrong = norm.sf(margin / np.sqrt(variance.sum(axis=1)))
    rows = last.rows.values.astype(int)
    for name, chosen in (("train", wrong[rows[:9]]), ("test", wrong[rows[9:]])):
        # Rows are drawn independently of each other.
        spread = np.sqrt(np.sum(chosen * (1 - chosen)) / DRAWS) / len(chosen)
        found = float(last[f"{name}_gibbs_error"])
        assert abs(found - chosen.mean()) < 4 * spread


def test_networks_without_noisy_weights_are_refused():
    with pytest.raises(TypeError, match="network must be one of weights.noisy_weights"):
        _sweep(networks.mlp([2, 2]))
