"""The maximum mean discrepancy against its definition and known Gaussians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from ibjax.representations import gaussian_mmd, median_bandwidth, mmd

RNG = np.random.default_rng(1)


def _by_definition(x, y, bandwidth):
    def kernel(a, b):
        squared = ((a[:, None] - b[None]) ** 2).sum(-1)
        return np.exp(-squared / (2 * bandwidth**2))

    off = ~np.eye(len(x), dtype=bool), ~np.eye(len(y), dtype=bool)
    within = kernel(x, x)[off[0]].mean() + kernel(y, y)[off[1]].mean()
    return within - 2 * kernel(x, y).mean()


def test_definition():
    # Far from zero: what is centred loses nothing.
    x, y = RNG.normal(size=(40, 3)) + 50, RNG.normal(size=(30, 3)) + 50.5
    expected = [_by_definition(x, y, b) for b in (0.5, 2.0)]
    for bandwidth, value in zip((0.5, 2.0), expected, strict=True):
        # Distances are of size ten, and an offset of 50 is rounded to 4e-6.
        np.testing.assert_allclose(mmd(x, y, bandwidth=bandwidth), value, atol=2e-6)
    both = mmd(x, y, bandwidth=jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(both, np.mean(expected), atol=2e-6)


@pytest.mark.parametrize("dim, expected", [(2, 0.2447336), (20, 0.0060987)])
def test_closed_form(dim, expected):
    bandwidth = dim / np.sqrt(2)
    mean = np.zeros(dim)
    mean[0] = 1
    found = gaussian_mmd(mean, 0.25, bandwidth=bandwidth)
    np.testing.assert_allclose(found, expected, atol=5e-8, rtol=0)


def test_unbiased_for_gaussians():
    mean, variance, bandwidth = jnp.array([1.0, 0.0]), 0.25, 1.0
    z = jax.random.normal(jax.random.key(0), (200, 2, 50, 2))
    x, y = jnp.sqrt(variance) * z[:, 0], z[:, 1]
    x = x.at[..., 0].add(1.0)
    values = jax.vmap(lambda x, y: mmd(x, y, bandwidth=bandwidth))(x, y)
    error = jnp.std(values) / jnp.sqrt(len(values))
    expected = gaussian_mmd(mean, variance, bandwidth=bandwidth)
    assert abs(jnp.mean(values) - expected) < 4 * error
    # The biased one would be off by (1 - E k) (1/m + 1/n), ten times the error.
    assert 4 * error < 0.5 * (1 / 50 + 1 / 50)


def test_equal_gaussians_have_none():
    assert gaussian_mmd(jnp.zeros(3), 1.0, bandwidth=2.0) == 0


def test_median_of_pairs():
    x = RNG.normal(size=(25, 2))
    rows, columns = np.triu_indices(25, 1)
    expected = np.median(np.linalg.norm(x[rows] - x[columns], axis=1))
    np.testing.assert_allclose(median_bandwidth(x), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "x, y, bandwidth, message",
    [
        (np.ones(3), np.ones((3, 1)), 1.0, "x must have shape"),
        (np.ones((1, 2)), np.ones((3, 2)), 1.0, "the number of samples of x must"),
        (np.ones((3, 2)), np.ones((3, 1)), 1.0, "y must have shape"),
        (np.ones((3, 2)), np.ones((3, 2)), 0.0, "bandwidth must lie in"),
    ],
)
def test_refusals(x, y, bandwidth, message):
    with pytest.raises(ValueError, match=message):
        mmd(x, y, bandwidth=bandwidth)


def test_whole_numbers_are_samples_like_others():
    x, y = RNG.integers(0, 90_000, size=(2, 20, 3))
    found = mmd(x, y, bandwidth=9e4)
    np.testing.assert_array_equal(found, mmd(x * 1.0, y * 1.0, bandwidth=9e4))
    np.testing.assert_array_equal(median_bandwidth(x), median_bandwidth(x * 1.0))


def _samples_apart(num=60):
    rng = np.random.default_rng(21)
    return rng.normal(size=(num, 3)), rng.normal(size=(num, 3)) + 0.5


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_scales_of_samples_and_bandwidth_cancel(scale):
    x, y = map(np.float32, _samples_apart())
    expected = mmd(x, y, bandwidth=1.5)
    found = mmd(scale * x, scale * y, bandwidth=scale * 1.5)
    # Powers of two, so that nothing is rounded.
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(
        median_bandwidth(np.float32(scale) * x), scale * median_bandwidth(x)
    )


@pytest.mark.parametrize("reach", [1e2, 1e4, 1e6])
def test_samples_far_apart_are_as_near_to_others_as_they_are(reach):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200, 2)) + reach * rng.choice([-1, 1], size=(200, 1))
    # In float32 samples are these; what follows has their rounding alone.
    x, y = x.astype(np.float32), y.astype(np.float32)

    def kernel_sum(a, b):
        return np.sum(np.exp(-cdist(a.astype(float), b.astype(float), "sqeuclidean")))

    n = len(x)
    within = (kernel_sum(x, x) + kernel_sum(y, y) - 2 * n) / (n * (n - 1))
    expected = within - 2 * kernel_sum(x, y) / n**2
    found = mmd(x, y, bandwidth=np.sqrt(0.5))
    # A mean of numbers up to one.
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)
    # One sample far away from all others, the first.
    x[0] = reach
    near = median_bandwidth(x), np.median(pdist(x.astype(float)))
    np.testing.assert_allclose(*near, rtol=1e-6)


def test_an_offset_of_float64_samples_does_not_matter():
    x, y = _samples_apart()
    # Beside 2^30 float32 has steps of 128, and float64 of 2e-7.
    found = mmd(x + 2.0**30, y + 2.0**30, bandwidth=1.5)
    np.testing.assert_allclose(found, mmd(x, y, bandwidth=1.5), atol=1e-6)
    np.testing.assert_allclose(
        median_bandwidth(x + 2.0**30), median_bandwidth(x), rtol=1e-6
    )


def test_a_bandwidth_that_float32_does_not_have_is_refused():
    x, y = map(np.float32, _samples_apart())
    with pytest.raises(ValueError, match="bandwidth must lie in"):
        mmd(x, y, bandwidth=1e-60)


def test_bandwidths_whose_squares_are_out_of_range():
    # A bandwidth so large sees nothing, one so small all that are not equal.
    assert gaussian_mmd(jnp.ones(2), 1.0, bandwidth=1e30) == 0
    assert gaussian_mmd(jnp.ones(2), 1.0, bandwidth=1e-30) == 0
    # E k(x, x') is one within a point.
    np.testing.assert_allclose(gaussian_mmd(jnp.ones(2), 0.0, bandwidth=1e-30), 1)
