"""MNIST: 70,000 images of handwritten digits, from its four original files.

The files are arrays of bytes in the IDX format, compressed or not. They are not
trusted: no more than the expected size is read or decompressed, and the content must
have the expected header and checksum.
"""

import gzip
import hashlib
import math
import numbers
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ibjax.datasets.download import cache_directory, data_directories, find_file
from ibjax.datasets.download import download as download_file
from ibjax.datasets.task import Task, make_task

__all__ = ["FILES", "SOURCE", "File", "download_mnist", "mnist", "read_idx"]

SOURCE = "https://storage.googleapis.com/cvdf-datasets/mnist/"
"""Address of the files, a mirror of the original site."""

_FOLDER = "mnist"
_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
_NUM_CLASSES = 10


class File(NamedTuple):
    """Name, shape and checksums of one of the files.

    Attributes:
      name: Name without ``.gz``.
      shape: Shape of the array.
      sha256: Checksum of the uncompressed content.
      compressed_size: Size of the ``.gz`` file, in bytes.
      compressed_sha256: Checksum of the ``.gz`` file.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    compressed_size: int
    compressed_sha256: str


FILES = {
    "train_images": File(
        "train-images-idx3-ubyte",
        (60_000, 28, 28),
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    "train_labels": File(
        "train-labels-idx1-ubyte",
        (60_000,),
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    "test_images": File(
        "t10k-images-idx3-ubyte",
        (10_000, 28, 28),
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    "test_labels": File(
        "t10k-labels-idx1-ubyte",
        (10_000,),
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
}
"""The four files: images and labels to train on and to test on."""


def mnist(
    directory: str | Path | None = None,
    *,
    num_train: int | None = None,
    num_test: int | None = None,
    download: bool = False,
) -> Task:
    """Handwritten digits: 60,000 images to train on, then 10,000 to test on.

    Pixels lie in [0, 1]. Layers are measured on the test images, see ``num_measured``
    of :class:`~ibjax.datasets.Task`. To train on the others, let the split be
    ``"ordered"`` and ``train_fraction`` be 6/7, or what it is of a subset.

    Each file may be compressed or not, in any of the directories or in a folder
    ``mnist`` of it. Its checksum is compared every time.

    Args:
      directory: Where to look first; then in ``$IBJAX_DATA`` and ``~/.cache/ibjax``.
      num_train: Number of training images, the first ones; all by default.
      num_test: Number of test images, the first ones; all by default. With none,
        layers are measured on all images.
      download: Whether to download missing files, see :func:`download_mnist`, to
        ``directory`` or else the cache.

    Returns:
      The task: ``x`` of shape ``[num_train + num_test, 784]``, ten classes.

    Raises:
      FileNotFoundError: If a file is missing and not to be downloaded.
      ValueError: If a file is damaged or a number of images out of range.
      OSError: If a file cannot be read or downloaded.

    References:
      LeCun, Bottou, Bengio and Haffner, `Gradient-based learning applied to document
      recognition`, Proceedings of the IEEE, 1998.

    Example:
      >>> task = mnist(num_train=1000, num_test=200)  # doctest: +SKIP
      >>> task.x.shape, task.num_measured  # doctest: +SKIP
      ((1200, 784), 200)
    """
    num_train = _number("num_train", num_train, FILES["train_images"].shape[0], 1)
    num_test = _number("num_test", num_test, FILES["test_images"].shape[0], 0)
    if download and _missing(directory):
        download_mnist(directory)
    arrays = _read_all(directory)
    images = np.concatenate(
        [arrays["train_images"][:num_train], arrays["test_images"][:num_test]]
    )
    labels = np.concatenate(
        [arrays["train_labels"][:num_train], arrays["test_labels"][:num_test]]
    )
    return make_task(
        images.reshape(len(images), -1) / np.float32(255),
        labels,
        num_classes=_NUM_CLASSES,
        name="mnist",
        num_measured=num_test or None,
    )


def download_mnist(directory: str | Path | None = None) -> Path:
    """Folder of the four files of MNIST, 11.6 MB, downloaded as far as missing.

    Args:
      directory: Where to put them, in a folder ``mnist``; ``~/.cache/ibjax`` by
        default.

    Returns:
      The folder.

    Raises:
      ValueError: If a file there, or one that arrived, has the wrong checksum.
      OSError: If there is no connection, or it broke off, or the disk is full.
    """
    place = cache_directory() if directory is None else Path(directory)
    folder = place / _FOLDER
    for file in FILES.values():
        if _find(file, [place]) is None:
            name = f"{file.name}.gz"
            download_file(
                SOURCE + name,
                folder / name,
                size=file.compressed_size,
                sha256=file.compressed_sha256,
            )
    return folder


def read_idx(
    path: str | Path, shape: Sequence[int], *, sha256: str | None = None
) -> np.ndarray:
    """Array of bytes in an IDX file, uint8, of the given shape.

    ``sha256`` is the checksum of the uncompressed content. Any other content raises
    ``ValueError``.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     file = Path(directory) / "labels"
      ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
      ...     print(read_idx(file, (3,)))
      [5 0 4]
    """
    # The magic number, the type and the number of dims, then the size of each.
    magic = (_UNSIGNED_BYTES << 8) + len(shape)
    header = struct.pack(f">{1 + len(shape)}I", magic, *shape)
    content = _read(Path(path), len(header) + math.prod(shape))
    if not content.startswith(header):
        raise ValueError(
            f"{path} is no IDX file of bytes of shape {tuple(shape)}: it begins with "
            f"{content[: len(header)].hex(' ', 4)}, expected {header.hex(' ', 4)}"
        )
    checksum = hashlib.sha256(content).hexdigest()
    if sha256 not in (None, checksum):
        raise ValueError(
            f"{path} is damaged: its content has sha256 {checksum}, expected {sha256}"
        )
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def _read(path: Path, size: int) -> bytes:
    """Content of exactly so many bytes, after decompression."""
    on_disk = path.stat().st_size
    # No compressor makes a file longer by more than that.
    if on_disk > size + size // 100 + 1024:
        raise ValueError(f"{path} is too large: {on_disk} bytes for an array of {size}")
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    with gzip.open(path) if compressed else path.open("rb") as file:
        try:
            # One byte more than expected shows that there is more, and has the
            # checksum at the end of a gzip file compared.
            content = file.read(size + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    if len(content) != size:
        found = "more" if len(content) > size else len(content)
        kind = " uncompressed" if compressed else ""
        raise ValueError(f"{path} must hold {size} bytes{kind}, got {found}")
    return content


def _number(name: str, given: int | None, most: int, least: int) -> int:
    if given is None:
        return most
    if not isinstance(given, numbers.Integral) or not least <= given <= most:
        raise ValueError(f"{name} must be a number from {least} to {most}, got {given}")
    return int(given)


def _read_all(directory: str | Path | None) -> dict[str, np.ndarray]:
    directories = data_directories(directory)
    missing = _missing(directory)
    if missing:
        raise FileNotFoundError(
            f"MNIST is not there: no {', '.join(missing)} (or .gz) in "
            f"{', '.join(map(str, directories))}, nor in a folder {_FOLDER} of these; "
            "datasets.mnist(download=True), or a command's --download, fetches it"
        )
    return {
        key: read_idx(_find(file, directories), file.shape, sha256=file.sha256)
        for key, file in FILES.items()
    }


def _missing(directory: str | Path | None) -> list[str]:
    directories = data_directories(directory)
    return [f.name for f in FILES.values() if _find(f, directories) is None]


def _find(file: File, directories: list[Path]) -> Path | None:
    places = [place for d in directories for place in (d, d / _FOLDER)]
    return find_file([file.name, f"{file.name}.gz"], places)
