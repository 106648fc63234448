"""The scripts on images: from finished sweeps, and without MNIST."""

import importlib
import json
from pathlib import Path

import pytest

from ibjax import results
from ibjax.datasets.images import DIGITS_TEST
from ibjax.experiments.catalogue import PRESETS
from ibjax.results.cells import combine
from ibjax.results.example import example_dataset

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    return tmp_path


def test_digits_stand_in_for_mnist(script, no_mnist, capsys):
    module = script("mnist_plane")
    args = module.parser().parse_args(["--images", "50"])
    task = module.image_task(args, PRESETS["mnist"].full)
    assert task.name == "digits" and task.num_inputs == 64
    assert task.measured.num_samples == DIGITS_TEST
    assert "--download fetches it" in capsys.readouterr().err


def test_a_damaged_file_is_refused(script, no_mnist):
    folder = no_mnist / ".cache" / "ibjax" / "mnist"
    folder.mkdir(parents=True)
    module = script("mnist_plane")
    for name in ("train-images-idx3", "t10k-images-idx3", "train-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(b"none")
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"none")
    with pytest.raises(SystemExit, match="error: "):
        module.image_task(module.parser().parse_args([]), PRESETS["mnist"].full)


def test_the_planes_of_finished_sweeps(script, tmp_path):
    module = script("mnist_plane")
    places = [
        {"hidden": hidden, "activation": activation}
        for hidden in PRESETS["mnist"].setup.hidden
        for activation in PRESETS["mnist"].setup.activation
    ]
    options = {"num_seeds": 3, "num_epochs": 6}
    estimators = ("kde_upper", "kde_lower", "bin_width")
    datasets = [
        example_dataset(seed=n, estimators=estimators, **options) for n in range(4)
    ]
    (tmp_path / "mnist").mkdir()
    results.save_dataset(
        combine(places, datasets), tmp_path / "mnist" / results.DATASET_FILE
    )
    module.main(["--from", str(tmp_path), "--output", str(tmp_path / "out")])
    content = json.loads((tmp_path / "out" / "claims.json").read_text())
    # Three estimators, the two ends and two of the gradient for each network.
    assert len(content["claims"]) == 4 * 7
    assert len(list((tmp_path / "out").glob("*.png"))) == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist_plane", "cnn"])
def test_small_runs_on_digits(script, no_mnist, name, tmp_path):
    output = tmp_path / "out"
    script(name).main(["--quick", "--epochs", "2", "--output", str(output)])
    content = json.loads((output / "claims.json").read_text())
    assert content["claims"]
    assert content["conditions"][0]["configuration"]["task"] == "digits"
    assert all(c["num_left_out"] == 0 for c in content["claims"])
