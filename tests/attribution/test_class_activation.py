"""Grad-CAM of averaged channels, where it is the map of the class's weights."""

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import attribution

rng = np.random.default_rng(0)
X = rng.normal(size=(3, 4, 6, 2)).astype(np.float32)
WEIGHTS = rng.normal(size=(2, 5)).astype(np.float32)
TARGETS = np.array([4, 0, 2])


def _front(params, x):
    return jnp.tanh(x)


def _back(params, r):
    return jnp.mean(r, axis=(1, 2)) @ params


def test_it_is_the_class_activation_map():
    expected = np.einsum("bhwc,cb->bhw", np.tanh(X), WEIGHTS[:, TARGETS]) / 24
    found = attribution.grad_cam(
        _front, _back, WEIGHTS, X, TARGETS, rectify=False, batch_size=2
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    found = attribution.grad_cam(
        _front, _back, WEIGHTS, X, TARGETS, image_shape=(8, 12)
    )
    enlarged = attribution.resize(jnp.maximum(expected, 0), (8, 12))
    np.testing.assert_allclose(found, enlarged, rtol=1e-5, atol=1e-6)


def test_guided_it_is_the_product(small):
    network, params, x, targets = small
    front, back = attribution.split(network, "second")
    found = attribution.guided_grad_cam(front, back, params, x, targets)
    assert found.shape == x.shape
    guided = attribution.guided_backpropagation(
        attribution.output(network), params, x, targets
    )
    maps = attribution.grad_cam(front, back, params, x, targets)
    np.testing.assert_allclose(found, guided * maps[..., None], rtol=1e-4, atol=1e-7)


def test_a_layer_without_positions_is_refused():
    with pytest.raises(ValueError, match=r"r of front must have shape \[num, height"):
        attribution.grad_cam(
            lambda p, x: jnp.mean(x, axis=(1, 2)), lambda p, r: r @ p, WEIGHTS, X, 0
        )
