"""Corrected entropies: published relations, float64 references, measured bias."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import polygamma, psi

from ibjax.estimators import binning, discrete

COUNTS = np.array([7, 0, 1, 3, 1, 12, 2, 0])
N, OCCUPIED = COUNTS.sum(), np.sum(COUNTS > 0)
CORRECTIONS = discrete.CORRECTIONS
# A few float32 roundings of terms that add up to log N or less.
ABSOLUTE = 2e-6


def _plug_in(counts):
    p = counts[counts > 0] / counts.sum()
    return -np.sum(p * np.log(p))


def _grassberger(counts):
    n = counts[counts > 0].astype(float)
    g = psi(n) + 0.5 * (-1) ** n * (psi((n + 1) / 2) - psi(n / 2))
    return np.log(n.sum()) - np.sum(n * g) / n.sum()


def _chao_shen(counts):
    n = counts[counts > 0].astype(float)
    singles = np.sum(n == 1)
    total = n.sum()
    coverage = 1 - min(singles, total - 1) / total
    p = coverage * n / total
    return -np.sum(p * np.log(p) / (1 - (1 - p) ** total))


def _nsb(counts, num_cells, num_betas=20001):
    """The two integrals in float64; ratios of Gamma functions as finite products."""
    n = counts[counts > 0]
    total = n.sum()
    log_beta = np.linspace(np.log(1e-8 / num_cells), np.log(1e8), num_betas)
    beta = np.exp(log_beta)
    all_betas = num_cells * beta
    log_rho = -sum(np.log(all_betas + k) for k in range(total))
    for count, times in zip(*np.unique(n, return_counts=True), strict=True):
        log_rho += times * sum(np.log(beta + k) for k in range(count))
    top = psi(total + all_betas + 1)
    mean = (num_cells - len(n)) * beta * (top - psi(beta + 1))
    for count in n:
        mean += (count + beta) * (top - psi(count + beta + 1))
    mean /= total + all_betas
    prior = num_cells * polygamma(1, all_betas + 1) - polygamma(1, beta + 1)
    log_weight = log_rho + log_beta + np.log(np.maximum(prior, 1e-300))
    weight = np.exp(log_weight - log_weight.max())
    return np.sum(weight * mean) / np.sum(weight)


def _estimate(counts, correction):
    return float(discrete.entropy(counts, correction=correction))


@pytest.mark.parametrize(
    "counts", [COUNTS, np.array([40000, 999, 2, 1, 1, 31, 30, 29])]
)
def test_formulas(counts):
    plug_in = _plug_in(counts)
    occupied, total = np.sum(counts > 0), counts.sum()
    expected = {
        None: plug_in,
        "miller_madow": plug_in + (occupied - 1) / (2 * total),
        "grassberger": _grassberger(counts),
        "chao_shen": _chao_shen(counts),
    }
    for correction, value in expected.items():
        assert abs(_estimate(counts, correction) - value) < 5 * ABSOLUTE, correction


def test_grassberger_of_single_samples():
    # G(1) = -gamma - log 2, published with the recursion G(2n + 2) = G(2n) + 2/(2n+1).
    g_1 = -np.euler_gamma - np.log(2)
    singles = np.ones(8, int)
    assert abs(_estimate(singles, "grassberger") - np.log(8) + g_1) < ABSOLUTE
    g_2, g_4 = g_1 + 2, g_1 + 2 + 2 / 3
    pairs = np.array([2, 3, 4, 5, 0, 0, 0, 0])  # G of an odd number is that before it.
    expected = np.log(14) - (5 * g_2 + 9 * g_4) / 14
    assert abs(_estimate(pairs, "grassberger") - expected) < ABSOLUTE


@pytest.mark.parametrize(
    "counts, num_cells",
    [
        (COUNTS, 8),
        (COUNTS, 1000),
        (COUNTS, 30.0**10),
        (np.array([1, 1, 1, 1, 1, 1, 1, 1]), 50),
        (np.array([100, 120, 90, 95, 105, 99, 110, 98]), 8),
        (np.array([3000, 10, 1, 0, 0, 0, 0, 0]), 8),
        (np.ones(20, int), 1e18),
        (np.ones(20, int), 1e24),
        (np.ones(20, int), 1e36),
        (np.ones(200, int), 1e36),
        (np.array([5, 0, 0, 0, 0, 0, 0, 0]), 3e38),
    ],
)
def test_nsb_against_quadrature_in_float64(counts, num_cells):
    found = discrete.entropy(counts, correction="nsb", num_cells=num_cells)
    # Logs of up to 3e38 cells in float32 for the largest alphabet.
    tolerance = max(1e-5, 5e-7 * np.log(num_cells))
    assert abs(float(found) - _nsb(counts, num_cells)) < tolerance


def test_nsb_of_one_sample_is_the_mean_of_the_prior():
    # One sample is as likely under every prior of the mixture, so that the entropy
    # expected is uniform in [0, log K]; the sample itself changes it by less than one.
    one = np.array([1, 0, 0, 0, 0, 0, 0, 0])
    found = discrete.entropy(one, correction="nsb", num_cells=1e6)
    assert abs(float(found) - np.log(1e6) / 2) < 1


def test_certain_and_unseen_cells():
    one_cell = np.array([5, 0, 0, 0, 0, 0, 0, 0])
    for correction in (None, "miller_madow", "chao_shen"):
        assert _estimate(one_cell, correction) == 0, correction
    compact = discrete.entropy(COUNTS[COUNTS > 0], correction="grassberger")
    assert abs(_estimate(COUNTS, "grassberger") - float(compact)) < ABSOLUTE
    assert float(discrete.entropy(one_cell, correction="nsb", num_cells=1)) == 0


def test_corrections_take_off_bias():
    """Simulated on eight cells, 40 samples, with the standard error of the mean."""
    rng = np.random.default_rng(0)
    p = np.array([0.3, 0.2, 0.15, 0.12, 0.1, 0.07, 0.04, 0.02])
    truth = -np.sum(p * np.log(p))
    counts = rng.multinomial(40, p, size=2000)
    bias, error = {}, {}
    for correction in CORRECTIONS[:-1]:
        estimate = partial(discrete.entropy, correction=correction)
        values = jax.vmap(estimate)(counts)
        values = np.asarray(values, float)
        bias[correction] = values.mean() - truth
        error[correction] = values.std() / np.sqrt(len(values))
    # Of the plug-in to first order (m - 1) / 2N = -0.0875, to second another 1 / 12 N^2
    # times 1 - sum 1/p, here -0.0052.
    second = (1 - np.sum(1 / p)) / (12 * 40**2)
    assert abs(bias[None] + 7 / 80 - second) < 3 * error[None] + 2e-3
    for correction in CORRECTIONS[1:-1]:
        assert abs(bias[correction]) < abs(bias[None]) / 3, correction


def test_mutual_information():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, 300)
    y = np.where(rng.random(300) < 0.7, x, rng.integers(0, 4, 300))
    joint = np.zeros((4, 5))
    np.add.at(joint, (x, y), 1)
    for correction, function in {None: _plug_in, "grassberger": _grassberger}.items():
        expected = function(joint.sum(1)) + function(joint.sum(0))
        expected -= function(joint.ravel())
        found = discrete.mutual_information(
            x, y, num_x=4, num_y=5, correction=correction
        )
        assert abs(float(found) - expected) < 3 * ABSOLUTE
    out_of_range = jax.jit(
        lambda x: discrete.mutual_information(x, y, num_x=4, num_y=5)
    )(x + 1)
    assert np.isnan(out_of_range)


def test_layer_information():
    rng = np.random.default_rng(0)
    t = rng.normal(size=(200, 2)).astype(np.float32)
    labels = (t[:, 0] > 0).astype(int)
    plain = discrete.layer_information(t, labels, num_classes=3, bin_width=0.5)
    reference = binning.layer_information(t, labels, num_classes=3, bin_width=0.5)
    np.testing.assert_allclose(plain, reference, atol=5 * ABSOLUTE)
    rows = np.unique(np.floor(t / 0.5), axis=0, return_inverse=True)[1].ravel()
    corrected = discrete.layer_information(
        t, labels, num_classes=3, bin_width=0.5, correction="chao_shen"
    )
    h_t = _chao_shen(np.bincount(rows))
    h_t_given_y = sum(
        np.mean(labels == y) * _chao_shen(np.bincount(rows[labels == y]))
        for y in (0, 1)
    )
    expected = (h_t, h_t - h_t_given_y)
    np.testing.assert_allclose(corrected, expected, atol=5 * ABSOLUTE)
    t[0] = np.nan
    assert np.all(
        np.isnan(discrete.layer_information(t, labels, num_classes=3, bin_width=0.5))
    )


def test_traced_limits():
    batch = np.stack([COUNTS, 0 * COUNTS, -COUNTS])
    found = jax.vmap(discrete.entropy)(batch)
    np.testing.assert_array_equal(np.isnan(found), [False, True, True])


def test_bad_input():
    entropy = discrete.entropy
    with pytest.raises(ValueError, match=r"counts must have shape \[num_counts\]"):
        entropy(COUNTS[None])
    with pytest.raises(TypeError, match="counts must be integers or floating"):
        entropy(COUNTS > 0)
    with pytest.raises(ValueError, match="correction must be one of"):
        entropy(COUNTS, correction="jackknife")
    with pytest.raises(ValueError, match="num_cells is for"):
        entropy(COUNTS, num_cells=10)
    with pytest.raises(ValueError, match="at least the 6 occupied cells, got 5"):
        entropy(COUNTS, correction="nsb", num_cells=5)
    with pytest.raises(ValueError, match="num_cells must be at least 1"):
        entropy(COUNTS, correction="nsb", num_cells=0)
    for cells in (1e39, 30**300):
        with pytest.raises(ValueError, match="at most 3.4e.38, what float32 holds"):
            entropy(COUNTS, correction="nsb", num_cells=cells)
    with pytest.raises(ValueError, match="counts must have a sum that float32 holds"):
        entropy(np.full(2, 3e38, np.float32))
    with pytest.raises(ValueError, match="finite and not negative"):
        entropy(-COUNTS)
    with pytest.raises(ValueError, match="at least one sample"):
        entropy(0 * COUNTS)
    with pytest.raises(ValueError, match="whole numbers"):
        entropy(COUNTS / 2, correction="grassberger")
    cells = np.array([0, 1])
    with pytest.raises(TypeError, match="x_cells must be integers"):
        discrete.mutual_information(cells / 2, cells, num_x=2, num_y=2)
    with pytest.raises(ValueError, match=r"y_cells must lie in \[0, 1\)"):
        discrete.mutual_information(cells, cells, num_x=2, num_y=1)
    with pytest.raises(ValueError, match="as many samples, got 2 and 1"):
        discrete.mutual_information(cells, cells[:1], num_x=2, num_y=2)
    with pytest.raises(ValueError, match="num_cells is needed"):
        discrete.layer_information(
            np.zeros((2, 1)), cells, num_classes=2, bin_width=1, correction="nsb"
        )
    with pytest.raises(ValueError, match="at least the 2 occupied cells, got 1"):
        discrete.layer_information(
            np.array([[0.0], [1.0]]),
            cells,
            num_classes=2,
            bin_width=1,
            correction="nsb",
            num_cells=1,
        )
    with pytest.raises(TypeError, match="labels must be integers"):
        discrete.layer_information(
            np.zeros((2, 1)), np.eye(2), num_classes=2, bin_width=1
        )


# From a published table of counts; its information is that of float64.
TABLE = np.array([[52632, 2529], [14660, 793], [3271, 204], [814, 39], [316, 20]])


def _table_cells():
    x, y = np.divmod(np.repeat(np.arange(10), TABLE.ravel()), 2)
    return {"x_cells": x, "y_cells": y, "num_x": 5, "num_y": 2}


def test_small_information_of_many_samples():
    p = TABLE / TABLE.sum()
    product = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    exact = np.sum(p * np.log(p / product))
    # Terms with an excess of 0.1 round by 4 units over that.
    value = discrete.mutual_information(**_table_cells())
    np.testing.assert_allclose(value, exact, rtol=1e-5)
    with jax.enable_x64(True):
        value = discrete.mutual_information(**_table_cells())
        assert value.dtype == np.float64
        np.testing.assert_allclose(value, exact, rtol=1e-12)


@pytest.mark.parametrize("correction", discrete.CORRECTIONS)
def test_information_is_the_sum_of_entropies(correction):
    with jax.enable_x64(True):
        value = discrete.mutual_information(**_table_cells(), correction=correction)
        h_x, h_y, h_xy = (
            discrete.entropy(counts, correction=correction)
            for counts in (TABLE.sum(axis=1), TABLE.sum(axis=0), TABLE.ravel())
        )
        np.testing.assert_allclose(value, h_x + h_y - h_xy, atol=1e-12)


def test_counts_beyond_32_bits():
    # Of shares 2/5, 2/5 and 1/5.
    exact = 0.8 * np.log(2.5) + 0.2 * np.log(5)
    counts = [2_000_000_000, 2_000_000_000, 1_000_000_000]
    for given in (counts, np.array(counts), 10**6 * np.array(counts)):
        np.testing.assert_allclose(discrete.entropy(given), exact, rtol=1e-6)
    traced = jax.jit(discrete.entropy)(np.array(counts, np.int32))
    np.testing.assert_allclose(traced, exact, rtol=1e-6)


def test_as_many_cells_as_no_integer_of_a_program_counts():
    counts = np.array([4, 2, 1, 1])
    found, same = (
        discrete.entropy(counts, correction="nsb", num_cells=cells)
        for cells in (2**70, 2.0**70)
    )
    assert found == same > np.log(4)


@pytest.mark.parametrize("call", [discrete.entropy, jax.jit(discrete.entropy)])
def test_sums_of_counts_beyond_their_dtype(call):
    # Halves of 16 bits of as many counts are more than 32 bits hold.
    many = np.full(33_000, 2**16 - 1, np.int32)
    np.testing.assert_allclose(call(many), np.log(len(many)), rtol=1e-6)
    # 60,000 twice is more than float16 holds, and bfloat16 has three digits.
    for dtype in (jnp.float16, jnp.bfloat16):
        counts = jnp.array([60_000, 60_000, 100], dtype)
        expected = _plug_in(np.asarray(counts, np.float64))
        np.testing.assert_allclose(call(counts), expected, rtol=1e-6)
