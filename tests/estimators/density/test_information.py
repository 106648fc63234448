"""Kernel densities with fitted bandwidths: against brute force in float64, limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from ibjax.estimators import density

NUM_SAMPLES = 240
# Log densities in float32: roundings of squared distances of up to 10 bandwidths, as
# parts of exponents of up to 50, in a mean.
ABSOLUTE = 2e-5


def _brute(x):
    """Leave-one-out log densities, and both criteria, as functions of the bandwidth."""
    square = np.sum((x[:, None] - x[None]) ** 2, axis=-1)
    num_samples, dim = x.shape

    def log_densities(b):
        exponent = -square / (2 * b**2)
        np.fill_diagonal(exponent, -np.inf)
        norm = np.log(num_samples - 1) + dim / 2 * np.log(2 * np.pi * b**2)
        return logsumexp(exponent, axis=1) - norm

    def likelihood(b):
        return -np.mean(log_densities(b))

    def least_squares(b):
        wide = (4 * np.pi * b**2) ** (-dim / 2)
        integral = np.sum(wide * np.exp(-square / (4 * b**2))) / num_samples**2
        return integral - 2 * np.mean(np.exp(log_densities(b)))

    return log_densities, {"likelihood": likelihood, "least_squares": least_squares}


def _white(x):
    x = np.asarray(x, np.float64)
    values, vectors = np.linalg.eigh(np.cov(x.T).reshape(x.shape[1], -1))
    return (x - x.mean(axis=0)) @ vectors / np.sqrt(values), np.sum(np.log(values))


def _samples(kind, dim=2):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(NUM_SAMPLES, dim))
    if kind == "correlated":
        x = x @ np.array([[1.0, 0.9], [0.0, 0.1]]) * 100 + 50
    elif kind == "heavy tails":
        x = rng.standard_t(2, size=x.shape)
    elif kind == "tight clusters":
        x = np.sign(x) + 1e-3 * rng.normal(size=x.shape)
    return x.astype(np.float32)


@pytest.mark.parametrize("criterion", ["likelihood", "least_squares"])
@pytest.mark.parametrize("kind", ["correlated", "heavy tails", "tight clusters"])
def test_bandwidth_is_best_and_entropy_exact(kind, criterion):
    x = _samples(kind)
    white, log_determinant = _white(x)
    log_densities, criteria = _brute(white)
    estimate = density.entropy(x, bandwidth=criterion)
    found = float(estimate.bandwidth)
    # No other bandwidth, from a 1,000th to four standard deviations, is better than one
    # within 1 % of what was found.
    grid = np.exp(np.linspace(np.log(1e-3), np.log(4), 80))
    cost = criteria[criterion]
    near = min(cost(found * factor) for factor in (0.99, 0.995, 1, 1.005, 1.01))
    assert near <= min(cost(b) for b in grid)
    assert near <= min(cost(found * 0.98), cost(found * 1.02))
    values = log_densities(found)
    expected = -values.mean() + log_determinant / 2
    scale = max(1.0, np.abs(values).mean() / 10)
    assert abs(float(estimate.value) - expected) < ABSOLUTE * scale
    error = values.std(ddof=1) / np.sqrt(NUM_SAMPLES)
    np.testing.assert_allclose(estimate.standard_error, error, rtol=1e-3)


def test_given_bandwidth_and_samples_as_they_are():
    x = _samples("normal")
    for b in (0.01, 0.4, 5.0):
        estimate = density.entropy(x, bandwidth=b, whitened=False)
        exact = x.astype(np.float64)
        expected = -_brute(exact - exact.mean(axis=0))[0](b).mean()
        # Relative, as densities of isolated samples count at any bandwidth.
        np.testing.assert_allclose(estimate.value, expected, rtol=1e-5, atol=ABSOLUTE)
        assert estimate.bandwidth == np.float32(b)


def test_many_components_take_products():
    x = np.random.default_rng(0).normal(size=(NUM_SAMPLES, 60)).astype(np.float32)
    estimate = density.entropy(x, bandwidth=1.0, whitened=False)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(estimate.value, -_brute(exact)[0](1.0).mean(), rtol=1e-5)


@pytest.mark.parametrize("scale, shift", [(1e-6, 0), (1e6, 0), (1, 1000)])
def test_units_and_mean(scale, shift):
    x = _samples("normal")
    moved = (x + np.float32(shift)) * np.float32(scale)
    found = float(density.entropy(moved, bandwidth=0.4).value)
    expected = float(density.entropy(x, bandwidth=0.4).value)
    expected += 2 * np.log(np.float64(np.float32(scale)))
    # Shifted samples are rounded to 6e-5 of a deviation, at random; over the bandwidth
    # that is 1.5e-4 in the mean of 240 samples, to first order.
    assert abs(found - expected) < (ABSOLUTE if shift == 0 else 5e-5)


def _gaussians():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, NUM_SAMPLES, 1))
    return x.astype(np.float32), (0.8 * x + 0.6 * noise).astype(np.float32)


def test_information_is_that_of_the_terms():
    x, y = _gaussians()
    b = 0.4
    estimate = density.mutual_information(x, y, bandwidth=b)
    terms = 0.0
    parts = {-1: (x, y), 1: (np.concatenate([x, y], axis=1),)}
    for sign, part in ((sign, part) for sign, list_ in parts.items() for part in list_):
        white, log_determinant = _white(part)
        terms += sign * (_brute(white)[0](b) - log_determinant / 2)
    assert abs(float(estimate.value) - terms.mean()) < 3 * ABSOLUTE
    error = terms.std(ddof=1) / np.sqrt(NUM_SAMPLES)
    np.testing.assert_allclose(estimate.standard_error, error, rtol=1e-3)
    np.testing.assert_array_equal(estimate.bandwidth, np.full(3, b, np.float32))


@pytest.mark.slow
def test_information_of_gaussians():
    x, y = _gaussians()
    estimate = density.mutual_information(x, y)
    shared = density.mutual_information(x, y, shared_bandwidth=True)
    assert np.all(shared.bandwidth == estimate.bandwidth[2])
    for found in (estimate, shared):
        # The truth is log(1 / 0.6). The bias, of the order of d / (n b^d) for joint
        # densities of 240 samples at b = 0.5, is below 0.05; the rest is chance.
        assert abs(found.value + np.log(0.6)) < 3 * found.standard_error + 0.05


def test_class_information_is_that_of_the_classes():
    x = _samples("normal")
    labels = np.where(x[:, 0] > 0.5, 2, 0)
    estimate = density.class_information(x, labels, num_classes=3)
    assert np.isnan(estimate.bandwidth[2])  # Of class 1, which has no samples.
    fixed = density.class_information(x, labels, num_classes=3, bandwidth=0.4)
    np.testing.assert_allclose(fixed.bandwidth, [0.4, 0.4, np.nan, 0.4], rtol=1e-6)
    expected = 0.0
    for label, b in ((None, 0), (0, 1), (2, 3)):
        part = x if label is None else x[labels == label]
        white, log_determinant = _white(part)
        log_densities, criteria = _brute(white)
        found = float(estimate.bandwidth[b])
        grid = np.exp(np.linspace(np.log(0.05), np.log(2), 30))
        assert (
            min(criteria["likelihood"](b) for b in grid)
            >= criteria["likelihood"](found) - 1e-4
        )  # Within 1 % of the best the criterion is flat to this.
        entropy = -log_densities(found).mean() + log_determinant / 2
        expected += entropy if label is None else -len(part) / len(x) * entropy
    assert abs(float(estimate.value) - expected) < 3 * ABSOLUTE


def test_batch_with_degenerate_members():
    x = _samples("normal")
    copies = np.tile(x[: NUM_SAMPLES // 2], (2, 1))
    constant = x * np.array([1, 0], np.float32)
    broken = np.where(np.arange(NUM_SAMPLES)[:, None] == 3, np.float32(np.nan), x)
    batch = np.stack([x, _samples("heavy tails"), copies, constant, broken])
    found = jax.jit(jax.vmap(density.entropy))(batch)
    assert np.all(np.isnan(found.value[2:]))
    for one in (0, 1):
        expected = density.entropy(batch[one])
        # The search of the one goes on until that of the other is done.
        np.testing.assert_allclose(found.bandwidth[one], expected.bandwidth, rtol=1e-5)
        np.testing.assert_allclose(found.value[one], expected.value, rtol=1e-5)


def test_bad_input():
    x = _samples("normal")
    labels = np.zeros(NUM_SAMPLES, int)
    with pytest.raises(ValueError, match=r"x must vary in all 2 directions.* got 1"):
        density.entropy(x * np.array([1, 0], np.float32))
    with pytest.raises(ValueError, match="too many exact copies"):
        density.entropy(np.tile(x[: NUM_SAMPLES // 2], (2, 1)))
    with pytest.raises(ValueError, match="x and y together must vary"):
        density.mutual_information(x[:, :1], x[:, :1])
    with pytest.raises(ValueError, match="as many samples, got 240 and 239"):
        density.mutual_information(x, x[1:])
    with pytest.raises(ValueError, match="bandwidth must be one of .* or a positive"):
        density.entropy(x, bandwidth="silverman")
    with pytest.raises(ValueError, match="bandwidth must be one positive number"):
        density.entropy(x, bandwidth=0.0)
    with pytest.raises(ValueError, match="criterion must be one of"):
        density.bandwidth(x, criterion="silverman")
    with pytest.raises(TypeError, match="x must be floating"):
        density.entropy(labels[:, None])
    with pytest.raises(TypeError, match="labels must be integers"):
        density.class_information(x, x, num_classes=2)
    labels[0] = 1
    with pytest.raises(ValueError, match="x in class 1, of 1 samples, must vary"):
        density.class_information(x, jnp.asarray(labels), num_classes=3)


def test_distinct_rows_are_of_samples_and_their_groups():
    x = np.array([[1.0], [1.0], [2.0]], np.float32)
    found = density.distinct_rows(x, np.array([0, 0, 0]))
    assert found[0] == found[1] != found[2]
    near = np.float64([[0.0], [-0.0], [1e-9], [1 + 2**-40], [1 + 2**-41], [1e9]])
    with jax.enable_x64(True):
        found = np.asarray(density.distinct_rows(near, np.zeros(6, int)))
    assert found[0] == found[1] and len(set(found)) == 5
    with pytest.raises(ValueError, match=r"groups must have shape \[3\] to match x"):
        density.distinct_rows(x, np.array([0, 0]))
    with pytest.raises(ValueError, match="x must have shape"):
        density.distinct_rows(None, np.array([0, 0, 0]))


@pytest.mark.parametrize("option", ["whitened", "shared_bandwidth"])
def test_choices_are_true_or_false(option):
    x = np.random.default_rng(0).normal(size=(20, 1))
    of = (x,) if option == "whitened" else (x, x[::-1])
    estimate = density.entropy if option == "whitened" else density.mutual_information
    with pytest.raises(TypeError, match=f"{option} must be True or False, got 'yes'"):
        estimate(*of, **{option: "yes"})
