"""Truths of variables with atoms, against SciPy's quadrature, sums and symmetry."""

import math

import jax
import numpy as np
import pytest
from scipy import integrate, stats

from ibjax.datasets import known_information as known

# Quadrature in float64: SciPy's promises 1.5e-8 for every one of a few integrals.
QUADRATURE = 1e-7
NORMAL = stats.norm


def _log(ratio):
    return math.log(ratio) if ratio > 0 else 0.0


def test_relu_of_a_normal_pair():
    rho = 0.8
    noise = math.sqrt(1 - rho**2)
    both = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    corner = both.cdf([0, 0])
    value = corner * math.log(corner / 0.25)

    def edge(x):
        below = NORMAL.cdf(-rho * x / noise)
        return NORMAL.pdf(x) * below * _log(below / 0.5)

    def inside(y, x):
        density, product = both.pdf([x, y]), NORMAL.pdf(x) * NORMAL.pdf(y)
        return density * _log(density / product)

    value += 2 * integrate.quad(edge, 0, 9)[0]
    value += integrate.dblquad(inside, 0, 7, 0, 7, epsabs=1e-8)[0]
    found = known.clipped_normal(rho).mutual_information
    # Beyond seven deviations lies a part of 1e-12.
    assert abs(found - value) < QUADRATURE


@pytest.mark.parametrize(("low", "high"), [(0.0, math.inf), (-0.5, 0.5)])
def test_a_clipped_variable_of_two_classes(low, high):
    def term(p, q):
        mean = max((p + q) / 2, 1e-300)
        return (p * _log(p / mean) + q * _log(q / mean)) / 2

    value = term(NORMAL.cdf(low + 1), NORMAL.cdf(low - 1))
    value += term(NORMAL.sf(high + 1), NORMAL.sf(high - 1))
    value += integrate.quad(
        lambda x: term(NORMAL.pdf(x + 1), NORMAL.pdf(x - 1)), low, min(high, 12)
    )[0]
    found = known.clipped_classes(1.0, low, high).mutual_information
    assert abs(found - value) < QUADRATURE


def test_rounding_loses_little_and_less_with_smaller_steps():
    exact = -0.5 * math.log(1 - 0.8**2)
    values = [known.rounded_normal(0.8, s).mutual_information for s in (0.4, 0.2, 0.1)]
    losses = exact - np.asarray(values)
    assert np.all(losses > 0)
    # Rounding adds a variance of step^2 / 12: the loss goes with the square.
    np.testing.assert_allclose(losses[:-1] / losses[1:], 4, rtol=0.1)


def test_counts_against_sums_in_other_words():
    # X and Y given C: the table built up by adding one count of C after another.
    counts = np.arange(40)
    own = stats.poisson.pmf(counts, 1.0)
    joint = np.zeros((40, 40))
    for c in counts:
        shifted = np.concatenate([np.zeros(c), own[: 40 - c]])
        joint += stats.poisson.pmf(c, 2.0) * np.outer(shifted, shifted)
    margin = stats.poisson.pmf(counts, 3.0)
    value = np.sum(joint * np.log(joint / np.outer(margin, margin)))
    found = known.poisson_sum(2.0, 1.0).mutual_information
    assert abs(found - value) < 1e-9
    found = known.poisson_classes((2.0, 6.0)).mutual_information
    p, q = (stats.poisson.pmf(counts, rate) for rate in (2.0, 6.0))
    value = stats.entropy((p + q) / 2) - (stats.entropy(p) + stats.entropy(q)) / 2
    assert abs(found - value) < 1e-9


def test_a_poisson_variable_of_exponential_rate():
    # 2 log 2 - gamma - sum log k / 2^k (Gao et al., 2017).
    k = np.arange(1, 200)
    value = 2 * math.log(2) - np.euler_gamma - np.sum(np.log(k) / 2.0**k)
    assert abs(known.zero_inflated_poisson(0.0).mutual_information - value) < 1e-9
    # A zero that is no count tells less than one that is.
    inflated = known.zero_inflated_poisson(0.3).mutual_information
    assert inflated < 0.7 * value


@pytest.mark.parametrize("task", known.mixed_tasks(), ids=lambda task: task.name)
def test_samples_have_shapes_kinds_and_atoms(task):
    x, y = map(np.asarray, task.sample(jax.random.key(1), 4000))
    assert x.shape == y.shape == (4000, 1)
    assert x.dtype == np.float32
    has_classes = "classes" in task.name
    assert y.dtype == (np.int32 if has_classes else np.float32)
    repeats = [len(np.unique(v)) < 0.95 * len(v) for v in (x, y)]
    assert any(repeats)
    # What quadrature rounds to where the variables are independent is zero.
    assert task.mutual_information == 0 or task.mutual_information > 0.1
    if has_classes:
        # 4,000 fair coins: 4 standard deviations of their mean.
        assert abs(np.mean(y) - 0.5) < 4 * 0.5 / math.sqrt(4000)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: known.zero_inflated_normal(1.0, 0.0), r"zeros must lie in \[0, 1\)"),
        (lambda: known.zero_inflated_poisson(-0.1), r"zeros must lie in \[0, 1\)"),
        (lambda: known.clipped_normal(1.0), r"correlation must lie in \(-1, 1\)"),
        (lambda: known.clipped_normal(0.0, 1.0, 1.0), "low must be below high"),
        (lambda: known.rounded_normal(0.0, 0.0), "step must be one positive"),
        (lambda: known.poisson_sum(0.0, 1.0), "shared must be one positive"),
        (lambda: known.poisson_classes((1.0, 0.0)), "rates must be one positive"),
        (
            lambda: known.uniform_steps(0),
            "num_steps must be a whole number",
        ),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: known.clipped_normal(0.5, low="text"), "low must be one number"),
        (lambda: known.clipped_classes(None), "shift must lie in"),
        (lambda: known.rounded_classes(1.0, 1e-30), "step must lie in"),
        (lambda: known.poisson_sum(1e30, 1.0), "shared must lie in"),
        (lambda: known.poisson_classes(["a", "b"]), "rates must hold numbers"),
    ],
)
def test_what_has_no_table_is_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
