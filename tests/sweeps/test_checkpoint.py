"""Runs that are killed, damaged or forged: nothing is lost."""

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from ibjax.results.directory import RunDirectory
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    open_dataset,
    seal,
    unseal,
)
from ibjax.sweeps import checkpoint
from ibjax.sweeps.checkpoint import CHECKPOINT_FILE, RECORDS_FILE, find_earlier
from tests.sweeps.counting import KEY, Interrupted, counter, run, stop_after

FILES = {CHECKPOINT_FILE, RECORDS_FILE}
# Of `run` after three snapshots, written by the version before the records had a file.
EARLIER = Path(__file__).parent / "data" / "checkpoint_of_one_file.npz"


@pytest.fixture(scope="module")
def whole():
    return run(None)


@pytest.fixture
def begun(tmp_path):
    with pytest.raises(Interrupted):
        run(tmp_path, on_progress=stop_after(3))
    assert set(os.listdir(tmp_path)) == FILES
    return tmp_path


@pytest.fixture
def begun_earlier(tmp_path):
    """A run that an earlier version began."""
    shutil.copy(EARLIER, tmp_path / CHECKPOINT_FILE)
    return tmp_path


def test_an_unfinished_run_goes_on(begun, whole):
    np.testing.assert_array_equal(run(begun, resume=True).value, whole.value)
    assert os.listdir(begun) == [DATASET_FILE]


@pytest.mark.parametrize("has_digest", [True, False])
def test_a_checkpoint_of_an_earlier_version_goes_on(has_digest, begun_earlier, whole):
    path = begun_earlier / CHECKPOINT_FILE
    if not has_digest:
        _forge(path, lambda arrays: arrays.pop("format"))
    snapshots = (0, 1, 2, 3)
    seen = []
    found = run(
        begun_earlier, snapshots=snapshots, resume=True, on_progress=seen.append
    )
    assert seen[0].num_snapshots_done == 3
    np.testing.assert_array_equal(found.value, whole.value)
    assert os.listdir(begun_earlier) == [DATASET_FILE]


@pytest.mark.parametrize("number", [4, -5, 2.5, "3", [3, 3]])
def test_a_checkpoint_of_a_format_unknown_is_refused(number, begun):
    _forge(begun / CHECKPOINT_FILE, lambda arrays: arrays.update(format=number), True)
    with pytest.raises(ResultsError, match="is damaged .*not of 1 to 3"):
        run(begun, resume=True)


def test_a_checkpoint_of_an_earlier_version_is_written_anew(tmp_path):
    """Interrupted again, and resumed again; only then is it finished."""
    longer = range(6)
    with pytest.raises(Interrupted):
        run(tmp_path, snapshots=longer, on_progress=stop_after(2))
    directory = RunDirectory(tmp_path)
    done = find_earlier(directory, _configuration(tmp_path), True)
    directory.release()
    # As it was before: all in one file.
    arrays = {f"state_{n}": leaf for n, leaf in enumerate(done.leaves)}
    arrays["record_value"] = np.stack([record["value"] for record in done.records])
    arrays["configuration"] = json.dumps(_configuration(tmp_path))
    _write(tmp_path / CHECKPOINT_FILE, arrays | {"wall_seconds": 1.0, "format": 2})
    (tmp_path / RECORDS_FILE).unlink()
    with pytest.raises(Interrupted):
        run(tmp_path, snapshots=longer, resume=True, on_progress=stop_after(4))
    assert set(os.listdir(tmp_path)) == FILES
    found = run(tmp_path, snapshots=longer, resume=True)
    np.testing.assert_array_equal(found.value, run(None, snapshots=longer).value)


def test_what_follows_the_last_snapshot_is_not_read(begun, whole):
    """Of a run that was killed between its two files, or had no room for the second."""
    path = begun / RECORDS_FILE
    path.write_bytes(path.read_bytes() + b"half a snapsho")
    with pytest.raises(Interrupted):
        run(begun, resume=True, on_progress=stop_after(4))
    assert b"half" not in path.read_bytes()
    np.testing.assert_array_equal(run(begun, resume=True).value, whole.value)


def test_records_without_states_are_no_run(begun, whole):
    (begun / CHECKPOINT_FILE).unlink()
    np.testing.assert_array_equal(run(begun).value, whole.value)
    assert os.listdir(begun) == [DATASET_FILE]


def test_a_checkpoint_beside_the_results_goes(begun, whole):
    """Of a run that was killed when it had saved its results."""
    files = {name: (begun / name).read_bytes() for name in FILES}
    run(begun, resume=True)
    for name, content in files.items():
        (begun / name).write_bytes(content)
    (begun / ".checkpoint.records.12345678.tmp").touch()
    np.testing.assert_array_equal(run(begun, resume=True).value, whole.value)
    assert os.listdir(begun) == [DATASET_FILE]


def test_records_are_written_once(tmp_path, monkeypatch):
    written = []

    def counted(module, name):
        write = getattr(module, name)

        def count(path, content):
            written.append((Path(path).name, len(content)))
            return write(path, content)

        monkeypatch.setattr(module, name, count)

    counted(checkpoint, "append")
    counted(checkpoint, "write_atomically")
    run(tmp_path, snapshots=range(20))
    records = [size for name, size in written if name == RECORDS_FILE]
    states = [size for name, size in written if name == CHECKPOINT_FILE]
    assert len(records) == len(states) == 20
    # A header and two numbers, whatever came before.
    assert set(records[1:]) == {128 + 2 * 4}
    assert max(states) - min(states) < 100


def test_records_that_were_removed_are_written_again(tmp_path, whole):
    def remove(progress):
        if progress.num_snapshots_done == 2 and progress.seconds is not None:
            (tmp_path / RECORDS_FILE).unlink()
        stop_after(3)(progress)

    with pytest.raises(Interrupted):
        run(tmp_path, on_progress=remove)
    np.testing.assert_array_equal(run(tmp_path, resume=True).value, whole.value)


def _configuration(directory):
    with (directory / RECORDS_FILE).open("rb") as file:
        return json.loads(np.lib.format.read_array(file).tobytes())


def _forge(path, change, sealed=False):
    with np.load(io.BytesIO(unseal(path.read_bytes()))) as file:
        arrays = dict(file)
    change(arrays)
    _write(path, arrays, sealed)


def _write(path, arrays, sealed=True):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    path.write_bytes(seal(content) if sealed else content)


def _fewer_records(arrays):
    arrays["record_value"] = arrays["record_value"][:2]


def _no_record(arrays):
    del arrays["record_value"]


def _empty_record(arrays):
    arrays["record_value"] = arrays["record_value"][:0]


def _too_many_records(arrays):
    arrays["record_value"] = np.tile(arrays["record_value"], (3, 1))


def _fewer_seeds(arrays):
    arrays["state_0"] = arrays["state_0"][:1]


def _other_records(arrays):
    arrays["record_other"] = arrays.pop("record_value")


def _other_type(arrays):
    arrays["state_0"] = arrays["state_0"].astype(np.int32)


def _no_configuration(arrays):
    del arrays["configuration"]


def _broken_configuration(arrays):
    arrays["configuration"] = np.array("{")


def _no_state(arrays):
    del arrays["state_0"]


@pytest.mark.parametrize(
    ("change", "sealed"),
    [
        # Whoever changes an archive has no digest of what it is then.
        (_fewer_records, False),
        (_no_record, True),
        (_empty_record, True),
        (_too_many_records, True),
        (_fewer_seeds, True),
        (_other_records, True),
        (_other_type, True),
        (_no_configuration, True),
        (_broken_configuration, True),
        (_no_state, True),
    ],
)
def test_forged_checkpoints_are_refused(change, sealed, begun_earlier):
    _check_refused(begun_earlier, change, sealed)


def _check_refused(begun, change, sealed=True):
    path = begun / CHECKPOINT_FILE
    _forge(path, change, sealed)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="checkpoint.npz is damaged.*remove it"):
        run(begun, resume=True)
    assert path.read_bytes() == before


def _about(**changes):
    """A change of what the states say of the records."""

    def change(arrays):
        about = json.loads(arrays["records"].tobytes()) | changes
        arrays["records"] = np.frombuffer(json.dumps(about).encode(), np.uint8)

    return change


def test_forged_states_are_refused(begun):
    changes = [
        _about(count=2),
        _about(count=4),
        _about(count=0),
        _about(count=10**12),
        _about(length=100),
        _about(length=10**12, sha256=""),
        _about(names=["other"]),
        _about(names=[]),
        _about(more=1),
        _fewer_seeds,
        _other_type,
        _no_state,
        lambda arrays: arrays.pop("records"),
    ]
    whole = (begun / CHECKPOINT_FILE).read_bytes()
    for change in changes:
        (begun / CHECKPOINT_FILE).write_bytes(whole)
        _check_refused(begun, change)


_HALVES = (jnp.bfloat16, jnp.float8_e5m2, jnp.float16)


def _halves():
    """A run whose state is of dtypes that NumPy's files do not know."""
    return counter(kind="halves")._replace(
        init=lambda key, data, numbers: (
            {
                dtype.__name__: jax.random.uniform(key).astype(dtype)
                for dtype in _HALVES
            },
            key,
        ),
        run_epoch=lambda state, *_: jax.tree.map(lambda leaf: leaf * 1.5, state),
        measure=lambda state, *_: jax.tree.map(jnp.float32, state),
    )


@pytest.mark.parametrize("is_earlier", [False, True])
def test_states_that_numpy_does_not_know_go_on(is_earlier, tmp_path):
    if is_earlier:  # When there were no names of dtypes.
        halves = _halves()._replace(
            init=lambda key, *_: (jax.random.uniform(key).astype(jnp.bfloat16), key),
            measure=lambda state, *_: {"bfloat16": state.astype(jnp.float32)},
        )
    else:
        halves = _halves()
    with pytest.raises(Interrupted):
        run(tmp_path, trainable=halves, on_progress=stop_after(2))
    if is_earlier:
        _forge(tmp_path / CHECKPOINT_FILE, _without_dtypes, True)
    found = run(tmp_path, trainable=halves, resume=True)
    assert found.identical(open_dataset(tmp_path))
    xr.testing.assert_equal(found, run(None, trainable=halves))


def _without_dtypes(arrays):
    about = json.loads(arrays["records"].tobytes())
    assert about.pop("dtypes") == ["bfloat16"]
    arrays["records"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays["state_0"] = arrays["state_0"].view("V2")


def test_other_records_are_refused(begun):
    path = begun / RECORDS_FILE
    content = path.read_bytes()
    for other in (b"", content[:-1], content[:-1] + bytes([content[-1] ^ 1])):
        path.write_bytes(other)
        with pytest.raises(ResultsError, match="the bytes of checkpoint.records are"):
            run(begun, resume=True)
        assert path.read_bytes() == other
    path.unlink()
    with pytest.raises(ResultsError, match="damaged .FileNotFoundError: .*records"):
        run(begun, resume=True)


def test_archives_of_anything_are_refused(begun):
    path = begun / CHECKPOINT_FILE
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        huge, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("state_0.npy", huge.getvalue())
    encoded = bytearray(plain.getvalue())
    for header in (b"PK\x03\x04", b"PK\x01\x02"):  # A compression nobody knows.
        at = encoded.index(header) + (8 if header[2] == 3 else 10)
        encoded[at : at + 2] = (99).to_bytes(2, "little")
    for content in (b"", b"PK", plain.getvalue(), bytes(encoded)):
        path.write_bytes(content)
        with pytest.raises(ResultsError, match="checkpoint.npz is damaged"):
            run(begun, resume=True)


def test_every_changed_byte_of_a_checkpoint_is_noticed(begun):
    path = begun / CHECKPOINT_FILE
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for at in rng.choice(len(content), 40, replace=False):
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        with pytest.raises(ResultsError, match="checkpoint.npz is damaged"):
            run(begun, resume=True)


_ENDLESS = """
import sys, time
sys.path.insert(0, sys.argv[2])
from counting import run
def slowly(progress):
    print(progress.num_snapshots_done, flush=True)
    time.sleep(0.05)
run(sys.argv[1], snapshots=range(10_000), on_progress=slowly)
"""


def test_a_run_is_alone_and_survives_being_killed(tmp_path, start_python):
    """Killed wherever it was; then resumed, its directory is free and clean."""
    place = tmp_path / "run"
    process = start_python(_ENDLESS, place, os.path.dirname(__file__))
    while process.stdout.readline() != "5\n":
        assert process.poll() is None
    with pytest.raises(ResultsError, match="is in use by another run"):
        run(place, resume=True)
    process.kill()
    process.wait()
    (place / ".checkpoint.npz.12345678.tmp").touch()
    with pytest.raises(Interrupted):
        run(place, snapshots=range(10_000), resume=True, on_progress=stop_after(20))
    assert set(os.listdir(place)) == FILES
    directory = RunDirectory(place)
    done = find_earlier(directory, _configuration(place), True)
    directory.release()
    record = np.stack([record["value"] for record in done.records])
    assert len(record) >= 20
    for seed in (0, 1):
        start = np.float32(jax.random.uniform(jax.random.fold_in(KEY, seed)))
        expected = [start]
        for _ in record[1:]:
            expected.append(expected[-1] + np.float32(0.5))
        np.testing.assert_array_equal(record[:, seed], expected)


def test_a_directory_in_place_of_a_checkpoint_is_refused(tmp_path):
    (tmp_path / CHECKPOINT_FILE).mkdir()
    with pytest.raises(ResultsError, match="checkpoint.npz is damaged"):
        run(tmp_path, resume=True)
