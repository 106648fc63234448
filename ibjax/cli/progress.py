"""A sweep's progress in a terminal."""

import contextlib
import math
import textwrap
import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ibjax.results.cells import place_text
from ibjax.sweeps.grid import Cell
from ibjax.sweeps.runs import Progress as SweepProgress

__all__ = ["GridBar", "ProgressBar", "plain_console", "wrapped"]

_EPOCHS_TO_TELL = 16
_WIDTH = 80
# Without a terminal lines are so far apart in time; in a long run, a tenth of its time.
_SECONDS_APART, _SHARE_APART = 10.0, 0.1


def plain_console(*, stderr: bool = False, quiet: bool = False) -> Console:
    """A console that prints texts as they are, also those with brackets in them."""
    return Console(
        stderr=stderr, quiet=quiet, highlight=False, soft_wrap=True, markup=False
    )


def wrapped(line: str) -> str:
    """A line broken between words where a terminal of 80 columns would break it."""
    return textwrap.fill(
        line,
        _WIDTH,
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


class ProgressBar:
    """A live bar with the time left; now and then a line where there is no terminal.

    Use it as a context, and :meth:`update` as ``on_progress`` of :func:`ibjax.sweep`.
    """

    def __init__(self, console: Console, label: str = "", *, doing: str = "training"):
        """Begin a bar.

        Args:
          console: Where to show it.
          label: What runs, in front of the bar.
          doing: What it does.
        """
        self._doing = doing
        self._label = f"{label}: " if label else ""
        self._console = console
        self._steps: list[tuple[int, float]] = []
        self._epoch = 0
        self._started = self._told = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(
            f"{self._label}compiling", total=None, state="", left=""
        )

    def __enter__(self):
        self._bar.__enter__()
        return self

    def __exit__(self, *error):
        self._bar.__exit__(*error)

    def update(self, progress: SweepProgress) -> None:
        """Show how far the sweep is."""
        if progress.stage == "compile":
            self._epoch = progress.epoch
            return
        if progress.seconds is not None:
            self._steps.append((progress.epoch - self._epoch, progress.seconds))
            self._epoch = progress.epoch
        left, known = self._time_left(progress) if self._steps else (0.0, False)
        spent = sum(seconds for _, seconds in self._steps)
        state = f"epoch {progress.epoch} of {progress.num_epochs}"
        text = f"{'' if known else 'over '}{math.ceil(left)} s left"
        text = text if self._steps else ""
        finished = progress.stage == "done"
        self._bar.update(
            self._task,
            description=self._label + ("done" if finished else self._doing),
            total=1.0,
            completed=1.0 if finished else spent / max(spent + left, 1e-9),
            state=state,
            left="" if finished else text,
        )
        if self._console.is_terminal or not text:
            return
        now = time.monotonic()
        apart = max(_SECONDS_APART, _SHARE_APART * (now - self._started))
        if finished or now - self._told >= apart:
            self._told = now
            self._console.print(f"{self._label}{state}, {text}")
            self._console.file.flush()  # A pipe would hold it back.

    def _time_left(self, progress: SweepProgress) -> tuple[float, bool]:
        """Seconds left, and whether the cost of an epoch is in them yet.

        One snapshot costs what many epochs cost, so that only steps of many epochs
        tell what an epoch costs; log-spaced snapshots begin with steps of one.
        """
        long = [step for step in self._steps if step[0] >= _EPOCHS_TO_TELL]
        short = [step for step in self._steps if step[0] < _EPOCHS_TO_TELL]
        snapshot_cost = float(np.median([seconds for _, seconds in short or long]))
        epochs, seconds = np.sum(long or [(1, snapshot_cost)], axis=0)
        epoch_cost = max(0.0, (seconds - snapshot_cost * max(1, len(long))) / epochs)
        epochs_left = progress.num_epochs - progress.epoch
        snapshots_left = progress.num_snapshots - progress.num_snapshots_done
        left = epochs_left * epoch_cost + snapshots_left * snapshot_cost
        return left, bool(long) or epochs_left < _EPOCHS_TO_TELL


class GridBar:
    """A bar of the cell that runs, for the cells of one grid after another.

    Use it as a context.
    """

    def __init__(self, console: Console):
        """Begin without a bar.

        Args:
          console: Where to show the bars.
        """
        self._console = console
        self._shown = contextlib.ExitStack()
        self._bar: ProgressBar | None = None
        self._current: tuple[str, int] | None = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._shown.close()

    def update(
        self, name: str, cells: Sequence[Cell], number: int, progress: SweepProgress
    ) -> None:
        """Show how far a cell of a grid is.

        Args:
          name: Name of the grid, in front of the bar; empty for the only one.
          cells: Its cells.
          number: Number of the cell that runs.
          progress: How far it is.
        """
        if (name, number) != self._current:
            self._shown.close()
            place = place_text(cells[number].place)
            cell = f"{number + 1} of {len(cells)}, {place}" if place else ""
            label = ": ".join(filter(None, (name, cell)))
            bar = ProgressBar(self._console, label)
            self._bar = self._shown.enter_context(bar)
            self._current = name, number
        self._bar.update(progress)
