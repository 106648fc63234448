"""Sweeps that are killed, that find the disk full, or that want one directory."""

import argparse
import builtins
import contextlib
import errno
import io
import itertools
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fault_campaigns import commands
from fault_campaigns.presets import PRESETS
from fault_campaigns.tally import LONGEST_SECONDS, Tally

__all__ = ["case_disk_full", "case_kills", "case_two_processes"]

_SWEEP = ["sweep", "szt", "--hidden", "3", "--seeds", "3", "--epochs", "400"]
_SWEEP += ["--estimators", "binning"]
_FULL = (errno.ENOSPC, os.strerror(errno.ENOSPC))
_START_TOGETHER = 0.2
# On the clock, of which others on the machine may take their part.
_LONGEST_RUN = 10 * LONGEST_SECONDS


def case_kills(args: argparse.Namespace) -> dict[str, Any]:
    """Kills sweeps of one preset after another, and resumes them until they are done.

    The data of ``$IBJAX_DATA`` are needed. An interrupt ends it with what it has found.
    """
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    whole = {}
    kills = left = 0
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        with contextlib.suppress(KeyboardInterrupt):
            for name, command in itertools.cycle(PRESETS.items()):
                if kills >= args.kills:
                    break
                if name not in whole:
                    whole[name] = _timed_run(tally, command, place / name)
                expected, seconds = whole[name]
                if not expected:
                    continue
                ended = None
                while ended is None or ended.killed:
                    limit = rng.uniform(0.05, 1.05) * seconds
                    ended = _run(command, place / "killed", limit=limit)
                    kills += ended.killed
                left += _add(tally, ended, place / "killed", expected, name)
    row = f"{kills} kills of {len(whole)} presets"
    return tally.row(row, **{"files left": left})


def case_two_processes(args: argparse.Namespace) -> dict[str, Any]:
    """Starts two sweeps at one moment in one directory, again and again."""
    tally = Tally()
    left = 0
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        options = [["--snapshots", "10", "--key", str(key)] for key in (1, 2)]
        expected = []
        for number, own in enumerate(options):
            _run([*_SWEEP, *own], place / f"whole{number}")
            expected.append(_content(place / f"whole{number}"))
        for number in range(args.two_processes):
            # Half of them as somebody starts them who does not know what is there.
            shared = place / "shared"
            resume = ["--resume"] * (number % 2)
            moment = time.monotonic() + _START_TOGETHER
            started = [
                commands.start(
                    [*_SWEEP, *own, *resume, "--output", str(shared)],
                    before=lambda moment=moment: _wait_until(moment),
                )
                for own in options
            ]
            both = [command.ended(_LONGEST_RUN) for command in started]
            won = [n for n, ended in enumerate(both) if ended.code == 0]
            others = [ended for ended in both if ended.code != 0]
            if len(won) != 1:
                words = " / ".join(_last_line(ended.err) for ended in both)
                tally.add("lost", f"{len(won)} of two runs went on: {words}")
            elif not _is_refusal(others[0], shared):
                tally.add("raw error", _last_line(others[0].err))
            else:
                left += _add(tally, both[won[0]], shared, expected[won[0]])
            shutil.rmtree(shared, ignore_errors=True)
    return tally.row(f"{args.two_processes} pairs of runs", **{"files left": left})


def case_disk_full(args: argparse.Namespace) -> dict[str, Any]:
    """Fills the disk at every step of a sweep's writing, and resumes it with room.

    With fewer rounds than there are steps it is at some of them, evenly spread.
    """
    tally = Tally()
    command = [*_SWEEP, "--snapshots", "3"]
    left = 0
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        counted = _FullDisk(sys.maxsize, str(place / "whole"))
        _run(command, place / "whole", before=counted.install)
        expected = _content(place / "whole")
        rounds = min(args.disk_full, counted.num_steps)
        steps = np.linspace(1, counted.num_steps, rounds).round().astype(int)
        full = place / "full"
        for step in steps:
            disk = _FullDisk(int(step), str(full))
            ended = _run(command, full, before=disk.install)
            words = _last_line(ended.err)
            if ended.code and not (_is_refusal(ended, full) and "--resume" in words):
                tally.add("raw error", f"step {step}: {words}")
            left += _add(tally, _run(command, full), full, expected)
    return tally.row(f"disk full at {rounds} steps", **{"files left": left})


class _FullDisk:
    """A disk that takes nothing more from a number of steps on."""

    def __init__(self, step: int, directory: str):
        """Fail from this step on, counted in this directory alone."""
        self._last, self._directory = step - 1, directory
        # In memory that a forked process shares.
        self._count = multiprocessing.Value("q", 0, lock=False)

    @property
    def num_steps(self) -> int:
        """Steps so far."""
        return self._count.value

    def install(self) -> None:
        """Take the place of the functions that write."""
        disk, own_open = self, io.open

        class File(io.FileIO):
            def write(self, content):
                disk.spend()
                return super().write(content)

        def opened(file, mode="r", *more, **named):
            if not disk.has(file) or not set(mode) & set("wax+"):
                return own_open(file, mode, *more, **named)
            disk.spend(file)
            raw = io.BufferedWriter(File(file, mode.replace("b", "").replace("t", "")))
            return raw if "b" in mode else io.TextIOWrapper(raw, "utf-8")

        io.open = builtins.open = opened
        for name in ("open", "mkdir", "replace", "write", "fsync", "ftruncate"):
            setattr(os, name, self._wrapped(getattr(os, name), name))

    def _wrapped(self, function, name):
        def call(what, *arguments, **named):
            writes = name != "open" or arguments[0] & (os.O_CREAT | os.O_WRONLY)
            if writes and self.has(what):
                # Of a descriptor the system does not tell the name.
                self.spend(*([] if isinstance(what, int) else [what]))
            return function(what, *arguments, **named)

        return call

    def has(self, file: Any) -> bool:
        """True if a file, by name or by number, is one of the directory."""
        if isinstance(file, int):
            try:
                file = os.readlink(f"/proc/self/fd/{file}")
            except OSError:
                return False
        return os.fspath(file).startswith(self._directory)

    def spend(self, *name: Any) -> None:
        """Take a step, or raise the error of a full disk."""
        self._count.value += 1
        if self._count.value > self._last:
            raise OSError(*_FULL, *map(os.fspath, name))


def _run(
    command: list[str],
    directory: pathlib.Path,
    *,
    limit: float = _LONGEST_RUN,
    before: Callable[[], None] = lambda: None,
) -> commands.Ended:
    resume = ["--resume"] if directory.exists() else []
    whole = [*command, "--output", str(directory), *resume]
    return commands.start(whole, before=before).ended(limit)


def _timed_run(
    tally: Tally, command: list[str], directory: pathlib.Path
) -> tuple[dict[str, np.ndarray], float]:
    """Numbers of a run that nothing stops, and its seconds once programs are kept."""
    for again in (False, True):
        start = time.monotonic()
        ended = _run(command, directory / str(again))
        if ended.code:
            tally.add("lost", f"{' '.join(command)}: {_last_line(ended.err)}")
            return {}, 0.0
    return _content(directory / "True"), time.monotonic() - start


def _add(
    tally: Tally,
    ended: commands.Ended,
    directory: pathlib.Path,
    expected: dict[str, np.ndarray],
    name: str = "szt",
) -> int:
    """Counts what came of a run, removes it, and returns how many files it forgot."""
    if ended.killed:
        tally.add("hung", f"{name}: a resumed run")
    elif ended.code:
        tally.add("lost", f"{name}: {_last_line(ended.err)}")
    else:
        found = _content(directory)
        same = found.keys() == expected.keys() and all(
            np.array_equal(found[n], expected[n], equal_nan=v.dtype.kind == "f")
            for n, v in expected.items()
        )
        tally.add("answered" if same else "silently wrong", f"{name}: other numbers")
    files = [file for file in directory.rglob("*") if file.suffix == ".tmp"]
    files += list(directory.rglob(".*")) + list(directory.rglob("checkpoint*"))
    shutil.rmtree(directory, ignore_errors=True)
    return len(set(files))


def _content(directory: pathlib.Path) -> dict[str, np.ndarray]:
    """Numbers of a run; what it cost, in its attributes, is another each time."""
    import xarray as xr

    data = (directory / "results.nc").read_bytes()
    with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as dataset:
        return {n: v.values.copy() for n, v in dataset.variables.items()}


def _is_refusal(ended: commands.Ended, directory: pathlib.Path) -> bool:
    """True if a command ended with a message of its own that names the directory."""
    words = _last_line(ended.err)
    return (
        ended.code in (1, 2)
        and words.startswith("ibjax: error:")
        and str(directory) in words
        and "Traceback" not in ended.err
    )


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


def _wait_until(moment: float) -> None:
    while time.monotonic() < moment:
        pass
