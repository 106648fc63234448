"""Convolutional networks: against XLA's own convolutions, shapes, weights, refusals."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ibjax import training
from ibjax.compilation import exact_jit
from ibjax.datasets import make_task
from ibjax.networks.convolutional import convolutional
from tests.networks.compiled import compiled

RNG = np.random.default_rng(0)
# The second convolution leaves 4 x 5 pixels: pooling has to leave some out.
IMAGE_SHAPE, SIZES = (8, 9), {"channels": (2, 3), "hidden": (4,), "num_classes": 3}


@exact_jit
def _reference(params, x):
    """The network by XLA's convolution and windows, layers not flat."""
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = params
    t, layers = x.reshape(-1, *IMAGE_SHAPE, 1), []
    for w, b in ((w1, b1), (w2, b2)):
        t = lax.conv_general_dilated(
            t, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        t = jnp.maximum(t + b[None, None, None], 0)
        layers.append(t)
    window = (1, 2, 2, 1)
    t = lax.reduce_window(t, -jnp.inf, lax.max, window, window, "VALID")
    hidden = jnp.maximum(t.reshape(len(x), -1) @ w3 + b3[None], 0)
    return (*layers, t, hidden, hidden @ w4 + b4[None])


@pytest.fixture(scope="module")
def network():
    return compiled(convolutional(IMAGE_SHAPE, **SIZES))


@pytest.fixture(scope="module")
def params(network):
    params = network.init(jax.random.key(0))
    return tuple((w, jnp.asarray(RNG.normal(size=b.shape), w.dtype)) for w, b in params)


def test_activities_are_those_of_convolutions(network, params):
    x = jnp.asarray(RNG.normal(size=(6, 72)), jnp.float32)
    found = network.activations(params, x)
    expected = _reference(params, x)
    assert [t.shape[1:] for t in expected] == [layer.shape for layer in network.layers]
    for t, truth in zip(found, expected, strict=True):
        # Sums of at most 18 terms of order one, in another order.
        np.testing.assert_allclose(t, truth.reshape(6, -1), rtol=1e-5, atol=1e-5)


def test_gradients_are_those_of_convolutions(network, params):
    x = jnp.asarray(RNG.normal(size=(6, 72)), jnp.float32)

    def loss(activations, params):
        return jnp.sum(jnp.sin(activations(params, x)[-1]))

    found = exact_jit(jax.grad(lambda p: loss(network.activations, p)))(params)
    expected = exact_jit(jax.grad(lambda p: loss(_reference, p)))(params)
    for g, truth in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(g, truth, rtol=1e-4, atol=1e-5)


def test_many_images_pass_in_parts(network, params):
    x = jnp.asarray(RNG.normal(size=(131, 72)), jnp.float32)
    found = network.activations(params, x)
    first = network.activations(params, x[:6])
    last = network.activations(params, x[-6:])
    for t, start, end in zip(found, first, last, strict=True):
        assert t.shape == (131, start.shape[1])
        np.testing.assert_allclose(t[:6], start, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(t[-6:], end, rtol=1e-5, atol=1e-5)


def test_weights_are_glorots(network):
    network = compiled(convolutional((12, 12), channels=(16, 32)))
    params = network.init(jax.random.key(1))
    fans = [9 * 17, 9 * 48, 4 * 4 * 32 + 128, 138]
    for (w, b), fan in zip(params, fans, strict=True):
        limit = math.sqrt(6 / fan)
        assert np.all(np.abs(w) <= limit) and not np.any(b)
        # The variance of a uniform number, by w.size of them: its relative standard
        # error is sqrt(4 / 5 n).
        error = 5 * math.sqrt(0.8 / w.size)
        np.testing.assert_allclose(np.mean(w**2), limit**2 / 3, rtol=error)


def test_a_kernel_for_every_layer(network, params):
    kernels = network.kernels(params)
    assert [w.shape for w in kernels] == [
        (3, 3, 1, 2),
        (3, 3, 2, 3),
        (0, 0),
        (12, 4),
        (4, 3),
    ]
    assert len(network.layer_names) == len(kernels)


def test_it_learns():
    """Bars across and bars along, of which no single pixel tells which."""
    x = np.zeros((48, 6, 6), np.float32)
    for n in range(48):
        if n % 2:
            x[n, RNG.integers(6), :] = 1
        else:
            x[n, :, RNG.integers(6)] = 1
    task = make_task(x.reshape(48, 36), np.arange(48) % 2)
    network = compiled(convolutional((6, 6), channels=(3,), hidden=(4,), num_classes=2))
    config = training.TrainConfig(
        learning_rate=1.0, optimizer="adadelta", batch_size=16, train_fraction=1.0
    )
    params = training.train(jax.random.key(0), task, network, config, num_epochs=60)
    logits = network.activations(params, task.x)[-1]
    assert np.mean(np.argmax(logits, axis=1) == task.labels) == 1.0


@pytest.mark.parametrize(
    "options, message",
    [
        ({"channels": ()}, "channels must be 1 or more positive whole"),
        ({"hidden": (0,)}, "positive"),
        ({"image_shape": (5, 9)}, "leaves nothing to pool"),
        ({"activation": "cube"}, "activation must be one of"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        convolutional(**({"image_shape": IMAGE_SHAPE, **SIZES} | options))
