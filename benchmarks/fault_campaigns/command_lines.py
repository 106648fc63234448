"""Random lines of the ``ibjax`` command."""

import argparse
import pathlib
import resource
import shutil
import signal
import tempfile
from typing import Any

import numpy as np

from fault_campaigns import commands
from fault_campaigns.tally import LONGEST_SECONDS, Tally

__all__ = ["case_command_lines"]

_SWEEP = ["sweep", "szt", "--hidden", "3", "--seeds", "1", "--epochs", "2"]
_SWEEP += ["--snapshots", "2", "--estimators", "binning", "--output", "new"]
_CURVE = ["curve", "table.csv", "--betas", "5", "--output", "new"]
_LINES = [
    *[_SWEEP] * 4,
    [*_SWEEP[:-1], "finished", "--resume"],
    *[_CURVE] * 4,
    ["report", "finished"],
    ["reproduce", "szt", "--from", "finished", "--output", "new"],
    ["reproduce", "compression", "--from", "curve.json", "--output", "new"],
    ["info"],
]
_MORE = {
    "sweep": (
        *("activation", "optimizer", "learning-rate", "batch-size", "train-fraction"),
        *("noise-variance", "split", "sharpness", "init", "num-bins", "bin-width"),
        *("block", "devices", "key", "quick", "estimators", "hidden", "output"),
    ),
    "curve": (
        *("counts", "min-beta", "max-beta", "restarts", "num-clusters", "key"),
        *("betas", "output"),
    ),
    "report": ("output",),
    "reproduce": ("quick", "seeds", "hidden", "from", "output"),
    "info": ("key",),
}
_NUMBERS = (
    *(
        "0",
        "1",
        "2",
        "1000000000",
        "-1",
        "1.5",
        "-0.0",
        "0.5",
        "1e-320",
        "1e30",
        "3000000000",
    ),
    *("nan", "inf", "-inf", "1e400", "1" + "0" * 30, "1-2", "1,2", "full", "１２"),
)
_WORDS = (
    *("", " ", "-", "--", "text", "None", "0x10", "tanh", "kde", "random", "fan-out"),
    *("bad[/x]", "[red]x[/red]", "../outside", "%s{}", "a" * 5000, "\x1b[31m", "\n"),
    *("a directory", "an empty file", "nowhere/x", "an empty file/x", "finished"),
    *("/dev/null", "/proc/version", "table.csv", "words.csv", "cells.csv", "wide.csv"),
)
_FILES = {
    "table.csv": "x,no,yes\n1,0.4,0.1\n2,0.1,0.4\n",
    "words.csv": "x,no,yes\nbad[/x],some,words\n",
    "cells.csv": f"x,no,yes\n1,{'9' * 200_000},0.1\n2,0.1,0.4\n",
    "wide.csv": "0.5 0.25\n0.25\n",
    "an empty file": "",
    "curve.json": '{"curve": 3}',
}
_BYTES = 32 << 30


def case_command_lines(args: argparse.Namespace) -> dict[str, Any]:
    """Runs lines of the command with one word or two that should not be there."""
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        commands.start([*_SWEEP[:-1], "finished"], place=place).ended(
            5 * LONGEST_SECONDS
        )
        for number in range(args.command_lines):
            own = place / f"place {number}"
            (own / "a directory").mkdir(parents=True)
            for name, text in _FILES.items():
                (own / name).write_text(text)
            shutil.copytree(place / "finished", own / "finished")
            line = _line(rng)
            started = commands.start(line, place=own, before=_with_limits)
            ended = started.ended(5 * LONGEST_SECONDS)
            outcome = _outcome(ended)
            words = " ".join(repr(word[:40]) for word in line)
            last = ended.err.strip().splitlines()[-1:]
            tally.add(outcome, f"{words}: exit code {ended.code}, {last}")
            shutil.rmtree(own)
    return tally.row(f"{args.command_lines} command lines")


def _outcome(ended: commands.Ended) -> str:
    if ended.killed or ended.code == -signal.SIGXCPU:
        return "hung"
    if "Traceback" in ended.err or ended.code not in (0, 1, 2):
        return "raw error"
    if ended.code == 0:
        return "answered"
    # Who is refused is to be told why.
    return "refused" if ended.err.strip() or ended.out.strip() else "raw error"


def _line(rng: np.random.Generator) -> list[str]:
    line = list(_LINES[rng.integers(len(_LINES))])
    for _ in range(1 + int(rng.random() < 0.3)):
        words = _NUMBERS if rng.random() < 0.6 else _WORDS
        word = words[int(rng.integers(len(words)))]
        kind = rng.random()
        if kind < 0.6:
            line += [f"--{rng.choice(_MORE.get(line[0], _MORE['info']))}", word]
        elif kind < 0.9:
            # Also the command's and the experiment's name, now and then.
            first = min(int(rng.integers(2)), len(line) - 1)
            line[int(rng.integers(first, len(line)))] = word
        elif kind < 0.95:
            line.insert(int(rng.integers(len(line) + 1)), word)
        elif len(line) > 1:
            del line[int(rng.integers(len(line)))]
    return line


def _with_limits() -> None:
    """A minute of a processor, and no more memory than there is.

    Not a minute on the clock, of which others on the machine may take their part.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_SECONDS, LONGEST_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
