"""The certificate is a bound and the curve the optimum, on tables of every kind."""

import jax
import numpy as np
import pytest
from scipy import optimize

from ibjax.bottleneck import (
    best_of_restarts,
    blahut_arimoto,
    critical_beta,
    information_curve,
    optimality_gap,
)
from tests.bottleneck.blahut_arimoto_cases import information, objective, random_table

KINDS = ("dense", "sparse", "near zero", "deterministic", "duplicated", "unequal")
# One shape, and so one program, for all: the merged table's may still be smaller.
SHAPE = 5, 3
BETAS = np.geomspace(1.02, 30, 6)
# What a curve may lie above the best other solution, and a gap below the truth: sums
# of terms of about beta in size, and clusters that end within 1e-9 of their limit.
ALLOWED = 1e-9


def _table(rng, kind):
    table = rng.random(SHAPE)
    if kind in ("sparse", "near zero"):
        table[rng.random(SHAPE) < 0.4] = 1e-9 if kind == "near zero" else 0
        table[0] = rng.random(SHAPE[1])
    elif kind == "deterministic":
        certain = rng.random(len(table)) < 0.6
        table[certain] = np.eye(SHAPE[1])[rng.integers(SHAPE[1], size=certain.sum())]
    elif kind == "duplicated":
        table = table[[0, 1, 2, 0, 1]] * rng.random((SHAPE[0], 1))
    elif kind == "unequal":
        table *= 10.0 ** rng.uniform(-8, 0, (len(table), 1))
    return table / table.sum()


@pytest.fixture(scope="module")
def others():
    """Objectives of the best of 32 random starts and of the one from T = X."""

    @jax.jit
    @jax.vmap
    def encoders(key, p_xy, beta):
        restarts = best_of_restarts(key, p_xy, beta, num_restarts=32, max_steps=600)
        from_x = blahut_arimoto(p_xy, beta, max_steps=600)
        return restarts.p_t_given_x, from_x.p_t_given_x

    def best(p_xy, betas):
        with jax.enable_x64(True):
            keys = jax.random.split(jax.random.key(0), len(betas))
            tables = np.broadcast_to(p_xy, (len(betas), *p_xy.shape))
            found = encoders(keys, tables, betas)
        return np.array(
            [
                min(objective(p_xy, e, beta) for e in pair)
                for *pair, beta in zip(*map(np.asarray, found), betas, strict=True)
            ]
        )

    return best


def _check_against(others, seed, kind):
    p_xy = _table(np.random.default_rng(seed), kind)
    with jax.enable_x64(True):
        betas = BETAS * min(float(critical_beta(p_xy)), 50)
        curve = information_curve(p_xy, betas, find_critical_betas=False)
    ours = np.array(
        [objective(p_xy, *p) for p in zip(curve.p_t_given_x, betas, strict=True)]
    )
    np.testing.assert_allclose(curve.objective, ours, rtol=0, atol=1e-12 * betas.max())
    above = ours - others(p_xy, betas)
    assert np.all(above <= ALLOWED)
    assert curve.certified.all()
    assert np.all(curve.gap >= above - ALLOWED)
    assert np.all(curve.gap <= 1e-8 * (1 + betas))


@pytest.mark.parametrize("kind", KINDS)
def test_curve_is_the_optimum(others, kind):
    _check_against(others, [KINDS.index(kind)], kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_curves_of_more_tables_are_the_optimum(others, kind):
    for number in range(1, 13):
        _check_against(others, [KINDS.index(kind), number], kind)


@pytest.fixture(scope="module")
def with_zeros():
    """A table with zero cells, whose curve from T = X loses clusters, and its curve.

    Its fifth beta is three times the critical one.
    """
    rng = np.random.default_rng(5)
    p_xy = rng.random((12, 4))
    p_xy[rng.random((12, 4)) < 0.35] = 0
    p_xy /= p_xy.sum()
    with jax.enable_x64(True):
        betas = np.insert(np.geomspace(1.3, 40, 16), 4, 3.0)
        betas *= float(critical_beta(p_xy))
        return p_xy, information_curve(p_xy, betas, find_critical_betas=False)


def test_zeros_are_no_trap(with_zeros):
    p_xy, curve = with_zeros
    with jax.enable_x64(True):
        solve = jax.jit(blahut_arimoto)
        single = np.array([solve(p_xy, beta).objective for beta in curve.beta])
    # Not by chance: single solutions do better than annealing alone, and worse.
    assert np.all(curve.objective <= single + ALLOWED)
    assert np.any(curve.objective < single - 1e-5)
    assert curve.certified.all()
    assert np.all(curve.gap <= 1e-8 * (1 + curve.beta))


def test_curve_with_zeros_rises_and_bends(with_zeros):
    _, curve = with_zeros
    beta, i_xt, i_ty = curve.beta, curve.i_xt, curve.i_ty
    run, rise = np.diff(i_xt), np.diff(i_ty)
    assert np.all(run >= -ALLOWED) and np.all(rise >= -ALLOWED)
    # The slope between neighbours lies between those at them, 1 / beta, up to gaps.
    slack = np.maximum(curve.gap[1:], curve.gap[:-1])
    assert np.all(rise * beta[1:] >= run - slack)
    assert np.all(rise * beta[:-1] <= run + slack)
    slopes = rise / run
    assert np.all(np.diff(slopes) <= ALLOWED)


def _highest(p_xy, beta, encoder, rng):
    """Dual's maximum over decoders by another's optimiser, from many starts."""
    p_x = p_xy.sum(axis=1)
    rows = p_xy / p_x[:, None]

    def divergence(r):
        r = np.atleast_2d(r)
        ratio = np.where(rows > 0, rows, 1)[None] / np.maximum(r, 1e-300)[:, None]
        return (rows * np.where(rows > 0, np.log(ratio), 0)).sum(axis=2).T

    p_t = p_x @ encoder
    used = p_t > 0
    decoders = (encoder.T @ p_xy)[used] / p_t[used, None]
    log_z = np.log(np.exp(-beta * divergence(decoders)) @ p_t[used])

    def height(logits):
        r = np.exp(logits - logits.max())
        return np.log(p_x / np.exp(log_z) @ np.exp(-beta * divergence(r / r.sum())))[0]

    starts = np.concatenate(
        [0.98 * rows + 0.02 / rows.shape[1], rng.dirichlet(np.ones(rows.shape[1]), 20)]
    )
    best = max(
        -optimize.minimize(
            lambda v: -height(v), np.log(start), options={"gtol": 1e-9}
        ).fun
        for start in starts
    )
    return (
        objective(p_xy, encoder, beta) + beta * information(p_xy) + p_x @ log_z + best
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gap_of_any_encoder_against_another_optimiser(kind):
    rng = np.random.default_rng(KINDS.index(kind))
    p_xy = _table(rng, kind)
    with jax.enable_x64(True):
        for beta in (1.5, 5.0, 20.0):
            encoder = rng.dirichlet(np.ones(3), len(p_xy))
            found = optimality_gap(p_xy, beta, encoder)
            expected = _highest(p_xy, beta, encoder, rng)
            assert found.certified
            assert found.gap >= expected - ALLOWED
            # On the border, where logits are infinite, the other one ends too early.
            np.testing.assert_allclose(found.gap, expected, rtol=0, atol=1e-4)


def test_ascents_from_zeros_do_not_hide_a_peak(with_zeros):
    # From p(y|x) itself an ascent keeps every zero: it saw 2.9e-9 where 7.9e-3 is.
    p_xy, curve = with_zeros
    beta, least = float(curve.beta[4]), curve.objective[4]
    with jax.enable_x64(True):
        for seed in range(4):
            # A start with few clusters ends in a local optimum.
            encoder = np.random.default_rng(seed).dirichlet(np.ones(3), 12)
            local = blahut_arimoto(p_xy, beta, p_t_given_x=encoder)
            gap = optimality_gap(p_xy, beta, local.p_t_given_x).gap
            assert gap >= local.objective - least - ALLOWED
            assert local.objective - least > 1e-4


def test_large_tables_say_that_they_are_estimates():
    rng = np.random.default_rng(0)
    p_xy = random_table(rng, 7, 7)
    with jax.enable_x64(True):
        solution = blahut_arimoto(p_xy, 20.0)
        found = optimality_gap(p_xy, 20.0, solution.p_t_given_x)
        assert not found.certified
        # Up to beta = 1 the least objective is known, at any size.
        assert optimality_gap(p_xy, 1.0, np.ones((7, 1))).certified
        assert optimality_gap(p_xy, 0.5, np.eye(7)).certified
    narrow, wide = random_table(rng, 3, 9), random_table(rng, 9, 3)
    for table in (narrow, wide):
        assert optimality_gap(table, 3.0, np.full((len(table), 2), 0.5)).certified


def test_gap_in_float32_is_a_bound_too():
    p_xy = _table(np.random.default_rng(1), "sparse").astype(np.float32)
    encoder = np.full((5, 2), 0.5, np.float32)
    gap = jax.jit(optimality_gap)(p_xy, 4.0, encoder).gap
    assert gap.dtype == np.float32
    with jax.enable_x64(True):
        exact = p_xy.astype(np.float64)
        wide = optimality_gap(exact / exact.sum(), 4.0, encoder.astype(np.float64)).gap
    assert float(wide) - 1e-14 <= float(gap) <= float(wide) + 1e-6


def test_float32_curve_is_computed_in_float64():
    p_xy = _table(np.random.default_rng(2), "dense").astype(np.float32)
    betas = np.array([1.5, 30.0, 300.0], np.float32)
    curve = information_curve(p_xy, betas)
    assert {field.dtype for field in (curve.objective, curve.gap, curve.i_xt)} == {
        np.dtype(np.float32)
    }
    with jax.enable_x64(True):
        exact = p_xy.astype(np.float64)
        wide = information_curve(exact / exact.sum(), betas.astype(np.float64))
    np.testing.assert_allclose(curve.objective, wide.objective, rtol=1e-6, atol=1e-6)
    assert np.all(curve.gap <= 1e-8 * (1 + betas))


@pytest.mark.parametrize("bad", ["p_xy", "beta", "encoder"])
def test_values_that_are_none_give_nan_under_jit(bad):
    arguments = {
        "p_xy": np.full((2, 2), 0.25),
        "beta": 2.0,
        "encoder": np.full((2, 2), 0.5),
    }
    arguments[bad] = -1 * arguments[bad]
    found = jax.jit(optimality_gap)(*arguments.values())
    assert np.isnan(found.gap) and not found.certified
