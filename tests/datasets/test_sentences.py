"""Sentences of files made up for the purpose."""

import gzip

import numpy as np
import pytest

from ibjax.datasets import sst2

TRAIN = "so good\t1\nso so bad\t0\ngood\tgood\t1\n"
DEV = "good unseen words here\t1\n"


def _write(directory, **texts):
    (directory / "sst2").mkdir(exist_ok=True)
    for name, text in texts.items():
        path = directory / "sst2" / f"{name}.tsv.gz"
        path.write_bytes(gzip.compress(text.encode()))
    return directory


def test_sentences_are_numbers_of_words(tmp_path):
    found = sst2(_write(tmp_path, train=TRAIN, dev=DEV), max_words=3)
    task = found.task
    # The most frequent come first; words of one frequency as they appear.
    assert found.vocabulary == ("", "<?>", "so", "good", "bad")
    expected = [[2, 3, 0], [2, 2, 4], [3, 3, 0], [3, 1, 1]]
    np.testing.assert_array_equal(task.x, expected)
    np.testing.assert_array_equal(task.labels, [1, 0, 1, 1])
    assert task.num_measured == 1 and task.measured.num_samples == 1
    assert found.words(3) == ["good", "<?>", "<?>"] and found.words(0) == ["so", "good"]


def test_words_beyond_the_vocabulary_are_unknown(tmp_path):
    directory = _write(tmp_path, train=TRAIN, dev=DEV)
    found = sst2(directory, max_words=2, num_words=1, num_train=2)
    np.testing.assert_array_equal(found.task.x, [[2, 1], [2, 2], [1, 1]])


def test_files_that_are_missing_or_damaged(tmp_path, monkeypatch):
    monkeypatch.setenv("IBJAX_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match=r"sst2/dev.tsv.gz is in none of"):
        sst2(_write(tmp_path, train=TRAIN))
    for text in ("", "good\n", "good\t2\n", "good\tyes\n"):
        _write(tmp_path, dev=text)
        with pytest.raises(ValueError, match="holds no sentences"):
            sst2(tmp_path)
    path = tmp_path / "sst2" / "dev.tsv.gz"
    for content in (b"good\t1\n", gzip.compress(DEV.encode())[:-6]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="holds no sentences"):
            sst2(tmp_path)


@pytest.mark.parametrize("name", ["max_words", "num_words", "num_train"])
def test_numbers_out_of_range(tmp_path, name):
    directory = _write(tmp_path, train=TRAIN, dev=DEV)
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        sst2(directory, **{name: 0})


def test_real_sentences(real_data):
    found = sst2(real_data("sst2").parent)
    # The published sizes of the training and the development part.
    assert found.task.num_samples - found.task.num_measured == 6_920
    assert found.task.num_measured == 872
    assert {"good", "bad", "not"} <= set(found.vocabulary)
