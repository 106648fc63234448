"""Cluttered digits: every pixel is of the digit, of a fragment, or zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import datasets
from ibjax.datasets.cluttered import cluttered, cluttered_task, shrunk

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
# No two images share a pixel's value: what a pixel is of can be told.
IMAGES = RNG.permutation(np.arange(1, 40 * 36 + 1)).reshape(40, 6, 6) / 1441
LABELS = np.arange(40) % 7
SIZE, PIECE = 15, 3


@pytest.fixture(scope="module")
def found():
    scene = cluttered(
        KEY, IMAGES, LABELS, size=SIZE, num_distractors=(1, 4), fragment_size=PIECE
    )
    return jax.tree.map(np.asarray, scene)


def test_pixels_are_where_the_record_says(found):
    sources = {
        round(value * 1441): number
        for number, image in enumerate(IMAGES)
        for value in image.ravel()
    }
    for number in range(40):
        expected = np.zeros((SIZE, SIZE))
        top, left = found.corners[number]
        square = np.zeros((SIZE, SIZE), bool)
        square[top : top + 6, left : left + 6] = True
        np.testing.assert_array_equal(found.digit[number], square)
        expected[top : top + 6, left : left + 6] = IMAGES[number]
        pieces = np.zeros((SIZE, SIZE), bool)
        for place, label in zip(
            found.fragment_corners[number], found.fragment_labels[number], strict=True
        ):
            if label < 0:
                continue
            rows, columns = (slice(at, at + PIECE) for at in place)
            pieces[rows, columns] = True
        np.testing.assert_array_equal(found.clutter[number], pieces & ~square)
        image = found.images[number]
        assert (image[~square & ~pieces] == 0).all()
        # Nothing is darker than the digit, and what it covers is the digit alone.
        assert (image >= expected - 1e-6).all()
        alone = square & ~pieces
        np.testing.assert_allclose(image[alone], expected[alone], rtol=1e-6)
        # Fragments are of other images of the classes they are said to be.
        origins = {sources[round(v * 1441)] for v in image[pieces & ~square]}
        assert number not in origins
        assert {LABELS[n] for n in origins} <= set(found.fragment_labels[number])


def test_places_and_numbers_are_all_there(found):
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(
        (found.fragment_labels >= 0).sum(1), found.num_fragments
    )
    assert set(found.num_fragments) == {1, 2, 3, 4}
    assert found.corners.min() == 0 and found.corners.max() == SIZE - 6
    assert found.fragment_corners.min() == 0
    assert found.fragment_corners.max() == SIZE - PIECE


def test_the_key_decides(found):
    options = {"size": SIZE, "num_distractors": (1, 4), "fragment_size": PIECE}
    same = cluttered(KEY, IMAGES, LABELS, **options)
    other = cluttered(jax.random.key(1), IMAGES, LABELS, **options)
    np.testing.assert_array_equal(same.images, found.images)
    assert (np.asarray(other.corners) != found.corners).any()


def test_measured_images_have_fragments_of_measured_ones():
    # Trained and measured digits differ in brightness, so does all that is cut of them.
    x = np.concatenate([np.full((16, 36), 0.25), np.ones((16, 36))])
    task = datasets.make_task(x, LABELS[:32], num_measured=16, num_classes=7)
    new, scene = cluttered_task(KEY, task, size=SIZE, digit_size=3)
    assert new.x.shape == (32, SIZE**2) and new.num_measured == 16
    assert set(np.unique(new.x[:16])) == {0, 0.25}
    assert set(np.unique(new.x[16:])) == {0, 1}
    np.testing.assert_array_equal(new.x, scene.images.reshape(32, -1))
    np.testing.assert_array_equal(new.labels, task.labels)
    np.testing.assert_array_equal(scene.digit.sum((1, 2)), 9)
    # As many images and the same options: the program is compiled already.
    all_of_it = datasets.make_task(IMAGES.reshape(40, 36), LABELS, num_classes=7)
    options = {"size": SIZE, "num_distractors": (1, 4), "fragment_size": PIECE}
    whole, _ = cluttered_task(KEY, all_of_it, **options)
    assert whole.num_measured is None and whole.x.shape == (40, SIZE**2)


def test_blocks_are_averaged():
    image = jnp.arange(16.0).reshape(1, 4, 4)
    np.testing.assert_array_equal(shrunk(image, 2)[0], [[2.5, 4.5], [10.5, 12.5]])
    np.testing.assert_array_equal(shrunk(image, 4), image)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: shrunk(IMAGES, 4.0), "side must be a whole number"),
        (lambda: shrunk(jnp.ones((2, 7, 7)), 4), "sides that are a multiple of 2"),
        (lambda: cluttered(KEY, jnp.ones((3, 4, 5)), LABELS[:3]), "must be square"),
        (lambda: cluttered(KEY, IMAGES, LABELS[:3]), "labels must have shape"),
        (lambda: cluttered(KEY, IMAGES, LABELS, size=5), "size must be a whole number"),
        (
            lambda: cluttered(KEY, IMAGES, LABELS, num_distractors=(3, 2)),
            "num_distractors, the most,",
        ),
        (
            lambda: cluttered(KEY, IMAGES, LABELS, num_distractors="abc"),
            "num_distractors must be a number, or the fewest and the most, got 'abc'",
        ),
        (
            lambda: cluttered(KEY, IMAGES, LABELS, fragment_size=7),
            "fragment_size must lie in",
        ),
        (
            lambda: cluttered_task(KEY, datasets.make_task(jnp.ones((4, 4)))),
            "task must have classes",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
