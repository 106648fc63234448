"""Networks of sentences: convolutions, an LSTM, and a small Transformer."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import linen

from ibjax.datasets.sentences import PADDING

__all__ = ["KINDS", "LAYERS", "SentenceNetwork"]

Kind = Literal["cnn", "lstm", "transformer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of networks."""

LAYERS = ("layer 1", "layer 2", "pooled")
"""Names of the layers between embeddings and output, of any kind."""

_HEADS = 4
_DROPOUT = 0.5


class SentenceNetwork(linen.Module):
    """Embeddings, two layers over the words, their mean or largest value, the output.

    A sentence's embedding has one number more a word, whether there is one, so that the
    rest of the network needs nothing else. Layers hold zeros where there is no word.

    Attributes:
      kind: One of :data:`KINDS`.
      num_words: Words of the vocabulary, padding included.
      dim: Dimensions of an embedding.
      units: Units of a layer, for each word.
    """

    kind: str
    num_words: int
    dim: int
    units: int

    def setup(self):
        """Layers of every kind; those of the others have no parameters."""
        self.embedding = linen.Embed(self.num_words, self.dim)
        self.dropout = linen.Dropout(_DROPOUT)
        self.output = linen.Dense(2)
        numbers = range(len(LAYERS) - 1)
        if self.kind == "cnn":
            self.layers = [_Windows(self.units) for _ in numbers]
        elif self.kind == "lstm":
            cells = [linen.OptimizedLSTMCell(self.units) for _ in numbers]
            self.layers = [linen.RNN(cell) for cell in cells]
        else:
            self.widen = linen.Dense(self.units)
            self.layers = [_Block(self.units) for _ in numbers]

    def __call__(self, x: jax.Array, training: bool = False) -> tuple[jax.Array, ...]:
        """Layers of sentences ``[num, max_words]`` and the logits."""
        return self.rest(self.embed(x), training)

    def embed(self, x: jax.Array) -> jax.Array:
        """Embeddings and presence of every word, ``[num, max_words, dim + 1]``."""
        present = x != PADDING
        found = self.embedding(x.astype(jnp.int32))
        return jnp.concatenate([found, present[..., None].astype(found.dtype)], axis=2)

    def rest(self, embedded: jax.Array, training: bool = False):
        """The layers and the logits, from the embeddings on."""
        present = embedded[..., -1] > 0.5
        mask = present[..., None]
        t = jnp.where(mask, embedded[..., :-1], 0)
        t = self.dropout(t, deterministic=not training)
        if self.kind == "transformer":
            # Places as in the first Transformer, which need no parameters.
            t = jnp.where(mask, self.widen(t) + _places(t.shape[1], self.units), 0)
        layers = []
        for layer in self.layers:
            if self.kind == "lstm":
                t = layer(t, seq_lengths=jnp.sum(present, axis=1))
            else:
                t = layer(t, present)
            t = jnp.where(mask, t, 0)
            layers.append(t)
        pooled = self._pooled(t, mask)
        layers.append(pooled)
        pooled = self.dropout(pooled, deterministic=not training)
        return (*layers, self.output(pooled))

    def _pooled(self, t, mask):
        if self.kind == "cnn":
            return jnp.max(t, axis=1)
        return jnp.sum(t, axis=1) / jnp.maximum(jnp.sum(mask, axis=1), 1)


class _Windows(linen.Module):
    """Convolution over three words, as a product, and a ReLU."""

    units: int

    @linen.compact
    def __call__(self, t, present):
        del present
        padded = jnp.pad(t, ((0, 0), (1, 1), (0, 0)))
        windows = [padded[:, n : n + t.shape[1]] for n in range(3)]
        return linen.relu(linen.Dense(self.units)(jnp.concatenate(windows, axis=2)))


class _Block(linen.Module):
    """Attention and two dense layers, each beside the way around it."""

    units: int

    @linen.compact
    def __call__(self, t, present):
        mask = present[:, None, None, :]
        attention = linen.MultiHeadDotProductAttention(_HEADS)
        t = t + attention(linen.LayerNorm()(t), mask=mask)
        wide = linen.relu(linen.Dense(2 * self.units)(linen.LayerNorm()(t)))
        return t + linen.Dense(self.units)(wide)


def _places(num: int, units: int) -> jax.Array:
    """Sines and cosines of the words' places, ``[1, num, units]``."""
    frequencies = 1e-4 ** (jnp.arange(units // 2) * 2 / units)
    angles = jnp.arange(num)[:, None] * frequencies[None]
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)[None]
