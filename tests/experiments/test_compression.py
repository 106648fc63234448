"""Estimates after compression: claims on made-up estimates, and small runs."""

import itertools
import json

import pytest

from ibjax import cli
from ibjax.experiments.compression.claims import compression_claims

TRUTHS = (0, 5, 10)
NAMES = {"families": {"blobs": "Blobs"}, "estimators": {"ksg": "KSG", "kl": "KL"}}


def _rows(errors, *, truths=TRUTHS, family="blobs"):
    """Three seeds; ``errors`` by compressor and estimator, a seed's a little off."""
    rows = []
    for (compressor, name), error in errors.items():
        for truth, seed in itertools.product(truths, range(3)):
            value = None if error is None else truth + error * truth / 5 + 0.01 * seed
            rows.append(
                {
                    "family": family,
                    "size": None if compressor == "latents" else 16,
                    "compressor": compressor,
                    "information": truth,
                    "seed": seed,
                    "estimator": name,
                    "value": value,
                }
            )
    return rows


GOOD = {
    ("latents", "ksg"): -0.1,
    ("autoencoder", "ksg"): -0.2,
    ("autoencoder", "kl"): 0.1,
    ("pca", "ksg"): -2.0,
}
BAD = {
    ("latents", "ksg"): -0.5,
    ("autoencoder", "ksg"): -2.0,
    ("autoencoder", "kl"): -2.5,
    ("pca", "ksg"): -2.0,
}


def test_claims_hold_where_they_are_true():
    found = compression_claims(_rows(GOOD), **NAMES)
    assert [claim.verdict for claim in found] == ["holds"] * 6
    # The best is KL; the others compare by KSG, at 5 and 10 nats.
    assert [claim.claim.split(":")[0] for claim in found] == [
        f"{number}. Blobs, 16 x 16" for number in (1, 2, 3, 3, 4, 4)
    ]
    assert "KL after the autoencoder" in found[0].claim
    values = [claim.value for claim in found]
    # A seed's largest error is that at 5 nats: 0.1 and 0.01 of every further seed.
    assert values == pytest.approx([0.11, 10.21, 1.8, 3.6, 0.1, 0.2])
    assert {claim.num_seeds for claim in found} == {3}


def test_claims_do_not_hold_where_they_are_false():
    found = compression_claims(_rows(BAD), **NAMES)
    assert [claim.verdict for claim in found] == ["does not hold"] * 6
    assert "KSG after the autoencoder" in found[0].claim


def test_what_is_not_there_is_left_out():
    # Below 10 nats nothing is published, and without latents nothing is lost.
    codes = {key: error for key, error in GOOD.items() if key[0] != "latents"}
    found = compression_claims(_rows(codes, truths=(0, 5)), **NAMES)
    assert [claim.claim[0] for claim in found] == ["1", "3"]
    # A family without codes, and estimators that did not run everywhere.
    assert compression_claims(_rows(GOOD, family="other"), **NAMES) == []
    only = {"families": NAMES["families"], "estimators": {"mine": "MINE"}}
    assert compression_claims(_rows(GOOD), **only) == []
    with pytest.raises(ValueError, match="rows must hold at least one estimate"):
        compression_claims([], **NAMES)


def test_an_estimate_that_is_not_finite_is_an_error():
    broken = {("autoencoder", "kl"): None, ("autoencoder", "ksg"): -0.2}
    found = compression_claims(_rows(broken), **NAMES)
    assert "KSG after the autoencoder" in found[0].claim
    alone = compression_claims(_rows({("autoencoder", "kl"): None}), **NAMES)
    assert [claim.verdict for claim in alone] == ["undecided"] * 2
    assert all(claim.num_seeds == 0 for claim in alone)


def test_finished_estimates_are_drawn(tmp_path):
    content = {
        "command": "made up",
        "wall_seconds": 1.0,
        "configuration": {"seeds": 3},
        "estimates": _rows(GOOD, family="gaussians"),
    }
    (tmp_path / "estimates.json").write_text(json.dumps(content))
    # Several files are put together: here the second has nothing new.
    (tmp_path / "more.json").write_text(json.dumps(content | {"estimates": []}))
    files = [str(tmp_path / name) for name in ("estimates.json", "more.json")]
    output = ["--output", str(tmp_path / "out")]
    cli.main(["reproduce", "compression", "--from", *files, *output])
    written = json.loads((tmp_path / "out" / "claims.json").read_text())
    assert written["configuration"] == {"seeds": 3}
    assert written["wall_seconds"] == 2.0
    assert [claim["verdict"] for claim in written["claims"]] == ["holds"] * 6
    assert (tmp_path / "out" / "compression_16.png").stat().st_size > 1000


@pytest.mark.slow
def test_a_small_run(tmp_path):
    options = ["--quick", "--families", "gaussians", "--estimators", "ksg", "kl"]
    options += ["--steps", "20", "--output", str(tmp_path)]
    cli.main(["reproduce", "compression", *options])
    content = json.loads((tmp_path / "estimates.json").read_text())
    assert content["configuration"]["steps"] == 20
    # Three compressors, two sets, three informations and two estimators.
    assert len(content["estimates"]) == 3 * 2 * 3 * 2
    assert (tmp_path / "compression_16.png").exists()
