"""Rows that a network trains on, batch by batch.

The batches of a network come from two permutations. One, drawn from the network's own
key, puts the rows of the task in a random order, of which the first are for training.
The other, drawn anew for every epoch, shuffles the *places* in that order, and is the
same for all networks of a sweep. A place holds a random row, so each network sees
uniformly random batches, epoch after epoch; but the shuffle, which would cost more than
the training itself, is paid for once for all of them.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from ibjax.datasets.task import Task
from ibjax.numerics import checks
from ibjax.training.config import TrainConfig

__all__ = [
    "batch_rows",
    "epoch_batches",
    "measured_batches",
    "noisy_labels",
    "num_test_rows",
    "num_train_rows",
    "split_rows",
]


def num_train_rows(task: Task, config: TrainConfig) -> int:
    """Number of rows trained on: those the task names, or a fraction of all.

    Args:
      task: The task.
      config: How to train.

    Returns:
      The number of rows; a fraction is rounded to the nearest.

    Raises:
      ValueError: If it is zero.

    Example:
      >>> from ibjax import datasets
      >>> config = TrainConfig(train_fraction=0.05)
      >>> num_train_rows(datasets.szt(), config)
      205
    """
    _check(task, config)
    if task.train_rows is not None:
        return len(task.train_rows)
    num_rows = round(config.train_fraction * task.num_samples)
    if num_rows == 0:
        raise ValueError(
            f"train_fraction {config.train_fraction} of {task.num_samples} inputs "
            "leaves nothing to train on"
        )
    return num_rows


def num_test_rows(task: Task, config: TrainConfig) -> int:
    """Number of rows tested on: those the task names, or all not trained on."""
    if task.test_rows is not None:
        return len(task.test_rows)
    return task.num_samples - num_train_rows(task, config)


def split_rows(key: jax.Array, task: Task, config: TrainConfig) -> jax.Array:
    """Row numbers in this network's order: to train on, to test on, then the others.

    Args:
      key: Key of the network.
      task: The task.
      config: Says how to split.

    Returns:
      A permutation of the rows, shape ``[num_samples]``, int32.

    Example:
      >>> from ibjax import datasets
      >>> rows = split_rows(jax.random.key(0), datasets.szt(), TrainConfig())
      >>> print(rows.shape, len(set(rows.tolist())))
      (4096,) 4096
    """
    checks.key("key", key)
    _check(task, config)
    num_rows = num_train_rows(task, config)
    # The first half of the key draws the weights.
    _, key_rows = jax.random.split(key)
    rows = jnp.arange(task.num_samples, dtype=jnp.int32)
    if task.train_rows is not None:
        first = [jax.random.permutation(key_rows, task.train_rows)]
        first += [] if task.test_rows is None else [task.test_rows]
        first = jnp.concatenate(first)
        # The others in their order: a stable sort puts what is taken to the end.
        taken = jnp.zeros(task.num_samples, bool).at[first].set(True)
        others = jnp.argsort(taken, stable=True)[: task.num_samples - len(first)]
        return jnp.concatenate([first, others.astype(jnp.int32)])
    if config.split == "random":
        return jax.random.permutation(key_rows, rows)
    train_rows = jax.random.permutation(key_rows, rows[:num_rows])
    return jnp.concatenate([train_rows, rows[num_rows:]])


def noisy_labels(
    key: jax.Array, rows: jax.Array, task: Task, config: TrainConfig
) -> jax.Array:
    """Labels of which a share of those to train on is drawn anew, from all classes.

    Args:
      key: Key of the network.
      rows: Its order of rows, from :func:`split_rows`.
      task: A task whose labels are certain.
      config: Says how many, ``label_noise``.

    Returns:
      Labels, shape ``[num_samples]``, int32.

    Example:
      >>> from ibjax import datasets
      >>> task, config = datasets.szt(), TrainConfig(label_noise=0.5)
      >>> key = jax.random.key(0)
      >>> labels = noisy_labels(key, split_rows(key, task, config), task, config)
      >>> print(f"{(labels != task.labels).mean():.2f}")  # 0.8 of rows, 2 classes
      0.20
    """
    # Training splits the key in two and measuring folds in 2; this is another stream.
    key_chosen, key_label = jax.random.split(jax.random.fold_in(key, 3))
    is_trained = jnp.zeros(task.num_samples, bool)
    is_trained = is_trained.at[rows[: num_train_rows(task, config)]].set(True)
    chosen = jax.random.uniform(key_chosen, (task.num_samples,)) < config.label_noise
    drawn = jax.random.randint(key_label, (task.num_samples,), 0, task.num_classes)
    return jnp.where(chosen & is_trained, drawn, task.labels)


def batch_rows(task: Task, config: TrainConfig) -> int:
    """Rows of a batch, at most those there are to train on."""
    num_rows = num_train_rows(task, config)
    return min(config.batch_size or num_rows, num_rows)


def epoch_batches(epoch: jax.Array, task: Task, config: TrainConfig) -> jax.Array:
    """Places in a network's order of rows that make up each batch of an epoch.

    Args:
      epoch: Number of the epoch.
      task: The task.
      config: Says how large batches are.

    Returns:
      Places, shape ``[num_batches, batch_size]``, int32; -1 fills up a short batch.

    Example:
      >>> from ibjax import datasets
      >>> places = epoch_batches(3, datasets.szt(), TrainConfig(batch_size=512))
      >>> print(places.shape, int((places < 0).sum()))
      (7, 512) 307
    """
    check_epoch(epoch)
    _check(task, config)
    num_rows = num_train_rows(task, config)
    batch_size = batch_rows(task, config)
    num_batches = -(-num_rows // batch_size)
    # The gradient of a full batch does not depend on the order of its rows.
    if num_batches == 1:
        return jnp.arange(num_rows, dtype=jnp.int32)[None]
    # By the epoch's number, so that a resumed training shuffles as one in one piece.
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

    Example:
      >>> from ibjax import datasets
      >>> config = TrainConfig(batch_size=None, measured_batch_size=1000)
      >>> measured_batches(0, datasets.szt(), config).shape
      (4, 1000)
    """
    check_epoch(epoch)
    _check(task, config)
    if batch_rows(task, config) == num_train_rows(task, config):
        config = replace(config, batch_size=config.measured_batch_size)
    return epoch_batches(epoch, task, config)


def check_epoch(epoch: jax.Array) -> None:
    """Check that an epoch is the number of one."""
    checks.integers("epoch", checks.shape("epoch", epoch, ()))
    checks.within("epoch", epoch, "[0, inf)")


def _check(task: Task, config: TrainConfig) -> None:
    checks.instance("task", task, Task)
    checks.instance("config", config, TrainConfig)
