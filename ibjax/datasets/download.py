"""Data files: where they are looked for, and how a missing one is downloaded."""

import io
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pooch

__all__ = ["cache_directory", "data_directories", "download", "find_file"]

_VARIABLE = "IBJAX_DATA"
_CHUNK = 1 << 14
_TIMEOUT_SECONDS = 30
# A connection slower than this is as good as broken.
_LEAST_BYTES_PER_SECOND = 10_000


def cache_directory() -> Path:
    """Directory of downloads, ``~/.cache/ibjax``."""
    return Path.home() / ".cache" / "ibjax"


def data_directories(directory: str | Path | None = None) -> list[Path]:
    """Directories to search, in order; they need not exist.

    ``directory`` if given, ``$IBJAX_DATA`` if set, and :func:`cache_directory`.

    Example:
      >>> str(data_directories("my-data")[0])
      'my-data'
    """
    given = (directory, os.environ.get(_VARIABLE), cache_directory())
    return [Path(place) for place in given if place]


def find_file(names: Sequence[str], directories: Sequence[Path]) -> Path | None:
    """First file of the first directory that has one of these names, or None."""
    paths = (place / name for place in directories for name in names)
    return next((path for path in paths if path.is_file()), None)


def download(url: str, path: str | Path, *, size: int, sha256: str) -> Path:
    """Path of a file, downloaded unless it is there already.

    The file appears whole and with the right checksum, or not at all.

    Args:
      url: Address, https or http.
      path: File to write; missing directories are made.
      size: Its size in bytes; a longer download is ended.
      sha256: Its checksum, in hexadecimal.

    Returns:
      The path.

    Raises:
      ValueError: If what arrived, or lies at ``path``, is another file.
      OSError: If there is no connection, it breaks off or takes too long, or the disk
        is full.
    """
    path = Path(path)
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"url must begin with https:// or http://, got {url!r}")
    if path.exists():
        # pooch would overwrite it.
        if pooch.file_hash(path) != sha256:
            raise ValueError(f"{path} is not the file at {url}; remove it to download")
        return path
    limited = partial(_fetch, size=size)
    try:
        pooch.retrieve(url, sha256, path.name, path.parent, downloader=limited)
    except OSError as error:
        raise OSError(f"{url} could not be downloaded: {error}") from error
    # A temporary file is readable by its owner alone, and data may be shared.
    path.chmod(0o644)
    return path


def _fetch(url: str, path: str, manager: pooch.Pooch | None, *, size: int) -> None:
    """Download a file in the way pooch asks for it, within limits."""
    # Compressed content is what is stored and has the checksum: no decoding on the way.
    headers = {"User-Agent": "ibjax", "Accept-Encoding": "identity"}
    fetch = pooch.HTTPDownloader(
        chunk_size=_CHUNK, timeout=_TIMEOUT_SECONDS, headers=headers
    )
    with _Limited(url, path, size) as file:
        fetch(url, file, manager)


class _Limited(io.FileIO):
    """File that takes no more bytes than expected, and those in time."""

    def __init__(self, url: str, path: str, size: int):
        super().__init__(path, "wb")
        self.url, self.size = url, size
        # The timeout of a connection starts anew with every byte that comes.
        seconds = _TIMEOUT_SECONDS + size / _LEAST_BYTES_PER_SECOND
        self.deadline = time.monotonic() + seconds

    def write(self, chunk: Any) -> int:
        arrived = self.tell() + len(chunk)
        if arrived > self.size:
            raise ValueError(f"{self.url} has more than the {self.size} bytes expected")
        if time.monotonic() > self.deadline:
            raise TimeoutError(f"only {arrived} of {self.size} bytes came in time")
        return super().write(chunk)
