"""Standard errors from parts of the samples, against formulas and repeats."""

import math

import jax
import numpy as np
import pytest

from ibjax.estimators import resampling

NUM_SAMPLES = 4000


def _gaussian_pair(rng, num_samples=NUM_SAMPLES, rho=0.8):
    x, noise = rng.normal(size=(2, num_samples))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def _gaussian_information(x, y):
    return -0.5 * math.log1p(-(np.corrcoef(x, y)[0, 1] ** 2))


@pytest.mark.parametrize(
    "error_of",
    [
        # Four cuts into 20 parts are worth at least one, 3 * 16 % off; 20 groups alike.
        lambda *args: resampling.subsampling_error(*args, num_parts=20),
        resampling.jackknife_error,
    ],
)
def test_error_is_that_of_the_formula(key, error_of):
    x, y = _gaussian_pair(np.random.default_rng(0))
    # The correlation of N normal pairs has standard error (1 - rho^2) / sqrt(N), and
    # the information of a correlation the derivative rho / (1 - rho^2).
    expected = 0.8 / math.sqrt(NUM_SAMPLES)
    error = error_of(key, _gaussian_information, x, y)
    assert abs(error / expected - 1) < 3 / math.sqrt(2 * 19)


def test_error_is_right_on_average(key):
    """Over many data sets the squared error is the variance of the mean."""
    rng = np.random.default_rng(1)
    data = rng.exponential(size=(100, 200))
    for error_of in (resampling.subsampling_error, resampling.jackknife_error):
        errors = [error_of(key, np.mean, x) for x in data]
        # Each variance has a relative deviation of at most (2 / 9)^(1/2) + that of the
        # data's own, (8 / 200)^(1/2); 100 of them; 4 of the standard error of the mean.
        allowed = 4 * math.hypot(math.sqrt(2 / 9), math.sqrt(8 / 200)) / math.sqrt(100)
        assert abs(np.mean(np.square(errors)) * 200 - 1) < allowed


def test_a_remainder_has_a_part_in_errors(key):
    """Of 39 samples 19 are in no group, and 9 in no part."""
    rng = np.random.default_rng(3)
    data = rng.normal(size=(400, 39))
    for error_of in (resampling.subsampling_error, resampling.jackknife_error):
        errors = [error_of(key, np.mean, x) for x in data]
        # A variance from 10 or 20 numbers has a relative deviation of at most
        # (2 / 9)^(1/2); 400 of them; 4 of the standard error of the mean.
        allowed = 4 * math.sqrt(2 / 9) / math.sqrt(400)
        assert abs(np.mean(np.square(errors)) * 39 - 1) < allowed


def test_rows_stay_together_and_parts_are_disjoint(key):
    seen = []

    def estimate(x, y):
        np.testing.assert_array_equal(x[:, 0], y)
        seen.append(y)
        return 0.0

    y = np.arange(103)
    x = np.stack([y, -y], axis=1)
    resampling.subsampling_error(key, estimate, x, y, num_parts=10, num_partitions=2)
    assert [len(part) for part in seen] == [10] * 20
    assert len(set(np.concatenate(seen[:10]))) == 100
    assert not np.array_equal(seen[0], seen[10])
    seen.clear()
    resampling.jackknife_error(key, estimate, x, y, num_groups=10)
    left_out = [set(y) - set(rest) for rest in seen]
    assert [len(group) for group in left_out] == [10] * 10
    assert len(set.union(*left_out)) == 100


def test_the_key_decides(key):
    x = np.random.default_rng(2).normal(size=100)
    one, same, other = (
        resampling.subsampling_error(k, np.mean, x)
        for k in (key, key, jax.random.key(1))
    )
    assert one == same != other


def test_an_estimate_that_is_not_finite_gives_nan(key):
    x = np.arange(100.0)
    assert math.isnan(resampling.subsampling_error(key, lambda x: math.nan, x))
    assert math.isnan(resampling.jackknife_error(key, lambda x: math.nan, x))


@pytest.mark.parametrize(
    ("function", "samples", "options", "message"),
    [
        ("subsampling_error", (np.ones(9), np.ones(8)), {}, "of one length"),
        ("jackknife_error", (np.float64(1.0),), {}, "of one length"),
        ("subsampling_error", (np.ones(19),), {}, "two samples to each part"),
        ("subsampling_error", (np.ones(19),), {"num_parts": 1}, "num_parts must be"),
        ("jackknife_error", (np.ones(9),), {}, "at most the number of samples"),
        ("jackknife_error", (np.ones(9),), {"num_groups": 1}, "num_groups must be"),
    ],
)
def test_refuses(key, function, samples, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(resampling, function)(key, lambda *arrays: 0.0, *samples, **options)


@pytest.mark.parametrize(
    "method", [resampling.jackknife_error, resampling.subsampling_error]
)
def test_what_is_no_key_function_or_sample_is_named(method):
    key, x = jax.random.key(0), np.ones(100)
    with pytest.raises(TypeError, match="key must be a key"):
        method(0, np.mean, x)
    with pytest.raises(TypeError, match="estimate must be a function, got None"):
        method(key, None, x)
    with pytest.raises(TypeError, match="samples must hold numbers"):
        method(key, np.mean, np.array(["a", "b"]))
