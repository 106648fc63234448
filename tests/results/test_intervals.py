"""Intervals of the claims' quantities: known truths, coverage, SciPy's own."""

import math

import numpy as np
import pytest
from scipy import stats

from ibjax.claims import decide
from ibjax.results.compression import compression_interval, compression_onsets
from ibjax.results.intervals import (
    fraction_interval,
    geometric_mean,
    mean_estimate,
    median_interval,
    rank_correlation,
    spread_ratio,
    variance_ratio,
)

BIT = math.log(2.0)
EPOCHS = np.array([0, 1, 10, 30, 100, 300, 1000])

FALLS = [4.0, 5.0, 6.0, 5.9, 4.0, 3.5, 3.0]  # Largest at 10, falls from 30 on.
RISES = [4.0, 4.5, 5.0, 5.5, 5.8, 5.9, 6.0]


def test_compression_is_measured_by_seeds_that_did_not_choose_the_epoch():
    rng = np.random.default_rng(0)
    curves = rng.normal(size=(10, 7))
    chooses = np.isin(np.arange(10), [3, 7])
    peak = np.argmax(curves[chooses].mean(axis=0))
    falls = curves[~chooses, peak] - curves[~chooses, -1]
    expected = stats.t.interval(0.95, 7, falls.mean(), stats.sem(falls))[0]
    np.testing.assert_allclose(compression_interval(curves).low, expected, rtol=1e-12)
    # Own maxima decide the mean and the upper end only.
    own = np.max(curves, axis=1) - curves[:, -1]
    np.testing.assert_allclose(compression_interval(curves).mean, own.mean())
    assert compression_interval(curves).high == mean_estimate(own).high


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_seeds_have_no_interval(count):
    interval = compression_interval([FALLS] * count)
    assert interval.mean == 3.0 and interval.count == count
    assert np.isnan(interval.low) and np.isnan(interval.high)


def test_compression_brackets_the_truth():
    rng = np.random.default_rng(0)
    curves = np.array(FALLS) + 0.05 * rng.normal(size=(40, len(FALLS)))
    interval = compression_interval(curves)
    assert 2.9 < interval.low < 3.0 < interval.high < 3.15
    assert interval.low <= interval.mean <= interval.high


def test_compression_interval_rejects_one_curve():
    with pytest.raises(ValueError, match=r"\[num_seeds, num_epochs\], got \(7,\)"):
        compression_interval(FALLS)


def test_onsets():
    i_xt = np.array([FALLS, RISES, [np.nan] * 7]) * BIT
    np.testing.assert_array_equal(
        compression_onsets(EPOCHS, i_xt), [30.0, np.nan, np.nan]
    )
    assert compression_onsets(EPOCHS, i_xt[0], threshold=0.01) == 10.0
    with pytest.raises(ValueError, match=r"i_xt must have shape .* got \(2,\)"):
        compression_onsets(EPOCHS, [1.0, 2.0])


@pytest.mark.parametrize("count", [6, 12, 50])
def test_median_interval_agrees_with_binomial_quantiles(count):
    estimate = median_interval(np.arange(count)[::-1])
    # Drop k at each end: the coverage is what the binomial leaves between.
    dropped = int(estimate.low)
    assert estimate.high == count - 1 - dropped
    assert stats.binom.cdf(dropped, count, 0.5) <= 0.025
    assert stats.binom.cdf(dropped + 1, count, 0.5) > 0.025
    assert estimate.value == (count - 1) / 2


def test_median_interval_takes_infinities_and_leaves_out_nan():
    estimate = median_interval([np.inf] * 5 + [0.0, np.nan, 1.0])
    assert estimate[:4] == (math.inf, 0.0, math.inf, 7)
    assert math.isnan(median_interval([1.0] * 5).low)
    assert math.isnan(median_interval([np.nan]).value)


def test_fraction_interval_agrees_with_scipy():
    for successes in (0, 3, 10):
        found = fraction_interval(np.arange(10) < successes)
        expected = stats.binomtest(successes, 10).proportion_ci(method="exact")
        np.testing.assert_allclose(found[1:3], expected, atol=1e-12)


def test_fractions_leave_out_what_is_not_known():
    assert fraction_interval([1.0, 0.0, np.nan])[:4] == fraction_interval([1, 0])[:4]
    assert math.isnan(fraction_interval([np.nan]).value)


def test_the_mean_of_booleans_is_a_fraction():
    assert mean_estimate([False] * 10)[:4] == fraction_interval([False] * 10)[:4]
    # As numbers they may be anything, such as falls of curves that only rise.
    assert mean_estimate([0.0] * 10)[:4] == (0.0, 0.0, 0.0, 10)


def test_geometric_mean_is_that_of_scipy():
    values = np.random.default_rng(0).lognormal(size=9)
    found = geometric_mean([*values, np.nan, 0.0])
    np.testing.assert_allclose(found.value, stats.gmean(values), rtol=1e-12)
    of_logs = mean_estimate(np.log(values))
    np.testing.assert_allclose(np.log(found[1:3]), of_logs[1:3], rtol=1e-12)
    assert found.count == 9


@pytest.mark.parametrize(
    "estimate",
    [
        mean_estimate([0.1, 0.2, 0.4, 0.9, 0.5]),
        geometric_mean([0.1, 0.2, 0.4, 0.9, 0.5]),
        median_interval(np.arange(30.0)),
        fraction_interval(np.arange(12) < 5),
        rank_correlation(np.arange(8), [2, 1, 3, 5, 4, 8, 7, 6]),
        spread_ratio(np.arange(6.0) ** 2, [0.1, 0.2, 0.4, 0.2, 0.1, 0.3]),
        variance_ratio([0.1, 0.5, 0.9], [0.1, 0.2, 0.3], num_draws=5),
    ],
)
def test_estimates_can_be_made_again_at_another_confidence(estimate):
    assert estimate.again(confidence=0.95)[:4] == estimate[:4]
    wide, narrow = (estimate.again(confidence=c) for c in (0.999, 0.5))
    assert wide.value == narrow.value == estimate.value
    assert wide.low < estimate.low <= narrow.low
    assert narrow.high <= estimate.high < wide.high


def test_least_error_is_the_p_value():
    values = np.random.default_rng(0).normal(0.5, size=40)
    symmetric = np.concatenate([values, 2 * values.mean() - values])
    claim = decide("c", "q", mean_estimate(symmetric), num_seeds=80, above=0.2)
    expected = stats.ttest_1samp(symmetric, 0.2).pvalue
    # The bisection stops at a thousandth of the logarithm.
    assert claim.verdict == "holds"
    np.testing.assert_allclose(claim.error, expected, rtol=2e-3)
    most = np.arange(20) < 17
    claim = decide("c", "q", fraction_interval(most), num_seeds=20, below=0.5)
    # Clopper and Pearson's interval doubles the smaller tail.
    expected = 2 * stats.binomtest(17, 20, 0.5, "greater").pvalue
    assert claim.verdict == "does not hold"
    np.testing.assert_allclose(claim.error, expected, rtol=2e-3)
    undecided = decide("c", "q", fraction_interval(most), num_seeds=20, above=0.8)
    assert math.isnan(undecided.error)
    certain = decide("c", "q", mean_estimate([3.0] * 3), num_seeds=3, above=1.0)
    assert certain.error == 1e-6


def test_spread_ratio_covers_the_truth():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        first = rng.normal(size=30)
        last = 0.5 * (0.6 * first + 0.8 * rng.normal(size=30))
        estimate = spread_ratio(first, last)
        covered += estimate.low < 0.5 < estimate.high
    assert covered >= 180  # 190 expected, with a standard deviation of 3.


def test_spread_ratio_without_spread():
    same = np.ones(5)
    apart = np.arange(5.0)
    assert math.isnan(spread_ratio(same, apart).value)
    none_left = spread_ratio(apart, same)
    assert none_left.value == 0.0 and math.isnan(none_left.low)
    one_apart = spread_ratio(apart, [0.0, 0.0, 0.0, 0.0, 1.0])
    assert one_apart.value > 0 and math.isnan(one_apart.low)
    assert spread_ratio([1.0, np.nan, 2.0], [1.0, 1.0, 1.5]).count == 2
    with pytest.raises(ValueError, match="one shape"):
        spread_ratio(same, apart[:3])


def test_rank_correlation_is_scipys():
    rng = np.random.default_rng(0)
    first = rng.normal(size=40).round(1)  # With ties.
    second = first + rng.normal(size=40)
    second[3] = np.nan
    found = rank_correlation(first, second)
    kept = ~np.isnan(second)
    expected = stats.spearmanr(first[kept], second[kept]).statistic
    np.testing.assert_allclose(found.value, expected, rtol=1e-12)
    assert found.low < found.value < found.high and found.count == 39


def test_rank_correlation_covers_no_dependence():
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=(400, 2, 15))
    covered = [e.low < 0 < e.high for e in (rank_correlation(*pair) for pair in pairs)]
    # 95 % nominal; three standard errors of 400 trials are 3.3 %.
    assert abs(np.mean(covered) - 0.95) < 0.033


def test_rank_correlation_without_an_order():
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]).value)
    assert np.isnan(rank_correlation([1.0], [2.0]).value)
    found = rank_correlation([1, 2, np.inf], [1, 2, 3])
    assert found.value == pytest.approx(1.0) and np.isnan(found.low)
    with pytest.raises(ValueError, match="must have one shape"):
        rank_correlation([1, 2], [1, 2, 3])


@pytest.mark.parametrize("confidence", [0.0, 1.0, -3, "text"])
@pytest.mark.parametrize("interval", [mean_estimate, median_interval, geometric_mean])
def test_confidence_is_a_part(interval, confidence):
    with pytest.raises((TypeError, ValueError), match="confidence must lie in"):
        interval([1.0, 2.0, 3.0], confidence=confidence)


def test_values_are_real_numbers():
    with pytest.raises(TypeError, match="values must hold numbers"):
        mean_estimate(["a", "b"])
    with pytest.raises(TypeError, match="first must hold real numbers"):
        rank_correlation([1j, 2], [1, 2])


@pytest.mark.parametrize("truth", [0.0, 0.3, 4.0])
def test_variance_ratio_covers_the_truth(truth):
    rng = np.random.default_rng(0)
    covered, values = 0, []
    for _ in range(400):
        own = np.sqrt(truth) * rng.normal(size=(5, 1))
        draws = own + rng.normal(size=(5, 12))
        found = variance_ratio(draws.mean(1), draws.std(1, ddof=1), num_draws=12)
        covered += found.low < truth < found.high
        values.append(found.value)
    # 380 expected, with a standard deviation of 4.4.
    assert 366 <= covered <= 394
    # The mean of F is df / (df - 2) of 55 degrees.
    expected = ((1 + 12 * truth) * 55 / 53 - 1) / 12
    error = np.std(values) / np.sqrt(400)
    assert abs(np.mean(values) - expected) < 4 * error


def test_variance_ratio_without_variance():
    assert math.isnan(variance_ratio([1.0, 2.0], [0.0, 0.0], num_draws=3).value)
    assert math.isnan(variance_ratio([1.0], [0.5], num_draws=3).value)
    found = variance_ratio([1.0, np.nan, 2.0], [0.5, 0.5, 0.5], num_draws=3)
    assert found.count == 2 and found.low < found.value < found.high
    with pytest.raises(ValueError, match="one shape"):
        variance_ratio([1.0, 2.0], [1.0], num_draws=3)
    with pytest.raises(ValueError, match="num_draws must be a whole number"):
        variance_ratio([1.0, 2.0], [1.0, 1.0], num_draws=1)
