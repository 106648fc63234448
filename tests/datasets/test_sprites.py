"""Sprites: areas, positions and turns by geometry, and factors that can be told."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.datasets import sprite_images, sprites
from ibjax.datasets.sprites import SHAPES

# Of a triangle, a half disc, and two bars that overlap; in squares of the radius.
AREAS = (0.5 * 1.6 * 1.6, 0.5 * np.pi * 0.9**2, 0.5 * 1.6 + 1.2 * 0.5 - 0.5 * 0.5)
WHOLE = sprites()


def _one(shape, scale=0, orientation=0, x=0, y=0, *, num_values, size):
    factors = jnp.array([[shape, scale, orientation, x, y]])
    found = sprite_images(factors, num_values=num_values, size=size)
    return np.asarray(found[0], np.float64)


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_shapes_have_their_areas(shape):
    # Of 64 pixels an edge is thin; its corners are drawn a little too large.
    for scale, radius in ((0, 0.14), (2, 0.25)):
        image = _one(shape, scale, num_values=(3, 3, 8, 1, 1), size=64)
        expected = AREAS[shape] * (64 * radius) ** 2
        np.testing.assert_allclose(image.sum(), expected, rtol=0.03)


@pytest.mark.parametrize("shape", range(3), ids=SHAPES)
def test_quarter_turns_turn_the_image(shape):
    numbers = {"num_values": (3, 1, 8, 1, 1), "size": 16}
    upright = _one(shape, **numbers)
    for quarter in range(1, 4):
        turned = _one(shape, orientation=2 * quarter, **numbers)
        # Down is positive: from right to down, the way the hands of a clock turn.
        np.testing.assert_allclose(turned, np.rot90(upright, -quarter), atol=1e-5)
        assert np.linalg.norm(turned - upright) > 0.5


def test_centres_are_where_they_should_be():
    numbers = {"num_values": (3, 1, 4, 3, 5), "size": 16}
    images = {(x, y): _one(0, x=x, y=y, **numbers) for x in range(3) for y in range(5)}
    # From 4 to 12 pixels: steps of four across, and of two down, are whole pixels.
    for (x, y), image in images.items():
        expected = np.roll(images[1, 2], (2 * (y - 2), 4 * (x - 1)), axis=(0, 1))
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_no_two_combinations_are_one_image():
    assert WHOLE.task.x.shape == (3 * 3 * 8 * 8 * 8, 256)
    assert WHOLE.task.kind == "nothing"
    # What is at other places is another image.
    x = np.asarray(sprites(num_values=(3, 3, 8, 1, 1)).task.x, np.float64)
    assert x.min() == 0 and x.max() == 1
    squares = (x**2).sum(1)
    apart = squares[:, None] + squares[None] - 2 * x @ x.T
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 0.4


def test_all_combinations_are_there_once():
    factors = np.asarray(WHOLE.factors)
    assert len(np.unique(factors, axis=0)) == len(factors)
    np.testing.assert_array_equal(factors.max(0) + 1, WHOLE.num_values)
    np.testing.assert_array_equal(factors[1] - factors[0], [0, 0, 0, 0, 1])


def test_a_sample_is_of_those_images_and_is_the_keys():
    found = sprites(jax.random.key(1), 2000)
    again = sprites(jax.random.key(1), 2000)
    np.testing.assert_array_equal(found.task.x, again.task.x)
    places = np.ravel_multi_index(np.asarray(found.factors).T, WHOLE.num_values)
    np.testing.assert_allclose(found.task.x, WHOLE.task.x[places], atol=1e-6)
    for column, number in zip(
        np.asarray(found.factors).T, found.num_values, strict=True
    ):
        counts = np.bincount(column, minlength=number)
        expected = 2000 / number
        error = np.sqrt(expected * (1 - 1 / number))
        assert (abs(counts - expected) < 4 * error).all()


@pytest.mark.parametrize(
    "arguments, options, message",
    [
        ((), {"num_values": (4, 1, 1, 1, 1)}, "num_values must have 3 shapes at most"),
        ((), {"num_values": (3, 1, 1, 1)}, "num_values must be 5 positive whole"),
        ((), {"size": 7}, "size must be a whole number, at least 8"),
        ((None, 10), {}, "key and num_samples must be given together"),
        ((jax.random.key(0),), {}, "key and num_samples must be given together"),
        ((jax.random.key(0), 0), {}, "num_samples must be a whole number"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        sprites(*arguments, **options)


def test_factors_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"factors\[:, 2\], orientation, must lie in"):
        sprite_images(jnp.array([[0, 0, 8, 0, 0]]))
    with pytest.raises(TypeError, match="factors must be integers"):
        sprite_images(jnp.zeros((1, 5)))
    with pytest.raises(ValueError, match="factors must have shape"):
        sprite_images(jnp.zeros((1, 4), int))
