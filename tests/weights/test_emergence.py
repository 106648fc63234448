"""Flat minima, invariance of layers, and noise in activities."""

import jax
import numpy as np
import pytest
from scipy import optimize

from ibjax import weights

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def test_the_noise_at_a_minimum_is_the_best():
    w, h, beta = RNG.normal(size=5), RNG.uniform(0.1, 3, 5), 0.02
    found = weights.flat_minimum(w, h, beta=beta)

    def lagrangian(log_alphas):
        cost = h * w**2 * np.exp(log_alphas) - beta * log_alphas
        return np.sum(cost, axis=-1) / 2

    logs = np.log(found.alphas)
    numeric = optimize.minimize(lagrangian, np.zeros(5), tol=1e-12)
    np.testing.assert_allclose(numeric.x, logs, atol=1e-4)
    others = logs + 10.0 ** RNG.uniform(-3, 0, (500, 1)) * RNG.normal(size=(500, 5))
    assert np.all(lagrangian(others) > lagrangian(logs))
    np.testing.assert_allclose(found.information, -logs.sum() / 2, rtol=1e-14)


def test_flatness_bounds_the_information():
    for _ in range(50):
        w, h = RNG.normal(size=30), RNG.exponential(size=30) ** 2
        found = weights.flat_minimum(w, h, beta=1e-3)
        bound = weights.flat_minimum_bound(w, h.sum(), beta=1e-3)
        assert found.information < bound
        # As printed, to be read with all terms inside the bracket.
        k = len(w)
        printed = k / 2 * np.log(np.sum(w**2) * h.sum() / (k**2 * 1e-3))
        np.testing.assert_allclose(bound, printed, rtol=1e-12)


def test_the_bound_is_reached_where_all_weights_are_alike():
    w, h = np.where(np.arange(30) % 2, 1.0, -1.0), np.ones(30)
    expected = 15 * np.log(1e4)
    np.testing.assert_allclose(expected, 138.1551, atol=5e-5)
    found = weights.flat_minimum(w, h, beta=1e-4).information
    bound = weights.flat_minimum_bound(w, 30.0, beta=1e-4)
    np.testing.assert_allclose([found, bound], expected, rtol=1e-14)


def _layer():
    """Weights and inputs of mean zero that are not correlated at all."""
    corners = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 3), axis=-1).reshape(-1, 3)
    scales = np.repeat([0.3, 1.0, 2.5], len(corners))[:, None]
    x = np.tile(corners, (3, 1)) * scales * np.array([1.0, 2.0, 0.5])
    return RNG.normal(size=(4, 3)), x


def test_a_layers_constant_does_not_depend_on_the_noise():
    w, x = _layer()
    squares, mean = x**2 @ w.T**2, np.mean(x**2, axis=0) @ w.T**2
    constant = -np.sum(np.mean(np.log(squares / mean), axis=0)) / 2
    assert 0.05 < constant / 4 < 1
    for alpha in (0.01, 0.1, 1.0, 3.0):
        total = weights.layer_information_plus_total_correlation(w, x, alpha=alpha)
        found = total - 4 * weights.unit_information(alpha)
        np.testing.assert_allclose(found, constant, rtol=1e-12)


def test_a_layer_with_correlated_inputs_is_its_entropies():
    w, x = (
        RNG.normal(size=(4, 3)),
        RNG.normal(size=(50, 3)) @ RNG.normal(size=(3, 3)) + 1,
    )
    alpha = 0.4
    # Total variance of z over noise and inputs, and that of the noise at an input.
    eps = RNG.normal(-alpha / 2, np.sqrt(alpha), (4000, 4, 3))
    z = np.einsum("nij,sj->nsi", np.exp(eps) * w, x)
    drawn = (np.log(z.var(axis=(0, 1))).sum() - np.log(z.var(axis=0)).sum(1).mean()) / 2
    found = weights.layer_information_plus_total_correlation(w, x, alpha=alpha)
    # Variances from 4000 draws of log-normal noise, of kurtosis below 10, in 50
    # logarithms that share their draws.
    np.testing.assert_allclose(found, drawn, atol=4 * np.sqrt(10 / 4000) * 4 / 2)
    cov = np.cov(x.T, ddof=0)
    noise = np.expm1(alpha) * x**2 @ w.T**2
    exact = np.log(np.diag(w @ cov @ w.T) + noise.mean(0)) - np.log(noise).mean(0)
    np.testing.assert_allclose(found, exact.sum() / 2, rtol=1e-12)


@pytest.mark.parametrize("alpha", [1e-6, 0.4, 20.0, 88.0, 100.0, 1000.0])
def test_much_noise_leaves_the_constant(alpha):
    w, x = RNG.normal(size=(2, 3)), RNG.normal(size=(20, 3)) + 1
    squares = x**2 @ w.T**2
    ratio = np.diag(w @ np.cov(x.T, ddof=0) @ w.T) / squares.mean(0)
    # exp(-alpha) is zero where the exponential itself is no float.
    of_signal = np.log1p(ratio * np.exp(-alpha) / -np.expm1(-alpha))
    exact = np.sum(of_signal + np.log(squares.mean(0)) - np.log(squares).mean(0)) / 2
    with jax.enable_x64(False):
        found = weights.layer_information_plus_total_correlation(w, x, alpha=alpha)
    # Logarithms of up to 14, of a few dozen roundings.
    np.testing.assert_allclose(found, exact, rtol=0, atol=30 * 14 * 2.0**-23)


@pytest.mark.parametrize("alpha", [0.1, 100.0])
def test_a_unit_without_weights_has_infinite_information(alpha):
    x = RNG.normal(size=(20, 2))
    total = weights.layer_information_plus_total_correlation
    assert total([[0.0, 0.0], [1.0, 2.0]], x, alpha=alpha) == np.inf
    # So has one that a single input gives nothing.
    x[0] = 0
    assert total([[1.0, 2.0]], x, alpha=alpha) == np.inf


def test_noise_and_information_invert_each_other():
    alphas = np.full(7, 0.23)
    information = weights.log_normal_information(alphas)
    found = weights.noise_of_information(information, 7)
    np.testing.assert_allclose(found, 0.23, rtol=1e-14)


def test_unit_information_of_little_and_of_much_noise():
    alphas = np.array([1e-12, 50.0])
    expected = [-np.log(1e-12) / 2, np.exp(-50.0) / 2]
    found = weights.unit_information(alphas)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=2**-52)


def test_the_chain_bound_is_its_narrowest_layer():
    alphas, widths = np.array([0.1, 0.5, 2.0]), np.array([100, 10, 12])
    each = widths * (1 - np.log1p(-np.exp(-alphas)) / 2)
    np.testing.assert_allclose(weights.chain_bound(alphas, widths), each.min())
    # Gaussian inputs: the constant that the one stands for is at most 0.64.
    x = RNG.normal(size=(100_000, 2))
    for w in ([[1.0, 0.0]], [[1.0, 0.3]], [[1.0, 1.0]]):
        total = weights.layer_information_plus_total_correlation(
            np.array(w) + 1e-9, x, alpha=0.5
        )
        assert 0 < total - weights.unit_information(0.5) < 0.66


def _noisy_layer():
    g, j = RNG.normal(size=(3, 2)), RNG.normal(size=(3, 5))
    root = RNG.normal(size=(5, 5))
    return g, j, root @ root.T + 0.1 * np.eye(5)


def test_the_precision_is_that_of_drawn_noise():
    g, j, fisher = _noisy_layer()
    found = weights.activation_precision(g, j, fisher, beta=0.3)
    noise = RNG.multivariate_normal(np.zeros(5), 0.3 * np.linalg.inv(fisher), 200_000)
    drawn = g.T @ np.linalg.inv(np.cov(j @ noise.T)) @ g
    # A covariance from 200,000 draws is known to sqrt(2 / 200,000) of itself.
    np.testing.assert_allclose(found, drawn, atol=4 * np.sqrt(1e-5) * np.trace(found))


def test_the_precision_does_not_depend_on_the_parametrisation():
    g, j, fisher = _noisy_layer()
    change = RNG.normal(size=(5, 5))
    back = np.linalg.inv(change)
    moved = weights.activation_precision(g, j @ back, back.T @ fisher @ back, beta=0.3)
    found = weights.activation_precision(g, j, fisher, beta=0.3)
    np.testing.assert_allclose(moved, found, rtol=1e-9)
    # As printed, with F itself, it would.
    printed = [g.T @ j @ f @ j.T @ g for j, f in ((j, fisher), (j @ back, fisher))]
    assert not np.allclose(*printed, rtol=0.1)
    diagonal = weights.activation_precision(g, j, np.diag(fisher), beta=0.3)
    full = weights.activation_precision(g, j, np.diag(np.diag(fisher)), beta=0.3)
    np.testing.assert_allclose(diagonal, full, rtol=1e-12)


def test_effective_information_is_entropy_less_that_of_the_noise():
    # z = x + noise of variance beta / f for every input.
    f, beta, dim = 40.0, 0.2, 3
    eye = np.eye(dim)
    one = weights.activation_precision(eye, eye, f * np.ones(dim), beta=beta)
    found = weights.effective_information(np.stack([one, one]), input_entropy=1.5)
    noise = dim / 2 * np.log(2 * np.pi * np.e * beta / f)
    np.testing.assert_allclose(found, 1.5 - noise, rtol=1e-12)
    lost = weights.activation_precision(eye[:2], eye[:2], f * np.ones(dim), beta=beta)
    assert weights.effective_information(lost[None], input_entropy=1.5) == -np.inf
    total = weights.layer_information_plus_total_correlation
    rows = np.array([[1, 1], [1, -1], [3, 1]])
    np.testing.assert_array_equal(
        total([[2, 3]], rows, alpha=0.1), total([[2.0, 3.0]], rows / 1, alpha=0.1)
    )
    whole = weights.effective_information(np.array([[[3]]]), input_entropy=1.5)
    assert whole == weights.effective_information([[[3.0]]], input_entropy=1.5)


def test_bad_arguments_are_refused():
    cases = [
        (weights.flat_minimum, ([1.0], [1.0, 2.0]), {"beta": 1.0}, "one shape"),
        (weights.flat_minimum, ([np.nan], [1.0]), {"beta": 1.0}, "weights must be fin"),
        (weights.flat_minimum, ([1.0], [1.0]), {"beta": 0.0}, "beta must be one pos"),
        (weights.flat_minimum_bound, ([1.0], 0.0), {"beta": 1.0}, "hessian_trace must"),
        (weights.noise_of_information, (1.0, 0), {}, "num_weights must be a whole"),
        (weights.chain_bound, ([0.1], [3, 4]), {}, "alphas and widths must have one"),
        (
            weights.layer_information_plus_total_correlation,
            (np.ones((2, 3)), np.ones((4, 2))),
            {"alpha": 0.1},
            r"x must have shape \[num_samples, 3\] to match weights",
        ),
        (
            weights.activation_precision,
            (np.ones((2, 2)), np.ones((3, 2)), np.ones(2)),
            {"beta": 1.0},
            r"weight_jacobian must have shape \[2, num_weights\]",
        ),
        (
            weights.effective_information,
            (np.ones((2, 3, 2)),),
            {"input_entropy": 0.0},
            r"precisions must have shape \[num_samples, 2, 2\]",
        ),
    ]
    for function, args, kwargs, message in cases:
        with pytest.raises(ValueError, match=message):
            function(*args, **kwargs)


def test_weights_whose_squares_are_out_of_range():
    w, x = RNG.normal(size=(2, 3)), RNG.normal(size=(20, 3))
    with jax.enable_x64(False):
        near, far = (
            weights.layer_information_plus_total_correlation(w * a, x / a, alpha=0.1)
            for a in (1.0, 1e-30)
        )
        # Of the same ratios; both are rounded.
        np.testing.assert_allclose(far, near, rtol=1e-6)
        bound = weights.flat_minimum_bound(np.full(4, 1e-30), 4.0, beta=1.0)
        np.testing.assert_allclose(bound, 2 * np.log(1e-60), rtol=1e-6)
