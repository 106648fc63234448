"""Bounding boxes: exact cases, and ties against lots drawn by NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import bounding_box_ratio

MASK = np.zeros((6, 6), bool)
MASK[1:4, 2:5] = True


def test_a_box_knows_itself():
    assert bounding_box_ratio(MASK.astype(float), MASK) == 1
    assert bounding_box_ratio(1.0 - MASK, MASK) == 0
    np.testing.assert_allclose(bounding_box_ratio(np.ones((6, 6)), MASK), 9 / 36)
    # Ties of so many pixels that a product of their counts is no 32-bit number.
    large = np.zeros((384, 384), bool)
    large[:, :126] = True
    found = bounding_box_ratio(np.zeros((384, 384)), large)
    np.testing.assert_allclose(found, 126 / 384, rtol=1e-6)
    assert np.isnan(bounding_box_ratio(np.ones((6, 6)), np.zeros((6, 6), bool)))
    assert np.isnan(bounding_box_ratio(np.full((6, 6), np.nan), MASK))


def test_ties_are_the_mean_over_lots():
    rng = np.random.default_rng(0)
    heat = rng.integers(0, 4, size=(5, 6, 6)).astype(float)
    masks = np.stack([MASK] * 4 + [rng.random((6, 6)) < 0.3])
    for h, m, found in zip(heat, masks, bounding_box_ratio(heat, masks), strict=True):
        ratios = []
        for _ in range(2000):
            order = np.lexsort((rng.random(36), -h.reshape(-1)))
            ratios.append(m.reshape(-1)[order[: m.sum()]].mean())
        assert abs(found - np.mean(ratios)) <= 4 * np.std(ratios) / np.sqrt(2000) + 1e-6


def test_it_works_in_programs():
    heat = jnp.asarray(np.random.default_rng(1).normal(size=(3, 6, 6)))
    mask = jnp.stack([jnp.asarray(MASK)] * 3)
    mapped = jax.jit(jax.vmap(bounding_box_ratio))(heat, mask)
    np.testing.assert_array_equal(mapped, bounding_box_ratio(heat, mask))


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match="heatmap and mask must have one shape"):
        bounding_box_ratio(np.ones((6, 5)), MASK)
    with pytest.raises(ValueError, match=r"shape \[..., height, width\], got \(6,\)"):
        bounding_box_ratio(np.ones(6), MASK[0])
    with pytest.raises(TypeError, match="mask must be bool, got"):
        bounding_box_ratio(np.ones((6, 6)), np.ones((6, 6)))
