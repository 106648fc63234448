"""Scripts on results that are there: figures, claims, and what is refused."""

import importlib
import json
from pathlib import Path

import pytest

from ibjax import results
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


def _save(dataset, directory):
    directory.mkdir(parents=True)
    results.save_dataset(dataset, directory / results.DATASET_FILE)


def _grid(axis, values, **options):
    options = {"num_seeds": 6, "num_epochs": 12, "estimators": ("binning",)} | options
    datasets = [example_dataset(seed=n, **options) for n in range(len(values))]
    return combine([{axis: value} for value in values], datasets)


def test_every_script_tells_what_it_does(script, capsys):
    names = {path.stem for path in SCRIPTS.glob("*.py")} - {"common", "images"}
    assert {"szt_information_plane", "training_size", "summary"} <= names
    for name in sorted(names):
        with pytest.raises(SystemExit) as exit_info:
            script(name).main(["--help"])
        assert exit_info.value.code == 0
        first = script(name).__doc__.splitlines()[0]
        assert first in capsys.readouterr().out


def test_the_information_plane_of_finished_sweeps(script, tmp_path, capsys):
    _save(example_dataset(num_seeds=6, num_epochs=12), tmp_path / "sweeps")
    script("szt_information_plane").main(
        ["--from", str(tmp_path / "sweeps"), "--output", str(tmp_path / "out")]
    )
    names = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert names == ["gradients.png", "information_plane.png", "snapshots.png"]
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert content["title"].startswith("Information plane")
    assert content["conditions"][0]["devices"] == "none"
    assert (tmp_path / "out" / "claims.md").read_text() in capsys.readouterr().out


def test_grids_of_finished_sweeps(script, tmp_path, capsys):
    _save(_grid("train_fraction", [0.05, 0.85]), tmp_path / "training-size")
    _save(_grid("hidden", ["10", "10-7"]), tmp_path / "depth")
    _save(_grid("hidden", ["5", "20"]), tmp_path / "width")
    for name in ("training_size", "depth"):
        output = tmp_path / "out" / name
        script(name).main(["--from", str(tmp_path), "--output", str(output)])
        assert json.loads((output / "claims.json").read_text())["claims"]
    capsys.readouterr()
    script("summary").main([str(tmp_path / "out"), "--output", str(tmp_path / "all")])
    printed = capsys.readouterr().out
    assert "Training size" in printed and "Depth and width" in printed
    page = (tmp_path / "all" / "claims.html").read_text()
    assert page.count("<img") == 3


def test_nothing_there_is_refused(script, tmp_path):
    with pytest.raises(SystemExit, match="no results"):
        script("training_size").main(["--from", str(tmp_path)])
    with pytest.raises(SystemExit, match="no claims"):
        script("summary").main([str(tmp_path), "--output", str(tmp_path / "out")])
