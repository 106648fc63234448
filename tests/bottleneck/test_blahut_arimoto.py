"""The bottleneck at one beta: closed forms, properties, known values, starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from ibjax.bottleneck import blahut_arimoto, iteration
from ibjax.datasets.szt import orbits, scores
from tests.bottleneck.blahut_arimoto_cases import (
    ABSOLUTE,
    BETAS,
    CLUSTERS,
    NUM_X,
    entropy,
    information,
    objective,
    one_table,
    padded,
    solve,
    various,
)


def _binary_entropy(p):
    return entropy(np.stack([p, 1 - p], axis=-1))


def _bsc(flip, p_one=0.5):
    channel = np.array([[1 - flip, flip], [flip, 1 - flip]])
    return np.array([[1 - p_one], [p_one]]) * channel


# Closed forms.


@pytest.mark.parametrize("flip", [0.02, 0.2, 0.4])
def test_binary_symmetric_channel(flip):
    critical = 1 / (1 - 2 * flip) ** 2
    betas = critical * np.array([1.0001, 1.01, 1.1, 1.5, 3, 10, 100])
    found = solve([padded(_bsc(flip))] * len(betas), betas)

    # T is a binary symmetric channel of X too. Its error q is where
    # log 2 - h(q) - beta (log 2 - h(q * flip)) has no slope, in u = log((1 - q) / q).
    def slope(u, beta):
        both = flip + (1 - 2 * flip) * special.expit(-u)
        return u - beta * (1 - 2 * flip) * np.log((1 - both) / both)

    u = [
        optimize.brentq(slope, 1e-5, beta * np.log(1 / flip), args=(beta,), xtol=1e-13)
        for beta in betas
    ]
    q = special.expit(-np.array(u))
    i_xt = np.log(2) - _binary_entropy(q)
    i_ty = np.log(2) - _binary_entropy(q * (1 - flip) + (1 - q) * flip)
    np.testing.assert_allclose(found.i_xt, i_xt, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(found.i_ty, i_ty, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(
        found.objective, i_xt - betas * i_ty, rtol=0, atol=ABSOLUTE * (1 + betas.max())
    )
    assert found.converged.all()


@pytest.mark.parametrize("flip", [0.02, 0.2, 0.4])
def test_mrs_gerber(flip):
    betas = np.linspace(1.05, 20, 30) / (1 - 2 * flip) ** 2
    found = solve([padded(_bsc(flip))] * len(betas), betas)
    for i_xt, i_ty in zip(found.i_xt, found.i_ty, strict=True):
        left = np.log(2) - i_xt
        q = optimize.brentq(lambda q, h=left: _binary_entropy(q) - h, 0, 0.5)
        most = np.log(2) - _binary_entropy(q * (1 - flip) + (1 - q) * flip)
        # The inverse entropy of brentq is good to 2e-12.
        np.testing.assert_allclose(i_ty, most, rtol=0, atol=1e-10)


@pytest.mark.parametrize("erased", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("p_one", [0.5, 0.2])
def test_erasure_channel(erased, p_one):
    # Y tells X apart with probability 1 - erased, whatever X is, so that
    # I(T;Y) = (1 - erased) I(X;T) for every T: a straight line up to I(X;T) = H(X).
    p_x = np.array([1 - p_one, p_one])
    p_xy = np.array([[1 - erased, erased, 0], [0, erased, 1 - erased]]) * p_x[:, None]
    critical = 1 / (1 - erased)
    ratios = np.array([0, 0.5, 0.99, 1.01, 1.5, 10])
    found = solve([padded(p_xy)] * len(ratios), critical * ratios)
    i_xt = np.where(ratios < 1, 0, entropy(p_x))
    np.testing.assert_allclose(found.i_xt, i_xt, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(found.i_ty, i_xt / critical, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(
        found.objective, i_xt * (1 - ratios), rtol=0, atol=100 * ABSOLUTE
    )


@pytest.mark.parametrize("flip", [0.02, 0.2, 0.4])
def test_nothing_is_kept_below_the_critical_beta(flip):
    betas = np.array([0, 1e-3, 0.5, 0.9, 0.999]) / (1 - 2 * flip) ** 2
    found = solve([padded(_bsc(flip))] * len(betas), betas)
    np.testing.assert_allclose(found.i_xt, 0, atol=CLUSTERS)
    np.testing.assert_allclose(found.objective, 0, atol=ABSOLUTE)


def test_y_that_is_a_function_of_x():
    p_x = np.array([0.1, 0.2, 0.3, 0.4])
    p_xy = p_x[:, None] * np.eye(4)[[0, 1, 2, 1]]
    h_y = entropy(p_xy.sum(axis=0))
    betas = np.array([0, 0.5, 0.95, 1.05, 1.5, 4, 100])
    found = solve([p_xy] * len(betas), betas)
    expected = np.where(betas < 1, 0, h_y)
    np.testing.assert_allclose(found.i_xt, expected, rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(found.i_ty, expected, rtol=0, atol=CLUSTERS)
    # At beta = 1 every T that is a function of Y, noisy or not, is as good.
    at_one = solve([p_xy], [1.0])
    np.testing.assert_allclose(at_one.objective, 0, atol=CLUSTERS)
    np.testing.assert_allclose(at_one.i_xt, at_one.i_ty, rtol=0, atol=CLUSTERS)


def test_a_copy():
    found = solve([np.eye(4) / 4] * 2, [0.9, 1.1])
    np.testing.assert_allclose(found.i_ty, [0, np.log(4)], rtol=0, atol=CLUSTERS)
    np.testing.assert_allclose(found.i_xt, found.i_ty, rtol=0, atol=CLUSTERS)


def test_independent_variables():
    rng = np.random.default_rng(1)
    p_xy = np.outer(rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4)))
    found = solve([p_xy] * len(BETAS), BETAS)
    np.testing.assert_allclose(found.i_xt, 0, atol=ABSOLUTE)
    np.testing.assert_allclose(found.objective, 0, atol=1e3 * ABSOLUTE)


def test_one_input_that_is_certain():
    p_xy = np.zeros((4, 4))
    p_xy[2, 1] = 1
    found = solve([p_xy] * len(BETAS), BETAS)
    np.testing.assert_array_equal(found.objective, 0)
    assert found.converged.all()


def test_all_is_kept_in_the_limit():
    # T = X has the objective H(X) - beta I(X;Y), and I(X;T) is at least zero.
    tables, betas, found = various()
    for p_xy, beta, i_ty in zip(tables, betas, found.i_ty, strict=True):
        i_xy = information(p_xy)
        assert i_ty <= i_xy + ABSOLUTE
        if beta >= 20:
            assert i_ty >= i_xy - entropy(p_xy.sum(axis=1)) / beta - ABSOLUTE


# Properties.


def _called_for(p_xy, encoder, beta, alpha):
    """The encoder that an encoder's own clusters call for."""
    p_x = p_xy.sum(axis=1)
    p_y_given_x = np.where(
        p_x[:, None] > 0, p_xy / np.where(p_x > 0, p_x, 1)[:, None], p_xy.sum(axis=0)
    )
    p_t = p_x @ encoder
    with np.errstate(divide="ignore"):
        log_t, log_decoder = np.log(p_t), np.log(encoder.T @ p_xy / p_t[:, None])
    possible = p_y_given_x[:, None, :] > 0
    log_decoder = np.where(possible, log_decoder[None], 0)
    cross = np.sum(p_y_given_x[:, None, :] * log_decoder, axis=2)
    logits = (log_t + beta * cross) / alpha
    logits -= logits.max(axis=1, keepdims=True)
    encoder = np.exp(logits)
    return encoder / encoder.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_encoders_are_what_their_clusters_call_for(alpha):
    tables, betas, found = various()
    if alpha < 1:
        found = solve(tables, betas, alpha)
    for p_xy, beta, encoder in zip(tables, betas, found.p_t_given_x, strict=True):
        used = p_xy.sum(axis=1) @ encoder > 1e-12
        called_for = _called_for(p_xy, encoder[:, used], beta, alpha)
        # The encoder moves by beta / alpha times what the clusters do.
        np.testing.assert_allclose(
            encoder[:, used], called_for, rtol=0, atol=CLUSTERS * (1 + beta) / alpha
        )
        np.testing.assert_allclose(encoder.sum(axis=1), 1, atol=ABSOLUTE)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_the_objective_never_rises(alpha):
    tables, betas, found = various()
    if alpha < 1:
        found = solve(tables, betas, alpha)
    for beta, history, num_steps in zip(
        betas, found.history, found.num_steps, strict=True
    ):
        assert np.all(np.isfinite(history[:num_steps]))
        assert np.all(np.isnan(history[num_steps:]))
        assert np.all(np.diff(history[:num_steps]) <= ABSOLUTE * (1 + beta))
    last = found.history[np.arange(len(betas)), found.num_steps - 1]
    assert np.all(found.objective <= last + ABSOLUTE * (1 + betas))


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_numbers_are_those_of_the_encoder(alpha):
    tables, betas, found = various()
    if alpha < 1:
        found = solve(tables, betas, alpha)
    for case, (p_xy, beta) in enumerate(zip(tables, betas, strict=True)):
        encoder = found.p_t_given_x[case]
        assert found.i_xt[case] == pytest.approx(
            information(p_xy.sum(axis=1)[:, None] * encoder), abs=ABSOLUTE
        )
        assert found.i_ty[case] == pytest.approx(
            information(encoder.T @ p_xy), abs=ABSOLUTE
        )
        assert found.objective[case] == pytest.approx(
            objective(p_xy, encoder, beta, alpha), abs=ABSOLUTE * (1 + beta)
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_betas_have_finite_numbers(dtype):
    tables, _, _ = various()
    tables = tables[:: len(BETAS)]
    for beta in (0.0, 1e-3, 1e3, 1e6):
        found = solve(tables, np.full(len(tables), beta), dtype=dtype)
        for field in (found.p_t_given_x, found.i_xt, found.i_ty, found.objective):
            assert np.all(np.isfinite(field))
        if beta <= 1e-3:
            np.testing.assert_array_less(found.i_xt, 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("alpha", [1e-37, 1e-30, 1e-20, 1e-10])
def test_tiny_alphas_are_none(alpha, dtype):
    tables, _, _ = various()
    tables = tables[:: len(BETAS)]
    betas = np.full(len(tables), 5.0)
    found, limit = (solve(tables, betas, a, dtype=dtype) for a in (alpha, 0.0))
    # They differ by alpha times an entropy, and by the rounding of sums of 16 terms.
    rounding = 16 * np.finfo(dtype).eps * (1 + betas[0]) + 2 * alpha
    np.testing.assert_allclose(found.objective, limit.objective, rtol=0, atol=rounding)
    np.testing.assert_array_equal(np.unique(found.p_t_given_x), [0, 1])
    assert found.converged.all()


def test_what_is_no_number_has_not_converged():
    source = iteration.make_source(jnp.asarray(one_table(), jnp.float32))
    start = iteration.clusters_of(source, jnp.eye(NUM_X))
    nothing = jnp.float32(jnp.nan)
    options = {"max_steps": 30, "tol": 1e-5}
    found = iteration.iterate(source, start, nothing, jnp.float32(1), **options)
    assert not found.converged


def test_float32():
    tables, betas, exact = various()
    found = solve(tables, betas, dtype=np.float32)
    assert found.objective.dtype == found.p_t_given_x.dtype == np.float32
    # Objectives are differences of terms of size beta, with sums of 16 terms.
    rounding = 16 * np.finfo(np.float32).eps
    np.testing.assert_array_less(
        np.abs(found.objective - exact.objective), rounding * (1 + betas)
    )
    for beta, history in zip(betas, found.history, strict=True):
        history = history[np.isfinite(history)]
        assert np.all(np.diff(history) <= rounding * (1 + beta))


# Values that are known, merging.


def test_merging_jit_and_vmap_change_nothing():
    # Known values are merged and solved one by one, traced ones are not.
    conditionals = np.random.default_rng(8).dirichlet(np.ones(4), 3)
    p_x = np.array([2, 4, 1, 1]) / 8
    p_xy = p_x[:, None] * conditionals[[0, 1, 0, 2]]
    betas = np.array([0.5, 1.5, 4.0, 10.0, 40.0])
    unmerged = solve([p_xy] * len(betas), betas)
    for case, beta in enumerate(betas):
        with jax.enable_x64(True):
            merged = jax.tree.map(np.asarray, blahut_arimoto(p_xy, beta))
        assert merged.p_t_given_x.shape == (4, 3)
        np.testing.assert_array_equal(merged.p_t_given_x[0], merged.p_t_given_x[2])
        rows = unmerged.p_t_given_x[case]
        np.testing.assert_allclose(rows[0], rows[2], rtol=0, atol=1e-12)
        np.testing.assert_allclose(
            merged.objective, unmerged.objective[case], rtol=0, atol=1e-12
        )
        for field in ("i_xt", "i_ty"):
            np.testing.assert_allclose(
                getattr(merged, field), getattr(unmerged, field)[case], atol=CLUSTERS
            )
        assert merged.history.shape == unmerged.history[case].shape
        assert merged.converged and unmerged.converged[case]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_one_alpha_has_one_solution_traced_or_not(alpha):
    p_xy = one_table()
    (traced,) = solve([p_xy], [4.0], alpha).p_t_given_x
    with jax.enable_x64(True):
        known = blahut_arimoto(p_xy, 4.0, alpha=alpha).p_t_given_x
    # Merging leaves the inputs in another order, and so the clusters.
    order = [np.lexsort(np.round(np.asarray(e), 6)) for e in (traced, known)]
    one, other = (
        np.asarray(e)[:, o] for e, o in zip((traced, known), order, strict=True)
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_szt_is_its_classes_of_inputs():
    score, number = scores(), orbits()
    p_one = 1 / (1 + np.exp(-54.5 * (score - 7.632)))
    p_xy = np.stack([1 / (1 + np.exp(54.5 * (score - 7.632))), p_one], axis=1) / 4096
    _, first, size = np.unique(number, return_index=True, return_counts=True)
    classes = p_xy[first] * size[:, None]
    assert classes.shape == (64, 2)
    unmerged = jax.jit(blahut_arimoto)
    with jax.enable_x64(True):
        for beta in (1.2, 3.0, 30.0):
            merged, coarse = blahut_arimoto(p_xy, beta), unmerged(classes, beta)
            assert merged.p_t_given_x.shape[0] == 4096
            assert merged.p_t_given_x.shape[1] < 100
            np.testing.assert_allclose(
                merged.objective, coarse.objective, rtol=0, atol=1e-12
            )
            for field in ("i_xt", "i_ty"):
                np.testing.assert_allclose(
                    getattr(merged, field), getattr(coarse, field), atol=CLUSTERS
                )


# Starts.


def test_more_clusters_than_inputs():
    start = np.random.default_rng(9).dirichlet(np.ones(6), NUM_X)
    # The third cluster has no weight to start with.
    start[:, 2] = 0
    start /= start.sum(axis=1, keepdims=True)
    expected = solve([one_table()], [10.0])
    with jax.enable_x64(True):
        found = blahut_arimoto(one_table(), 10.0, p_t_given_x=start)
    assert found.p_t_given_x.shape == (NUM_X, 6)
    np.testing.assert_allclose(found.objective, expected.objective, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.p_t_given_x[:, 2], 0)


def test_one_cluster_says_nothing():
    start = np.zeros((NUM_X, 6))
    start[:, 1] = 1
    with jax.enable_x64(True):
        found = blahut_arimoto(one_table(), 100.0, p_t_given_x=start)
    np.testing.assert_array_equal(found.p_t_given_x, start)
    np.testing.assert_allclose([found.i_xt, found.i_ty], 0, atol=ABSOLUTE)
    assert found.converged
    # One column is a shape like any other.
    alone = jax.eval_shape(
        lambda start: blahut_arimoto(one_table(), 100.0, p_t_given_x=start),
        jax.ShapeDtypeStruct((NUM_X, 1), np.float32),
    )
    assert alone.p_t_given_x.shape == (NUM_X, 1)


def test_few_steps_do_not_converge():
    with jax.enable_x64(True):
        found = blahut_arimoto(one_table(), 3.0, max_steps=7)
    assert not found.converged
    assert 3 <= found.num_steps <= 7
    assert found.history.shape == (7,)
    np.testing.assert_array_equal(
        np.isnan(found.history), np.arange(7) >= int(found.num_steps)
    )
