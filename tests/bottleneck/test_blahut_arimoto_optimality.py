"""The bottleneck at one beta is a least: brute force, its dual, an independent code."""

import functools
import itertools

import jax
import numpy as np
import pytest
from scipy import optimize

from ibjax.bottleneck import best_of_restarts, optimality_gap
from tests.bottleneck.blahut_arimoto_cases import (
    ABSOLUTE,
    CLUSTERS,
    NUM_CASES,
    NUM_X,
    entropy,
    information,
    objective,
    padded,
    random_table,
    solve,
    various,
)

NUM_RESTARTS = 64


@pytest.fixture(scope="module")
def gaps():
    """Gaps of a batch of solutions, certified; float64."""
    gap = jax.jit(jax.vmap(optimality_gap))

    def gaps_of(tables, betas, encoders):
        parts = np.stack(tables), np.asarray(betas), np.asarray(encoders)
        filled = [np.resize(part, (NUM_CASES, *part.shape[1:])) for part in parts]
        with jax.enable_x64(True):
            found = gap(*filled)
        assert found.certified.all()
        return np.asarray(found.gap)[: len(betas)]

    return gaps_of


# Brute force.


def _maps(num_x):
    """Every partition of the inputs, as encoders ``[num_maps, num_x, num_x]``."""
    labels = [
        labels
        for labels in itertools.product(range(num_x), repeat=num_x)
        if all(
            label <= max(labels[:x], default=-1) + 1 for x, label in enumerate(labels)
        )
    ]
    return np.eye(num_x)[np.array(labels)]


@pytest.fixture(scope="module")
def best_maps():
    """Tables and betas, with the least H(T) - beta I(T;Y) of all 15 maps."""
    rng = np.random.default_rng(2)
    tables = [padded(random_table(rng, 4, 3)) for _ in range(3)]
    cases = list(itertools.product(tables, (0.5, 1.5, 3.0, 6.0, 12.0, 40.0)))
    maps = _maps(4)
    assert len(maps) == 15
    least = [min(objective(p, t, beta) for t in maps) for p, beta in cases]
    tables, betas = [p for p, _ in cases], np.array([beta for _, beta in cases])
    return tables, betas, np.array(least)


@pytest.fixture(scope="module")
def restarted(best_maps):
    """The best of ``NUM_RESTARTS`` at the alpha asked for; float64."""
    tables, betas, _ = best_maps

    @jax.jit
    @jax.vmap
    def solve_one(key, p_xy, beta, alpha):
        return best_of_restarts(
            key, p_xy, beta, alpha=alpha, num_restarts=NUM_RESTARTS, max_steps=999
        )

    @functools.cache
    def solve_all(alpha):
        with jax.enable_x64(True):
            keys = jax.random.split(jax.random.key(3), len(betas))
            alphas = np.full(len(betas), alpha)
            return jax.tree.map(
                np.asarray, solve_one(keys, np.stack(tables), betas, alphas)
            )

    return solve_all


def test_never_above_the_best_map(best_maps):
    tables, betas, least = best_maps
    found = solve(tables, betas)
    assert np.all(found.objective <= least + ABSOLUTE * (1 + betas))


def test_deterministic_bottleneck_is_the_best_map(restarted, best_maps):
    _, betas, least = best_maps
    found = restarted(0.0)
    np.testing.assert_array_less(np.abs(found.objective - least), 1e-12 * (1 + betas))
    np.testing.assert_array_equal(np.unique(found.p_t_given_x), [0, 1])
    assert found.converged.all()


def test_the_default_start_ends_in_the_best_map():
    rng = np.random.default_rng(4)
    tables = [padded(random_table(rng, 4, 3)) for _ in range(NUM_CASES // 4)]
    tables, betas = zip(*itertools.product(tables, (1.5, 3.0, 6.0, 12.0)), strict=True)
    maps, betas = _maps(4), np.array(betas)
    least = [
        min(objective(p, t, beta) for t in maps)
        for p, beta in zip(tables, betas, strict=True)
    ]
    above = solve(tables, betas, 0.0).objective - least
    assert np.all(above > -1e-12 * (1 + betas))
    # Greedy merging misses the optimum of one random table in a hundred.
    assert np.sum(above > 1e-12 * (1 + betas)) <= 1


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5])
def test_the_default_start_is_as_good_as_restarts(alpha, restarted, best_maps):
    tables, betas, _ = best_maps
    found, best = solve(tables, betas, alpha), restarted(alpha)
    assert np.all(found.objective <= best.objective + 1e-12 * (1 + betas))


def test_restarts_end_in_the_optimum_of_the_default_start(restarted, best_maps):
    tables, betas, _ = best_maps
    default, found = solve(tables, betas), restarted(1.0)
    np.testing.assert_allclose(found.objective, default.objective, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.i_xt, default.i_xt, rtol=0, atol=CLUSTERS)


def test_between_the_two_bottlenecks(restarted, best_maps):
    # A map has H(T|X) = 0, and thus one objective at every alpha.
    _, betas, least = best_maps
    found = restarted(0.5)
    assert np.all(found.objective <= least + ABSOLUTE * (1 + betas))


# The dual.


def _gap_for_two_classes(p_xy, beta, encoder):
    """Objective less the dual bound, its maximum from a fine grid, in nats."""
    if beta <= 1:  # By data processing the least objective is zero.
        return objective(p_xy, encoder, beta)
    p_x = p_xy.sum(axis=1)
    p_one = p_xy[:, 1] / p_x
    p_t = p_x @ encoder
    used = p_t > 0
    decoder = (p_xy[:, 1] @ encoder)[used] / p_t[used]

    def divergence(r):
        both = np.stack([1 - p_one, p_one], axis=1)
        log_r = np.stack([np.log(1 - r), np.log(r)])
        return -entropy(both)[:, None] - both @ log_r

    z = np.exp(-beta * divergence(decoder)) @ p_t[used]

    def height(r):
        return np.log(p_x / z @ np.exp(-beta * divergence(np.atleast_1d(r))))

    grid = np.linspace(0, 1, 20_001)[1:-1]
    top = grid[np.argmax(height(grid))]
    around = (top - 5e-5, top + 5e-5)
    refined = optimize.minimize_scalar(
        lambda r: -height(r)[0], bounds=around, options={"xatol": 1e-10}
    )
    bound = -p_x @ np.log(z) + refined.fun - beta * information(p_xy)
    return objective(p_xy, encoder, beta) - bound


@pytest.fixture(scope="module")
def two_classes():
    rng = np.random.default_rng(4)
    tables = [random_table(rng, 4, 2) for _ in range(4)]
    cases = list(itertools.product(tables, (0.5, 1.5, 4.0, 8.0, 15.0, 40.0)))
    return [p for p, _ in cases], np.array([beta for _, beta in cases])


def test_gap_of_solutions_is_zero(gaps, two_classes):
    tables, betas = two_classes
    full = [padded(p) for p in tables]
    found = solve(full, betas)
    gap = gaps(full, betas, found.p_t_given_x)
    independent = [
        _gap_for_two_classes(*case)
        for case in zip(tables, betas, found.p_t_given_x, strict=True)
    ]
    assert np.all(gap >= -ABSOLUTE * (1 + betas))
    assert np.all(gap <= CLUSTERS * (1 + betas))
    np.testing.assert_array_less(np.abs(independent), CLUSTERS * (1 + betas))


def test_gap_of_any_encoder(gaps, two_classes):
    tables, betas = two_classes
    rng = np.random.default_rng(5)
    encoders = rng.dirichlet(np.ones(4), (len(betas), 4))
    gap = gaps([padded(p) for p in tables], betas, encoders)
    independent = [
        _gap_for_two_classes(*case)
        for case in zip(tables, betas, encoders, strict=True)
    ]
    np.testing.assert_allclose(gap, independent, rtol=1e-9)
    # The objective less the gap is a lower bound, whichever encoder it comes from.
    found = solve([padded(p) for p in tables], betas)
    objectives = [
        objective(*case) for case in zip(tables, encoders, betas, strict=True)
    ]
    assert np.all(
        np.array(objectives) - gap <= found.objective + ABSOLUTE * (1 + betas)
    )


def test_no_random_encoder_is_better():
    tables, betas, found = various()
    rng = np.random.default_rng(6)
    for p_xy, beta, least in zip(tables, betas, found.objective, strict=True):
        for concentration in (0.1, 1.0):
            encoder = rng.dirichlet(np.full(3, concentration), NUM_X)
            assert objective(p_xy, encoder, beta) >= least - 1e-12 * (1 + beta)
