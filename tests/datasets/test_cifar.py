"""CIFAR-10 from an archive of JPEG images: what is read, and what is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from ibjax.datasets import cifar10, images

LABELS = np.array([3, 0, 9, 1], np.uint8)


def _arrays(size=(32, 32)):
    """Four images of one colour each; without a header that they share."""
    colours = [(250, 5, 5), (5, 250, 5), (5, 5, 250), (128, 128, 128)]
    parts = []
    for colour in colours:
        buffer = io.BytesIO()
        Image.new("RGB", size, colour).save(buffer, "JPEG", quality=95)
        parts.append(np.frombuffer(buffer.getvalue(), np.uint8))
    header = parts[0][:20]
    assert all((part[:20] == header).all() for part in parts)
    parts = [part[20:] for part in parts]
    return {
        "header": header,
        "payload": np.concatenate(parts),
        "offsets": np.cumsum([0, *map(len, parts)]).astype(np.uint32),
        "labels": LABELS,
        "n_train": np.int64(3),
    }


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    (tmp_path / "cifar10_jpg").mkdir()
    return tmp_path


def _saved(folder, **changes):
    np.savez(folder / "cifar10_jpg" / "cifar10_jpg.npz", **_arrays() | changes)
    return folder


def test_images_are_decoded_in_their_order(folder):
    task = cifar10(_saved(folder))
    assert task.x.shape == (4, 3072) and task.num_measured == 1
    assert task.labels.tolist() == LABELS.tolist() and task.num_classes == 10
    assert task.name == "cifar10 (jpeg)" and images.image_shape(task) == (32, 32, 3)
    # Channels innermost; within three of 255 steps, as JPEG of this quality is.
    first = np.asarray(task.x[0]).reshape(32, 32, 3)
    red = np.full((32, 32, 3), [250, 5, 5]) / 255
    np.testing.assert_allclose(first, red, atol=0.012)
    fewer = images.image_task("cifar10", num_train=1, directory=folder)
    assert fewer.labels.tolist() == [3, 1]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": LABELS[:3]}, "offsets and labels have shapes"),
        ({"labels": LABELS + 1}, r"labels must lie in \[0, 10\)"),
        ({"offsets": np.array([0, 9, 8, 10, 11])}, "offsets do not divide the payload"),
        ({"offsets": np.ones(5)}, "offsets must be integers"),
        ({"payload": _arrays()["payload"].astype(float)}, "payload must be bytes"),
        ({"n_train": np.int64(5)}, r"n_train must lie in \[1, 4\]"),
        ({"header": np.zeros(20, np.uint8)}, "image 0 is no JPEG of 32 x 32"),
        (_arrays(size=(31, 32)), "image 0 is no JPEG .* it has 31 x 32 pixels"),
        ({"header": np.array([None])}, "is damaged: Object arrays"),
    ],
)
def test_damaged_archives_are_refused(folder, changes, message):
    with pytest.raises(ValueError, match=message):
        cifar10(_saved(folder, **changes))


def test_files_that_are_none_are_refused(folder):
    with pytest.raises(
        FileNotFoundError, match="CIFAR-10 is not there: no cifar10_jpg"
    ):
        cifar10(folder / "elsewhere")
    path = folder / "cifar10_jpg" / "cifar10_jpg.npz"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match="is damaged"):
        cifar10(folder)
    np.savez(path, labels=LABELS)
    with pytest.raises(ValueError, match="it has no array header, payload"):
        cifar10(folder)


def test_numbers_of_images_are_checked(folder):
    with pytest.raises(
        ValueError, match="num_train must be a number from 1 to 3, got 4"
    ):
        cifar10(_saved(folder), num_train=4)
    assert cifar10(folder, num_test=0).num_measured is None


def test_real_images(real_data):
    task = cifar10(real_data("cifar10_jpg").parent, num_train=50, num_test=20)
    assert task.x.shape == (70, 32 * 32 * 3) and task.num_measured == 20
    x = np.asarray(task.x)
    assert x.min() >= 0 and x.max() <= 1
    # Neighbouring pixels of photographs are alike, those of noise are not.
    across = np.diff(x.reshape(70, 32, 32, 3), axis=2)
    assert np.mean(across**2) < x.var()  # Twice that for noise.
