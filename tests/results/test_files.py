"""Saved datasets: whole or not at all, and damaged ones named."""

import os

import h5py
import numpy as np
import pytest
import xarray as xr

from ibjax import results
from ibjax.results.files import ResultsError
from tests.results.handmade import dataset_of


def test_round_trip(tmp_path):
    dataset = dataset_of()
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset, path)
    for where in (path, tmp_path, str(tmp_path)):
        xr.testing.assert_identical(results.open_dataset(where), dataset)
    assert os.listdir(tmp_path) == [results.DATASET_FILE]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_dataset_is_in_memory_once_opened(tmp_path):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    dataset = results.open_dataset(path)
    path.unlink()
    assert np.all(np.isfinite(dataset.i_xt))


def test_saving_replaces_what_was_there(tmp_path):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    results.save_dataset(dataset_of((5, 6)), path)
    assert results.open_dataset(path).seed.values.tolist() == [5, 6]


@pytest.mark.parametrize("failing", ["write_bytes", "fsync", "replace"])
def test_a_failed_save_leaves_the_old_file(failing, tmp_path, monkeypatch):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    before = path.read_bytes()

    def fail(*arguments, **options):
        if failing == "write_bytes":
            # Like a full disk: some bytes are written first.
            arguments[0].write_text("half of it")
        raise OSError("No space left on device")

    owner = results.files.Path if failing == "write_bytes" else results.files.os
    with monkeypatch.context() as patch:
        patch.setattr(owner, failing, fail)
        with pytest.raises(OSError, match="No space left"):
            results.save_dataset(dataset_of((5, 6)), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [results.DATASET_FILE]


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    results.write_atomically(path, b"old")

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(results.files.os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            results.write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["checkpoint"]
    results.write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["checkpoint"]


def test_a_missing_directory_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="No such file or directory"):
        results.save_dataset(dataset_of(), tmp_path / "none" / results.DATASET_FILE)


def test_missing_results(tmp_path):
    with pytest.raises(ResultsError, match="no results: .*results.nc does not exist"):
        results.open_dataset(tmp_path)
    with pytest.raises(ResultsError, match="no results: .*other.nc does not exist"):
        results.open_dataset(tmp_path / "other.nc")


@pytest.mark.parametrize("part", [0.0, 0.05, 0.5, 0.95])
def test_truncated_results(part, tmp_path):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ResultsError, match="is damaged or no netCDF file"):
        results.open_dataset(path)


@pytest.mark.parametrize("content", [b"hello", b"CDF\x01" + b"\0" * 64, b"\xff" * 4096])
def test_garbage(content, tmp_path):
    path = tmp_path / results.DATASET_FILE
    path.write_bytes(content)
    with pytest.raises(ResultsError, match="is damaged or no netCDF file"):
        results.open_dataset(path)


def test_every_changed_byte_is_noticed(tmp_path):
    """Also where HDF5 would read on: of 80 such changes it noticed 66."""
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(content), 80, replace=False):
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with pytest.raises(ResultsError, match="is damaged or no netCDF file"):
            results.open_dataset(path)


@pytest.mark.parametrize("size", [64, 512, 4096])
def test_zeroed_blocks_are_noticed_before_hdf5_sees_them(size, tmp_path, monkeypatch):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    content = path.read_bytes()
    monkeypatch.setattr(xr, "open_dataset", lambda *_, **__: pytest.fail("opened"))
    # The first block holds what tells old files, the last the digest.
    for at in range(0, len(content), size):
        block = content[at : at + size]
        path.write_bytes(content[:at] + bytes(len(block)) + content[at + size :])
        if any(block):
            with pytest.raises(ResultsError, match="is damaged or no netCDF file"):
                results.open_dataset(path)


def test_other_readers_pass_over_the_digest(tmp_path):
    path = tmp_path / results.DATASET_FILE
    results.save_dataset(dataset_of(), path)
    with xr.open_dataset(path) as dataset:
        xr.testing.assert_identical(dataset.load(), dataset_of())
    with h5py.File(path) as file:
        assert "i_xt" in file


def test_files_of_earlier_versions_open_and_say_that_they_have_no_digest(tmp_path):
    path = tmp_path / results.DATASET_FILE
    dataset_of().to_netcdf(path, engine="h5netcdf")
    with pytest.warns(UserWarning, match="results.nc has no digest"):
        xr.testing.assert_identical(results.open_dataset(path), dataset_of())
    # As other programs leave a file that they changed: HDF5 cuts off what is behind.
    results.save_dataset(dataset_of(), path)
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
    with pytest.warns(UserWarning, match="results.nc has no digest"):
        assert results.open_dataset(path).attrs["note"] == "mine"


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results.files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left .*/checkpoint.npz'$") as info:
        results.write_atomically(tmp_path / "checkpoint.npz", b"new")
    assert info.value.errno == 28 and os.listdir(tmp_path) == []


@pytest.mark.parametrize("missing", ["epoch", "configuration"])
def test_files_of_something_else(missing, tmp_path):
    dataset = dataset_of()
    if missing == "configuration":
        del dataset.attrs["configuration"]
    else:
        dataset = dataset.isel({missing: 0}, drop=True)
    path = tmp_path / results.DATASET_FILE
    with pytest.raises(ResultsError, match="dataset holds no sweep"):
        results.save_dataset(dataset, path)
    dataset.to_netcdf(path, engine="h5netcdf")
    path.write_bytes(results.files.seal(path.read_bytes()))
    with pytest.raises(ResultsError, match=f"{path} holds no sweep"):
        results.open_dataset(path)


@pytest.mark.parametrize("value", [None, True, {"a": 1}, [[1], [1, 2]], [["a", "b"]]])
def test_attributes_that_netcdf_has_no_type_for(value, tmp_path):
    dataset = dataset_of()
    dataset.train_loss.attrs["note"] = value
    path = tmp_path / results.DATASET_FILE
    with pytest.raises(
        TypeError, match=r"dataset\['train_loss'\]\.attrs\['note'\] must"
    ):
        results.save_dataset(dataset, path)
    assert not path.exists()


@pytest.mark.parametrize("value", ["a\0b", "\ud800", ["fine", "\0"]])
def test_texts_that_netcdf_would_cut_or_refuse(value, tmp_path):
    dataset = dataset_of().assign_attrs(mine=value)
    path = tmp_path / results.DATASET_FILE
    with pytest.raises(ValueError, match=r"dataset\.attrs\['mine'\] must hold no zero"):
        results.save_dataset(dataset, path)
    assert not path.exists()


@pytest.mark.parametrize("text", ["[" * 100_000, "{", ""])
def test_what_is_no_json_is_refused(tmp_path, text):
    path = tmp_path / "some.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match="some.json is damaged or no JSON"):
        results.files.read_json(path)
