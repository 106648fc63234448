"""Discrete measures: closed forms, scipy, zeros, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import measures

# Sums of a few dozen float32 terms below one in size: 64 roundings of 6e-8.
ABSOLUTE = 4e-6
BIT = np.log(2.0)


def _random_joint(rng, num_x=6, num_y=4):
    p_xy = rng.dirichlet(np.ones(num_x * num_y)).reshape(num_x, num_y)
    p_xy[1, 2] = p_xy[3, 0] = 0.0
    return p_xy / p_xy.sum()


def _binary_entropy(flip):
    return -flip * np.log(flip) - (1 - flip) * np.log(1 - flip)


def test_independent_variables_share_nothing():
    rng = np.random.default_rng(0)
    p_xy = np.outer(rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(5)))
    np.testing.assert_allclose(measures.mutual_information(p_xy), 0, atol=ABSOLUTE)


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_copy_shares_log_n(n):
    p_xy = np.eye(n) / n
    np.testing.assert_allclose(measures.mutual_information(p_xy), np.log(n), rtol=1e-5)
    np.testing.assert_allclose(measures.entropy(p_xy), np.log(n), rtol=1e-5)
    np.testing.assert_allclose(measures.conditional_entropy(p_xy), 0, atol=ABSOLUTE)


@pytest.mark.parametrize("flip", [0.01, 0.11, 0.25])
def test_binary_symmetric_channel(flip):
    p_xy = np.array([[1 - flip, flip], [flip, 1 - flip]]) / 2
    information = BIT - _binary_entropy(flip)
    np.testing.assert_allclose(
        measures.mutual_information(p_xy), information, atol=ABSOLUTE
    )
    np.testing.assert_allclose(
        measures.conditional_entropy(p_xy), _binary_entropy(flip), rtol=1e-5
    )


def test_erasure_channel():
    erased = 0.3
    p_xy = np.array([[1 - erased, erased, 0], [0, erased, 1 - erased]]) / 2
    np.testing.assert_allclose(
        measures.mutual_information(p_xy), (1 - erased) * BIT, rtol=1e-5
    )


def test_a_certain_outcome_has_no_entropy():
    assert measures.entropy([0.0, 1.0, 0.0]) == 0


def test_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    for _ in range(5):
        p, q = rng.dirichlet(np.ones(9), 2)
        p[4] = 0
        p /= p.sum()
        p_xy = _random_joint(rng)
        independent = np.outer(p_xy.sum(1), p_xy.sum(0))
        for found, expected in (
            (measures.entropy(p), stats.entropy(p)),
            (measures.kl_divergence(p, q), stats.entropy(p, q)),
            (
                measures.mutual_information(p_xy),
                stats.entropy(p_xy.ravel(), independent.ravel()),
            ),
            (
                measures.conditional_entropy(p_xy),
                stats.entropy(p_xy.ravel()) - stats.entropy(p_xy.sum(1)),
            ),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=ABSOLUTE)


def test_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    x, y = np.random.default_rng(2).integers(0, 5, (2, 400))
    y = np.where(x > 2, x, y)
    counts = np.zeros((5, 5))
    np.add.at(counts, (x, y), 1)
    np.testing.assert_allclose(
        measures.mutual_information(counts / len(x)),
        metrics.mutual_info_score(x, y),
        rtol=1e-5,
    )


def test_divergence_of_mass_where_there_is_none():
    assert measures.kl_divergence([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert measures.kl_divergence([1.0, 0.0], [1.0, 0.0]) == 0


def test_information_of_rare_cells_is_finite():
    # The product of their marginals, 1e-40, is no number of float32.
    p = np.array([1, 1e-20], np.float32)
    exact = -np.sum(np.float64(p) * np.log(np.float64(p)))
    # Only the rare cell counts: a product of three roundings.
    found = measures.mutual_information(np.diag(p))
    np.testing.assert_allclose(found, exact, rtol=4e-7)


def test_information_is_symmetric_and_the_entropies_add_up():
    p_xy = _random_joint(np.random.default_rng(3))
    h_y = measures.entropy(p_xy.sum(axis=0))
    i_xy = measures.mutual_information(p_xy)
    np.testing.assert_allclose(i_xy, measures.mutual_information(p_xy.T), rtol=1e-5)
    np.testing.assert_allclose(
        i_xy, h_y - measures.conditional_entropy(p_xy), atol=ABSOLUTE
    )


def test_processing_loses_information():
    rng = np.random.default_rng(4)
    for _ in range(10):
        p_xy = _random_joint(rng)
        p_z_given_y = rng.dirichlet(np.ones(3), 4)
        after = measures.mutual_information(p_xy @ p_z_given_y)
        assert after <= measures.mutual_information(p_xy) + ABSOLUTE


@pytest.mark.parametrize(
    "measure",
    [measures.entropy, measures.mutual_information, measures.conditional_entropy],
)
def test_gradients_are_finite_at_zeros(measure):
    gradient = jax.grad(measure)(jnp.array([[0.5, 0.0], [0.0, 0.5], [0.0, 0.0]]))
    assert np.all(np.isfinite(gradient))


def test_gradients_of_a_divergence_are_finite_at_shared_zeros():
    p, q = jnp.array([0.5, 0.5, 0.0]), jnp.array([0.25, 0.75, 0.0])
    for gradient in jax.grad(measures.kl_divergence, (0, 1))(p, q):
        assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    "measure",
    [measures.entropy, measures.mutual_information, measures.conditional_entropy],
)
def test_jit_and_vmap_change_nothing(measure):
    rng = np.random.default_rng(5)
    tables = np.stack([_random_joint(rng) for _ in range(4)]).astype(np.float32)
    one_by_one = [measure(table) for table in tables]
    np.testing.assert_allclose(
        jax.jit(jax.vmap(measure))(tables), one_by_one, rtol=1e-5
    )


def test_counts_are_refused():
    counts = np.array([[1, 2], [3, 4]])
    for measure in (
        measures.entropy,
        measures.mutual_information,
        measures.conditional_entropy,
    ):
        with pytest.raises(TypeError, match="must be floating, got int.*divide counts"):
            measure(counts)
    with pytest.raises(TypeError, match="q must be floating"):
        measures.kl_divergence(np.array([0.5, 0.5]), np.array([1, 1]))


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"p and q must have one shape, got \(2,\)"):
        measures.kl_divergence(np.full(2, 0.5), np.full((2, 1), 0.5))
    for measure in (measures.mutual_information, measures.conditional_entropy):
        with pytest.raises(ValueError, match=r"p_xy must have shape \[num_x, num_y\]"):
            measure(np.full(2, 0.5))


@pytest.mark.parametrize("measure", [measures.entropy, measures.mutual_information])
def test_nan_stays_nan(measure):
    table = np.array([[np.nan, 0.5], [0.5, 0.0]])
    assert np.isnan(measure(table))
    assert np.isnan(jax.jit(measure)(table))
    assert np.isnan(measures.kl_divergence([np.nan, 0.5], [0.5, 0.5]))
    assert np.isnan(measures.kl_divergence([0.5, 0.5], [np.nan, 0.5]))
    assert np.isnan(measures.kl_divergence([0.0, 1.0], [np.nan, 1.0]))
