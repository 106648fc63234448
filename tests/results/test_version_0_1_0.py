"""A results file written by version 0.1.0 still opens, summarizes and reports.

The file is a sweep of ``ibjax sweep szt`` cut down to 3 seeds, 6 epochs, 4 layers and 2
estimators.
"""

from pathlib import Path

import numpy as np
import pytest

from ibjax.claims import VERDICTS
from ibjax.experiments.szt.claims import szt_claims
from ibjax.report import report
from ibjax.report.text import format_summary
from ibjax.results import merge, open_dataset, summarize

FILE = Path(__file__).parent / "data" / "szt_0_1_0.nc"


@pytest.fixture(scope="module")
def dataset():
    with pytest.warns(UserWarning, match="has no digest, as files of earlier"):
        return open_dataset(FILE)


def test_it_opens_with_its_names_and_units(dataset):
    assert dataset["i_xt"].dims == ("seed", "epoch", "layer", "estimator")
    assert dataset["i_xt"].attrs["units"] == "nats"
    assert dataset["estimator"].values.tolist() == ["binning", "kde_upper"]
    assert dataset["epoch"].values.tolist() == [0, 5, 19, 72, 272, 1032]


def test_it_summarizes_to_the_numbers_of_its_data(dataset):
    summary = summarize(dataset)
    assert summary["num_samples"] == 4096
    bits = dataset["i_xt"].sel(estimator="binning", layer=6).values / np.log(2)
    last = summary["estimators"][0]["layers"][-1]
    fall = np.mean(bits.max(axis=1) - bits[:, -1])
    assert last["compression_bits"]["mean"] == pytest.approx(fall, rel=1e-6)
    assert last["verdict"] == "compresses"
    assert len(summary["optimality"]) == len(summary["gradients"]) == 4
    assert "6 softmax 2" in format_summary(summary)


def test_it_reports(dataset, tmp_path):
    page = report(dataset, tmp_path, pdf=False)
    figures = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"information_plane", "gradients", "optimality"} <= figures
    assert "ibjax sweep of 10 networks on szt" in page.read_text()


def test_its_claims_are_decided(dataset):
    assert {claim.verdict for claim in szt_claims(dataset)} <= set(VERDICTS)


def test_it_merges_with_itself_under_other_seeds(dataset):
    others = dataset.assign_coords(seed=dataset["seed"] + 3)
    assert merge([dataset, others])["seed"].values.tolist() == list(range(6))
