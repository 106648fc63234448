"""Structure functions: the hull against brute force, exact curves against duality."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize
from scipy.special import logsumexp

from ibjax import weights

RNG = np.random.default_rng(0)
INFORMATION = RNG.uniform(0, 10, 14)
LOSS = 20 * np.exp(-INFORMATION / 3) + RNG.uniform(0, 3, 14)
BETAS = np.geomspace(1e-3, 1e3, 301)


def test_the_hull_is_what_the_lagrangian_sees_of_a_table_of_models():
    found = weights.structure_function(INFORMATION, LOSS)
    lagrangian = LOSS[None] + BETAS[:, None] * INFORMATION[None]
    on_hull = found.loss[None] + BETAS[:, None] * found.information[None]
    np.testing.assert_allclose(on_hull.min(axis=1), lagrangian.min(axis=1), rtol=1e-12)
    # No network on it is there in vain: each is the best one at some price.
    prices = np.concatenate([[2 * found.betas[0]], found.betas, [0.0]])
    between = (prices[:-1] + prices[1:]) / 2
    best = np.argmin(LOSS[None] + between[:, None] * INFORMATION[None], axis=1)
    np.testing.assert_array_equal(best, found.rows)
    assert np.all(np.diff(found.betas) < 0)


def test_the_hull_is_the_lower_envelope_of_all_mixtures_of_two():
    found = weights.structure_function(INFORMATION, LOSS)
    t = np.linspace(INFORMATION.min(), INFORMATION.max() + 1, 57)
    share = np.linspace(0, 1, 2001)[:, None, None]

    def mixed(values):
        return share * values[:, None] + (1 - share) * values[None]

    x, y = mixed(INFORMATION).ravel(), mixed(LOSS).ravel()
    brute = np.array([y[x <= limit + 1e-12].min() for limit in t])
    # A share is at most 1/2000 from the best one.
    slack = np.ptp(LOSS) / 2000
    assert np.all(found.at(t) <= brute + 1e-12) and np.all(brute < found.at(t) + slack)
    assert found.at(INFORMATION.min() - 1e-6) == np.inf


@pytest.mark.parametrize("beta", [0.0, 0.1, 1.0, 3.0, 100.0])
def test_the_sufficient_point_is_the_least_of_the_lagrangian(beta):
    found = weights.structure_function(INFORMATION, LOSS)
    point = weights.sufficient_point(found, beta=beta)
    assert point.row == np.argmin(LOSS + beta * INFORMATION)
    assert (point.information, point.loss) == (INFORMATION[point.row], LOSS[point.row])


def test_of_equal_lagrangians_the_least_information_is_sufficient():
    found = weights.structure_function([0.0, 1.0, 2.0], [2.0, 1.0, 1.0])
    assert found.rows.tolist() == [0, 1]
    assert weights.sufficient_point(found).row == 0
    # Not finite, twice the same, and above all others.
    found = weights.structure_function(
        [np.nan, 1.0, 1.0, 0.0, 0.5, np.inf], [0.0, 3.0, 1.0, 2.0, 9.0, 0.0]
    )
    assert found.rows.tolist() == [3, 2]
    one = weights.structure_function([1.0], [2.0])
    assert weights.sufficient_point(one).row == 0 and len(one.betas) == 0


def test_tables_follow_the_dual():
    """S(t) is the largest of -beta log E_P e^(-L / beta) - beta t over beta."""
    loss, prior = RNG.uniform(0, 5, 6), RNG.dirichlet(np.ones(6))
    # Beyond the last, the best model alone is within reach.
    t = np.array([1e-4, 0.01, 0.2, 0.9]) * -np.log(prior[loss.argmin()])

    def dual(log_beta, limit):
        beta = np.exp(log_beta)
        return beta * logsumexp(-loss / beta, b=prior) + beta * limit

    options = {"bounds": (-12, 12), "options": {"xatol": 1e-10}}
    best = [
        -optimize.minimize_scalar(dual, args=(limit,), **options).fun for limit in t
    ]
    np.testing.assert_allclose(
        weights.structure_of_table(loss, prior, t), best, rtol=1e-9
    )
    ends = weights.structure_of_table(loss, prior, [0.0, -np.log(prior.min()) + 1])
    np.testing.assert_allclose(ends, [prior @ loss, loss.min()], rtol=1e-12)
    assert weights.structure_of_table([3.0, 3.0], [0.5, 0.5], 0.1) == 3.0


def test_gibbs_posteriors_lie_on_the_curve_of_their_table():
    loss, prior = np.array([0.0, 1.0, 4.0]), np.array([0.1, 0.3, 0.6])
    found = weights.gibbs_posterior(jnp.array(loss), jnp.array(prior), beta=0.7)
    expected = float(np.asarray(found.posterior) @ loss)
    curve = weights.structure_of_table(loss, prior, float(found.information))
    # To the rounding of float32, of numbers up to 4.
    np.testing.assert_allclose(curve, expected, atol=4e-6)


def test_linear_regression_lies_on_its_hull_with_slopes_minus_beta():
    """Gaussian posteriors around a minimum: the best noise for every price is known."""
    h, betas = np.array([50.0, 2.0, 0.1]), np.geomspace(0.01, 10, 12)
    found = [
        weights.gaussian_information(
            jnp.zeros(3), jnp.array(h), prior_variance=4.0, beta=beta
        )
        for beta in betas
    ]
    information = np.array([f.information for f in found], np.float64)
    loss = np.array([np.sum(h * np.asarray(f.noise_variances)) / 2 for f in found])
    hull = weights.structure_function(information, loss)
    np.testing.assert_array_equal(hull.rows, np.arange(12)[::-1])
    # A chord's slope is between those at its ends.
    assert np.all(hull.betas < betas[::-1][:-1]) and np.all(hull.betas > betas[-2::-1])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: weights.structure_function([1.0], [1.0, 2.0]), "loss must have shape"),
        (lambda: weights.structure_function([np.nan], [1.0]), "must be finite of one"),
        (lambda: weights.structure_of_table([1.0], [0.5], 0.0), "prior must sum to"),
        (lambda: weights.structure_of_table([1.0], [1.0], -1.0), "information must"),
        (
            lambda: weights.sufficient_point(
                weights.structure_function([0.0], [1.0]), beta=-1.0
            ),
            "beta must be one number from 0 on",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
