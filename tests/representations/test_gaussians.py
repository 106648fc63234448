"""Divergences of Gaussians against quadrature, SciPy and the diagonal case."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from ibjax import representations as r

RNG = np.random.default_rng(0)
# Sums of some ten terms of size ten in float32.
TOLERANCE = 1e-5


def _full(num, k):
    factors = np.tril(RNG.normal(size=(num, k, k)), -1)
    return factors + np.exp(RNG.normal(size=(num, k)))[..., None] * np.eye(k)


def test_standard_values():
    one = r.gaussian_kl(jnp.ones((3, 1)), jnp.full((3, 1), 0.5))
    np.testing.assert_allclose(one, 0.8181472, rtol=3e-7)
    scale = jnp.array([[0.5, 0.0], [0.3, 0.8]])
    np.testing.assert_allclose(
        r.gaussian_kl(jnp.array([1.0, -2.0]), scale), 2.9062907, rtol=3e-7
    )


def test_one_dimension_by_quadrature():
    grid = np.linspace(-12, 12, 200_001)
    for mean, std in ((1.0, 0.5), (-2.0, 1.3)):
        p = stats.norm(mean, std)
        integrand = p.pdf(grid) * (p.logpdf(grid) - stats.norm.logpdf(grid))
        expected = np.trapezoid(integrand, grid)
        found = r.gaussian_kl(jnp.array([mean]), jnp.array([std]))
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
        shifted = integrand * 0 + p.pdf(grid) * (
            p.logpdf(grid) - stats.norm(0.3, 2.0).logpdf(grid)
        )
        np.testing.assert_allclose(
            r.relative_gaussian_kl(jnp.array([mean]), jnp.array([std]), 0.3, 2.0),
            np.trapezoid(shifted, grid),
            rtol=TOLERANCE,
        )


def test_full_covariances_against_their_definition():
    mean, scale = RNG.normal(size=(5, 3)), _full(5, 3)
    prior_mean, prior_std = RNG.normal(size=3), np.exp(RNG.normal(size=3))
    precision = np.diag(prior_std**-2)
    expected = []
    for mu, factor in zip(mean, scale, strict=True):
        covariance, difference = factor @ factor.T, mu - prior_mean
        log_ratio = np.linalg.slogdet(precision @ covariance)[1]
        trace = np.trace(precision @ covariance)
        expected.append(
            0.5 * (trace + difference @ precision @ difference - 3 - log_ratio)
        )
    found = r.relative_gaussian_kl(mean, scale, prior_mean, prior_std)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
    # Those of independent dimensions are diagonal ones.
    stds = np.diagonal(scale, axis1=1, axis2=2)
    diagonal = stds[..., None] * np.eye(3)
    np.testing.assert_allclose(
        r.gaussian_kl(mean, diagonal), r.gaussian_kl(mean, stds), rtol=TOLERANCE
    )


def test_two_dimensions_by_quadrature():
    # A logarithm of two densities is a square: three points of each axis are exact.
    points, weights = np.polynomial.hermite_e.hermegauss(3)
    normal = np.stack(np.meshgrid(points, points), -1).reshape(-1, 2)
    weight = np.multiply.outer(weights, weights).ravel() / (2 * np.pi)
    mean, scale = np.array([1.0, -2.0]), np.array([[0.5, 0.0], [0.3, 0.8]])
    own = stats.multivariate_normal(mean, scale @ scale.T)
    z = mean + normal @ scale.T
    prior = stats.multivariate_normal(np.zeros(2), np.eye(2))
    expected = weight @ (own.logpdf(z) - prior.logpdf(z))
    found = r.gaussian_kl(jnp.asarray(mean[None]), jnp.asarray(scale[None]))
    np.testing.assert_allclose(found, [expected], rtol=TOLERANCE)


def test_zero_for_the_standard_gaussian_only():
    assert r.gaussian_kl(jnp.zeros(4), jnp.ones(4)) == 0
    assert r.gaussian_kl(jnp.full(4, 1e-2), jnp.ones(4)) > 0
    assert r.gaussian_kl(jnp.zeros(4), jnp.full(4, 0.9)) > 0


def test_log_density_is_scipys():
    mean, scale, z = RNG.normal(size=(4, 3)), _full(4, 3), RNG.normal(size=(4, 3))
    expected = [
        stats.multivariate_normal(m, s @ s.T).logpdf(point)
        for m, s, point in zip(mean, scale, z, strict=True)
    ]
    # Triangular systems of these factors are at worst of condition 100.
    np.testing.assert_allclose(
        r.gaussian_log_density(z, mean, scale), expected, rtol=1e-4
    )


@pytest.mark.parametrize(
    "mean, scale, message",
    [
        (1.0, 1.0, "mean must be of shape"),
        (np.ones(2), np.ones(3), "scale must have shape"),
        (np.ones(2), np.zeros(2), r"scale must lie in \(0, inf\), got 0.0"),
        (np.ones(2), np.array([1.0, np.nan]), "got nan"),
    ],
)
def test_what_is_no_gaussian_is_refused(mean, scale, message):
    with pytest.raises(ValueError, match=message):
        r.gaussian_kl(mean, scale)


def test_in_other_programs():
    def total(mean):
        return jnp.sum(jax.vmap(r.gaussian_kl)(mean, jnp.ones((3, 2))))

    mean = jnp.arange(6.0).reshape(3, 2)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(mean), mean, rtol=1e-6)


def test_deviations_of_any_size():
    sizes = [1e-37, 1e-30, 1.0, 1e10, 1e30]
    std, prior = (a.ravel() for a in np.meshgrid(np.float32(sizes), np.float32(sizes)))
    nothing = np.zeros((len(std), 1), np.float32)
    ratio = std.astype(np.longdouble) / prior
    exact = (ratio**2 - 1 - 2 * np.log(ratio)) / 2
    exact[exact > np.finfo(np.float32).max] = np.inf
    for scale in (std[:, None], std[:, None, None]):
        found = r.relative_gaussian_kl(nothing, scale, nothing, prior[:, None])
        np.testing.assert_allclose(found, exact, rtol=1e-6)
    whole = r.gaussian_kl(np.array([2]), np.array([1]))
    np.testing.assert_allclose(whole, 2.0, rtol=1e-6)
