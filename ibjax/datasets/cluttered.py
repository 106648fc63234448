"""Digits at random places among fragments of others: where the task's information is.

What is not the digit is a nuisance: the fragments' number, places and classes are known
and independent of the digit, so that what a representation keeps of them can be
measured, and so can where in the image it keeps what it keeps.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.datasets.images import image_side
from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["Cluttered", "cluttered", "cluttered_task", "shrunk"]

# Images put together at once.
_IMAGES_AT_ONCE = 512


class Cluttered(NamedTuple):
    """Images of a digit among fragments, and what is where.

    Attributes:
      images: Shape ``[num_images, size, size]``, the brighter of digit and fragments.
      labels: Class of the digit, ``[num_images]``, int32.
      corners: Row and column of its upper left corner, ``[num_images, 2]``, int32.
      digit: Whether a pixel is of the digit's square, ``[num_images, size, size]``.
      clutter: Whether it is of a fragment's square and not of the digit's, likewise.
      num_fragments: Number of fragments, ``[num_images]``, int32: a nuisance.
      fragment_labels: Class of the digit that each fragment is cut from, -1 for none,
        ``[num_images, most]``, int32: another one.
      fragment_corners: Row and column of each fragment, ``[num_images, most, 2]``.
    """

    images: jax.Array
    labels: jax.Array
    corners: jax.Array
    digit: jax.Array
    clutter: jax.Array
    num_fragments: jax.Array
    fragment_labels: jax.Array
    fragment_corners: jax.Array


def shrunk(images: ArrayLike, side: int) -> jax.Array:
    """Square images of at most so many pixels a side, means of equal blocks of pixels.

    Args:
      images: Shape ``[num_images, height, height]``.
      side: Most pixels of a side; the blocks are the smallest that reach it.

    Returns:
      The images, of floats.

    Raises:
      ValueError: If the images are not square, or their sides no multiple of a block's.

    Example:
      >>> shrunk(jnp.ones((2, 28, 28)), 14).shape
      (2, 14, 14)
    """
    images = _square("images", images)
    checks.count("side", side)
    before = images.shape[1]
    block = -(-before // side)
    if before % block:
        raise ValueError(
            f"images must have sides that are a multiple of {block} for {side} pixels "
            f"at most, got {before}"
        )
    blocks = images.reshape(-1, before // block, block, before // block, block)
    return jnp.mean(blocks, axis=(2, 4))


def cluttered(
    key: jax.Array,
    images: ArrayLike,
    labels: ArrayLike,
    *,
    size: int = 28,
    num_distractors: int | tuple[int, int] = 8,
    fragment_size: int | None = None,
) -> Cluttered:
    """Each image at a random place among fragments of other images.

    Places are uniform, also those that fragments are cut from. Fragments may overlap
    the digit and each other; the brighter pixel is seen.

    Args:
      key: Draws all places, and which images the fragments are of.
      images: Square images with a background of zero and no negative pixel,
        ``[num_images, side, side]``, at least two.
      labels: Class of each, ``[num_images]``.
      size: Pixels of a side of the new images.
      num_distractors: Number of fragments, or the fewest and the most of a number that
        is uniform.
      fragment_size: Pixels of a side of a fragment; half the side by default.

    Returns:
      The images, where all is in them, and what the fragments are.

    Raises:
      ValueError: If shapes do not fit, or a number is out of range.
      TypeError: If ``key`` is no key, or labels are no integers.

    References:
      Mnih, Heess, Graves and Kavukcuoglu, `Recurrent models of visual attention`,
      NeurIPS 2014. Achille and Soatto, `Information dropout`, PAMI 2018.

    Example:
      >>> digits = jnp.ones((5, 8, 8))
      >>> found = cluttered(
      ...     jax.random.key(0), digits, jnp.arange(5), size=20, num_distractors=(1, 3)
      ... )
      >>> print(found.images.shape, found.digit[0].sum(), found.fragment_labels.shape)
      (5, 20, 20) 64 (5, 3)
    """
    checks.key("key", key)
    images = _square("images", images)
    num_images, side = images.shape[:2]
    checks.count("the number of images", num_images, 2)
    labels = checks.integers("labels", labels)
    checks.shape("labels", labels, (num_images,), why="to match images")
    checks.count("size", size, side)
    fewest, most = _range("num_distractors", num_distractors)
    fragment_size = max(1, side // 2) if fragment_size is None else fragment_size
    checks.in_range("fragment_size", fragment_size, f"[1, {side}]")
    checks.count("fragment_size", fragment_size)
    return _cluttered(
        key,
        images,
        jnp.asarray(labels, jnp.int32),
        size=size,
        fewest=fewest,
        most=most,
        fragment_size=fragment_size,
    )


@partial(jax.jit, static_argnames=("size", "fewest", "most", "fragment_size"))
def _cluttered(key, images, labels, *, size, fewest, most, fragment_size):
    num_images, side = images.shape[:2]
    keys = jax.random.split(key, 5)

    def below(key, bound, *shape):
        return jax.random.randint(key, (num_images, *shape), 0, bound)

    corners = below(keys[0], size - side + 1, 2)
    number = fewest + below(keys[1], most - fewest + 1)
    # Never the image itself.
    steps = 1 + below(keys[2], num_images - 1, most)
    sources = (jnp.arange(num_images)[:, None] + steps) % num_images
    cuts = below(keys[3], side - fragment_size + 1, most, 2)
    places = below(keys[4], size - fragment_size + 1, most, 2)
    present = jnp.arange(most)[None] < number[:, None]
    square = fragment_size, fragment_size

    def at(corner, patch):
        canvas = jnp.zeros((size, size), patch.dtype)
        return lax.dynamic_update_slice(canvas, patch, (corner[0], corner[1]))

    def one(row):
        image, corner, *fragments = row

        def add(found, fragment):
            canvas, clutter = found
            source, cut, place, here = fragment
            start = source, cut[0], cut[1]
            piece = lax.dynamic_slice(images, start, (1, *square))[0]
            canvas = jnp.maximum(canvas, jnp.where(here, at(place, piece), 0))
            return (canvas, clutter | (here & at(place, jnp.ones(square, bool)))), None

        canvas, digit = at(corner, image), at(corner, jnp.ones(image.shape, bool))
        (canvas, clutter), _ = lax.scan(
            add, (canvas, jnp.zeros_like(digit)), tuple(fragments)
        )
        return canvas, digit, clutter & ~digit

    rows = images, corners, sources, cuts, places, present
    canvases, digit, clutter = lax.map(one, rows, batch_size=_IMAGES_AT_ONCE)
    return Cluttered(
        canvases,
        labels,
        corners,
        digit,
        clutter,
        number,
        jnp.where(present, labels[sources], -1),
        places,
    )


def cluttered_task(
    key: jax.Array,
    task: Task,
    *,
    size: int = 28,
    digit_size: int | None = None,
    num_distractors: int | tuple[int, int] = 8,
    fragment_size: int | None = None,
) -> tuple[Task, Cluttered]:
    """A task of square images, each of them among fragments.

    Fragments in images that layers are measured on are of such images, those in others
    of others.

    Args:
      key: See :func:`cluttered`.
      task: Images, flat or not, with classes, whose last ``num_measured`` are measured
        on, as :func:`ibjax.datasets.mnist` and ``images.image_task`` make.
      size: See :func:`cluttered`.
      digit_size: Most pixels of a digit's side; images are shrunk to it, see
        :func:`shrunk`. As they are by default.
      num_distractors: See :func:`cluttered`.
      fragment_size: See :func:`cluttered`.

    Returns:
      The task, with flat images, and what is where in all of its images.

    Raises:
      ValueError: As :func:`cluttered`, or if the task is no such task.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> task, found = cluttered_task(
      ...     jax.random.key(0), image_task("digits"), size=16, num_distractors=4
      ... )
      >>> print(task.x.shape, task.num_measured, found.clutter.shape, task.name)
      (1797, 256) 360 (1797, 16, 16) cluttered digits
    """
    checks.key("key", key)
    checks.instance("task", task, Task)
    if task.kind != "classes" or task.measured_rows is not None:
        raise ValueError(
            "task must have classes and measure on its last images, got targets "
            f"{task.kind}{' and measured_rows' * (task.measured_rows is not None)}"
        )
    side = image_side(task)
    images = task.x.reshape(-1, side, side)
    if digit_size is not None:
        checks.count("digit_size", digit_size)
        images = shrunk(images, digit_size)
    start = task.num_samples - (task.num_measured or 0)
    parts = [slice(0, start), slice(start, None)][
        : 1 if task.num_measured is None else 2
    ]
    found = [
        cluttered(
            jax.random.fold_in(key, number),
            images[part],
            task.labels[part],
            size=size,
            num_distractors=num_distractors,
            fragment_size=fragment_size,
        )
        for number, part in enumerate(parts)
    ]
    whole = jax.tree.map(lambda *arrays: jnp.concatenate(arrays), *found)
    new = make_task(
        whole.images.reshape(task.num_samples, -1),
        whole.labels,
        num_classes=task.num_classes,
        name=f"cluttered {task.name}",
        num_measured=task.num_measured,
    )
    return new, whole


def _square(name: str, value: ArrayLike) -> jax.Array:
    found = checks.jax_array(name, value)
    checks.shape(name, found, ("num_images", "height", "height"))
    if found.shape[1] != found.shape[2]:
        raise ValueError(f"{name} must be square, got shape {found.shape}")
    return found if jnp.issubdtype(found.dtype, jnp.floating) else found.astype(float)


def _range(name: str, values: Any) -> tuple[int, int]:
    is_pair = isinstance(values, list | tuple)
    if is_pair and len(values) != 2 or isinstance(values, str):
        raise ValueError(
            f"{name} must be a number, or the fewest and the most, got {values!r:.80}"
        )
    fewest, most = values if is_pair else (values, values)
    checks.count(f"{name}, the fewest,", fewest, 0)
    checks.count(f"{name}, the most,", most, max(fewest, 1))
    return int(fewest), int(most)
