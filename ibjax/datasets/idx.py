"""Arrays of bytes in the IDX format, as MNIST comes in; compressed or not.

A file is trusted in nothing: its size is known beforehand, no more than that is ever
read or decompressed, and its content is compared with what is expected of it.
"""

import gzip
import hashlib
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["read_idx"]

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
_WORD = 4  # Bytes of the magic number and of every size.


def read_idx(
    path: str | Path, shape: Sequence[int], *, sha256: str | None = None
) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzip or not, and refuse any other content.

    Args:
      path: The file; its content, not its name, says whether it is compressed.
      shape: Shape that its array must have.
      sha256: Checksum that the uncompressed content must have, in hexadecimal.

    Returns:
      The array, uint8.

    Raises:
      OSError: If it cannot be read.
      ValueError: If it is damaged, or not that array.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     file = Path(directory) / "labels"
      ...     _ = file.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
      ...     print(read_idx(file, (3,)))
      [5 0 4]
    """
    shape = tuple(int(size) for size in shape)
    header_size = _WORD * (1 + len(shape))
    content = _read(Path(path), header_size + math.prod(shape))
    header = np.frombuffer(content[:header_size], ">u4")
    magic = (_UNSIGNED_BYTES << 8) + len(shape)
    if header[0] != magic:
        raise ValueError(
            f"{path} is no IDX file of bytes with {len(shape)} dims: it begins with "
            f"{header[0]:#010x}, expected {magic:#010x}"
        )
    found = tuple(int(size) for size in header[1:])
    if found != shape:
        raise ValueError(f"{path} must hold an array of shape {shape}, got {found}")
    if sha256 is not None:
        checksum = hashlib.sha256(content).hexdigest()
        if checksum != sha256:
            raise ValueError(
                f"{path} is damaged: its content has sha256 {checksum}, expected "
                f"{sha256}"
            )
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)


def _read(path: Path, size: int) -> bytes:
    """Content of exactly so many bytes, after decompression."""
    # No compressor makes a file longer by more than that.
    most = size + size // 100 + 1024
    on_disk = path.stat().st_size
    if on_disk > most:
        raise ValueError(f"{path} is too large: {on_disk} bytes for an array of {size}")
    with path.open("rb") as file:
        compressed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    # One byte more than expected shows that there is more, and has the checksum at
    # the end of a gzip file compared.
    with gzip.open(path) if compressed else path.open("rb") as file:
        try:
            content = file.read(size + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
    if len(content) != size:
        found = "more" if len(content) > size else str(len(content))
        raise ValueError(
            f"{path} must hold {size} bytes{' uncompressed' if compressed else ''}, "
            f"got {found}"
        )
    return content
