"""Tasks of images: MNIST, CIFAR-10, or small digits, which need no files."""

import dataclasses
import math
from pathlib import Path
from typing import Literal

from ibjax.datasets.cifar import cifar10
from ibjax.datasets.mnist import mnist
from ibjax.datasets.task import Task, make_task

__all__ = [
    "DIGITS_TEST",
    "Images",
    "digits",
    "first_measured",
    "image_shape",
    "image_side",
    "image_task",
]

Images = Literal["mnist", "digits", "cifar10"]

DIGITS_TEST = 360
"""Number of digits, the last ones, that serve as test images."""


def digits() -> Task:
    """Handwritten digits of scikit-learn: 1,797 images of 8 by 8 pixels.

    Pixels lie in [0, 1], in steps of 1/16.

    Returns:
      The task: ``x`` of shape ``[1797, 64]``, ten classes, in the order of the file.

    Raises:
      ModuleNotFoundError: If scikit-learn is not installed.

    References:
      Alpaydin and Kaynak, `Optical recognition of handwritten digits`, UCI Machine
      Learning Repository, 1998.

    Example:
      >>> task = digits()
      >>> print(task.x.shape, f"{task.h_y:.3f} nats")
      (1797, 64) 2.302 nats
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "digits come with scikit-learn, which is not installed: pip install "
            "scikit-learn"
        ) from error
    x, labels = load_digits(return_X_y=True)
    return make_task(x / 16, labels, num_classes=10, name="digits")


def image_task(
    images: Images = "mnist",
    *,
    num_train: int | None = None,
    directory: str | Path | None = None,
    download: bool = False,
) -> Task:
    """Training images, then test images, on which layers are measured.

    Args:
      images: MNIST, CIFAR-10 in colour (from JPEG), or the digits, of which
        :data:`DIGITS_TEST` are test images.
      num_train: Number of training images, the first ones; all by default. Digits are
        taken whole.
      directory: Where to look for the files before all other places.
      download: Whether to download MNIST where it is missing.

    Example:
      >>> task = image_task("digits")
      >>> print(task.num_samples, task.num_measured)
      1797 360
    """
    if images == "mnist":
        return mnist(directory, num_train=num_train, download=download)
    if images == "cifar10":
        return cifar10(directory, num_train=num_train)
    if images != "digits":
        raise ValueError(f"images must be mnist, digits or cifar10, got {images!r}")
    return dataclasses.replace(digits(), num_measured=DIGITS_TEST)


def first_measured(task: Task, num_measured: int | None) -> Task:
    """Task without the measured inputs beyond the first ``num_measured``.

    All stay by default, or where there are fewer.

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
    return make_task(
        task.x[:last],
        task.labels[:last],
        num_classes=task.num_classes,
        name=task.name,
        num_measured=num_measured,
    )


def image_side(task: Task) -> int:
    """Pixels along a side of a task's square images.

    Example:
      >>> image_side(image_task("digits"))
      8
    """
    side = math.isqrt(task.num_inputs)
    if side**2 != task.num_inputs:
        raise ValueError(f"task must hold square images, got {task.num_inputs} pixels")
    return side


def image_shape(task: Task) -> tuple[int, int, int]:
    """Height, width and channels, one or three, of a task's square images.

    Example:
      >>> image_shape(image_task("digits"))
      (8, 8, 1)
    """
    for channels in (1, 3):
        side = math.isqrt(task.num_inputs // channels)
        if side**2 * channels == task.num_inputs:
            return side, side, channels
    raise ValueError(
        f"task must hold square images of one or three channels, got {task.num_inputs} "
        "numbers an image"
    )
