"""The script that measures an accelerator runs on a CPU too, so that it cannot rot."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "accelerator.py"


@pytest.mark.slow
def test_a_small_run_checks_answers_and_times_them(tmp_path):
    output = tmp_path / "accelerator.json"
    cases = ["precision", "kde", "neighbours", "training"]
    command = [sys.executable, SCRIPT, "--small", "--output", output, "--cases", *cases]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found = json.loads(output.read_text())["results"]
    assert list(found) == cases
    for name in cases:
        assert found[name]["rows"], name
        assert f"\n{name}, on cpu" in done.stdout
