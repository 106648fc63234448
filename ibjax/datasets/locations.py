"""Where data files are looked for, and where downloads go."""

import os
from collections.abc import Sequence
from pathlib import Path

__all__ = ["cache_directory", "data_directories", "find_file"]

_VARIABLE = "IBJAX_DATA"


def cache_directory() -> Path:
    """Where downloads go: ``~/.cache/ibjax``."""
    return Path.home() / ".cache" / "ibjax"


def data_directories(directory: str | Path | None = None) -> list[Path]:
    """Directories in which data is looked for, the first one first.

    Args:
      directory: One to look in before the others.

    Returns:
      ``directory`` if given, ``$IBJAX_DATA`` if set, and :func:`cache_directory`. They
      need not exist.

    Example:
      >>> str(data_directories("my-data")[0])
      'my-data'
    """
    directories = [] if directory is None else [Path(directory)]
    if os.environ.get(_VARIABLE):
        directories.append(Path(os.environ[_VARIABLE]))
    return [*directories, cache_directory()]


def find_file(names: Sequence[str], directories: Sequence[Path]) -> Path | None:
    """The first file of one of some names.

    Args:
      names: Names the file may have, the preferred one first.
      directories: Where to look, the first one first.

    Returns:
      Its path, or None if there is none.
    """
    for directory in directories:
        for name in names:
            if (directory / name).is_file():
                return directory / name
    return None
