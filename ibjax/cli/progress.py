"""A sweep's progress in a terminal."""

import contextlib
import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ibjax.results.cells import place_text
from ibjax.sweeps.grid import AnyCell, sweep_grid
from ibjax.sweeps.runs import Progress as SweepProgress

__all__ = ["run_cells", "ProgressBar"]

_EPOCHS_TO_TELL = 16


class ProgressBar:
    """A live bar with the time left; ten lines where there is no terminal.

    Use it as a context, and :meth:`update` as ``on_progress`` of :func:`ibjax.sweep`.
    """

    def __init__(self, console: Console, label: str = ""):
        """Begin a bar.

        Args:
          console: Where to show it.
          label: What runs, in front of the bar.
        """
        self._label = f"{label}: " if label else ""
        self._console = console
        self._steps: list[tuple[int, float]] = []
        self._epoch = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
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
            description=self._label + ("done" if finished else "training"),
            total=1.0,
            completed=1.0 if finished else spent / max(spent + left, 1e-9),
            state=state,
            left="" if finished else text,
        )
        done, every = progress.num_snapshots_done, max(1, progress.num_snapshots // 10)
        if not self._console.is_terminal and text and done % every == 0:
            self._console.print(f"{self._label}{state}, {text}")

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


def run_cells(
    cells: Sequence[AnyCell], console: Console, *, key: int = 0, **options: Any
) -> xr.Dataset:
    """Sweep the cells of a grid, showing how far it is.

    Args:
      cells: The cells.
      console: Where to show it.
      key: Seed of all random numbers.
      **options: Of :func:`ibjax.sweeps.grid.sweep_grid`.

    Returns:
      The grid's dataset.
    """
    with contextlib.ExitStack() as shown:
        bar, current = None, -1

        def show(number, progress):
            nonlocal bar, current
            if number != current:
                shown.close()
                place = place_text(cells[number].place)
                label = f"{number + 1} of {len(cells)}, {place}" if place else ""
                bar = shown.enter_context(ProgressBar(console, label))
                current = number
            bar.update(progress)

        return sweep_grid(jax.random.key(key), cells, on_progress=show, **options)
