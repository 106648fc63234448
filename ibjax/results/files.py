"""Files of labelled datasets, written whole or not at all, and read with checks."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

__all__ = [
    "DATASET_FILE",
    "ResultsError",
    "merge",
    "open_dataset",
    "save_dataset",
    "write_atomically",
]

DATASET_FILE = "results.nc"
"""Name of the dataset's file in a sweep's directory."""

_FILE_MODE = 0o644


class ResultsError(Exception):
    """A results file that cannot be used; the message says which and why."""


def save_dataset(dataset: xr.Dataset, path: str | Path) -> None:
    """Writes a dataset to one netCDF file; a crash leaves the old file or the new one.

    Args:
      dataset: The dataset.
      path: File to write; its directory must exist.

    Raises:
      OSError: If it cannot be written, e.g. for want of space; the old file remains.

    Example:
      >>> dataset = xr.Dataset(coords={"seed": [0], "epoch": [0]})
      >>> dataset.attrs["configuration"] = "{}"
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     save_dataset(dataset, Path(directory) / DATASET_FILE)
      ...     print(open_dataset(directory).identical(dataset))
      True
    """
    path = Path(path)
    with _temporary_beside(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")


def write_atomically(path: str | Path, content: bytes | str) -> Path:
    """Writes a file; a crash leaves the old file or the new one.

    Args:
      path: File to write; missing directories are made.
      content: Bytes, or text to be encoded as UTF-8.

    Returns:
      The path.

    Raises:
      OSError: If it cannot be written; the old file remains.

    Example:
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     write_atomically(Path(directory) / "new" / "note.txt", "text").read_text()
      'text'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _temporary_beside(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def open_dataset(path: str | Path) -> xr.Dataset:
    """Reads a sweep's dataset into memory.

    Args:
      path: The netCDF file, or the directory of the sweep.

    Returns:
      The dataset.

    Raises:
      ResultsError: If there is no file, or it is damaged, or holds no sweep.

    Example:
      >>> open_dataset("no-such-place")
      Traceback (most recent call last):
          ...
      ibjax.results.files.ResultsError: no results: no-such-place does not exist
    """
    path = Path(path)
    if path.is_dir():
        path = path / DATASET_FILE
    if not path.is_file():
        raise ResultsError(f"no results: {path} does not exist")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            dataset = dataset.load()
    except Exception as error:  # HDF5 raises many types for damaged bytes.
        raise ResultsError(
            f"{path} is damaged or no netCDF file ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no details'})"
        ) from error
    if not {"seed", "epoch"} <= set(dataset.dims):
        raise ResultsError(f"{path} holds no sweep: dim seed or epoch missing")
    if "configuration" not in dataset.attrs:
        raise ResultsError(f"{path} holds no sweep: configuration missing")
    return dataset


def merge(datasets: Iterable[xr.Dataset]) -> xr.Dataset:
    """One dataset of sweeps of one configuration over different seeds.

    Args:
      datasets: Datasets whose ``configuration`` differs in the seeds only.

    Returns:
      One dataset, sorted by seed.

    Raises:
      ValueError: If configurations differ or a seed appears twice.

    Example:
      >>> parts = [
      ...     xr.Dataset(
      ...         {"loss": (("seed", "epoch"), [[1.0]])},
      ...         {"seed": [seed], "epoch": [0]},
      ...         {"configuration": json.dumps({"num_seeds": 1, "first_seed": seed})},
      ...     )
      ...     for seed in (1, 0)
      ... ]
      >>> merged = merge(parts)
      >>> print(merged.seed.values, merged.attrs["configuration"])
      [0 1] {"num_seeds": 2, "first_seed": 0}
    """
    datasets = list(datasets)
    if not datasets:
        raise ValueError("datasets must hold at least one dataset, got none")
    configurations = [json.loads(d.attrs["configuration"]) for d in datasets]
    for configuration in configurations:
        for name in ("num_seeds", "first_seed"):
            configuration.pop(name, None)
    for configuration in configurations[1:]:
        if configuration != configurations[0]:
            differing = [
                name
                for name in configurations[0] | configuration
                if configurations[0].get(name) != configuration.get(name)
            ]
            raise ValueError(f"datasets differ in {', '.join(differing)}")
    seeds = np.concatenate([d.seed.values for d in datasets])
    if len(np.unique(seeds)) != len(seeds):
        raise ValueError("datasets share seeds; each may appear once")
    merged = xr.concat(datasets, "seed", data_vars="minimal", combine_attrs="override")
    merged = merged.sortby("seed")
    configuration = json.loads(datasets[0].attrs["configuration"])
    for name in ("wall_seconds", "compile_seconds"):
        merged.attrs[name] = sum(dataset.attrs.get(name, 0.0) for dataset in datasets)
    if "title" in merged.attrs:
        merged.attrs["title"] = f"ibjax sweep of {len(seeds)} networks, merged"
    configuration |= {"num_seeds": len(seeds), "first_seed": int(seeds.min())}
    merged.attrs["configuration"] = json.dumps(configuration)
    return merged


@contextlib.contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` if all goes well."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(_FILE_MODE)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
