"""The squared bottleneck: straight curves, curved ones, time sharing."""

import jax
import numpy as np
import pytest

from ibjax import bottleneck

CERTAIN = np.array([[0.2, 0.0], [0.1, 0.0], [0.0, 0.3], [0.0, 0.4]])
NOISY = np.array([[0.445, 0.055], [0.055, 0.445]])
H_Y = -0.3 * np.log(0.3) - 0.7 * np.log(0.7)


@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 1.2])
def test_every_point_of_a_straight_curve_is_reached(beta):
    with jax.enable_x64(True):
        solution = bottleneck.squared_bottleneck(CERTAIN, beta)
    np.testing.assert_allclose(solution.i_xt, beta / 2, atol=1e-8)
    np.testing.assert_allclose(solution.i_ty, beta / 2, atol=1e-8)
    np.testing.assert_allclose(np.asarray(solution.p_t_given_x).sum(1), 1, atol=1e-12)
    assert bool(solution.converged)


def test_its_end_is_all_of_y():
    with jax.enable_x64(True):
        solution = bottleneck.squared_bottleneck(CERTAIN, 3.0)
    np.testing.assert_allclose([solution.i_xt, solution.i_ty], H_Y, atol=1e-10)


def test_without_a_price_on_y_nothing_is_told():
    with jax.enable_x64(True):
        solution = bottleneck.squared_bottleneck(NOISY, 0.0)
    np.testing.assert_allclose([solution.i_xt, solution.i_ty], 0, atol=1e-10)


def test_no_solution_of_the_bottleneck_is_better():
    beta = 1.0
    with jax.enable_x64(True):
        solution = bottleneck.squared_bottleneck(NOISY, beta)
        solve = jax.vmap(lambda slope: bottleneck.blahut_arimoto(NOISY, slope))
        others = solve(np.geomspace(1.7, 3, 40))
        least = np.min(np.asarray(others.i_xt**2 - beta * others.i_ty))
        slope = beta / (2 * solution.i_xt)
        at_slope = bottleneck.blahut_arimoto(NOISY, slope)
    assert float(solution.objective) <= least + 1e-12
    np.testing.assert_allclose(solution.i_xt, at_slope.i_xt, atol=1e-7)


def test_values_that_are_no_distribution_give_nan_under_jit():
    solution = jax.jit(bottleneck.squared_bottleneck)(np.full((2, 2), 0.3), 1.0)
    assert np.isnan(solution.i_xt)
    assert not solution.converged


def test_negative_beta_is_refused():
    with pytest.raises(ValueError, match="beta must be one number from 0 on, got -1"):
        bottleneck.squared_bottleneck(NOISY, -1.0)
