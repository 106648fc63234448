"""Certificates: numbers of draws, learned priors, confidence."""

import numpy as np
import pytest

from ibjax.weights import pac_bayes

CASE = (0.028, 5000.0, 60_000)


def test_errors_from_draws():
    found = pac_bayes.monte_carlo_error(0.028, [150_000, 1000], delta=0.01)
    np.testing.assert_allclose(found, [0.029409, 0.048412], rtol=0, atol=5e-7)


def test_means_of_draws_exceed_their_bound_no_more_often_than_they_may():
    rng = np.random.default_rng(0)
    for truth in (0.1, 0.3):
        means = rng.binomial(50, truth, 20_000) / 50
        fails = np.mean(pac_bayes.monte_carlo_error(means, 50, delta=0.2) < truth)
        # One side of a bound for two: at most delta / 2, and three standard errors.
        assert fails <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 20_000)
        assert fails > 0


def test_a_certificate_pays_for_data_and_draws():
    options = {"delta": 0.025, "delta_draws": 0.01}
    found = pac_bayes.certificate(*CASE, num_draws=150_000, **options)
    error = pac_bayes.monte_carlo_error(0.028, 150_000, delta=0.01)
    assert found.error == error
    assert found.risk == pac_bayes.maurer(error, *CASE[1:], delta=0.025)
    np.testing.assert_allclose(found.confidence, 0.965, rtol=1e-15)
    other = pac_bayes.certificate(
        *CASE, num_draws=150_000, bound=pac_bayes.langford_seeger
    )
    assert other.risk == pac_bayes.langford_seeger(error, *CASE[1:], delta=0.025)
    # More draws come near the bound of an error that is known.
    exact = pac_bayes.maurer(*CASE, delta=0.025)
    far = pac_bayes.certificate(*CASE, num_draws=1e15).risk
    assert exact < far < found.risk
    np.testing.assert_allclose(far, exact, rtol=1e-6)


def test_a_learned_prior_costs_what_dziugaite_and_roy_pay():
    n, delta, b, c = 55_000, 0.025, 100, 0.1
    variance = pac_bayes.nearest_prior_variance(np.exp(-6))
    kl = 4000.0
    b_re = kl + 2 * np.log(b * np.log(c / variance))
    b_re = (b_re + np.log(np.pi**2 * n / (6 * delta))) / (n - 1)
    found = pac_bayes.langford_seeger(
        0.03, kl + pac_bayes.prior_union_cost(variance), n, delta=delta
    )
    np.testing.assert_allclose(found, pac_bayes.kl_inverse(0.03, b_re), rtol=1e-13)


def test_shares_of_learned_priors_add_up_to_one():
    variances = 0.1 * np.exp(-np.arange(1, 100_001) / 100)
    shares = np.exp(-pac_bayes.prior_union_cost(variances[:20_000]))
    # What the sum to infinity of 6 / (pi j)^2 lacks is 6 / pi^2 / J.
    left = 6 / np.pi**2 / 20_000
    np.testing.assert_allclose(shares.sum(), 1 - left, atol=left / 1000)


def test_the_nearest_variance_is_one_of_the_union():
    asked = np.geomspace(1e-4, 0.5, 30)
    found = pac_bayes.nearest_prior_variance(asked)
    numbers = 100 * np.log(0.1 / found)
    np.testing.assert_allclose(numbers, np.rint(numbers), atol=1e-9)
    below = asked < 0.0995
    assert np.all(np.abs(np.log(found / asked))[below] <= 0.005 + 1e-12)
    np.testing.assert_allclose(found[~below], 0.1 * np.exp(-0.01), rtol=1e-15)
    assert np.all(np.isfinite(pac_bayes.prior_union_cost(found)))


def test_choosing_among_several_is_a_smaller_delta():
    found = pac_bayes.maurer(0.1, 3 + pac_bayes.union_cost(7), 100, delta=0.05)
    np.testing.assert_allclose(
        found, pac_bayes.maurer(0.1, 3, 100, delta=0.05 / 7), rtol=1e-14
    )


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"delta \+ delta_draws must lie in \(0, 1\)"):
        pac_bayes.certificate(*CASE, num_draws=10, delta=0.6, delta_draws=0.4)
    with pytest.raises(ValueError, match="delta_draws must lie in"):
        pac_bayes.certificate(*CASE, num_draws=10, delta=0.5, delta_draws=0.0)
    with pytest.raises(ValueError, match="num_draws must lie in"):
        pac_bayes.certificate(*CASE, num_draws=0)
    with pytest.raises(ValueError, match="error must lie in"):
        pac_bayes.monte_carlo_error(np.nan, 10, delta=0.1)
    with pytest.raises(ValueError, match="num_choices must lie in"):
        pac_bayes.union_cost(0)
    for variance in (0.0, np.nan):
        with pytest.raises(ValueError, match="prior_variance must lie in"):
            pac_bayes.prior_union_cost(variance)
    with pytest.raises(ValueError, match="prior_variance must be at most .*0.0990"):
        pac_bayes.prior_union_cost([0.01, 0.0995])
    with pytest.raises(ValueError, match="precision must be one positive number"):
        pac_bayes.prior_union_cost(0.01, precision=0)
