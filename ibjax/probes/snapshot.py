"""Snapshot: one network as it stands at one epoch, which is what probes see."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from ibjax import training
from ibjax.compilation import full_precision
from ibjax.datasets.task import Task
from ibjax.networks.network import Network, Params, layer_number
from ibjax.training.batches import num_test_rows
from ibjax.training.gradients import GradientStatistics
from ibjax.training.loop import numbered_batches, objective_of
from ibjax.training.objectives import Objective, ObjectiveFn, evaluate

__all__ = ["Snapshot", "measuring_key", "take_snapshot"]

# Inputs whose activities are held at once where not all of them are measured.
_ROWS_AT_ONCE = 1024
_NOTHING: dict[str, jax.Array] = {}


class Snapshot(NamedTuple):
    """One network as it stands at one epoch.

    Attributes:
      params: Its parameters.
      layers: Activities of every layer for the measured inputs of the task, without
        noise, the last layer's after the softmax if it has one, ``[num_measured,
        units]`` each.
      logits: The last layer's before it for all inputs of the task, ``[num_samples,
        num_outputs]``.
      task: The task.
      measured: The inputs that ``layers`` are the activities for.
      num_train: How many of the network's rows are for training.
      num_test: How many, next in order, are for testing.
      rows: The network's order of rows, those for training first, ``[num_samples]``.
      kernels: Weights of every layer.
      batch_gradients: Gradient of every layer's weights over the minibatches of one
        epoch at these parameters, ``[num_batches, ...]`` each.
      gradient_statistics: Their mean and spread for every layer, without holding them.
      objective_terms: Value of the objective, ``objective``, and its named terms, the
        mean over the training rows at these parameters.
      network: The network.
      config: How it is trained.
      key: Key of this network, the same at all its snapshots: fold a number into it for
        draws of your own. The sweep draws nothing from it.
      epoch: Number of epochs trained.
      numbers: The numbers that a sweep varies, by name.
      objective: What training lowers.
    """

    params: Params
    layers: tuple[jax.Array, ...]
    logits: jax.Array
    task: Task
    measured: Task
    num_train: int
    num_test: int
    rows: jax.Array
    kernels: tuple[Any, ...]
    batch_gradients: tuple[Any, ...]
    gradient_statistics: tuple[GradientStatistics, ...]
    objective_terms: dict[str, jax.Array]
    network: Network
    config: training.TrainConfig
    key: jax.Array
    epoch: jax.Array
    numbers: dict[str, jax.Array]
    objective: Objective

    def activity(self, layer: str | int) -> jax.Array:
        """Activities of a layer in its own shape, ``[num_measured, *shape]``.

        Args:
          layer: Name of the layer, with or without the number of units in brackets, or
            its number from 0.

        Raises:
          ValueError: If there is no such layer, or several of that name.
        """
        number = layer_number(self.network.layers, layer)
        return self.layers[number].reshape(-1, *self.network.layers[number].shape)


def measuring_key(key: jax.Array) -> jax.Array:
    """Key of a network's snapshots, from the network's own.

    Training splits the network's key in two; this is a third one.
    """
    return jax.random.fold_in(key, 2)


@full_precision
def take_snapshot(
    key: jax.Array,
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    config: training.TrainConfig,
    *,
    objective: ObjectiveFn | None = None,
    epoch: jax.Array | int = 0,
    numbers: dict[str, jax.Array] = _NOTHING,
) -> Snapshot:
    """The network as probes see it; what no probe looks at is not computed.

    Args:
      key: Key of the network.
      params: Parameters.
      rows: The network's order of rows, from :func:`ibjax.training.split_rows`.
      batches: Places of batches, from :func:`ibjax.training.measured_batches`.
      task: The task.
      network: The network.
      config: How it is trained.
      objective: What it is trained on, see :func:`ibjax.training.train`.
      epoch: Number of epochs trained.
      numbers: Numbers that the objective asks for, by name.

    Returns:
      The snapshot.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), training.TrainConfig()
      >>> snapshot = take_snapshot(
      ...     key,
      ...     network.init(key),
      ...     training.split_rows(key, task, config),
      ...     training.measured_batches(0, task, config),
      ...     task,
      ...     network,
      ...     config,
      ... )
      >>> [layer.shape for layer in snapshot.layers]
      [(4096, 3), (4096, 2)]
    """
    objective = objective_of(objective, task, network)
    measured = task.measured
    *hidden, output = network.activations(params, measured.x)
    logits = output if measured is task else _all_outputs(params, task, network)
    if network.output == "softmax":
        # Rounded alike whatever else is measured: merged with the losses' logarithms, a
        # probability near one may be another float, which falls into another bin.
        output = _softmax(lax.optimization_barrier(output))
    key = measuring_key(key)
    # Streams of their own; what callers fold in are small numbers.
    key_gradients = jax.random.fold_in(key, 2**31)
    num_train = training.num_train_rows(task, config)
    given = {**numbers, "epoch": jnp.asarray(epoch)}
    options = {"objective": objective, "numbers": given, "num_rows": num_train}
    arguments = (key_gradients, params, rows, batches, task, network)
    return Snapshot(
        params=params,
        layers=(*hidden, output),
        logits=logits,
        task=task,
        measured=measured,
        num_train=num_train,
        num_test=num_test_rows(task, config),
        rows=rows,
        kernels=network.kernels(params),
        batch_gradients=training.batch_gradients(*arguments, **options),
        gradient_statistics=training.gradient_statistics(*arguments, **options),
        objective_terms=_objective_terms(*arguments, **options),
        network=network,
        config=config,
        key=key,
        epoch=jnp.asarray(epoch),
        numbers=numbers,
        objective=objective,
    )


def _objective_terms(
    key, params, rows, batches, task, network, objective, numbers, num_rows
):
    """Objective and its terms, the mean over batches, each by its number of rows."""

    def one_batch(numbered):
        number, places = numbered
        weights = (places >= 0).astype(task.x.dtype)
        batch = task.batch(rows[jnp.maximum(places, 0)], weights)
        draws = jax.random.fold_in(key, number)
        value, terms = evaluate(objective, params, batch, draws, network, numbers)
        return jnp.sum(weights), {"objective": value, **terms}

    filled, last = numbered_batches(batches, network, objective, num_rows)
    # A short batch counts by its rows, so that the mean is the mean over all rows.
    sizes, found = lax.map(one_batch, filled)
    if last is not None:
        sizes, found = jax.tree.map(jnp.append, (sizes, found), one_batch(last))
    return jax.tree.map(lambda v: jnp.sum(v * sizes) / jnp.sum(sizes), found)


def _all_outputs(params: Params, task: Task, network: Network) -> jax.Array:
    """Last activity for all inputs, a part of them at a time."""
    # The last part is filled up by the last row: one program does for all parts.
    at_once = min(_ROWS_AT_ONCE, task.num_samples)
    num_parts = -(-task.num_samples // at_once)
    rows = jnp.arange(num_parts * at_once).reshape(num_parts, at_once)
    outputs = lax.map(
        lambda part: network.activations(params, task.batch(part).x)[-1],
        jnp.minimum(rows, task.num_samples - 1),
    )
    return outputs.reshape(-1, outputs.shape[-1])[: task.num_samples]


def _softmax(logits: jax.Array) -> jax.Array:
    # With the samples in the last axis, as the networks keep them.
    return jax.nn.softmax(logits.T, axis=0).T
