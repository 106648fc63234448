"""Convolutions with strides against loops and ``lax``, and what is refused."""

import itertools

import jax
import numpy as np
import pytest
from jax import lax

from ibjax import networks

SHAPE = (5, 6, 3)
NETWORK = networks.all_convolutional(SHAPE, (2, 4), (2, 1), 3)
PARAMS = NETWORK.init(jax.random.key(0))
X = np.random.default_rng(0).normal(size=(7, *SHAPE)).astype(np.float32)


def test_a_stride_is_that_of_a_loop_over_pixels():
    (w, b), *_ = jax.tree.map(np.asarray, PARAMS)
    padded = np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = np.zeros((7, 3, 3, 2))
    for i, j, c in itertools.product(range(3), range(3), range(2)):
        patch = padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        expected[:, i, j, c] = np.sum(patch * w[..., c], axis=(1, 2, 3)) + b[c]
    found, *_ = NETWORK.activations(PARAMS, X)
    expected = np.maximum(expected, 0).reshape(7, -1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_layers_are_convolutions_and_a_mean():
    (w, b), (v, c), (u, d) = PARAMS
    t = X
    for kernel, bias, stride in ((w, b, 2), (v, c, 1)):
        t = lax.conv_general_dilated(
            t,
            kernel,
            (stride, stride),
            ((1, 1), (1, 1)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision="highest",
        )
        t = np.maximum(np.asarray(t) + np.asarray(bias), 0)
    logits = t.mean(axis=(1, 2)) @ np.asarray(u) + np.asarray(d)
    flat = X.reshape(7, -1)
    *_, hidden, found = NETWORK.activations(PARAMS, flat)
    np.testing.assert_allclose(hidden, t.reshape(7, -1), atol=1e-5)
    np.testing.assert_allclose(found, logits, atol=1e-5)
    # Layer by layer, as a chain.
    t = flat
    for number in range(3):
        t = NETWORK.layer(PARAMS, number, t)
    np.testing.assert_allclose(t, found, atol=1e-6)
    assert [layer.shape for layer in NETWORK.layers] == [(3, 3, 2), (3, 3, 4), (3,)]
    assert [layer.width for layer in NETWORK.layers] == [18, 36, 3]


def test_weights_are_hes():
    wide = networks.all_convolutional((8, 8), (20, 40), (1, 2), 10)
    for w, b in wide.init(jax.random.key(1)):
        limit = np.sqrt(6 / np.prod(w.shape[:-1]))
        assert np.abs(w).max() <= limit and not np.any(b)
        # Uniform: five standard errors of its variance, a third of the limit squared.
        error = limit**2 * np.sqrt(4 / 45 / w.size)
        assert abs(np.mean(np.square(w)) - limit**2 / 3) < 5 * error
    assert wide.layer_names == ("relu conv 20", "relu conv 40 / 2", "softmax 10")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (((5,), (2,), (1,)), "image_shape must be 2 or more positive"),
        (((5, 5), (2, 3), (1,)), "strides must be 2 positive whole numbers"),
        (((5, 5), (2,), (0,)), "strides must be 1 positive whole numbers"),
        (((5, 5), (), ()), "channels must be 1 or more"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        networks.all_convolutional(*arguments)
    with pytest.raises(ValueError, match="kernel_size must be odd, got 2"):
        networks.all_convolutional((5, 5), (2,), (1,), kernel_size=2)
