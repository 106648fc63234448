"""Copies of a network, one per batch: against networks trained by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import TrainConfig, datasets, networks, training
from ibjax.experiments.batches.copies import copies
from ibjax.sweeps import seed_key, sweep_trainable

NETWORK = networks.mlp((3, 2, 2))
CONFIG = TrainConfig(
    learning_rate=0.2, optimizer="sgd", batch_size=4, train_fraction=1.0
)


def _task():
    x = np.random.default_rng(0).normal(size=(14, 3)).astype(np.float32)
    return datasets.make_task(x, (x[:, 0] > 0).astype(int))


@jax.jit
def _gradient(params, x, targets):
    def loss(params):
        logits = NETWORK.activations(params, x)[-1]
        return training.mean_loss(logits, targets, jnp.ones(len(x)))

    return jax.grad(loss)(params)


def test_copies_are_networks_on_a_batch_each(key):
    task = _task()
    dataset = sweep_trainable(
        key, copies(task, NETWORK, CONFIG), num_seeds=2, snapshots=[0, 2]
    )
    found = [
        dataset[f"gradient_{name}"].sel(seed=1).values
        for name in ("mean", "std", "snr")
    ]
    key = seed_key(key, 1)
    rows = training.split_rows(key, task, CONFIG)
    places = training.epoch_batches(0, task, CONFIG)[:3]  # The fourth has two rows.
    params = [training.init_state(key, NETWORK, CONFIG).params] * 3
    for snapshot, epochs in enumerate((0, 2)):
        gradients = []
        for copy in range(3):
            own = rows[places[copy]]
            x, targets = task.x[own], task.p_y_given_x[own]
            for _ in range(epochs):
                params[copy] = jax.tree.map(
                    lambda p, g: p - 0.2 * g,
                    params[copy],
                    _gradient(params[copy], x, targets),
                )
            gradients.append(_gradient(params[copy], x, targets))
        for layer in range(2):
            stacked = np.stack(
                [np.concatenate([np.ravel(g) for g in own[layer]]) for own in gradients]
            )
            mean = np.linalg.norm(stacked.mean(axis=0))
            std = np.linalg.norm(stacked.std(axis=0))
            at = [value[snapshot, layer] for value in found]
            np.testing.assert_allclose(at, [mean, std, mean / std], rtol=1e-4)


def test_the_full_batch_has_no_copies():
    config = TrainConfig(batch_size=None)
    with pytest.raises(ValueError, match="batch_size must be a number"):
        copies(_task(), NETWORK, config)
