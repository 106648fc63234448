"""Curvature by products: numpy's eigenvalues, diagonal matrices, the Gaussian case."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax.flatten_util import ravel_pytree

from ibjax import networks, weights

RNG = np.random.default_rng(0)
NETWORK = networks.mlp((3, 4, 2))
X = RNG.normal(size=(9, 3))
LABELS = RNG.integers(0, 2, 9)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def _loss(params):
    logs = jax.nn.log_softmax(NETWORK.activations(params, jnp.asarray(X))[-1], axis=1)
    return -jnp.sum(logs[jnp.arange(9), LABELS])


@pytest.fixture(scope="module")
def case():
    """Parameters of a tiny network, its Hessian, and the product with it."""
    with jax.enable_x64(True):
        params = tuple(
            (RNG.normal(size=(m, n)), RNG.normal(size=m)) for n, m in ((3, 4), (4, 2))
        )
        flat, as_tree = ravel_pytree(params)
        product = jax.jit(partial(weights.hvp, _loss, params))
        columns = [ravel_pytree(product(as_tree(row)))[0] for row in np.eye(flat.size)]
        return params, np.stack(columns), product


def test_products_are_those_of_differences(case):
    params, hessian, _ = case
    flat, as_tree = ravel_pytree(params)
    gradient = jax.jit(lambda flat: jax.grad(lambda v: _loss(as_tree(v)))(flat))
    step = 1e-5
    for place in (0, 7, 20):
        unit = step * np.eye(flat.size)[place]
        row = (gradient(flat + unit) - gradient(flat - unit)) / (2 * step)
        # The error of a central difference, and rounding over the step.
        np.testing.assert_allclose(hessian[place], row, atol=1e-8)
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-12)


def test_all_eigenvalues_of_a_network(case, key):
    params, hessian, product = case
    exact = np.linalg.eigvalsh(hessian)[::-1]
    size = len(exact)
    found = jax.jit(
        lambda key: weights.top_eigenvalues(
            key, product, params, num_values=size, num_steps=size
        )
    )(key)
    np.testing.assert_allclose(found.values, exact, atol=1e-10 * exact[0])
    assert np.all(found.residuals < 1e-10 * exact[0])


def test_residuals_bound_the_error_of_few_steps(case, key):
    params, hessian, product = case
    exact = np.linalg.eigvalsh(hessian)[::-1]
    found = jax.jit(
        lambda key: weights.top_eigenvalues(
            key, product, params, num_values=4, num_steps=8
        )
    )(key)
    distances = np.abs(np.subtract.outer(found.values, exact)).min(axis=1)
    assert np.all(distances <= found.residuals + 1e-10)
    np.testing.assert_allclose(found.values[0], exact[0], rtol=1e-3)
    assert np.all(found.values <= exact[:4] + 1e-10)


def test_multiple_eigenvalues_are_all_found(key):
    diagonal = np.array([5.0, 5.0, 5.0, 2.0, 0.0, 0.0, -1.0])
    found = jax.jit(
        lambda key: weights.top_eigenvalues(
            key, lambda v: diagonal * v, diagonal, num_values=7, num_steps=7
        )
    )(key)
    np.testing.assert_allclose(found.values, np.sort(diagonal)[::-1], atol=1e-12)


def _probes(product, like, num_probes):
    return jax.jit(
        lambda key: weights.hessian_trace(key, product, like, num_probes=num_probes)
    )


def test_the_trace_of_a_diagonal_matrix_has_no_variance(key):
    diagonal = RNG.normal(size=20)
    found = _probes(lambda v: diagonal * v, diagonal, 5)(key)
    np.testing.assert_allclose(found.value, diagonal.sum(), rtol=1e-13)
    assert found.standard_error < 1e-14
    single = _probes(lambda v: diagonal * v, diagonal, 1)(key)
    assert np.isnan(single.standard_error)


def test_traces_of_a_network_and_of_its_arrays(case, key):
    params, hessian, product = case
    num = 400
    found = _probes(product, params, num)(key)
    off = np.sum(hessian**2) - np.sum(np.diag(hessian) ** 2)
    error = np.sqrt(2 * off / num)
    assert abs(found.value - np.trace(hessian)) < 4 * error
    # A standard deviation from 400 values of heavy tails is known to a fifth.
    np.testing.assert_allclose(found.standard_error, error, rtol=0.25)
    blocks = ravel_pytree(params)[1](np.diag(hessian))
    leaves = zip(jax.tree.leaves(found.blocks), jax.tree.leaves(blocks), strict=True)
    for value, block in leaves:
        # A block's estimate has the rest of its rows as noise.
        assert abs(value - block.sum()) < 4 * error
    total = sum(jax.tree.leaves(found.blocks))
    np.testing.assert_allclose(found.value, total, rtol=1e-12)


def test_log_determinants_are_those_of_numpy(key):
    rows = RNG.normal(size=(6, 25))
    matrix = rows.T @ rows
    exact = np.linalg.slogdet(np.eye(25) + 0.3 * matrix)[1]
    # Seven eigenvalues, one of them zero: seven steps are exact for every probe.
    found = jax.jit(
        lambda key: weights.log_determinant(
            key, lambda v: matrix @ v, rows[0], scale=0.3, num_probes=200, num_steps=7
        )
    )(key)
    assert 0 < found.standard_error < 0.05 * exact
    assert abs(found.value - exact) < 4 * found.standard_error


def test_null_directions_of_float32_are_null(key):
    rows = RNG.normal(size=(6, 25)).astype(np.float32)
    scale = 1e7
    values = np.linalg.svd(rows.astype(float), compute_uv=False) ** 2
    exact = np.sum(np.log1p(scale * values))
    with jax.enable_x64(False):
        # Products with rounding, and nodes for all null directions, of either sign.
        found = jax.jit(
            lambda key: weights.log_determinant(
                key,
                lambda v: rows.T @ (rows @ v),
                rows[0],
                scale=scale,
                num_probes=200,
                num_steps=25,
            )
        )(key)
    assert 0 < found.standard_error < 0.05 * exact
    assert abs(found.value - exact) < 4 * found.standard_error


def test_every_probe_is_exact_where_signs_do_not_matter(key):
    diagonal = np.array([3.0, 1.0, 1.0, 0.0, 0.0, 0.5])

    @jax.jit
    def sums(key):
        # Four distinct eigenvalues, and more steps than these need.
        return [
            weights.spectral_sum(
                key, function, lambda v: diagonal * v, diagonal, num_steps=5
            )
            for function in (lambda h: jnp.log1p(2 * h), lambda h: h**3)
        ]

    exact = np.sum(np.log1p(2 * diagonal)), np.sum(diagonal**3)
    for found, value in zip(sums(key), exact, strict=True):
        np.testing.assert_allclose(found.value, value, rtol=1e-12)
        assert found.standard_error < 1e-12


def test_the_information_in_the_weights_without_a_matrix(case, key):
    """log |I + s H| and the rest of the information, from products alone."""
    _, hessian, _ = case
    curvature = hessian @ hessian  # Positive, as at a minimum.
    size, prior_variance, beta = len(hessian), 2.0, 0.5
    scale = prior_variance / beta

    def of_eigenvalue(h):
        s = scale * h
        return (jnp.log1p(s) - s / (1 + s)) / 2

    found = jax.jit(
        lambda key: weights.spectral_sum(
            key,
            of_eigenvalue,
            lambda v: curvature @ v,
            np.zeros(size),
            num_probes=100,
            num_steps=size,
        )
    )(key)
    exact = weights.gaussian_information(
        np.zeros(1),
        np.linalg.eigvalsh(curvature),
        prior_variance=prior_variance,
        beta=beta,
    ).information
    assert abs(found.value - exact) < 4 * found.standard_error


def test_bad_arguments_are_refused(key):
    product, like = (lambda v: v), np.zeros(3)
    cases = [
        ({"num_steps": 4, "num_values": 1}, "num_steps must be at most the number of"),
        ({"num_steps": 2, "num_values": 3}, "num_values must be at most num_steps 2"),
        ({"num_steps": 0, "num_values": 1}, "num_steps must be a whole number"),
    ]
    for counts, message in cases:
        with pytest.raises(ValueError, match=message):
            weights.top_eigenvalues(key, product, like, **counts)
    with pytest.raises(ValueError, match="num_probes must be a whole number"):
        weights.hessian_trace(key, product, like, num_probes=0)
    with pytest.raises(ValueError, match="scale must be one number from 0 on"):
        weights.log_determinant(key, product, like, scale=-1.0)
    with pytest.raises(TypeError, match="key must be a key"):
        weights.hessian_trace(0, product, like)
    with pytest.raises(ValueError, match="like and product must have one shape"):
        weights.top_eigenvalues(key, lambda v: v[:2], like, num_values=1, num_steps=1)
    with pytest.raises(ValueError, match="product must fit like"):
        weights.log_determinant(key, lambda v: 2.0 * v, {"w": X}, scale=1.0)


@pytest.mark.parametrize(
    "vector", [pd.Series([1.0, 2.0]), np.array([1.0, 2.0], np.longdouble)]
)
def test_vectors_of_other_libraries_are_taken(vector):
    def product(v):
        return weights.hvp(lambda w: jnp.sum(w**3), vector, v)

    np.testing.assert_array_equal(product(vector), [6.0, 24.0])
    assert weights.hessian_trace(jax.random.key(0), product, vector).value == 18.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: weights.hvp(3, 1.0, 1.0), "loss must be a function"),
        (lambda: weights.hvp(sum, X, X[:1]), "params and vector must have one shape"),
        (lambda: weights.hvp(sum, X, [X]), "params and vector must have one structure"),
        (
            lambda: weights.hessian_trace(jax.random.key(0), None, X),
            "product must be a function",
        ),
        (lambda: weights.fisher_diagonal(X, X, network=3), "network must be a Network"),
        (
            lambda: weights.fisher_diagonal([(X,)], X, network=NETWORK),
            "network must fit params and x, got ",
        ),
        (
            lambda: weights.posterior.kl(3, prior_variance=1.0),
            "posterior must be a Posterior",
        ),
        (
            lambda: weights.mean_field_kl(X, X, prior_variance=1.0, prior_mean=X[:2]),
            r"prior_mean must have shape \[\] or \[9, 3\]",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_traced(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
