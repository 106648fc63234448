"""Minibatch gradient statistics: by hand, numpy, limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse

from ibjax.training.gradients import (
    gradient_curves,
    minibatch_statistics,
    streamed_statistics,
    weight_norms,
)


def _by_numpy(gradients):
    gradients = np.asarray(gradients, np.float64)
    mean = np.linalg.norm(gradients.mean(axis=0).ravel())
    std = np.linalg.norm(gradients.std(axis=0).ravel())
    return mean, std, mean / std


def test_by_hand():
    # Mean (3, 3), deviations (0, +-1).
    found = minibatch_statistics(np.array([[3.0, 4.0], [3.0, 2.0]], np.float32))
    np.testing.assert_allclose(found, [18**0.5, 1.0, 18**0.5], rtol=1e-6)


@pytest.mark.parametrize("shape", [(13, 10, 12), (5, 7), (4,)])
def test_agrees_with_numpy(shape):
    gradients = np.random.default_rng(0).normal(0.3, 1.0, shape).astype(np.float32)
    found = minibatch_statistics(gradients)
    np.testing.assert_allclose(found, _by_numpy(gradients), rtol=1e-5)
    assert found.snr.shape == ()


@pytest.mark.parametrize("num_batches", [1, 2, 3, 7, 13])
def test_equal_gradients_have_infinite_ratio(num_batches):
    gradient = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    found = minibatch_statistics(np.broadcast_to(gradient, (num_batches, 3, 4)))
    np.testing.assert_allclose(found.mean_norm, np.linalg.norm(gradient), rtol=1e-6)
    assert found.std_norm == 0
    assert found.snr == np.inf


def test_no_gradient_has_no_ratio():
    found = minibatch_statistics(np.zeros((4, 3), np.float32))
    assert found.mean_norm == found.std_norm == 0
    assert np.isnan(found.snr)


def test_alternating_gradients_have_ratio_zero():
    found = minibatch_statistics(np.array([[1.0, 2.0], [-1.0, -2.0]], np.float32))
    assert found.mean_norm == found.snr == 0
    np.testing.assert_allclose(found.std_norm, 5**0.5, rtol=1e-6)


def test_scale_cancels_in_the_ratio():
    gradients = np.random.default_rng(2).normal(0.3, 1.0, (6, 5)).astype(np.float32)
    plain, scaled = minibatch_statistics(gradients), minibatch_statistics(8 * gradients)
    np.testing.assert_allclose(scaled.snr, plain.snr, rtol=1e-6)
    np.testing.assert_allclose(scaled.mean_norm, 8 * plain.mean_norm, rtol=1e-6)


def test_vmap_equals_a_loop():
    gradients = np.random.default_rng(3).normal(size=(3, 6, 5)).astype(np.float32)
    found = jax.vmap(minibatch_statistics)(gradients)
    for n, layer in enumerate(gradients):
        one = minibatch_statistics(layer)
        np.testing.assert_allclose([f[n] for f in found], one, rtol=1e-5)


def test_derivatives_are_finite_where_a_norm_is_zero():
    derivative = jax.grad(lambda g: minibatch_statistics(g).std_norm)
    assert np.all(np.isfinite(derivative(np.ones((3, 2), np.float32))))


@pytest.mark.parametrize("gradients", [np.float32(1.0), np.zeros((0, 3), np.float32)])
def test_no_batch_is_refused(gradients):
    with pytest.raises(ValueError, match=r"gradients must have shape \[num_batches"):
        minibatch_statistics(gradients)


def test_streamed_statistics_agree_with_numpy():
    rng = np.random.default_rng(2)
    first = rng.normal(0.3, 1.0, (13, 5, 4)).astype(np.float32)
    second = rng.normal(-2.0, 0.1, (13, 7)).astype(np.float32)
    found = streamed_statistics(lambda batch: batch, (first, second))
    for statistics, gradients in zip(found, (first, second), strict=True):
        np.testing.assert_allclose(statistics, _by_numpy(gradients), rtol=1e-5)


def test_streamed_statistics_of_equal_gradients():
    gradient = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    batches = np.broadcast_to(gradient, (7, 3, 4))
    (found,) = streamed_statistics(lambda batch: (batch,), batches)
    np.testing.assert_allclose(found.mean_norm, np.linalg.norm(gradient), rtol=1e-6)
    assert found.std_norm == 0
    assert found.snr == np.inf


def test_streamed_statistics_need_a_batch():
    with pytest.raises(
        ValueError, match="number of batches must be .* at least 1, got 0"
    ):
        streamed_statistics(lambda batch: (batch,), np.zeros((0, 3)))


def _streamed(gradients):
    (statistics,) = streamed_statistics(lambda batch: (batch,), gradients)
    return statistics


BOTH = pytest.mark.parametrize("statistics_of", [minibatch_statistics, _streamed])


@BOTH
@pytest.mark.parametrize("doublings", [-90, -70, 60])
def test_scale_of_the_gradients_does_not_matter(key, doublings, statistics_of):
    gradients = jax.random.normal(key, (5, 3, 4))
    expected = statistics_of(gradients)
    unit = np.float32(2.0) ** doublings
    mean, std, snr = statistics_of(unit * gradients)
    # A power of two rounds nothing.
    assert snr == expected.snr
    assert mean == unit * expected.mean_norm and std == unit * expected.std_norm


def test_batches_of_other_scales_are_counted_together():
    gradients = np.float32([[1e-25, 3e-25], [2e-21, 1e-21], [5e-23, 1e-23]])
    found = _streamed(gradients)
    np.testing.assert_allclose(found, _by_numpy(gradients), rtol=1e-5)


@BOTH
def test_nan_stays(statistics_of):
    gradients = jnp.ones((3, 2)).at[1, 1].set(jnp.nan)
    assert np.isnan(jax.tree.leaves(statistics_of(gradients))).all()
    assert np.isnan(statistics_of(jnp.full((3, 2), jnp.inf)).snr)


@BOTH
def test_no_gradient_at_all(statistics_of):
    mean, std, _ = statistics_of(jnp.zeros((3, 2)))
    assert mean == std == 0


def test_what_is_no_gradient_is_named():
    statistics = minibatch_statistics(np.ones((2, 3)))
    with pytest.raises(TypeError, match="gradients must be an array of numbers"):
        minibatch_statistics({"w": 1.0})
    with pytest.raises(TypeError, match="kernels must hold numbers"):
        weight_norms([np.array(["a"])])
    with pytest.raises(ValueError, match="kernels must hold at least one layer"):
        weight_norms([])
    with pytest.raises(TypeError, match="each of statistics must be a GradientStat"):
        gradient_curves([3], [np.ones(2)])
    with pytest.raises(TypeError, match="statistics must be a list or a tuple"):
        gradient_curves(scipy.sparse.csr_matrix(np.eye(3)), [np.ones(2)])
    with pytest.raises(TypeError, match="kernels must be a list or a tuple"):
        weight_norms(scipy.sparse.csr_matrix(np.eye(3)))
    with pytest.raises(ValueError, match="statistics and kernels must have as many"):
        gradient_curves([statistics], [np.ones(2), np.ones(2)])
