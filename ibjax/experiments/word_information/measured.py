"""Noise that the words of sentences bear, layer by layer, and deletion curves."""

import dataclasses
import sys
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ibjax import attribution
from ibjax.datasets.sentences import PADDING, Sentences
from ibjax.experiments.word_information.groups import group_numbers
from ibjax.experiments.word_information.networks import LAYERS
from ibjax.experiments.word_information.setup import SentenceModel, WordOptions

__all__ = ["DRAWN", "ORDERS", "measure_kind"]

DRAWN = 4
"""Sentences whose words are kept."""

ORDERS = ("noise", "gradient × input", "random")
"""Orders in which words are deleted."""

_FRACTIONS = np.linspace(0, 1, 11)
# Sentences that give a unit's deviation.
_STATISTICS = 1000
_LEAST_STD = 1e-3


def measure_kind(
    options: WordOptions, sentences: Sentences, model: SentenceModel
) -> xr.Dataset:
    """Noise of the words and what deleting them does, for networks of one kind.

    Args:
      options: What is measured.
      sentences: The sentences.
      model: The networks.

    Returns:
      Dataset over ``seed``, ``layer``, ``sentence``, ``word`` and so on; entropies in
      nats for each dimension of an embedding.
    """
    found = []
    for seed, params in enumerate(model.params):
        start = time.perf_counter()
        found.append(_of_network(options, sentences, model, params, seed))
        print(
            f"{model.kind}, network {seed}: {time.perf_counter() - start:.0f} s",
            file=sys.stderr,
        )
    dataset = xr.concat(found, "seed").assign_coords(
        seed=np.arange(len(found)), epoch=[options.epochs]
    )
    x = _chosen(options, sentences)
    dataset["group"] = (
        ("sentence", "word"),
        np.where(x == PADDING, -1, group_numbers(sentences)[x.astype(int)]),
    )
    first = sentences.task.num_samples - sentences.task.num_measured
    words = np.full((DRAWN, options.max_words), "", object)
    for row in range(min(DRAWN, len(x))):
        own = sentences.words(first + row)
        words[row, : len(own)] = own
    dataset["drawn_word"] = ("drawn", "word"), words.astype(str)
    return dataset


def _chosen(options, sentences) -> np.ndarray:
    """The first sentences of the development set, ``[num, max_words]``."""
    task = sentences.task
    first = task.num_samples - task.num_measured
    return np.asarray(task.x[first : first + options.sentences])


@dataclasses.dataclass(frozen=True)
class _Layer:
    """A layer as a function of embeddings, the same for all lengths of a sentence.

    Its mean square over all places is that over the words that are there.
    """

    module: Any
    number: int

    def __call__(self, params, embedded):
        t = self.module.apply(params, embedded, method="rest")[self.number]
        if t.ndim == 3:
            present = jnp.mean(embedded[..., -1], axis=1)
            t = t / jnp.sqrt(jnp.maximum(present, 1e-6))[:, None, None]
        return t


@dataclasses.dataclass(frozen=True)
class _Target:
    """The logits, from embeddings on."""

    module: Any

    def __call__(self, params, embedded):
        return self.module.apply(params, embedded, method="rest")[-1]


def _of_network(options, sentences, model, params, seed: int) -> xr.Dataset:
    module, task = model.module, sentences.task
    embed = jax.jit(partial(module.apply, method="embed"))
    x = _chosen(options, sentences)
    mask = x != PADDING
    embedded, some = embed(params, x), embed(params, task.x[:_STATISTICS])
    # The last number of a word says that it is there, and has no noise.
    groups = np.tile(np.arange(options.max_words)[:, None], (1, options.dim + 1))
    groups[:, -1] = -1
    max_sigma = 10 * float(jnp.std(some[..., :-1][some[..., -1] > 0]))
    key = jax.random.key(seed)
    entropies, distortions = [], []
    for number in range(len(LAYERS)):
        found = attribution.word_noise(
            jax.random.fold_in(key, number),
            _Layer(module, number),
            params,
            embedded,
            output_std=_deviations(module, params, some, number, options.max_words),
            rate=options.rate,
            max_sigma=max_sigma,
            groups=groups,
            mask=mask,
            num_steps=options.steps,
            num_copies=options.copies,
        )
        entropies.append(found.entropy)
        distortions.append(found.distortion)
    logits = jax.jit(lambda params, x: module.apply(params, x)[-1])
    target = jnp.argmax(logits(params, x), axis=1)
    gradients = attribution.gradient_times_input(
        _Target(module), params, embedded, target
    )
    heat = {
        # The least noise first: that of the layer that the output reads.
        "noise": -np.asarray(entropies[-1]),
        "gradient × input": np.asarray(jnp.sum(gradients[..., :-1], axis=2)),
        "random": np.random.default_rng(seed).normal(size=x.shape),
    }
    curves = np.stack(
        [_deletion(logits, params, x, target, heat[order]) for order in ORDERS]
    )
    last = task.num_samples - task.num_measured
    wrong = jnp.argmax(logits(params, task.x[last:]), axis=1) != task.labels[last:]
    return xr.Dataset(
        {
            "entropy": (("layer", "sentence", "word"), np.stack(entropies)),
            "distortion": (("layer", "sentence"), np.stack(distortions)),
            "deletion": (("order", "direction", "sentence", "fraction"), curves),
            "test_error": ((), float(jnp.mean(wrong))),
        },
        coords={
            "layer": list(LAYERS),
            "order": list(ORDERS),
            "direction": ["most", "least"],
            "fraction": _FRACTIONS,
        },
    )


def _deviations(module, params, embedded, number: int, max_words: int) -> jax.Array:
    """Deviation of every unit over words and sentences."""
    t = jax.jit(partial(module.apply, method="rest"))(params, embedded)[number]
    if t.ndim == 2:
        return jnp.maximum(jnp.std(t, axis=0), _LEAST_STD)
    present = np.asarray(embedded[..., -1] > 0)
    std = jnp.maximum(jnp.std(t[present], axis=0), _LEAST_STD)
    return jnp.broadcast_to(std[None], (max_words, len(std)))


def _deletion(logits, params, x, target, heat) -> np.ndarray:
    """Probability of the class with more and more words deleted, most and least first.

    Returns:
      Probabilities, ``[2, num, num_fractions]``.
    """
    present = x != PADDING
    lengths = np.sum(present, axis=1, keepdims=True)
    curves = []
    for sign in (-1, 1):
        ranked = np.where(present, sign * heat, np.inf)
        ranks = np.argsort(np.argsort(ranked, axis=1), axis=1)
        curve = []
        for fraction in _FRACTIONS:
            deleted = ranks < np.round(fraction * lengths)
            left = _closed_up(np.where(deleted, np.float32(PADDING), x))
            p = np.asarray(jax.nn.softmax(logits(params, left)))
            curve.append(np.take_along_axis(p, np.asarray(target)[:, None], axis=1))
        curves.append(np.concatenate(curve, axis=1))
    return np.stack(curves)


def _closed_up(x: np.ndarray) -> np.ndarray:
    """Sentences without gaps, filled up at the end."""
    order = np.argsort(x == PADDING, axis=1, kind="stable")
    return np.take_along_axis(x, order, axis=1)
