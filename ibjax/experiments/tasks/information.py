"""Information in the weights of networks that learned digits."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import networks, training, weights
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.corruption.setup import led_up
from ibjax.experiments.tasks.blocks import in_blocks
from ibjax.experiments.tasks.images import labelled

__all__ = ["held_information"]

_CLASSES = 10


def held_information(
    task: Task,
    *,
    names: Sequence[str],
    samples: int,
    seeds: int,
    beta: float,
    hidden: int,
    epochs: int,
    learning_rate: float,
    batch_size: int,
) -> dict[str, Any]:
    """Information in networks that learned a task, and of those that learned two.

    Args:
      task: Images of digits, small.
      names: Tasks, see :func:`ibjax.experiments.tasks.images.labelled`.
      samples: Images of a task.
      seeds: Networks of every task and pair.
      beta: Price of a nat in the weights.
      hidden: Units of the hidden layer.
      epochs: Passes over the images.
      learning_rate: Step size of Adam.
      batch_size: Rows of a batch.

    Returns:
      Names of the tasks, and by seed the information of every task and of every pair,
      nats; the largest training error of all.
    """
    num = len(names)
    config = training.TrainConfig(
        learning_rate=learning_rate,
        batch_size=batch_size,
        train_fraction=1.0,
    )
    held = partial(_held, hidden=hidden, beta=beta, epochs=epochs, config=config)
    pairs = list(itertools.combinations_with_replacement(range(num), 2))
    rng = np.random.default_rng(0)
    data = [
        [labelled(rng, name, task, samples) for name in names] for _ in range(seeds)
    ]
    # Where the two tasks differ, the index has to matter as much as an image does.
    scale = np.sqrt(task.num_inputs) / 2

    def united(parts):
        x = [
            np.concatenate([x, np.tile(scale * np.eye(2)[place], (len(x), 1))], axis=1)
            for place, (x, _) in enumerate(parts)
        ]
        return np.concatenate(x), np.concatenate([labels for _, labels in parts])

    single = [united([data[seed][n]]) for seed in range(seeds) for n in range(num)]
    double = [united([tasks[a], tasks[b]]) for tasks in data for a, b in pairs]
    found = {}
    for name, unions, size in (("alone", single, num), ("joint", double, len(pairs))):
        x, labels = (np.stack(arrays) for arrays in zip(*unions, strict=True))
        keys = np.repeat(np.arange(seeds), size)
        information, error = held(keys, x, labels)
        found[name] = information.reshape(seeds, size)
        found[f"{name}_error"] = error.reshape(seeds, size)
    rows, columns = np.array(pairs).T
    joint = np.zeros((seeds, num, num))
    joint[:, rows, columns] = joint[:, columns, rows] = found["joint"]
    return {
        "tasks": list(names),
        "information": found["alone"].tolist(),
        "joint": joint.tolist(),
        "largest_error": float(
            max(found["alone_error"].max(), found["joint_error"].max())
        ),
    }


def _held(
    seeds, x, labels, *, hidden, beta, epochs, config
) -> tuple[np.ndarray, np.ndarray]:
    """Information in networks that learned some data each, and their errors on it."""
    num_samples, num_inputs = x.shape[1:]
    network = weights.noisy_weights(
        networks.mlp([num_inputs, hidden, _CLASSES], "relu"), std=0.03
    )
    objective = led_up(
        weights.weight_bottleneck(num_samples=num_samples, prior_variance=None),
        start=1e-3,
        beta=beta,
        epochs=epochs,
    )
    example = make_task(x[0], labels[0], num_classes=_CLASSES)

    def one(arguments):
        key, x, labels = arguments
        task = dataclasses.replace(example, x=x).relabelled(labels)
        params = training.train(
            key,
            task,
            network,
            config,
            num_epochs=epochs,
            objective=objective,
        )
        logits = network.activations(params, x)[-1]
        error = jnp.mean(jnp.argmax(logits, axis=1) != labels)
        return weights.posterior.kl(params), error

    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.asarray(seeds))
    found = in_blocks(one)((keys, jnp.asarray(x, jnp.float32), jnp.asarray(labels)))
    information, errors = found
    return np.asarray(information, np.float64), np.asarray(errors, np.float64)
