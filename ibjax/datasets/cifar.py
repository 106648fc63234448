"""CIFAR-10 compressed as JPEG: 60,000 small colour images of ten kinds of things.

One NumPy archive holds all images without the header that they share. Their pixels are
near the original ones, not equal: what is found on them is to be called so.
"""

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from ibjax.datasets.download import data_directories, find_file
from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["CIFAR_CLASSES", "cifar10"]

CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
"""Names of the ten classes, in the order of their numbers."""

_FILE = "cifar10_jpg.npz"
_FOLDER = "cifar10_jpg"
_SIDE = 32
_ARRAYS = ("header", "payload", "offsets", "labels", "n_train")


def cifar10(
    directory: str | Path | None = None,
    *,
    num_train: int | None = None,
    num_test: int | None = None,
) -> Task:
    """CIFAR-10 from JPEG images: those to train on, then those to test on.

    Pixels lie in [0, 1]. Layers are measured on the test images, as of
    :func:`ibjax.datasets.mnist`.

    The archive ``cifar10_jpg.npz``, in any of the directories or in a folder
    ``cifar10_jpg`` of it, has the arrays ``header`` and ``payload``, bytes;
    ``offsets``, where in the payload each image begins and the last one ends;
    ``labels``; and ``n_train``, how many images are to train on. An image is decoded
    from the header and its part of the payload.

    Args:
      directory: Where to look first; then in ``$IBJAX_DATA`` and ``~/.cache/ibjax``.
      num_train: Number of training images, the first ones; all by default.
      num_test: Number of test images, the first ones; all by default. With none, layers
        are measured on all images.

    Returns:
      The task: ``x`` of shape ``[num_train + num_test, 3072]``, row by row, the three
      channels of a pixel side by side.

    Raises:
      FileNotFoundError: If the archive is missing; it is not downloaded.
      ValueError: If it is damaged, or a number of images out of range.

    References:
      Krizhevsky, `Learning multiple layers of features from tiny images`, 2009.

    Example:
      >>> task = cifar10(num_train=1000, num_test=200)  # doctest: +SKIP
      >>> task.x.shape, task.num_measured  # doctest: +SKIP
      ((1200, 3072), 200)
    """
    directories = data_directories(directory)
    places = [place for d in directories for place in (d, d / _FOLDER)]
    path = find_file([_FILE], places)
    if path is None:
        raise FileNotFoundError(
            f"CIFAR-10 is not there: no {_FILE} in {', '.join(map(str, directories))}, "
            f"nor in a folder {_FOLDER} of these"
        )
    arrays = _read(path)
    most_train = int(arrays["n_train"])
    most_test = len(arrays["labels"]) - most_train
    num_train = _number("num_train", num_train, most_train, 1)
    num_test = _number("num_test", num_test, most_test, 0)
    rows = np.concatenate(
        [np.arange(num_train), np.arange(most_train, most_train + num_test)]
    )
    images = np.stack([_decoded(path, arrays, row) for row in rows])
    return make_task(
        images.reshape(len(images), -1) / np.float32(255),
        arrays["labels"][rows],
        num_classes=len(CIFAR_CLASSES),
        name="cifar10 (jpeg)",
        num_measured=num_test or None,
    )


def _read(path: Path) -> dict[str, np.ndarray]:
    """Arrays of the archive, found to fit together."""
    try:
        # Opened here: of a file that is no archive NumPy lets go late.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in _ARRAYS if name not in archive]
            if missing:
                raise ValueError(f"it has no array {', '.join(missing)}")
            arrays = {name: archive[name] for name in _ARRAYS}
    except (OSError, EOFError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for name in ("header", "payload"):
        if arrays[name].dtype != np.uint8 or arrays[name].ndim != 1:
            raise ValueError(f"{path} is damaged: {name} must be bytes")
    for name in ("offsets", "labels", "n_train"):
        if arrays[name].dtype.kind not in "iu":
            raise ValueError(f"{path} is damaged: {name} must be integers")
    offsets, labels = (arrays[name].astype(np.int64) for name in ("offsets", "labels"))
    whole = [0, len(arrays["payload"])]
    if offsets.shape != (labels.size + 1,) or labels.ndim != 1 or labels.size == 0:
        raise ValueError(
            f"{path} is damaged: offsets and labels have shapes {offsets.shape} and "
            f"{labels.shape}"
        )
    if [offsets[0], offsets[-1]] != whole or np.any(np.diff(offsets) <= 0):
        raise ValueError(f"{path} is damaged: offsets do not divide the payload")
    if labels.min() < 0 or labels.max() >= len(CIFAR_CLASSES):
        raise ValueError(f"{path} is damaged: labels must lie in [0, 10)")
    if arrays["n_train"].shape != () or not 1 <= arrays["n_train"] <= labels.size:
        raise ValueError(f"{path} is damaged: n_train must lie in [1, {labels.size}]")
    return arrays | {"offsets": offsets, "labels": labels}


def _decoded(path: Path, arrays: dict[str, np.ndarray], row: int) -> np.ndarray:
    """One image, ``[32, 32, 3]`` bytes."""
    start, stop = arrays["offsets"][row : row + 2]
    content = arrays["header"].tobytes() + arrays["payload"][start:stop].tobytes()
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            # Before it is decoded: a header may promise any size.
            if image.size != (_SIDE, _SIDE):
                raise ValueError(f"it has {image.size[0]} x {image.size[1]} pixels")
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path} is damaged: image {row} is no JPEG of {_SIDE} x {_SIDE} pixels: "
            f"{error}"
        ) from error


def _number(name: str, given: int | None, most: int, least: int) -> int:
    if given is None:
        return most
    checks.whole(name, given)
    if not least <= given <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}, got {given}")
    return int(given)
