"""Drawing by forked processes: the same results whatever becomes of the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ibjax.plots import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")

# A script without a guard for the main module. It loads the file by itself, since
# importing the library takes seconds.
HEAD = f"""
import importlib.util, os, signal, sys, time
spec = importlib.util.spec_from_file_location("processes", {processes.__file__!r})
processes = importlib.util.module_from_spec(spec)
spec.loader.exec_module(processes)
first = os.getpid()

def elsewhere():
    return os.getpid() != first

def die_elsewhere():
    if os.getpid() != first:
        os._exit(1)
    return "here"

def fail_elsewhere():
    if os.getpid() != first:
        raise ValueError("elsewhere")
    return "here"

def hang_elsewhere():
    if os.getpid() != first:
        time.sleep(100)
    return "here"

def wait():
    time.sleep(0.2)
    return os.getpid()

def fail(text):
    raise ValueError(text)

class HasNoPickle:
    def __reduce__(self):
        raise TypeError("no pickle")
"""


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD + script],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


def test_calls_are_shared_and_answered_in_order():
    out = _run("""
with processes.forked_drawing(2) as drawing:
    for _ in range(6):
        drawing.submit(wait)
    found = drawing.results()
    print(len(found), len(set(found)), first in found)
    drawing.submit(pow, 2, 3)
    drawing.submit(pow, 2, 4)
    print(drawing.results())
""")
    assert out.splitlines() == ["6 3 True", "[8, 16]"]


def test_a_process_that_dies_fails_or_hangs_is_replaced():
    out = _run("""
processes._PATIENCE_SECONDS = 1.0
for call in (die_elsewhere, fail_elsewhere, hang_elsewhere):
    with processes.forked_drawing(1) as drawing:
        drawing.submit(call)
        time.sleep(0.3)
        for power in range(3):
            drawing.submit(pow, 2, power)
        print(drawing.results())
""")
    assert out.splitlines() == ["['here', 1, 2, 4]"] * 3


def test_what_has_no_pickle_is_called_here():
    out = _run("""
with processes.forked_drawing(1) as drawing:
    drawing.submit(type, HasNoPickle())
    time.sleep(0.3)
    drawing.submit(elsewhere)
    time.sleep(0.3)
    print(drawing.results())
""")
    assert out == "[<class '__main__.HasNoPickle'>, True]\n"


def test_errors_are_raised_and_forgotten():
    out = _run("""
for number in (0, 1):
    with processes.forked_drawing(number) as drawing:
        drawing.submit(fail, "mine")
        drawing.submit(pow, 2, 3)
        time.sleep(0.3)
        try:
            drawing.results()
        except ValueError as error:
            print(error)
        drawing.submit(pow, 2, 4)
        print(drawing.results())
""")
    assert out.splitlines() == ["mine", "[16]"] * 2


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(number) for number in text.split()]


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_the_first_one(number, start_python):
    script = """
with processes.forked_drawing(2) as drawing:
    drawing.submit(wait)
    drawing.results()
    print("waiting", flush=True)
    time.sleep(100)
"""
    first = start_python(HEAD + script, stderr=subprocess.PIPE, start_new_session=True)
    assert first.stdout.readline() == "waiting\n"
    others = _children(first.pid)
    assert len(others) == 2
    if number == signal.SIGINT:  # As Ctrl-C does, to all processes of a terminal.
        os.killpg(first.pid, number)
    else:
        os.kill(first.pid, number)
    _, errors = first.communicate(timeout=30)
    # One traceback, that of the first process.
    assert errors.count("Traceback") == (number == signal.SIGINT)
    until = time.monotonic() + 10
    while any(map(_alive, others)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_alive, others))
