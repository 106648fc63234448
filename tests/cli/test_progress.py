"""Progress bars: the time left, and one bar for every cell."""

from types import SimpleNamespace

import numpy as np
from rich.console import Console

from ibjax.cli.progress import GridBar, ProgressBar
from ibjax.sweeps.runs import Progress


def test_time_left_is_fitted_to_epochs_and_snapshots():
    bar = ProgressBar(Console(quiet=True))
    # An epoch costs 0.1 s and a snapshot 2 s; the first steps cannot tell them apart.
    bar.update(Progress(0, 110, 1, 5, 2.0, "run"))
    left, known = bar._time_left(Progress(0, 110, 1, 5, None, "run"))
    assert not known and left == 4 * 2
    bar.update(Progress(50, 110, 2, 5, 0.1 * 50 + 2, "run"))
    left, known = bar._time_left(Progress(50, 110, 2, 5, None, "run"))
    assert known
    np.testing.assert_allclose(left, 60 * 0.1 + 3 * 2, rtol=1e-6)


def test_lines_without_a_terminal_come_by_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    console = Console(record=True, force_terminal=False, width=100)
    bar = ProgressBar(console)
    for epoch in range(1, 1001):
        now[0] = float(epoch)
        stage = "done" if epoch == 1000 else "run"
        bar.update(Progress(epoch, 1000, epoch, 1000, 1.0, stage))
    told = [int(line.split()[1]) for line in console.export_text().splitlines()]
    assert told[:10] == list(range(10, 101, 10))
    # Later each of them a tenth of the time so far after the one before.
    assert told[-1] == 1000 and told[-2] - told[-3] > 80 and len(told) < 40


def test_every_cell_has_a_bar_with_its_place():
    console = Console(record=True, force_terminal=False, width=100, quiet=False)
    cells = [SimpleNamespace(place={"activation": name}) for name in ("tanh", "relu")]
    with GridBar(console) as bar:
        for name, number in (("depth", 0), ("depth", 1), ("width", 0)):
            bar.update(name, cells, number, Progress(0, 20, 0, 1, None, "compile"))
            bar.update(name, cells, number, Progress(20, 20, 1, 1, 1.0, "done"))
    lines = console.export_text().splitlines()
    assert [line.split(": epoch")[0] for line in lines] == [
        "depth: 1 of 2, tanh",
        "depth: 2 of 2, relu",
        "width: 1 of 2, tanh",
    ]
