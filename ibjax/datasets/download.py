"""Download a file whose size and checksum are known, going on where it broke off."""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["download"]

_CHUNK = 1 << 16
_TIMEOUT_SECONDS = 30
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


def download(url: str, path: str | Path, *, size: int, sha256: str) -> Path:
    """Download a file, unless it is there already.

    What arrives is kept beside ``path`` with ``.part`` added to the name. If the
    connection breaks off, the next call asks for the rest only, and starts over where
    a server does not know how to do that. The file takes its place when it is complete
    and its checksum right, never before.

    Args:
      url: Where it is, https or http.
      path: File to write; missing directories are made.
      size: Its size in bytes. No more than that is ever written.
      sha256: Its checksum, in hexadecimal.

    Returns:
      The path.

    Raises:
      ValueError: If what arrived, or lies at ``path``, is not the file.
      OSError: If there is no connection, or it broke off, or the disk is full.
    """
    path = Path(path)
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"url must begin with https:// or http://, got {url!r}")
    if path.exists():
        if path.stat().st_size != size or _sha256(path) != sha256:
            raise ValueError(f"{path} is not the file at {url}; remove it to download")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    resumed = _receive(url, part, size)
    if _sha256(part) != sha256 and resumed:
        # What was left from before may be the part that is wrong.
        part.unlink()
        _receive(url, part, size)
    checksum = _sha256(part)
    if checksum != sha256:
        part.unlink()
        raise ValueError(f"{url} has sha256 {checksum}, expected {sha256}")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)
    return path


def _receive(url: str, part: Path, size: int) -> bool:
    """Complete ``part``; whether some of it was there before."""
    start = part.stat().st_size if part.exists() else 0
    if start > size:
        part.unlink()
        start = 0
    if start == size:
        return True
    try:
        resumed = _append(url, part, start, size)
    except (http.client.HTTPException, OSError) as error:
        have = part.stat().st_size if part.exists() else 0
        raise OSError(
            f"{url} could not be downloaded ({_reason(error)}); {have} of {size} bytes "
            f"are there, a new attempt goes on from them"
        ) from error
    have = part.stat().st_size
    if have > size:
        part.unlink()
        raise ValueError(f"{url} has more than the {size} bytes expected")
    if have < size:
        raise OSError(
            f"{url} broke off after {have} of {size} bytes; a new attempt goes on from "
            f"there"
        )
    return resumed


def _append(url: str, part: Path, start: int, size: int) -> bool:
    """Write what the server sends, one byte more than expected at the most."""
    headers = {"User-Agent": "ibjax"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with contextlib.ExitStack() as stack:
        try:
            response = urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=_TIMEOUT_SECONDS
            )
        except urllib.error.HTTPError as error:
            with error:
                if not start or error.code != _RANGE_NOT_SATISFIABLE:
                    raise
            part.unlink()
            return _append(url, part, 0, size)
        stack.enter_context(response)
        place = response.headers.get("Content-Range", "")
        resumed = (
            start > 0
            and response.status == _PARTIAL_CONTENT
            and place.startswith(f"bytes {start}-")
        )
        if start and response.status == _PARTIAL_CONTENT and not resumed:
            raise OSError(f"the server sent {place!r} when asked for bytes {start}-")
        have = start if resumed else 0
        file = stack.enter_context(part.open("ab" if resumed else "wb"))
        while have <= size and (chunk := response.read(min(_CHUNK, size + 1 - have))):
            file.write(chunk)
            have += len(chunk)
    return resumed


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", "") or error) or type(error).__name__
    code = getattr(error, "code", None)
    return text if code is None else f"{code} {text}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
