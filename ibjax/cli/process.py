"""The command's process: signals that stop it, and outputs that nobody reads."""

import contextlib
import errno
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

__all__ = [
    "Stopped",
    "can_resume",
    "ending_after",
    "is_alone",
    "is_full",
    "outliving_its_reader",
    "stopped_by_signals",
]

# Seconds that a run has to come to an end by itself: a call of compiled code does not
# see a signal before it returns, and whoever sends one kills after ten or so.
_GRACE_SECONDS = 3.0
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


_WATCHER = "ibjax signals"
_END = 0  # The number of no signal.
_handled: list[int] = []


class Stopped(BaseException):
    """A signal that ends the command; like KeyboardInterrupt no error to be caught."""

    def __init__(self, number: int):
        """Name the signal.

        Args:
          number: Number of the signal.
        """
        self.name = signal.Signals(number).name
        self.code = 128 + number
        super().__init__(self.name)


@contextlib.contextmanager
def stopped_by_signals(last_words: str) -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into :class:`Stopped`, which lets go of what is held.

    Args:
      last_words: What to say after the signal's name where the process has to end in
        the midst of a long call.
    """
    numbers = [signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])]
    # One that is ignored, as by nohup, stays so.
    numbers = [n for n in numbers if signal.getsignal(n) == signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread alone.
        return
    ended = threading.Event()

    def stop(number, frame):
        raise Stopped(number)

    def watch(reading):
        found = _END
        while found not in (*numbers, signal.SIGINT):
            (found,) = os.read(reading, 1)
            if found == _END:
                return
        if not ended.wait(_GRACE_SECONDS):
            stopped = Stopped(found)
            # Whoever sends SIGHUP may have taken the terminal with them.
            with contextlib.suppress(OSError):
                if os.isatty(1):
                    os.write(1, b"\x1b[?25h")  # The cursor, which a bar hides.
                words = f"\nibjax: stopped by {stopped.name}{last_words}\n"
                os.write(2, words.encode())
            # Whatever was saved stays: files are replaced in one step.
            os._exit(stopped.code)

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = {number: signal.signal(number, stop) for number in numbers}
    # The interpreter writes the number of a signal here at once, whatever it is doing.
    earlier = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _handled.extend(numbers)
    watcher = threading.Thread(target=watch, args=[reading], name=_WATCHER, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        _handled.clear()
        signal.set_wakeup_fd(earlier)
        os.write(writing, bytes([_END]))
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writing)
        watcher.join()
        os.close(reading)


@contextlib.contextmanager
def ending_after(seconds: float, code: int, words: str) -> Iterator[None]:
    """End the process where a call takes longer that nothing but this can end.

    Args:
      seconds: How long the call may take.
      code: Exit status.
      words: What to say then.
    """

    def end():
        with contextlib.suppress(OSError):
            os.write(2, f"{words}\n".encode())
        os._exit(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def is_alone() -> bool:
    """Check that no thread runs but this one, and the one that waits for signals."""
    threads = set(threading.enumerate()) - {threading.current_thread()}
    return all(thread.name == _WATCHER for thread in threads)


def _hold() -> None:
    """Hold signals back: one that came in between would tell the wrong process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _handled)


def _let_go() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _handled)


def _forget() -> None:
    """Let signals end a forked process, and not tell the one it was forked from."""
    if _handled:
        signal.set_wakeup_fd(-1)
    for number in _handled:
        signal.signal(number, signal.SIG_DFL)
    _let_go()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_forget)


class _Output:
    """A stream that goes on in silence when its reader has gone."""

    def __init__(self, stream: TextIO, name: str):
        self._stream = stream
        self._name = name
        self._is_open = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._call(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._call(self._stream.flush)

    def _call(self, method, *arguments) -> None:
        if not self._is_open:
            return
        try:
            method(*arguments)
        except BrokenPipeError:
            self._is_open = False
            # What is left in the stream's buffer goes nowhere, and does so quietly.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            if self._name == "stdout":
                print(
                    "ibjax: nobody reads the output any more; the run goes on",
                    file=sys.stderr,
                    flush=True,
                )


@contextlib.contextmanager
def outliving_its_reader() -> Iterator[None]:
    """Let the command go on when the reader of its output ends, as ``head`` does."""
    before = sys.stdout, sys.stderr
    if sys.stderr is not None:
        sys.stderr = _Output(sys.stderr, "stderr")
    if sys.stdout is not None:
        sys.stdout = _Output(sys.stdout, "stdout")
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        sys.stdout, sys.stderr = before


def can_resume(
    arguments: Sequence[str], experiments: Mapping[str, Mapping[str, Any]]
) -> bool:
    """Check that a command with these arguments goes on where it was stopped.

    Args:
      arguments: Those of the command.
      experiments: What each command runs, by name; an experiment with a ``run`` of its
        own is no sweep, and begins anew.
    """
    command, name = [*arguments, "", ""][:2]
    known = experiments.get(command, {})
    return name in known and getattr(known[name], "run", None) is None


def is_full(error: Exception) -> bool:
    """Check that an error is of a disk that takes no more."""
    return isinstance(error, OSError) and error.errno in _FULL
