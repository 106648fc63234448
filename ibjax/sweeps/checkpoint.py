"""An unfinished sweep on disk: enough to go on from its last snapshot."""

import io
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.results.directory import RunDirectory, check_same_run
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    open_dataset,
    save_dataset,
    seal,
    unseal,
    write_atomically,
)

__all__ = [
    "CHECKPOINT_FILE",
    "Checkpoint",
    "check_fits",
    "check_unused",
    "find_earlier",
    "save_checkpoint",
    "save_finished",
]

CHECKPOINT_FILE = "checkpoint.npz"
"""Name of an unfinished sweep's file in its directory."""

# Kept in the file, so that one that lost its digest is not taken for an older one.
_FORMAT = 2


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


def save_checkpoint(
    directory: RunDirectory, checkpoint: Checkpoint, configuration: dict[str, Any]
) -> None:
    """Replace the directory's checkpoint, in one step."""
    arrays = {f"state_{n}": leaf for n, leaf in enumerate(checkpoint.leaves)}
    for name in checkpoint.records[0]:
        arrays[f"record_{name}"] = np.stack([r[name] for r in checkpoint.records])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        format=_FORMAT,
        configuration=json.dumps(configuration),
        wall_seconds=checkpoint.wall_seconds,
        **arrays,
    )
    with directory.replacing(CHECKPOINT_FILE) as path:
        write_atomically(path, seal(buffer.getvalue()))


def save_finished(directory: RunDirectory, dataset: xr.Dataset) -> None:
    """Save the results, in place of the checkpoint."""
    with directory.replacing(DATASET_FILE) as path:
        save_dataset(dataset, path)
    (directory.path / CHECKPOINT_FILE).unlink(missing_ok=True)


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
        arrays.pop("format", None)
        configuration = json.loads(str(arrays.pop("configuration")))
        wall_seconds = float(arrays.pop("wall_seconds"))
        leaves = [
            arrays.pop(f"state_{n}")
            for n in range(sum(name.startswith("state_") for name in arrays))
        ]
        columns = {name.removeprefix("record_"): arrays[name] for name in arrays}
        (num_records,) = {len(column) for column in columns.values()}
        if not 0 < num_records <= len(configuration["snapshots"]):
            raise ValueError(f"it holds {num_records} snapshots")
    except Exception as error:
        details = " ".join(str(error).split())[:100] or "no details"
        raise ResultsError(
            f"{path} is damaged ({type(error).__name__}: {details}); remove it to "
            "start afresh"
        ) from error
    records = [{name: columns[name][n] for name in columns} for n in range(num_records)]
    return configuration, Checkpoint(leaves, records, wall_seconds)


def _json(text: str) -> Any:
    """Content of a configuration; None, which is none, where it cannot be read."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None
