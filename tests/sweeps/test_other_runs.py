"""Directories that hold another run: nothing of it is written over."""

import json
import os

import numpy as np
import pytest

from ibjax.results.files import DATASET_FILE, ResultsError, open_dataset
from ibjax.sweeps.checkpoint import CHECKPOINT_FILE
from ibjax.sweeps.grid import Cell, sweep_grid
from tests.sweeps.counting import KEY, SNAPSHOTS, Interrupted, counter, run, stop_after


def test_a_run_does_not_save_over_another_that_came_between(tmp_path):
    """As on a disk without locks, or where someone removed the directory."""

    def other_saves(progress):
        if progress.num_snapshots_done == 2:
            (tmp_path / CHECKPOINT_FILE).write_text("of another run")

    with pytest.raises(ResultsError, match="was written by another run"):
        run(tmp_path, on_progress=other_saves)
    assert (tmp_path / CHECKPOINT_FILE).read_text() == "of another run"


def _grid(directory, axis="kind", values=("a", "b"), num_seeds=2, **options):
    cells = [
        Cell({axis: value}, snapshots=SNAPSHOTS, trainable=counter(**{axis: value}))
        for value in values
    ]
    return sweep_grid(KEY, cells, num_seeds=num_seeds, directory=directory, **options)


def _plain_run(directory):
    run(directory)


def _plain_begun(directory):
    with pytest.raises(Interrupted):
        run(directory, on_progress=stop_after(1))


def _grid_over_another_axis(directory):
    _grid(directory, "other")


def _grid_of_other_seeds(directory):
    """Its cells were moved away: their own files cannot tell."""
    _grid(directory, num_seeds=3)
    for cell in directory.glob("*=*"):
        (cell / DATASET_FILE).unlink()


def _damaged_grid(directory):
    _grid_of_other_seeds(directory)
    path = directory / DATASET_FILE
    path.write_bytes(path.read_bytes()[:-2000])


def _grid_begun(directory):
    def stop(number, progress):
        if number == 1:
            raise Interrupted

    with pytest.raises(Interrupted):
        _grid(directory, values=("c", "d"), on_progress=stop)


def _files(directory):
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize(
    ("earlier", "message"),
    [
        (_plain_run, "holds another run, over no grid"),
        (_plain_begun, "holds another run, over no grid"),
        (_grid_over_another_axis, "holds another run, over {'other'"),
        (_grid_of_other_seeds, "holds another run, which differs in num_seeds"),
        (_damaged_grid, "results.nc is damaged"),
        (_grid_begun, "holds another run, with the cell kind=c"),
    ],
)
def test_a_grid_spares_another_run(earlier, message, resume, tmp_path):
    earlier(tmp_path)
    before = _files(tmp_path)
    with pytest.raises(ResultsError, match=message):
        _grid(tmp_path, resume=resume)
    assert _files(tmp_path) == before


def test_a_plain_run_spares_a_grid_that_has_begun(tmp_path):
    _grid_begun(tmp_path)
    before = _files(tmp_path)
    for resume in (False, True):
        with pytest.raises(ResultsError, match="another run, with the cell kind=c"):
            run(tmp_path, resume=resume)
    with pytest.raises(ResultsError, match="already holds an unfinished run"):
        _grid(tmp_path, values=("c", "d"))
    assert _files(tmp_path) == before
    _grid(tmp_path, values=("c", "d"), resume=True)


def test_a_finished_grid_is_read_and_not_run_again(tmp_path):
    first = _grid(tmp_path)
    again = _grid(tmp_path, resume=True, on_progress=lambda *_: pytest.fail("ran"))
    assert again.identical(open_dataset(tmp_path))
    np.testing.assert_array_equal(first.value, again.value)
    configuration = json.loads(again.attrs["configuration"])
    assert configuration["grid"] == {"kind": ["a", "b"]}


def test_coordinates_are_no_paths(tmp_path):
    _grid(tmp_path / "in", "data", ("../../out", "/abs"))
    assert os.listdir(tmp_path) == ["in"]
    names = {path.name for path in (tmp_path / "in").iterdir()}
    assert names == {"data=..%2F..%2Fout", "data=%2Fabs", DATASET_FILE}
