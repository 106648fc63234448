"""The command: one experiment end to end, and one clear line for bad input."""

import json
import multiprocessing
import os
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from ibjax import __version__ as version
from ibjax import cli, results
from ibjax.cli.report import drawing_beside
from ibjax.cli.sweep import _chosen_devices
from ibjax.experiments.catalogue import SWEEPS

TINY = ["--seeds", "2", "--epochs", "3", "--snapshots", "3", "--estimators", "binning"]


def ibjax(*arguments):
    """The command in a process of its own, as a user runs it."""
    return subprocess.run(
        [sys.executable, "-c", "from ibjax.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cli") / "run"
    options = ["--hidden", "3,2", *TINY, "--output", str(directory)]
    return directory, ibjax("sweep", "szt", *options)


def test_sweep_leaves_results_figures_and_summary(run):
    directory, done = run
    assert done.returncode == 0, done.stderr
    names = {path.name for path in directory.iterdir()}
    assert {"results.nc", "summary.json", "report.html", "animation.gif"} <= names
    assert (directory / "figures" / "information_plane.pdf").stat().st_size > 1000
    dataset = results.open_dataset(directory)
    assert list(dataset.epoch.values) == [0, 1, 3]
    assert json.loads(dataset.attrs["configuration"])["hidden"] == [3, 2]
    # What is about to happen, how far it is, and where the results are.
    for words in ("2 networks 12-3-2-2 (tanh)", "devices:", str(directory)):
        assert words in done.stdout
    assert "I(X;T)" in done.stdout and "report.html" in done.stdout


def test_the_papers_network_is_swept_unless_another_is_named(
    capsys, tmp_path, monkeypatch
):
    def stop(key, cells, **options):
        (cell,) = cells
        assert cell.description["hidden"] == [10, 7, 5, 4, 3]
        raise KeyboardInterrupt

    monkeypatch.setattr("ibjax.cli.sweep.sweep_grid", stop)
    with pytest.raises(SystemExit):
        cli.main(["sweep", "szt", *TINY, "--output", str(tmp_path)])
    assert "2 networks 12-10-7-5-4-3-2 (tanh)" in capsys.readouterr().out


def test_a_preset_with_options_of_its_own_is_a_grid(capsys, tmp_path, undrawn):
    directory = tmp_path / "grid"
    options = ["--hidden", "3,2", "--train-fraction", "0.05", "0.5", *TINY]
    cli.main(["sweep", "training-size", *options, "--output", str(directory)])
    printed = capsys.readouterr().out
    assert "2 cells: train_fraction 0.05, 0.5" in printed
    assert "2 networks 12-3-2-2 (tanh)" in printed
    assert "estimators: 30 bin edges from -1 to 1\n" in printed
    assert "50 % to train on" in printed and "report.html" in printed
    dataset = results.open_dataset(directory)
    assert dataset.train_fraction.values.tolist() == [0.05, 0.5]
    cell = results.open_dataset(directory / "train_fraction=0.5")
    np.testing.assert_array_equal(cell.i_xt, dataset.i_xt.sel(train_fraction=0.5))
    assert "train_fraction" in (directory / "report.html").read_text()


def test_missing_images_end_with_two_and_say_where(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path / "home")
    monkeypatch.delenv("IBJAX_DATA", raising=False)
    for name in ("mnist", "cnn", "stochastic"):
        with pytest.raises(SystemExit) as exit_info:
            cli.main(["sweep", name, "--data-dir", str(tmp_path / "here")])
        assert exit_info.value.code == 2
        error = capsys.readouterr().err
        for words in (tmp_path / "here", tmp_path / "home", "--download"):
            assert str(words) in error
        assert len(error.strip().splitlines()) == 1


def test_digits_are_images_that_need_no_files(capsys, tmp_path, undrawn):
    directory = tmp_path / "digits"
    options = ["--hidden", "5", "--seeds", "2", "--epochs", "1", "--snapshots", "2"]
    options += ["--data", "digits", "--test-images", "50", "--output", str(directory)]
    cli.main(["sweep", "mnist", *options])
    printed = capsys.readouterr().out
    assert "digits: 1437 images to train on, 50 to measure on" in printed
    assert "2 cells: activation tanh, relu" in printed
    dataset = results.open_dataset(directory)
    assert dataset.activation.values.tolist() == ["tanh", "relu"]
    assert dataset.attrs["num_samples"] == 50
    cell = directory / "activation=tanh"
    cli.main(["report", str(cell)])
    figures = {path.stem for path in (cell / "figures").glob("*.png")}
    assert "gradients" in figures and "optimality" not in figures
    # Its own beside them, of one cell as of the grid.
    assert {"mnist_planes", "mnist_information_tanh"} <= figures
    assert (directory / "figures" / "mnist_planes.png").exists()


def test_students_are_reported_with_their_squared_error(capsys, tmp_path, undrawn):
    options = ["--hidden", "4", "--num-inputs", "6", "--num-relevant", "2"]
    options += ["--seeds", "2", "--epochs", "3", "--snapshots", "3"]
    options += ["--num-samples", "10", "20", "--output", str(tmp_path / "run")]
    cli.main(["sweep", "relevance", *options])
    printed = capsys.readouterr().out
    assert "2 networks (linear 4, output 1), 3 epochs" in printed
    assert "2 cells: num_samples 10, 20" in printed and "samples 20" in printed
    dataset = results.open_dataset(tmp_path / "run")
    shown = float(dataset.test_loss.sel(num_samples=20, epoch=3).mean())
    assert "test error" in printed and f"{shown:.4f}" in printed
    assert dataset.num_samples.values.tolist() == [10, 20]
    cell = tmp_path / "run" / "num_samples=20"
    cli.main(["report", str(cell)])
    printed = capsys.readouterr().out
    assert "Final squared error: train" in printed and "accuracy" not in printed
    error = float(dataset.test_loss.sel(num_samples=20, epoch=3).mean())
    assert f"{error:.4f}" in (cell / "report.html").read_text()
    figures = {path.stem for path in (cell / "figures").glob("*.png")}
    assert {"deep_linear_relevance", "gradients", "training_curves"} <= figures


def test_a_report_does_without_figures_that_fail(
    run, capsys, monkeypatch, tmp_path, undrawn
):
    def fails(dataset):
        raise KeyError("of another size")

    part = SWEEPS["szt"]._replace(figures=fails)
    monkeypatch.setitem(SWEEPS, "szt", part)
    directory, _ = run
    (tmp_path / "results.nc").write_bytes((directory / "results.nc").read_bytes())
    cli.main(["report", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "without the figures of szt alone: KeyError: 'of another size'" in printed
    assert (tmp_path / "report.html").exists()


def test_report_rebuilds_from_the_results_alone(run, tmp_path, undrawn):
    directory, _ = run
    (tmp_path / "results.nc").write_bytes((directory / "results.nc").read_bytes())
    cli.main(["report", str(tmp_path)])
    first = json.loads((directory / "summary.json").read_text())
    assert json.loads((tmp_path / "summary.json").read_text()) == first


def test_finished_run_is_not_overwritten(run, capsys):
    directory, _ = run
    before = (directory / "results.nc").read_bytes()
    for options, message in (
        ([], "already holds the results"),
        (
            ["--key", "1", "--resume"],
            "another run, which differs in shuffle_seed, key",
        ),
    ):
        with pytest.raises(SystemExit) as exit_info:
            arguments = ["--hidden", "3,2", *TINY, *options]
            cli.main(["sweep", "szt", *arguments, "--output", str(directory)])
        assert exit_info.value.code == 2
        error = capsys.readouterr().err
        assert message in error and len(error.strip().splitlines()) == 1
    assert (directory / "results.nc").read_bytes() == before


def test_the_version_is_printed(capsys):
    cli.main(["--version"])
    assert capsys.readouterr().out == f"ibjax {version}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "traning-size"], "no experiment traning-size; did you mean"),
        (["reproduce", "noisi"], "did you mean noisy?"),
        (["reproduce", "xyz"], "no experiment xyz; choose szt, training-size"),
        (["swep"], "no command swep; did you mean sweep?"),
    ],
)
def test_names_that_do_not_exist_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err


def test_info_names_versions_devices_and_data(capsys, monkeypatch, tmp_path):
    (tmp_path / "some.gz").touch()
    monkeypatch.setenv("IBJAX_DATA", str(tmp_path))
    cli.main(["info"])
    printed = capsys.readouterr().out
    for words in ("jax", "python", "x cpu", f"{tmp_path}: some.gz"):
        assert words in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "4000"], "batch_size, of 3277 rows to train on, must lie in"),
        (["--batch-size", "0"], "batch_size must be a whole number, at least 1"),
        (["--train-fraction", "0"], "train_fraction must lie in"),
        (["--learning-rate", "-1"], "learning_rate must be one positive number"),
        (["--noise-variance", "-1"], "noise-variance must be one positive number"),
        (["--bin-width", "nan"], "bin-width must be one positive number"),
        (["--num-bins", "1"], "num-bins must be a whole number, at least 2"),
        (["--seeds", "0"], "num_seeds must be a whole number, at least 1"),
        (["--epochs", "0"], "num_epochs must lie in [1, 2147483647], got 0"),
        (["--hidden", "4", "0"], "widths must be 2 or more positive whole numbers"),
        (["--hidden", "4-x"], "hidden must be numbers of units"),
        (["--hidden", "4,x"], "hidden must be numbers of units"),
        (["--activation", "relu", "relu"], "activation must name each value once"),
        (["--sharpness", "-2"], "sharpness must be one positive number"),
        (["--devices", "99"], "devices must lie in"),
        (["--block", "0"], "block must be a whole number, at least 1"),
        (["--activation", "sine"], "sine"),
        (["--batch-size", "half"], "half"),
        (["--no-such-option"], "no-such-option"),
    ],
)
def test_bad_options_end_with_two_and_say_why(options, message, capsys, tmp_path):
    arguments = ["sweep", "szt", *options, "--output", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    printed = capsys.readouterr()
    assert message in printed.err + printed.out
    assert not (tmp_path / "run" / "results.nc").exists()


@pytest.mark.parametrize("content", [b"", b"no netCDF", None])
def test_damaged_results_end_with_two(content, run, capsys, tmp_path):
    whole = (run[0] / "results.nc").read_bytes()
    content = whole[: len(whole) // 2] if content is None else content
    (tmp_path / "results.nc").write_bytes(content)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["report", str(tmp_path)])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert "results.nc is damaged" in error
    assert len(error.strip().splitlines()) == 1
    assert (tmp_path / "results.nc").read_bytes() == content


def test_no_space_ends_with_two_and_keeps_what_was_there(
    run, capsys, tmp_path, monkeypatch, undrawn
):
    (tmp_path / "results.nc").write_bytes((run[0] / "results.nc").read_bytes())
    (tmp_path / "summary.json").write_text("old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["report", str(tmp_path)])
    assert exit_info.value.code == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "summary.json").read_text() == "old"


def test_devices_are_those_of_each_process(monkeypatch):
    devices = [SimpleNamespace(process_index=n // 3, id=n) for n in range(6)]
    monkeypatch.setattr(jax, "devices", lambda: devices)
    for number, chosen in {None: [0, 1, 2, 3, 4, 5], 2: [0, 1, 3, 4]}.items():
        assert [d.id for d in _chosen_devices(number)] == chosen
    with pytest.raises(ValueError, match=r"devices must lie in \[1, 3\], got 4"):
        _chosen_devices(4)


def test_a_process_in_which_jax_has_started_is_not_forked():
    number = len(jax.devices())
    with drawing_beside() as drawing:
        assert not multiprocessing.active_children()
        drawing.submit(pow, 2, 3)
        assert drawing.results() == [8]
    assert len(jax.devices()) == number


def test_a_process_is_forked_before_jax_starts(start_python):
    script = """
import multiprocessing
import jax
from ibjax.cli.report import drawing_beside
from ibjax.cli.sweep import _chosen_devices
number = jax.config.jax_num_cpu_devices
with drawing_beside():
    print(len(multiprocessing.active_children()))
    assert jax.config.jax_num_cpu_devices == number
print(len(multiprocessing.active_children()))
"""
    running = start_python(script)
    said, _ = running.communicate()
    assert running.returncode == 0
    can_fork = sys.platform == "linux"
    num_cores = len(os.sched_getaffinity(0)) if can_fork else 1
    assert said.split() == [str(min(num_cores - 1, 4)), "0"]
