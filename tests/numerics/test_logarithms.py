"""Logarithms whose leading terms cancel: exact decimals, derivatives."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.numerics.logarithms import (
    expm1_minus_x,
    square_minus_log,
    x_minus_log1p,
)

MAGNITUDES = np.geomspace(1e-12, 0.999, 60)
VALUES = np.concatenate([-MAGNITUDES, MAGNITUDES, [3.0, 1e6]])


def _exact(x):
    with localcontext() as context:
        context.prec = 60
        x = Decimal(float(x))
        return float(x - (1 + x).ln())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_digits_are_kept(dtype):
    with jax.enable_x64(dtype == np.float64):
        x = VALUES.astype(dtype)
        found, slope = jax.jit(jax.vmap(jax.value_and_grad(x_minus_log1p)))(x)
        assert found.dtype == dtype
        exact = np.array([_exact(value) for value in x])
        eps = np.finfo(dtype).eps
        # Just above 0.1 terms of 0.1 leave 0.005: forty roundings of either. XLA's own
        # logarithm is off by as many near 0.4, where a third of it is left.
        np.testing.assert_allclose(found, exact, rtol=150 * eps)
        # Of the last of fifteen terms, of which each counts its degree.
        np.testing.assert_allclose(slope, x / (1 + x), rtol=60 * eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_digits_of_exponentials_are_kept(dtype):
    with jax.enable_x64(dtype == np.float64):
        x = VALUES[VALUES < 80].astype(dtype)
        found = expm1_minus_x(x)
        assert found.dtype == dtype
        with localcontext() as context:
            context.prec = 60
            exact = [float(Decimal(float(v)).exp() - 1 - Decimal(float(v))) for v in x]
        # Just above 0.1 terms of 0.1 leave 0.005.
        np.testing.assert_allclose(found, exact, rtol=40 * np.finfo(dtype).eps)


def test_the_ends():
    with jax.numpy_rank_promotion("allow"):
        found = x_minus_log1p(jnp.array([0.0, -1.0, -2.0, jnp.nan]))
    np.testing.assert_array_equal(found, [0, np.inf, np.nan, np.nan])


def test_ratios_that_no_float32_holds():
    sizes = np.array([1e-37, 1e-30, 1e-12, 0.6, 1.0, 1.0001, 1.9, 1e19, 1e30])
    a, b = (v.ravel().astype(np.float32) for v in np.meshgrid(sizes, sizes))
    slopes = jax.vmap(jax.value_and_grad(square_minus_log, (0, 1)))
    found, (by_a, by_b) = jax.jit(slopes)(a, b)
    ratio = a.astype(np.longdouble) / b
    exact = ratio**2 - 1 - 2 * np.log(ratio)
    exact[exact > np.finfo(np.float32).max] = np.inf
    np.testing.assert_allclose(found, exact, rtol=1e-6)
    # Both derivatives are of (r^2 - 1), each in its own units.
    slope = 2 * (ratio**2 - 1)
    held = (exact < 1e38) & (np.abs(slope) / np.minimum(a, b) < 1e38)
    np.testing.assert_allclose((by_a * a)[held], slope[held], rtol=1e-5)
    np.testing.assert_allclose((by_b * b)[held], -slope[held], rtol=1e-5)
