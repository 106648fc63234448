"""An unfinished sweep on disk: enough to go on from its last snapshot."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    open_dataset,
    save_dataset,
    write_atomically,
)

__all__ = [
    "CHECKPOINT_FILE",
    "Checkpoint",
    "find_earlier",
    "save_checkpoint",
    "save_finished",
]

CHECKPOINT_FILE = "checkpoint.npz"
"""Name of an unfinished sweep's file in its directory."""


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
    directory: Path | None, configuration: dict[str, Any], resume: bool
) -> Checkpoint | xr.Dataset | None:
    """Earlier results or checkpoint of a run in a directory.

    Args:
      directory: The run's directory, made if need be; None for no directory.
      configuration: All that decides the run's numbers, as JSON returns it.
      resume: Whether the run may be there already.

    Returns:
      The finished results, the checkpoint of an unfinished run, or None.

    Raises:
      ResultsError: If another run is there, or this one and it is not to be resumed.
    """
    if directory is None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    finished, unfinished = directory / DATASET_FILE, directory / CHECKPOINT_FILE
    if finished.exists():
        dataset = open_dataset(finished)
        found, done = json.loads(dataset.attrs["configuration"]), dataset
    elif unfinished.exists():
        found, done = _load_checkpoint(unfinished)
    else:
        return None
    names = [
        name
        for name in configuration | found
        if configuration.get(name) != found.get(name)
    ]
    if names:
        raise ResultsError(
            f"{directory} holds another run, which differs in {', '.join(names)}; "
            "choose another directory"
        )
    if not resume:
        state = "the results" if finished.exists() else "an unfinished run"
        raise ResultsError(
            f"{directory} already holds {state} of this configuration; resume it, or "
            "choose another directory"
        )
    return done


def save_checkpoint(
    directory: Path, checkpoint: Checkpoint, configuration: dict[str, Any]
) -> None:
    """Replace the directory's checkpoint, in one step."""
    arrays = {f"state_{n}": leaf for n, leaf in enumerate(checkpoint.leaves)}
    for name in checkpoint.records[0]:
        arrays[f"record_{name}"] = np.stack([r[name] for r in checkpoint.records])
    buffer = io.BytesIO()
    np.savez(
        buffer,
        configuration=json.dumps(configuration),
        wall_seconds=checkpoint.wall_seconds,
        **arrays,
    )
    write_atomically(directory / CHECKPOINT_FILE, buffer.getvalue())


def save_finished(directory: Path, dataset: xr.Dataset) -> None:
    """Save the results, in place of the checkpoint."""
    save_dataset(dataset, directory / DATASET_FILE)
    (directory / CHECKPOINT_FILE).unlink(missing_ok=True)


def _load_checkpoint(path: Path) -> tuple[dict[str, Any], Checkpoint]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = dict(file)
        configuration = json.loads(str(arrays.pop("configuration")))
        wall_seconds = float(arrays.pop("wall_seconds"))
        leaves = [arrays[f"state_{n}"] for n in range(_count(arrays, "state_"))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ResultsError(
            f"{path} is damaged ({type(error).__name__}); remove it to start afresh"
        ) from error
    columns = {
        name.removeprefix("record_"): column
        for name, column in arrays.items()
        if name.startswith("record_")
    }
    num_records = len(next(iter(columns.values())))
    records = [{name: columns[name][n] for name in columns} for n in range(num_records)]
    return configuration, Checkpoint(leaves, records, wall_seconds)


def _count(names, prefix: str) -> int:
    return sum(name.startswith(prefix) for name in names)
