"""Sentences with a sentiment: those of the Stanford Sentiment Treebank, two classes."""

import gzip
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ibjax.datasets.download import data_directories, find_file
from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["PADDING", "UNKNOWN", "Sentences", "encode_sentences", "sst2"]

PADDING, UNKNOWN = 0, 1
"""Numbers of what fills a sentence up, and of words that are not in the vocabulary."""

_FOLDER = "sst2"
# More text than this is no file of sentences: they are about 1 MB.
_MOST_BYTES = 1 << 26


class Sentences(NamedTuple):
    """Sentences as a task of numbered words.

    Attributes:
      task: Inputs ``[num_samples, max_words]``, numbers of words as floats, filled up
        with :data:`PADDING`; classes 0, negative, and 1, positive. Layers are measured
        on the last ones, those of the development set.
      vocabulary: Word of every number; those of padding and unknown words are empty and
        ``"<?>"``.
    """

    task: Task
    vocabulary: tuple[str, ...]

    def words(self, row: int) -> list[str]:
        """Words of a sentence, as they are in the vocabulary."""
        numbers = np.asarray(self.task.x[row], int)
        return [self.vocabulary[n] for n in numbers[numbers != PADDING]]


def sst2(
    directory: str | Path | None = None,
    *,
    max_words: int = 32,
    num_words: int = 5000,
    num_train: int | None = None,
) -> Sentences:
    """Sentences of film reviews and whether they are positive.

    They are looked for as ``sst2/train.tsv.gz`` and ``sst2/dev.tsv.gz``, a sentence
    and its class a line, in ``directory``, ``$IBJAX_DATA`` and ``~/.cache/ibjax``.

    Args:
      directory: Where to look before all other places.
      max_words: Words of a sentence; the rest of longer ones is cut.
      num_words: Words of the vocabulary, the most frequent ones of training.
      num_train: Training sentences, the first ones; None for all.

    Returns:
      The sentences of the training set, then those of the development set.

    Raises:
      FileNotFoundError: If the files are in none of the places.
      ValueError: If a file holds no such lines, or a number is out of range.

    References:
      Socher et al., `Recursive deep models for semantic compositionality over a
      sentiment treebank`, EMNLP 2013.
    """
    places = data_directories(directory)
    train, dev = (_read(name, places) for name in ("train", "dev"))
    if num_train is not None:
        train = train[: checks.count("num_train", num_train)]
    return encode_sentences(
        train + dev, num_measured=len(dev), max_words=max_words, num_words=num_words
    )


def encode_sentences(
    lines: list[tuple[list[str], int]],
    *,
    num_measured: int,
    max_words: int,
    num_words: int,
) -> Sentences:
    """Sentences as numbers of words.

    Args:
      lines: Words and class of every sentence, those to measure on last.
      num_measured: How many these are; they add nothing to the vocabulary.
      max_words: Words of a sentence; the rest of longer ones is cut.
      num_words: Words of the vocabulary, at most.

    Returns:
      The sentences.

    Example:
      >>> lines = [(["so", "good"], 1), (["so", "so", "bad"], 0), (["good", "!"], 1)]
      >>> found = encode_sentences(lines, num_measured=1, max_words=3, num_words=2)
      >>> print(found.task.x[1], found.vocabulary, found.words(2))
      [2. 2. 1.] ('', '<?>', 'so', 'good') ['good', '<?>']
    """
    checks.count("max_words", max_words)
    checks.count("num_words", num_words)
    counts = Counter(
        word for words, _ in lines[: len(lines) - num_measured] for word in words
    )
    # Words of one frequency in the order in which they appear.
    vocabulary = ("", "<?>", *(word for word, _ in counts.most_common(num_words)))
    numbers = {word: n for n, word in enumerate(vocabulary)}
    x = np.full((len(lines), max_words), PADDING, np.float32)
    for row, (words, _) in enumerate(lines):
        known = [numbers.get(word, UNKNOWN) for word in words[:max_words]]
        x[row, : len(known)] = known
    task = make_task(
        x,
        np.array([label for _, label in lines]),
        num_classes=2,
        name="sentences",
        num_measured=num_measured,
    )
    return Sentences(task, vocabulary)


def _read(name: str, places: list[Path]) -> list[tuple[list[str], int]]:
    names = [f"{_FOLDER}/{name}.tsv.gz", f"{name}.tsv.gz"]
    path = find_file(names, places)
    if path is None:
        raise FileNotFoundError(
            f"{names[0]} is in none of {', '.join(map(str, places))}; put it there, a "
            "sentence, a tab and 0 or 1 on every line"
        )
    try:
        with gzip.open(path) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError("too much text")
        lines = content.decode().splitlines()
        parts = [line.rsplit("\t", 1) for line in lines]
        found = [(text.split(), int(label)) for text, label in parts]
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise ValueError(f"{path} holds no sentences and classes: {error}") from error
    if not found or not {label for _, label in found} <= {0, 1}:
        raise ValueError(f"{path} holds no sentences of the classes 0 and 1")
    return found
