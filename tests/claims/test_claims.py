"""The claims: statistics against known truths, verdicts both ways, what is missing."""

import json
import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from ibjax.claims import (
    Claim,
    claims_json,
    claims_markdown,
    corrected_verdicts,
    decide,
    exact_claim,
)
from ibjax.experiments.szt.claims import szt_claims
from ibjax.results.example import example_dataset
from ibjax.results.intervals import (
    Estimate,
    compression_interval,
    compression_onsets,
    fraction_interval,
    geometric_mean,
    mean_estimate,
    median_interval,
    rank_correlation,
    spread_ratio,
)

BIT = math.log(2.0)
EPOCHS = np.array([0, 1, 10, 30, 100, 300, 1000])
NUM_SEEDS = 12
NAMES = ["tanh 10", "tanh 7", "tanh 5", "tanh 4", "tanh 3", "softmax 2"]

FALLS = [4.0, 5.0, 6.0, 5.9, 4.0, 3.5, 3.0]  # Largest at 10, falls from 30 on.
RISES = [4.0, 4.5, 5.0, 5.5, 5.8, 5.9, 6.0]
TURNS = [3.0, 4.0, 2.0, 0.8, 0.5, 0.4, 0.3]  # Below one from 30 on.
STAYS = [3.0, 4.0, 2.0, 3.0, 2.0, 3.0, 2.0]


def _dataset(
    deep=FALLS, near=RISES, snr=TURNS, i_ty=(0.1, 0.5, 0.9, 0.9, 0.9, 0.9, 0.9), kde=()
):
    """Six layers; the first three follow ``near``, the others ``deep``, in bits.

    Seeds are spread evenly around them, by 0.2 bit at the first snapshot and half as
    much later. ``kde`` adds estimators whose deep layers follow other curves.
    """
    rng = np.random.default_rng(0)
    shift = 0.2 * rng.permuted(np.linspace(-1, 1, NUM_SEEDS))
    shrink = np.where(EPOCHS == 0, 1.0, 0.5)

    def curves(deep):
        layers = np.stack([near] * 3 + [deep] * 3, axis=-1)
        return layers + (shift[:, None] * shrink)[:, :, None]

    i_xt = np.stack([curves(deep), *[curves(values) for values in kde]], axis=-1)
    i_ty = np.asarray(i_ty)[None, :, None, None] + 0 * i_xt
    i_ty = i_ty + 0.1 * (shift[:, None] * shrink)[:, :, None, None]
    ratio = np.asarray(snr)[None, :, None] * np.exp(shift)[:, None, None]
    dims = ("seed", "epoch", "layer")
    return xr.Dataset(
        {
            "i_xt": ((*dims, "estimator"), i_xt * BIT),
            "i_ty": ((*dims, "estimator"), i_ty * BIT),
            "gradient_snr": (dims, np.broadcast_to(ratio, (NUM_SEEDS, 7, 6)).copy()),
            "diverged": ("seed", np.zeros(NUM_SEEDS, bool)),
        },
        {
            "seed": np.arange(NUM_SEEDS),
            "epoch": EPOCHS,
            "layer": np.arange(1, 7),
            "layer_name": ("layer", NAMES),
            "estimator": ["binning", "kde_upper", "kde_lower"][: 1 + len(kde)],
        },
    )


def _numbered(claims, number):
    return [claim for claim in claims if claim.claim.startswith(f"{number}.")]


def _verdicts(claims, number):
    return [claim.verdict for claim in _numbered(claims, number)]


@pytest.fixture(scope="module")
def as_claimed():
    return szt_claims(_dataset(kde=(FALLS,)))


@pytest.fixture(scope="module")
def not_as_claimed():
    flat = [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    return szt_claims(_dataset(RISES, FALLS, STAYS, flat, kde=(FALLS,)))


@pytest.mark.parametrize(
    ("number", "count"),
    [(1, 1), (2, 3), (3, 2), (4, 1), (5, 10), (6, 2), (7, 1), (8, 2)],
)
def test_claims_hold_where_they_are_true(as_claimed, number, count):
    assert _verdicts(as_claimed, number) == ["holds"] * count


@pytest.mark.parametrize(("number", "count"), [(1, 1), (2, 3), (3, 2), (4, 1), (7, 1)])
def test_claims_do_not_hold_where_they_are_false(not_as_claimed, number, count):
    assert _verdicts(not_as_claimed, number) == ["does not hold"] * count


def test_snr_that_stays_above_one_is_drift_without_diffusion(not_as_claimed):
    drift, diffusion = _numbered(not_as_claimed, 5)[:2]
    assert (drift.verdict, diffusion.verdict) == ("holds", "does not hold")
    np.testing.assert_allclose(drift.value, 3.0, rtol=1e-10)
    assert diffusion.value == 0.0


def test_numbers_are_in_bits_and_name_their_layers(as_claimed):
    assert [c.claim for c in _numbered(as_claimed, 2)] == [
        "2. After fitting, layer 4 (tanh 4) compresses",
        "2. After fitting, layer 5 (tanh 3) compresses",
        "2. After fitting, layer 6 (softmax 2) compresses",
    ]
    # All seeds fall by 3 bits.
    np.testing.assert_allclose(_numbered(as_claimed, 2)[0].value, 3.0)
    np.testing.assert_allclose(_numbered(as_claimed, 1)[0].value, 0.8, atol=0.01)
    np.testing.assert_allclose(_numbered(as_claimed, 4)[0].value, 0.01)
    # The SNR falls below one, and I(X;T) starts to fall, at epoch 30.
    coincidence = _numbered(as_claimed, 6)[0]
    assert (coincidence.value, coincidence.low, coincidence.high) == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(_numbered(as_claimed, 8)[0].value, 0.5)


@pytest.mark.parametrize(
    ("deep", "snr", "value"),
    [
        (FALLS, STAYS, math.inf),  # Compression without diffusion.
        (RISES, TURNS, 0.0),  # Diffusion without compression.
        ([6.0, 5, 4, 4, 4, 4, 4], TURNS, math.inf),  # Compression from the start.
        (FALLS, [0.5] * 7, 0.0),  # Diffusion from the start.
    ],
)
def test_one_event_without_the_other_does_not_coincide(deep, snr, value):
    claim = _numbered(szt_claims(_dataset(deep, snr=snr)), 6)[0]
    assert (claim.value, claim.verdict) == (value, "does not hold")
    assert claim.num_seeds == NUM_SEEDS


def test_neither_event_leaves_the_seeds_out():
    claim = _numbered(szt_claims(_dataset(RISES, snr=STAYS)), 6)[0]
    assert math.isnan(claim.value) and claim.verdict == "undecided"
    assert (claim.num_seeds, claim.num_left_out) == (0, NUM_SEEDS)


def test_seeds_that_differ_leave_claims_undecided():
    dataset = _dataset()
    rising = _dataset(RISES, snr=STAYS)
    mixed = xr.concat(
        [dataset.isel(seed=slice(0, 1)), rising.isel(seed=slice(1, NUM_SEEDS))], "seed"
    )
    assert _verdicts(szt_claims(mixed), 2) == ["undecided"] * 3
    half = xr.concat(
        [dataset.isel(seed=slice(0, 6)), rising.isel(seed=slice(6, NUM_SEEDS))], "seed"
    )
    claims = szt_claims(half)
    assert _verdicts(claims, 4) == ["undecided"]
    assert _numbered(claims, 5)[1].verdict == "undecided"


def test_one_seed_decides_nothing():
    claims = szt_claims(_dataset(kde=(FALLS,)).isel(seed=[0]))
    assert {claim.verdict for claim in claims} == {"undecided"}
    assert {claim.num_seeds for claim in claims} == {1}


def test_diverged_seeds_are_left_out_and_counted(as_claimed):
    dataset = _dataset(kde=(FALLS,))
    extra = dataset.isel(seed=[0, 1]) * np.nan
    extra["diverged"] = ("seed", [True, True])
    whole = xr.concat([dataset, extra], "seed")
    claims = szt_claims(whole)
    assert {claim.num_left_out for claim in claims} == {2}
    assert [c._replace(num_left_out=0) for c in claims] == as_claimed
    # A seed that only now and then lacks a value, and is not marked.
    dataset["i_xt"][3, 2] = np.nan
    claim = _numbered(szt_claims(dataset), 2)[0]
    assert (claim.num_seeds, claim.num_left_out) == (NUM_SEEDS - 1, 1)


def test_nothing_but_diverged_seeds_is_undecided():
    dataset = _dataset(kde=(FALLS,)) * np.nan
    claims = szt_claims(dataset.assign(diverged=("seed", np.ones(NUM_SEEDS, bool))))
    assert {claim.verdict for claim in claims} == {"undecided"}
    assert {claim.num_seeds for claim in claims} == {0}


def test_claims_without_their_data_are_left_out():
    claims = szt_claims(_dataset().drop_vars(["gradient_snr", "layer_name"]))
    assert {claim.claim[:2] for claim in claims} == {"1.", "2.", "3.", "4.", "8."}


@pytest.mark.parametrize(("num_layers", "near", "deep"), [(2, 0, 1), (3, 1, 1)])
def test_few_layers_are_never_both_near_and_deep(num_layers, near, deep):
    dataset = _dataset().isel(layer=slice(6 - num_layers, 6))
    claims = szt_claims(dataset)
    assert len(_numbered(claims, 3)) == near
    assert len(_numbered(claims, 2)) == deep + 1


@pytest.mark.parametrize("compresses", [True, False])
def test_example_dataset(compresses):
    claims = szt_claims(example_dataset(num_seeds=10, compresses=compresses))
    expected = "holds" if compresses else "does not hold"
    assert _verdicts(claims, 2)[-1] == expected
    json.dumps(claims_json(claims), allow_nan=False)


def test_estimator_can_be_chosen(as_claimed):
    dataset = _dataset(kde=(RISES,))
    claims = szt_claims(dataset, estimator="kde_upper")
    assert _verdicts(claims, 2) == ["does not hold"] * 3
    assert _verdicts(claims, 7) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("i_ty"), "must hold i_ty"),
        (lambda d: d.isel(seed=[]), "at least one seed"),
        (lambda d: d.isel(epoch=[]), "at least one epoch"),
        (lambda d: d.isel(layer=[5]), "layers must be at least 2, got 1"),
    ],
)
def test_datasets_that_cannot_be_read(change, message):
    with pytest.raises(ValueError, match=message):
        szt_claims(change(_dataset()))


def test_unknown_estimator():
    with pytest.raises(ValueError, match="estimator must be one of .* got 'knn'"):
        szt_claims(_dataset(), estimator="knn")


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


def test_json_and_markdown():
    claims = [
        Claim("A", "x, bits", "above 1", 0.0123, math.nan, math.inf, "undecided", 3, 0)
    ]
    row = claims_json(claims)[0]
    assert (row["value"], row["low"], row["high"]) == (0.0123, None, "inf")
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    line = "| A | x, bits: 0.012 [-, inf], n = 3 | above 1 | undecided | undecided |"
    assert claims_markdown(claims).splitlines()[2] == line


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
