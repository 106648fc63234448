"""Tasks of digits: other images, rotated ones, other labels."""

import sys
from typing import Any, Literal, get_args

import numpy as np
from scipy import ndimage

from ibjax.datasets.images import Images, image_side, image_task
from ibjax.datasets.task import Task
from ibjax.experiments.corruption.setup import small_images

__all__ = ["LABELLINGS", "Labelling", "digit_pairs", "labelled", "loaded", "rotated"]

Labelling = Literal[
    "digits", "other digits", "half", "0 to 4", "parity", "permuted", "random"
]
LABELLINGS: tuple[Labelling, ...] = get_args(Labelling)
"""Tasks of upright digits by name."""


def loaded(images: Images, side: int) -> Task:
    """Images, small; scikit-learn's digits where MNIST is missing."""
    try:
        task = image_task(images)
    except FileNotFoundError as error:
        print(
            f"{error}\nNetworks learn scikit-learn's digits of 8 by 8 pixels in place "
            "of MNIST.",
            file=sys.stderr,
        )
        task = image_task("digits")
    return small_images(task, side=side)


def rotated(x: np.ndarray, degrees: float, side: int) -> np.ndarray:
    """Images turned to the left, ``[num_samples, side**2]``, filled up by the corner.

    Example:
      >>> print(rotated(np.array([[1.0, 2.0, 3.0, 4.0]]), 90, 2))
      [[2. 4. 1. 3.]]
    """
    images = x.reshape(-1, side, side)
    turned = ndimage.rotate(
        images, degrees, axes=(1, 2), reshape=False, order=1, mode="nearest"
    )
    return turned.reshape(len(x), -1)


def labelled(
    rng: np.random.Generator, name: str, task: Task, num_samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a task by name, of :data:`LABELLINGS` or as ``90°``.

    All tasks are of the same images but ``other digits``; of these ``half`` has one
    half, each twice, and ``0 to 4`` those of five classes, over and over.

    Args:
      rng: Draws random labels.
      name: Name of the task.
      task: Images to train on, then others.
      num_samples: Number of images.

    Returns:
      Images and classes.

    Raises:
      ValueError: If there are not twice as many images.

    Example:
      >>> from ibjax.experiments.tasks.images import loaded
      >>> rng, task = np.random.default_rng(0), loaded("digits", 8)
      >>> labelled(rng, "parity", task, 6)[1].tolist()
      [0, 1, 0, 1, 0, 1]
    """
    if 2 * num_samples > task.num_samples:
        raise ValueError(
            f"samples must be at most half of {task.num_samples} images, got "
            f"{num_samples}"
        )
    rows = np.arange(num_samples)
    if name == "other digits":
        rows += num_samples
    elif name == "half":
        rows //= 2
    elif name == "0 to 4":
        of_five = np.flatnonzero(np.asarray(task.labels)[:num_samples] < 5)
        rows = np.resize(of_five, num_samples)
    x, labels = np.asarray(task.x)[rows], np.asarray(task.labels)[rows]
    if name.endswith("°"):
        return rotated(x, float(name[:-1]), image_side(task)), labels
    if name == "parity":
        labels = labels % 2
    elif name == "permuted":
        labels = (labels + 1) % 10
    elif name == "random":
        labels = rng.integers(0, 10, num_samples)
    return x, labels


def digit_pairs(digits: Any) -> dict[str, tuple[int, int]]:
    """Pairs of digits by name.

    Example:
      >>> list(digit_pairs((0, 1, 4)))
      ['0 or 1', '0 or 4', '1 or 4']
    """
    pairs = [(a, b) for a in digits for b in digits if a < b]
    return {f"{a} or {b}": (a, b) for a, b in pairs}
