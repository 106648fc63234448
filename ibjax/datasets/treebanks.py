"""Treebanks: sentences whose words have a part of speech and a relation to a head.

Files are in the CoNLL-U format, compressed by gzip or not. Of a line of ten fields six
are kept. Lines of words that are written together, such as ``3-4``, and of words that
are not written, such as ``5.1``, are no tokens.
"""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ibjax.datasets.download import data_directories, find_file
from ibjax.numerics import checks

__all__ = ["Treebank", "read_conllu", "ud_ewt"]

_FOLDER = "ud_ewt"
_SPLITS = ("train", "dev", "test")
_NUM_FIELDS = 10
_GZIP_MAGIC = b"\x1f\x8b"
# The largest treebank there is has less.
_MOST_BYTES = 1 << 30


class Treebank(NamedTuple):
    """Tokens of some sentences, one after another.

    Attributes:
      words: Every token as it is written.
      upos: Universal part of speech of every token.
      xpos: Part of speech in the treebank's own tag set.
      relations: Relation to the head, without what follows a colon.
      heads: Number of the head among all tokens, ``[num_tokens]``; -1 for a root.
      sentences: Number of the sentence of every token, ``[num_tokens]``.
    """

    words: tuple[str, ...]
    upos: tuple[str, ...]
    xpos: tuple[str, ...]
    relations: tuple[str, ...]
    heads: np.ndarray
    sentences: np.ndarray

    def __add__(self, other: object) -> "Treebank":
        """Both, one after the other."""
        if not isinstance(other, Treebank):
            return NotImplemented
        first = len(self.words)
        after = int(self.sentences[-1]) + 1 if first else 0
        return Treebank(
            self.words + other.words,
            self.upos + other.upos,
            self.xpos + other.xpos,
            self.relations + other.relations,
            np.concatenate(
                [self.heads, np.where(other.heads < 0, -1, other.heads + first)]
            ),
            np.concatenate([self.sentences, other.sentences + after]),
        )


def read_conllu(path: str | Path) -> Treebank:
    """Read a treebank in the CoNLL-U format.

    Args:
      path: The file, compressed by gzip or not.

    Returns:
      Its tokens.

    Raises:
      ValueError: If the file is no such treebank; the message has the line's number.
      OSError: If it cannot be read.

    References:
      Nivre et al., `Universal Dependencies v2`, LREC 2020.
    """
    path = Path(path)
    fields: list[list[str]] = []
    heads: list[int] = []
    sentences: list[int] = []
    start, number = 0, 0
    for line_number, line in enumerate(_lines(path), 1):
        where = f"{path}, line {line_number},"
        if line.startswith("#"):
            continue
        if not line:
            number += len(fields) > start
            _check_heads(where, heads[start:], start, len(fields))
            start = len(fields)
            continue
        row = line.split("\t")
        if len(row) != _NUM_FIELDS:
            raise ValueError(f"{where} must have {_NUM_FIELDS} fields, got {len(row)}")
        if not row[0].isdecimal():
            if not row[0].replace("-", "").replace(".", "").isdecimal():
                raise ValueError(f"{where} must begin with a number, got {row[0]!r}")
            continue
        if int(row[0]) != len(fields) - start + 1:
            raise ValueError(f"{where} must number words in order, got {row[0]}")
        if not row[6].isdecimal():
            raise ValueError(f"{where} must have the number of a head, got {row[6]!r}")
        fields.append([row[1], row[3], row[4], row[7].split(":")[0]])
        heads.append(int(row[6]) - 1 + start if int(row[6]) else -1)
        sentences.append(number)
    _check_heads(f"{path}, at its end,", heads[start:], start, len(fields))
    if not fields:
        raise ValueError(f"{path} must hold at least one token, got none")
    words, upos, xpos, relations = zip(*fields, strict=True)
    return Treebank(words, upos, xpos, relations, np.array(heads), np.array(sentences))


def ud_ewt(split: str = "dev", directory: str | Path | None = None) -> Treebank:
    """English Web Treebank of Universal Dependencies, one split of it.

    The file is ``en_ewt-ud-SPLIT.conllu``, as it is or with ``.gz``, in the folder
    ``ud_ewt`` of a directory or in the directory itself. It is looked for in
    ``directory``, ``$IBJAX_DATA`` and ``~/.cache/ibjax``, in this order.

    Args:
      split: "train", "dev" or "test".
      directory: Where to look first.

    Returns:
      The treebank. Dev and test are about 25,000 tokens each.

    Raises:
      FileNotFoundError: If the file is nowhere.
      ValueError: If the split is unknown or the file no treebank.

    References:
      Silveira et al., `A gold standard dependency corpus for English`, LREC 2014.
    """
    checks.one_of("split", split, _SPLITS)
    name = f"en_ewt-ud-{split}.conllu"
    places = data_directories(directory)
    nested = [place for p in places for place in (p / _FOLDER, p)]
    path = find_file([name, f"{name}.gz"], nested)
    if path is None:
        looked = ", ".join(map(str, places))
        raise FileNotFoundError(
            f"{name} was looked for in {looked}; it is part of UD_English-EWT, see "
            "https://universaldependencies.org, and belongs into one of them, in a "
            f"folder {_FOLDER}"
        )
    return read_conllu(path)


def _lines(path: Path) -> Sequence[str]:
    content = path.read_bytes()
    if content.startswith(_GZIP_MAGIC):
        try:
            with gzip.open(path) as file:
                content = file.read(_MOST_BYTES)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    try:
        return content.decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be text in UTF-8, got {error}") from error


def _check_heads(where: str, heads: list[int], start: int, end: int) -> None:
    if any(head >= end for head in heads):
        wrong = max(heads) - start + 1
        raise ValueError(f"{where} must have heads within the sentence, got {wrong}")
