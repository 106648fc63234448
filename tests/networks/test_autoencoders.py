"""Encoders and decoders: shapes, and patches that are a convolution."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from scipy import signal

from ibjax.compilation import exact_jit
from ibjax.networks import autoencoders


def test_patches_times_a_matrix_are_a_convolution():
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(6, 8)), rng.normal(size=(3, 3))
    patches = autoencoders._patches(jnp.float32(image)[None, :, :, None])
    ours = np.asarray(patches[0]) @ np.float32(kernel).reshape(9)
    expected = signal.correlate2d(image, kernel, mode="same")
    # Nine products of size a few, summed in float32.
    np.testing.assert_allclose(ours, expected, atol=9 * 20 * 2**-24)
    strided = autoencoders._patches(jnp.float32(image)[None, :, :, None], stride=2)
    np.testing.assert_array_equal(strided, patches[:, ::2, ::2])


def test_four_channels_become_two_rows_of_two_pixels():
    x = jnp.arange(2 * 3 * 4.0).reshape(1, 2, 3, 4)
    apart = autoencoders._pixels_apart(x, 1)[0, :, :, 0]
    assert apart.shape == (4, 6)
    np.testing.assert_array_equal(apart[2:, 4:], x[0, 1, 2].reshape(2, 2))


@pytest.mark.parametrize("make", ["dense", "convolutional"])
def test_shapes_and_that_samples_do_not_mix(make):
    shape, dim = (8, 16), 3
    if make == "dense":
        modules = autoencoders.dense_autoencoder(shape, dim, widths=(5,))
    else:
        modules = autoencoders.convolutional_autoencoder(shape, dim, channels=(4, 6))
    x = jnp.float32(np.random.default_rng(0).uniform(size=(4, *shape)))
    encoder_params, decoder_params = autoencoders.initial_params(
        modules, jax.random.key(0), x
    )

    @exact_jit
    def run(x):
        code = modules.encoder.apply(encoder_params, x)
        alone = modules.encoder.apply(encoder_params, x[1:2])
        return code, alone, modules.decoder.apply(decoder_params, code)

    code, alone, image = run(x)
    assert code.shape == (4, dim) and image.shape == x.shape
    # A code depends on its own sample alone: no statistics of the batch.
    np.testing.assert_allclose(alone, code[1:2], rtol=1e-5, atol=1e-6)
    assert not np.allclose(code[0], code[1])
    assert hash(modules) == hash(modules)  # To be static under jit.


def test_initial_weights_have_the_variance_of_their_inputs():
    modules = autoencoders.dense_autoencoder((40, 10), 2, widths=(100,))
    x = jnp.zeros((1, 40, 10))
    encoder, decoder = autoencoders.initial_params(modules, jax.random.key(0), x)
    for params, name, fan_in in ((encoder, "Dense_0", 400), (decoder, "Dense_1", 100)):
        layer = params["params"][name]
        count = layer["kernel"].size
        # The variance of a uniform variable has a relative error of sqrt(0.8 / n).
        variance = float(jnp.var(layer["kernel"])) * fan_in
        assert abs(variance - 1) < 5 * math.sqrt(0.8 / count)
        assert not np.any(layer["bias"])
    # The same names and shapes as those the modules would draw.
    shapes = jax.eval_shape(modules.encoder.init, jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, encoder) == jax.tree.map(jnp.shape, shapes)


def test_other_modules_draw_their_own():
    modules = autoencoders.AutoencoderModules(linen.Dense(2), linen.Dense(3))
    params = jax.eval_shape(
        lambda key: autoencoders.initial_params(modules, key, jnp.zeros((1, 3))),
        jax.random.key(0),
    )
    assert params[0]["params"]["kernel"].shape == (3, 2)
    assert params[1]["params"]["kernel"].shape == (2, 3)


def test_default_channels_leave_a_small_image():
    for size, channels in ((16, (8, 16, 32)), (32, (8, 16, 32, 32)), (4, (8,))):
        modules = autoencoders.convolutional_autoencoder((size, size), 2)
        assert modules.encoder.channels == channels
        assert modules.decoder.channels == channels[::-1]


def test_bad_input():
    with pytest.raises(
        ValueError, match="dim must be a whole number, at least 1, got 0"
    ):
        autoencoders.dense_autoencoder((16, 16), 0)
    with pytest.raises(ValueError, match="widths must be 1 or more positive whole"):
        autoencoders.dense_autoencoder((16, 16), 2, widths=(8, 0))
    with pytest.raises(ValueError, match="shape must be 2 positive whole numbers"):
        autoencoders.convolutional_autoencoder((16,), 2)
    with pytest.raises(ValueError, match="shape must be divisible by 8"):
        autoencoders.convolutional_autoencoder((16, 12), 2, channels=(4, 4, 4))
    with pytest.raises(ValueError, match="channels must be 1 or more positive whole"):
        autoencoders.convolutional_autoencoder((16, 16), 2, channels=(0,))
