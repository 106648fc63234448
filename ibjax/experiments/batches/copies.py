"""Gradient statistics over copies of a network, each trained on a batch of its own.

The usual statistics compare the gradients of one network over minibatches. Here every
minibatch has a copy of the network, from the same initial weights, that trains on it
alone, and gradients are compared over the copies as they drift apart.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import xarray as xr

from ibjax import datasets, networks, training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.probes.training import gradients
from ibjax.sweeps.seeds import sweep_trainable
from ibjax.training.gradients import minibatch_statistics
from ibjax.training.objectives import cross_entropy, evaluate
from ibjax.training.trainable import Trainable

__all__ = ["copies", "copy_sweep"]

_RECORDED = ("gradient_mean", "gradient_std", "gradient_snr")


def copies(task: Task, network: Network, config: training.TrainConfig) -> Trainable:
    """Copies of a network, one per minibatch, for :func:`ibjax.sweeps.sweep_trainable`.

    A seed is a network and all its copies; an epoch is one step of every copy on its
    batch. Recorded are the mean, the spread and the signal-to-noise ratio of the
    gradient over copies, a layer's weights and biases together. A short last batch is
    left out.

    Args:
      task: What to learn.
      network: The network; its parameters must be a sequence with an entry per layer.
      config: How to train.

    Returns:
      The copies.

    Raises:
      ValueError: If training takes the full batch, so that there is one copy only.

    Example:
      >>> from ibjax import datasets, networks
      >>> from ibjax.sweeps import sweep_trainable
      >>> trained = copies(
      ...     datasets.szt(), networks.mlp([12, 3, 2]), training.TrainConfig()
      ... )
      >>> dataset = sweep_trainable(
      ...     jax.random.key(0), trained, num_seeds=1, snapshots=[0, 1]
      ... )
      >>> dict(dataset.gradient_snr.sizes)
      {'seed': 1, 'epoch': 2, 'layer': 2}
    """
    if config.batch_size is None:
        raise ValueError("batch_size must be a number of rows, got the full batch")
    num_copies = training.num_train_rows(task, config) // config.batch_size
    # To a copy its batch is all there is to train on.
    alone = replace(
        config,
        batch_size=None,
        train_fraction=config.batch_size / task.num_samples,
    )
    whole = jnp.arange(config.batch_size)[None]

    def init(key, task, numbers):
        del numbers
        # Batches of the first epoch, which a copy then keeps; a short last one would
        # be trained on fewer rows than the others.
        places = training.epoch_batches(0, task, config)[:num_copies]
        rows = training.split_rows(key, task, config)[places]
        state = training.init_state(key, network, config)
        states = jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf, (num_copies, *jnp.shape(leaf))), state
        )
        return states, (key, rows)

    def run_epoch(states, own, task, drawn, epoch):
        key, rows = own
        # The same draws for all copies: they are to differ in their rows alone.
        key = training.epoch_key(key, epoch)

        def one_copy(state, rows):
            return training.run_epoch(key, state, rows, whole, task, network, alone)

        return jax.vmap(one_copy)(states, rows)

    def measure(states, own, task, drawn, epoch, is_last):
        key, rows = own

        def gradient(params, rows):
            def loss(params):
                batch = task.batch(rows)
                return evaluate(cross_entropy(), params, batch, key, network, {})[0]

            return [_as_vector(layer) for layer in jax.grad(loss)(params)]

        by_layer = jax.vmap(gradient)(states.params, rows)
        statistics = [minibatch_statistics(layer) for layer in by_layer]
        stacked = (jnp.stack(values) for values in zip(*statistics, strict=True))
        return dict(zip(_RECORDED, stacked, strict=True))

    return Trainable(
        init=init,
        run_epoch=run_epoch,
        measure=measure,
        data=task,
        params=lambda states: states.params,
        layers=network.layers,
        variables={name: gradients.variables[name] for name in _RECORDED},
        configuration={
            "task": task.name,
            "network": network.description,
            "optimizer": config.optimizer,
            "learning_rate": config.learning_rate,
            "batch_size": config.batch_size,
            "copies": num_copies,
        },
        title=f"ibjax sweep of {{num}} networks with copies on {task.name}",
    )


def _as_vector(layer: Any) -> jax.Array:
    return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(layer)])


def copy_sweep(sweep: xr.Dataset) -> xr.Dataset:
    """Statistics over copies of the tanh networks that SGD trains on minibatches.

    Args:
      sweep: Dataset of ``ibjax sweep batches``, for its seeds and snapshots.

    Returns:
      Dataset over ``seed``, ``epoch`` and ``layer``, see :func:`copies`.
    """
    trained = copies(
        datasets.szt(),
        networks.mlp((12, 10, 7, 5, 4, 3, 2)),
        training.TrainConfig(learning_rate=0.1, optimizer="sgd"),
    )
    seeds = sweep["seed"].values
    return sweep_trainable(
        jax.random.key(0),
        trained,
        num_seeds=len(seeds),
        first_seed=int(seeds[0]),
        snapshots=sweep["epoch"].values.tolist(),
        # Each is as many copies as there are batches.
        block=1,
    )
