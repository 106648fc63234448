"""Help of the command without JAX, whose import would take seconds.

The pages of the commands are kept beside this file, those of single experiments in the
user's cache from the first time on, for as long as the package stays as it is.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = [
    "PAGES",
    "check_names",
    "check_options",
    "is_asked_for",
    "keep_page",
    "kept_page",
    "suggestion",
    "written_pages",
]

PAGES = Path(__file__).with_name("help.txt")
"""File of the commands' pages."""

_MARK = "=== "
_HELP = {"-h", "--help"}
# Of every command, and of none.
_COMMON = {"--help", "--tyro-print-completion", "--tyro-write-completion"}
# A file that is not there or no text, and a user without a home.
_UNREADABLE = OSError, ValueError, RuntimeError
_HAVE_EXPERIMENTS = ("sweep", "reproduce")


def written_pages(pages: dict[str, str]) -> str:
    r"""Content of :data:`PAGES`.

    Example:
      >>> written_pages({"info": "usage: ibjax info"})
      '=== info\nusage: ibjax info\n'
    """
    return "".join(f"{_MARK}{name}\n{page}\n" for name, page in pages.items())


@functools.cache
def _pages() -> dict[str, str]:
    parts = PAGES.read_text(encoding="utf-8").split(_MARK)[1:]
    named = (part.split("\n", 1) for part in parts)
    return {name: page.removesuffix("\n") for name, page in named}


def _experiments(command: str) -> list[str]:
    """Experiments that a command takes, from its page."""
    return re.findall(r"^ +\N{BULLET} (\S+)", _pages()[command], re.MULTILINE)


def check_names(arguments: Sequence[str]) -> None:
    """Check that a command, and the experiment it is given, exist.

    Raises:
      ValueError: If one does not, with the nearest name.
    """
    known: Iterable[str] = _pages()
    for kind, name in zip(("command", "experiment"), arguments, strict=False):
        if name.startswith("-"):
            return
        if name not in known:
            raise ValueError(f"no {kind} {name}; {suggestion(name, known)}")
        if name not in _HAVE_EXPERIMENTS:
            return
        known = _experiments(name)


def check_options(arguments: Sequence[str], page: str) -> None:
    """Check that options are on the page of their command.

    Raises:
      ValueError: If one is not, with the nearest name.
    """
    known = set(re.findall(r"--[a-z][a-z0-9-]*", page)) | _COMMON
    for argument in arguments:
        option = argument.partition("=")[0].replace("_", "-")
        if re.fullmatch(r"--[A-Za-z].*", option) and option not in known:
            raise ValueError(
                f"no option {option} of {' '.join(_place(arguments))}; "
                f"{suggestion(option, known, 'see --help')}"
            )


def suggestion(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """What a name that does not exist may have been meant for."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean {close[0]}?"
    return otherwise or f"choose {', '.join(known)}"


def kept_page(arguments: Sequence[str]) -> str | None:
    """The page that arguments belong to, where it is known without asking anybody."""
    place = _place(arguments)
    if place[0].startswith("-"):
        return None
    if " ".join(place) in _pages():
        return _pages()[" ".join(place)]
    with contextlib.suppress(*_UNREADABLE):
        return _path(place).read_text(encoding="utf-8") or None
    return None


def keep_page(arguments: Sequence[str], page: str) -> None:
    """Keep the page of an experiment for the next time, if there is room for it."""
    with contextlib.suppress(*_UNREADABLE):
        path = _path(_place(arguments))
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}")
        beside.write_text(page, encoding="utf-8")
        # Those of the package as it was are of no use any more.
        stem = path.name.removesuffix(_state())
        for old in path.parent.glob(f"{stem}{'?' * len(_state())}"):
            old.unlink(missing_ok=True)
        beside.replace(path)


def is_asked_for(arguments: Sequence[str]) -> bool:
    """Check whether arguments ask for help."""
    return any(argument in _HELP for argument in arguments)


def _place(arguments: Sequence[str]) -> list[str]:
    """The command, and its experiment if it is given one."""
    command, *others = arguments[:2]
    if command in _HAVE_EXPERIMENTS and others and not others[0].startswith("-"):
        return [command, others[0]]
    return [command]


def _path(place: Sequence[str]) -> Path:
    return Path.home() / ".cache" / "ibjax" / "help" / f"{'-'.join(place)}-{_state()}"


@functools.cache
def _state() -> str:
    """What the pages follow from: the package's files, as they are now."""
    files = {path: path.stat() for path in Path(__file__).parents[1].rglob("*.py")}
    known = sorted((str(p), s.st_size, s.st_mtime_ns) for p, s in files.items())
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]
