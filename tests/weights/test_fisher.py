"""Fisher matrices: closed forms, all gradients by themselves, all labels drawn."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax.flatten_util import ravel_pytree

from ibjax import networks, weights
from ibjax.compilation import compiling_for
from ibjax.estimators import over_devices
from ibjax.networks.network import NetworkState

RNG = np.random.default_rng(0)
X = RNG.normal(size=(7, 3))
LABELS = np.array([0, 1, 2, 1, 0, 2, 2])
WIDTHS = (3, 4, 3)
NETWORK = networks.mlp(WIDTHS)
PARAMS = tuple(
    (RNG.normal(size=(m, n)), RNG.normal(size=m)) for n, m in itertools.pairwise(WIDTHS)
)


@pytest.fixture(autouse=True)
def x64():
    with jax.enable_x64(True):
        yield


def _logits(params, x):
    (w1, b1), (w2, b2) = params
    return jnp.tanh(x @ w1.T + b1) @ w2.T + b2


@pytest.fixture(scope="module")
def jacobian():
    """Derivatives of all outputs by all parameters, ``[sample, class, parameter]``."""
    with jax.enable_x64(True):
        flat, as_tree = ravel_pytree(PARAMS)
        one = jax.jacrev(lambda flat, x: _logits(as_tree(flat), x))
        return np.asarray(jax.jit(jax.vmap(one, (None, 0)))(flat, X))


@pytest.fixture(scope="module")
def p():
    with jax.enable_x64(True), jax.numpy_rank_promotion("allow"):
        return np.asarray(jax.nn.softmax(_logits(PARAMS, X), axis=1))


def _scores(jacobian, p):
    """Gradient of log p(y|x) for every sample and class."""
    return jacobian - np.einsum("nc,ncp->np", p, jacobian)[:, None]


def _flat(tree):
    return np.asarray(ravel_pytree(tree)[0])


def test_softmax_regression_in_closed_form():
    linear = networks.mlp((3, 3))
    ((w, b),) = params = ((RNG.normal(size=(3, 3)), RNG.normal(size=3)),)
    logits = X @ w.T + b
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ((of_w, of_b),) = weights.fisher_diagonal(params, X, network=linear)
    np.testing.assert_allclose(of_w, (p * (1 - p)).T @ X**2 / 7, rtol=1e-12)
    np.testing.assert_allclose(of_b, np.mean(p * (1 - p), axis=0), rtol=1e-12)
    found = weights.fisher_diagonal(params, X, network=linear, labels=LABELS)
    errors = (p - np.eye(3)[LABELS]) ** 2
    np.testing.assert_allclose(found[0][0], errors.T @ X**2 / 7, rtol=1e-12)


def test_the_diagonal_is_that_of_all_gradients(jacobian, p):
    squares = _scores(jacobian, p) ** 2
    expected = np.einsum("nc,ncp->p", p, squares) / 7
    # Batches that do not come out even, and one of more samples than there are.
    for batch_size in (3, 64):
        found = weights.fisher_diagonal(
            PARAMS, X, network=NETWORK, batch_size=batch_size
        )
        np.testing.assert_allclose(_flat(found), expected, rtol=1e-11)
        assert jax.tree.structure(found) == jax.tree.structure(PARAMS)
    labels = RNG.dirichlet(np.ones(3), 7)
    found = weights.fisher_diagonal(PARAMS, X, network=NETWORK, labels=labels)
    expected = np.einsum("nc,ncp->p", labels, squares) / 7
    np.testing.assert_allclose(_flat(found), expected, rtol=1e-11)


def test_certain_distributions_are_classes():
    by_class, by_row = (
        weights.fisher_diagonal(PARAMS, X, network=NETWORK, labels=labels)
        for labels in (LABELS, np.eye(3)[LABELS])
    )
    np.testing.assert_allclose(_flat(by_class), _flat(by_row), rtol=1e-12)


def test_a_linear_output_has_noise_of_variance_one(jacobian, p):
    network = networks.mlp(WIDTHS, output="linear")
    found = weights.fisher_diagonal(PARAMS, X, network=network)
    np.testing.assert_allclose(
        _flat(found), np.sum(jacobian**2, axis=1).mean(axis=0), rtol=1e-11
    )
    targets = RNG.normal(size=(7, 3))
    errors = np.log(p) - np.log(p)[:, :1]  # Logits but for what all share.
    (_, _), (w2, b2) = PARAMS
    outputs = np.tanh(X @ PARAMS[0][0].T + PARAMS[0][1]) @ w2.T + b2
    np.testing.assert_allclose(outputs - outputs[:, :1], errors, atol=1e-12)
    gradients = np.einsum("nc,ncp->np", outputs - targets, jacobian)
    found = weights.fisher_diagonal(PARAMS, X, network=network, labels=targets)
    np.testing.assert_allclose(_flat(found), np.mean(gradients**2, axis=0), rtol=1e-10)


def _outer(x):
    return x[:, :, None] * x[:, None]


def test_blocks_of_a_softmax_regression_in_closed_form():
    linear = networks.mlp((3, 3))
    ((w, b),) = params = ((RNG.normal(size=(3, 3)), RNG.normal(size=3)),)
    logits = X @ w.T + b
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (found,) = weights.fisher_blocks(params, X, network=linear, batch_size=4)
    inner = p[:, :, None] * (np.eye(3) - p[:, None])
    # Inputs and the constant one that a bias goes with, in the order of (w, b).
    with_one = np.concatenate([X, np.ones((7, 1))], axis=1)
    expected = np.mean(list(map(np.kron, inner, _outer(with_one))), axis=0)
    order = np.argsort(np.arange(12) % 4 == 3, kind="stable")
    expected = expected[np.ix_(order, order)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)


def test_blocks_are_cut_out_of_the_whole_matrix(jacobian, p):
    scores = _scores(jacobian, p)
    distributions = RNG.dirichlet(np.ones(3), 7)
    # Batches that do not come out even, and one of more samples than there are.
    for labels, of_class, batch_size in (
        ("model", p, 3),
        (distributions, distributions, 64),
        (LABELS, np.eye(3)[LABELS], 2),
    ):
        options = {"network": NETWORK, "labels": labels, "batch_size": batch_size}
        first, second = weights.fisher_blocks(PARAMS, X, **options)
        expected = np.einsum("nc,nci,ncj->ij", of_class, scores, scores) / 7
        close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-14)
        close(first, expected[:16, :16])
        close(second, expected[16:, 16:])
        diagonal = weights.fisher_diagonal(PARAMS, X, **options)
        for block, layer in zip((first, second), diagonal, strict=True):
            close(np.diagonal(block), _flat(layer), rtol=1e-12)


def test_blocks_are_the_same_where_samples_go_side_by_side():
    one = weights.fisher_blocks(PARAMS, X, network=NETWORK, batch_size=3)
    with compiling_for("gpu"):
        found = weights.fisher_blocks(PARAMS, X, network=NETWORK, batch_size=3)
    jax.tree.map(
        partial(np.testing.assert_allclose, rtol=1e-11, atol=1e-15), found, one
    )


def _tree_network():
    """A network whose first layer stands beside an array that is no layer's."""
    return NETWORK._replace(
        activations=lambda params, x: NETWORK.activations(
            (params["first"]["own"], params["second"]), params["scale"] * x
        )
    )


def test_a_layer_is_what_holds_arrays_alone():
    network = _tree_network()
    params = {"scale": 1.0, "first": {"own": PARAMS[0]}, "second": list(PARAMS[1])}
    found = weights.fisher_blocks(params, X, network=network)
    one, two = weights.fisher_blocks(PARAMS, X, network=NETWORK)
    np.testing.assert_allclose(found["first"]["own"], one, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found["second"], two, rtol=1e-12, atol=1e-15)
    diagonal = weights.fisher_diagonal(params, X, network=network)
    np.testing.assert_allclose(found["scale"], [[diagonal["scale"]]], rtol=1e-12)
    traces = jax.tree.map(
        lambda block, layer: jnp.trace(block) / _flat(layer).sum(), found, diagonal
    )
    np.testing.assert_allclose(_flat(traces), 1.0, rtol=1e-12)


def test_variables_of_flax_are_arrays_of_a_layer():
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.one = nnx.Linear(3, 4, rngs=rngs)
            self.two = nnx.Linear(4, 2, use_bias=False, rngs=rngs)

        def __call__(self, x):
            hidden = jnp.tanh(self.one(x))
            return hidden, self.two(hidden)

    network = networks.from_flax(Model, example_input=X[:1])

    def blocks(key):
        return weights.fisher_blocks(network.init(key), X, network=network)

    found = jax.eval_shape(blocks, jax.random.key(0))
    assert [block.shape for block in jax.tree.leaves(found)] == [(16, 16), (8, 8)]


def test_blocks_that_no_memory_holds_are_refused():
    params = ((np.zeros((1000, 3000)), np.zeros(1000)),)
    with pytest.raises(MemoryError, match="of 3001000 rows, takes .*fisher_diagonal"):
        weights.fisher_blocks(
            params, np.ones((1, 3000)), network=networks.mlp((3000, 1000))
        )


def test_the_square_of_a_mean_gradient_is_not_the_fisher_information(jacobian, p):
    """Over all labels that a model can draw for a batch of B, its mean is F / B."""
    num = 3
    scores, p = _scores(jacobian, p)[:num], p[:num]
    drawn = np.zeros(scores.shape[2])
    for labels in itertools.product(range(3), repeat=num):
        rows = np.arange(num), np.array(labels)
        drawn += np.prod(p[rows]) * np.mean(scores[rows], axis=0) ** 2
    found = weights.fisher_diagonal(PARAMS, X[:num], network=NETWORK, batch_size=num)
    np.testing.assert_allclose(num * drawn, _flat(found), rtol=1e-11)


def test_traces_of_layers_and_of_all():
    diagonal = weights.fisher_diagonal(PARAMS, X, network=NETWORK)
    found = weights.fisher_trace(PARAMS, X, network=NETWORK)
    np.testing.assert_allclose(found.total, _flat(diagonal).sum(), rtol=1e-12)
    layers = [np.sum(w) for w, _ in diagonal]
    np.testing.assert_allclose(found.layers, layers, rtol=1e-12)


def test_devices_share_the_samples_of_blocks():
    options = {"network": NETWORK, "batch_size": 2}
    one = weights.fisher_blocks(PARAMS, X, **options)
    divided = over_devices(weights.fisher_blocks)(PARAMS, X, **options)
    for found, expected in zip(divided, one, strict=True):
        # The same 21 products or fewer, of either sign, in another order.
        atol = 21 * 2.0**-52 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("num", [1, 2, 7])
@pytest.mark.parametrize("labels", ["model", 1])
def test_devices_share_the_samples(num, labels):
    labels = labels if labels == "model" else np.ones(num, int)
    options = {"network": NETWORK, "labels": labels, "batch_size": 2}
    one = weights.fisher_diagonal(PARAMS, X[:num], **options)
    divided = over_devices(weights.fisher_diagonal)(PARAMS, X[:num], **options)
    # The same 21 squares or fewer, in another order.
    close = partial(np.testing.assert_allclose, rtol=21 * 2.0**-52)
    jax.tree.map(close, divided, one)


def test_products_and_determinants_are_those_of_the_matrix(jacobian, p):
    rows = np.sqrt(p / 7)[..., None] * _scores(jacobian, p)
    rows = rows.reshape(-1, rows.shape[2])
    fisher = rows.T @ rows
    vector = RNG.normal(size=fisher.shape[0])
    tree = ravel_pytree(PARAMS)[1](vector)
    found = weights.fisher_vector_product(
        PARAMS, X, tree, network=NETWORK, batch_size=3
    )
    np.testing.assert_allclose(_flat(found), fisher @ vector, rtol=1e-10, atol=1e-13)
    # As many gradients, 21, as make the Gram matrix the smaller one, and more.
    for count in (7, 14):
        x = np.concatenate([X, X])[:count]
        for scale in (0.0, 3.0, 1e4):
            found = weights.fisher_log_determinant(
                PARAMS, x, network=NETWORK, scale=scale
            )
            exact = np.linalg.slogdet(np.eye(len(fisher)) + scale * fisher)[1]
            np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 3.0, 1e4])
def test_determinants_of_blocks_bound_that_of_the_matrix(scale):
    found = weights.fisher_block_log_determinants(
        PARAMS, X, network=NETWORK, scale=scale
    )
    blocks = weights.fisher_blocks(PARAMS, X, network=NETWORK)
    for value, block in zip(found, blocks, strict=True):
        exact = np.linalg.slogdet(np.eye(len(block)) + scale * np.asarray(block))[1]
        np.testing.assert_allclose(value, exact, rtol=1e-9, atol=1e-12)
    whole = weights.fisher_log_determinant(PARAMS, X, network=NETWORK, scale=scale)
    # Samples that move both layers count for each of them.
    assert sum(found) > 1.1 * whole if scale else sum(found) == whole == 0


def test_parameters_of_float32_take_inputs_of_float64():
    single = jax.tree.map(np.float32, PARAMS)
    double = jax.tree.map(np.float64, single)
    # Every array is rounded by itself, in every sample.
    close = partial(np.testing.assert_allclose, rtol=8 * 2.0**-23, atol=2.0**-23)
    trace, exact = (
        weights.fisher_trace(params, X, network=NETWORK) for params in (single, double)
    )
    jax.tree.map(close, trace, exact)
    vector = ravel_pytree(PARAMS)[1](RNG.normal(size=31))
    product, exact = (
        weights.fisher_vector_product(params, X, vector, network=NETWORK)
        for params in (single, double)
    )
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(product))
    # Sums over seven samples of roundings of numbers of size one.
    close = partial(np.testing.assert_allclose, rtol=0, atol=30 * 2.0**-23)
    jax.tree.map(close, product, exact)
    determinant, exact = (
        weights.fisher_log_determinant(params, X, network=NETWORK, scale=10.0)
        for params in (single, double)
    )
    np.testing.assert_allclose(determinant, exact, rtol=8 * 2.0**-23)
    blocks, exact = (
        weights.fisher_blocks(params, X, network=NETWORK) for params in (single, double)
    )
    assert all(block.dtype == jnp.float32 for block in blocks)
    jax.tree.map(close, blocks, exact)


@pytest.mark.parametrize("num, copies", [(5, 1), (4, 2), (7, 2)])
def test_determinants_of_float32_survive_null_directions(num, copies):
    """Of a sample's classes, of samples that are the same, of what all logits share.

    There are fewer gradients than parameters, 31, in the first two cases.
    """
    params = jax.tree.map(np.float32, PARAMS)
    x = np.concatenate([X[:num]] * copies).astype(np.float32)
    flat, as_tree = ravel_pytree(jax.tree.map(np.float64, params))
    one = jax.jacrev(lambda flat, x: _logits(as_tree(flat), x))
    jacobian = np.asarray(jax.jit(jax.vmap(one, (None, 0)))(flat, np.float64(x)))
    p = np.exp([np.asarray(_logits(as_tree(flat), row)) for row in np.float64(x)])
    p /= p.sum(axis=1, keepdims=True)
    rows = np.sqrt(p / len(x))[..., None] * _scores(jacobian, p)
    values = np.linalg.svd(rows.reshape(-1, 31), compute_uv=False) ** 2
    with jax.enable_x64(False):
        for scale in (1e3, 1e7, 1e9):
            found = weights.fisher_log_determinant(
                params, x, network=NETWORK, scale=scale
            )
            assert found.dtype == jnp.float32
            # Of 31 directions, each has the rounding of a few dozen operations; a null
            # one that of what is added, which is 32 * 31^0.5 roundings of the largest.
            rounding = 2.0**-23
            added = 32 * 31**0.5 * rounding * scale * values[0]
            atol = 31 * rounding * (100 + added)
            exact = np.sum(np.log1p(scale * values))
            np.testing.assert_allclose(found, exact, rtol=10 * rounding, atol=atol)


def test_half_the_quadratic_form_is_the_divergence():
    tree = jax.tree.map(lambda leaf: RNG.normal(size=leaf.shape), PARAMS)

    def log_p(step):
        moved = jax.tree.map(lambda leaf, d: leaf + step * d, PARAMS, tree)
        return jax.nn.log_softmax(NETWORK.activations(moved, X)[-1], axis=1)

    step = 1e-4
    before, after = np.asarray(log_p(0.0)), np.asarray(log_p(step))
    kl = np.mean(np.sum(np.exp(before) * (before - after), axis=1))
    product = weights.fisher_vector_product(PARAMS, X, tree, network=NETWORK)
    # The cubic term of the divergence.
    np.testing.assert_allclose(
        kl, step**2 / 2 * np.vdot(_flat(tree), _flat(product)), rtol=1e3 * step
    )


def test_what_is_not_trained_has_no_information():
    # A scale of the inputs that no gradient changes.
    state = NetworkState(
        split=lambda params: params,
        merge=lambda trained, scale: (trained, scale),
        update=lambda params, x, key: params[1],
    )
    network = NETWORK._replace(
        activations=lambda params, x: NETWORK.activations(params[0], params[1] * x),
        kernels=lambda params: NETWORK.kernels(params[0]),
        state=state,
    )
    options = {"network": network, "batch_size": 7}
    found = weights.fisher_diagonal((PARAMS, 2.0), X, **options)
    expected = weights.fisher_diagonal(PARAMS, 2 * X, network=NETWORK, batch_size=7)
    np.testing.assert_allclose(_flat(found), _flat(expected), rtol=1e-12)
    trace = weights.fisher_trace((PARAMS, 2.0), X, **options)
    np.testing.assert_allclose(trace.total, _flat(found).sum(), rtol=1e-12)
    assert trace.layers.shape == (2,)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"x": X[0]}, ValueError, r"x must have shape \[num_samples, \*shape\]"),
        ({"labels": "data"}, ValueError, "labels must be one of model or an array of"),
        (
            {"labels": LABELS[:3]},
            ValueError,
            r"labels must have shape \[7\] or \[7, 3\]",
        ),
        ({"labels": LABELS + 1}, ValueError, r"labels must lie in \[0, 3\)"),
        ({"labels": LABELS * 1.0}, TypeError, "labels must be integers"),
        (
            {"labels": np.full((7, 3), [-1.0, 1.0, 1.0])},
            ValueError,
            r"labels must lie in \[0, inf\), got -1",
        ),
        (
            {"labels": np.concatenate([np.eye(3)[LABELS[:6]], [[0.5, 0.5, 0.1]]])},
            ValueError,
            "labels must sum to one, but row 6 sums to 1.1",
        ),
        ({"batch_size": 0}, ValueError, "batch_size must be a whole number"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    good = {"params": PARAMS, "x": X, "network": NETWORK}
    with pytest.raises(error, match=message):
        weights.fisher_diagonal(**good | change)


def test_bad_scales_are_refused():
    with pytest.raises(ValueError, match="scale must be one number from 0 on"):
        weights.fisher_log_determinant(PARAMS, X, network=NETWORK, scale=-1.0)
    with pytest.raises(ValueError, match="scale must be one number from 0 on"):
        weights.fisher_block_log_determinants(PARAMS, X, network=NETWORK, scale=-1.0)
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        weights.fisher_blocks(PARAMS, X, network=NETWORK, batch_size=0)


def test_labels_of_a_diverged_model_have_no_fisher_information():
    diverged = jax.tree.map(lambda w: jnp.full_like(w, jnp.nan), PARAMS)
    found = weights.fisher_diagonal(diverged, X, network=NETWORK)
    assert all(np.all(np.isnan(leaf)) for leaf in jax.tree.leaves(found))
    assert np.isnan(weights.fisher_trace(diverged, X, network=NETWORK).total)


class _Convolution(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = jnp.tanh(linen.Conv(4, (2, 2))(x.reshape(-1, 4, 3, 1)))
        return linen.Dense(3)(x.reshape(len(x), -1))


class _HalfPrecision(linen.Module):
    @linen.compact
    def __call__(self, x):
        t = jnp.tanh(linen.Dense(9, dtype=jnp.bfloat16)(x))
        return linen.Dense(3)(t.astype(jnp.float32))


class _Integers(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.Dense(3)(jnp.tanh(linen.Dense(9)(x.astype(jnp.float32))))


@pytest.mark.parametrize(
    "module, x, rtol",
    [
        (_Convolution(), RNG.normal(size=(5, 12)).astype(np.float32), 1e-5),
        # Of products of eight bits, which two programs round differently.
        (_HalfPrecision(), RNG.normal(size=(5, 12)).astype(np.float32), 0.05),
        (_Integers(), np.arange(60).reshape(5, 12) % 3, 1e-5),
    ],
)
def test_layers_of_flax_and_inputs_of_other_types(module, x, rtol):
    network = networks.from_flax(module, x, layers=[])
    params = network.init(jax.random.key(0))
    found = weights.fisher_diagonal(params, x, network=network, batch_size=3)

    def log_probabilities(params, x):
        return jax.nn.log_softmax(network.activations(params, x[None])[-1][0])

    expected = jax.tree.map(jnp.zeros_like, params)
    for row in jnp.asarray(x):
        p = jnp.exp(log_probabilities(params, row))
        gradients = jax.jacrev(log_probabilities)(params, row)
        expected = jax.tree.map(
            lambda total, g, p=p: total + jnp.tensordot(p, g**2, 1) / len(x),
            expected,
            gradients,
        )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * b.max()),
        found,
        expected,
    )
