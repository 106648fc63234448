"""Violations of data processing: planted ones, verdicts, what is missing."""

import math

import numpy as np
import pytest
import xarray as xr

from ibjax.report.text import format_violations
from ibjax.results.data_processing import (
    data_processing_violations,
    list_violations,
    summarize_violations,
)
from ibjax.results.example import example_dataset

BIT = math.log(2.0)


def _dataset(i_xt, i_ty=None, *, estimators=("binning",)):
    """From ``[num_seeds, num_epochs, num_layers]`` nats, one for every estimator."""
    i_xt = np.asarray(i_xt, float)
    i_ty = i_xt if i_ty is None else np.asarray(i_ty, float)
    dims = ("seed", "epoch", "layer", "estimator")
    num_seeds, num_epochs, num_layers = i_xt.shape
    copies = np.ones(len(estimators))
    return xr.Dataset(
        {
            "i_xt": (dims, i_xt[..., None] * copies),
            "i_ty": (dims, i_ty[..., None] * copies),
        },
        {
            "seed": np.arange(num_seeds),
            "epoch": np.array([0, 1, 10, 100])[:num_epochs],
            "layer": np.arange(1, num_layers + 1),
            "estimator": list(estimators),
        },
    )


def _pair(chain, **at):
    """The only comparison left after a selection, as plain numbers."""
    at = {"quantity": "i_xt", "estimator": "binning", "epoch": 0, "pair": "1-2"} | at
    return {name: values.item() for name, values in chain.sel(at).data_vars.items()}


def test_rise_is_paired_and_its_interval_is_that_of_a_paired_t_test():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    # Seeds differ by far more than their layers do.
    first = 10.0 * rng.normal(size=20)
    second = first + 0.1 + 0.05 * rng.normal(size=20)
    chain = data_processing_violations(_dataset(np.stack([first, second], -1)[:, None]))
    found = _pair(chain)
    paired = stats.ttest_rel(second, first)
    low, high = paired.confidence_interval(0.95)
    assert found["rise"] == pytest.approx(np.mean(second - first))
    assert found["low"] == pytest.approx(low)
    assert found["high"] == pytest.approx(high)
    assert found["verdict"] == "violated"
    assert found["num_seeds"] == 20
    assert found["num_rising"] == np.sum(second > first)


@pytest.mark.parametrize(
    ("rises", "verdict", "num_seeds", "num_rising"),
    [
        ([0.5, 0.6, 0.4], "violated", 3, 3),
        ([-0.5, -0.6, -0.4], "holds", 3, 0),
        ([-0.5, 0.6, 0.4], "undecided", 3, 2),
        ([0.0, 0.0, 0.0], "holds", 3, 0),
        ([1e-6, 1e-6, 1e-6], "holds", 3, 0),  # Rounding of float32.
        ([0.5, np.nan, np.nan], "undecided", 1, 1),
        ([0.5, np.inf, 0.51], "violated", 2, 2),
        ([np.nan, np.nan, np.nan], "no data", 0, 0),
    ],
)
def test_verdict(rises, verdict, num_seeds, num_rising):
    values = np.stack([np.ones(3), 1.0 + np.array(rises)], -1)[:, None]
    found = _pair(data_processing_violations(_dataset(values)))
    assert found["verdict"] == verdict
    assert found["num_seeds"] == num_seeds
    assert found["num_rising"] == num_rising
    assert math.isnan(found["low"]) == (num_seeds < 2)


def test_infinite_values_of_both_layers_are_left_out():
    values = np.array([[[2.0, 1.0]], [[2.0, 1.5]], [[np.inf, np.inf]]])
    found = _pair(data_processing_violations(_dataset(values)))
    assert found["num_seeds"] == 2
    assert found["rise"] == pytest.approx(-0.75)


def test_a_seed_counts_until_it_diverges():
    values = np.tile([3.0, 2.0, 1.0], (3, 2, 1))
    values[0, 1, 1:] = np.nan  # The second layer and those after it, later on.
    chain = data_processing_violations(_dataset(values))
    assert _pair(chain)["num_seeds"] == 3
    assert _pair(chain, epoch=1)["num_seeds"] == 2
    assert _pair(chain, epoch=1, pair="2-3")["num_seeds"] == 2


def _planted():
    """A falling chain of four layers with two violations and nothing else."""
    rng = np.random.default_rng(1)
    falling = np.array([4.0, 3.0, 2.0, 1.0])
    i_xt, i_ty = falling + 0.01 * rng.normal(size=(2, 6, 4, 4))
    i_ty[:, 1, 2] += 2.0  # Above its predecessor by 1 at epoch 1,
    i_ty[:, 3, 2] += 3.0  # and by 2 at epoch 100.
    i_xt[:, 0, 3] += 1.5
    return _dataset(i_xt, i_ty, estimators=("binning", "kde_lower"))


def test_planted_violations_are_listed_and_no_others():
    violations = list_violations(data_processing_violations(_planted()))
    assert [
        (v.estimator, v.quantity, v.layer, v.next_layer, v.epochs, v.epoch)
        for v in violations
    ] == [
        (estimator, *rest)
        for estimator in ("binning", "kde_lower")
        for rest in (("i_xt", 3, 4, (0,), 0), ("i_ty", 2, 3, (1, 100), 100))
    ]
    largest = violations[1]
    assert largest.rise == pytest.approx(2.0, abs=0.02)
    assert largest.low < largest.rise < largest.high
    assert (largest.num_seeds, largest.num_rising) == (6, 6)


def test_no_other_layers_are_flagged_in_the_dataset():
    chain = data_processing_violations(_planted())
    assert int((chain.verdict == "violated").sum()) == 6
    assert int((chain.verdict == "holds").sum()) == chain.verdict.size - 6


def test_table_names_every_violation_in_bits():
    chain = data_processing_violations(_planted())
    lines = format_violations(summarize_violations(chain)).splitlines()
    assert lines[0].endswith("42 hold, 6 violated, 0 undecided, 0 without data")
    assert lines[1] == "Of 288 differences of single seeds 36 are rises"
    assert "95 % interval" in lines[2]
    rows = [line.split() for line in lines[5:]]
    assert [row[:5] for row in rows[:2]] == [
        ["binning", "I(X;T)", "3", "->", "4"],
        ["binning", "I(T;Y)", "2", "->", "3"],
    ]
    assert "2 of 4: 1 to 100" in lines[6]
    assert float(rows[1][11]) == pytest.approx(2.0 / BIT, abs=0.02)
    assert len(rows) == 4
    assert max(map(len, lines)) <= 80


def test_table_without_violations_says_so():
    values = np.tile([3.0, 2.0, 1.0], (2, 1, 1))
    values[0, 0, 2] = 2.5  # One seed rises, the mean is open.
    found = summarize_violations(data_processing_violations(_dataset(values)))
    text = format_violations(found)
    assert "2 hold, 0 violated, 2 undecided, 0 without data" in text
    assert "Of 8 differences of single seeds 2 are rises" in text
    assert text.endswith("No mean over seeds rises beyond its interval")


def test_confidence_widens_the_interval():
    wide = data_processing_violations(_planted(), confidence=0.999)
    usual = data_processing_violations(_planted())
    assert np.all(wide.high - wide.low > usual.high - usual.low)
    dataset = _planted().isel(seed=slice(2))
    strict = data_processing_violations(dataset, confidence=1 - 1e-9)
    assert not list_violations(strict)
    assert "99.9 % interval" in format_violations(summarize_violations(wide))


def test_order_of_axes_and_selections():
    dataset = example_dataset(num_seeds=4, num_epochs=9)
    chain = data_processing_violations(dataset)
    turned = dataset.transpose("estimator", "layer", "epoch", "seed")
    xr.testing.assert_identical(data_processing_violations(turned), chain)
    # Layers need not be neighbours in the network.
    some = data_processing_violations(dataset.sel(layer=[1, 4, 6]))
    assert some.pair.values.tolist() == ["1-4", "4-6"]
    assert some.layer_name.values.tolist() == ["tanh 10", "tanh 4"]
    assert some.next_layer_name.values.tolist() == ["tanh 4", "softmax 2"]
    both = chain.rise.sel(pair=["1-2", "2-3", "3-4"]).sum("pair", skipna=False)
    np.testing.assert_allclose(some.rise.sel(pair="1-4"), both, atol=1e-5)
    # A selection of the result lists as before.
    kept = chain.sel(estimator=["kde_lower"])
    listed = [v for v in list_violations(chain) if v.estimator == "kde_lower"]
    assert list_violations(kept) == listed


def test_rejects_a_dataset_without_informations():
    with pytest.raises(ValueError, match="dataset must hold i_ty"):
        data_processing_violations(_planted().drop_vars("i_ty"))


def test_rejects_a_single_layer():
    with pytest.raises(ValueError, match="at least two layers, got 1"):
        data_processing_violations(_planted().isel(layer=[0]))


def test_rejects_confidence_outside_zero_one():
    with pytest.raises(ValueError, match="confidence must be in"):
        data_processing_violations(_planted(), confidence=95)
