"""The drawn corpus: its entropies by brute force, its frequencies by counting."""

import itertools

import jax
import numpy as np
import pytest

from ibjax import datasets

KEY = jax.random.key(0)
SMALL = {"num_tags": 3, "words_per_tag": 2, "num_shared": 2}


def _three_words(ambiguity, order):
    """Probability of three words in a row and the middle one's tag, cell by cell."""
    k, own, shared = SMALL.values()
    num_words = k * own + shared
    emission = np.zeros((k, num_words))
    for tag in range(k):
        emission[tag, tag * own : (tag + 1) * own] = (1 - ambiguity) / own
        emission[tag, k * own :] = ambiguity / shared
    step = np.full((k, k), (1 - order) / k)
    for tag in range(k):
        step[tag, (tag + 1) % k] += order
    p = np.zeros((num_words,) * 3 + (k,))
    for a, b, c in itertools.product(range(k), repeat=3):
        words = np.einsum("i,j,l->ijl", emission[a], emission[b], emission[c])
        p[..., b] += step[a, b] * step[b, c] / k * words
    return p


def _entropy(p):
    p = p[p > 0]
    return -np.sum(p * np.log(p))


@pytest.mark.parametrize("ambiguity, order", [(0.5, 0.8), (0.3, 0.0), (1.0, 1.0)])
def test_entropies_are_those_of_all_words_in_a_row(ambiguity, order):
    p = _three_words(ambiguity, order)
    corpus = datasets.tagged_corpus(KEY, 5, ambiguity=ambiguity, order=order, **SMALL)
    p_tag, p_word = p.sum((0, 1, 2)), p.sum((0, 2, 3))
    p_word_tag = p.sum((0, 2))
    # In float64 but for the sums' order.
    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(corpus.h_tag, _entropy(p_tag), **close)
    np.testing.assert_allclose(corpus.h_word, _entropy(p_word), **close)
    np.testing.assert_allclose(
        corpus.i_word_tag,
        _entropy(p_word) + _entropy(p_tag) - _entropy(p_word_tag),
        **close,
    )
    np.testing.assert_allclose(
        corpus.i_input_tag,
        _entropy(p.sum(3)) + _entropy(p_tag) - _entropy(p),
        **close,
    )
    np.testing.assert_allclose(corpus.best_error, 1 - p.max(3).sum(), **close)
    np.testing.assert_allclose(
        corpus.best_type_error, 1 - p_word_tag.max(1).sum(), **close
    )


def test_words_are_as_frequent_as_they_should_be():
    num = 20_000
    corpus = datasets.tagged_corpus(KEY, num, **SMALL)
    num_words = corpus.num_words
    before, after = (
        np.argmax(corpus.task.x[:, n * num_words : (n + 1) * num_words], axis=1)
        for n in (1, 2)
    )
    words = np.asarray(corpus.words)
    np.testing.assert_array_equal(
        np.argmax(corpus.task.x[:, :num_words], axis=1), words
    )
    np.testing.assert_array_equal(before[1:], words[:-1])
    np.testing.assert_array_equal(after[:-1], words[1:])
    counts = np.zeros((num_words,) * 3 + (3,))
    np.add.at(counts, (before, words, after, np.asarray(corpus.task.labels)), 1)
    p = _three_words(0.5, 0.8)
    assert counts[p == 0].sum() == 0
    # The mean of -log p is the entropy, to within its own standard error: neighbours
    # overlap, five of them at most with any weight.
    surprise = -np.log(p[p > 0])
    weights = counts[p > 0] / num
    spread = np.sqrt(np.sum(p[p > 0] * (surprise - _entropy(p)) ** 2) / num)
    np.testing.assert_allclose(
        np.sum(weights * surprise), _entropy(p), atol=5 * 3 * spread
    )
    again = datasets.tagged_corpus(KEY, num, **SMALL)
    np.testing.assert_array_equal(again.words, words)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_tokens": 0}, "num_tokens must be a whole number"),
        ({"num_tags": 1}, "num_tags must be a whole number, at least 2"),
        ({"ambiguity": 1.5}, r"ambiguity must lie in \[0, 1\]"),
        ({"order": np.nan}, r"order must lie in \[0, 1\]"),
        ({"num_shared": 0}, "num_shared must be a whole number"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.tagged_corpus(KEY, **({"num_tokens": 5} | options))
    with pytest.raises(TypeError, match="key must be a key"):
        datasets.tagged_corpus(0, 5)
