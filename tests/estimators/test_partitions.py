"""Bins that follow the activities: the binning rule, ties, sweeps against loops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators import binning, partitions

NUM_SAMPLES = 120


@pytest.fixture(scope="module")
def t():
    return np.random.default_rng(0).normal(size=(NUM_SAMPLES, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def labels(t):
    return (t[:, 0] > 0).astype(int)


def _bins(t, edges):
    """By the rule of the binning module: edges at or below, minus one."""
    return np.maximum(np.searchsorted(edges, t, side="right") - 1, 0)


def test_data_range_edges(t):
    edges = np.asarray(partitions.data_range_edges(t, 6))
    expected = np.linspace(t.min(), t.max(), 7)[:-1]
    np.testing.assert_allclose(edges, expected, rtol=1e-5, atol=1e-6)
    bins = _bins(t, edges)
    assert bins.min() == 0 and bins.max() == 5
    # The largest activity is not alone: its bin holds all of the last sixth.
    width = (t.max() - t.min()) / 6
    assert np.sum(bins == 5) == np.sum(t >= t.max() - width * (1 - 1e-6)) > 1
    over_epochs = np.stack([t, 3 * t])[None]
    assert partitions.data_range_edges(over_epochs, 6)[0] == 3 * t.min()


def test_data_range_of_equal_activities():
    constant = np.full((5, 2), np.float32(0.3))
    edges = partitions.data_range_edges(constant, 4)
    assert np.all(np.diff(edges) > 0)
    assert len(np.unique(_bins(constant, np.asarray(edges)))) == 1
    np.testing.assert_allclose(np.diff(edges), 1, rtol=1e-5)


@pytest.mark.parametrize("num_bins", [1, 6, 7])
def test_equal_counts(t, num_bins):
    edges = np.asarray(partitions.equal_count_edges(t, num_bins))
    assert edges.shape == (num_bins,) and np.all(np.diff(edges) > 0)
    counts = np.bincount(_bins(t, edges).ravel(), minlength=num_bins)
    assert counts.max() - counts.min() <= 1 and counts.sum() == t.size


def test_a_tied_value_has_a_bin_of_its_own(t):
    rectified = np.maximum(t, 0)  # Half of them zero.
    edges = np.asarray(partitions.equal_count_edges(rectified, 6))
    assert np.all(np.diff(edges) > 0)
    # As the binning module counts, which may flush the smallest numbers to zero.
    rows = binning.clusters(rectified.reshape(-1, 1), edges=edges)
    zeros = rectified.ravel() == 0
    assert len(np.unique(rows[zeros])) == 1
    assert not np.isin(rows[zeros], rows[~zeros]).any()
    assert len(np.unique(rows[~zeros])) == 3
    saturated = np.asarray(partitions.equal_count_edges(np.ones(5, np.float32), 6))
    assert np.all(np.diff(saturated) > 0) and saturated[0] == 1


def test_equal_counts_of_every_unit(t):
    bins = partitions.equal_count_bins(t, 5)
    for unit in range(2):
        counts = np.bincount(np.asarray(bins[:, unit]).astype(int))
        np.testing.assert_array_equal(counts, np.full(5, NUM_SAMPLES // 5))
    bent = np.stack([np.exp(t[:, 0]), 100 * t[:, 1]], axis=1)
    np.testing.assert_array_equal(bins, partitions.equal_count_bins(bent, 5))


def test_the_largest_activity_can_have_an_edge(t, users_options):
    without, edges = (
        jax.jit(partial(partitions.data_range_edges, num_bins=30, upper_edge=upper))
        .lower(t)
        .compile(users_options)(t)
        for upper in (False, True)
    )
    expected = np.linspace(t.min(), t.max(), 31, dtype=np.float32)
    # Products of float32 numbers and one sum, each rounded once.
    np.testing.assert_allclose(edges, expected, rtol=3e-7, atol=3e-7)
    assert edges[-1] == t.max()
    np.testing.assert_array_equal(edges[:-1], without)
    rows = np.asarray(binning.clusters(t.reshape(-1, 1), edges=edges))
    assert np.sum(rows == rows[np.argmax(t)]) == 1


def test_transformations(t, labels):
    batch = np.stack([t, 2 * t])
    edges = jax.vmap(lambda t: partitions.equal_count_edges(t, 6))(batch)
    np.testing.assert_array_equal(edges[1], 2 * edges[0])
    broken = jnp.asarray(t).at[3, 0].set(jnp.nan)
    for function in (
        partitions.equal_count_edges,
        partitions.equal_count_bins,
        partitions.data_range_edges,
    ):
        found = jax.vmap(lambda t, f=function: f(t, 6))(broken[None])
        assert np.isnan(found).any()


def test_bad_input(t, labels):
    with pytest.raises(
        ValueError, match="num_bins must be a whole number, at least 1, got 0"
    ):
        partitions.data_range_edges(t, 0)
    with pytest.raises(ValueError, match="num_bins must leave bins wider"):
        partitions.data_range_edges(np.float32([1, 1 + 1e-6]), 100)
    with pytest.raises(ValueError, match="t must have activities"):
        partitions.equal_count_edges(t[:0], 3)
    with pytest.raises(TypeError, match="t must be floating"):
        partitions.equal_count_edges(labels, 3)
    with pytest.raises(ValueError, match="t must be finite"):
        partitions.equal_count_edges(np.float32([0, np.inf]), 3)
    with pytest.raises(ValueError, match=r"t must have shape \[num_samples, dim\]"):
        partitions.equal_count_bins(t[:, 0], 3)
