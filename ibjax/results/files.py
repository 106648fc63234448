"""Files of labelled datasets, written whole or not at all, and read with checks."""

import contextlib
import hashlib
import io
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5netcdf
import numpy as np
import xarray as xr
from xarray.backends import H5NetCDFStore

from ibjax.numerics import checks

__all__ = [
    "DATASET_FILE",
    "ResultsError",
    "append",
    "datasets_in",
    "open_dataset",
    "read_json",
    "save_dataset",
    "seal",
    "unseal",
    "write_atomically",
]

DATASET_FILE = "results.nc"
"""Name of the dataset's file in a sweep's directory."""

_FILE_MODE = 0o644
# Line after the last byte of a file's own format, whose readers stop before it.
_SEAL = b"\nibjax sha256 %s\n"
_SEAL_LENGTH = len(_SEAL % bytes(64))
_HDF5 = b"\x89HDF\r\n\x1a\n"


class ResultsError(Exception):
    """A results file that cannot be used; the message says which and why."""


def save_dataset(dataset: xr.Dataset, path: str | Path) -> None:
    """Writes a dataset to one netCDF file; a crash leaves the old file or the new one.

    The file ends with a digest of its bytes, see :func:`seal`, which other readers of
    netCDF pass over.

    Args:
      dataset: The dataset.
      path: File to write; its directory must exist.

    Raises:
      ResultsError: If the dataset is of no sweep: what would not open again.
      TypeError: If an attribute is no text, number or row of them.
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
    checks.instance("dataset", dataset, xr.Dataset)
    _check_sweep(dataset, "dataset")
    _check_attributes("dataset", dataset.attrs)
    for name, variable in dataset.variables.items():
        _check_attributes(f"dataset[{name!r}]", variable.attrs)
    # In memory first: HDF5 crashes some time after it could not write to a full disk.
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        # Of a file that it was read from xarray keeps the type and the length of texts,
        # to which what was joined to it since would be cut.
        dataset.drop_encoding().dump_to_store(H5NetCDFStore(file))
    with _temporary_beside(path) as temporary:
        temporary.write_bytes(seal(buffer.getvalue()))


def seal(content: bytes) -> bytes:
    """Bytes of a file, and after them a line with their SHA-256 digest.

    Args:
      content: The bytes.

    Returns:
      Bytes from which :func:`unseal` gets them back, or tells that they changed.

    Example:
      >>> unseal(seal(b"numbers")), unseal(b"numbers")
      (b'numbers', None)
    """
    return content + _SEAL % hashlib.sha256(content).hexdigest().encode()


def unseal(content: bytes) -> bytes | None:
    """Bytes before their digest; None if there is none, or it is of other bytes.

    Args:
      content: All bytes of a file.

    Returns:
      The bytes without the line that :func:`seal` wrote after them.
    """
    body = content[:-_SEAL_LENGTH]
    return body if seal(body) == content else None


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


def append(path: Path, content: bytes) -> None:
    """Appends bytes to a file, and waits until they are on the disk.

    Args:
      path: The file, made if need be.
      content: The bytes.

    Raises:
      OSError: If they cannot be written; some of them may be.
    """
    with _named_errors(path), path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_json(path: str | Path) -> Any:
    """Reads a file of JSON that a run left.

    Args:
      path: The file.

    Returns:
      Its content.

    Raises:
      ResultsError: If it cannot be read, or is no JSON.

    Example:
      >>> read_json("no-such-file.json")  # doctest: +ELLIPSIS
      Traceback (most recent call last):
          ...
      ibjax.results.files.ResultsError: no-such-file.json cannot be read: ...
    """
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path} is damaged or no JSON: {error}") from error


def open_dataset(path: str | Path) -> xr.Dataset:
    """Reads a sweep's dataset into memory.

    Args:
      path: The netCDF file, or the directory of the sweep.

    Returns:
      The dataset.

    Raises:
      ResultsError: If there is no file, or it is damaged, or holds no sweep. Files of
        versions before 0.2.0 have no digest, and say so by a warning: of those only
        some damages are found.

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
    # Before HDF5 sees it, which loops for ever over some damaged bytes.
    content = path.read_bytes()
    if unseal(content) is None:
        if not _is_unsealed(content):
            raise ResultsError(
                f"{path} is damaged or no netCDF file (its bytes are not those that "
                "were written)"
            )
        warnings.warn(
            f"{path} has no digest, as files of earlier versions: damages may go "
            "unnoticed",
            stacklevel=2,
        )
    del content
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            dataset = dataset.load()
    except Exception as error:  # HDF5 raises many types for damaged bytes.
        raise ResultsError(
            f"{path} is damaged or no netCDF file ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no details'})"
        ) from error
    _check_sweep(dataset, path)
    return dataset


@contextlib.contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` if all goes well."""
    handle, name = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _named_errors(path):
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(_FILE_MODE)
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Context whose errors name a file: that of a full disk names none."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno is None:
            raise OSError(f"{reason}: {path}") from error
        raise OSError(error.errno, reason, str(path)) from error


def _is_unsealed(content: bytes) -> bool:
    """Check that HDF5 says of a file that it ends with the file's last byte.

    A sealed file does not, so that one whose seal is lost is not taken for an old one.
    """
    if content[:8] != _HDF5 or len(content) < 64:
        return False
    # Where the superblock keeps the end depends on its version.
    at = {0: 40, 1: 44, 2: 28, 3: 28}.get(content[8])
    return at is not None and int.from_bytes(content[at : at + 8], "little") == len(
        content
    )


def datasets_in(name: str, datasets: Iterable[xr.Dataset]) -> list[xr.Dataset]:
    """Datasets of sweeps as a list, checked to be some with a configuration."""
    single = isinstance(datasets, xr.Dataset) or hasattr(datasets, "shape")
    if single or not isinstance(datasets, Iterable):
        raise TypeError(f"{name} must be several datasets, got {datasets!r:.80}")
    datasets = list(datasets)
    for dataset in datasets:
        checks.instance(f"each of {name}", dataset, xr.Dataset)
        checks.holds(f"the attributes of {name}", dataset.attrs, "configuration")
    return datasets


def _check_sweep(dataset: xr.Dataset, where: Any) -> None:
    if not {"seed", "epoch"} <= set(dataset.dims):
        raise ResultsError(f"{where} holds no sweep: dim seed or epoch missing")
    if "configuration" not in dataset.attrs:
        raise ResultsError(f"{where} holds no sweep: configuration missing")


def _check_attributes(name: str, attributes: Mapping[str, Any]) -> None:
    """Check that netCDF has a type for every attribute."""
    for key, value in attributes.items():
        where = f"{name}.attrs[{key!r}]"
        found = checks.array(where, value, np.asarray)
        if found.dtype.kind not in "UiufS" or found.ndim > 1:
            raise TypeError(
                f"{where} must be a text, a number or a row of them, got {value!r:.80}"
            )
        # As they came: NumPy drops zeros at the end of a text.
        for text in np.asarray(value, object).reshape(-1):
            if isinstance(text, str) and not _is_storable(text):
                raise ValueError(
                    f"{where} must hold no zero character and no half of a pair of "
                    f"surrogates, got {text!r:.80}"
                )


def _is_storable(text: str) -> bool:
    """True of texts that HDF5 takes, which ends them at a zero."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
