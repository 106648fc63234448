"""Measured distances between tasks."""

import dataclasses
import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ibjax import claims, networks, training, weights
from ibjax.compilation import exact_jit
from ibjax.datasets.images import Images, image_side
from ibjax.datasets.task import Task, make_task
from ibjax.experiments.choices import smaller
from ibjax.experiments.corruption.setup import led_up
from ibjax.experiments.tasks.claims import tasks_claims
from ibjax.experiments.tasks.figures import tasks_figures
from ibjax.experiments.tasks.images import (
    LABELLINGS,
    Labelling,
    digit_pairs,
    labelled,
    loaded,
    rotated,
)
from ibjax.experiments.tasks.photographs import photograph_distances
from ibjax.numerics import checks
from ibjax.plots.files import save_figure
from ibjax.results.files import ResultsError, read_json, write_atomically
from ibjax.results.provenance import describe_devices, package_versions

__all__ = ["TITLE", "TasksOptions", "run"]

TITLE = "Distances between tasks (Achille et al.)"

_CLASSES = 10
# Networks trained side by side on a CPU, where more leave the cache.
_BLOCK = 5
_FILE = "distances.json"


@dataclass(frozen=True)
class TasksOptions:
    """Tasks of digits, and the networks that hold them.

    Attributes:
      data: Images.
      side: Pixels along a side to which images that have more are averaged.
      labellings: Tasks of upright digits for the information distance.
      angles: Degrees of rotated digits, for both distances.
      digits: Digits of the pairs for Task2Vec.
      samples: Images of a task for the information distance.
      probe_samples: Images of a task for Task2Vec.
      photographs: Photographs of CIFAR-10 for Task2Vec of its classes, where they are
        there; 0 for none.
      seeds: Networks of every task and pair.
      beta: Price of a nat in the weights.
      hidden: Units of the networks' hidden layers.
      epochs: Passes over the images.
      learning_rate: Step size of Adam.
      batch_size: Rows of a batch.
    """

    data: Images = "mnist"
    side: int = 14
    labellings: tuple[Labelling, ...] = LABELLINGS
    angles: tuple[float, ...] = (15.0, 45.0, 90.0)
    digits: tuple[int, ...] = (0, 1, 3, 5, 8)
    samples: int = 400
    probe_samples: int = 600
    photographs: int = 8000
    seeds: int = 5
    beta: float = 0.03
    hidden: int = 100
    epochs: int = 200
    learning_rate: float = 3e-3
    batch_size: int = 50

    def quick(self) -> "TasksOptions":
        """The options of a small run; those that are not the defaults are kept."""
        return smaller(
            self,
            labellings=("digits", "other digits", "parity", "random"),
            angles=(15.0, 90.0),
            digits=(0, 1, 3),
            samples=100,
            probe_samples=300,
            photographs=400,
            seeds=2,
            epochs=120,
        )

    def check(self) -> None:
        """Check the fields.

        Raises:
          ValueError: If one is out of range.
        """
        for name in ("samples", "probe_samples", "seeds", "hidden", "batch_size"):
            checks.count(name, getattr(self, name))
        checks.count("epochs", self.epochs, 2)
        checks.count("photographs", self.photographs, 0)
        checks.positive("beta", self.beta)
        checks.not_empty("labellings", self.labellings)
        if len(self.digits) < 2:
            raise ValueError(f"digits must be at least two, got {self.digits}")


def run(
    options: TasksOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Measure the distances or read them, draw them, and write them with their claims.

    Args:
      options: What is measured.
      output: Directory to write to.
      quick: Whether to make a small run of it.
      sources: A file of distances, or a directory with one, to read instead.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.

    Raises:
      ValueError: If an option is out of range.
      ResultsError: If a file holds no distances.
    """
    if sources:
        content = _read(sources[0])
    else:
        options = options.quick() if quick else options
        options.check()
        start = time.perf_counter()
        task = loaded(options.data, options.side)
        found = {
            "information": _information(options, task),
            "task2vec": _task2vec(options, task),
        }
        photographs = photograph_distances(
            photographs=options.photographs,
            probe_samples=options.probe_samples,
            seeds=options.seeds,
            learning_rate=options.learning_rate,
        )
        if photographs is not None:
            found["photographs"] = photographs
        content = {
            "command": command,
            "devices": describe_devices(jax.devices()),
            "versions": package_versions(),
            "configuration": dataclasses.asdict(options) | {"task": task.name},
            "wall_seconds": time.perf_counter() - start,
            "distances": found,
        }
    text = json.dumps(_known(content), indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(output / _FILE, text + "\n")
    for name, figure in tasks_figures(content["distances"]).items():
        save_figure(figure, output / name)
    conditions = {k: v for k, v in content.items() if k != "distances"}
    found = tasks_claims(content["distances"])
    return claims.write_claims(output, found, title=TITLE, **conditions)


def _known(content: Any) -> Any:
    """The content with None for numbers that are not finite, as JSON has none."""
    if isinstance(content, dict):
        return {key: _known(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_known(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _read(path: Path) -> dict[str, Any]:
    """Distances of an earlier run."""
    path = path / _FILE if path.is_dir() else path
    content = read_json(path)
    if not isinstance(content, dict) or "distances" not in content:
        raise ResultsError(f"{path} holds no distances of this experiment")
    return content


def _information(options: TasksOptions, task: Task) -> dict[str, Any]:
    """Information of every task and of every pair, nats, by seed."""
    names = [*options.labellings, *(f"{angle:g}°" for angle in options.angles)]
    num = len(names)
    pairs = list(itertools.combinations_with_replacement(range(num), 2))
    rng = np.random.default_rng(0)
    data = [
        [labelled(rng, name, task, options.samples) for name in names]
        for _ in range(options.seeds)
    ]
    # Where the two tasks differ, the index has to matter as much as an image does.
    scale = np.sqrt(task.num_inputs) / 2

    def united(parts):
        x = [
            np.concatenate([x, np.tile(scale * np.eye(2)[place], (len(x), 1))], axis=1)
            for place, (x, _) in enumerate(parts)
        ]
        return np.concatenate(x), np.concatenate([labels for _, labels in parts])

    single = [
        united([data[seed][n]]) for seed in range(options.seeds) for n in range(num)
    ]
    double = [united([tasks[a], tasks[b]]) for tasks in data for a, b in pairs]
    found = {}
    for name, unions, size in (("alone", single, num), ("joint", double, len(pairs))):
        x, labels = (np.stack(arrays) for arrays in zip(*unions, strict=True))
        keys = np.repeat(np.arange(options.seeds), size)
        information, error = _held(options, keys, x, labels)
        found[name] = information.reshape(options.seeds, size)
        found[f"{name}_error"] = error.reshape(options.seeds, size)
    rows, columns = np.array(pairs).T
    joint = np.zeros((options.seeds, num, num))
    joint[:, rows, columns] = joint[:, columns, rows] = found["joint"]
    return {
        "tasks": names,
        "information": found["alone"].tolist(),
        "joint": joint.tolist(),
        "largest_error": float(
            max(found["alone_error"].max(), found["joint_error"].max())
        ),
    }


def _held(options, seeds, x, labels) -> tuple[np.ndarray, np.ndarray]:
    """Information in networks that learned some data each, and their errors on it."""
    num_samples, num_inputs = x.shape[1:]
    network = weights.noisy_weights(
        networks.mlp([num_inputs, options.hidden, _CLASSES], "relu"), std=0.03
    )
    objective = led_up(
        weights.weight_bottleneck(num_samples=num_samples, prior_variance=None),
        start=1e-3,
        beta=options.beta,
        epochs=options.epochs,
    )
    config = training.TrainConfig(
        learning_rate=options.learning_rate,
        batch_size=min(options.batch_size, num_samples),
        train_fraction=1.0,
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
            num_epochs=options.epochs,
            objective=objective,
        )
        logits = network.activations(params, x)[-1]
        error = jnp.mean(jnp.argmax(logits, axis=1) != labels)
        return weights.posterior.kl(params), error

    keys = jax.vmap(partial(jax.random.fold_in, jax.random.key(0)))(jnp.asarray(seeds))
    found = _in_blocks(one)((keys, jnp.asarray(x, jnp.float32), jnp.asarray(labels)))
    information, errors = found
    return np.asarray(information, np.float64), np.asarray(errors, np.float64)


def _repeated(number: int, leaf: jax.Array) -> jax.Array:
    return jnp.broadcast_to(leaf, (number, *leaf.shape))


def _in_blocks(function):
    """A function of one network for many, some of them side by side."""
    size = _BLOCK if jax.default_backend() == "cpu" else None

    def many(arguments):
        if size is None:
            return jax.vmap(function)(arguments)
        return lax.map(function, arguments, batch_size=size)

    return exact_jit(many)


def _task2vec(options: TasksOptions, task: Task) -> dict[str, Any]:
    """Embeddings of two samples of every task, by seed."""
    side, num = image_side(task), options.probe_samples
    pairs = digit_pairs(options.digits)
    names = [*pairs, "0°", *(f"{angle:g}°" for angle in options.angles)]
    trivial = "trivial"
    x, labels = np.asarray(task.x), np.asarray(task.labels)
    network = networks.mlp(
        [x.shape[1], options.hidden, options.hidden, _CLASSES], "relu"
    )
    head = networks.mlp([options.hidden, _CLASSES])
    config = training.TrainConfig(
        learning_rate=options.learning_rate, batch_size=50, train_fraction=1.0
    )
    # The probe learns images of its own, the tasks share the others.
    num_probe = len(task.train_rows) // 2
    probe_task = make_task(
        x[:num_probe][:3000], labels[:num_probe][:3000], num_classes=_CLASSES
    )

    def sample(rng, name):
        chosen = np.arange(num_probe, len(x))
        if name in pairs:
            chosen = chosen[np.isin(labels[chosen], pairs[name])]
        rows = rng.choice(chosen, num, replace=len(chosen) < num)
        if name in pairs:
            return x[rows], (labels[rows] == pairs[name][1]).astype(int)
        if name == trivial:
            return x[rows], np.zeros(num, int)
        return rotated(x[rows], float(name[:-1]), side), labels[rows]

    example = make_task(
        np.zeros((num, options.hidden)), np.zeros(num, int), num_classes=_CLASSES
    )

    def embedding(arguments):
        key, body, x, labels = arguments
        features = network.activations((*body, head.init(key)[0]), x)[-2]
        own = dataclasses.replace(example, x=features).relabelled(labels)
        fitted = training.train(key, own, head, config, num_epochs=15)
        return weights.task2vec((*body, fitted[0]), x, network=network, batch_size=50)

    @exact_jit
    def probe(key):
        return training.train(key, probe_task, network, config, num_epochs=5)[:-1]

    keys = [
        jax.random.fold_in(jax.random.key(1), seed) for seed in range(options.seeds)
    ]
    many = _in_blocks(embedding)
    found = []
    for seed, key in enumerate(keys):
        rng = np.random.default_rng(seed)
        samples = [sample(rng, name) for name in [*names, *names, trivial]]
        images, classes = (np.stack(arrays) for arrays in zip(*samples, strict=True))
        num_samples = len(samples)
        body = jax.tree.map(partial(_repeated, num_samples), probe(key))
        # One start for all: where a head starts is no part of a task.
        heads = jnp.broadcast_to(key, (num_samples,))
        embeddings = many(
            (heads, body, jnp.asarray(images, jnp.float32), jnp.asarray(classes))
        )
        embeddings = np.asarray(embeddings, np.float64)
        *both, origin = np.split(embeddings, [len(names), 2 * len(names)])
        first, second = both
        found.append(
            {
                # From a sample of one task to another sample of the other.
                "distances": weights.task_distance(
                    *np.broadcast_arrays(first[:, None], second[None])
                ).tolist(),
                "norms": np.linalg.norm(first, axis=1).tolist(),
                "trivial": weights.task_distance(
                    first, np.broadcast_to(origin, first.shape)
                ).tolist(),
            }
        )
    return {
        "tasks": names,
        "pairs": {name: list(pair) for name, pair in pairs.items()},
        "distances": [each["distances"] for each in found],
        "norms": [each["norms"] for each in found],
        "trivial": [each["trivial"] for each in found],
    }
