"""Squares that no float32 holds, against extended precision."""

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.numerics.scales import power_of_two, ratio, root_of_squares


def test_powers_of_two_divide_exactly():
    x = np.float32([1.0, 0.99, 1e-37, 3e38, 0.0])
    unit = np.asarray(power_of_two(jnp.array(x)))
    assert np.all(np.frexp(unit)[0] == 0.5)
    quotient = np.asarray(jax.jit(lambda x, u: x / u[:, None])(x[:-1, None], unit[:-1]))
    exact = x[:-1].astype(np.longdouble) / unit[:-1]
    np.testing.assert_array_equal(quotient[:, 0], exact)
    assert np.all((exact >= 1) & (exact < 2 * np.array([1, 1, 1, 2]))) and unit[-1] == 1


def test_roots_and_their_slopes():
    x = np.float32([[3e-30, 4e-30], [3e30, 4e30], [0.3, -0.4], [2e38, 1e38]])
    exact = np.sqrt(np.sum(x.astype(np.longdouble) ** 2, axis=1))
    root, slope = jax.jit(jax.vmap(jax.value_and_grad(root_of_squares)))(x)
    np.testing.assert_allclose(root, exact, rtol=3e-7)
    np.testing.assert_allclose(slope, x / exact[:, None], rtol=1e-6)
    assert root_of_squares(jnp.zeros(3)) == 0


def test_ratios_and_their_slopes():
    a = np.float32([1e-30, 2.0, 3e38, 1e-37, 0.0])
    b = np.float32([2e-30, 3e-37, 2e38, 3e38, 1e-37])
    exact = a.astype(np.longdouble) / b
    found, (by_a, by_b) = jax.jit(jax.vmap(jax.value_and_grad(ratio, (0, 1))))(a, b)
    np.testing.assert_allclose(found[:3], exact[:3], rtol=3e-7)
    assert found[3] == found[4] == 0  # The fourth is below the smallest number.
    # Where they are in the range themselves.
    np.testing.assert_allclose(by_a[:2], 1 / b[:2].astype(np.longdouble), rtol=3e-7)
    slopes = -exact / b
    np.testing.assert_allclose(by_b[0], slopes[0], rtol=1e-6)
    assert by_b[4] == 0
