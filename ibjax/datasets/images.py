"""Tasks of images: MNIST, or the digits that need no files."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from ibjax import datasets

__all__ = ["Images", "DIGITS_TEST", "image_task", "first_measured", "image_side"]


Images = Literal["mnist", "digits"]


DIGITS_TEST = 360
"""How many of the digits, the last ones, are test images."""


def image_task(
    images: Images = "mnist",
    *,
    num_train: int | None = None,
    directory: str | Path | None = None,
    download: bool = False,
) -> datasets.Task:
    """Images to train on, then test images, on which layers are measured.

    Args:
      images: MNIST, or scikit-learn's digits of 8 by 8 pixels, which need no files and
        of which :data:`DIGITS_TEST` are test images.
      num_train: How many of MNIST's training images, the first ones; all by default.
        Digits are taken whole.
      directory: Where to look for MNIST before all other places.
      download: Whether to download MNIST where it is missing.

    Returns:
      The task.

    Raises:
      FileNotFoundError: If a file of MNIST is missing and not to be downloaded.
      ValueError: If a file is damaged, or a number or a name is none of those there
        are.
      OSError: If a file cannot be read or downloaded.

    Example:
      >>> task = image_task("digits")
      >>> print(task.num_samples, task.num_measured)
      1797 360
    """
    if images == "mnist":
        return datasets.mnist(directory, num_train=num_train, download=download)
    if images != "digits":
        raise ValueError(f"images must be mnist or digits, got {images!r}")
    return dataclasses.replace(datasets.digits(), num_measured=DIGITS_TEST)


def first_measured(task: datasets.Task, num_measured: int | None) -> datasets.Task:
    """A task of which fewer inputs are measured, the first of those that were.

    Args:
      task: The task.
      num_measured: How many to keep; all where there are fewer, or by default. The
        others are left out.

    Returns:
      The task.

    Raises:
      ValueError: If the number is not positive.

    Example:
      >>> task = first_measured(image_task("digits"), 7)
      >>> print(task.num_samples, task.num_measured)
      1444 7
    """
    before = task.measured.num_samples
    num_measured = before if num_measured is None else min(num_measured, before)
    if num_measured < 1:
        raise ValueError(f"num_measured must be at least 1, got {num_measured}")
    last = task.num_samples - before + num_measured
    return datasets.make_task(
        task.x[:last],
        task.labels[:last],
        num_classes=task.num_classes,
        name=task.name,
        num_measured=num_measured,
    )


def image_side(task: datasets.Task) -> int:
    """Pixels along a side of a task's images.

    Args:
      task: Square images.

    Returns:
      The number.

    Raises:
      ValueError: If the images are not square.

    Example:
      >>> image_side(image_task("digits"))
      8
    """
    side = math.isqrt(task.num_inputs)
    if side**2 != task.num_inputs:
        raise ValueError(f"task must hold square images, got {task.num_inputs} pixels")
    return side
