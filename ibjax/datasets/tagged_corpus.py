r"""A tagged corpus whose entropies are known.

Tags are a Markov chain: the next tag is with a probability, the order, the one that
follows in a circle of K, and any of the K otherwise. A tag is written as a word of its
own, or, with a probability, the ambiguity, as one of some words that all tags share. So
a word of its own tells its tag, a shared word tells nothing, and all that tells the tag
of a shared word are its neighbours.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["TaggedCorpus", "tagged_corpus"]


class TaggedCorpus(NamedTuple):
    r"""Tokens with their tags, and what is known of them, in nats.

    Attributes:
      task: Tokens: as inputs one-hot vectors of the word, the word before and the word
        after, ``[num_tokens, 3 * num_words]``, as labels the tags. The first and the
        last word of the text are no tokens of the task, and have no inputs.
      words: Number of the word of every token, ``[num_tokens]``, int32; the words of a
        tag in order, then the shared ones.
      num_words: Number of different words.
      h_tag: Entropy of the tag, log K.
      h_word: Entropy of the word.
      i_word_tag: I(word; tag), all that a tagger can tell that looks at the word alone.
      i_input_tag: I(X; tag) with the neighbours, all that any tagger can tell.
      best_error: Share of tags that the best tagger misses.
      best_type_error: Share that the best tagger misses that looks at the word alone.
    """

    task: Task
    words: jax.Array
    num_words: int
    h_tag: float
    h_word: float
    i_word_tag: float
    i_input_tag: float
    best_error: float
    best_type_error: float


def tagged_corpus(
    key: jax.Array,
    num_tokens: int,
    *,
    num_tags: int = 4,
    words_per_tag: int = 4,
    num_shared: int = 4,
    ambiguity: float = 0.5,
    order: float = 0.8,
) -> TaggedCorpus:
    r"""Draw a tagged corpus.

    Tags are equally frequent. With K tags, ambiguity a and order o, and h(T|T') the
    entropy of a tag given the one before, which is the one given the one after,

    - :math:`I(\mathrm{word}; T) = (1 - a) \log K`, and
    - :math:`H(T|X) = a [(1-a)^2 h(T|T',T'') + 2a(1-a) h(T|T') + a^2 \log K]`, where
      both, one or none of the neighbours tells its own tag.

    Args:
      key: Draws the corpus.
      num_tokens: Tokens of the task.
      num_tags: Number K of tags, at least 2.
      words_per_tag: Words of each tag's own, equally frequent.
      num_shared: Words that all tags share, equally frequent.
      ambiguity: Probability of a shared word, in [0, 1].
      order: Probability that the tag follows from the one before, in [0, 1].

    Returns:
      The corpus.

    Raises:
      ValueError: If a number is out of range.
      TypeError: If ``key`` is no typed key.

    Example:
      >>> corpus = tagged_corpus(jax.random.key(0), 100)
      >>> print(corpus.task.x.shape, f"{corpus.i_word_tag:.3f}")
      (100, 60) 0.693
      >>> print(f"{corpus.i_input_tag:.3f} of {corpus.h_tag:.3f} nats")
      1.029 of 1.386 nats
    """
    checks.key("key", key)
    checks.count("num_tokens", num_tokens)
    checks.count("num_tags", num_tags, 2)
    checks.count("words_per_tag", words_per_tag)
    checks.count("num_shared", num_shared)
    checks.in_range("ambiguity", ambiguity, "[0, 1]")
    checks.in_range("order", order, "[0, 1]")
    tags, words = _draw(
        key, num_tokens + 2, num_tags, words_per_tag, num_shared, ambiguity, order
    )
    num_words = num_tags * words_per_tag + num_shared
    one_hot = np.eye(num_words, dtype=np.float32)[words]
    x = np.concatenate([one_hot[1:-1], one_hot[:-2], one_hot[2:]], axis=1)
    task = make_task(x, tags[1:-1], num_classes=num_tags, name="tagged corpus")
    known = _known(num_tags, words_per_tag, num_shared, ambiguity, order)
    return TaggedCorpus(task, jnp.asarray(words[1:-1], jnp.int32), num_words, **known)


def _draw(key, num, num_tags, words_per_tag, num_shared, ambiguity, order):
    """Tags and words of a text, ``[num]`` each."""
    # One flat draw: compiling a draw costs far more than running it.
    uniform = np.asarray(jax.random.uniform(key, (5, num)), np.float64)
    any_tag, own_word, shared_word = (
        (row * size).astype(int)
        for row, size in zip(
            uniform[:3], (num_tags, words_per_tag, num_shared), strict=True
        )
    )
    # The first tag follows none.
    follows = (uniform[3] < order) & (np.arange(num) > 0)
    # Where the last tag was drawn anew.
    numbers = np.arange(num)
    start = np.maximum.accumulate(np.where(follows, 0, numbers))
    tags = (any_tag[start] + numbers - start) % num_tags
    shared = uniform[4] < ambiguity
    words = np.where(
        shared, num_tags * words_per_tag + shared_word, tags * words_per_tag + own_word
    )
    return tags, words


def _known(num_tags, words_per_tag, num_shared, ambiguity, order) -> dict[str, float]:
    """What is known of a corpus, by name."""
    step = np.roll(np.eye(num_tags), 1, axis=1)
    p_next = order * step + (1 - order) / num_tags
    # Of the tag before, the tag and the one after.
    p_three = p_next[:, :, None] * p_next[None] / num_tags
    p_two = p_next / num_tags
    h_tag = np.log(num_tags)
    none = np.full((1, num_tags), 1 / num_tags)
    given = {
        # Probability of each case, and the table of what is seen and the tag.
        "both": (
            (1 - ambiguity) ** 2,
            np.moveaxis(p_three, 1, 2).reshape(-1, num_tags),
        ),
        "before": (ambiguity * (1 - ambiguity), p_two),
        "after": (ambiguity * (1 - ambiguity), p_two.T),
        "none": (ambiguity**2, none),
    }
    h_left = ambiguity * sum(p * _conditional(table) for p, table in given.values())
    missed = ambiguity * sum(
        p * (1 - np.sum(np.max(table, axis=1))) for p, table in given.values()
    )
    p_words = np.concatenate(
        [
            np.full(num_tags * words_per_tag, (1 - ambiguity) / num_tags)
            / words_per_tag,
            np.full(num_shared, ambiguity / num_shared),
        ]
    )
    return {
        "h_tag": float(h_tag),
        "h_word": float(_entropy(p_words)),
        "i_word_tag": float((1 - ambiguity) * h_tag),
        "i_input_tag": float(h_tag - h_left),
        "best_error": float(missed),
        "best_type_error": float(ambiguity * (1 - 1 / num_tags)),
    }


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return -np.sum(p * np.log(p))


def _conditional(table: np.ndarray) -> float:
    """Entropy of the last axis given the first."""
    return _entropy(table.ravel()) - _entropy(table.sum(axis=1))
