"""Experiments reproduced: from results that are there, and small runs of them."""

import dataclasses
import functools
import importlib
import json
import runpy
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from ibjax import cli, results
from ibjax.claims import decide
from ibjax.experiments.catalogue import EXPERIMENTS
from ibjax.experiments.deep_linear.setup import LinearSetup
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.mnist.setup import MnistSetup
from ibjax.experiments.reproduce import reproduce
from ibjax.plots.files import encode_figure
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset
from ibjax.results.intervals import Estimate

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    return tmp_path


@pytest.fixture
def png_alone(monkeypatch):
    """Figures are drawn once each: the information plane is a PDF as well."""
    drawn = functools.partial(encode_figure, pdf=False)
    monkeypatch.setattr("ibjax.experiments.reproduce.encode_figure", drawn)


def _save(dataset, directory):
    directory.mkdir(parents=True)
    results.save_dataset(dataset, directory / results.DATASET_FILE)


def _grid(axis, values, **options):
    options = {"num_seeds": 6, "num_epochs": 12, "estimators": ("binning",)} | options
    datasets = [example_dataset(seed=n, **options) for n in range(len(values))]
    return combine([{axis: value} for value in values], datasets)


def _summary(arguments, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    importlib.import_module("summary").main(arguments)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_tells_what_it_does(name, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["reproduce", name, "--help"])
    assert exit_info.value.code == 0
    printed = capsys.readouterr().out
    words = EXPERIMENTS[name].summary.split()
    assert all(word in printed for word in words)
    assert "--quick" in printed and f"ibjax-reproduce-{name}" in printed


def test_the_script_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["reproduce.py", "szt", "--help"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(SCRIPTS / "reproduce.py"), run_name="__main__")
    assert "usage: ibjax reproduce szt" in capsys.readouterr().out


def test_the_information_plane_of_finished_sweeps(tmp_path, capsys, monkeypatch):
    _save(example_dataset(num_seeds=6, num_epochs=12), tmp_path / "sweeps")
    monkeypatch.setattr(sys, "argv", ["ibjax", "reproduce", "szt"])
    cli.main(
        ["reproduce", "szt", "--from", str(tmp_path / "sweeps")]
        + ["--output", str(tmp_path / "out")]
    )
    for kind in ("pdf", "png"):
        names = sorted(path.stem for path in (tmp_path / "out").glob(f"*.{kind}"))
        assert names == ["gradients", "information_plane", "snapshots"]
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert content["title"].startswith("Information plane")
    assert content["command"] == "ibjax reproduce szt"
    assert content["conditions"][0]["devices"] == "none"
    assert (tmp_path / "out" / "claims.md").read_text() in capsys.readouterr().out


def test_claims_of_another_experiment_are_not_replaced(tmp_path, capsys):
    path = tmp_path / "claims.json"
    for content, message in (
        ('{"title": "Depth and width"}', "holds another experiment, Depth and width"),
        ("{", "claims.json cannot be read"),
    ):
        path.write_text(content)
        with pytest.raises(SystemExit):
            cli.main(["reproduce", "szt", "--output", str(tmp_path)])
        assert message in capsys.readouterr().err
        assert path.read_text() == content


def test_grids_of_finished_sweeps(tmp_path, capsys, monkeypatch, png_alone):
    _save(_grid("train_fraction", [0.05, 0.85]), tmp_path / "training-size")
    _save(_grid("hidden", ["10", "10-7"]), tmp_path / "depth")
    _save(_grid("hidden", ["5", "20"]), tmp_path / "elsewhere" / "width")
    sources = [str(tmp_path), str(tmp_path / "elsewhere")]
    for name in ("training-size", "depth"):
        output = tmp_path / "out" / name
        cli.main(["reproduce", name, "--from", *sources, "--output", str(output)])
        assert json.loads((output / "claims.json").read_text())["claims"]
    capsys.readouterr()
    _summary([str(tmp_path / "out"), "--output", str(tmp_path / "all")], monkeypatch)
    printed = capsys.readouterr().out
    assert "Training size" in printed and "Depth and width" in printed
    page = (tmp_path / "all" / "claims.html").read_text()
    assert page.count("<img") == 3


def test_nothing_there_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        cli.main(["reproduce", "training-size", "--from", str(tmp_path)])
    assert "no results" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="no claims"):
        _summary([str(tmp_path), "--output", str(tmp_path / "out")], monkeypatch)


@pytest.fixture
def tiny():
    """Students in two grids of two cells, with what only some experiments have."""
    setup = LinearSetup(hidden=("4",), num_inputs=6, num_samples=(10, 20))
    part = Part(setup, Scale(3, 2, 2), Scale(4, 1, 2))
    other = dataclasses.replace(setup, num_inputs=5)
    return Experiment(
        name="tiny",
        title="Tiny",
        summary="Students.",
        also=(1, 5),
        parts={"one": part, "two": part._replace(quick_setup=other)},
        derived=lambda datasets: {"error": datasets["one"].test_loss.mean()},
        claims=lambda datasets: [
            decide(
                "It is small",
                "error",
                Estimate(float(datasets["error"]), 0.0, 1e9, 4),
                num_seeds=datasets["two"].sizes["seed"],
                below=1e12,
            )
        ],
        figures=lambda datasets: {name: Figure() for name in datasets},
        files=lambda datasets: {"names.txt": " ".join(datasets)},
    )


def test_sweeps_are_run_resumed_and_read(tiny, tmp_path, undrawn):
    seen = []
    options = {"sizes": {"seeds": 4, "epochs": None}, "command": "c"}
    table = reproduce(
        tiny,
        tmp_path / "out",
        on_progress=lambda name, cells, number, progress: seen.append((name, number)),
        **options,
    )
    assert "It is small" in table and "n = 4" in table
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("one", "two", "claims.json", "claims.md", "names.txt"),
        *(
            f"{name}.{kind}"
            for name in ("one", "two", "error")
            for kind in ("png", "pdf")
        ),
    }
    assert (tmp_path / "out" / "names.txt").read_text() == "one two error"
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert content["command"] == "c" and len(content["conditions"]) == 2
    assert list(dict.fromkeys(seen)) == [
        (name, number) for name in ("one", "two") for number in (0, 1)
    ]
    dataset = results.open_dataset(tmp_path / "out" / "one")
    # Epoch 5 comes after the last one.
    assert dataset.sizes["seed"] == 4 and dataset.epoch.values.tolist() == [0, 1, 2]
    with pytest.raises(results.ResultsError, match="already holds"):
        reproduce(tiny, tmp_path / "out", **options)
    assert reproduce(tiny, tmp_path / "out", resume=True, **options) == table
    with pytest.raises(ValueError, match="resume must be False: bifurcations is no"):
        reproduce(EXPERIMENTS["bifurcations"], tmp_path, resume=True)
    again = reproduce(tiny, tmp_path / "again", sources=[tmp_path / "out"])
    assert again == table and not (tmp_path / "again" / "one").exists()
    # The sweeps by themselves, in any order, but not one in place of all.
    two, one = (tmp_path / "out" / name for name in ("two", "one"))
    assert reproduce(tiny, tmp_path / "again", sources=[two, one]) == table
    with pytest.raises(results.ResultsError, match="two must hold one, a folder of a"):
        reproduce(tiny, tmp_path / "again", sources=[two])


def test_quick_runs_have_sizes_and_setups_of_their_own(tiny, tmp_path, undrawn):
    reproduce(tiny, tmp_path, quick=True)
    one, two = (results.open_dataset(tmp_path / name) for name in ("one", "two"))
    assert one.sizes["seed"] == 4 and one.epoch.values.tolist() == [0, 1]
    found = [json.loads(each.attrs["configuration"]) for each in (one, two)]
    assert [configuration["num_inputs"] for configuration in found] == [6, 5]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deep-linear", "ib-limit", "batches"])
def test_small_runs(name, tmp_path):
    options = ["--quick", "--seeds", "3", "--epochs", "4", "--snapshots", "3"]
    cli.main(["reproduce", name, *options, "--output", str(tmp_path)])
    assert json.loads((tmp_path / "claims.json").read_text())["claims"]
    names = {path.parent.name for path in tmp_path.glob("*/results.nc")}
    assert names == set(EXPERIMENTS[name].parts)


def test_planes_of_images_from_finished_sweeps(tmp_path, png_alone):
    places = [
        {"hidden": hidden, "activation": activation}
        for hidden in MnistSetup.hidden
        for activation in MnistSetup.activation
    ]
    estimators = ("kde_upper", "kde_lower", "bin_width")
    options = {"num_seeds": 3, "num_epochs": 6, "estimators": estimators}
    datasets = [example_dataset(seed=n, **options) for n in range(4)]
    _save(combine(places, datasets), tmp_path / "mnist")
    output = tmp_path / "out"
    cli.main(["reproduce", "mnist", "--from", str(tmp_path), "--output", str(output)])
    content = json.loads((output / "claims.json").read_text())
    # Three estimators, the two ends and two of the gradient for each network.
    assert len(content["claims"]) == 4 * 7
    assert len(list(output.glob("*.png"))) == 6


def test_a_damaged_file_is_refused(no_mnist, capsys):
    folder = no_mnist / ".cache" / "ibjax" / "mnist"
    folder.mkdir(parents=True)
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(b"none")
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"none")
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["reproduce", "mnist", "--output", str(no_mnist / "out")])
    assert exit_info.value.code == 2
    assert "ibjax: error: " in capsys.readouterr().err


def test_digits_stand_in_for_mnist(no_mnist, capsys, undrawn):
    output = no_mnist / "out"
    options = ["--hidden", "5", "--seeds", "2", "--epochs", "1", "--snapshots", "2"]
    options += ["--activation", "tanh", "relu", "--images", "50"]
    cli.main(["reproduce", "mnist", *options, "--output", str(output)])
    assert "--download fetches it" in capsys.readouterr().err
    (condition,) = json.loads((output / "claims.json").read_text())["conditions"]
    assert condition["configuration"]["task"] == "digits"
    assert results.open_dataset(output / "mnist").attrs["num_samples"] == 360


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "cnn"])
def test_small_runs_on_digits(no_mnist, name, tmp_path):
    output = tmp_path / "out"
    options = ["--quick", "--epochs", "2", "--output", str(output)]
    cli.main(["reproduce", name, *options])
    content = json.loads((output / "claims.json").read_text())
    assert content["claims"]
    assert content["conditions"][0]["configuration"]["task"] == "digits"
    assert all(c["num_left_out"] == 0 for c in content["claims"])
