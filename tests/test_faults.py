"""A few rounds of every campaign of ``benchmarks/faults.py`` find no fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.fault_campaigns import arguments

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "faults.py"
ROUNDS = {
    "calls": 150,
    "differential": 60,
    "command-lines": 15,
    "files": 100,
    "checkpoints": 60,
    "kills": 2,
    "disk-full": 3,
    "two-processes": 2,
}
LONGEST_SECONDS = 800


def test_every_function_has_good_arguments():
    # A function whose arguments the campaign has no values for is a KeyError.
    assert arguments.good_arguments().keys() == arguments.public_functions().keys()


@pytest.mark.slow
@pytest.mark.parametrize("campaign", ROUNDS)
def test_campaign_finds_no_fault(campaign, tmp_path):
    output = tmp_path / "faults.json"
    rounds = [f"--{campaign}", str(ROUNDS[campaign])]
    command = [sys.executable, SCRIPT, "--cases", campaign, *rounds]
    # Another seed than the script's own.
    command += ["--seed", "7", "--output", output]
    path = {"PYTHONPATH": str(SCRIPT.parents[1])}
    subprocess.run(command, env=os.environ | path, timeout=LONGEST_SECONDS, check=True)
    (found,) = json.loads(output.read_text())["results"].values()
    counts = {name: count for name, count in found.items() if name != "campaign"}
    faults = set(counts) - {"answered", "refused", "files left"}
    assert not faults and not counts.get("files left", 0), counts
    assert sum(counts.values()) > 0
