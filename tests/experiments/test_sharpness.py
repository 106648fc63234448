"""Curvature and batch size: what is read off, and claims on made-up networks."""

import dataclasses
import json

import numpy as np
import pytest
import xarray as xr

from ibjax.datasets.images import image_task
from ibjax.experiments.setup import Context
from ibjax.experiments.sharpness.claims import (
    MEASURES,
    at_loss,
    batches_of,
    common_loss,
    correlation_estimate,
    rank_correlations,
    sharpness_claims,
)
from ibjax.experiments.sharpness.figures import sharpness_figures
from ibjax.experiments.sharpness.setup import SharpnessSetup

EPOCHS = [0, 1, 10]


def _dataset(sign=1.0, seeds=6):
    """Networks that grow certain, the sooner the smaller their batches."""
    rng = np.random.default_rng(0)
    cells = []
    for place, name in enumerate(("8", "full")):
        loss = np.array([2.0, 1.0, 0.2 * (1 + 4 * place)])
        loss = loss[None] * (1 + 0.01 * rng.normal(size=(seeds, 1)))
        rise = np.array([1.0, 30.0, 2.0 + 4 * place])[None] ** sign
        rise = rise * (1 + 0.01 * rng.normal(size=(seeds, 1)))
        gap = sign * rise / 10
        values = dict.fromkeys(MEASURES, rise) | {
            "train_loss": loss,
            "test_loss": loss + gap,
            "test_accuracy": 0.9 - gap / 100,
        }
        cells.append(
            xr.Dataset(
                {n: (("seed", "epoch"), v) for n, v in values.items()},
                {"seed": np.arange(seeds), "epoch": EPOCHS},
            ).assign_coords(batch=name)
        )
    both = xr.concat(cells, "batch")
    configuration = {"num_train": 100}
    both.attrs["configuration"] = json.dumps(configuration)
    both.attrs["cells"] = json.dumps(
        [configuration | {"batch": name} for name in ("8", "full")]
    )
    return both


@pytest.fixture
def cells(monkeypatch):
    """Cells of a made-up grid, without what only a sweep knows."""

    def read(dataset):
        for cell, own in enumerate(json.loads(dataset.attrs["cells"])):
            found = dataset.isel(batch=cell)
            found.attrs["configuration"] = json.dumps(own)
            yield {}, found

    monkeypatch.setattr("ibjax.experiments.sharpness.claims.cells_of", read)


def test_claims_follow_the_numbers(cells):
    dataset = _dataset()
    found = {c.claim[:2] + c.claim[-30:]: c.verdict for c in sharpness_claims(dataset)}
    of = {n: {v for k, v in found.items() if k[0] == n} for n in "1234567"}
    # At one training loss small and full batches are about alike here.
    assert of == {n: {"holds"} for n in "134567"} | {"2": {"undecided"}}
    opposite = sharpness_claims(_dataset(-1.0))
    assert {c.verdict for c in opposite if c.claim[0] in "134"} == {"does not hold"}
    assert set(sharpness_figures(dataset)) == {
        "sharpness_training",
        "sharpness_generalisation",
    }


def test_values_are_read_off_where_losses_are_equal(cells):
    small, full = batches_of(_dataset())
    assert (small.rows, full.rows) == (8, 100)
    least = [b.values["train_loss"].min(axis=1).max() for b in (small, full)]
    assert common_loss([small, full]) == max(least)
    loss = 0.5
    # Along the logarithm of the loss, from 30 at a loss of 1 to 2 at one of 0.2.
    share = np.log(loss / small.values["train_loss"][:, 1]) / np.log(0.2)
    trace = small.values["sharpness"]
    expected = trace[:, 1] + share * (trace[:, 2] - trace[:, 1])
    np.testing.assert_allclose(at_loss(small, "sharpness", loss), expected)
    assert np.all(np.isnan(at_loss(small, "sharpness", 1e-3)))


def test_pseudo_values_average_to_about_the_correlation(cells):
    batches = batches_of(_dataset())
    whole, pseudo = rank_correlations(batches, "sharpness")
    assert whole > 0.9 and pseudo.shape == (6,)
    assert abs(pseudo.mean() - whole) < 0.1
    # The interval of their mean may reach beyond what a correlation can be.
    wild = correlation_estimate(np.array([-0.1, 0.2, 0.3, 5.0]))
    assert (wild.low, wild.high) == (-1, 1) and wild.value == 1.35
    assert wild.again(confidence=0.99).high == 1


def test_networks_that_diverged_are_left_out(cells):
    whole = _dataset()
    diverged = whole.copy(deep=True)
    for name in diverged.data_vars:
        # Of both batch sizes, one after its first epoch and one before.
        diverged[name].values[1, 5, 1:] = np.nan
        diverged[name].values[0, 5] = np.nan
    rest = whole.isel(seed=range(5))
    assert common_loss(batches_of(diverged)) == common_loss(batches_of(rest))
    found, expected = (
        rank_correlations(batches_of(d), "sharpness") for d in (diverged, rest)
    )
    assert found[0] == expected[0] and np.isnan(found[1][5])
    np.testing.assert_array_equal(found[1][:5], expected[1])
    for claim, other in zip(*map(sharpness_claims, (diverged, rest)), strict=True):
        assert (claim.claim, claim.verdict) == (other.claim, other.verdict)
        assert claim.value == other.value and claim.num_left_out == 1


def test_options_out_of_range():
    pytest.importorskip("sklearn")
    context = Context([0, 1], task=image_task("digits"))
    for options, message in (
        ({"batch": (0,)}, "batch must be a whole number, at least 1, or full"),
        ({"learning_rate": 0.0}, "learning-rate must be one positive number"),
    ):
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(SharpnessSetup(), **options).cells(context)
    with pytest.raises(ValueError, match="dataset must have sharpness"):
        batches_of(xr.Dataset())
