"""Vectors of word types: counts by loops, singular values by NumPy."""

import numpy as np
import pytest

from ibjax import datasets

RNG = np.random.default_rng(0)
NUM_TYPES = 6
TYPES = RNG.integers(NUM_TYPES, size=80)
SENTENCES = np.sort(RNG.integers(9, size=80))


def _by_loops(window):
    counts = np.zeros((NUM_TYPES, 2 * NUM_TYPES))
    for n in range(len(TYPES)):
        for m in range(max(0, n - window), min(len(TYPES), n + window + 1)):
            if m != n and SENTENCES[m] == SENTENCES[n]:
                counts[TYPES[n], TYPES[m] + NUM_TYPES * (m > n)] += 1
    p = counts / counts.sum()
    independent = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(p / independent), 0.0)


@pytest.mark.parametrize("window", [1, 3])
def test_counts_of_neighbours(window):
    found = datasets.positive_information(
        TYPES, SENTENCES, num_types=NUM_TYPES, window=window
    )
    np.testing.assert_allclose(found.toarray(), _by_loops(window), atol=1e-12)


def test_main_parts():
    vectors = datasets.type_vectors(TYPES, SENTENCES, num_types=NUM_TYPES, dim=3)
    u, s, _ = np.linalg.svd(_by_loops(2))
    expected = (u[:, :3] * s[:3]) @ u[:, :3].T
    # Float32 of vectors whose square is of order one.
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)
    np.testing.assert_allclose((vectors**2).sum(0), s[:3], rtol=1e-5)
    assert (vectors.max(0) >= -vectors.min(0)).all()
    # Integers of eight bits, in which no two of these can be added.
    small = datasets.positive_information(
        (TYPES + 200).astype(np.uint8), SENTENCES, num_types=206
    )
    np.testing.assert_allclose(
        small.toarray()[200:, 200:206], _by_loops(2)[:, :NUM_TYPES], atol=1e-12
    )
    again = datasets.type_vectors(TYPES, SENTENCES, num_types=NUM_TYPES, dim=3)
    np.testing.assert_array_equal(vectors, again)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"types": TYPES / 2}, TypeError, "types must be integers"),
        ({"types": TYPES[None]}, ValueError, "types must have shape"),
        ({"num_types": 3, "dim": 2}, ValueError, r"types must lie in \[0, 3\)"),
        ({"sentences": SENTENCES[1:]}, ValueError, "sentences must have shape"),
        ({"dim": NUM_TYPES}, ValueError, "dim must be less than num_types, 6, got 6"),
        (
            {"sentences": np.arange(80)},
            ValueError,
            "types must hold neighbours that are more frequent than by chance",
        ),
        ({"window": 0}, ValueError, "window must be a whole number"),
    ],
)
def test_bad_input(options, error, message):
    arguments = {"types": TYPES, "sentences": SENTENCES, "num_types": NUM_TYPES}
    with pytest.raises(error, match=message):
        datasets.type_vectors(**(arguments | {"dim": 2} | options))
