"""Simulated coverage: how often verdicts and intervals are wrong where truth is known.

Counts are held against the binomial distribution of the error that is meant, at one in
10,000 of its tail: what fails is not chance.
"""

import math

import numpy as np
import pytest
from scipy import stats

from ibjax.results.compression import compression_interval, compression_verdict
from ibjax.results.intervals import mean_estimate, rank_correlation

CHANCE = 1e-4
ERROR = 0.025

JITTER = {
    "normal": lambda z, rng: z,
    "lognormal": lambda z, rng: np.exp(z),
    "student": lambda z, rng: z / np.sqrt(rng.chisquare(3, z.shape) / 3),
    "levels": lambda z, rng: z * np.exp(rng.normal(size=(len(z), 1))),
    "rising": lambda z, rng: z + np.linspace(0, 1, z.shape[1]),
}


def _curves(rng, kind, correlation, shape):
    """Curves that do not fall, ``[num_seeds, num_epochs]``, with stationary jitter."""
    z = rng.normal(size=shape)
    for place in range(1, shape[1] if correlation else 0):
        new = math.sqrt(1 - correlation**2) * z[:, place]
        z[:, place] = correlation * z[:, place - 1] + new
    return JITTER[kind](z, rng)


def _most(trials, error=ERROR):
    return stats.binom.isf(CHANCE, trials, error)


def _least(trials, error=ERROR):
    return stats.binom.ppf(CHANCE, trials, error)


def _seen_falls(trials, *where):
    rng = np.random.default_rng(0)
    intervals = (compression_interval(_curves(rng, *where)) for _ in range(trials))
    return sum(bool(interval.low > 0) for interval in intervals)


@pytest.mark.parametrize("kind", JITTER)
@pytest.mark.parametrize("num_seeds", [4, 10, 50])
def test_jitter_is_not_taken_for_compression(kind, num_seeds):
    trials = 1000
    seen = _seen_falls(trials, kind, 0.0, (num_seeds, 20))
    assert seen <= _most(trials)
    # With normal jitter the error is 2.5 %, no less: the test sees something.
    assert kind != "normal" or seen >= _least(trials)


@pytest.mark.slow
@pytest.mark.parametrize("kind", JITTER)
@pytest.mark.parametrize("correlation", [0.0, 0.9])
@pytest.mark.parametrize("num_epochs", [20, 100])
@pytest.mark.parametrize("num_seeds", [4, 10, 50, 1000])
def test_jitter_of_every_kind_is_not_taken_for_compression(
    kind, correlation, num_epochs, num_seeds
):
    trials = 500 if num_seeds == 1000 else 4000
    seen = _seen_falls(trials, kind, correlation, (num_seeds, num_epochs))
    assert seen <= _most(trials)


@pytest.mark.parametrize("num_seeds", [4, 10, 50])
def test_jitter_of_the_threshold_leaves_the_verdict_open(num_seeds):
    rng = np.random.default_rng(0)
    curves = 5 + 0.1 * rng.normal(size=(300, num_seeds, 100))
    verdicts = [compression_verdict(compression_interval(c)) for c in curves]
    assert verdicts.count("compresses") <= _most(300)
    # Own maxima of 100 snapshots lie 0.25 bit above the end, on average.
    assert verdicts.count("does not compress") == 0


def test_large_falls_are_seen_by_few_seeds():
    """Three measured seeds: a fall of 3 with standard deviation 0.3 is 17 errors."""
    rng = np.random.default_rng(0)
    falls = 3 + 0.3 * rng.normal(size=(200, 4, 1))
    curves = falls * np.array([0.0, 1.0, 0.7, 0.3, 0.0])
    verdicts = [compression_verdict(compression_interval(c)) for c in curves]
    # The noncentral t of two degrees beyond its 97.5 % quantile, about 2.9 sd off 0.1.
    power = stats.nct.sf(stats.t.ppf(0.975, 2), 2, 2.9 * math.sqrt(3) / 0.3)
    assert power > 0.99
    assert verdicts.count("compresses") >= _least(200, power)


@pytest.mark.parametrize(
    ("draw", "mean", "error"),
    [
        # Errors that were simulated with 40,000 trials, rounded up to a percent.
        (lambda rng, n: rng.normal(size=n), 0.0, {4: 0.05, 10: 0.05, 50: 0.05}),
        (lambda rng, n: rng.exponential(size=n), 1.0, {4: 0.08, 10: 0.06, 50: 0.05}),
        (lambda rng, n: np.exp(rng.normal(size=n) / 2), math.exp(1 / 8), {10: 0.06}),
        (lambda rng, n: np.exp(rng.normal(size=n)), math.exp(0.5), {4: 0.11, 50: 0.06}),
        # Clopper and Pearson's interval covers at least 95 %.
        (lambda rng, n: rng.random(n) < 0.1, 0.1, {4: 0.05, 10: 0.05, 50: 0.05}),
    ],
)
def test_means_of_skewed_seeds_are_covered(draw, mean, error):
    rng = np.random.default_rng(0)
    trials = 1000
    for num_seeds, meant in error.items():
        found = (mean_estimate(draw(rng, num_seeds)) for _ in range(trials))
        missed = sum(not e.low <= mean <= e.high for e in found)
        assert missed <= _most(trials, meant)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.95])
@pytest.mark.parametrize("num_seeds", [5, 6, 10, 50])
def test_rank_correlations_are_covered(correlation, num_seeds):
    rng = np.random.default_rng(0)
    trials = 500
    first, noise = rng.normal(size=(2, trials, num_seeds))
    second = correlation * first + math.sqrt(1 - correlation**2) * noise
    # Spearman's of bivariate normal variables.
    truth = 6 / math.pi * math.asin(correlation / 2)
    found = map(rank_correlation, first, second)
    missed = sum(not e.low <= truth <= e.high for e in found)
    # 5 % to half a percent, as the docstring has it.
    assert missed <= _most(trials, 0.055)
