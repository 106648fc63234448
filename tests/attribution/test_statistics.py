"""Streamed moments, against NumPy's of all inputs at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import feature_statistics

X = np.random.default_rng(0).normal(100, [1, 2, 1e-4], size=(23, 3)).astype(np.float32)


def _front(params, x):
    return params * x


@pytest.mark.parametrize("pieces", ["batches", "one", "program", "iterable"])
def test_they_are_those_of_all_inputs(pieces):
    x = {"iterable": iter([X[:10], X[10:12], X[12:]])}.get(pieces, X)
    call = jax.jit(feature_statistics, static_argnums=0, static_argnames="batch_size")
    call = call if pieces == "program" else feature_statistics
    found = call(_front, 2.0, x, batch_size=8 if pieces != "one" else 64)
    # Rounding of numbers around 200.
    np.testing.assert_allclose(found.mean, 2 * X.mean(axis=0), rtol=1e-6)
    expected = np.maximum(2 * X.std(axis=0, ddof=1), 0.01)
    np.testing.assert_allclose(found.std, expected, atol=1e-5 * expected.max())
    assert found.std[2] == np.float32(0.01)
    assert found.num_inputs == 23


def test_features_that_are_hardly_ever_nonzero_are_inactive():
    x = np.zeros((200, 3))
    x[:2, 1] = x[:3, 2] = 1  # One per cent, and more.
    found = feature_statistics(_front, jnp.ones(()), x.astype(np.float32))
    np.testing.assert_array_equal(found.active, [False, False, True])
    np.testing.assert_array_equal(found.normalize(jnp.ones((1, 3)))[0, :2], [0, 0])
    # Nor are those that vary by nothing, whatever rounding makes of their mean.
    x = np.full((200, 3), [0.1, 1e4 / 3, 0.1], np.float32)
    x[0, 2] += 1e-4
    found = feature_statistics(_front, jnp.ones(()), x)
    np.testing.assert_array_equal(found.active, [False, False, True])


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_summed_in_full(dtype):
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(20_000, 2)) + [0, 3], dtype)
    found = feature_statistics(_front, jnp.ones((), dtype), x)
    exact = np.asarray(x, np.float64)
    assert found.num_inputs == len(x)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found.std, exact.std(axis=0, ddof=1), rtol=1e-5)


def test_one_input_has_the_least_deviation():
    found = feature_statistics(_front, 1.0, X[:1], min_std=0.5)
    np.testing.assert_array_equal(found.std, np.full(3, 0.5))


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match="at least one batch of inputs, got none"):
        feature_statistics(_front, 1.0, [])
    with pytest.raises(ValueError, match=r"x must have shape \[num, \*axes\]"):
        feature_statistics(_front, 1.0, np.zeros((0, 3)))
    with pytest.raises(ValueError, match="min_std must be one positive number"):
        feature_statistics(_front, 1.0, X, min_std=0)
    with pytest.raises(ValueError, match=r"min_active must lie in \[0, 1\)"):
        feature_statistics(_front, 1.0, X, min_active=1)
