"""The stochastic convolutional network: XLA's convolutions, moments of its noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ibjax import training
from ibjax.compilation import exact_jit
from ibjax.datasets import make_task
from ibjax.networks.convolutional import in_parts
from ibjax.networks.stochastic_convolutional import stochastic_convolutional
from tests.networks.compiled import compiled

RNG = np.random.default_rng(0)
# Convolutions and poolings leave 8 x 10, 4 x 5, 3 x 4 and 1 x 2: a row is left out.
IMAGE_SHAPE, SIZES = (9, 11), {"channels": (2, 3), "hidden": (4,), "num_classes": 3}
PIXELS = {"pixel_mean": 0.3, "pixel_std": 0.5}


def _network(**options):
    options = {"kernel_size": 2} | SIZES | PIXELS | options
    return compiled(stochastic_convolutional(IMAGE_SHAPE, **options))


@pytest.fixture(scope="module")
def network():
    return _network()


@pytest.fixture(scope="module")
def params(network):
    return network.init(jax.random.key(0))


@pytest.fixture(scope="module")
def x():
    return jnp.asarray(RNG.uniform(size=(6, 99)), jnp.float32)


@exact_jit
def _reference(params, x):
    """The network without noise by XLA's convolutions and windows, layers not flat."""
    t = ((x - 0.3) / 0.5).reshape(-1, *IMAGE_SHAPE, 1)
    layers, window = [], (1, 2, 2, 1)
    for w, b in params[:2]:
        t = lax.conv_general_dilated(
            t, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        t = t + b[None, None, None]
        t = jnp.where(t > 0, t, 0.01 * t)
        t = lax.reduce_window(t, -jnp.inf, lax.max, window, window, "VALID")
        layers.append(t)
    t = t.reshape(len(x), -1) @ params[2][0] + params[2][1][None]
    hidden = jnp.where(t > 0, t, 0.01 * t)
    return (*layers, hidden, hidden @ params[3][0] + params[3][1][None])


def test_the_published_shapes():
    found = stochastic_convolutional((28, 28))
    assert tuple(layer.shape for layer in found.layers) == (
        (13, 13, 8),
        (5, 5, 16),
        (1, 1, 32),
        (32,),
        (10,),
    )
    assert found.noise_std == 4 * (1e-3,)
    assert "multiplicative noise 0.001, dropout 0.1" in found.description
    params = jax.eval_shape(found.init, jax.random.key(0))
    sizes = [w.size + b.size for w, b in params]
    assert sizes == [80, 1168, 4640, 1056, 330]
    assert len(found.layer_names) == 5


def test_activities_are_those_of_convolutions(network, params, x):
    found = network.activations(params, x)
    expected = _reference(params, x)
    assert [t.shape[1:] for t in expected] == [layer.shape for layer in network.layers]
    for t, truth in zip(found, expected, strict=True):
        # Sums of at most 12 terms of order one, in another order.
        np.testing.assert_allclose(t, truth.reshape(6, -1), rtol=1e-5, atol=1e-5)


def test_weights_and_biases_are_uniform_by_the_number_of_inputs():
    network = compiled(stochastic_convolutional((28, 28)))
    for w, b in network.init(jax.random.key(0)):
        limit = np.prod(w.shape[:-1]) ** -0.5
        assert np.max(np.abs(w)) < limit and np.max(np.abs(b)) < limit
        # The variance of uniform numbers is limit² / 3; of n squares of them within
        # three deviations, sqrt(4 / 5 n).
        tolerance = 3 * (0.8 / w.size) ** 0.5
        np.testing.assert_allclose(np.mean(w**2) / (limit**2 / 3), 1, atol=tolerance)


@pytest.mark.parametrize("noise", ["additive", "multiplicative"])
def test_the_noise_has_the_moments_of_its_name(noise, params):
    """Of the first layer, linear where leak is 1 and windows have one pixel."""
    std, num_draws = 0.05, 4000
    network = _network(noise=noise, noise_std=std, leak=1.0, pool_size=1, kernel_size=1)
    (w, b), *_ = params = network.init(jax.random.key(3))
    one = jnp.asarray(RNG.uniform(size=(1, 99)), jnp.float32)
    draws = network.activations(
        params, jnp.repeat(one, num_draws, axis=0), key=jax.random.key(1)
    )[0]
    t = (np.asarray(one[0]) - 0.3) / 0.5
    scale = std * np.abs(t) if noise == "multiplicative" else std * np.ones_like(t)
    mean = t[:, None] * np.asarray(w[0, 0, 0])[None] + np.asarray(b)[None]
    deviation = scale[:, None] * np.abs(np.asarray(w[0, 0, 0]))[None]
    draws = np.asarray(draws).reshape(num_draws, 99, 2)
    # 198 means and deviations, each within five of its own deviations.
    error = np.abs(draws.mean(axis=0) - mean)
    assert np.all(error <= 5 * deviation / num_draws**0.5 + 1e-6)
    ratio = draws.std(axis=0) / np.maximum(deviation, 1e-7)
    assert np.max(np.abs(ratio - 1)) < 5 / (2 * num_draws) ** 0.5


def test_a_zero_has_noise_only_if_it_is_additive(params):
    at_mean = jnp.full((5, 99), 0.3)  # Standardised, all pixels are zero.
    for noise, varies in (("additive", True), ("multiplicative", False)):
        network = _network(noise=noise, noise_std=0.5)
        first, *_ = network.activations(params, at_mean, key=jax.random.key(0))
        assert bool(np.ptp(first, axis=0).max() > 0) is varies


def test_every_layer_gets_noise_of_its_own(network, params, x):
    """With the noise the layers differ from those without, by about its size."""
    with_noise = network.activations(params, x, key=jax.random.key(0))
    without = network.activations(params, x)
    for one, other in zip(with_noise, without, strict=True):
        distance = np.sqrt(np.mean((one - other) ** 2))
        assert 0 < distance < 10 * network.layers[0].noise_std


def test_dropout_keeps_the_mean_and_is_of_training_alone(params):
    """Of one pixel at 1 after standardising, an affine first layer's mean stays."""
    network = _network(
        dropout=0.25, noise_std=1e-9, leak=1.0, pool_size=1, kernel_size=1
    )
    (w, b), *_ = params = network.init(jax.random.key(3))
    num_draws = 4000
    ones = jnp.full((num_draws, 99), 0.8)
    key = jax.random.key(0)
    trained, *_ = network.activations(params, ones, key=key, training=True)
    used, *_ = network.activations(params, ones, key=key)
    inputs = (np.asarray(trained).reshape(-1, 2)[:, 0] - b[0]) / w[0, 0, 0, 0]
    dropped = np.abs(inputs) < 0.5
    # 396,000 draws of probability 1/4: within five deviations.
    assert abs(np.mean(dropped) - 0.25) < 5 * (0.25 * 0.75 / inputs.size) ** 0.5
    np.testing.assert_allclose(inputs[~dropped], 4 / 3, rtol=1e-3)
    assert np.ptp(used, axis=0).max() < 1e-5


def test_many_images_pass_in_parts_with_draws_of_their_own(network, params):
    x = jnp.asarray(RNG.uniform(size=(130, 99)), jnp.float32)
    whole = network.activations(params, x)
    for t, part in zip(whole, network.activations(params, x[128:]), strict=True):
        np.testing.assert_allclose(t[128:], part, rtol=1e-5, atol=1e-6)
    same = network.activations(
        params, jnp.repeat(x[:1], 257, axis=0), key=jax.random.key(0)
    )
    assert len(np.unique(np.asarray(same[0]), axis=0)) == 257
    (numbers,) = in_parts(lambda number, part: (part * 0 + number,), x)
    assert numbers[:, 0].tolist() == [0] * 128 + [1] * 2


def test_vmap_over_networks_equals_a_loop(network, x):
    keys = jax.random.split(jax.random.key(5), 2)
    params = jax.jit(jax.vmap(network.init))(keys)
    together = jax.jit(jax.vmap(lambda k, p: network.activations(p, x, key=k)))(
        keys, params
    )
    for n in range(2):
        own = jax.tree.map(lambda leaf, n=n: leaf[n], params)
        alone = network.activations(own, x, key=keys[n])
        for t, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(t[n], other, rtol=1e-5, atol=1e-6)


def test_it_learns_which_half_is_bright():
    """Loss of two classes falls from log 2 to a third; dropout and noise are on."""
    x = RNG.uniform(size=(128, 99)).astype(np.float32)
    labels = (x[:, :49].mean(axis=1) > x[:, 50:].mean(axis=1)).astype(int)
    x[np.arange(128) * (labels == 1), :49] += 0.5
    task = make_task(x, (np.arange(128) * (labels == 1) > 0).astype(int))
    network = _network(num_classes=2, noise="additive")
    config = training.TrainConfig(learning_rate=0.02, batch_size=32, train_fraction=1.0)
    params = training.train(jax.random.key(0), task, network, config, num_epochs=30)
    logits = network.activations(params, task.x)[-1]
    loss = training.mean_loss(logits, task.p_y_given_x, jnp.ones(128))
    assert loss < np.log(2) / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "relative"}, "noise must be one of additive, multiplicative, got"),
        ({"noise_std": 0.0}, "noise_std must be one positive number, got 0.0"),
        ({"pixel_std": -1.0}, "pixel_std must be one positive number, got -1.0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
        ({"leak": 1.5}, r"leak must lie in \[0, 1\], got 1.5"),
        ({"channels": ()}, "channels must be 1 or more positive whole"),
        ({"kernel_size": 6}, "after 2 of 2 convolutions of 6 pixels .* there is none"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        _network(**options)
