"""MNIST from tiny made-up files, and from the real ones where they are; digits."""

import gzip
import hashlib
import struct
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.datasets.images import digits
from ibjax.datasets.mnist import FILES, download_mnist, mnist

RNG = np.random.default_rng(0)
SHAPES = {
    "train_images": (6, 28, 28),
    "train_labels": (6,),
    "test_images": (4, 28, 28),
    "test_labels": (4,),
}
ARRAYS = {
    name: RNG.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
    for name, shape in SHAPES.items()
}


def idx(array):
    header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
    return header + array.tobytes()


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The files of a tiny MNIST, in the cache; no others are found."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    folder = tmp_path / ".cache" / "ibjax" / "mnist"
    folder.mkdir(parents=True)
    for name, array in ARRAYS.items():
        content = idx(array)
        compressed = gzip.compress(content, mtime=0)
        file = FILES[name]._replace(
            shape=array.shape,
            sha256=hashlib.sha256(content).hexdigest(),
            compressed_size=len(compressed),
            compressed_sha256=hashlib.sha256(compressed).hexdigest(),
        )
        monkeypatch.setitem(FILES, name, file)
        (folder / f"{file.name}.gz").write_bytes(compressed)
    return folder


@pytest.fixture
def source(directory, tmp_path, monkeypatch):
    """The files moved to where they are downloaded from."""
    elsewhere = tmp_path / "elsewhere"
    directory.rename(elsewhere)
    asked = []

    def fetch(url, path, *, size, sha256):
        content = (elsewhere / url.rsplit("/", 1)[1]).read_bytes()
        assert len(content) == size and hashlib.sha256(content).hexdigest() == sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        asked.append(url)

    module = sys.modules["ibjax.datasets.mnist"]
    monkeypatch.setattr(module, "download_file", fetch)
    return asked


def test_training_images_then_test_images(directory):
    task = mnist()
    images = np.concatenate([ARRAYS["train_images"], ARRAYS["test_images"]])
    labels = np.concatenate([ARRAYS["train_labels"], ARRAYS["test_labels"]])
    assert task.x.dtype == jnp.float32
    np.testing.assert_array_equal(
        task.x, (images.reshape(10, 784) / 255).astype(np.float32)
    )
    np.testing.assert_array_equal(task.labels, labels)
    assert task.num_classes == 10 and task.hard and task.name == "mnist"
    assert task.num_measured == 4


def test_subset_takes_the_first_of_both(directory):
    task, whole = mnist(num_train=3, num_test=2), mnist()
    np.testing.assert_array_equal(task.x, whole.x[np.array([0, 1, 2, 6, 7])])
    np.testing.assert_array_equal(task.labels, whole.labels[np.array([0, 1, 2, 6, 7])])
    assert task.num_measured == 2 and task.num_classes == 10


def test_no_test_images(directory):
    task = mnist(num_test=0)
    assert task.num_samples == 6 and task.num_measured is None


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"num_train": 0}, "num_train must be a number from 1 to 6, got 0"),
        ({"num_train": 7}, "num_train must be a number from 1 to 6, got 7"),
        ({"num_test": -1}, "num_test must be a number from 0 to 4, got -1"),
        ({"num_test": 1.5}, "num_test must be a number from 0 to 4, got 1.5"),
    ],
)
def test_numbers_out_of_range(directory, option, message):
    with pytest.raises(ValueError, match=message):
        mnist(**option)


def test_files_may_be_uncompressed_and_anywhere(directory, tmp_path, monkeypatch):
    expected = mnist()
    compressed = directory / f"{FILES['train_images'].name}.gz"
    here = tmp_path / "here"
    here.mkdir()
    (here / FILES["train_images"].name).write_bytes(idx(ARRAYS["train_images"]))
    compressed.unlink()
    labels = directory / f"{FILES['test_labels'].name}.gz"
    there = tmp_path / "there"
    there.mkdir()
    labels.rename(there / labels.name)
    monkeypatch.setenv("IBJAX_DATA", str(there))
    np.testing.assert_array_equal(mnist(here).x, expected.x)


def test_names_what_is_missing_and_where_it_looked(directory, tmp_path, monkeypatch):
    monkeypatch.setenv("IBJAX_DATA", "/data")
    file = directory / f"{FILES['test_labels'].name}.gz"
    file.unlink()
    with pytest.raises(FileNotFoundError) as error:
        mnist("here")
    message = str(error.value)
    for text in ("t10k-labels-idx1-ubyte", "here, /data", str(tmp_path), "download="):
        assert text in message
    assert "train-images" not in message and "\n" not in message


@pytest.mark.parametrize("name", list(SHAPES))
def test_damaged_file_is_refused(directory, name):
    file = directory / f"{FILES[name].name}.gz"
    content = bytearray(idx(ARRAYS[name]))
    content[-1] ^= 1
    file.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(ValueError, match=f"{file.name} is damaged: .*sha256"):
        mnist()


def test_downloads_only_when_asked(source):
    with pytest.raises(FileNotFoundError):
        mnist()
    assert source == []
    assert mnist(download=True).num_samples == 10
    assert len(source) == 4 and all(url.startswith("https://") for url in source)
    mnist(download=True)
    assert len(source) == 4


def test_downloads_what_is_missing_to_a_directory(source, tmp_path):
    folder = download_mnist(tmp_path / "data")
    assert folder == tmp_path / "data" / "mnist"
    (folder / f"{FILES['train_labels'].name}.gz").unlink()
    source.clear()
    assert mnist(tmp_path / "data", download=True).num_samples == 10
    assert len(source) == 1 and source[0].endswith("/train-labels-idx1-ubyte.gz")


def test_real_files(real_data):
    task = mnist(real_data("mnist").parent)
    assert task.x.shape == (70_000, 784) and task.num_measured == 10_000
    assert (float(task.x.min()), float(task.x.max())) == (0.0, 1.0)
    train, test = np.split(np.asarray(task.labels), [60_000])
    np.testing.assert_array_equal(
        np.bincount(train),
        [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    )
    np.testing.assert_array_equal(
        np.bincount(test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    )


def test_digits():
    pytest.importorskip("sklearn")
    task = digits()
    assert task.x.shape == (1797, 64) and task.num_classes == 10
    assert task.name == "digits" and task.num_measured is None
    assert (float(task.x.min()), float(task.x.max())) == (0.0, 1.0)
    # The first image is a zero, and has none of its ink in its corners.
    assert int(task.labels[0]) == 0
    assert not np.asarray(task.x[0]).reshape(8, 8)[[0, 0, 7, 7], [0, 7, 0, 7]].any()


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ModuleNotFoundError, match="pip install scikit-learn"):
        digits()
