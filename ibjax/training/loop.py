"""Train one network: one pure function of a key.

Its configuration is :class:`TrainConfig`; what it trains on, batch by batch, is in
:mod:`ibjax.training.batches`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from ibjax.datasets.task import Task
from ibjax.networks.network import Network, Params
from ibjax.training.batches import (
    epoch_batches,
    measured_batches,
    num_train_rows,
    split_rows,
)
from ibjax.training.config import OPTIMIZERS, SPLITS, TrainConfig
from ibjax.training.gradients import GradientStatistics, streamed_statistics
from ibjax.training.objectives import mean_loss, orthonormality

__all__ = [
    "OPTIMIZERS",
    "SPLITS",
    "TrainConfig",
    "TrainState",
    "batch_gradients",
    "epoch_batches",
    "gradient_statistics",
    "init_state",
    "measured_batches",
    "noise_key",
    "num_train_rows",
    "run_epoch",
    "split_rows",
    "train",
]


class TrainState(NamedTuple):
    """One network in training.

    Attributes:
      params: Parameters of the network.
      optimizer_state: State of the optimizer, over the parameters as one flat vector.
    """

    params: Params
    optimizer_state: Any


def train(
    key: jax.Array,
    task: Task,
    network: Network,
    config: TrainConfig,
    *,
    num_epochs: int,
) -> Params:
    """Train one network from its initialization.

    ``jax.vmap`` over ``key`` trains many.

    Args:
      key: Typed key; draws the initial weights and the order of the rows.
      task: What to learn.
      network: The network.
      config: How to train it.
      num_epochs: Passes over the training rows; may be traced.

    Returns:
      Parameters after the last epoch; not finite if training diverged.

    Raises:
      ValueError: If a batch is larger than the training set.

    Example:
      >>> from ibjax import datasets, networks
      >>> network = networks.mlp([12, 4, 2])
      >>> config = TrainConfig(learning_rate=1e-2)
      >>> params = train(
      ...     jax.random.key(0), datasets.szt(), network, config, num_epochs=30
      ... )
      >>> logits = network.activations(params, datasets.szt().x)[-1]
      >>> print(bool((jnp.argmax(logits, 1) == datasets.szt().labels).mean() > 0.8))
      True
    """
    rows = split_rows(key, task, config)

    def one_epoch(epoch, state):
        batches = epoch_batches(epoch, task, config)
        draws = None if network.noisy_activations is None else noise_key(key, epoch)
        return run_epoch(state, rows, batches, task, network, config, key=draws)

    state = init_state(key, network, config)
    return lax.fori_loop(0, num_epochs, one_epoch, state).params


def init_state(key: jax.Array, network: Network, config: TrainConfig) -> TrainState:
    """The network before any step.

    Args:
      key: Key of the network.
      network: The network.
      config: How it will be trained.

    Returns:
      Initial parameters and optimizer state.

    Example:
      >>> from ibjax import networks
      >>> state = init_state(jax.random.key(0), networks.mlp([12, 3, 2]), TrainConfig())
      >>> jax.tree.map(jnp.shape, state.params)
      (((3, 12), (3,)), ((2, 3), (2,)))
    """
    key_params, _ = jax.random.split(key)
    params = network.init(key_params)
    return TrainState(params, _optimizer(config).init(params))


def noise_key(key: jax.Array, epoch: jax.Array) -> jax.Array:
    """Key of a noisy network's noise in one epoch.

    Args:
      key: Key of the network.
      epoch: Number of the epoch.

    Returns:
      The key that :func:`run_epoch` takes.

    Example:
      >>> first, second = (noise_key(jax.random.key(0), epoch) for epoch in (0, 1))
      >>> bool(jax.random.normal(first) == jax.random.normal(second))
      False
    """
    _, key_rows = jax.random.split(key)
    # The rows' key is used once as it is; what is folded from it is new.
    return jax.random.fold_in(key_rows, epoch)


def run_epoch(
    state: TrainState,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    config: TrainConfig,
    *,
    key: jax.Array | None = None,
) -> TrainState:
    """One pass over the training rows.

    Args:
      state: The network so far.
      rows: Its order of rows, from :func:`split_rows`.
      batches: Places of the epoch's batches, from :func:`epoch_batches`.
      task: The task.
      network: The network.
      config: How to train.
      key: Draws the noise of a noisy network, see :func:`noise_key`; others need none.

    Returns:
      The network after one step per batch.

    Raises:
      ValueError: If a noisy network is given no key.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(learning_rate=1e-2)
      >>> before = init_state(key, network, config)
      >>> rows = split_rows(key, task, config)
      >>> batches = epoch_batches(0, task, config)
      >>> after = run_epoch(before, rows, batches, task, network, config)
      >>> def loss(state):
      ...     logits = network.activations(state.params, task.x)[-1]
      ...     return mean_loss(logits, task.p_y_given_x, jnp.ones(task.num_samples))
      >>> bool(loss(after) < loss(before))
      True
    """
    optimizer = _optimizer(config)
    noisy = network.noisy_activations is not None
    if noisy and key is None:
        raise ValueError("key must be given to train a network with noise, got None")

    penalty = None
    if config.orthonormal:

        def penalty(params):
            return config.orthonormal * orthonormality(params, network)

    def step(state, batch):
        batch_rows, number = batch
        weights = jnp.ones(batch_rows.shape, task.x.dtype)
        activations = network.activations
        if noisy:
            draws = jax.random.fold_in(key, number)
            activations = partial(network.noisy_activations, draws)
        gradients = _gradient(
            state.params, batch_rows, weights, task, activations, penalty
        )
        updates, optimizer_state = optimizer.update(
            gradients, state.optimizer_state, state.params
        )
        return TrainState(
            optax.apply_updates(state.params, updates), optimizer_state
        ), None

    # A short batch is a step of its own: filled up, it would cost a full one.
    num_full, num_left = divmod(num_train_rows(task, config), batches.shape[1])
    numbers = jnp.arange(num_full)
    state, _ = lax.scan(step, state, (rows[batches[:num_full]], numbers))
    if num_left:
        state, _ = step(state, (rows[batches[num_full, :num_left]], num_full))
    return state


def batch_gradients(
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
) -> tuple[jax.Array, ...]:
    """Gradients of the weights over each batch of an epoch, at the same parameters.

    Args:
      params: Parameters.
      rows: The network's order of rows.
      batches: Places of the epoch's batches.
      task: The task.
      network: The network.

    Returns:
      For every layer the gradient of its weight array, ``[num_batches, ...]``; biases
      are left out.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(batch_size=512)
      >>> gradients = batch_gradients(
      ...     network.init(key),
      ...     split_rows(key, task, config),
      ...     epoch_batches(0, task, config),
      ...     task,
      ...     network,
      ... )
      >>> [gradient.shape for gradient in gradients]
      [(7, 3, 12), (7, 2, 3)]
    """

    def one_batch(_, places):
        return None, _kernel_gradients(params, rows, places, task, network)

    return lax.scan(one_batch, None, batches)[1]


def gradient_statistics(
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
) -> tuple[GradientStatistics, ...]:
    """Mean and spread of those gradients, of which one batch's are held at a time.

    Args:
      params: Parameters.
      rows: The network's order of rows.
      batches: Places of the epoch's batches.
      task: The task.
      network: The network.

    Returns:
      For every layer the statistics of its weights' gradients.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(batch_size=512)
      >>> statistics = gradient_statistics(
      ...     network.init(key),
      ...     split_rows(key, task, config),
      ...     epoch_batches(0, task, config),
      ...     task,
      ...     network,
      ... )
      >>> print(len(statistics), statistics[0].snr.shape)
      2 ()
    """
    return streamed_statistics(
        lambda places: _kernel_gradients(params, rows, places, task, network), batches
    )


def _optimizer(config: TrainConfig) -> optax.GradientTransformation:
    if config.optimizer == "adam":
        optimizer = optax.adam(config.learning_rate)
    elif config.optimizer == "adadelta":
        # Keras's constants.
        optimizer = optax.adadelta(config.learning_rate, rho=0.95, eps=1e-7)
    else:
        momentum = 0.9 if config.optimizer == "momentum" else None
        optimizer = optax.sgd(config.learning_rate, momentum=momentum)
    return optax.flatten(optimizer)


def _kernel_gradients(params, rows, places, task, network):
    weights = (places >= 0).astype(task.x.dtype)
    batch_rows = rows[jnp.maximum(places, 0)]
    gradients = _gradient(params, batch_rows, weights, task, network.activations)
    return network.kernels(gradients)


def _gradient(params, batch_rows, weights, task, activations, penalty=None):
    x = task.inputs(batch_rows).T
    targets = task.targets(batch_rows).T

    def loss(params):
        value = mean_loss(activations(params, x)[-1], targets, weights)
        return value if penalty is None else value + penalty(params)

    return jax.grad(loss)(params)
