"""The binary divergence and its inverse: exact decimals, scipy, differences."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from scipy import optimize, stats

from ibjax.weights import pac_bayes

RNG = np.random.default_rng(0)


def _exact_kl(q, p):
    """The divergence of two float64 numbers, to 60 digits."""
    with localcontext() as context:
        context.prec = 60
        q, p = Decimal(float(q)), Decimal(float(p))
        pairs = ((q, p), (1 - q, 1 - p))
        return sum(a * (a / b).ln() for a, b in pairs if a > 0)


def _hard_pairs():
    """Probabilities near zero, near one, and near each other."""
    q = np.concatenate([RNG.uniform(size=40), 10.0 ** RNG.uniform(-12, -1, 40)])
    q = np.concatenate([q, 1 - q])
    near = np.clip(q * (1 + 10.0 ** RNG.uniform(-9, -1, len(q))), 0, 1 - 1e-16)
    return [(q, near), (q, RNG.uniform(size=len(q))), (near, q)]


def test_the_divergence_is_that_of_scipy_and_of_decimals():
    for q, p in _hard_pairs():
        found = pac_bayes.binary_kl(q, p)
        exact = np.array([float(_exact_kl(*pair)) for pair in zip(q, p, strict=True)])
        # Eight units in the last place of the larger term, which is below |q - p| log.
        terms = np.abs(q * np.log(q / p)) + np.abs((1 - q) * np.log((1 - q) / (1 - p)))
        assert np.all(np.abs(found - exact) <= 8 * 2**-52 * terms + 1e-300)
        both = np.stack([q, 1 - q]), np.stack([p, 1 - p])
        np.testing.assert_allclose(found, stats.entropy(*both), atol=1e-13)


def test_the_divergence_at_the_ends():
    q, p = [0, 1, 0, 1, 0, 1, 0.5], [0, 1, 1, 0, 0.5, 0.5, 1]
    expected = [0, 0, np.inf, np.inf, np.log(2), np.log(2), np.inf]
    np.testing.assert_allclose(pac_bayes.binary_kl(q, p), expected, rtol=1e-15)
    assert pac_bayes.binary_kl(0.3, 0.3) == 0


@pytest.mark.parametrize("error", [0.0, 1e-9, 0.028, 0.5, 0.93])
def test_the_inverse_is_scipys_root(error):
    for bound in [1e-6, 1e-3, 0.08, 0.7, 3.0]:
        found = pac_bayes.kl_inverse(error, bound)
        if found < 1 - 1e-12:
            root = optimize.brentq(
                lambda p, b=bound: pac_bayes.binary_kl(error, p) - b,
                max(error, 1e-300),
                1 - 1e-16,
                xtol=1e-14,
            )
            np.testing.assert_allclose(found, root, rtol=0, atol=1e-8)
            np.testing.assert_allclose(
                pac_bayes.binary_kl(error, found), bound, rtol=1e-8
            )


def test_the_inverse_is_never_below_the_exact_root():
    errors = np.concatenate([[0.0], 10.0 ** RNG.uniform(-10, -0.01, 60)])
    bounds = 10.0 ** RNG.uniform(-12, 1, 61)
    found = pac_bayes.kl_inverse(errors, bounds)
    assert found.shape == (61,)
    for error, bound, risk in zip(errors, bounds, found, strict=True):
        assert risk == 1 or _exact_kl(error, risk) >= Decimal(float(bound))
    # Nor is it far above: as far as the rounding of both terms moves the root.
    inside = found < 1
    error, bound, risk = errors[inside], bounds[inside], found[inside]
    terms = 2 * np.maximum(
        risk - error, error * np.log(risk / np.maximum(error, 1e-99))
    )
    moved = 16 * 2**-52 * terms / (pac_bayes.binary_kl(error, risk) / (risk - error))
    below = np.maximum(risk - moved - 2**-52, error)
    assert np.all(pac_bayes.binary_kl(error, below) <= bound * (1 + 1e-12))


def test_closed_forms_of_the_inverse():
    bounds = np.array([0.0, 1e-10, 0.1, 2.0, 30.0])
    found = pac_bayes.kl_inverse(0.0, bounds)
    np.testing.assert_allclose(found, -np.expm1(-bounds), rtol=1e-14)
    np.testing.assert_array_equal(pac_bayes.kl_inverse(1.0, bounds), np.ones(5))
    np.testing.assert_array_equal(pac_bayes.kl_inverse([0.2, 0.7], 0.0), [0.2, 0.7])
    np.testing.assert_array_equal(pac_bayes.kl_inverse([0.2, 0.7], np.inf), [1.0, 1.0])
    assert isinstance(pac_bayes.kl_inverse(0.1, 0.1), np.float64)


def test_the_gradient_is_that_of_differences():
    error, bound = np.meshgrid([0.01, 0.2, 0.6], [0.01, 0.1, 0.6])
    found = pac_bayes.kl_inverse_gradient(error, bound)
    step, inverse = 1e-5, pac_bayes.kl_inverse
    by_error = inverse(error + step, bound) - inverse(error - step, bound)
    by_bound = inverse(error, bound + step) - inverse(error, bound - step)
    expected = by_error / (2 * step), by_bound / (2 * step)
    # The third derivative by the error is of the size of 1 / error squared.
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5)


def test_the_gradient_at_the_ends():
    by_error, by_bound = pac_bayes.kl_inverse_gradient([0.0, 0.3, 1.0], [0.5, 0.0, 0.5])
    np.testing.assert_array_equal(by_error, [np.inf, 1, 0])
    # At an error of zero the risk is 1 - exp(-bound).
    np.testing.assert_allclose(by_bound, [np.exp(-0.5), np.inf, 0], rtol=1e-12)


@pytest.mark.parametrize(
    "error, bound, message",
    [
        (np.nan, 0.1, r"error must lie in \[0, 1\], got nan"),
        ([0.1, 1.2], 0.1, r"error must lie in \[0, 1\], got 1.2"),
        (0.1, -1e-9, r"bound must lie in \[0, inf\], got -1e-09"),
        (0.1, [0.1, np.nan], "bound must lie in .*, got nan"),
    ],
)
def test_bad_numbers_of_the_inverse_are_refused(error, bound, message):
    for function in (pac_bayes.kl_inverse, pac_bayes.kl_inverse_gradient):
        with pytest.raises(ValueError, match=message):
            function(error, bound)


def test_bad_probabilities_are_refused():
    with pytest.raises(ValueError, match=r"q must lie in \[0, 1\], got -0.1"):
        pac_bayes.binary_kl(-0.1, 0.5)
    with pytest.raises(ValueError, match=r"p must lie in \[0, 1\], got 1.5"):
        pac_bayes.binary_kl(0.1, 1.5)
    with pytest.raises(TypeError, match="q must hold numbers"):
        pac_bayes.binary_kl("a half", 0.5)
