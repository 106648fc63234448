"""Options of the information of words, and the trained networks."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp

from ibjax import networks
from ibjax.datasets.sentences import Sentences
from ibjax.experiments.choices import smaller
from ibjax.experiments.trained import trained_parameters
from ibjax.experiments.word_information.networks import KINDS, SentenceNetwork
from ibjax.numerics import checks

__all__ = ["SentenceModel", "WordOptions", "train_kind"]


@dataclass(frozen=True)
class WordOptions:
    """Networks of sentences, and how the noise of their words is found.

    Attributes:
      kinds: Kinds of networks.
      dim: Dimensions of an embedding.
      units: Units of a layer, for each word.
      max_words: Words of a sentence; the rest of longer ones is cut.
      num_words: Words of the vocabulary.
      seeds: Networks of every kind.
      epochs: Passes over the training sentences.
      learning_rate: Step size of Adam.
      batch_size: Sentences of a batch.
      sentences: Sentences of the development set whose words are given noise.
      steps: Steps of Adam for the noise.
      copies: Noisy copies of a sentence in each step.
      rate: Weight of the noise's entropy.
    """

    kinds: tuple[Literal["cnn", "lstm", "transformer"], ...] = KINDS
    dim: int = 32
    units: int = 64
    max_words: int = 32
    num_words: int = 5000
    seeds: int = 5
    epochs: int = 8
    learning_rate: float = 1e-3
    batch_size: int = 32
    sentences: int = 200
    steps: int = 500
    copies: int = 8
    rate: float = 0.1

    def quick(self) -> "WordOptions":
        """The options of a small run; those that are not the defaults are kept."""
        return smaller(
            self,
            kinds=("cnn", "transformer"),
            seeds=3,
            epochs=4,
            sentences=32,
            steps=100,
            copies=4,
            max_words=24,
        )

    def check(self) -> None:
        """Check that every number is in range."""
        checks.not_empty("kinds", self.kinds)
        for name in (
            *("dim", "units", "max_words", "num_words", "seeds", "epochs"),
            *("batch_size", "sentences", "copies"),
        ):
            checks.count(name.replace("_", "-"), getattr(self, name))
        checks.count("steps", self.steps, 2)
        checks.positive("rate", self.rate)
        checks.positive("learning-rate", self.learning_rate)
        if "transformer" in self.kinds and self.units % 4:
            raise ValueError(
                f"units must be a multiple of 4 for a transformer, got {self.units}"
            )


class SentenceModel(NamedTuple):
    """Networks of one kind.

    Attributes:
      kind: The kind.
      module: The module, for its parts.
      params: Parameters of each.
    """

    kind: str
    module: SentenceNetwork
    params: list[Any]


def train_kind(options: WordOptions, sentences: Sentences, kind: str) -> SentenceModel:
    """Train the networks of one kind.

    Args:
      options: How many, and how.
      sentences: The sentences.
      kind: The kind.

    Returns:
      The networks.
    """
    module = SentenceNetwork(
        kind, len(sentences.vocabulary), options.dim, options.units
    )
    network = networks.from_flax(module, jnp.zeros((1, options.max_words)))
    params = trained_parameters(sentences.task, network, options)
    return SentenceModel(kind, module, params)
