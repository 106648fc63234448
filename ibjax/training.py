"""Train one network: one pure function of a key.

The batches of a network come from two permutations. One, drawn from the network's own
key, puts the rows of the task in a random order, of which the first are for training.
The other, drawn anew for every epoch, shuffles the *places* in that order, and is the
same for all networks of a sweep. A place holds a random row, so each network sees
uniformly random batches, epoch after epoch; but the shuffle, which would cost more than
the training itself, is paid for once for all of them.
"""

import math
import numbers
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from ibjax.datasets.task import Task
from ibjax.gradients import GradientStatistics, streamed_statistics
from ibjax.networks.network import Network, Params

__all__ = [
    "OPTIMIZERS",
    "SPLITS",
    "TrainConfig",
    "TrainState",
    "batch_gradients",
    "epoch_batches",
    "gradient_statistics",
    "init_state",
    "mean_loss",
    "measured_batches",
    "noise_key",
    "num_train_rows",
    "orthonormality",
    "run_epoch",
    "split_rows",
    "train",
]

OPTIMIZERS = ("adam", "sgd", "momentum", "adadelta")
"""Optimizers by name; momentum is 0.9, Adadelta's decay 0.95 and epsilon 1e-7."""

SPLITS = ("random", "ordered")
"""How rows are split: at random for each network, or the first rows for training."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    Attributes:
      learning_rate: Step size.
      optimizer: One of :data:`OPTIMIZERS`.
      batch_size: Rows of a batch; None for the whole training set. The last batch of an
        epoch is short when it does not come out even, and its loss is its own mean.
      train_fraction: Part of the rows to train on, in (0, 1].
      split: One of :data:`SPLITS`. ``"ordered"`` trains on the first rows of the task,
        as Shwartz-Ziv and Tishby's program does; there they are in counting order.
      shuffle_seed: Seed of the epochs' shuffles, see the module's text.
      measured_batch_size: Rows of the batches whose gradients are compared at a
        snapshot where training takes the full batch, which has nothing to compare.
      orthonormal: Weight of the penalty :func:`orthonormality`, added to the loss.
    """

    learning_rate: float = 4e-4
    optimizer: str = jax.tree.static(default="adam")
    batch_size: int | None = jax.tree.static(default=512)
    train_fraction: float = jax.tree.static(default=0.8)
    split: str = jax.tree.static(default="random")
    shuffle_seed: int = jax.tree.static(default=0)
    measured_batch_size: int = jax.tree.static(default=512)
    orthonormal: float = jax.tree.static(default=0.0)

    def __post_init__(self):
        """Refuse a configuration that cannot be trained."""
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"optimizer must be one of {', '.join(OPTIMIZERS)}, got "
                f"{self.optimizer!r}"
            )
        if self.split not in SPLITS:
            raise ValueError(
                f"split must be one of {', '.join(SPLITS)}, got {self.split!r}"
            )
        for name in ("batch_size", "measured_batch_size"):
            rows = getattr(self, name)
            if rows is not None and rows < 1:
                raise ValueError(f"{name} must be at least 1, got {rows}")
        if not 0 < self.train_fraction <= 1:
            raise ValueError(
                f"train_fraction must lie in (0, 1], got {self.train_fraction}"
            )
        if isinstance(self.learning_rate, numbers.Real) and not (
            0 < self.learning_rate < math.inf
        ):
            raise ValueError(
                f"learning_rate must be one positive number, got {self.learning_rate}"
            )
        if not 0 <= self.orthonormal < math.inf:
            raise ValueError(
                f"orthonormal must be a number from 0 on, got {self.orthonormal}"
            )


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
    """
    key_params, _ = jax.random.split(key)
    params = network.init(key_params)
    return TrainState(params, _optimizer(config).init(params))


def num_train_rows(task: Task, config: TrainConfig) -> int:
    """Number of rows trained on, rounded to the nearest; refuses an empty batch.

    Args:
      task: The task.
      config: How to train.

    Returns:
      The number of rows.

    Raises:
      ValueError: If it is zero, or smaller than a batch.
    """
    num_rows = round(config.train_fraction * task.num_samples)
    if num_rows == 0:
        raise ValueError(
            f"train_fraction {config.train_fraction} of {task.num_samples} inputs "
            "leaves nothing to train on"
        )
    if config.batch_size is not None and config.batch_size > num_rows:
        raise ValueError(
            f"batch_size must be at most the training set's {num_rows} rows, got "
            f"{config.batch_size}; leave it None for full batch"
        )
    return num_rows


def noise_key(key: jax.Array, epoch: jax.Array) -> jax.Array:
    """Key of a noisy network's noise in one epoch.

    Args:
      key: Key of the network.
      epoch: Number of the epoch.

    Returns:
      The key that :func:`run_epoch` takes.
    """
    _, key_rows = jax.random.split(key)
    # The rows' key is used once as it is; what is folded from it is new.
    return jax.random.fold_in(key_rows, epoch)


def split_rows(key: jax.Array, task: Task, config: TrainConfig) -> jax.Array:
    """Row numbers in this network's order: first those to train on, then the others.

    Args:
      key: Key of the network.
      task: The task.
      config: Says how to split.

    Returns:
      A permutation of the rows, shape ``[num_samples]``, int32.
    """
    num_rows = num_train_rows(task, config)
    _, key_rows = jax.random.split(key)
    rows = jnp.arange(task.num_samples, dtype=jnp.int32)
    if config.split == "random":
        return jax.random.permutation(key_rows, rows)
    train_rows = jax.random.permutation(key_rows, rows[:num_rows])
    return jnp.concatenate([train_rows, rows[num_rows:]])


def epoch_batches(epoch: jax.Array, task: Task, config: TrainConfig) -> jax.Array:
    """Places in a network's order of rows that make up each batch of an epoch.

    Args:
      epoch: Number of the epoch.
      task: The task.
      config: Says how large batches are.

    Returns:
      Places, shape ``[num_batches, batch_size]``, int32; -1 fills up a short batch.
    """
    num_rows = num_train_rows(task, config)
    batch_size = config.batch_size or num_rows
    num_batches = -(-num_rows // batch_size)
    if num_batches == 1:
        return jnp.arange(num_rows, dtype=jnp.int32)[None]
    key = jax.random.fold_in(jax.random.key(config.shuffle_seed), epoch)
    # Random bits above, the place below: sorting the words shuffles the places. Words
    # that share their random bits, 5 pairs among 3,277 rows, keep their order.
    place_bits = (num_rows - 1).bit_length()
    mask = jnp.uint32(2**place_bits - 1)
    words = jax.random.bits(key, (num_rows,), jnp.uint32) & ~mask
    words = jnp.sort(words | jnp.arange(num_rows, dtype=jnp.uint32))
    places = (words & mask).astype(jnp.int32)
    filled = jnp.full(num_batches * batch_size - num_rows, -1, jnp.int32)
    return jnp.concatenate([places, filled]).reshape(num_batches, batch_size)


def measured_batches(epoch: jax.Array, task: Task, config: TrainConfig) -> jax.Array:
    """Places of the batches whose gradients are compared at a snapshot.

    Args:
      epoch: Number of the epoch.
      task: The task.
      config: How the network is trained.

    Returns:
      Those of :func:`epoch_batches`, or, where training takes the full batch, of
      ``config.measured_batch_size`` rows.
    """
    if config.batch_size is None:
        batch_size = min(config.measured_batch_size, num_train_rows(task, config))
        config = replace(config, batch_size=batch_size)
    return epoch_batches(epoch, task, config)


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
    """
    return streamed_statistics(
        lambda places: _kernel_gradients(params, rows, places, task, network), batches
    )


def orthonormality(params: Params, network: Network) -> jax.Array:
    r"""How far weight arrays are from orthonormal rows or columns.

    :math:`\sum_l \|G_l - I\|_F^2`, where :math:`G_l` is the smaller of
    :math:`W_l W_l^T` and :math:`W_l^T W_l`: zero is within reach then, whether a layer
    widens or narrows.

    Args:
      params: Parameters of the network.
      network: The network; all its weight arrays must be matrices.

    Returns:
      The sum, shape ``[]``.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax import networks
      >>> params = ((2 * jnp.eye(2, 3), jnp.zeros(2)),)
      >>> print(orthonormality(params, networks.mlp([3, 2])))
      18.0
    """
    total = jnp.zeros(())
    for w in network.kernels(params):
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        total += jnp.sum((gram - jnp.eye(len(gram), dtype=w.dtype)) ** 2)
    return total


def mean_loss(logits: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean cross-entropy, in nats.

    Args:
      logits: Shape ``[num_samples, num_classes]``.
      targets: Distribution of the label, shape ``[num_samples, num_classes]``.
      weights: Weight of every sample, shape ``[num_samples]``.

    Returns:
      Mean loss, shape ``[]``.
    """
    # With the samples in the last axis, as the networks keep them: in the other
    # layout these few lines cost a CPU more than a whole layer.
    logits, targets = logits.T, targets.T
    logits = logits - lax.stop_gradient(jnp.max(logits, axis=0, keepdims=True))
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits), axis=0))
    losses = log_normalizer - jnp.sum(targets * logits, axis=0)
    return jnp.sum(losses * weights) / jnp.sum(weights)


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
