"""An unfinished sweep on disk: enough to go on from its last snapshot.

Two files: one begins with the configuration, and what is measured is appended to it,
snapshot by snapshot; the states replace another, which says how far the first one
holds. So each number measured is written once, and a run that is killed between the two
goes on from the snapshot before.
"""

import contextlib
import hashlib
import io
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.results.directory import RunDirectory, check_same_run
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    append,
    open_dataset,
    save_dataset,
    seal,
    unseal,
    write_atomically,
)

__all__ = [
    "CHECKPOINT_FILE",
    "RECORDS_FILE",
    "Checkpoint",
    "CheckpointWriter",
    "check_fits",
    "check_unused",
    "find_earlier",
    "save_finished",
]

CHECKPOINT_FILE = "checkpoint.npz"
"""Name of an unfinished sweep's file of states in its directory."""

RECORDS_FILE = "checkpoint.records"
"""Name of the file of what was measured so far."""

# Kept in the file, so that one that lost its digest is not taken for an older one. The
# formats 1, without a digest, and 2 had the records in it.
_FORMAT = 3


class Checkpoint(NamedTuple):
    """A sweep after some of its snapshots.

    Attributes:
      leaves: Training states, flat, ``[num_seeds, ...]`` each.
      records: For every snapshot flat arrays by name, ``[num_seeds, ...]`` each.
      wall_seconds: Time spent so far.
    """

    leaves: list[np.ndarray]
    records: list[dict[str, np.ndarray]]
    wall_seconds: float


def find_earlier(
    directory: RunDirectory | None,
    configuration: dict[str, Any],
    resume: bool,
    *,
    cells: Collection[str] = (),
    unknown: Collection[str] = (),
) -> Checkpoint | xr.Dataset | None:
    """Earlier results or checkpoint of a run or a grid in a directory.

    Args:
      directory: The run's directory; None for no directory.
      configuration: All that decides the run's numbers, as JSON returns it.
      resume: Whether the run may be there already.
      cells: Names of the directories of a grid's cells.
      unknown: Entries of the configuration that are not known yet.

    Returns:
      The finished results, the checkpoint of an unfinished run, or None.

    Raises:
      ResultsError: If another run is there, or a damaged one, or this one and it is not
        to be resumed.
    """
    if directory is None:
        return None
    path = directory.path
    finished, unfinished = path / DATASET_FILE, path / CHECKPOINT_FILE
    done: Checkpoint | xr.Dataset | None = None
    if finished.exists():
        done = open_dataset(finished)
        check_same_run(
            path, configuration, _json(done.attrs["configuration"]), unknown=unknown
        )
        if resume:
            # Of a run that was killed as soon as it had finished.
            with contextlib.suppress(OSError):
                _remove_checkpoint(path)
    elif unfinished.exists():
        found, done = _load_checkpoint(unfinished)
        check_same_run(path, configuration, found, unknown=unknown)
    # The cells of a grid, which has no file of its own before it is finished.
    begun = {
        file.parent.name
        for name in (DATASET_FILE, CHECKPOINT_FILE)
        for file in path.glob(f"*=*/{name}")
    }
    others = sorted(begun - set(cells))
    if others:
        raise ResultsError(
            f"{path} holds another run, with the cell {others[0]}; choose another "
            "directory"
        )
    if (done is not None or begun) and not resume:
        state = "the results" if finished.exists() else "an unfinished run"
        raise ResultsError(
            f"{path} already holds {state} of this configuration; resume it, or "
            "choose another directory"
        )
    return done


def check_unused(directory: RunDirectory) -> None:
    """Check that a directory holds no run, finished or not."""
    names = (DATASET_FILE, CHECKPOINT_FILE)
    patterns = [*names, *(f"*=*/{name}" for name in names)]
    if any(next(directory.path.glob(pattern), None) for pattern in patterns):
        raise ResultsError(
            f"{directory.path} already holds the results of a run; choose another "
            "directory"
        )


class CheckpointWriter:
    """Writer of an unfinished run's files, one snapshot after another."""

    def __init__(self, directory: RunDirectory, configuration: dict[str, Any]):
        """Begin to write into a directory.

        Args:
          directory: The run's directory.
          configuration: All that decides the run's numbers.
        """
        self._directory = directory
        self._header = _bytes_of(configuration)
        self._num_records = 0
        self._length = 0
        self._digest = hashlib.sha256()

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a run after one more snapshot.

        Args:
          checkpoint: The run, with the records of all snapshots.
        """
        names = sorted(checkpoint.records[0])
        with self._directory.replacing(RECORDS_FILE) as path:
            if self._num_records and _size(path) == self._length:
                added = _encoded(checkpoint.records[self._num_records :], names)
                append(path, added)
            else:
                # The first time, or someone removed it: all that was measured.
                self._digest, self._length = hashlib.sha256(), 0
                added = _encoded([{"": self._header}], [""])
                added += _encoded(checkpoint.records, names)
                write_atomically(path, added)
        self._num_records = len(checkpoint.records)
        self._length += len(added)
        self._digest.update(added)
        about = {
            "names": names,
            "count": self._num_records,
            "length": self._length,
            "sha256": self._digest.hexdigest(),
        }
        if not all(map(_is_plain, checkpoint.leaves)):
            about["dtypes"] = [leaf.dtype.name for leaf in checkpoint.leaves]
        buffer = io.BytesIO()
        np.savez(
            buffer,
            format=_FORMAT,
            wall_seconds=checkpoint.wall_seconds,
            records=_bytes_of(about),
            **{f"state_{n}": _plain(leaf) for n, leaf in enumerate(checkpoint.leaves)},
        )
        with self._directory.replacing(CHECKPOINT_FILE) as path:
            write_atomically(path, seal(buffer.getvalue()))


def save_finished(directory: RunDirectory, dataset: xr.Dataset) -> None:
    """Save the results, in place of the checkpoint."""
    with directory.replacing(DATASET_FILE) as path:
        save_dataset(dataset, path)
    _remove_checkpoint(directory.path)


def _remove_checkpoint(directory: Path) -> None:
    for name in (CHECKPOINT_FILE, RECORDS_FILE):
        (directory / name).unlink(missing_ok=True)


def _plain(leaf: np.ndarray) -> np.ndarray:
    """A state as files of NumPy hold it: of bfloat16, say, they keep the bits alone."""
    return leaf if _is_plain(leaf) else leaf.view(f"u{leaf.dtype.itemsize}")


def _is_plain(leaf: np.ndarray) -> bool:
    return leaf.dtype.isbuiltin == 1


def _bytes_of(content: Any) -> np.ndarray:
    """JSON as bytes: NumPy writes four for each character of a text."""
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


def _encoded(records: Sequence[dict[str, np.ndarray]], names: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    for record in records:
        for name in names:
            np.lib.format.write_array(buffer, record[name], allow_pickle=False)
    return buffer.getvalue()


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def check_fits(
    checkpoint: Checkpoint,
    state: list[Any],
    record: dict[str, Any],
    *,
    num_rows: int,
) -> None:
    """Check that a checkpoint is of what is trained, before it is trained further.

    Args:
      checkpoint: The checkpoint.
      state: Leaves of the state of one seed, or their shapes.
      record: Arrays of one seed at one snapshot by name, or their shapes.
      num_rows: Number of seeds, or of all copies where numbers are varied.

    Raises:
      ResultsError: If a shape, a type or a number of arrays is another one.
    """

    def described(arrays, rows):
        return [((*rows, *a.shape), np.dtype(a.dtype)) for a in arrays]

    rows = (num_rows,)
    names = sorted(record)
    measured = described([record[name] for name in names], rows)
    fits = described(checkpoint.leaves, ()) == described(state, rows) and all(
        sorted(one) == names
        and described([one[name] for name in names], ()) == measured
        for one in checkpoint.records
    )
    if not fits:
        raise ResultsError(
            f"{CHECKPOINT_FILE} is damaged: it holds other states or records than this "
            "run has; remove it to start afresh"
        )


def _load_checkpoint(path: Path) -> tuple[dict[str, Any], Checkpoint]:
    try:
        content = path.read_bytes()
        body = unseal(content)
        # A zip archive: what was made by hand may hold anything, even no array at all.
        with np.load(
            io.BytesIO(content if body is None else body), allow_pickle=False
        ) as file:
            arrays = dict(file)
        if body is None and "format" in arrays:
            raise ValueError("its bytes are not those that were written")
        number = arrays.pop("format", _FORMAT)
        if np.ndim(number) or number not in range(1, _FORMAT + 1):
            raise ValueError(f"it is of format {number}, not of 1 to {_FORMAT}")
        wall_seconds = float(arrays.pop("wall_seconds"))
        leaves = [
            arrays.pop(f"state_{n}")
            for n in range(sum(name.startswith("state_") for name in arrays))
        ]
        # Before dtypes were kept: of those of JAX's own one alone has two bytes.
        dtypes = ["bfloat16" if leaf.dtype == "V2" else leaf.dtype for leaf in leaves]
        if "records" in arrays:
            about = json.loads(arrays["records"].tobytes())
            dtypes = about.pop("dtypes", dtypes)
            beside = path.with_name(RECORDS_FILE)
            configuration, records = _load_records(beside, **about)
        else:
            configuration = json.loads(str(arrays.pop("configuration")))
            records = _records_within(arrays)
        leaves = [leaf.view(own) for leaf, own in zip(leaves, dtypes, strict=True)]
        if not 0 < len(records) <= len(configuration["snapshots"]):
            raise ValueError(f"it holds {len(records)} snapshots")
    except Exception as error:
        details = " ".join(str(error).split())[:100] or "no details"
        raise ResultsError(
            f"{path} is damaged ({type(error).__name__}: {details}); remove it to "
            "start afresh"
        ) from error
    return configuration, Checkpoint(leaves, records, wall_seconds)


def _load_records(
    path: Path, *, names: list[str], count: int, length: int, sha256: str
) -> tuple[dict[str, Any], list[dict[str, np.ndarray]]]:
    """Configuration and records beside the states; what follows was not finished."""
    with path.open("rb") as file:
        content = file.read(length)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"the bytes of {path.name} are not those that were written")
    buffer = io.BytesIO(content)
    header = np.lib.format.read_array(buffer, allow_pickle=False)
    records = [
        {name: np.lib.format.read_array(buffer, allow_pickle=False) for name in names}
        for _ in range(count)
    ]
    if buffer.read(1):
        raise ValueError(f"{path.name} holds more than {count} snapshots")
    return json.loads(header.tobytes()), records


def _records_within(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """Records of a checkpoint of an earlier version, in one file with the states."""
    columns = {name.removeprefix("record_"): arrays[name] for name in arrays}
    (num_records,) = {len(column) for column in columns.values()}
    return [{name: columns[name][n] for name in columns} for n in range(num_records)]


def _json(text: str) -> Any:
    """Content of a configuration; None, which is none, where it cannot be read."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
