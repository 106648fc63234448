"""Processes that encode figures beside the one that makes them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["Drawing", "forked_drawing"]

_MAX_PROCESSES = 4
# Longer than any figure takes on a busy machine: who is silent for so long hangs.
_PATIENCE_SECONDS = 60.0


class Drawing:
    """Calls made by other processes and by this one, each by whoever is free.

    This process makes every call that the others cannot: one that cannot be pickled, or
    that failed, or whose process died. So results do not depend on the processes, and
    errors are raised as without them.

    Example:
      >>> drawing = Drawing()
      >>> drawing.submit(pow, 2, 3)
      >>> drawing.submit(pow, 2, 4)
      >>> drawing.results()
      [8, 16]
    """

    def __init__(self, connections: Sequence[Connection] = ()):
        """Begin with the connections to processes, none by default."""
        self._idle = list(connections)
        self._threads = ThreadPoolExecutor(len(connections)) if connections else None
        self._calls: list[tuple[Future, Callable, tuple]] = []

    def submit(self, function: Callable, *arguments: Any) -> None:
        """Let a function be called; the arguments must not change any more."""
        if self._threads is None:
            future: Future[Any] = Future()
        else:
            future = self._threads.submit(self._elsewhere, function, arguments)
        self._calls.append((future, function, arguments))

    def results(self) -> list[Any]:
        """Results of the calls since the last time, in their order."""
        calls, self._calls = self._calls, []
        found = {}
        for number, (future, function, arguments) in enumerate(calls):
            if future.cancel():  # Nobody has begun it.
                found[number] = function(*arguments)
        for number, (future, function, arguments) in enumerate(calls):
            if number not in found:
                try:
                    found[number] = future.result(_PATIENCE_SECONDS)
                except Exception:
                    found[number] = function(*arguments)
        return [found[number] for number in range(len(calls))]

    def close(self) -> None:
        """Give up calls that nobody has begun."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _elsewhere(self, function: Callable, arguments: tuple) -> Any:
        message = pickle.dumps((function, arguments))
        # A connection is given back only by a process that answered.
        connection = self._idle.pop()
        connection.send_bytes(message)
        result, error = connection.recv()
        self._idle.append(connection)
        if error is not None:
            raise RuntimeError(error)
        return result


@contextlib.contextmanager
def forked_drawing(num_processes: int | None = None) -> Iterator[Drawing]:
    """Context of a :class:`Drawing` by processes forked from this one.

    They share the imports and the memory of this process, so that they start at once
    and cost next to nothing while they wait, and they run nothing of the main script.
    A fork is safe only while no other thread holds a lock: use the context before JAX
    or anything else starts threads. macOS has libraries that do not survive a fork.

    Args:
      num_processes: How many; by default one less than there are cores, at most four,
        and on Linux only.

    Yields:
      The drawing; its processes end with the context.
    """
    if num_processes is None:
        num_processes = 0
        if sys.platform == "linux":
            num_processes = min(len(os.sched_getaffinity(0)) - 1, _MAX_PROCESSES)
    if not num_processes:
        yield Drawing()
        return
    context = multiprocessing.get_context("fork")
    connections, processes = [], []
    try:
        for _ in range(num_processes):
            here, there = context.Pipe()
            connections.append(here)
            process = context.Process(
                target=_serve, args=(there, list(connections)), daemon=True
            )
            with warnings.catch_warnings():
                # Newer versions of Python count the threads of numpy's linear algebra,
                # which is made to be forked.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
            processes.append(process)
            there.close()
        drawing = Drawing(connections)
        try:
            yield drawing
        finally:
            drawing.close()
    finally:
        for process in processes:
            process.kill()
            process.join()
        for connection in connections:
            connection.close()


def _serve(connection: Connection, others: Sequence[Connection]) -> None:
    """Answer calls until the process at the other end is gone."""
    # Ctrl-C reaches every process of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for other in others:  # An end held here would keep a connection open.
        other.close()
    with contextlib.suppress(EOFError, OSError):
        while True:
            function, arguments = pickle.loads(connection.recv_bytes())
            try:
                answer = (function(*arguments), None)
            except Exception as error:
                answer = (None, repr(error))
            connection.send(answer)
