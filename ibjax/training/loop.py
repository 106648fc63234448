"""Training of one network: one pure function of a key.

Its configuration is :class:`TrainConfig`, its loss an objective of
:mod:`ibjax.training.objectives`; what it trains on, batch by batch, is in
:mod:`ibjax.training.batches`.
"""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import lax

from ibjax.datasets.task import Task
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks, descent
from ibjax.numerics.calls import shapes_of
from ibjax.training.batches import (
    check_epoch,
    epoch_batches,
    noisy_labels,
    num_train_rows,
    split_rows,
)
from ibjax.training.config import TrainConfig
from ibjax.training.gradients import GradientStatistics, streamed_statistics
from ibjax.training.objectives import (
    Objective,
    ObjectiveFn,
    as_objective,
    check_objective,
    default_objective,
    evaluate,
)

__all__ = [
    "TrainState",
    "batch_gradients",
    "epoch_key",
    "gradient_statistics",
    "init_state",
    "numbered_batches",
    "objective_of",
    "run_epoch",
    "train",
]

TrainState = descent.DescentState
"""One network in training: what is trained, the optimizer's state, the network's."""

_NOTHING: dict[str, jax.Array] = {}


def train(
    key: jax.Array,
    task: Task,
    network: Network,
    config: TrainConfig,
    *,
    num_epochs: int,
    objective: ObjectiveFn | None = None,
) -> Params:
    """Train one network from its initialization.

    ``jax.vmap`` over ``key`` trains many.

    Args:
      key: Typed key; draws the initial weights and the order of the rows.
      task: What to learn.
      network: The network.
      config: How to train it.
      num_epochs: Passes over the training rows; may be traced.
      objective: What to lower; by default the cross-entropy, or the squared error
        where targets are vectors.

    Returns:
      Parameters after the last epoch; not finite if training diverged.

    Raises:
      ValueError: If nothing is left to train on, or the objective does not fit.
      TypeError: If ``key`` is no typed key.

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
    checks.instance("network", network, Network)
    checks.instance("task", task, Task)
    checks.instance("config", config, TrainConfig)
    checks.count("num_epochs", num_epochs, 0)
    checks.key("key", key)
    objective = objective_of(objective, task, network)
    rows = split_rows(key, task, config)
    if config.label_noise is not None:
        task = task.relabelled(noisy_labels(key, rows, task, config))

    def one_epoch(epoch, state):
        batches = epoch_batches(epoch, task, config)
        draws = epoch_key(key, epoch)
        return run_epoch(
            draws,
            state,
            rows,
            batches,
            task,
            network,
            config,
            objective=objective,
            numbers={"epoch": epoch},
        )

    state = init_state(key, network, config)
    state = lax.fori_loop(0, num_epochs, one_epoch, state)
    return network.merge(state.params, state.memory)


def objective_of(
    objective: ObjectiveFn | None, task: Task, network: Network
) -> Objective:
    """The objective, the task's default one where none is given, checked."""
    checks.instance("task", task, Task)
    checks.instance("network", network, Network)
    chosen = (
        default_objective(task.kind) if objective is None else as_objective(objective)
    )
    check_objective(chosen, task, network)
    return chosen


def init_state(key: jax.Array, network: Network, config: TrainConfig) -> TrainState:
    """The network before any step.

    Args:
      key: Key of the network.
      network: The network.
      config: How it will be trained.

    Returns:
      Initial parameters and optimizer state.

    Raises:
      ValueError: If the network has no weights to train.

    Example:
      >>> from ibjax import networks
      >>> state = init_state(jax.random.key(0), networks.mlp([12, 3, 2]), TrainConfig())
      >>> jax.tree.map(jnp.shape, state.params)
      (((3, 12), (3,)), ((2, 3), (2,)))
    """
    checks.key("key", key)
    checks.instance("network", network, Network)
    checks.instance("config", config, TrainConfig)
    key_params, _ = jax.random.split(key)
    trainable, state = network.split(network.init(key_params))
    checks.not_empty_tree("network", trainable, "weight to train")
    return descent.init(trainable, _optimizer(config, trainable), state)


def epoch_key(key: jax.Array, epoch: jax.Array) -> jax.Array:
    """Key of all that is random in one epoch of a network, such as its noise.

    Example:
      >>> first, second = (epoch_key(jax.random.key(0), epoch) for epoch in (0, 1))
      >>> bool(jax.random.normal(first) == jax.random.normal(second))
      False
    """
    checks.key("key", key)
    check_epoch(epoch)
    _, key_rows = jax.random.split(key)
    # The rows' key is used once as it is; what is folded from it is new.
    return jax.random.fold_in(key_rows, epoch)


def run_epoch(
    key: jax.Array,
    state: TrainState,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    config: TrainConfig,
    *,
    objective: Objective | None = None,
    numbers: dict[str, jax.Array] = _NOTHING,
) -> TrainState:
    """One pass over the training rows.

    Args:
      key: Draws what is random in the epoch, see :func:`epoch_key`.
      state: The network so far.
      rows: Its order of rows, from :func:`split_rows`.
      batches: Places of the epoch's batches, from :func:`epoch_batches`.
      task: The task.
      network: The network.
      config: How to train.
      objective: What to lower, see :func:`train`.
      numbers: Numbers that the objective asks for, by name, ``epoch`` among them.

    Returns:
      The network after one step per batch.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(learning_rate=1e-2)
      >>> before = init_state(key, network, config)
      >>> rows = split_rows(key, task, config)
      >>> batches = epoch_batches(0, task, config)
      >>> after = run_epoch(key, before, rows, batches, task, network, config)
      >>> def loss(state):
      ...     logits = network.activations(state.params, task.x)[-1]
      ...     return mean_loss(logits, task.p_y_given_x, jnp.ones(task.num_samples))
      >>> from ibjax.training.objectives import mean_loss
      >>> bool(loss(after) < loss(before))
      True
    """
    checks.instance("state", state, TrainState)
    _check_places(rows, batches)
    checks.key("key", key)
    checks.instance("config", config, TrainConfig)
    checks.instance("numbers", numbers, Mapping)
    objective = objective_of(objective, task, network)
    optimizer = _optimizer(config, state.params)

    def loss(trainable, memory, batch):
        batch_rows, number = batch
        draws = jax.random.fold_in(key, number)
        params, batch = network.merge(trainable, memory), task.batch(batch_rows)
        value, terms = evaluate(objective, params, batch, draws, network, numbers)
        if network.state is not None:
            # Statistics of batches are of what was seen.
            seen = objective.seen(batch, draws, **numbers)
            memory = network.state.update(params, seen.x, draws)
        return value, (memory, terms)

    # A short batch is a step of its own: filled up, it would cost a full one.
    num_full, num_left = divmod(num_train_rows(task, config), batches.shape[1])
    # Numbers of rows: inputs are looked up step by step, never an epoch's at once.
    steps = [(rows[batches[:num_full]], jnp.arange(num_full))]
    if num_left:
        last = rows[batches[num_full, None, :num_left]], jnp.array([num_full])
        steps.append(last)
    one_vector = isinstance(config.optimizer, str)
    for some in steps:
        state, _ = descent.descend(loss, state, some, optimizer, one_vector=one_vector)
    return state


def batch_gradients(
    key: jax.Array,
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    *,
    objective: Objective | None = None,
    numbers: dict[str, jax.Array] = _NOTHING,
    num_rows: int | None = None,
) -> tuple[Any, ...]:
    """Gradients of the weights over each batch of an epoch, at the same parameters.

    Args:
      key: Draws what is random.
      params: Parameters.
      rows: The network's order of rows.
      batches: Places of the epoch's batches.
      task: The task.
      network: The network.
      objective: What is lowered, see :func:`train`.
      numbers: Numbers that the objective asks for, by name.
      num_rows: Number of rows in all batches: a short last one is then taken as it is
        where rows that only fill it up would be seen, by an objective that may not
        weigh its rows or by a network whose rows see each other.

    Returns:
      For every layer the gradient of its weights, ``[num_batches, ...]``; biases are
      left out.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(batch_size=512)
      >>> gradients = batch_gradients(
      ...     key,
      ...     network.init(key),
      ...     split_rows(key, task, config),
      ...     epoch_batches(0, task, config),
      ...     task,
      ...     network,
      ... )
      >>> [gradient.shape for gradient in gradients]
      [(7, 3, 12), (7, 2, 3)]
    """
    _check_places(rows, batches)
    gradient = _kernel_gradient(key, params, rows, task, network, objective, numbers)
    filled, last = numbered_batches(batches, network, objective, num_rows)
    # Batch after batch: gradients of all are kept, their activities need not be.
    found = lax.scan(lambda _, batch: (None, gradient(batch)), None, filled)[1]
    if last is None:
        return found
    return jax.tree.map(
        lambda all_but_one, one: jnp.concatenate([all_but_one, one[None]]),
        found,
        gradient(last),
    )


def gradient_statistics(
    key: jax.Array,
    params: Params,
    rows: jax.Array,
    batches: jax.Array,
    task: Task,
    network: Network,
    *,
    objective: Objective | None = None,
    numbers: dict[str, jax.Array] = _NOTHING,
    num_rows: int | None = None,
) -> tuple[GradientStatistics, ...]:
    """Mean and spread of :func:`batch_gradients`, holding one batch's at a time.

    Returns:
      For every layer the statistics of its weights' gradients.

    Example:
      >>> from ibjax import datasets, networks
      >>> task, network = datasets.szt(), networks.mlp([12, 3, 2])
      >>> key, config = jax.random.key(0), TrainConfig(batch_size=512)
      >>> statistics = gradient_statistics(
      ...     key,
      ...     network.init(key),
      ...     split_rows(key, task, config),
      ...     epoch_batches(0, task, config),
      ...     task,
      ...     network,
      ... )
      >>> print(len(statistics), statistics[0].snr.shape)
      2 ()
    """
    _check_places(rows, batches)
    gradient = _kernel_gradient(key, params, rows, task, network, objective, numbers)
    filled, last = numbered_batches(batches, network, objective, num_rows)
    return streamed_statistics(gradient, filled, last)


def numbered_batches(
    batches: jax.Array,
    network: Network,
    objective: Objective | None,
    num_rows: int | None,
) -> tuple[Any, Any]:
    """Batches with their numbers, and the short last one apart where it has to be.

    A batch filled up with rows of weight zero is like the others, which is fastest.
    """
    numbers = jnp.arange(len(batches))
    seen = network.state is not None or not (objective is None or objective.weighs)
    if num_rows is None or not seen or num_rows % batches.shape[1] == 0:
        return (numbers, batches), None
    last = numbers[-1], batches[-1, : num_rows % batches.shape[1]]
    return (numbers[:-1], batches[:-1]), last


def _check_places(rows: jax.Array, batches: jax.Array) -> None:
    """Check that rows are numbers of a task's, and batches places among them."""
    checks.integers("rows", checks.shape("rows", rows, ("num_rows",)))
    shape = "num_batches", "batch_size"
    checks.integers("batches", checks.shape("batches", batches, shape))


def _kernel_gradient(key, params, rows, task, network, objective, numbers):
    """From a numbered batch of places to the gradients of all layers' weights."""
    checks.key("key", key)
    checks.instance("numbers", numbers, Mapping)
    objective = objective_of(objective, task, network)
    shapes_of("network", network.activations, params=params, x=task.x[:1])
    trainable, memory = network.split(params)

    def gradient(numbered):
        number, places = numbered
        # -1 fills up a short batch: there the first training row has weight zero.
        weights = (places >= 0).astype(task.x.dtype)
        batch = task.batch(rows[jnp.maximum(places, 0)], weights)
        draws = jax.random.fold_in(key, number)

        def loss(trainable):
            params = network.merge(trainable, memory)
            return evaluate(objective, params, batch, draws, network, numbers)[0]

        # A gradient is built as the parameters are: what finds weights finds theirs.
        return network.kernels(network.merge(jax.grad(loss)(trainable), memory))

    return gradient


def _optimizer(config: TrainConfig, params: Params) -> optax.GradientTransformation:
    if isinstance(config.optimizer, optax.GradientTransformation):
        return config.optimizer
    if config.optimizer == "adam":
        optimizer = optax.adam(config.learning_rate)
    elif config.optimizer == "adadelta":
        # Keras's constants.
        optimizer = optax.adadelta(config.learning_rate, rho=0.95, eps=1e-7)
    else:
        momentum = 0.9 if config.optimizer == "momentum" else None
        optimizer = optax.sgd(config.learning_rate, momentum=momentum)
    # Over all parameters as one vector: fewer and larger operations a step. Those of a
    # large network take a tenth of its step to be put together and apart. A
    # transformation of the caller's may look at single arrays, and is left as it is.
    return optax.flatten(optimizer) if descent.is_small(params) else optimizer
