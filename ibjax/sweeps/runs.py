"""From snapshot to snapshot: the epochs to measure at, progress, and saving between.

Whatever is trained is advanced from one snapshot to the next by one call. Between two
calls its state is saved, which is where an interrupted run goes on.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax.numerics import checks
from ibjax.results.directory import RunDirectory
from ibjax.sweeps.checkpoint import Checkpoint, CheckpointWriter

__all__ = [
    "Progress",
    "Run",
    "check_snapshots",
    "progress_after",
    "run_snapshots",
    "snapshot_epochs",
]


_MOST_EPOCHS = 2**31 - 1


class Progress(NamedTuple):
    """Progress of a sweep.

    Attributes:
      epoch: Epochs done.
      num_epochs: Epochs in all.
      num_snapshots_done: Snapshots done.
      num_snapshots: Snapshots in all.
      seconds: Time the last step took; None before the first.
      stage: What comes next: ``"compile"``, ``"run"`` or ``"done"``.
    """

    epoch: int
    num_epochs: int
    num_snapshots_done: int
    num_snapshots: int
    seconds: float | None
    stage: str


class Run(NamedTuple):
    """A run that has come to its last snapshot.

    Attributes:
      states: What was trained, as it is then.
      records: For every snapshot flat arrays by name, ``[num_seeds, ...]`` each.
      wall_seconds: Time spent, in interrupted runs too.
      compile_seconds: Part of it before the first step of this run.
    """

    states: Any
    records: list[dict[str, np.ndarray]]
    wall_seconds: float
    compile_seconds: float


def run_snapshots(
    prepare: Callable[[Checkpoint | None], tuple[Any, Callable]],
    snapshots: Sequence[int],
    *,
    to_rows: Callable[[Any], Any],
    done: Checkpoint | None = None,
    directory: RunDirectory | None = None,
    configuration: dict[str, Any] | None = None,
    is_saved: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Advance from each snapshot to the next, saving after every one.

    Args:
      prepare: ``prepare(done)`` returns the states to start from and ``advance``,
        compiled. ``done`` is the unfinished run, None for a fresh start.
        ``advance(states, first, last, is_last)`` trains from one epoch to another and
        measures there: it returns the new states and arrays by name.
      snapshots: Epochs to measure at, increasing.
      to_rows: Makes a tree of such states or measurements one of numpy arrays,
        ``[num_seeds, ...]`` each.
      done: The unfinished run.
      directory: Where to save, in the process that does.
      configuration: All that decides the numbers, saved beside them.
      is_saved: Whether any process saves.
      on_progress: Called with a :class:`Progress` after every step.

    Returns:
      The states at the end and all records.

    Example:
      >>> def prepare(done):
      ...     start = np.zeros(2) if done is None else done.leaves[0]
      ...     return start, lambda s, first, last, _: (s + last - first, {"sum": s})
      >>> run = run_snapshots(prepare, [0, 3, 5], to_rows=np.asarray)
      >>> print(run.states, len(run.records))
      [5. 5.] 3
    """
    records = [] if done is None else list(done.records)
    seconds_before = 0.0 if done is None else done.wall_seconds
    report = on_progress or (lambda progress: None)
    started = time.perf_counter()
    report(progress_after(len(records), snapshots, "compile"))
    states, advance = prepare(done)
    compile_seconds = time.perf_counter() - started

    writer = None if directory is None else CheckpointWriter(directory, configuration)
    report(progress_after(len(records), snapshots, "run"))
    for count in range(len(records), len(snapshots)):
        step_started = time.perf_counter()
        first, last = snapshots[count - 1] if count else 0, snapshots[count]
        states, measured = advance(states, first, last, count == len(snapshots) - 1)
        records.append(to_rows(measured))
        if is_saved:
            # By all processes, each of which has a part of the states.
            leaves = jax.tree.leaves(to_rows(states))
        if writer is not None:
            wall = seconds_before + time.perf_counter() - started
            writer.save(Checkpoint(leaves, records, wall))
        seconds = time.perf_counter() - step_started
        report(progress_after(count + 1, snapshots, "run", seconds))
    wall = seconds_before + time.perf_counter() - started
    return Run(states, records, wall, compile_seconds)


def progress_after(
    count: int, snapshots: Sequence[int], stage: str, seconds: float | None = None
) -> Progress:
    """Progress after so many snapshots.

    Args:
      count: Number of snapshots done.
      snapshots: Epochs of all of them.
      stage: What comes next.
      seconds: Time the last step took.

    Returns:
      The progress.

    Example:
      >>> progress_after(2, [0, 10, 100], "run").epoch
      10
    """
    epoch = snapshots[count - 1] if count else 0
    return Progress(epoch, snapshots[-1], count, len(snapshots), seconds, stage)


def snapshot_epochs(num_epochs: int, num_snapshots: int = 100) -> tuple[int, ...]:
    """Epochs spread evenly on a log scale, from 0 to the last.

    Args:
      num_epochs: Last epoch.
      num_snapshots: How many at most; rounding leaves fewer when epochs are few.

    Returns:
      Increasing epochs, the first 0 and the last ``num_epochs``.

    Raises:
      ValueError: If there are fewer than two snapshots or no epoch.

    Example:
      >>> snapshot_epochs(100, 7)
      (0, 1, 3, 6, 16, 40, 100)
    """
    # The program counts epochs in 32 bits.
    checks.whole("num_epochs", num_epochs, f"[1, {_MOST_EPOCHS}]")
    checks.count("num_snapshots", num_snapshots, 2)
    if num_snapshots > num_epochs:
        return tuple(range(num_epochs + 1))
    if num_snapshots == 2:
        return (0, num_epochs)
    # Rounding merges the first epochs; ask for more points until enough are left.
    for points in range(num_snapshots - 1, 100 * num_snapshots):
        epochs = np.unique(np.rint(np.geomspace(1, num_epochs, points)).astype(int))
        if len(epochs) >= num_snapshots - 1:
            break
    return (0, *(int(epoch) for epoch in epochs))


def check_snapshots(snapshots: Sequence[int]) -> tuple[int, ...]:
    """Check that snapshot epochs increase.

    Args:
      snapshots: Epochs.

    Returns:
      The epochs.

    Raises:
      ValueError: If there is none, or they are not increasing from 0 on.

    Example:
      >>> check_snapshots([0, 10])
      (0, 10)
    """
    found = checks.real("snapshots", snapshots, lambda epochs: np.asarray([*epochs]))
    if found.ndim != 1 or np.any(found != np.round(found)):
        raise ValueError(f"snapshots must be whole numbers in a row, got {snapshots}")
    snapshots = tuple(int(epoch) for epoch in found)
    if not snapshots or snapshots[0] < 0 or np.any(np.diff(snapshots) <= 0):
        raise ValueError(
            f"snapshots must be increasing epochs from 0 on, got {list(snapshots)}"
        )
    checks.in_range("snapshots", snapshots[-1], f"[0, {_MOST_EPOCHS}]")
    return snapshots
