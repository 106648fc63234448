"""The bifurcations of tables: what a run writes, and what is refused."""

import json

import numpy as np
import pytest

from ibjax import cli
from ibjax.experiments.bifurcations.curves import random_table, szt_table


def test_tables_are_distributions():
    for table, num_inputs in ((szt_table(), 4096), (random_table(), 6)):
        assert table.shape == (num_inputs, 2) and (table >= 0).all()
        np.testing.assert_allclose(table.sum(), 1.0)


@pytest.mark.slow
def test_a_small_run(tmp_path, capsys):
    options = ["--betas", "8", "--tables", "random", "--output", str(tmp_path)]
    cli.main(["reproduce", "bifurcations", *options])
    text = (tmp_path / "claims.md").read_text()
    assert text.startswith("## random") and text in capsys.readouterr().out
    content = json.loads((tmp_path / "claims.json").read_text())
    table = content["tables"]["random"]
    assert {claim["verdict"] for claim in table["claims"]} <= {
        "holds",
        "does not hold",
        "undecided",
    }
    assert set(table["branches"]) == {"1", "2", "3", "4"}
    assert (tmp_path / "bifurcations_random.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--betas", "1"], "betas must be a whole number, at least 2, got 1"),
        (["--from", "somewhere"], "sources must be empty"),
    ],
)
def test_what_is_refused(options, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["reproduce", "bifurcations", *options, "--output", str(tmp_path)])
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
