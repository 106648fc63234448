"""Reductions of activities, against NumPy and the bound on random projections."""

import jax
import numpy as np
import pytest

from ibjax.networks import reductions

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(5, 4, 6, 3)).astype(np.float32)
# Sums of n float32 products are off by n roundings of their terms, at most.
ROUNDING = {"rtol": 1e-5, "atol": 1e-5}


def _applied(reduction, t, sample=None):
    t = np.asarray(t)
    return np.asarray(
        reduction.apply(reduction.find(t if sample is None else sample), t)
    )


def test_means_over_positions_and_over_windows_of_them():
    np.testing.assert_allclose(
        _applied(reductions.position_mean, IMAGES), IMAGES.mean((1, 2)), **ROUNDING
    )
    windows = IMAGES.reshape(5, 2, 2, 3, 2, 3).mean((2, 4)).reshape(5, -1)
    np.testing.assert_allclose(
        _applied(reductions.pooled(2), IMAGES), windows, **ROUNDING
    )
    # A dense layer has no positions: nothing is lost.
    flat = IMAGES.reshape(5, -1)
    np.testing.assert_array_equal(_applied(reductions.position_mean, flat), flat)


def test_a_sentence_is_the_mean_of_its_own_tokens():
    tokens = RNG.normal(size=(4, 7, 3)).astype(np.float32)
    lengths = [7, 3, 1, 0]
    for row, length in enumerate(lengths):
        tokens[row, length:] = 0
    expected = [
        tokens[row, :length].mean(0) if length else np.zeros(3)
        for row, length in enumerate(lengths)
    ]
    np.testing.assert_allclose(
        _applied(reductions.token_mean, tokens), expected, **ROUNDING
    )


def test_random_projections_keep_distances_within_the_bound():
    num_samples, units, dim, epsilon = 8, 3000, 600, 0.5
    t = RNG.normal(size=(num_samples, 10, units // 10)).astype(np.float32)
    t[1] *= 100  # Whatever the scale.
    first, second = np.triu_indices(num_samples, 1)

    def squared_distances(rows):
        rows = rows.reshape(num_samples, -1)
        return ((rows[first] - rows[second]) ** 2).sum(1)

    ratios = squared_distances(
        _applied(reductions.random_projection(KEY, dim), t)
    ) / squared_distances(t)
    # All pairs keep to it but for one key in 10^10.
    exponent = (epsilon**2 / 2 - epsilon**3 / 3) * dim / 2
    assert 2 * len(ratios) * np.exp(-exponent) < 1e-9
    assert np.all(np.abs(ratios - 1) < epsilon)
    # Of a unit vector every coordinate is a sign: its length is kept exactly.
    unit = np.eye(1, units, 7, dtype=np.float32)
    found = _applied(reductions.random_projection(KEY, dim), unit)
    np.testing.assert_allclose(np.abs(found), dim**-0.5, rtol=1e-6)


def test_principal_components_are_those_of_the_sample():
    scales = np.array([5, 3, 2, 0.5, 0.2, 0.1], np.float32)
    sample = (RNG.normal(size=(40, 6)) * scales + 4).astype(np.float32)
    t = (RNG.normal(size=(9, 6)) * scales).astype(np.float32)
    mean = sample.mean(0, dtype=float)
    _, _, directions = np.linalg.svd(sample - mean)
    signs = np.sign(directions[range(2), np.abs(directions[:2]).argmax(1)])
    expected = (t - mean) @ (directions[:2] * signs[:, None]).T
    reduction = reductions.principal_components(np.zeros((40, 5)), 2)
    found = _applied(reduction, t.reshape(9, 3, 2), sample.reshape(40, 3, 2))
    # Rounding of float32 turns directions by some 1e-7 over the gap of variances.
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_reductions_in_turn():
    both = reductions.in_turn(
        reductions.position_mean,
        lambda t: 2 * t,
        reductions.principal_components(np.zeros((5, 2)), 2),
    )
    means = 2 * IMAGES.mean((1, 2))
    last = reductions.principal_components(np.zeros((5, 2)), 2)
    np.testing.assert_allclose(_applied(both, IMAGES), _applied(last, means), atol=1e-5)
    assert both.sample.shape == (5, 2)
    assert both.name.startswith("mean over positions, then function test_reductions")


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: reductions.pooled(0), ValueError, "size must be a whole number"),
        (
            lambda: reductions.pooled(4).apply(None, IMAGES),
            ValueError,
            r"pooled\(4\) needs axes that 4 divides, got \[4, 6\]",
        ),
        (lambda: reductions.random_projection(3, 2), TypeError, "key must be a key"),
        (lambda: reductions.random_projection(KEY, 0), ValueError, "dim must be a who"),
        (
            lambda: reductions.principal_components(np.zeros((3, 2)), 3),
            ValueError,
            "dim must be at most 2, one less than the inputs of sample, got 3",
        ),
        (
            lambda: reductions.principal_components(np.zeros(3), 1),
            ValueError,
            r"sample must have shape \[num_sample, \*shape\]",
        ),
        (lambda: reductions.in_turn(), ValueError, "reductions must hold at least one"),
        (lambda: reductions.in_turn(3), TypeError, r"reductions\[0\] must be a func"),
        (
            lambda: reductions.in_turn(
                reductions.principal_components(np.zeros((3, 2)), 1),
                reductions.principal_components(np.ones((3, 2)), 1),
            ),
            ValueError,
            "reductions must have the same sample",
        ),
    ],
)
def test_what_is_no_reduction_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_names_tell_reductions_apart():
    samples = np.zeros((4, 2)), np.ones((4, 2))
    names = [
        reductions.position_mean.name,
        reductions.token_mean.name,
        *(reductions.pooled(size).name for size in (2, 3)),
        *(reductions.random_projection(KEY, dim).name for dim in (2, 3)),
        reductions.random_projection(jax.random.key(4), 2).name,
        *(reductions.principal_components(x, d).name for x in samples for d in (1, 2)),
    ]
    assert len(set(names)) == len(names)
