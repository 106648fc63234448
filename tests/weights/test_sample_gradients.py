"""Squared gradients of single samples against those that are made one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from ibjax.compilation import compiling_for
from ibjax.networks.convolutional import convolve
from ibjax.weights.sample_gradients import squared_gradients

RNG = np.random.default_rng(0)


def _normal(*shape):
    return jnp.asarray(RNG.normal(size=shape), jnp.float32)


X = _normal(6, 12)
# Three directions of a sample of three outputs, as its label would weigh them.
DIRECTIONS = _normal(6, 3, 3)
SHARES = jnp.asarray(RNG.uniform(size=(6, 3)), jnp.float32)


def _dense(w, x):
    return jnp.tanh(x @ w["in"].T + w["bias"][None]) @ w["out"]


def _first(w, x):
    """Arrays as the first factor, contracted along other axes, laid out anew."""
    t = jnp.tanh(jnp.einsum("abh,nab->hn", w["in"], x.reshape(-1, 3, 4)))
    return lax.dot_general(w["out"].reshape(3, 5), t, (((1,), (0,)), ((), ()))).T


def _convolution(w, x):
    t = jax.nn.relu(convolve(x.reshape(-1, 4, 3, 1), w["kernel"]) + w["bias"])
    return t.reshape(len(x), -1) @ w["out"]


def _scaled(w, x):
    """A small array that is used twice, no time in a product."""
    return jnp.tanh((x * w["scale"][None] + w["scale"][None]) @ w["in"]) @ w["out"]


@jax.custom_vjp
def _rounded(w):
    return jnp.round(4 * w) / 4


# Its own derivative would be zero.
_rounded.defvjp(lambda w: (_rounded(w), None), lambda _, g: (g,))


def _quantised(w, x):
    return jnp.tanh(x @ w["in"]) @ w["out"] + _rounded(w["bias"])[None]


def _tied(w, x):
    """An array that is used twice, one in a loop, and one in one product."""
    t = jnp.tanh(x @ w["in"])
    t, _ = lax.scan(lambda t, _: (jnp.tanh(t @ w["loop"]), None), t, None, length=3)
    return jnp.tanh(t @ w["tied"]) @ w["tied"].T @ w["out"]


def _lookup(w, x):
    return w["table"][(x[:, 0] > 0).astype(int)] * jnp.sum(x, 1, keepdims=True)


CASES = {
    "dense": (
        _dense,
        {"in": _normal(5, 12), "bias": _normal(5), "out": _normal(5, 3)},
        {"in", "out"},
    ),
    "first": (_first, {"in": _normal(3, 4, 5), "out": _normal(5, 3)}, {"in", "out"}),
    "convolution": (
        _convolution,
        {
            "kernel": _normal(2, 2, 1, 4),
            "bias": _normal(1, 1, 1, 4),
            "out": _normal(24, 3),
        },
        {"kernel", "out"},
    ),
    "scaled": (
        _scaled,
        {"scale": _normal(12), "in": _normal(12, 9), "out": _normal(9, 3)},
        {"in", "out"},
    ),
    "quantised": (
        _quantised,
        {"in": _normal(12, 9), "out": _normal(9, 3), "bias": _normal(3)},
        {"in", "out"},
    ),
    "tied": (
        _tied,
        {
            "in": _normal(12, 40),
            "loop": _normal(40, 40) / 100,
            "tied": _normal(40, 2),
            "out": _normal(40, 3),
        },
        None,
    ),
    "lookup": (_lookup, {"table": _normal(2, 3)}, None),
}


def _expected(function, weights):
    """Squares of all gradients, in float64."""
    jacobian = jax.jacrev(function)(weights, X)

    def squares(leaf):
        found = np.einsum("nco,no...->nc...", DIRECTIONS, leaf, dtype=np.float64)
        return np.einsum("nc,nc...->...", SHARES, found**2)

    return jax.tree.map(squares, jacobian)


@pytest.mark.parametrize("platform", ["cpu", "cuda"])
@pytest.mark.parametrize("name", CASES)
def test_sums_are_those_of_all_gradients(name, platform):
    function, weights, products = CASES[name]

    # The path of another platform, which runs here too.
    @jax.jit
    def found(weights):
        with compiling_for(platform):
            sums = squared_gradients(function, weights, X)
            totals = sums.zeros
            for half in (slice(0, 3), slice(3, 6)):
                batch = X[half], SHARES[half], DIRECTIONS[half]
                totals = sums.add(totals, lambda output, *own: own, *batch)
            return sums.tree(totals)

    # Made one by one they are sums that may cancel, known to a rounding of the largest.
    known = 0.0 if products else np.finfo(np.float32).eps
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=known * b.max()),
        found(weights),
        _expected(function, weights),
    )


@pytest.mark.parametrize("name", CASES)
def test_arrays_of_one_product_are_told_from_others(name):
    function, weights, products = CASES[name]
    zeros = squared_gradients(function, weights, X).zeros
    if products is None:
        # One by one: totals are built as the weights are.
        assert jax.tree.map(jnp.shape, zeros) == jax.tree.map(jnp.shape, weights)
        return
    of_products, of_others = zeros
    assert len(of_products) == len(products)
    assert sum(leaf.size for leaf in of_products) == sum(
        weights[name].size for name in products
    )
    assert [leaf.shape for leaf in of_others] == [
        weights[name].shape for name in sorted(weights.keys() - products)
    ]
