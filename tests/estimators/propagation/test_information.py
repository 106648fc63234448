"""Sample propagation against quadrature, closed forms and its own standard error."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax.estimators import propagation
from tests.quadrature import information_through_noise, noise_entropy

# I(S; S + Z) in nats for S = +-1 and tanh neurons on {-3, -1, 1, 3}, by quadrature.
TWO_POINTS = {
    0.1: 0.6931471806,
    0.25: 0.6930536455,
    0.5: 0.6327201937,
    1.0: 0.3368308203,
    2.0: 0.1114214822,
}
NEURONS = {(1, 0): 1.1020565353, (2, -4): 0.5729621820, (20, -40): 0.5623351446}
# A sum of some hundred float32 numbers of order one, rounded.
ROUNDING = 1e-6


@pytest.mark.parametrize("std", TWO_POINTS)
def test_two_points_have_the_entropy_ofinformation_through_noise(key, std):
    # At 0.25 the two overlap 4 sigma out, and about 1e-4 of the draws see it: 400,000
    # of each let some 80 do so, enough for the standard error to be one.
    centres = jnp.array([[-1.0], [1.0]])
    estimate = propagation.mixture_entropy(
        key, centres, noise_std=std, num_draws=400_000
    )
    error = float(estimate.value) - noise_entropy(1, std) - TWO_POINTS[std]
    assert abs(error) < 3 * float(estimate.standard_error) + ROUNDING
    assert abs(TWO_POINTS[std] - information_through_noise([-1, 1], std)) < 1e-8


def test_corners_of_a_cube_have_dim_times_the_entropy(key):
    corners = 2.0 * ((np.arange(32)[:, None] >> np.arange(5)[None]) & 1) - 1
    estimate = propagation.mixture_entropy(
        key, corners.astype(np.float32), noise_std=1.0, num_draws=2_000
    )
    error = float(estimate.value) - noise_entropy(5, 1) - 5 * TWO_POINTS[1.0]
    assert abs(error) < 3 * float(estimate.standard_error) + ROUNDING


def _four_points(key, centres, labels, std):
    return propagation.layer_information(
        key,
        centres[:, None],
        labels,
        num_classes=2,
        noise_std=std,
        num_draws=100_000,
    )


@pytest.mark.parametrize(("weight", "bias"), NEURONS)
def test_a_noisy_tanh_neuron_has_its_information(key, weight, bias):
    x = np.array([-3.0, -1.0, 1.0, 3.0])
    centres = np.tanh(weight * x + bias).astype(np.float32)
    layer = _four_points(key, centres, np.array([0, 0, 1, 1]), 0.1)
    truth = NEURONS[weight, bias]
    assert abs(float(layer.i_xt) - truth) < 3 * float(layer.i_xt_error) + ROUNDING
    assert float(layer.i_xt_held_out) == float(layer.i_xt)


def test_information_about_labels_is_a_difference_of_entropies(key):
    centres = np.array([-1.0, 0.1, 0.5, 1.2], np.float32)
    labels = np.array([0, 1, 0, 1])
    truth = information_through_noise(centres, 0.3) - np.mean(
        [information_through_noise(centres[labels == label], 0.3) for label in (0, 1)]
    )
    for given in (labels, np.eye(2, dtype=np.float32)[labels]):
        layer = _four_points(key, centres, given, 0.3)
        assert abs(float(layer.i_ty) - truth) < 3 * float(layer.i_ty_error)
        error = float(layer.i_xt) - information_through_noise(centres, 0.3)
        assert abs(error) < 3 * float(layer.i_xt_error)


def test_soft_labels_are_a_mixture_of_channels(key):
    # p(t|y) is a mixture with the weights p(x|y), whose entropy quadrature gives.
    p_y_given_x = np.array([[0.9, 0.1], [0.3, 0.7], [0.5, 0.5], [1.0, 0.0]])
    centres, std = np.array([-1.0, 0.1, 0.5, 1.2]), 0.3

    def entropy(weights):
        def integrand(t):
            p = weights @ stats.norm.pdf(t, centres, std)
            return -p * np.log(p)

        return integrate.quad(integrand, -4, 4.5, limit=500, points=centres)[0]

    p_y = p_y_given_x.mean(axis=0)
    p_x_given_y = p_y_given_x / p_y_given_x.sum(axis=0)[None]
    truth = entropy(np.full(4, 0.25)) - sum(
        p_y[y] * entropy(p_x_given_y[:, y]) for y in (0, 1)
    )
    layer = _four_points(
        key, centres.astype(np.float32), p_y_given_x.astype(np.float32), std
    )
    assert abs(float(layer.i_ty) - truth) < 3 * float(layer.i_ty_error)


def _random_layer(num_samples, num_replicas, dim):
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(num_samples, 1, dim))
    centres = centres + 0.5 * rng.normal(size=(num_samples, num_replicas, dim))
    return centres.astype(np.float32), rng.integers(0, 3, size=num_samples)


def test_density_ratios_are_those_of_scipy(key):
    """Every term against float64, at more centres than a tile has columns."""
    centres, labels = _random_layer(40, 30, 3)
    num_draws, std = 2, 0.4
    layer = propagation.layer_information(
        key, centres, labels, num_classes=3, noise_std=std, num_draws=num_draws
    )
    # The draws of the one block of rows.
    z = jax.random.normal(jax.random.fold_in(key, 0), (40, num_draws, 3))
    t = centres[:, :num_draws] + std * np.asarray(z, np.float64)
    difference = t[:, :, None, None] - centres.astype(np.float64)[None, None]
    log_ratio = -np.sum(difference**2, axis=-1) / (2 * std**2)
    kernel = np.exp(log_ratio)  # [samples, draws, samples, replicas]
    g = kernel.mean(axis=(2, 3))
    own = kernel[np.arange(40), :, np.arange(40)]
    g_x = own.mean(axis=2)
    without = (own.sum(axis=2) - own[:, [0, 1], [0, 1]]) / 29
    g_y = np.stack(
        [kernel[:, :, labels == labels[n]][n].mean(axis=(1, 2)) for n in range(40)]
    )
    for value, error, ratio in (
        (layer.i_xt, layer.i_xt_error, g_x / g),
        (layer.i_xt_held_out, None, without / g),
        (layer.i_ty, layer.i_ty_error, g_y / g),
    ):
        terms = np.log(ratio)
        # The replica left out needs another close by, so its terms are the largest:
        # exponents up to 50, rounded to 6e-8 of themselves.
        np.testing.assert_allclose(value, terms.mean(), atol=5e-5)
        if error is not None:
            variance = terms.var(axis=1, ddof=1) / num_draws
            expected = np.sqrt(variance.sum()) / 40
            np.testing.assert_allclose(error, expected, rtol=1e-3)


def test_nothing_cancels_far_from_the_origin_and_with_little_noise(key):
    """Pairs 2 sigma apart, 2^20 sigma from the origin: exact in float32."""
    std = 2.0**-10
    offset = 2.0**10
    pair = np.array([[0.0], [2 * std]])
    options = {"noise_std": std, "num_draws": 400_000}
    near = propagation.mixture_entropy(key, pair.astype(np.float32), **options)
    far = propagation.mixture_entropy(
        key, (pair + offset).astype(np.float32), **options
    )
    np.testing.assert_allclose(far.value, near.value, atol=ROUNDING * 10)
    error = float(near.value) - noise_entropy(1, std) - TWO_POINTS[1.0]
    assert abs(error) < 3 * float(near.standard_error) + 10 * ROUNDING


def test_resampled_inputs_cannot_reach_log_n(key):
    # Corners that the noise does not mix: n draws with replacement from n of them give
    # log n - (1/n) sum c log c of their counts c, near log n - E log(1 + Poisson 1).
    # There are more than one tile has columns, by no multiple of them.
    rng = np.random.default_rng(0)
    num_inputs = 1500
    corners = 2.0 * ((np.arange(num_inputs)[:, None] >> np.arange(12)[None]) & 1) - 1
    drawn = rng.integers(0, num_inputs, size=num_inputs)
    counts = np.bincount(drawn)
    counts = counts[counts > 0]
    lost = np.sum(counts * np.log(counts)) / num_inputs
    estimate = propagation.layer_information(
        key,
        corners[drawn].astype(np.float32),
        np.zeros(num_inputs, np.int32),
        num_classes=2,
        noise_std=0.005,
        num_draws=2,
    )
    assert abs(float(estimate.i_xt) - (math.log(num_inputs) - lost)) < 5 * ROUNDING
    assert abs(float(estimate.i_ty)) < 5 * ROUNDING
    repeats = np.arange(40)
    expected = np.sum(stats.poisson.pmf(repeats, 1) * np.log(1 + repeats))
    assert abs(math.log(4096) - expected - 7.7444) < 1e-4
    # 1,500 terms of standard deviation 0.5.
    assert abs(lost - expected) < 4 * 0.5 / math.sqrt(num_inputs)


# T given x is N(x, spread^2 + std^2): the mixture of two wide Gaussians, whose
# information quadrature knows, seen through finitely many replicas.
SPREAD, STD = 0.6, 0.3


def _replicated(keys, num_replicas, num_draws, shift=None):
    def one(key, shift):
        key_replicas, key_draws = jax.random.split(key)
        noise = jax.random.normal(key_replicas, (2, num_replicas, 1))
        centres = jnp.array([-1.0, 1.0])[:, None, None] + SPREAD * noise + shift
        return propagation.layer_information(
            key_draws,
            centres,
            jnp.array([0, 1]),
            num_classes=2,
            noise_std=STD,
            num_draws=num_draws,
        )

    if keys.ndim == 0:
        return one(keys, 0.0)
    return jax.vmap(one)(keys, jnp.zeros(len(keys)) if shift is None else shift)


def test_replicas_enclose_the_truth_and_know_their_error(key):
    truth = information_through_noise([-1.0, 1.0], math.hypot(SPREAD, STD))
    num_repeats, num_replicas = 400, 12
    keys = jax.random.split(key, num_repeats + 1)
    # The last one is not finite.
    shift = jnp.zeros(len(keys)).at[-1].set(jnp.nan)
    layers = _replicated(keys, num_replicas, num_replicas, shift)
    alone = _replicated(keys[0], num_replicas, num_replicas)
    for one, many in zip(alone, layers, strict=True):
        np.testing.assert_allclose(many[0], one, rtol=1e-4)
        assert np.isnan(many[-1])
    layers = jax.tree.map(lambda many: many[:-1], layers)
    for side, values in ((1, layers.i_xt), (-1, layers.i_xt_held_out)):
        # On average one is above and the other below. At so few replicas the bias is
        # more than 4 standard errors of these repeats: a wrong sign would show.
        error = np.std(values, ddof=1) / math.sqrt(num_repeats)
        assert side * (np.mean(values) - truth) > error
    # The error is right to first order: what it neglects of the variance is of relative
    # order 1 / 12, and 400 repeats know a standard deviation to 3.5 % (3 of those).
    spread = np.std(layers.i_xt, ddof=1)
    reported = math.sqrt(np.mean(np.asarray(layers.i_xt_error) ** 2))
    assert abs(spread / reported - 1) < 3 * 0.035 + 1 / 12


@pytest.mark.slow
def test_fewer_draws_than_replicas_have_a_conservative_error(key):
    layers = _replicated(jax.random.split(key, 400), 32, 4)
    reported = math.sqrt(np.mean(np.asarray(layers.i_xt_error) ** 2))
    assert np.std(layers.i_xt, ddof=1) < reported * (1 + 4 * 0.035)


@pytest.mark.slow
def test_standard_error_is_that_of_the_draws(key):
    centres, _ = _random_layer(30, 1, 2)
    estimates = jax.vmap(
        lambda key: propagation.mixture_entropy(
            key, centres[:, 0], noise_std=0.5, num_draws=8
        )
    )(jax.random.split(key, 400))
    reported = math.sqrt(np.mean(np.asarray(estimates.standard_error) ** 2))
    spread = np.std(estimates.value, ddof=1)
    # 400 repeats know a standard deviation to 3.5 %: 4 of those.
    assert abs(spread / reported - 1) < 4 * 0.035


CENTRES = np.zeros((6, 2), np.float32)
LABELS = np.zeros(6, np.int32)


@pytest.mark.parametrize(
    ("error", "message", "centres", "options"),
    [
        (ValueError, r"num_samples, dim.*\(6,\)", CENTRES[:, 0], {}),
        (TypeError, "centres must be floating", CENTRES.astype(int), {}),
        (ValueError, "centres must be finite", CENTRES * np.nan, {}),
        (ValueError, "noise_std must be one positive", CENTRES, {"noise_std": 0.0}),
        (ValueError, "noise_std must be one positive", CENTRES, {"noise_std": np.inf}),
        (ValueError, "noise_std must be", CENTRES, {"noise_std": np.ones(2)}),
        (
            ValueError,
            "num_draws must be a whole number, at least 2",
            CENTRES,
            {"num_draws": 1},
        ),
        (
            ValueError,
            "at most the number of replicas",
            np.zeros((6, 3, 2), np.float32),
            {"num_draws": 4},
        ),
        (ValueError, "labels must have shape", CENTRES[:5], {}),
        (ValueError, "labels must lie", CENTRES, {"labels": LABELS + 2}),
    ],
)
def test_refuses(key, error, message, centres, options):
    options = {"labels": LABELS, "noise_std": 0.1, "num_draws": 2} | options
    with pytest.raises(error, match=message):
        propagation.layer_information(key, centres, num_classes=2, **options)


@pytest.mark.parametrize(
    ("labels", "num_classes"),
    [
        (np.zeros(5, int), 1),
        (np.array([0, 1, 0, 1, 1]), 2),
        (np.array([0, 3, 0, 3, 3]), 5),
        (np.array([[1.0, 0, 0, 0], [0.3, 0.7, 0, 0], *np.eye(4)[[1, 0, 1]]]), 4),
    ],
)
def test_gradients_are_those_of_differences(key, labels, num_classes):
    rng = np.random.default_rng(0)
    centres, direction = rng.normal(size=(2, 5, 2))

    def numbers(centres):
        found = propagation.layer_information(
            key, centres, labels, num_classes=num_classes, noise_std=0.5
        )
        entropy = propagation.mixture_entropy(key, centres, noise_std=0.5)
        return jnp.stack([found.i_xt, found.i_ty, entropy.value])

    with jax.enable_x64(True):
        _, slopes = jax.jvp(numbers, (centres,), (direction,))
        gradients = np.asarray(jax.jacrev(numbers)(centres))
        step = 1e-5  # Whose error is some 1e-10, by its square or the rounding.
        ahead, behind = (
            np.asarray(numbers(centres + s * direction)) for s in (step, -step)
        )
    expected = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(slopes, expected, rtol=1e-6, atol=1e-8)
    products = np.sum(gradients * direction, axis=(1, 2))
    np.testing.assert_allclose(products, expected, rtol=1e-6, atol=1e-8)
