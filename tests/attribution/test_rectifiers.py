"""Guided ReLUs found in programs, against rules written out."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen

from ibjax import attribution, networks
from ibjax.attribution import guided, guided_backpropagation, guided_relu
from ibjax.compilation import exact_jit

rng = np.random.default_rng(0)
X = rng.normal(size=(5, 4)).astype(np.float32)
W, V = (rng.normal(size=s).astype(np.float32) for s in ((4, 6), (6, 3)))


def _plain(params, x):
    return jax.nn.relu(x @ params[0]) @ params[1]


def _maximum(params, x):
    return jnp.maximum(x @ params[0], 0) @ params[1]


def _nested(params, x):
    inner = jax.jit(lambda w, x: jax.checkpoint(jax.nn.relu)(x @ w))
    return jax.jit(lambda p, x: inner(p[0], x) @ p[1])(params, x)


def _written_out():
    z = X @ W
    passed = np.where(z > 0, np.maximum(V[:, 1], 0), 0)
    return passed @ W.T


def _zeros(params, x):
    return jnp.maximum(x @ params[0], jnp.zeros((1, 6))) @ params[1]


def _clip(params, x):
    return jnp.clip(x @ params[0], 0) @ params[1]


@pytest.mark.parametrize("model", [_plain, _maximum, _nested, _zeros, _clip])
def test_any_maximum_with_zero_is_guided(model):
    found = guided_backpropagation(model, (W, V), X, 1)
    np.testing.assert_allclose(found, _written_out(), rtol=1e-5, atol=1e-5)
    same = exact_jit(guided(model))((W, V), X)
    np.testing.assert_allclose(same, np.maximum(X @ W, 0) @ V, rtol=1e-5, atol=1e-5)


def test_a_network_is_guided_as_one_of_guided_units():
    found = [networks.mlp([4, 6, 5, 3], a) for a in ("relu", guided_relu)]
    params = jax.jit(found[0].init)(jax.random.key(0))
    automatic = guided_backpropagation(attribution.output(found[0]), params, X, 2)
    by_hand = attribution.gradient(attribution.output(found[1]), params, X, 2)
    np.testing.assert_allclose(automatic, by_hand, rtol=1e-5, atol=1e-6)
    plain = attribution.gradient(attribution.output(found[0]), params, X, 2)
    assert np.abs(automatic - plain).max() > 0.01


def test_a_relu_of_six_passes_between_its_ends():
    def model(params, x):
        return jax.nn.relu6(x @ params[0]) @ params[1]

    x, z = 4 * X, 4 * X @ W
    assert np.any(z > 6)
    expected = np.where((z > 0) & (z < 6), np.maximum(V[:, 1], 0), 0) @ W.T
    found = guided_backpropagation(model, (W, V), x, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(guided(model)((W, V), x), model((W, V), x))


class _Normalized(linen.Module):
    relu: Callable
    norm: Callable

    @linen.compact
    def __call__(self, x):
        x = self.norm()(self.relu(linen.Dense(6)(x)))
        return linen.Dense(2)(self.relu(linen.Dense(6)(x)))


@pytest.mark.parametrize(
    "norm", [linen.LayerNorm, partial(linen.GroupNorm, num_groups=2), linen.RMSNorm]
)
def test_a_variance_is_no_activity(norm):
    model, by_hand = (_Normalized(f, norm) for f in (jax.nn.relu, guided_relu))
    params = model.init(jax.random.key(0), X)
    found = guided_backpropagation(model.apply, params, X, 0)
    expected = attribution.gradient(by_hand.apply, params, X, 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="must have a ReLU to guide, got one without"):
        linear = _Normalized(lambda x: x, norm)
        guided_backpropagation(linear.apply, linear.init(jax.random.key(0), X), X, 0)


def test_other_functions_keep_their_gradients():
    def model(params, x):
        return jax.nn.softplus(_plain(params, x))

    found = guided_backpropagation(model, (W, V), X, 1)
    slope = 1 / (1 + np.exp(-np.maximum(X @ W, 0) @ V[:, 1:2]))
    np.testing.assert_allclose(found, slope * _written_out(), rtol=1e-4, atol=1e-5)


def test_models_without_a_relu_in_reach_are_refused():
    with pytest.raises(ValueError, match="must have a ReLU to guide, got one without"):
        guided_backpropagation(lambda p, x: jax.nn.softplus(x @ p), W, X, 0)

    def looped(params, x):
        return jax.lax.map(lambda row: jax.nn.relu(row @ params), x)

    with pytest.raises(ValueError, match="outside of loops, got one in a scan"):
        guided_backpropagation(looped, W, X, 0)

    def in_parts(params, x):
        return _plain(params, x) if len(x) < 3 else jax.lax.map(_plain, (params, x))

    # A network that takes many inputs in parts is asked for no more than a batch.
    found = guided_backpropagation(in_parts, (W, V), X, 1, batch_size=2)
    np.testing.assert_allclose(found, _written_out(), rtol=1e-5, atol=1e-5)
