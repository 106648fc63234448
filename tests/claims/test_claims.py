"""Claims: verdicts at the ends, the correction of many, how they are written."""

import json
import math

import pytest

from ibjax.claims import (
    Claim,
    claims_json,
    claims_markdown,
    collect_claims,
    collection_markdown,
    corrected_verdicts,
    decide,
    exact_claim,
    write_claims,
)
from ibjax.results.files import ResultsError
from ibjax.results.intervals import Estimate, mean_estimate


def _claim_with(error, num_seeds=9):
    return Claim("c", "q", "above 1", 2, 1, 3, "holds", num_seeds, 0, error)


@pytest.mark.parametrize(
    ("errors", "kept"),
    [
        # 0.05 / 3, 0.05 / 2, 0.05: each against its own.
        ([0.04, 0.016, 0.024], [True] * 3),
        ([0.04, 0.017, 0.024], [False] * 3),
        ([0.04, 0.001, 0.026], [False, True, False]),
        ([math.nan, 0.016, 0.024], [False, True, True]),
        ([], []),
    ],
)
def test_holms_correction(errors, kept):
    found = corrected_verdicts([_claim_with(error) for error in errors])
    assert found == ["holds" if k else "undecided" for k in kept]


def test_numbers_that_are_not_random_need_no_correction():
    exact = exact_claim("It is so", "beta", "above 1", 1.5, "does not hold")
    sure = _claim_with(0.04)
    assert corrected_verdicts([exact, sure, exact]) == [
        "does not hold",
        "holds",
        "does not hold",
    ]


def test_added_claims_are_marked():
    estimate = mean_estimate([2.0, 2.1, 2.2])
    claim = decide("It is so", "q", estimate, num_seeds=3, above=1.0, added=True)
    assert claims_json([claim])[0]["added"] is True
    line = claims_markdown([claim]).splitlines()[2]
    assert line.startswith("| It is so (added after a run had been seen) | q: 2.10 [")
    assert line.endswith("| above 1 | holds | holds |")


def test_json_and_markdown():
    claims = [
        Claim("A", "x, bits", "above 1", 0.0123, math.nan, math.inf, "undecided", 3, 0)
    ]
    row = claims_json(claims)[0]
    assert (row["value"], row["low"], row["high"]) == (0.0123, None, "inf")
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    line = "| A | x, bits: 0.012 [-, inf], n = 3 | above 1 | undecided | undecided |"
    assert claims_markdown(claims).splitlines()[2] == line


@pytest.mark.parametrize(
    "interval, limits, verdict",
    [
        ((3.0, math.inf), {"above": 1.0}, "holds"),
        ((0.5, math.inf), {"above": 1.0}, "undecided"),
        ((3.0, math.inf), {"below": 1.0}, "does not hold"),
        ((3.0, math.inf), {"above": 1.0, "below": 9.0}, "undecided"),
        ((-math.inf, 0.5), {"below": 1.0}, "holds"),
        ((math.nan, math.nan), {"below": 1.0}, "undecided"),
    ],
)
def test_infinite_ends(interval, limits, verdict):
    estimate = Estimate(0.0, *interval, 9)
    assert decide("c", "q", estimate, num_seeds=9, **limits).verdict == verdict


def test_an_exact_claim_is_its_own_interval():
    exact = exact_claim("It is so", "beta", "above 1", 1.5625, "holds")
    over_seeds = decide("s", "q, bits", Estimate(2.0, 1.5, 2.5, 9), num_seeds=10)
    assert claims_json([exact])[0]["num_seeds"] is None
    lines = claims_markdown([exact]).splitlines()
    assert lines[2] == "| It is so | beta: 1.5625 | above 1 | holds |"
    # A table of such claims alone needs no note on intervals over seeds.
    assert len(lines) == 3
    both = claims_markdown([exact, over_seeds])
    assert "q, bits: 2.00 [1.50, 2.50], n = 9 (1 left out)" in both
    assert "95 % intervals over seeds" in both


def test_claims_that_were_changed_are_refused(tmp_path):
    claim = exact_claim("It is so", "a number", "> 0", 1.0, "holds")
    write_claims(tmp_path, [claim], title="t", command="c")
    path = tmp_path / "claims.json"
    [found] = collect_claims([path])
    assert found["claims"] == claims_json([claim]) and "sha256" not in found
    text = path.read_text()
    path.write_text(text.replace('"holds"', '"does not hold"', 1))
    with pytest.raises(ResultsError, match="is damaged or was changed"):
        collect_claims([path])
    # As written by a version that knew no digest.
    content = json.loads(text)
    del content["sha256"]
    path.write_text(json.dumps(content))
    assert collect_claims([path])[0]["claims"] == found["claims"]


def test_what_is_no_claim_is_named():
    with pytest.raises(TypeError, match=r"claims\[0\] must be a Claim, got 3"):
        claims_markdown([3])
    with pytest.raises(ValueError, match=r"collection\[0\] must hold title and claims"):
        collection_markdown([{"title": "One"}])
