"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["write_file"]


def write_file(path: str | os.PathLike[str], content: bytes | str) -> Path:
    """Writes a file so that readers see the old content or the new, never a part.

    The content goes to a temporary file in the same directory, which then takes the
    name. Missing directories are made.

    Args:
      path: File to write or replace.
      content: Bytes, or text to be encoded as UTF-8.

    Returns:
      The path.

    Example:
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     write_file(Path(directory) / "new" / "note.txt", "text").read_text()
      'text'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files private; give them the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path
