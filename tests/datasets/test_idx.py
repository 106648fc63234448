"""IDX files: tiny ones that are right, and every way in which they can be wrong."""

import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest

from ibjax.datasets.mnist import read_idx

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = struct.pack(">BBBBIII", 0, 0, 8, 3, 2, 3, 4) + IMAGES.tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def compress(content):
    """The same bytes whatever the time."""
    return gzip.compress(content, mtime=0)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "file"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    "content", [CONTENT, compress(CONTENT)], ids=["plain", "compressed"]
)
def test_reads_both_forms(write, content):
    array = read_idx(write(content), (2, 3, 4), sha256=SHA256)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, IMAGES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must hold 40 bytes, got 0"),
        (CONTENT[:-1], "must hold 40 bytes, got 39"),
        (CONTENT + b"\0", "must hold 40 bytes, got more"),
        (compress(CONTENT[:-1]), "40 bytes uncompressed, got 39"),
        (compress(CONTENT + b"\0"), "40 bytes uncompressed, got more"),
        (compress(CONTENT)[:-9], "is damaged: .*end"),
        (compress(CONTENT)[:-8] + bytes(8), "is damaged: CRC"),
        (b"\x1f\x8b" + bytes(40), "is damaged: Unknown compression"),
        (b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 40, "is damaged: .*block type"),
        (b"<html>" + CONTENT[6:], "begins with 3c68746d .*, expected 00000803"),
        # Words of the other byte order, floats, two dims.
        (CONTENT[3::-1] + CONTENT[4:], "begins with 03080000"),
        (b"\0\0\x0d\x03" + CONTENT[4:], "begins with 00000d03"),
        (b"\0\0\x08\x02" + CONTENT[4:], "begins with 00000802"),
        (
            CONTENT[:7] + b"\x03" + CONTENT[8:],
            "begins with 00000803 00000003 .* expected 00000803 00000002",
        ),
        (CONTENT[:-1] + b"\0", "has sha256 .* expected " + SHA256),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refuses(write, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_idx(write(content), (2, 3, 4), sha256=SHA256)
    assert "\n" not in str(error.value)


def test_never_reads_a_large_file(write):
    with pytest.raises(ValueError, match="is too large: 2000000 bytes for an array"):
        read_idx(write(bytes(2_000_000)), (2, 3, 4))


def test_never_decompresses_a_large_file(write):
    path = write(gzip.compress(bytes(1_000_000), 9))
    assert path.stat().st_size < 1100  # Small enough to be looked into.
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="40 bytes uncompressed, got more"):
            read_idx(path, (2, 3, 4))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Buffers of some 100 kB, not the megabyte.
    assert peak < 500_000


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_idx(tmp_path / "nothing", (2,))
