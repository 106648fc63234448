"""Task2Vec of photographs: telling one class from all others."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax import networks, training, weights
from ibjax.compilation import exact_jit
from ibjax.datasets.cifar import CIFAR_CLASSES, cifar10
from ibjax.datasets.task import Task, make_task

__all__ = ["ANIMALS", "photograph_distances"]

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
"""Classes of CIFAR-10 that are no vehicles."""

_SIDE = 16
_MEAN, _STD = 0.47, 0.25
_CHANNELS, _STRIDES = (16, 32, 64), (1, 2, 2)
_EPOCHS, _HEAD_EPOCHS = 10, 15


def photograph_distances(
    *, photographs: int, probe_samples: int, seeds: int, learning_rate: float
) -> dict[str, Any] | None:
    """Embeddings of two samples of every task, by seed.

    A small convolutional network learns all classes from half of the photographs, and
    embeds, from samples of the others, the tasks of telling one class from the rest,
    half of a sample each.

    Args:
      photographs: Photographs of CIFAR-10, the first ones, averaged to 16 by 16 pixels;
        0 for none.
      probe_samples: Photographs of a task.
      seeds: Networks.
      learning_rate: Step size of Adam.

    Returns:
      Distances and norms, as of digits; None without photographs.
    """
    if not photographs:
        return None
    try:
        task = cifar10(num_train=photographs, num_test=0)
    except FileNotFoundError as error:
        print(f"{error}\nTasks of photographs are left out.", file=sys.stderr)
        return None
    x = np.asarray(task.x).reshape(-1, _SIDE, 2, _SIDE, 2, 3).mean((2, 4))
    x = ((x - _MEAN) / _STD).reshape(len(x), -1).astype(np.float32)
    labels = np.asarray(task.labels)
    half = photographs // 2
    probe_task = make_task(x[:half], labels[:half], num_classes=len(CIFAR_CLASSES))
    network_of = partial(
        networks.all_convolutional, (_SIDE, _SIDE, 3), _CHANNELS, _STRIDES
    )
    network = network_of(len(CIFAR_CLASSES))
    config = training.TrainConfig(
        learning_rate=learning_rate, batch_size=50, train_fraction=1.0
    )

    @exact_jit
    def probe(key):
        return training.train(key, probe_task, network, config, num_epochs=_EPOCHS)

    many = _embeddings(network_of(2), config, probe_samples)
    found = []
    num = len(CIFAR_CLASSES)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        key = jax.random.fold_in(jax.random.key(2), seed)
        params = probe(key)
        logits = network.activations(params, jnp.asarray(x[half : half + 1000]))[-1]
        right = np.mean(np.argmax(logits, axis=1) == labels[half : half + 1000])
        rows = [
            _balanced(rng, labels, half, place, probe_samples)
            for _ in range(2)
            for place in range(num)
        ]
        images = jnp.asarray(np.stack([x[r] for r in rows]))
        classes = jnp.asarray(
            np.stack([labels[r] == n % num for n, r in enumerate(rows)]).astype(int)
        )
        embeddings = np.asarray(many(params[:-1], images, classes), np.float64)
        first, second = embeddings.reshape(2, num, -1)
        found.append(
            {
                "distances": weights.task_distance(
                    *np.broadcast_arrays(first[:, None], second[None])
                ).tolist(),
                "norms": np.linalg.norm(first, axis=1).tolist(),
                "accuracy": float(right),
            }
        )
    return {"tasks": list(CIFAR_CLASSES)} | {
        name: [each[name] for each in found]
        for name in ("distances", "norms", "accuracy")
    }


def _balanced(rng, labels, first: int, place: int, number: int) -> np.ndarray:
    """Rows from one on, half of a class and half of all others."""
    rows = np.arange(first, len(labels))
    own, others = rows[labels[rows] == place], rows[labels[rows] != place]
    parts = (own, number // 2), (others, number - number // 2)
    return np.concatenate(
        [rng.choice(part, size, replace=len(part) < size) for part, size in parts]
    )


def _embeddings(network, config, num_samples: int):
    """From a body, images and classes of many tasks to their embeddings."""
    head = networks.mlp([_CHANNELS[-1], 2])
    example = make_task(
        np.zeros((num_samples, _CHANNELS[-1])),
        np.zeros(num_samples, int),
        num_classes=2,
    )

    def embedding(body, x, labels):
        start = jnp.zeros((_CHANNELS[-1], 2)), jnp.zeros(2)
        features = network.activations((*body, start), x)[-2]
        features = jnp.mean(features.reshape(len(x), -1, _CHANNELS[-1]), axis=1)
        own: Task = dataclasses.replace(example, x=features).relabelled(labels)
        # One start for all: where a head starts is no part of a task.
        ((w, b),) = training.train(
            jax.random.key(3), own, head, config, num_epochs=_HEAD_EPOCHS
        )
        params = (*body, (w.T, b))
        return weights.task2vec(params, x, network=network, batch_size=20)

    @exact_jit
    def many(body, images, classes):
        return lax.map(lambda pair: embedding(body, *pair), (images, classes))

    return many
