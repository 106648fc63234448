"""Deficits of images against loops over pixels, and Pillow."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from ibjax.datasets import deficits

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(2, 8, 12)).astype(np.float32)
ROUNDING = 8 * np.finfo(np.float32).eps


def _resized(row, size):
    """A row of pixels at another size, weighted by triangles, pixel by pixel."""
    step = len(row) / size
    width = max(step, 1.0)
    result = []
    for place in range(size):
        centre = (place + 0.5) * step
        triangle = [
            max(0.0, 1 - abs(number + 0.5 - centre) / width)
            for number in range(len(row))
        ]
        result.append(np.dot(triangle, row) / sum(triangle))
    return np.array(result)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_blur_is_that_of_a_loop_over_pixels(factor):
    expected = []
    for image in IMAGES.astype(np.float64):
        for axis, side in ((0, 8), (1, 12)):
            small = np.apply_along_axis(_resized, axis, image, side // factor)
            image = np.apply_along_axis(_resized, axis, small, side)
        expected.append(image)
    found = deficits.blurred(IMAGES, factor=factor)
    np.testing.assert_allclose(found, expected, atol=ROUNDING)


def test_blur_is_that_of_pillow_with_channels():
    images = RNG.uniform(size=(1, 32, 32, 3)).astype(np.float32)
    found = deficits.blurred(images)
    for channel in range(3):
        image = Image.fromarray(images[0, ..., channel])
        for side in (8, 32):
            image = image.resize((side, side), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found[0, ..., channel], image, atol=2 * ROUNDING)


def test_flips_turn_rows_over_and_twice_nothing():
    found = np.asarray(deficits.flipped(IMAGES))
    for n, i, j in itertools.product(range(2), range(8), range(12)):
        assert found[n, i, j] == IMAGES[n, 7 - i, j]
    np.testing.assert_array_equal(deficits.flipped(found), IMAGES)


def test_noise_holds_nothing_of_the_images():
    key = jax.random.key(1)
    images = jnp.zeros((100, 6, 6, 3))
    mean, std = np.array([0.0, 1.0, 2.0]), np.array([0.1, 1.0, 0.5])
    noise = deficits.noise_images(key, images, mean=mean, std=std)
    np.testing.assert_array_equal(
        noise, deficits.noise_images(key, images + 1, mean=mean, std=std)
    )
    channels = np.asarray(noise).reshape(-1, 3)
    # Five standard errors of a mean, and of a standard deviation, of 3,600 numbers.
    error = 5 * std / np.sqrt(len(channels))
    np.testing.assert_array_less(abs(channels.mean(axis=0) - mean), error)
    np.testing.assert_array_less(abs(channels.std(axis=0) - std), error / np.sqrt(2))
    correlation = np.corrcoef(np.asarray(noise).reshape(100, -1).T)
    assert abs(correlation[np.triu_indices(108, 1)]).max() < 6 / np.sqrt(100)


def test_permuted_targets_are_renamed_class_by_class():
    targets = RNG.dirichlet(np.ones(4), 5).astype(np.float32)
    permutation = np.array([2, 0, 3, 1])
    found = deficits.permuted_targets(targets, permutation)
    for row, label in itertools.product(range(5), range(4)):
        assert found[row, permutation[label]] == targets[row, label]
    one_hot = np.eye(4)[[3, 0]]
    labels = np.argmax(deficits.permuted_targets(one_hot, permutation), axis=1)
    assert labels.tolist() == [1, 2]


def test_deficits_are_compiled_and_mapped():
    each = jax.jit(jax.vmap(lambda x: deficits.blurred(x[None])[0]))(IMAGES)
    np.testing.assert_allclose(each, deficits.blurred(IMAGES), atol=ROUNDING)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: deficits.blurred(IMAGES[0]), r"images must have shape \[num_images, "),
        (lambda: deficits.blurred(IMAGES, factor=9), r"factor must lie in \[1, 8\]"),
        (lambda: deficits.flipped(IMAGES[0]), r"images must have shape \[num_images, "),
        (
            lambda: deficits.noise_images(jax.random.key(0), IMAGES, std=np.ones(3)),
            r"std must have shape \[\] or \[12\] to match the channels",
        ),
        (
            lambda: deficits.permuted_targets(np.eye(3), [0, 1, 1]),
            r"permutation must name each class once, got \[0, 1, 1\]",
        ),
        (
            lambda: deficits.permuted_targets(np.eye(3), [0, 1]),
            r"permutation must have shape \[3\] to match targets",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
