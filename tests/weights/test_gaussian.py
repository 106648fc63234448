"""Gaussian and Gibbs posteriors: closed forms, better ones looked for, derivatives."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, optimize, special

from ibjax.weights import (
    gaussian_information,
    gaussian_lagrangian,
    gibbs_posterior,
)

EIGENVALUES = np.array([50.0, 2.0, 0.1, 0.0])
MEAN = np.array([1.0, -0.5, 0.2, 2.0])
PRIOR = {"prior_variance": 4.0, "beta": 0.05}


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def _excess(variances):
    """The Lagrangian without the loss at the minimum, of any posterior variances."""
    lam2, beta = PRIOR["prior_variance"], PRIOR["beta"]
    kl = (variances + MEAN**2) / lam2 - 1 - np.log(variances / lam2)
    return np.sum(EIGENVALUES * variances + beta * kl, axis=-1) / 2


def test_numbers_of_a_known_case(x64):
    found = gaussian_information(MEAN, EIGENVALUES, **PRIOR)
    expected = [9.997501e-4, 0.02484472, 0.4444444, 4.0]
    np.testing.assert_allclose(found.noise_variances, expected, rtol=1e-6)
    np.testing.assert_allclose(found.information, 7.0065004, rtol=1e-8)
    value = gaussian_lagrangian(MEAN, EIGENVALUES, loss=3.0, **PRIOR)
    np.testing.assert_allclose(value - 3.0, 0.42238571, rtol=1e-7)
    np.testing.assert_allclose(value - 3.0, _excess(found.noise_variances), rtol=1e-13)


def test_no_other_noise_is_better(x64):
    found = gaussian_information(MEAN, EIGENVALUES, **PRIOR)
    best = gaussian_lagrangian(MEAN, EIGENVALUES, loss=0.0, **PRIOR)
    variances = np.asarray(found.noise_variances)
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.uniform(-3, 0, (500, 1))
    others = variances * np.exp(scales * rng.normal(size=(500, 4)))
    assert np.all(_excess(others) > best)
    numeric = optimize.minimize(lambda logs: _excess(np.exp(logs)), np.zeros(4))
    np.testing.assert_allclose(numeric.fun, best, rtol=1e-8)
    # The covariance as printed in the paper is that of half the Hessian.
    lam2, beta = PRIOR["prior_variance"], PRIOR["beta"]
    printed = beta / 2 / (EIGENVALUES + beta / (2 * lam2))
    np.testing.assert_allclose(_excess(printed), 0.43613770, rtol=1e-7)


def test_the_information_is_the_derivative_of_the_lagrangian(x64):
    def value(beta):
        return gaussian_lagrangian(
            MEAN, EIGENVALUES, loss=1.0, prior_variance=4.0, beta=beta
        )

    for beta in (1e-3, 0.05, 7.0):
        found = gaussian_information(MEAN, EIGENVALUES, prior_variance=4.0, beta=beta)
        np.testing.assert_allclose(jax.grad(value)(beta), found.information, rtol=1e-12)


def test_nearly_flat_directions_keep_their_digits():
    values = np.geomspace(1e-7, 10, 200).astype(np.float32)
    zero = np.zeros(1, np.float32)
    found = [
        gaussian_information(zero, values[i : i + 1], prior_variance=1.0, beta=1.0)[0]
        for i in range(0, 200, 20)
    ]
    s = values[::20].astype(np.float64)
    # Where s is small, s^2 / 4 - s^3 / 3.
    exact = np.where(
        s < 1e-3, s**2 / 4 - s**3 / 3 + 3 * s**4 / 8, (np.log1p(s) - s / (1 + s)) / 2
    )
    # A few roundings of float32, times the ten by which terms cancel at u = 0.1.
    np.testing.assert_allclose(found, exact, rtol=40 * 2**-24)


def test_betas_are_mapped_and_a_saddle_has_no_best_noise():
    @jax.jit
    @jax.vmap
    def informations(beta):
        return gaussian_information(
            MEAN, [1.0, -0.1], prior_variance=1.0, beta=beta
        ).information

    found = informations(jnp.array([0.01, 0.1, 0.2, 10.0]))
    np.testing.assert_array_equal(np.isnan(found), [True, True, False, False])


def _double_well(w):
    return (w**2 - 1) ** 2 + 0.3 * w


def _on_a_grid():
    w = np.linspace(-8, 8, 3201)
    prior = np.exp(-(w**2) / 2)
    return _double_well(w), prior / prior.sum()


@pytest.mark.parametrize("beta, kl", [(0.1, 2.187185), (0.5, 0.510297), (2, 0.113727)])
def test_the_gibbs_posterior_of_a_double_well(x64, beta, kl):
    loss, prior = _on_a_grid()
    found = gibbs_posterior(loss, prior, beta=beta)
    # Sums over a grid of a smooth density that vanishes at its ends are exact.
    np.testing.assert_allclose(found.information, kl, rtol=0, atol=6e-7)

    def density(w):
        return np.exp(-(w**2) / 2 - _double_well(w) / beta) / np.sqrt(2 * np.pi)

    z, _ = integrate.quad(density, -8, 8, points=[-1, 0, 1], epsabs=1e-13)
    np.testing.assert_allclose(found.value, -beta * np.log(z), rtol=1e-9)
    np.testing.assert_allclose(found.posterior.sum(), 1, rtol=1e-12)
    slope = jax.grad(lambda b: gibbs_posterior(loss, prior, beta=b).value)(float(beta))
    np.testing.assert_allclose(slope, found.information, rtol=1e-10)


def test_no_other_posterior_is_better(x64):
    loss, prior = _on_a_grid()
    found = gibbs_posterior(loss, prior, beta=0.3)
    rng = np.random.default_rng(1)
    changes = 10.0 ** rng.uniform(-3, 0, (500, 1)) * rng.normal(size=(500, len(loss)))
    q = np.asarray(found.posterior) * np.exp(changes)
    q /= q.sum(axis=1, keepdims=True)
    kl = np.sum(special.rel_entr(q, prior), axis=1)
    assert np.all(q @ loss + 0.3 * kl > found.value)


def test_independent_weights_add_up(x64):
    loss, prior = (table[::100] for table in _on_a_grid())
    prior = prior / prior.sum()
    single = gibbs_posterior(loss, prior, beta=0.5)
    table = loss[:, None, None] + loss[:, None] + loss
    together = gibbs_posterior(
        table, prior[:, None, None] * prior[:, None] * prior, beta=0.5
    )
    np.testing.assert_allclose(together.value, 3 * single.value, rtol=1e-12)
    np.testing.assert_allclose(together.information, 3 * single.information, rtol=1e-12)
    assert together.posterior.shape == table.shape


def test_extreme_betas():
    loss, prior = jnp.array([3.0, 1.0, 1.0, 0.0]), jnp.array([0.5, 0.3, 0.2, 0.0])
    cold = gibbs_posterior(loss, prior, beta=1e-6)
    np.testing.assert_allclose(cold.posterior, [0, 0.6, 0.4, 0], rtol=1e-6)
    np.testing.assert_allclose(cold.information, np.log(2), rtol=1e-6)
    hot = gibbs_posterior(loss, prior, beta=1e6)
    np.testing.assert_allclose(hot.posterior, prior, rtol=1e-5)
    # Mean and variance of the loss are 2 and 1. A few roundings.
    np.testing.assert_allclose(hot.value, 2 - 1 / 2e6, rtol=8 * 2.0**-23)
    np.testing.assert_allclose(hot.information, 1 / 2e12, rtol=20 * 2.0**-23)
    far = gibbs_posterior(loss, prior, beta=1e-36)
    np.testing.assert_allclose(far.information, np.log(2), rtol=8 * 2.0**-23)


@pytest.mark.parametrize("prior", [[1.5, -0.5], [0.0, 0.0], [np.nan, 1.0]])
def test_a_prior_has_probabilities(prior):
    with pytest.raises(ValueError, match="prior must"):
        gibbs_posterior([0.0, 1.0], prior, beta=1.0)


def _in_decimals(loss, prior, beta):
    """Value and information, by their definitions in sixty digits."""
    with localcontext() as context:
        context.prec = 60
        loss, prior = ([Decimal(float(v)) for v in table] for table in (loss, prior))
        beta = Decimal(float(np.float32(beta)))
        prior = [p / sum(prior) for p in prior]
        tilted = [p * (-v / beta).exp() for p, v in zip(prior, loss, strict=True)]
        z = sum(tilted)
        kl = sum(t / z * (t / z / p).ln() for t, p in zip(tilted, prior, strict=True))
        return float(-beta * z.ln()), float(kl)


@pytest.mark.parametrize("beta", [0.02, 0.3, 1.0, 2.0, 7.0, 1e2, 1e4, 1e7, 1e12])
@pytest.mark.parametrize(
    "loss, prior",
    [
        ([0.0, 1.0], [0.3, 0.7]),
        ([0.0, 3.0, 7.0], [1e-6, 0.6, 0.4]),
        # Of a sum that rounding leaves beside one.
        ([2.5, 2.0, 9.0], [0.3, 0.3, 0.4002]),
    ],
)
def test_digits_are_kept_at_any_beta(loss, prior, beta):
    loss, prior = np.float32(loss), np.float32(prior)
    found = gibbs_posterior(loss, prior, beta=beta)
    value, information = _in_decimals(loss, prior, beta)
    # A few roundings of the value; those of a logarithm's argument in the information.
    np.testing.assert_allclose(found.value, value, rtol=8 * 2.0**-23)
    np.testing.assert_allclose(found.information, information, rtol=40 * 2.0**-23)
    assert found.information >= 0
    np.testing.assert_allclose(found.posterior.sum(), 1, rtol=8 * 2.0**-23)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mean": np.ones((2, 2))}, r"mean must have shape \[num_weights\], got"),
        ({"mean": [np.nan]}, "mean must be finite"),
        ({"hessian_eigenvalues": [np.inf]}, "hessian_eigenvalues must be finite"),
        ({"hessian_eigenvalues": 1.0}, "hessian_eigenvalues must have shape"),
        ({"prior_variance": 0.0}, "prior_variance must be one positive number"),
        ({"beta": np.nan}, "beta must be one positive number"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    good = {"mean": [1.0], "hessian_eigenvalues": [1.0], **PRIOR}
    with pytest.raises(ValueError, match=message):
        gaussian_information(**good | change)
    with pytest.raises(ValueError, match=message):
        gaussian_lagrangian(**good | change, loss=0.0)


def test_bad_tables_are_refused():
    with pytest.raises(ValueError, match="loss and prior must have one shape"):
        gibbs_posterior([1.0], [0.5, 0.5], beta=1.0)
    with pytest.raises(ValueError, match="loss must be finite"):
        gibbs_posterior([np.nan], [1.0], beta=1.0)
    with pytest.raises(TypeError, match="prior must be floating"):
        gibbs_posterior([1.0], [1], beta=1.0)
    with pytest.raises(ValueError, match="beta must be one positive number"):
        gibbs_posterior([1.0], [1.0], beta=0.0)


@pytest.mark.parametrize(
    "values, prior_variance, beta",
    [
        # Steep directions of an ordinary network: ratios of 5e7 and 1e6.
        ([5e4, 1e3, 1e-3], 1.0, 1e-3),
        ([1.0, 2.0], 1e30, 1e-30),
        ([1e-20, 1e-18], 1e-20, 2e-38),
        ([1e30, 1e-30], 1.0, 1.0),
    ],
)
def test_information_at_any_scale(values, prior_variance, beta):
    mean = np.float32([1e-22, 3e-22]) if prior_variance < 1 else np.float32([1, 2])
    found = gaussian_information(
        mean, np.float32(values), prior_variance=prior_variance, beta=beta
    )
    given = np.float64(np.float32(values)), np.float64(mean)
    lam, beta64 = np.float64(np.float32(prior_variance)), np.float64(np.float32(beta))
    s = given[0] * lam / beta64
    expected = np.sum(given[1] ** 2) / lam + np.sum(np.log1p(s) - s / (1 + s))
    np.testing.assert_allclose(found.information, expected / 2, rtol=1e-6)
    np.testing.assert_allclose(found.noise_variances, lam / (1 + s), rtol=1e-6)
    value = gaussian_lagrangian(
        mean, np.float32(values), loss=0.0, prior_variance=prior_variance, beta=beta
    )
    expected = beta64 * (np.sum(given[1] ** 2) / lam + np.sum(np.log1p(s))) / 2
    # Values below the smallest normal float are zero.
    np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1.2e-38)
