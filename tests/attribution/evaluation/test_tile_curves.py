"""Degradation of a model that adds up pixels, whose best order is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import degradation
from ibjax.attribution.evaluation.tiles import tile_numbers, tile_sums

KEY = jax.random.key(0)
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 5, 6, 2)).astype(np.float32)
WEIGHTS = rng.normal(size=(5, 6, 2)).astype(np.float32)
# What tiles give to the logit if the baseline is zero, pixel by pixel.
SHARES = np.sum(X * WEIGHTS[None], axis=3)


def _additive(params, x):
    logit = jnp.sum(x * params[None], axis=(1, 2, 3))
    return jnp.stack([jnp.zeros(len(x)), logit, logit - 50], axis=1)


def _degraded(heatmaps, **options):
    options = {"tile": 2, "baselines": 0.0, "batch_size": 16} | options
    return degradation(KEY, _additive, WEIGHTS, X, heatmaps, 1, **options)


def test_the_last_tiles_take_in_what_is_left():
    numbers = tile_numbers((5, 6), 2)
    assert numbers.max() == 5 and np.all(numbers[4] == numbers[3])
    expected = [X[:, numbers == n].sum(axis=1) for n in range(6)]
    found = tile_sums(X[..., 0], numbers, 6)
    np.testing.assert_allclose(
        found, np.stack(expected, 1)[..., 0], rtol=1e-4, atol=1e-5
    )


def test_curves_are_those_of_sorted_tiles():
    numbers = tile_numbers((5, 6), 2)
    sizes = np.bincount(numbers.reshape(-1))
    shares = np.stack([SHARES[:, numbers == n].sum(axis=1) for n in range(6)], axis=1)
    order = np.argsort(-shares / sizes, axis=1)  # By the mean, not by the sum.
    lost = np.take_along_axis(shares, order, axis=1)
    found = _degraded(SHARES)
    for curve, part in (
        (found.most_relevant_first, lost),
        (found.least_relevant_first, lost[:, ::-1]),
    ):
        gone = np.concatenate([np.zeros((40, 1)), np.cumsum(part, axis=1)], axis=1)
        logit = shares.sum(axis=1, keepdims=True) - gone
        np.testing.assert_allclose(curve, 1 / (1 + np.exp(-logit)), atol=1e-5)
    np.testing.assert_allclose(found.fractions, np.arange(7) / 6, rtol=1e-6)
    # Both begin with the image as it is, and end with nothing left of it.
    np.testing.assert_allclose(found.least_relevant_first[:, -1], 0.5, atol=1e-6)
    p = np.asarray(found.most_relevant_first[:, 0])
    unit = np.mean(np.maximum(p, 1 - p)) - 0.5
    gap = found.least_relevant_first - found.most_relevant_first
    area = np.trapezoid(gap, dx=1 / 6, axis=1) / unit
    np.testing.assert_allclose(found.scores, area, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.score, area.mean(), rtol=1e-4)
    # Zero but for the rounding of two means, over the unit.
    assert abs(found.normalized_most[-1]) <= 2 * np.finfo(np.float32).eps / unit
    start = (p.mean() - 0.5) / unit
    np.testing.assert_allclose(found.normalized_least[0], start, rtol=1e-4)


def test_the_exact_order_is_the_steepest_and_a_random_one_knows_nothing():
    # Single pixels: the order by share is the best for every number of them.
    exact = _degraded(SHARES, tile=1, num_points=7)
    other = _degraded(rng.normal(size=SHARES.shape), tile=1, num_points=7)
    assert np.all(exact.most_relevant_first <= other.most_relevant_first + 1e-6)
    assert np.all(exact.least_relevant_first >= other.least_relevant_first - 1e-6)
    error = np.std(other.scores, ddof=1) / np.sqrt(40)
    assert abs(other.score) < 4 * error < exact.score / 2


def test_tiles_of_equal_heat_are_drawn_by_lot():
    flat = _degraded(np.zeros_like(SHARES), tile=1, num_points=7)
    again = degradation(
        jax.random.key(1), _additive, WEIGHTS, X, np.zeros_like(SHARES), 1,
        tile=1, num_points=7, baselines=0.0, batch_size=16,
    )  # fmt: skip
    assert np.abs(flat.scores - again.scores).max() > 0.1
    assert abs(flat.score) < 4 * np.std(flat.scores, ddof=1) / np.sqrt(40)


@pytest.mark.parametrize("heat", [0.1, 0.3])
def test_tiles_of_other_sizes_are_drawn_by_lot_too(heat):
    # Of 64, 96 and 144 pixels, whose sums are rounded differently. A pixel shows
    # whether its tile is gone after the first of nine.
    x = np.ones((900, 30, 30, 1), np.float32)

    def first_tiles(weights):
        found = degradation(
            KEY, _additive, weights, x, np.full(x.shape[:3], heat, np.float32), 1,
            tile=8, num_points=10, baselines=0.0, batch_size=None,
        )  # fmt: skip
        gone = found.most_relevant_first[:, 1] < found.most_relevant_first[:, 0]
        return np.mean(gone)

    for place in ((0, 0), (-1, -1)):
        weights = np.zeros((30, 30, 1), np.float32)
        weights[place] = 1.0
        # A ninth of 900 images, to within five standard errors.
        error = np.sqrt(8 / 81 / 900)
        assert abs(first_tiles(weights) - 1 / 9) < 5 * error


def test_the_mean_colour_is_the_default():
    mean = np.broadcast_to(X.mean(axis=(1, 2), keepdims=True), X.shape)
    found, expected = (_degraded(SHARES, baselines=b) for b in (None, mean))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match=r"heatmaps must have shape \[40, 5, 6\]"):
        _degraded(SHARES[:, :4])
    with pytest.raises(ValueError, match="heatmaps must be finite"):
        _degraded(SHARES + np.inf)
    with pytest.raises(ValueError, match="tile must be at most the image"):
        _degraded(SHARES, tile=6)
    with pytest.raises(ValueError, match=r"num_points must lie in \[2, 7\]"):
        _degraded(SHARES, num_points=8)
