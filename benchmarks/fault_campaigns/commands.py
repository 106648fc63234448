"""The ``ibjax`` command in forked processes: no seconds of imports for each of them."""

import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ibjax import cli

__all__ = ["Command", "start"]

_KILLED = -signal.SIGKILL
_POLL_SECONDS = 0.01


class Command:
    """A command that was started."""

    def __init__(self, pid: int, output: pathlib.Path):
        """Remember its process and the directory of its outputs."""
        self._pid, self._output = pid, output

    def ended(self, limit: float) -> "Ended":
        """Waits for its end, and kills it after so many seconds."""
        end = time.monotonic() + limit
        code = self._poll()
        while code is None and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
            code = self._poll()
        if code is None:
            os.kill(self._pid, signal.SIGKILL)
            _, status = os.waitpid(self._pid, 0)
            code = os.waitstatus_to_exitcode(status)
        out, err = (
            (self._output / name).read_text(errors="replace") for name in ("out", "err")
        )
        return Ended(code, code == _KILLED, out, err)

    def _poll(self) -> int | None:
        pid, status = os.waitpid(self._pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None


class Ended(NamedTuple):
    """A command that has ended: its exit code, whether it was killed, and its words."""

    code: int
    killed: bool
    out: str
    err: str


def start(
    arguments: Sequence[str],
    *,
    place: pathlib.Path | None = None,
    before: Callable[[], None] = lambda: None,
) -> Command:
    """Starts ``ibjax`` with arguments in a fork, which JAX must not have started in.

    Args:
      arguments: The arguments.
      place: Directory to start it in.
      before: Called in the new process first.

    Returns:
      The command.
    """
    output = pathlib.Path(tempfile.mkdtemp())
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Command(pid, output)
    code = 1
    try:
        for number, name in ((1, "out"), (2, "err")):
            handle = os.open(output / name, os.O_WRONLY | os.O_CREAT, 0o600)
            os.dup2(handle, number)
        if place is not None:
            os.chdir(place)
        sys.argv[1:] = arguments
        before()
        cli.main(arguments)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
