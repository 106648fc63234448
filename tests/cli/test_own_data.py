"""The command on a user's own files: activities, and tables."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from ibjax import cli, results
from ibjax.datasets import table_task
from ibjax.experiments.setup import Context
from ibjax.experiments.table.setup import TableSetup

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 40)
RECORDED = {
    "conv": RNG.normal(size=(2, 3, 40, 2, 2)).clip(0),
    "dense": RNG.normal(size=(2, 3, 40, 2)),
}


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, **RECORDED, labels=LABELS, epochs=[0, 10, 20])
    return str(path)


@pytest.fixture
def table(tmp_path):
    """A class that follows from two columns, and a number that is normal with one."""
    a, b, noise = np.random.default_rng(0).normal(size=(3, 500))
    path = tmp_path / "mine.csv"
    kinds = np.where(a + b > 0, "cat", "dog")
    frame = pd.DataFrame({"a": a, "b": b, "kind": kinds, "c": 0.6 * a + 0.8 * noise})
    frame.to_csv(path, index=False)
    return str(path)


def _refused(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        cli.main([str(argument) for argument in arguments])
    assert exit_info.value.code == 2
    error = capsys.readouterr().err
    assert len(error.strip().splitlines()) == 1
    return error


def test_recorded_activities_leave_what_a_sweep_leaves(
    recorded, tmp_path, capsys, monkeypatch
):
    # The report is that of a sweep, and slow.
    monkeypatch.setattr(
        "ibjax.cli.plane.write_report",
        lambda dataset, directory, console, drawing: console.print(dataset.i_xt.shape),
    )
    output = tmp_path / "out"
    options = ["--output", str(output), "--estimators", "bin-width"]
    cli.main(["plane", recorded, "--layers", "dense", *options, "--bin-width", "0.5"])
    printed = capsys.readouterr().out
    assert "(2, 3, 1, 1)" in printed and "epoch 20 of 20" in printed
    dataset = results.open_dataset(output)
    assert dataset.estimator_label.values.tolist() == ["bins of width 0.5"]
    assert dataset.epoch.values.tolist() == [0, 10, 20]
    error = _refused(capsys, "plane", recorded, *options)
    assert "already holds the results of a run" in error
    assert results.open_dataset(output).identical(dataset)


@pytest.mark.slow
def test_recorded_activities_have_a_report(recorded, tmp_path, capsys):
    cli.main(["plane", recorded, "--output", str(tmp_path / "out")])
    printed = capsys.readouterr().out
    assert "Final" not in printed  # Nothing is known of the training.
    assert "conv" in printed and "report.html" in printed
    assert (tmp_path / "out" / "figures" / "information_plane.png").exists()
    cli.main(["report", str(tmp_path / "out")])


def test_files_that_do_not_fit_are_named(recorded, tmp_path, capsys):
    output = ["--output", tmp_path / "out"]
    np.savez(tmp_path / "none.npz", dense=RECORDED["dense"])
    np.savez(tmp_path / "half.npz", dense=RECORDED["dense"], labels=LABELS + 0.5)
    cases = {
        ("half.npz",): "half.npz: labels must be classes, got fractions",
        ("none.npz",): "none.npz holds none",
        ("other.npz",): "other.npz: no such file",
        ("mine.npz", "--layers", "pool"): "layers must be some of those in",
        ("mine.npz", "--bin-width", "-1"): "bin_width must be one positive",
    }
    for (name, *options), message in cases.items():
        assert message in _refused(capsys, "plane", tmp_path / name, *options, *output)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("target, estimator", [("kind", "binning"), ("c", "ksg")])
def test_a_table_is_swept(table, tmp_path, capsys, target, estimator):
    output = tmp_path / "out"
    options = ["--hidden", "3", "--seeds", "2", "--epochs", "3", "--snapshots", "2"]
    options += ["--columns", "a", "b", "--output", str(output)]
    cli.main(["sweep", "table", table, "--target", target, *options])
    printed = capsys.readouterr().out
    is_class = target == "kind"
    said = "one of 2 classes (cat, dog)" if is_class else "a number"
    assert f"mine.csv: 500 rows of 2 columns; {target} is {said}" in printed
    dataset = results.open_dataset(output)
    assert estimator in dataset.estimator and dataset.sizes["seed"] == 2
    cli.main(["sweep", "table", table, "--target", target, *options, "--resume"])


def test_a_table_has_the_options_of_szt(table):
    frame = pd.read_csv(table)
    setup = TableSetup(hidden=("4-3", "2"), learning_rate=(1e-3, 1e-2))
    for target, names in (
        ("kind", ["binning", "bin_width"]),
        ("c", ["ksg", "gaussian"]),
    ):
        task = table_task(frame, target, columns=["a", "b"])
        cells = setup.cells(Context([0, 2], task=task))
        assert [cell.place for cell in cells] == [{"hidden": "4-3"}, {"hidden": "2"}]
        assert cells[0].vary == {"learning_rate": (1e-3, 1e-2)}
        labels = [
            name for probe in cells[0].probes for name in getattr(probe, "labels", {})
        ]
        assert labels[:2] == names
        # 400 rows are less than a batch of 512.
        assert cells[0].config.batch_size is None
        assert cells[0].network.output == ("softmax" if target == "kind" else "linear")
    small = dataclasses.replace(setup, batch_size=(100,)).cells(
        Context([0, 2], task=task)
    )
    assert small[0].config.batch_size == 100
    with pytest.raises(ValueError, match="task must hold the table"):
        setup.cells(Context([0, 2]))


def test_what_is_wrong_with_a_table_is_said(table, tmp_path, capsys):
    sweep = ["sweep", "table", table, "--output", tmp_path / "out"]
    error = _refused(capsys, *sweep, "--target", "kinds")
    assert "mine.csv, which has a, b, kind, c; got 'kinds'" in error
    error = _refused(capsys, *sweep, "--target", "c")
    assert "column 'kind' must hold numbers, got 'cat'" in error or "'dog'" in error
    assert not (tmp_path / "out").exists()


def test_information_between_columns(table, capsys):
    cli.main(["estimate", table, "--x", "a", "--y", "c", "--method", "gaussian"])
    words = capsys.readouterr().out.split()
    assert words[:7] == ["I(a;", "c)", "by", "gaussian,", "500", "samples:", words[6]]
    # A correlation of 0.6; the standard error is about r / sqrt(N).
    truth = -0.5 * np.log(1 - 0.36)
    assert abs(float(words[6]) - truth) < 4 * 0.6 / np.sqrt(500)
    assert float(words[10]) == pytest.approx(float(words[6]) / np.log(2), abs=1e-4)
    error = _refused(capsys, "estimate", table, "--x", "a", "kind", "--y", "c")
    assert "column 'kind' must hold numbers" in error


@pytest.mark.slow
def test_estimators_are_held_against_known_information(tmp_path, capsys):
    output = tmp_path / "all.csv"
    options = ["--methods", "gaussian", "--tasks", "half_cube-1v1"]
    options += ["--samples", "200", "--seeds", "2"]
    cli.main(["benchmark", *options, "--output", str(output)])
    printed = capsys.readouterr().out
    assert "half_cube-1v1-normal-0.75  0.413  gaussian" in printed
    frame = pd.read_csv(output)
    assert frame.seed.tolist() == [0, 1]
    off = frame.estimate.mean() - frame.truth[0]
    np.testing.assert_allclose(frame.bias, off, atol=1e-6)
    assert f"{off:+.3f}" in printed
    assert "is there already" in _refused(
        capsys, "benchmark", *options, "--output", output
    )
    assert "half_cube" in _refused(capsys, "benchmark", "--tasks", "nothing")
