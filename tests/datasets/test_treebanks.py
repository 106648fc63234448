"""Treebanks in CoNLL-U: a small one, damaged ones, and the English one."""

import gzip
from collections import Counter

import numpy as np
import pytest

from ibjax import datasets

SMALL = """# text = They don't.
1\tThey\tthey\tPRON\tPRP\tCase=Nom\t2\tnsubj:pass\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t0\troot\t_\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\t_
3.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t2:x\t_

1\tNo\tno\tINTJ\tUH\t_\t0\troot\t_\t_
"""


def _written(directory, text, name="en_ewt-ud-dev.conllu", pack=bytes):
    path = directory / name
    path.write_bytes(pack(text.encode()))
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("end", ["", "\n"], ids=["ends", "ends twice"])
def test_tokens_are_the_words_that_are_written(tmp_path, pack, end):
    found = datasets.read_conllu(_written(tmp_path, SMALL + end, pack=pack))
    assert found.words == ("They", "do", "n't", "No")
    assert found.upos == ("PRON", "AUX", "PART", "INTJ")
    assert found.xpos == ("PRP", "VBP", "RB", "UH")
    assert found.relations == ("nsubj", "root", "advmod", "root")
    np.testing.assert_array_equal(found.heads, [1, -1, 1, -1])
    np.testing.assert_array_equal(found.sentences, [0, 0, 0, 1])
    twice = found + found
    np.testing.assert_array_equal(twice.heads, [1, -1, 1, -1, 5, -1, 5, -1])
    np.testing.assert_array_equal(twice.sentences, [0, 0, 0, 1, 2, 2, 2, 3])
    assert twice.words == found.words * 2


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("\t_\t_\n2-3", "\n2-3", "line 2, must have 10 fields, got 8"),
        ("\n2\tdo", "\nx\tdo", "line 4, must begin with a number, got 'x'"),
        ("\n2\tdo", "\n4\tdo", "line 4, must number words in order, got 4"),
        ("\t2\tadvmod", "\t9\tadvmod", "line 7, must have heads within the sentence"),
        ("\t2\tadvmod", "\t_\tadvmod", "line 5, must have the number of a head"),
        ("INTJ\tUH\t_\t0", "INTJ\tUH\t_\t2", "must have heads within the sentence"),
        (SMALL, "# nothing\n", "must hold at least one token"),
    ],
)
def test_damaged_files(tmp_path, old, new, message):
    assert old in SMALL
    path = _written(tmp_path, SMALL.replace(old, new))
    with pytest.raises(ValueError, match=message):
        datasets.read_conllu(path)


def test_no_text(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(SMALL.encode())[:40])
    with pytest.raises(ValueError, match="is damaged"):
        datasets.read_conllu(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="must be text in UTF-8"):
        datasets.read_conllu(path)


def test_where_the_english_one_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("IBJAX_DATA", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(FileNotFoundError, match="en_ewt-ud-dev.conllu was looked for"):
        datasets.ud_ewt()
    (tmp_path / "ud_ewt").mkdir()
    _written(tmp_path / "ud_ewt", SMALL, "en_ewt-ud-dev.conllu.gz", gzip.compress)
    assert datasets.ud_ewt().words[0] == "They"
    with pytest.raises(ValueError, match="split must be one of train, dev, test"):
        datasets.ud_ewt("all")


def test_the_english_one(real_data):
    found = datasets.ud_ewt("dev", real_data("ud_ewt").parent)
    # Counted by another program, line by line.
    assert len(found.words) == 25_147 and found.sentences[-1] == 2_000
    assert Counter(found.upos)["NOUN"] == 4_210 and len(set(found.upos)) == 17
    assert (
        Counter(found.relations)["nsubj"] == 2_137 and len(set(found.relations)) == 36
    )
    assert np.sum(found.heads < 0) == 2_001
    np.testing.assert_array_equal(
        found.sentences[found.heads[found.heads >= 0]],
        found.sentences[found.heads >= 0],
    )
