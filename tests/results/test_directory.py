"""Directories of runs: one process at a time, nothing of another run replaced."""

import errno
import json
import os

import pytest

from ibjax.results import directory as directories
from ibjax.results.directory import (
    LOCK_FILE,
    RunDirectory,
    check_same_run,
    reserved,
)
from ibjax.results.files import ResultsError, write_atomically

# A run that begins, leaves a file half written, says so, and is never done.
_HOLD = """
import sys, tempfile, time
from pathlib import Path
from ibjax.results.directory import reserved
with reserved(Path(sys.argv[1])):
    tempfile.mkstemp(".tmp", ".results.nc.", sys.argv[1])
    print("begun", flush=True)
    time.sleep(600)
"""
# A run that has the directory for as long as others that began with it try to.
_TRY = """
import sys, time
from pathlib import Path
from ibjax.results.directory import reserved
from ibjax.results.files import ResultsError
print("ready", flush=True)
sys.stdin.readline()
try:
    with reserved(Path(sys.argv[1])):
        print("has it", flush=True)
        sys.stdin.readline()
except ResultsError:
    print("refused", flush=True)
"""


def test_a_killed_run_leaves_neither_lock_nor_temporary_files(tmp_path, start_python):
    (tmp_path / ".mine.txt").touch()
    (tmp_path / ".checkpoint.npz.abcd_123").touch()  # As version 0.1.0 left them.
    holder = start_python(_HOLD, tmp_path)
    assert holder.stdout.readline() == "begun\n"
    with pytest.raises(ResultsError, match=f"in use by .*process {holder.pid} on"):
        RunDirectory(tmp_path)
    holder.kill()
    holder.wait()
    left = {name for name in os.listdir(tmp_path) if name.endswith(".tmp")}
    assert len(left) == 1 and (tmp_path / LOCK_FILE).exists()
    with reserved(tmp_path):
        assert set(os.listdir(tmp_path)) == {".mine.txt", LOCK_FILE}
    assert os.listdir(tmp_path) == [".mine.txt"]


def test_of_runs_that_begin_at_once_one_has_the_directory(tmp_path, start_python):
    processes = [start_python(_TRY, tmp_path / "new") for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        print(file=process.stdin, flush=True)
    said = sorted(process.stdout.readline() for process in processes)
    for process in processes:
        process.communicate("\n")
    assert said == ["has it\n", "refused\n"]
    assert list(tmp_path.glob("new/*")) == []


def test_a_disk_without_locks_says_so_and_notices_another_run(tmp_path, monkeypatch):
    def no_locks(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(directories, "_lock", no_locks)
    with pytest.warns(UserWarning, match="without file locks .No locks available"):
        one, other = RunDirectory(tmp_path), RunDirectory(tmp_path)
    for content in ("first", "second"):
        with one.replacing("results.nc") as path:
            write_atomically(path, content)
    with pytest.raises(ResultsError, match="results.nc was written by another run"):
        with other.replacing("results.nc") as path:
            write_atomically(path, "third")
    assert (tmp_path / "results.nc").read_text() == "second"


def test_a_directory_that_was_removed_is_reserved_again(tmp_path):
    place = tmp_path / "run"
    own = RunDirectory(place)
    (place / LOCK_FILE).unlink()
    place.rmdir()
    with own.replacing("results.nc") as path:
        write_atomically(path, "numbers")
    with pytest.raises(ResultsError, match="in use by another run"):
        RunDirectory(place)
    own.release()
    assert os.listdir(place) == ["results.nc"]
    own = RunDirectory(place)
    (place / LOCK_FILE).unlink()
    other = RunDirectory(place)  # Another run, after someone removed the lock by hand.
    with pytest.raises(ResultsError, match="in use by another run"):
        with own.replacing("results.nc"):
            pass
    other.release()


def test_finished_results_can_be_read_where_nothing_can_be_written(
    tmp_path, monkeypatch
):
    def refuse(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / "other").mkdir()
    (tmp_path / "results.nc").touch()
    monkeypatch.setattr(directories.os, "open", refuse)
    with reserved(tmp_path):
        pass
    with pytest.raises(PermissionError):
        RunDirectory(tmp_path / "other")


def test_a_directory_that_was_made_for_nothing_goes_again(tmp_path):
    with reserved(tmp_path / "new"):
        assert os.listdir(tmp_path / "new") == [LOCK_FILE]
    with reserved(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


GRID = {"a": 1, "grid": {"b": [2, 3]}, "cells": [{"c": 1}, {"c": 2}]}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": 1}, r"another run, over no grid; this one is over \{'b': \[2, 3\]\}"),
        (GRID | {"grid": {"b": [2, 4]}}, r"another run, over \{'b': \[2, 4\]\}; this"),
        (GRID | {"a": 2}, "another run, which differs in a;"),
        (GRID | {"cells": [{"c": 1}, {"c": 3}]}, "which differs in c;"),
        (GRID | {"cells": [{"c": 1}]}, "without a readable configuration"),
        ({"grid": {"b": [2]}}, "without a readable configuration"),
        (None, "without a readable configuration"),
    ],
)
def test_other_configurations_are_told_apart(found, message, tmp_path):
    with pytest.raises(ResultsError, match=message):
        check_same_run(tmp_path, GRID, found)


def test_what_is_not_known_yet_is_not_compared(tmp_path):
    same = json.loads(json.dumps(GRID))
    check_same_run(tmp_path, GRID, same)
    check_same_run(tmp_path, GRID, same | {"probes": [1]}, unknown=["probes"])
