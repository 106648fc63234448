"""Task2Vec of digits: pairs of them, and rotated ones."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ibjax import networks, training, weights
from ibjax.compilation import exact_jit
from ibjax.datasets.images import image_side
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.tasks.blocks import in_blocks
from ibjax.experiments.tasks.images import digit_pairs, rotated

__all__ = ["digit_distances"]

_CLASSES = 10
_PROBE_IMAGES, _PROBE_EPOCHS, _HEAD_EPOCHS = 3000, 5, 15
# The authors' price of a nat is 1e-7 of a sample's mean loss.
_NOISE_BETA, _NOISE_EPOCHS, _NOISE_STEP = 1e-7, 15, 0.05
_TRIVIAL = "trivial"


def digit_distances(
    task: Task,
    *,
    digits: tuple[int, ...],
    angles: tuple[float, ...],
    probe_samples: int,
    hidden: int,
    seeds: int,
    learning_rate: float,
) -> dict[str, Any]:
    """Embeddings of two samples of every task, in both forms, by seed.

    The probe learns all ten digits from images of its own. Its weights stay, its last
    layer learns the task, and the Fisher information of the labels of the model is one
    embedding; the precision of the noise of the weights, trained for the task's loss
    and the information in the weights with their means held, is the variational one.

    Args:
      task: Images of digits, small.
      digits: Digits of the pairs.
      angles: Degrees of rotated digits.
      probe_samples: Images of a task.
      hidden: Units of the two hidden layers.
      seeds: Networks.
      learning_rate: Step size of Adam.

    Returns:
      Names of the tasks, and by seed distances, from a sample of a task to another
      sample of the other, norms, and distances from a trivial task; the same of the
      variational form under ``variational``.
    """
    side, num = image_side(task), probe_samples
    pairs = digit_pairs(digits)
    names = [*pairs, "0°", *(f"{angle:g}°" for angle in angles)]
    x, labels = np.asarray(task.x), np.asarray(task.labels)
    network = networks.mlp([x.shape[1], hidden, hidden, _CLASSES], "relu")
    config = training.TrainConfig(
        learning_rate=learning_rate, batch_size=50, train_fraction=1.0
    )
    # The probe learns images of its own, the tasks share the others.
    num_probe = len(task.train_rows) // 2
    probe_task = make_task(
        x[:num_probe][:_PROBE_IMAGES],
        labels[:num_probe][:_PROBE_IMAGES],
        num_classes=_CLASSES,
    )

    def sample(rng, name):
        chosen = np.arange(num_probe, len(x))
        if name in pairs:
            chosen = chosen[np.isin(labels[chosen], pairs[name])]
        rows = rng.choice(chosen, num, replace=len(chosen) < num)
        if name in pairs:
            return x[rows], (labels[rows] == pairs[name][1]).astype(int)
        if name == _TRIVIAL:
            return x[rows], np.zeros(num, int)
        return rotated(x[rows], float(name[:-1]), side), labels[rows]

    @exact_jit
    def probe(key):
        epochs = _PROBE_EPOCHS
        return training.train(key, probe_task, network, config, num_epochs=epochs)[:-1]

    many = in_blocks(_embeddings(network, config, hidden, x.shape[1], num))
    forms: dict[str, list[dict[str, Any]]] = {"fisher": [], "variational": []}
    for seed in range(seeds):
        key = jax.random.fold_in(jax.random.key(1), seed)
        rng = np.random.default_rng(seed)
        samples = [sample(rng, name) for name in [*names, *names, _TRIVIAL]]
        images, classes = (np.stack(arrays) for arrays in zip(*samples, strict=True))
        body = jax.tree.map(partial(_repeated, len(samples)), probe(key))
        # One start for all: where a head starts is no part of a task.
        heads = jnp.broadcast_to(key, (len(samples),))
        found = many(
            (heads, body, jnp.asarray(images, jnp.float32), jnp.asarray(classes))
        )
        for form, embeddings in zip(forms, found, strict=True):
            forms[form].append(_distances(np.asarray(embeddings, np.float64)))
    fisher, variational = (
        {name: [each[name] for each in found] for name in found[0]}
        for found in forms.values()
    )
    common = {
        "tasks": names,
        "pairs": {name: list(pair) for name, pair in pairs.items()},
    }
    return common | fisher | {"variational": common | variational}


def _repeated(number: int, leaf: jax.Array) -> jax.Array:
    return jnp.broadcast_to(leaf, (number, *leaf.shape))


def _embeddings(network, config, hidden: int, num_inputs: int, num_samples: int):
    """From a key, a body, images and classes to both embeddings of a task."""
    head = networks.mlp([hidden, _CLASSES])
    of_features, of_images = (
        make_task(
            np.zeros((num_samples, width)),
            np.zeros(num_samples, int),
            num_classes=_CLASSES,
        )
        for width in (hidden, num_inputs)
    )
    noise = dataclasses.replace(
        config,
        optimizer=optax.multi_transform(
            {"held": optax.set_to_zero(), "trained": optax.adam(_NOISE_STEP)},
            weights.Posterior("held", "trained"),
        ),
    )
    objective = weights.weight_bottleneck(
        num_samples=num_samples, beta=_NOISE_BETA * num_samples, prior_variance=None
    )

    def embedding(arguments):
        key, body, x, labels = arguments
        features = network.activations((*body, head.init(key)[0]), x)[-2]
        own = dataclasses.replace(of_features, x=features).relabelled(labels)
        fitted = training.train(key, own, head, config, num_epochs=_HEAD_EPOCHS)
        params = (*body, fitted[0])
        noisy = weights.noisy_weights(network)._replace(
            init=lambda key: weights.init_posterior(params, std=0.03)
        )
        posterior = training.train(
            key,
            dataclasses.replace(of_images, x=x).relabelled(labels),
            noisy,
            noise,
            num_epochs=_NOISE_EPOCHS,
            objective=objective,
        )
        return (
            weights.task2vec(params, x, network=network, batch_size=50),
            weights.task2vec_of_posterior(posterior, network=network),
        )

    return embedding


def _distances(embeddings: np.ndarray) -> dict[str, list]:
    """Of embeddings of two samples of every task and a trivial one."""
    first, second = embeddings[:-1].reshape(2, -1, embeddings.shape[1])
    origin = np.broadcast_to(embeddings[-1], first.shape)
    return {
        # From a sample of one task to another sample of the other.
        "distances": weights.task_distance(
            *np.broadcast_arrays(first[:, None], second[None])
        ).tolist(),
        "norms": np.linalg.norm(first, axis=1).tolist(),
        "trivial": weights.task_distance(first, origin).tolist(),
    }
