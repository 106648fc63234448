"""Weights drawn for every sample, of networks of all kinds, by their covariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from jax import lax
from jax.flatten_util import ravel_pytree

from ibjax import networks, weights
from ibjax.weights.draws import local_activations

NUM = 10_000


class Layers(linen.Module):
    """One layer of every kind; each is linear in its weights."""

    @linen.compact
    def __call__(self, x):
        image = x.reshape(-1, 3, 3, 2)
        grouped = linen.Conv(4, (2, 2), feature_group_count=2)(image)
        strided = linen.Conv(2, (2, 2), strides=2, padding="VALID", use_bias=False)
        heads = linen.DenseGeneral((2, 2), axis=(-2, -1))(x.reshape(-1, 3, 6))
        return grouped, strided(image), heads


class Loop(linen.Module):
    """A loop, attention and a scale: weights are used many times, or in no product."""

    @linen.compact
    def __call__(self, x):
        hidden = linen.RNN(linen.SimpleCell(3))(x.reshape(-1, 3, 2))
        seen = linen.LayerNorm()(linen.MultiHeadDotProductAttention(1)(hidden))
        return hidden, linen.Dense(2)(seen[:, -1])


class Twice(linen.Module):
    """Two layers of the same weights."""

    @linen.compact
    def __call__(self, x):
        w = self.param("kernel", linen.initializers.normal(), (6, 2))
        return x @ w, x @ w


def _flax(module, num_inputs):
    return networks.from_flax(module, jnp.zeros((1, num_inputs)))


BASES = {
    "layers": (_flax(Layers(), 18), 18),
    # Convolutions written as products of patches.
    "patches": (
        networks.all_convolutional(
            (3, 3, 2), channels=(2,), strides=(2,), num_classes=2, activation=jnp.array
        ),
        18,
    ),
}


def _inputs(num_inputs, num=2):
    rng = np.random.default_rng(1)
    return jnp.asarray(rng.normal(size=(num, num_inputs)), jnp.float32)


def _posterior(network, key):
    rng = np.random.default_rng(2)
    posterior = jax.jit(network.init)(key)
    return posterior._replace(
        log_std=jax.tree.map(
            lambda w: jnp.asarray(rng.uniform(-2, 0, w.shape), w.dtype), posterior.mean
        )
    )


def _draws(network, params, x, key, num=NUM):
    def one(key):
        return network.activations(params, x, key=key)

    found = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=1000))(
        jax.random.split(key, num)
    )
    return [np.asarray(t, np.float64) for t in found]


@pytest.mark.parametrize("kind", BASES)
def test_draws_of_a_layer_have_its_means_and_covariances(key, kind):
    base, num_inputs = BASES[kind]
    x = _inputs(num_inputs)
    first = {"layers": slice(None), "patches": slice(1)}[kind]
    network = weights.noisy_weights(base, draws="flipout")
    params = _posterior(network, key)
    flat, as_tree = ravel_pytree(params.mean)
    variance = np.asarray(ravel_pytree(params.std)[0], np.float64) ** 2

    def of(w):
        return base.activations(as_tree(w), x)[first]

    means, jacobians = jax.jit(lambda w: (of(w), jax.jacrev(of)(w)))(flat)
    local = weights.noisy_weights(base, draws="local")
    draws = [_draws(n, params, x, key)[first] for n in (network, local)]
    most = []
    for mean, jacobian, flipped, own in zip(means, jacobians, *draws, strict=True):
        num_units = mean.shape[1]
        rows = np.asarray(jacobian, np.float64).reshape(2 * num_units, -1)
        shared = rows * variance @ rows.T
        std = np.sqrt(np.diag(shared))
        correlation = shared / np.outer(std, std)
        block = np.kron(np.eye(2), np.ones((num_units, num_units)))
        most.append(np.abs(correlation - np.eye(len(std)))[block > 0].max())
        for drawn, expected in (
            # A sample has the law of drawn weights; two of them are uncorrelated.
            (flipped, np.where(block > 0, correlation, 0.0)),
            # Every unit by itself.
            (own, np.eye(len(std))),
        ):
            z = (drawn - np.asarray(mean)).reshape(NUM, -1) / std
            assert np.all(np.abs(z.mean(axis=0)) < 4.5 / np.sqrt(NUM))
            # Given the signs all are normal: a product's variance is at most three.
            error = np.where(block > 0, np.sqrt(1 + expected**2), np.sqrt(3))
            away = np.abs(z.T @ z / NUM - expected)
            assert np.all(away < 4.5 * error / np.sqrt(NUM))
            # The fourth moment of a normal variable, of standard error sqrt(96 / n).
            assert np.all(np.abs(np.mean(z**4, axis=0) - 3) < 5 * np.sqrt(96 / NUM))
    # Places that share a kernel are told apart from those that do not.
    assert max(most) > 0.3


def test_flipout_of_loops_has_the_moments_of_drawn_weights(key):
    base = _flax(Loop(), 6)
    x = _inputs(6)
    of = {d: weights.noisy_weights(base, draws=d) for d in ("flipout", "explicit")}
    params = _posterior(of["flipout"], key)
    flipped, shared = (
        _draws(network, params, x, jax.random.fold_in(key, number), 4000)
        for number, network in enumerate(of.values())
    )
    for one, other in zip(flipped, shared, strict=True):
        for a, b in ((one, other), (one**2, other**2)):
            error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / 4000)
            assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error)
    # Samples of one batch: uncorrelated, whereas shared weights move them alike.
    rho = [
        np.max(np.abs([np.corrcoef(u, v)[0, 1] for u, v in zip(*pair, strict=True)]))
        for pair in ((t[0][:, 0].T, t[0][:, 1].T) for t in (flipped, shared))
    ]
    assert rho[0] < 4.5 / np.sqrt(4000) < 0.2 < rho[1]


def test_what_is_used_twice_is_drawn_once(key):
    network = weights.noisy_weights(_flax(Twice(), 6), draws="local")
    params = _posterior(network, key)
    one, other = _draws(network, params, _inputs(6), key, 10)
    np.testing.assert_array_equal(one, other)
    assert np.all(one.std(axis=0) > 0.1)


def _loop(length):
    def function(weights, x):
        return lax.scan(lambda h, _: (h @ weights, None), x, None, length=length)[0]

    return function


def _unrolled(weights, x):
    return x @ weights @ weights @ weights


def test_a_loop_has_the_law_of_its_steps_unrolled(key):
    """The third power of one weight, whose moments are known."""
    mean, std = 1.0, 0.5
    posterior = weights.Posterior(jnp.full((1, 1), mean), jnp.full((1, 1), np.log(std)))
    keys = jax.random.split(key, NUM)

    def draws(function):
        def one(key):
            return local_activations(key, function, posterior, jnp.ones((2, 1)))[:, 0]

        return np.asarray(jax.jit(jax.vmap(one))(keys), np.float64)

    found = draws(_loop(3))
    # Two products, of a rounding each.
    np.testing.assert_allclose(found, draws(_unrolled), rtol=4 * 2.0**-23)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    third = mean**3 + 3 * mean * std**2
    sixth = mean**6 + 15 * mean**4 * std**2 + 45 * mean**2 * std**4 + 15 * std**6
    error = np.sqrt((sixth - third**2) / NUM)
    assert abs(found[:, 0].mean() - third) < 4.5 * error
    # A single step is a product, drawn for every sample by itself.
    single = draws(_loop(1))
    z = (single - mean) / std
    assert np.all(np.abs(z.mean(axis=0)) < 4.5 / np.sqrt(NUM))
    assert np.all(np.abs(z.T @ z / NUM - np.eye(2)) < 4.5 * np.sqrt(2 / NUM))


def test_the_law_of_a_recurrent_layer_is_that_of_drawn_weights(key):
    base = _flax(Loop(), 6)
    of = {d: weights.noisy_weights(base, draws=d) for d in ("local", "explicit")}
    params = _posterior(of["local"], key)
    num = 4000
    # Its activities alone: what follows is drawn place by place.
    own, shared = (
        _draws(network, params, _inputs(6), jax.random.fold_in(key, number), num)[0]
        for number, network in enumerate(of.values())
    )
    a, b = (t.reshape(num, -1) for t in (own, shared))
    pairs = [(a, b), tuple(t[:, :, None] * t[:, None] for t in (a, b))]
    for a, b in pairs:
        error = np.sqrt((a.var(axis=0) + b.var(axis=0)) / num)
        assert np.all(np.abs(a.mean(axis=0) - b.mean(axis=0)) < 4.5 * error)


@jax.custom_vjp
def _rounded(w):
    return jnp.round(4 * w) / 4


# Straight through: its own derivative would be zero.
_rounded.defvjp(lambda w: (_rounded(w), None), lambda _, g: (g,))


def test_functions_with_derivatives_of_their_own_keep_them():
    mean = {"w": jnp.ones((3, 2)), "b": jnp.array([0.3, -0.4])}
    posterior = weights.init_posterior(mean, std=0.1)
    x = jnp.ones((5, 3))

    def total(posterior):
        layers = local_activations(
            jax.random.key(0),
            lambda w, x: x @ w["w"] + _rounded(w["b"])[None],
            posterior,
            x,
        )
        return jnp.sum(layers)

    gradient = jax.grad(total)(posterior)
    np.testing.assert_allclose(gradient.mean["b"], [5.0, 5.0])
