"""One network as it stands at one epoch: what probes see."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ibjax import training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network, Params
from ibjax.training.gradients import GradientStatistics

__all__ = ["Snapshot", "take_snapshot"]

# Inputs whose activities are held at once where not all of them are measured.
_ROWS_AT_ONCE = 1024


class Snapshot(NamedTuple):
    """One network as it stands at one epoch.

    Attributes:
      params: Its parameters.
      layers: Activities of every layer for the measured inputs of the task, the last
        layer's after the softmax, ``[num_measured, units]`` each.
      logits: The last layer's before it for all inputs of the task,
        ``[num_samples, num_classes]``.
      task: The task.
      measured: The inputs that ``layers`` are the activities for: the task's last ones
        if it has ``num_measured``, all of them otherwise.
      num_train: How many of the network's rows are for training.
      rows: The network's order of rows, those for training first, ``[num_samples]``.
      kernels: Weight array of every layer.
      batch_gradients: Gradient of every layer's weights over the minibatches of one
        epoch at these parameters, ``[num_batches, ...]`` each.
      gradient_statistics: Their mean and spread for every layer, without holding them.
    """

    params: Params
    layers: tuple[jax.Array, ...]
    logits: jax.Array
    task: Task
    measured: Task
    num_train: int
    rows: jax.Array
    kernels: tuple[jax.Array, ...]
    batch_gradients: tuple[jax.Array, ...]
    gradient_statistics: tuple[GradientStatistics, ...]


def take_snapshot(
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    config: training.TrainConfig,
) -> Snapshot:
    """The network as probes see it; what no probe looks at is not computed.

    Args:
      params: Parameters.
      rows: The network's order of rows, from :func:`ibjax.training.split_rows`.
      batches: Places of batches, from :func:`ibjax.training.measured_batches`.
      task: The task.
      network: The network.
      config: How it is trained.

    Returns:
      The snapshot.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> config = training.TrainConfig()
      >>> snapshot = take_snapshot(
      ...     network.init(jax.random.key(0)),
      ...     training.split_rows(jax.random.key(0), task, config),
      ...     training.measured_batches(0, task, config),
      ...     task,
      ...     network,
      ...     config,
      ... )
      >>> [layer.shape for layer in snapshot.layers]
      [(4096, 3), (4096, 2)]
    """
    measured = task.measured
    *hidden, logits = network.activations(params, measured.x)
    layers = (*hidden, _softmax(logits))
    if measured is not task:
        logits = _all_logits(params, task, network)
    return Snapshot(
        params=params,
        layers=layers,
        logits=logits,
        task=task,
        measured=measured,
        num_train=training.num_train_rows(task, config),
        rows=rows,
        kernels=network.kernels(params),
        batch_gradients=training.batch_gradients(params, rows, batches, task, network),
        gradient_statistics=training.gradient_statistics(
            params, rows, batches, task, network
        ),
    )


def _all_logits(params: Params, task: Task, network: Network) -> jax.Array:
    """Logits of all inputs, a part of them at a time."""
    num_parts = -(-task.num_samples // _ROWS_AT_ONCE)
    rows = jnp.arange(num_parts * _ROWS_AT_ONCE).reshape(num_parts, _ROWS_AT_ONCE)
    logits = lax.map(
        lambda part: network.activations(params, task.inputs(part).T)[-1],
        jnp.minimum(rows, task.num_samples - 1),
    )
    return logits.reshape(-1, logits.shape[-1])[: task.num_samples]


def _softmax(logits: jax.Array) -> jax.Array:
    return jax.nn.softmax(logits.T, axis=0).T
