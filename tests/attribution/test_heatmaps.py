"""Maps keep their bits when they are enlarged, and blurs are SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from ibjax.attribution import heatmap, resize
from ibjax.attribution.heatmaps import smooth

CAPACITY = np.random.default_rng(0).exponential(size=(2, 5, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("image_shape", [(10, 8), (13, 11), (5, 4), (3, 2)])
def test_the_sum_is_the_information_in_the_layer(image_shape):
    maps = heatmap(CAPACITY, image_shape)
    assert maps.shape == (2, *image_shape)
    bits = CAPACITY.astype(np.float64).sum(axis=(1, 2, 3)) / np.log(2)
    found = np.asarray(maps, np.float64).sum(axis=(1, 2))
    np.testing.assert_allclose(found, bits, rtol=1e-6)
    constant = heatmap(np.full((1, 5, 4, 2), np.log(2), np.float32), image_shape)
    np.testing.assert_allclose(constant, 40 / np.prod(image_shape), rtol=1e-6)


def test_a_map_without_information_is_zero():
    np.testing.assert_array_equal(heatmap(jnp.zeros((1, 2, 2, 1)), (4, 4)), 0)


def test_the_blur_is_that_of_scipy():
    maps = np.random.default_rng(1).normal(size=(2, 7, 6, 3)).astype(np.float32)
    # SciPy's "mirror" is the reflection about the last pixel's centre.
    expected = ndimage.gaussian_filter(maps, (0, 1, 1, 0), mode="mirror", truncate=2.0)
    found = jax.jit(smooth, static_argnums=1)(maps, 1.0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(smooth(maps, 0.0), maps)
    ones = smooth(jnp.ones((1, 1, 2, 1)), 1.0)  # Smaller than the kernel.
    np.testing.assert_allclose(ones, 1, rtol=1e-6)


def test_bad_calls_are_named():
    with pytest.raises(ValueError, match=r"\[num, height, width, channels\], got"):
        heatmap(np.ones((2, 3)), (4, 4))
    with pytest.raises(ValueError, match="image_shape must be 2 positive whole"):
        resize(np.ones((1, 2, 2)), (4,))
