"""Information of a code against quadrature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators import kde
from ibjax.representations import (
    Posterior,
    code_information,
    code_information_bounds,
)
from tests.quadrature import information_through_noise

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
MEANS = RNG.normal(size=(300, 1))
LABELS = jnp.asarray((MEANS[:, 0] > 0.3).astype(int))


@pytest.mark.parametrize("std", [0.05, 0.5])
def test_one_dimension_by_quadrature(std):
    posterior = Posterior(jnp.asarray(MEANS), jnp.full((300, 1), std))
    found = code_information(KEY, posterior, LABELS, num_classes=2)
    expected = information_through_noise(MEANS[:, 0], std)
    assert abs(found.i_xz - expected) < 4 * found.i_xz_error
    # I(Z;Y) = I(X;Z) - I(X;Z|Y).
    within = [
        np.mean(LABELS == y) * information_through_noise(MEANS[LABELS == y, 0], std)
        for y in (0, 1)
    ]
    assert abs(found.i_zy - (expected - sum(within))) < 4 * found.i_zy_error
    assert found.i_xz_error < 0.1 and found.i_zy_error < 0.1


def test_deviations_of_their_own_and_full_covariances():
    mean = jnp.asarray(RNG.normal(size=(300, 2)))
    stds = jnp.asarray(np.exp(RNG.normal(size=(300, 2)) - 1))
    factors = stds[..., None] * jnp.eye(2)[None]
    diagonal, full = (
        code_information(KEY, Posterior(mean, scale), LABELS, num_classes=2)
        for scale in (stds, factors)
    )
    np.testing.assert_allclose(full, diagonal, atol=1e-5)
    # By its definition, in float64.
    z = np.asarray(Posterior(mean, stds).sample(KEY), np.float64)
    m, s = np.asarray(mean, np.float64), np.asarray(stds, np.float64)
    logs = -(((z[:, None] - m[None]) / s[None]) ** 2).sum(-1) / 2 - np.log(s).sum(1)
    densities = np.exp(logs - np.diag(logs)[:, None])
    np.testing.assert_allclose(
        diagonal.i_xz, -np.log(densities.mean(1)).mean(), rtol=1e-4
    )


def test_bounds_of_one_covariance_are_those_of_a_layer_with_noise():
    mean = jnp.asarray(RNG.normal(size=(300, 3)), jnp.float32)
    posterior = Posterior(mean, jnp.full(mean.shape, 0.5))
    found = code_information_bounds(posterior, LABELS, num_classes=2)
    lower, upper = kde.layer_information(
        mean, LABELS, num_classes=2, noise_variance=0.25
    )
    expected = [lower.i_xt, upper.i_xt, lower.i_ty, upper.i_ty]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def _distances(mean, covariance):
    """KL and Bhattacharyya of all pairs, by their definitions in float64."""
    kl, near = np.zeros((2, len(mean), len(mean)))
    for i, j in np.ndindex(kl.shape):
        shift, own, other = mean[i] - mean[j], covariance[i], covariance[j]
        middle = (own + other) / 2
        logs = [np.linalg.slogdet(c)[1] for c in (own, other, middle)]
        inverse = np.linalg.inv(other)
        kl[i, j] = np.trace(inverse @ own) + shift @ inverse @ shift - len(shift)
        kl[i, j] = (kl[i, j] + logs[1] - logs[0]) / 2
        near[i, j] = shift @ np.linalg.inv(middle) @ shift / 8
        near[i, j] += (logs[2] - (logs[0] + logs[1]) / 2) / 2
    return kl, near


@pytest.mark.parametrize("is_full", [False, True])
def test_bounds_by_their_definition_enclose_the_information(is_full):
    rng = np.random.default_rng(1)
    mean, stds = rng.normal(size=(60, 2)), np.exp(rng.normal(size=(60, 2)) - 1)
    factors = stds[:, :, None] * np.eye(2)
    if is_full:
        factors[:, 1, 0] = rng.normal(size=60) / 2
    scale = factors if is_full else stds
    posterior = Posterior(jnp.float32(mean), jnp.float32(scale))
    labels = jnp.asarray((mean[:, 0] > 0.3).astype(int))
    found = code_information_bounds(posterior, labels, num_classes=2)
    bounds, same = [], np.equal.outer(labels, labels)
    for distances in _distances(mean, factors @ factors.transpose(0, 2, 1))[::-1]:
        near = np.exp(-distances)
        bounds.append(-np.log(near.mean(1)).mean())
        within = -np.log((near * same).sum(1) / same.sum(1)).mean()
        bounds.append(bounds[-1] - within)
    lower, lower_zy, upper, upper_zy = bounds
    # Of float32, whose ratios of deviations reach 1e2 and are squared.
    np.testing.assert_allclose(found, [lower, upper, lower_zy, upper_zy], rtol=1e-3)
    drawn = code_information(KEY, posterior, labels, num_classes=2)
    error = 4 * drawn.i_xz_error
    assert found.i_xz_lower - error < drawn.i_xz < found.i_xz_upper + error


def test_bounds_of_deviations_over_many_decades():
    rng = np.random.default_rng(2)
    mean, factors = rng.normal(size=(80, 2)), np.zeros((80, 2, 2))
    factors[:, 0, 0] = 10 ** rng.uniform(-2, 2, 80)
    factors[:, 1, 1] = 10 ** rng.uniform(-4, 0, 80)
    factors[:, 1, 0] = rng.normal(size=80)
    posterior = Posterior(jnp.float32(mean), jnp.float32(factors))
    labels = jnp.arange(80) % 2
    found = code_information_bounds(posterior, labels, num_classes=2)
    kl, near = _distances(mean, factors @ factors.transpose(0, 2, 1))
    for bound, distances in ((found.i_xz_lower, near), (found.i_xz_upper, kl)):
        np.testing.assert_allclose(
            bound, -np.log(np.exp(-distances).mean(1)).mean(), rtol=1e-3
        )
    # Of what is no number nothing is known, be it the only one.
    alone = Posterior(jnp.full((1, 2), jnp.nan), jnp.ones((1, 2)))
    bounds = code_information_bounds(alone, jnp.zeros(1, int), num_classes=2)
    assert np.isnan(bounds.i_xz_lower) and np.isnan(bounds.i_xz_upper)


def test_codes_apart_tell_inputs_and_labels():
    posterior = Posterior(1e3 * jnp.asarray(MEANS), jnp.full((300, 1), 1e-4))
    found = code_information(KEY, posterior, LABELS, num_classes=2)
    share = float(LABELS.mean())
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    # Means of 300 numbers of float32.
    np.testing.assert_allclose(found.i_xz, np.log(300), rtol=1e-5)
    np.testing.assert_allclose(found.i_zy, entropy, rtol=1e-5)


def test_refusals():
    posterior = Posterior(jnp.zeros((3, 1)), jnp.ones((3, 1)))
    with pytest.raises(ValueError, match="labels must have shape"):
        code_information(KEY, posterior, jnp.zeros(2, int), num_classes=2)
    with pytest.raises(ValueError, match="labels must lie in"):
        code_information(KEY, posterior, jnp.array([0, 1, 2]), num_classes=2)
    with pytest.raises(ValueError, match="labels must have shape"):
        code_information_bounds(posterior, jnp.zeros(2, int), num_classes=2)
    with pytest.raises(TypeError, match="labels must be integers"):
        code_information(KEY, posterior, jnp.zeros(3), num_classes=2)


def test_labels_of_few_bits_are_as_any_others():
    posterior = Posterior(10 * jnp.eye(3, 2), jnp.ones((3, 2)))
    labels = np.array([0, 0, 1])
    narrow, wide = (
        code_information(KEY, posterior, labels.astype(dtype), num_classes=257)
        for dtype in (np.uint8, np.int32)
    )
    np.testing.assert_array_equal(narrow, wide)
