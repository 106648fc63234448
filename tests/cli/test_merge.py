"""Shards by the command and by the job files of clusters, and their merger."""

import json
import os
import re
import subprocess
from pathlib import Path

import jax
import pytest
import xarray as xr

from ibjax import cli, results
from ibjax.experiments.experiment import Part
from ibjax.networks.network import Layer
from ibjax.sweeps.grid import Cell
from ibjax.training.trainable import Trainable

CLUSTERS = Path(__file__).parents[2] / "scripts" / "clusters"
TINY = ["--hidden", "3,2", "--estimators", "binning"]
TINY += ["--seeds", "2", "--epochs", "3", "--snapshots", "3"]
GRID = ["sweep", "szt", "--seeds", "2"]


@pytest.fixture
def grid(monkeypatch):
    """Let the command sweep numbers, which takes no time, in place of networks."""

    def counter(kind):
        return Trainable(
            init=lambda key, data, numbers: (jax.random.uniform(key), key),
            run_epoch=lambda state, own, data, drawn, epoch: state + 0.5,
            measure=lambda state, *_: {"value": state},
            layers=(Layer("count", (1,)),),
            configuration={"kind": kind},
        )

    cells = [
        Cell({"kind": kind}, snapshots=(0, 3), trainable=counter(kind))
        for kind in ("a", "b")
    ]
    monkeypatch.setattr(Part, "cells", lambda *_, **__: cells)


def _refused(arguments, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(arguments)
    assert exit_info.value.code == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    return error


def test_shards_of_the_command_are_merged(grid, capsys, tmp_path, monkeypatch):
    reported = []
    for module in ("merge", "sweep"):
        monkeypatch.setattr(
            f"ibjax.cli.{module}.write_report",
            lambda dataset, directory, *_: reported.append((dataset, directory)),
        )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    cli.main([*GRID, "--output", str(whole)])
    cli.main([*GRID, "--output", str(parts), "--shard", "2/2"])
    printed = capsys.readouterr().out
    assert "shard 2/2: networks 1 to 1" in printed
    assert f"ibjax merge {parts} joins the shards when all 2 are there" in printed
    error = _refused(["merge", str(parts)], capsys)
    assert error == "ibjax: error: shard 1 of 2 missing"
    cli.main([*GRID, "--output", str(parts), "--shard", "1/2", "--resume"])
    before = {path: path.read_bytes() for path in parts.rglob("*.nc")}
    cli.main(["merge", str(parts)])
    assert f"2 runs of 2 networks in all; output: {parts}" in capsys.readouterr().out
    # Shards have no report of their own.
    assert [directory for _, directory in reported] == [whole, parts]
    for name in ("", "kind=a", "kind=b"):
        one, other = (results.open_dataset(path / name) for path in (whole, parts))
        xr.testing.assert_equal(one, other)
        for attribute in ("configuration", "title", "block"):
            assert one.attrs[attribute] == other.attrs[attribute]
    assert {path: path.read_bytes() for path in before} == before
    # Again; and the whole run is there to be gone on with.
    cli.main(["merge", str(parts)])
    cli.main([*GRID, "--output", str(parts), "--resume"])
    assert len(reported) == 4
    xr.testing.assert_equal(reported[0][0], reported[-1][0])

    other = results.open_dataset(whole)
    other["value"] += 1.0
    results.save_dataset(other, parts / results.DATASET_FILE)
    error = _refused(["merge", str(parts)], capsys)
    assert "holds other results of this configuration" in error


@pytest.mark.slow
def test_a_merged_run_has_the_report_of_the_whole(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    sweep = ["sweep", "szt", *TINY, "--seeds", "7"]
    cli.main([*sweep, "--output", str(whole)])
    for number in (1, 2, 3):
        cli.main([*sweep, "--output", str(parts), "--shard", f"{number}/3"])
    cli.main(["merge", str(parts)])
    one, other = (json.loads((d / "summary.json").read_text()) for d in (whole, parts))
    assert one == other
    figures = sorted(path.name for path in (whole / "figures").glob("*.png"))
    assert len(figures) > 5
    for name in figures:
        one, other = ((d / "figures" / name).read_bytes() for d in (whole, parts))
        assert one == other, name
    # Only how it came about differs: devices, date and times.
    one, other = ((d / "report.html").read_text().splitlines() for d in (whole, parts))
    differing = [a for a, b in zip(one, other, strict=True) if a != b]
    names = {re.match(r"<tr><th>(.*?)</th>", line)[1] for line in differing}
    assert names <= {"devices", "created", "wall time (s)", "compile time (s)"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "szt", "--shard", "0/2"], "shard must be K/N with K from 1 to N"),
        ([*GRID, "--shard", "3/3"], "shard must be one of at most 2, the number of"),
        (["merge", "no-such-place"], "no results: no-such-place does not exist"),
        (["merge"], "DIR must be one directory of shards or more, got none"),
        (["merge", "."], "has no results"),
    ],
)
def test_bad_shards_end_with_one_line(
    arguments, message, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert message in _refused(arguments, capsys)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Calls of a command ``ibjax`` that only writes down how it is called."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "ibjax").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    (place / "ibjax").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    for name in ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return lambda: (tmp_path / "calls").read_text().splitlines()


def test_tasks_of_a_slurm_array_are_all_shards(calls, tmp_path):
    job = ["bash", CLUSTERS / "slurm.sh", "3", "szt", "--output", "two words"]
    assert subprocess.run(job, capture_output=True).returncode != 0  # No array.
    for task in "123":
        environment = os.environ | {"SLURM_ARRAY_TASK_ID": task}
        subprocess.run(job, env=environment, check=True)
    wanted = "sweep szt --output two words --shard {}/3 --resume"
    assert calls() == [wanted.format(task) for task in "123"]
    # Its options come before the first command, or SLURM does not see them.
    text = (CLUSTERS / "slurm.sh").read_text()
    assert "#SBATCH" not in text[text.index("set -euo") :]


def test_pods_of_a_kubernetes_job_are_all_shards(calls, tmp_path):
    yaml = pytest.importorskip("yaml")
    job = yaml.safe_load((CLUSTERS / "kubernetes.yaml").read_text())
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    (container,) = spec["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    count = spec["completions"]
    assert variables["SHARDS"] == str(count)
    for index in range(count):
        environment = os.environ | variables | {"JOB_COMPLETION_INDEX": str(index)}
        command = [*container["command"], *container["args"]]
        subprocess.run(command, env=environment, check=True)
    shards = [call.split("--shard ")[1] for call in calls()]
    assert shards == [f"{n + 1}/{count} --resume" for n in range(count)]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
