"""The summary: numbers against hand computation, verdicts, what is missing."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ibjax import plots
from ibjax.claims import decide
from ibjax.claims.curves import Curves
from ibjax.report.text import format_grid, format_summary
from ibjax.results.example import example_dataset
from ibjax.results.statistics import (
    cautious_interval,
    loss_kinks,
    majority_quantiles,
    mean_interval,
    turning_epochs,
)
from ibjax.results.summary import summarize

BIT = math.log(2.0)


def _dataset(i_xt_bits, *, i_ty_bits=None, estimator="binning", **variables):
    """One estimator and layer from ``[num_seeds, num_epochs]`` values in bits."""
    i_xt_bits = np.asarray(i_xt_bits, float)
    i_ty_bits = np.ones_like(i_xt_bits) if i_ty_bits is None else i_ty_bits
    dims = ("seed", "epoch", "layer", "estimator")
    num_seeds, num_epochs = i_xt_bits.shape
    return xr.Dataset(
        {
            "i_xt": (dims, i_xt_bits[:, :, None, None] * BIT),
            "i_ty": (dims, np.asarray(i_ty_bits)[:, :, None, None] * BIT),
            **variables,
        },
        {
            "seed": np.arange(num_seeds),
            "epoch": np.array([0, 1, 10, 100, 1000])[:num_epochs],
            "layer": [1],
            "layer_name": ("layer", ["tanh 10"]),
            "estimator": [estimator],
        },
        {"num_samples": 4096, "h_y": BIT, "i_xy": 0.5 * BIT},
    )


def _only_layer(dataset):
    return summarize(dataset)["estimators"][0]["layers"][0]


def _finite(tree):
    """The same tree, after a check that JSON takes it as it is."""
    return json.loads(json.dumps(tree, allow_nan=False))


def test_interval_agrees_with_scipy():
    values = np.random.default_rng(0).normal(size=(7, 3))
    interval = mean_interval(values)
    low, high = stats.t.interval(
        0.95, 6, loc=values.mean(axis=0), scale=stats.sem(values, axis=0)
    )
    np.testing.assert_allclose(interval.low, low, rtol=1e-12)
    np.testing.assert_allclose(interval.high, high, rtol=1e-12)
    np.testing.assert_array_equal(interval.count, 7)


def test_interval_leaves_out_what_is_not_finite():
    values = np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.inf], [np.nan] * 3])
    interval = mean_interval(values)
    np.testing.assert_array_equal(interval.mean, [2.0, 5.0, np.nan])
    np.testing.assert_array_equal(interval.count, [2, 1, 0])
    np.testing.assert_array_equal(np.isnan(interval.low), [False, True, True])


def test_cautious_interval_inverts_halls_statistic():
    values = np.random.default_rng(1).lognormal(size=(8, 3))
    interval = cautious_interval(values)
    error = stats.sem(values, axis=0)
    k = stats.skew(values, axis=0, bias=False) / math.sqrt(8)
    t = (values.mean(axis=0) - interval.high) / error
    y = t + k * t**2 / 3 + k**2 * t**3 / 27 + k / 6
    np.testing.assert_allclose(y, stats.t.ppf(0.025, 7), rtol=1e-9)
    # Positive skewness leaves the lower end to Student's.
    np.testing.assert_allclose(interval.low, mean_interval(values).low, rtol=1e-12)
    mirrored = cautious_interval(-values)
    np.testing.assert_allclose(mirrored.low, -interval.high, rtol=1e-12)


def test_cautious_interval_without_skewness_is_students():
    values = np.array([[1.0, 2.0, 1.0, np.nan], [2, 2, 5, 1], [3, 2, np.nan, np.inf]])
    for found, expected in zip(
        cautious_interval(values), mean_interval(values), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_interval_rejects_confidence_outside_zero_one():
    with pytest.raises(ValueError, match="confidence must be in .0, 1., got 95"):
        mean_interval([1.0], confidence=95)


def test_compression_by_hand():
    layer = _only_layer(
        _dataset(
            [[2.0, 6.0, 5.0], [2.0, 4.0, 3.5], [1.0, 2.0, 2.0]],
            i_ty_bits=[[0.1, 0.5, 0.9], [0.1, 0.5, 0.8], [0.1, 0.5, 0.7]],
        )
    )
    assert layer["num_seeds"] == 3
    assert layer["i_xt_max_bits"]["mean"] == pytest.approx(4.0)
    assert layer["i_xt_final_bits"]["mean"] == pytest.approx(3.5)
    assert layer["compression_bits"]["mean"] == pytest.approx(0.5)
    # Compressions 1, 0.5, 0 are not skewed: s = 0.5, and t of 2 degrees of freedom is
    # 4.302653. The third curve has its maximum at the second snapshot, from where the
    # first two fall by 1 and 0.5; t of 1 degree of freedom is 12.706205.
    half = 4.302653 * 0.5 / math.sqrt(3)
    assert layer["compression_bits"]["high"] == pytest.approx(0.5 + half, rel=1e-6)
    low = 0.75 - 12.706205 * 0.25
    assert layer["compression_bits"]["low"] == pytest.approx(low, rel=1e-6)
    assert layer["num_seeds_compressing"] == 2
    assert layer["epoch_of_max"]["median"] == 1.0
    assert layer["i_ty_final_bits"]["mean"] == pytest.approx(0.8)
    assert layer["verdict"] == "undecided"


def test_quantiles_need_half_of_the_seeds():
    values = np.array([[4.0, 1.0], [np.nan, np.nan], [8.0, np.nan], [np.inf, np.nan]])
    found = majority_quantiles(values)
    np.testing.assert_array_equal(found[:, 0], [5.0, 6.0, 7.0])
    assert np.isnan(found[:, 1]).all()


def test_epoch_of_the_maximum_quartiles():
    curves = [[3.0, 1, 1, 1], [0, 3.0, 1, 1], [0, 0, 3.0, 1], [0, 0, 3.0, 1]]
    epoch = _only_layer(_dataset(curves))["epoch_of_max"]
    np.testing.assert_allclose(
        [epoch["lower_quartile"], epoch["median"], epoch["upper_quartile"]],
        np.quantile([0, 1, 10, 10], [0.25, 0.5, 0.75]),
    )


@pytest.mark.parametrize(
    ("compressions", "verdict"),
    [
        ([1.0, 1.1, 0.9], "compresses"),
        ([0.0, 0.02, 0.01], "does not compress"),
        ([0.05, 0.1, 0.15], "undecided"),
        ([2.0, 2.0], "undecided"),
        ([math.nan, math.nan], "no data"),
    ],
)
def test_verdict(compressions, verdict):
    curves = [[5.0, 8.0, 8.0 - compression] for compression in compressions]
    assert _only_layer(_dataset(curves))["verdict"] == verdict


def test_curves_that_only_rise_do_not_compress():
    """What is expected of ReLU: rising curves with a little jitter."""
    rng = np.random.default_rng(1)
    curves = np.linspace(4.0, 9.0, 5) + 0.01 * rng.normal(size=(20, 5))
    assert _only_layer(_dataset(curves))["verdict"] == "does not compress"
    summary = summarize(example_dataset(num_seeds=10, compresses=True))
    assert {
        layer["verdict"] for entry in summary["estimators"] for layer in entry["layers"]
    } == {"compresses"}


def test_jitter_is_no_compression():
    """Means over seeds are well above 0.1 bit; the cautious interval is not fooled."""
    jitter = 8.0 + 0.2 * np.random.default_rng(2).normal(size=(20, 50))
    curves = jitter[:, :5]
    layer = _only_layer(_dataset(curves))
    plain = mean_interval(np.max(curves, axis=1) - curves[:, -1])
    assert plain.low > 0.1
    assert layer["compression_bits"]["mean"] == pytest.approx(float(plain.mean))
    assert layer["verdict"] == "undecided"


@pytest.mark.parametrize("scale", [0.02, 0.05, 0.1, 0.2])
def test_summary_and_claims_give_one_verdict(scale):
    rng = np.random.default_rng(int(100 * scale))
    curves = (
        8.0 + np.array([0.0, 0.5, 1.0, 0.9, 0.85]) + scale * rng.normal(size=(9, 5))
    )
    dataset = _dataset(curves)
    layer = _only_layer(dataset)
    estimate = Curves(dataset).compression_bits(0)
    interval = layer["compression_bits"]
    assert (interval["mean"], interval["low"], interval["high"]) == estimate[:3]
    claim = decide("It compresses", "bits", estimate, num_seeds=9, above=0.1)
    words = {"holds": "compresses", "does not hold": "does not compress"}
    assert layer["verdict"] == words.get(claim.verdict, claim.verdict)


def test_one_seed_has_no_interval():
    layer = _finite(_only_layer(_dataset([[2.0, 6.0, 5.0]])))
    assert layer["compression_bits"]["mean"] == pytest.approx(1.0)
    assert layer["compression_bits"]["low"] is None
    assert layer["compression_bits"]["high"] is None


def test_one_epoch_has_no_compression():
    layer = _only_layer(_dataset([[2.0], [3.0], [4.0]]))
    assert layer["compression_bits"]["mean"] == 0.0
    assert layer["verdict"] == "does not compress"


def test_diverged_and_unfinished_seeds_are_named_and_left_out():
    curves = [[2.0, 6.0, 5.0], [2.0, 60.0, np.nan], [np.nan] * 3, [2.0, 7.0, 5.0]]
    dataset = _dataset(curves, diverged=("seed", [False, True, False, False]))
    summary = _finite(summarize(dataset))
    assert summary["diverged_seeds"] == [1]
    assert summary["unfinished_seeds"] == [2]
    layer = summary["estimators"][0]["layers"][0]
    assert layer["num_seeds"] == 2
    assert layer["compression_bits"]["mean"] == pytest.approx(1.5)
    text = format_summary(summary)
    assert "Diverged seeds: 1\n" in text
    assert "Seeds without final values: 2\n" in text


def test_a_loss_that_nobody_recorded_has_no_line():
    dataset = _dataset([[2.0, 3.0, 3.0]] * 3).drop_vars(
        ["train_loss", "test_loss", "train_accuracy", "test_accuracy"], errors="ignore"
    )
    assert "Final" not in format_summary(summarize(dataset))
    dataset["test_loss"] = (("seed", "epoch"), np.ones((3, 3)), {"units": "nat"})
    assert "Final loss: train -, test 1.443" in format_summary(summarize(dataset))


@pytest.mark.parametrize("name", ["i_xt", "i_ty", "test_loss"])
def test_a_dataset_in_bits_is_not_taken_for_nats(name):
    dataset = _dataset([[2.0, 3.0, 3.0]] * 3)
    dataset["test_loss"] = (("seed", "epoch"), np.ones((3, 3)))
    dataset[name].attrs["units"] = "bits"
    for read in (summarize, plots.information_plane, Curves):
        with pytest.raises(ValueError, match=f"{name} of dataset must be in nats"):
            read(dataset)


def test_collapsed_codes_are_named():
    dataset = _dataset([[2.0, 3.0, 3.0]] * 3)
    rates = [[5.0, 4.0, 4.0], [5.0, 1.0, 1e-3], [5.0, 4.0, np.nan]]
    dataset["test_rate"] = (("seed", "epoch"), rates)
    summary = summarize(dataset)
    assert summary["collapsed_seeds"] == [1]
    assert "Seeds whose code collapsed to its prior: 1\n" in format_summary(summary)
    grid = {"cells": [{"place": {"beta": 0.5}, "summary": summary}]}
    assert "Seeds that collapsed. 0.5: 1" in format_grid(grid, estimator=None)
    several = dataset.assign(diverged=(("beta", "seed"), np.zeros((2, 3), bool)))
    with pytest.raises(ValueError, match="dataset must be of one cell"):
        summarize(several)


def _close(found, expected):
    """Equal trees of JSON's types, numbers to the rounding of sums in another order."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        return all(_close(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return all(map(_close, found, expected)) and len(found) == len(expected)
    if isinstance(expected, float):
        return found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    return found == expected


INFORMATION = ("estimators", ["i_xt", "i_ty"])
TRAINING = (
    "training",
    [f"{s}_{n}" for s in ("train", "test") for n in ("loss", "accuracy")],
)


@pytest.mark.parametrize(
    ("key", "names", "epoch", "value"),
    [
        (*INFORMATION, slice(None), math.nan),
        (*INFORMATION, slice(None), math.inf),
        (*INFORMATION, -1, math.nan),
        (*INFORMATION, -1, -math.inf),
        (*TRAINING, slice(None), math.nan),
        (*TRAINING, -1, math.inf),
        # Ratios may be infinite, and a gradient that vanished has none for once.
        ("gradients", ["gradient_snr"], slice(None), math.nan),
    ],
)
def test_a_seed_that_is_not_finite_is_as_if_it_were_not_there(key, names, epoch, value):
    dataset = example_dataset(num_seeds=6)
    for name in names:
        dataset[name] = dataset[name].transpose("seed", "epoch", ...).copy(deep=True)
        dataset[name].values[2, epoch] = value
    without = dataset.isel(seed=[0, 1, 3, 4, 5])
    assert _close(summarize(dataset)[key], summarize(without)[key])


def test_ceilings_and_training_are_in_bits():
    dims = ("seed", "epoch")
    dataset = _dataset(
        np.ones((2, 2)),
        train_loss=(dims, np.array([[1.0, 0.5], [1.0, 0.25]]) * BIT),
        test_loss=(dims, np.full((2, 2), np.nan)),
        train_accuracy=(dims, [[0.5, 0.75], [0.5, 0.85]]),
    )
    summary = _finite(summarize(dataset))
    assert summary["ceilings"] == pytest.approx(
        {"h_y_bits": 1.0, "i_xy_bits": 0.5, "log2_num_samples_bits": 12.0}
    )
    assert summary["training"]["train_loss_bits"]["mean"] == pytest.approx(0.375)
    assert summary["training"]["train_accuracy"]["mean"] == pytest.approx(0.8)
    assert summary["training"]["test_loss_bits"]["mean"] is None
    assert summary["training"]["test_accuracy"]["num_seeds"] == 0


def test_a_loss_without_a_unit_is_a_squared_error():
    errors = xr.Variable(("seed", "epoch"), [[4.0, 2.0], [4.0, 3.0]], {"units": "1"})
    dataset = _dataset(np.ones((2, 2)), train_loss=errors, test_loss=2 * errors)
    dataset.test_loss.attrs["units"] = "1"
    summary = _finite(summarize(dataset.assign_attrs(num_samples=0)))
    training = summary["training"]
    assert training["train_squared_error"]["mean"] == pytest.approx(2.5)
    assert training["test_squared_error"]["mean"] == pytest.approx(5.0)
    assert training["train_loss_bits"]["mean"] is None
    lines = format_summary(summary).splitlines()
    assert lines[0] == "sweep: 2 seeds, 2 snapshots, epochs 0 to 1"
    assert [line for line in lines if line.startswith("Final")] == [
        "Final squared error: train 2.500 +- 6.353, test 5.000 +- 12.706"
    ]


def test_unknown_ceiling_is_null():
    dataset = _dataset(np.ones((2, 2))).assign_attrs(i_xy=np.nan)
    assert _finite(summarize(dataset))["ceilings"]["i_xy_bits"] is None


@pytest.mark.parametrize(
    ("ratio", "epoch"),
    [
        ([5, 4, 3, 2, 0.5, 0.5, 0.5], 4),
        ([5, 4, 0.9, 2, 0.5, 0.5, 0.5], 4),  # One low snapshot is noise.
        ([5, 4, 3, 2, 2, 0.5, 0.5], math.nan),  # Two are too few to tell.
        ([0.5, 0.5, 0.5, 4, 0.5, 0.5, 0.5], 4),  # Low at first, then high.
        ([0.5] * 7, 0),
        ([5] * 7, math.nan),
        ([math.inf, 4, 0.5, math.nan, 0.5, 0.5, 0.5], 2),
        ([math.nan] * 7, math.nan),
    ],
)
def test_turning_epoch(ratio, epoch):
    np.testing.assert_equal(turning_epochs(np.arange(7), ratio), epoch)


def test_turning_epoch_bears_one_high_snapshot_in_ten_later():
    ratio = np.array([3.0, *[0.5] * 20])
    ratio[10] = 1.2
    assert turning_epochs(np.arange(21), ratio) == 1
    ratio[[8, 10, 14]] = 1.2
    assert turning_epochs(np.arange(21), ratio) > 1


def test_turning_epochs_rejects_other_lengths():
    with pytest.raises(ValueError, match="gradient_snr must have shape"):
        turning_epochs([0, 1, 2], np.ones((4, 2)))


def test_gradients_count_the_seeds_that_turn():
    ratio = np.full((4, 5, 1), 3.0)
    ratio[0, 1:], ratio[1, 2:], ratio[2] = 0.5, 0.5, 0.5
    dims = ("seed", "epoch", "layer")
    dataset = _dataset(np.ones((4, 5)), gradient_snr=(dims, ratio))
    layer = summarize(dataset)["gradients"][0]
    assert layer["num_seeds"] == 4
    assert layer["num_seeds_turning"] == 3
    assert layer["num_seeds_below_from_start"] == 1
    assert layer["turning_epoch"]["median"] == 1.0
    assert layer["name"] == "tanh 10"


def test_format_is_narrow_and_tells_the_verdict():
    dataset = example_dataset(num_seeds=4, num_epochs=20)
    summary = summarize(dataset)
    text = format_summary(summary)
    # Of four estimators one after another, and at the end of the rows of all of them.
    assert text.count(" yes\n") == (4 + 1) * 6
    flat = summarize(example_dataset(num_seeds=4, num_epochs=20, compresses=False))
    flat_text = format_summary(flat)
    assert " no\n" in flat_text and " yes\n" not in flat_text
    assert max(map(len, (text + "\n" + flat_text).splitlines())) <= 80
    assert "(I(T;Y) is no bound)" in text
    # What was written to disk prints the same.
    assert format_summary(_finite(summary)) == text


def test_summary_ignores_the_order_of_axes():
    dataset = example_dataset(num_seeds=3, num_epochs=9)
    turned = dataset.transpose("estimator", "layer", "epoch", "seed")
    assert summarize(turned) == summarize(dataset)


def test_rejects_a_dataset_without_informations():
    with pytest.raises(ValueError, match="dataset must hold i_xt and i_ty or none"):
        summarize(_dataset(np.ones((2, 2))).drop_vars("i_ty"))


def test_a_sweep_without_information_has_its_losses():
    whole = example_dataset(num_seeds=3, num_epochs=4)
    bare = whole.drop_vars(["i_xt", "i_ty", "estimator", "estimator_label"])
    # A seed that did not finish has no loss at the end.
    bare["train_loss"][0, -1] = np.nan
    summary = summarize(bare)
    assert summary["estimators"] == summary["optimality"] == []
    assert summary["unfinished_seeds"] == [0]
    expected = summarize(whole)["training"]
    assert summary["training"]["test_accuracy"] == expected["test_accuracy"]
    assert "Final accuracy" in format_summary(summary)


def test_rejects_an_empty_dataset():
    with pytest.raises(ValueError, match="at least one seed"):
        summarize(_dataset(np.ones((2, 2))).isel(seed=slice(0)))


def test_loss_kinks_are_where_two_lines_meet():
    epochs = np.array([0, 1, 3, 10, 30, 100, 300])
    bends = np.array([3, 10, 30, 100])
    log = np.log(np.maximum(epochs, 1))
    slopes = np.where(log > np.log(bends)[:, None], log - np.log(bends)[:, None], 0)
    loss = 0.7 * np.exp(-0.1 * log - 1.5 * slopes)
    np.testing.assert_array_equal(loss_kinks(epochs, loss), bends)
    # The loss at epoch 0 has no place on a logarithmic axis.
    loss[:, 0] = 100.0
    np.testing.assert_array_equal(loss_kinks(epochs, loss), bends)


def test_a_loss_that_is_not_positive_has_no_kink():
    epochs = [1, 2, 4, 8, 16, 32]
    loss = np.ones((3, 6))
    loss[1, 4], loss[2, 2] = np.nan, 0.0
    assert np.isfinite(loss_kinks(epochs, loss)).tolist() == [True, False, False]
    assert np.isnan(loss_kinks([0, 1, 2, 4, 8], np.ones(5)))
    with pytest.raises(ValueError, match="loss must have shape"):
        loss_kinks([1, 2, 3], np.ones(2))
