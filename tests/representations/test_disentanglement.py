"""Measures of disentanglement on codes whose scores are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import representations as r
from ibjax.representations.disentanglement import check_factors

KEY = jax.random.key(0)
NUM_VALUES = (5, 4, 8)
# All combinations: independent, exactly.
FACTORS = np.stack(np.meshgrid(*map(np.arange, NUM_VALUES), indexing="ij"), -1)
FACTORS = FACTORS.reshape(-1, 3)
ENTROPIES = np.log(NUM_VALUES)
VALUES = {"num_values": NUM_VALUES}
SCORE = {"num_train": 1000, "num_test": 500, "batch_size": 32}
RNG = np.random.default_rng(0)


def _codes(columns):
    return jnp.asarray(np.asarray(columns, np.float32))


# As many dimensions in all cases: one program each.
EXACT = _codes(FACTORS)
TWICE = _codes(FACTORS[:, [0, 0, 1]])
# 45 degrees between two factors of one spread.
SCALED = (FACTORS - FACTORS.mean(0)) / FACTORS.std(0)
ROTATED = _codes(
    np.stack(
        [
            (SCALED[:, 0] + SCALED[:, 1]) / np.sqrt(2),
            (SCALED[:, 0] - SCALED[:, 1]) / np.sqrt(2),
            SCALED[:, 2],
        ],
        axis=1,
    )
)


def test_codes_that_are_the_factors_have_every_gap():
    found = r.factor_information(EXACT, FACTORS, **VALUES)
    np.testing.assert_allclose(found, np.diag(ENTROPIES), atol=1e-6)
    np.testing.assert_allclose(r.mig(EXACT, FACTORS, **VALUES).factors, 1, rtol=1e-6)
    # Sums of 160 products of float32.
    np.testing.assert_allclose(r.sap(EXACT, FACTORS).factors, 1, rtol=1e-5)
    assert r.factor_score(KEY, EXACT, FACTORS, **VALUES, **SCORE) == 1


def test_two_dimensions_of_one_factor_leave_no_gap():
    found = r.mig(TWICE, FACTORS, **VALUES)
    np.testing.assert_allclose(found.factors, [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found.score, 1 / 3, rtol=1e-6)
    np.testing.assert_allclose(r.sap(TWICE, FACTORS).factors, [0, 1, 0], atol=1e-5)
    # Votes ask nothing of the kind: a factor may have two dimensions. The third factor
    # has none, so that the votes on it are lost: 500 votes, four standard errors.
    score = r.factor_score(KEY, TWICE, FACTORS, **VALUES, **SCORE)
    assert abs(score - 2 / 3) < 4 * np.sqrt(2 / 9 / 500)


def test_rotation_takes_the_gap_and_not_the_information():
    gaps = r.mig(ROTATED, FACTORS, **VALUES).factors
    np.testing.assert_allclose(gaps[:2], 0, atol=0.05)
    np.testing.assert_allclose(gaps[2], 1, rtol=1e-5)
    np.testing.assert_allclose(r.sap(ROTATED, FACTORS).factors, [0, 0, 1], atol=1e-5)
    design = np.column_stack([ROTATED, np.ones(len(FACTORS))])
    left = np.linalg.lstsq(design, FACTORS, rcond=None)[1]
    np.testing.assert_allclose(left, 0, atol=1e-6)
    # One of two fixed halves the variance of both: neither dimension stands for it.
    score = r.factor_score(KEY, ROTATED, FACTORS, **VALUES, **SCORE)
    assert 0.5 < score < 0.8


def test_order_signs_and_scales_of_dimensions_change_nothing():
    noisy = _codes(SCALED + 0.7 * RNG.normal(size=SCALED.shape))
    changed = noisy[:, jnp.array([2, 0, 1])] * jnp.array([[-1.0, 2.0, -4.0]])
    for measure in (
        lambda codes: r.mig(codes, FACTORS, **VALUES).factors,
        lambda codes: r.sap(codes, FACTORS).factors,
        lambda codes: r.gaussian_total_correlation(codes),
        # Votes are drawn alike, and the spreads of all dimensions are above the least.
        lambda codes: r.factor_score(KEY, codes, FACTORS, **VALUES, **SCORE),
    ):
        np.testing.assert_allclose(measure(changed), measure(noisy), atol=1e-5)


def test_bins_are_those_of_disentanglement_lib():
    codes = _codes(SCALED + 0.7 * RNG.normal(size=SCALED.shape))
    found = r.factor_information(codes, FACTORS, **VALUES)
    metrics = pytest.importorskip("sklearn.metrics")
    for j in range(3):
        column = np.asarray(codes[:, j])
        edges = np.histogram(column, 20)[1][:-1]
        cells = np.digitize(column, edges)
        for k in range(3):
            expected = metrics.mutual_info_score(FACTORS[:, k], cells)
            np.testing.assert_allclose(found[j, k], expected, rtol=1e-4)


def test_drawn_codes_lose_what_their_noise_hides():
    # Of one dimension and two values, against quadrature.
    factors = FACTORS[:, :1] % 2
    mean = _codes(np.column_stack([1.5 * factors, 0 * factors]))
    posterior = r.Posterior(mean, jnp.ones_like(mean))
    found = r.sampled_factor_information(KEY, posterior, factors, num_values=(2,))
    z = np.linspace(-8, 9.5, 4001)
    p = np.array([np.mean(factors == 0), np.mean(factors == 1)])
    densities = np.stack([np.exp(-((z - m) ** 2) / 2) for m in (0, 1.5)])
    densities /= np.sqrt(2 * np.pi)
    mixture = p @ densities
    integrand = p @ (densities * np.log(densities / mixture))
    expected = integrand.sum() * (z[1] - z[0])
    # One draw of 160 codes: the log ratio's own spread.
    square = p @ (densities * np.log(densities / mixture) ** 2)
    spread = np.sqrt(square.sum() * (z[1] - z[0]) - expected**2)
    assert abs(found[0, 0] - expected) < 4 * spread / np.sqrt(len(factors))
    assert found[1, 0] == 0
    # Far apart, nothing is hidden: the gap is whole.
    posterior = r.Posterior(100 * EXACT, jnp.ones_like(EXACT))
    found = r.sampled_mig(KEY, posterior, FACTORS, **VALUES)
    np.testing.assert_allclose(found.factors, 1, atol=1e-5)


def test_dimensions_that_have_collapsed_do_not_vote():
    small = EXACT * jnp.array([[1.0, 1.0, 0.01]])
    for least_std, right in ((0.05, False), (0.0, True)):
        options = {**VALUES, **SCORE, "least_std": least_std}
        score = r.factor_score(KEY, small, FACTORS, **options)
        assert (score == 1) == right
        # Nothing varies: nothing is told.
        assert r.factor_score(KEY, 0 * small, FACTORS, **options) == 0


def test_what_does_not_vary():
    constant = EXACT.at[:, 0].set(0.3)
    assert (r.factor_information(constant, FACTORS, **VALUES)[0] == 0).all()
    np.testing.assert_allclose(r.sap(constant, FACTORS).factors, [0, 1, 1], atol=1e-5)
    fixed = np.array(FACTORS)
    fixed[:, 0] = 2
    for found in (r.mig(EXACT, fixed, **VALUES), r.sap(EXACT, fixed)):
        assert np.isnan(found.factors[0]) and np.isnan(found.score)
        np.testing.assert_allclose(found.factors[1:], 1, rtol=1e-5)


def test_measures_are_transformed():
    both = jnp.stack([EXACT, ROTATED])
    found = jax.jit(
        jax.vmap(lambda codes: r.mig(codes, jnp.asarray(FACTORS), **VALUES).score)
    )(both)
    expected = [r.mig(codes, FACTORS, **VALUES).score for codes in both]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"codes": FACTORS}, TypeError, "codes must be floating"),
        ({"codes": EXACT[0]}, ValueError, r"codes must have shape \[num_samples, k\]"),
        ({"codes": EXACT * jnp.nan}, ValueError, "codes must be finite"),
        ({"factors": EXACT}, TypeError, "factors must be integers"),
        ({"factors": FACTORS[:9]}, ValueError, r"factors must have shape \[160, num"),
        ({"num_values": (5, 4)}, ValueError, "num_values must have an entry for each"),
        (
            {"num_values": (5, 3, 8)},
            ValueError,
            r"factors\[:, 1\] must lie in \[0, 3\)",
        ),
        ({"num_values": (5, 0, 8)}, ValueError, "num_values must be"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, message):
    given = {"codes": EXACT, "factors": FACTORS, **VALUES} | change
    with pytest.raises(error, match=message):
        check_factors(**given)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(ValueError, match="num_bins must be a whole number"):
        r.mig(EXACT, FACTORS, **VALUES, num_bins=0)
    for name, value in (("batch_size", 1), ("num_train", 0), ("num_test", 0)):
        with pytest.raises(ValueError, match=f"{name} must be a whole number"):
            r.factor_score(KEY, EXACT, FACTORS, **VALUES, **SCORE | {name: value})
    with pytest.raises(ValueError, match="least_std must be one number from 0 on"):
        r.factor_score(KEY, EXACT, FACTORS, **VALUES, least_std=-1.0)
    with pytest.raises(ValueError, match="factors must have shape"):
        r.sap(EXACT, FACTORS[:9])
