"""Faithfulness of linear models' own attributions, which is perfect."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import infidelity, sensitivity_n

KEY = jax.random.key(0)
rng = np.random.default_rng(0)
X = rng.normal(size=(5, 4, 6, 2)).astype(np.float32)
WEIGHTS = rng.normal(size=(4, 6, 2, 2)).astype(np.float32)
SHARES = np.sum(X * WEIGHTS[None, ..., 1], axis=3)


def _linear(params, x):
    return jnp.einsum("bhwc,hwck->bk", x, params)


def _sensitivity(heat, **options):
    options = {"sizes": [1, 4, 5], "tile": 2, "num_subsets": 12} | options
    return sensitivity_n(KEY, _linear, WEIGHTS, X, heat, 1, **options)


def test_shares_of_a_linear_model_are_perfectly_correlated():
    found = _sensitivity(SHARES, batch_size=2)
    np.testing.assert_allclose(found.per_image, 1, rtol=1e-5)
    np.testing.assert_allclose(found.mean, 1, rtol=1e-5)
    np.testing.assert_allclose(found.pooled, 1, rtol=1e-5)
    # A map of its own scale for each image is perfect for each, not for all.
    scaled = _sensitivity(SHARES * np.array([1, -2, 3, 4, 50])[:, None, None])
    signs = np.array([1, -1, 1, 1, 1])[:, None]
    np.testing.assert_allclose(scaled.per_image, np.repeat(signs, 3, 1), rtol=1e-5)
    np.testing.assert_allclose(scaled.mean, 0.6, rtol=1e-5)
    assert np.all(np.abs(scaled.pooled) < 0.99)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 1e17, 1e30])
def test_the_scale_of_a_map_does_not_matter(scale):
    found = _sensitivity(SHARES * np.float32(scale))
    np.testing.assert_allclose(found.per_image, 1, rtol=1e-5)
    np.testing.assert_allclose(found.pooled, 1, rtol=1e-5)


def test_correlations_are_those_of_numpy():
    heat = rng.normal(size=SHARES.shape).astype(np.float32)
    # A pixel is a tile, and subsets of one are single pixels, drawn again by hand.
    found = _sensitivity(heat, tile=1, sizes=[1], num_subsets=30, batch_size=None)
    lots = jax.random.uniform(KEY, (30, 24))
    chosen = np.argmin(lots, axis=1)
    h, loss = (t.reshape(5, 24)[:, chosen] for t in (heat, SHARES))
    each = [np.corrcoef(a, b)[0, 1] for a, b in zip(h, loss, strict=True)]
    np.testing.assert_allclose(found.per_image[:, 0], each, atol=1e-5)
    pooled = np.corrcoef(h.reshape(-1), loss.reshape(-1))[0, 1]
    np.testing.assert_allclose(found.pooled[0], pooled, atol=1e-5)


def test_constant_maps_have_no_correlation():
    heat = np.where(np.arange(5)[:, None, None] < 2, 0.1, SHARES).astype(np.float32)
    found = _sensitivity(heat)
    assert np.all(np.isnan(found.per_image[:2]))
    np.testing.assert_allclose(found.mean, 1, rtol=1e-5)


def test_gradients_of_a_linear_model_are_of_perfect_fidelity():
    own = np.tile(WEIGHTS[None, ..., 1], (5, 1, 1, 1, 1))[:, 0]
    assert own.shape == X.shape
    exact = infidelity(KEY, _linear, WEIGHTS, X, own, 1, batch_size=2)
    # Rounding of sums of 48 products of about one, squared.
    np.testing.assert_allclose(exact, 0, atol=1e-10)
    # Without attributions it is the variance of the loss, std^2 |w|^2.
    none = infidelity(
        KEY, _linear, WEIGHTS, X, np.zeros_like(X), 1, noise_std=0.5, num_samples=1000
    )
    expected = 0.25 * np.sum(WEIGHTS[..., 1] ** 2)
    error = expected * np.sqrt(2 / 1000)
    assert np.all(np.abs(none - expected) < 4 * error)


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match="below the number of tiles, 6, got 6"):
        _sensitivity(SHARES, sizes=[1, 6])
    with pytest.raises(
        ValueError, match="num_subsets must be a whole number, at least"
    ):
        _sensitivity(SHARES, num_subsets=1)
    with pytest.raises(ValueError, match="attributions and x must have one shape"):
        infidelity(KEY, _linear, WEIGHTS, X, SHARES, 1)
    with pytest.raises(ValueError, match="noise_std must be one positive number"):
        infidelity(KEY, _linear, WEIGHTS, X, X, 1, noise_std=0)
