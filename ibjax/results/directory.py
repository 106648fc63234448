"""Directories of results: one run at a time, and no run in the place of another.

A run holds a lock on its directory while it writes there. The lock is the operating
system's, on a file that goes with the run: that of a killed process is free at once.
"""

import contextlib
import errno
import importlib
import os
import re
import socket
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ibjax.results.cells import cell_configurations
from ibjax.results.files import DATASET_FILE, ResultsError

__all__ = ["LOCK_FILE", "RunDirectory", "check_same_run", "reserved"]

LOCK_FILE = ".ibjax.lock"
"""Name of the file that a run locks in its directory."""

# Of write_atomically and save_dataset, in this version and in those before.
_TEMPORARY = re.compile(
    r"\..+\.[a-z0-9_]{8}\.tmp|\.(results\.nc|checkpoint\.npz)\.[a-z0-9_]{8}"
)


class RunDirectory:
    """A directory that one run alone writes to; use :func:`reserved` to get one.

    Attributes:
      path: The directory.
    """

    def __init__(self, path: Path):
        """Reserve a directory, made if need be."""
        self.path = path
        self._is_new = not path.exists()
        self._lock: int | None = None
        self._reserve()
        self._seen = {file.name: _signature(file) for file in path.iterdir()}

    def release(self) -> None:
        """Let other runs have the directory."""
        if self._lock is not None:
            # Before it is unlocked, so that whoever locks it next sees that it is gone.
            with contextlib.suppress(OSError):
                if _is_file(self._lock, self.path / LOCK_FILE):
                    (self.path / LOCK_FILE).unlink()
            os.close(self._lock)
            self._lock = None
        if self._is_new:
            # Made for a run that came to nothing.
            with contextlib.suppress(OSError):
                self.path.rmdir()

    @contextlib.contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        """Path of a file that is about to be replaced by this run.

        A file that another run has written since this one last saw it, on a disk
        without locks or where the directory was removed, raises ``ResultsError``.
        """
        path = self.path / name
        if self._lock is not None and not _is_file(self._lock, self.path / LOCK_FILE):
            os.close(self._lock)
            self._lock = None
            self._reserve()
        found = _signature(path)
        if found is not None and found != self._seen.get(name):
            raise ResultsError(
                f"{path} was written by another run in the meantime, and is left as it "
                "is; choose another directory"
            )
        yield path
        self._seen[name] = _signature(path)

    def _reserve(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock = _locked(self.path / LOCK_FILE)
        except FileNotFoundError:
            # Removed at this moment, by a run that came to nothing.
            self._reserve()
        except OSError as error:
            # Finished results can be read where nothing can be written.
            unwritable = error.errno in (errno.EACCES, errno.EPERM, errno.EROFS)
            if not unwritable or not (self.path / DATASET_FILE).exists():
                raise
        if self._lock is not None:
            _clear(self.path)


@contextlib.contextmanager
def reserved(directory: Path) -> Iterator[RunDirectory]:
    """Reserve a directory for one run, and clear it of what killed runs left half done.

    Args:
      directory: The directory, made if need be.

    Yields:
      The reserved directory.

    Raises:
      ResultsError: If another run is using it.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as place:
      ...     with reserved(Path(place)):
      ...         try:
      ...             with reserved(Path(place)):
      ...                 pass
      ...         except ResultsError as error:
      ...             print(str(error).removeprefix(place).split("(")[0])
       is in use by another run
    """
    own = RunDirectory(directory)
    try:
        yield own
    finally:
        own.release()


def check_same_run(
    directory: Path,
    expected: dict[str, Any],
    found: Any,
    *,
    unknown: Collection[str] = (),
) -> None:
    """Check that the run in a directory has the configuration that is asked for.

    Args:
      directory: The directory.
      expected: Configuration asked for, of a run or of a grid, as JSON returns it.
      found: That of the run that is there.
      unknown: Entries that are not compared.

    Raises:
      ResultsError: If they differ, or what was found is none.
    """
    own = cell_configurations(expected)
    try:
        there = cell_configurations(found)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ResultsError(
            f"{directory} holds a run without a readable configuration; choose another "
            "directory"
        ) from error
    if [place for place, _ in own] != [place for place, _ in there]:
        over, instead = (c.get("grid") or "no grid" for c in (found, expected))
        raise ResultsError(
            f"{directory} holds another run, over {over}; this one is over {instead}; "
            "choose another directory"
        )
    differing = {
        name: None
        for (_, one), (_, other) in zip(own, there, strict=True)
        for name in one | other
        if name not in unknown and one.get(name) != other.get(name)
    }
    if differing:
        raise ResultsError(
            f"{directory} holds another run, which differs in {', '.join(differing)}; "
            "choose another directory"
        )


def _locked(path: Path) -> int | None:
    """Descriptor of a file that this run has locked; None on a disk without locks."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(handle)
        except OSError as error:
            owner = os.read(handle, 100).decode(errors="replace").strip()
            os.close(handle)
            if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise ResultsError(
                    f"{path.parent} is in use by another run ({owner or 'unknown'}); "
                    "wait for it, or choose another directory"
                ) from error
            with contextlib.suppress(OSError):
                path.unlink()
            warnings.warn(
                f"{path.parent} is on a disk without file locks "
                f"({error.strerror}): start no other run there",
                stacklevel=2,
            )
            return None
        # Whoever had it may have removed the file after it was opened here.
        if _is_file(handle, path):
            owner = f"process {os.getpid()} on {socket.gethostname()}"
            # The lock holds without it, on a disk without room too.
            with contextlib.suppress(OSError):
                os.ftruncate(handle, 0)
                os.write(handle, owner.encode())
            return handle
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock a file, or raise OSError: one that is locked has EAGAIN or EACCES."""
    if os.name == "nt":
        # Of no other system, where its names are unknown to type checkers.
        msvcrt: Any = importlib.import_module("msvcrt")

        # Beyond the text, which can be read while the byte is locked.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_file(handle: int, path: Path) -> bool:
    """Check that a descriptor is of the file that a path names now."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _signature(path: Path) -> tuple[int, ...] | None:
    """Numbers that change whenever a file is replaced; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _clear(directory: Path) -> None:
    """Remove temporary files; there are none of a living run where one has the lock."""
    for folder in (directory, directory / "figures"):
        for file in folder.iterdir() if folder.is_dir() else ():
            if _TEMPORARY.fullmatch(file.name):
                file.unlink(missing_ok=True)
