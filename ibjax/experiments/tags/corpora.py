"""Corpora of the experiment as tasks: tokens, their labels and their properties."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from ibjax.datasets.tagged_corpus import tagged_corpus
from ibjax.datasets.task import Task, make_task
from ibjax.datasets.treebanks import ud_ewt
from ibjax.datasets.type_vectors import type_vectors

__all__ = [
    "CORPORA",
    "Corpus",
    "corpus",
    "drawn_corpus",
    "ewt_corpus",
    "frequent_types",
]

CORPORA = ("drawn", "ewt")
"""Names of the corpora."""

# Words seen less often are taken together by their shape and ending.
_LEAST_COUNT = 5
_TOKENS = 20_000
_DIM = 50


class Corpus(NamedTuple):
    """Tokens to train on and to test on.

    Attributes:
      task: Vectors of the token, the one before and the one after, and labels.
      type_width: Numbers of an input that are the token's type.
      part_of_speech: Class of every token, which is not trained on, ``[num_tokens]``.
      known: What is known of the corpus, in nats and shares, by name.
    """

    task: Task
    type_width: int
    part_of_speech: np.ndarray
    known: dict[str, float]


def corpus(name: str) -> Corpus:
    """A corpus by name, one of :data:`CORPORA`."""
    return {"drawn": drawn_corpus, "ewt": ewt_corpus}[name]()


def drawn_corpus(num_tokens: int = _TOKENS) -> Corpus:
    """A drawn corpus; the part of speech is the label itself.

    Example:
      >>> found = drawn_corpus(100)
      >>> found.task.x.shape, found.type_width
      ((100, 60), 20)
    """
    # The text is one and the same: it is no part of what varies from seed to seed.
    drawn = tagged_corpus(jax.random.key(0), num_tokens)
    task = drawn.task
    train, test = np.split(np.arange(num_tokens), [num_tokens // 2])
    known = {
        name: getattr(drawn, name)
        for name in (
            *("h_tag", "h_word", "i_word_tag", "i_input_tag"),
            *("best_error", "best_type_error"),
        )
    }
    return Corpus(
        make_task(
            task.x,
            task.labels,
            num_classes=task.num_classes,
            name=task.name,
            train_rows=train,
            test_rows=test,
            measured_rows=test,
        ),
        drawn.num_words,
        np.asarray(task.labels),
        known,
    )


def ewt_corpus() -> Corpus:
    """The dev part of the English Web Treebank, to train on, and the test part."""
    train, test = ud_ewt("dev"), ud_ewt("test")
    both = train + test
    names, types = np.unique(frequent_types(both.words), return_inverse=True)
    vectors = type_vectors(
        types, both.sentences, num_types=len(names), dim=_DIM, window=2
    )
    vectors = vectors / np.std(vectors)
    of_token = vectors[types]
    x = [of_token, *(_shifted(of_token, both.sentences, step) for step in (1, -1))]
    rows = np.split(np.arange(len(types)), [len(train.words)])
    task = make_task(
        np.concatenate(x, axis=1),
        both.relations,
        name="English Web Treebank",
        train_rows=rows[0],
        test_rows=rows[1],
        measured_rows=rows[1],
    )
    _, part_of_speech = np.unique(both.upos, return_inverse=True)
    return Corpus(task, _DIM, part_of_speech.astype(np.int32), {})


def frequent_types(words: Sequence[str], least: int = _LEAST_COUNT) -> list[str]:
    """Type of every token: the word in small letters, or its shape if that is rare.

    A shape is an asterisk, ``0`` for a word with a digit, ``A`` for one with a capital
    first letter, ``a`` for other words and ``.`` for the rest, and the last two
    letters, unless that is rare as well.

    Example:
      >>> frequent_types(["So", "so", "running", "sing", "Paris"], least=2)
      ['so', 'so', '*ang', '*ang', '*A']
    """
    small = [word.lower() for word in words]
    counts = Counter(small)
    shapes = [f"*{_shape(word)}{word.lower()[-2:]}" for word in words]
    rare = Counter(
        shape for shape, word in zip(shapes, small, strict=True) if counts[word] < least
    )
    return [
        word if counts[word] >= least else shape if rare[shape] >= least else shape[:2]
        for word, shape in zip(small, shapes, strict=True)
    ]


def _shape(word: str) -> str:
    if any(letter.isdigit() for letter in word):
        return "0"
    if word[:1].isupper():
        return "A"
    return "a" if word.isalpha() else "."


def _shifted(values: np.ndarray, sentences: np.ndarray, step: int) -> np.ndarray:
    """Values of the token so many places before, zero where that is no token of it."""
    moved = np.zeros_like(values)
    here, there = slice(step, None), slice(None, -step)
    if step < 0:
        here, there = slice(None, step), slice(-step, None)
    same = sentences[here] == sentences[there]
    moved[here] = np.where(same[:, None], values[there], 0.0)
    return moved
