"""Gradient statistics over copies of a network, each trained on a batch of its own.

The usual statistics compare the gradients of one network over minibatches. Here every
minibatch has a copy of the network, from the same initial weights, that trains on it
alone, and gradients are compared over the copies as they drift apart.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
from jax import lax

from ibjax import training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network
from ibjax.training.gradients import GradientStatistics, minibatch_statistics

__all__ = ["copy_statistics"]


def copy_statistics(
    key: jax.Array,
    task: Task,
    network: Network,
    config: training.TrainConfig,
    *,
    snapshots: Sequence[int],
) -> GradientStatistics:
    """Mean, spread and signal-to-noise ratio over copies, one per minibatch.

    A layer's weights and biases count together. A short last batch is left out.
    ``jax.vmap`` over ``key`` does it for many seeds.

    Args:
      key: Key of the network; it draws the initial weights and the batches.
      task: What to learn.
      network: The network; its parameters must be a sequence with an entry per layer.
      config: How to train; an epoch is one step of every copy on its batch.
      snapshots: Increasing numbers of epochs after which to compare.

    Returns:
      The statistics, ``[num_snapshots, num_layers]`` each.

    Raises:
      ValueError: If training takes the full batch, so that there is one copy only.

    Example:
      >>> from ibjax import datasets, networks
      >>> statistics = copy_statistics(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     networks.mlp([12, 3, 2]),
      ...     training.TrainConfig(),
      ...     snapshots=[0, 1],
      ... )
      >>> statistics.snr.shape
      (2, 2)
    """
    if config.batch_size is None:
        raise ValueError("batch_size must be a number of rows, got the full batch")
    num_copies = training.num_train_rows(task, config) // config.batch_size
    places = training.epoch_batches(0, task, config)[:num_copies]
    rows = training.split_rows(key, task, config)[places]
    # To a copy its batch is all there is to train on.
    alone = replace(
        config,
        batch_size=None,
        train_fraction=config.batch_size / task.num_samples,
    )
    whole = jnp.arange(config.batch_size)[None]

    def one_epoch(_, states):
        return jax.vmap(
            lambda state, own: training.run_epoch(
                state, own, whole, task, network, alone
            )
        )(states, rows)

    def gradient(params, own):
        x, targets = task.inputs(own).T, task.targets(own).T

        def loss(params):
            logits = network.activations(params, x)[-1]
            return training.mean_loss(logits, targets, jnp.ones(len(own), x.dtype))

        layers = jax.grad(loss)(params)
        return [
            jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(layer)])
            for layer in layers
        ]

    def to_snapshot(states, epochs):
        states = lax.fori_loop(epochs[0], epochs[1], one_epoch, states)
        gradients = jax.vmap(gradient)(states.params, rows)
        statistics = [minibatch_statistics(layer) for layer in gradients]
        return states, jax.tree.map(lambda *layers: jnp.stack(layers), *statistics)

    state = training.init_state(key, network, config)
    states = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_copies, *jnp.shape(leaf))), state
    )
    ends = jnp.asarray(snapshots, jnp.int32)
    starts = jnp.concatenate([jnp.zeros(1, jnp.int32), ends[:-1]])
    return lax.scan(to_snapshot, states, jnp.stack([starts, ends], axis=1))[1]
