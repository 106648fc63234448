"""Calls of flax modules: which are recorded, what they draw, whether they train."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from ibjax.networks import from_flax

X = np.random.default_rng(0).normal(size=(7, 12)).astype(np.float32)


@pytest.fixture(autouse=True)
def promotion():
    """Flax adds biases of fewer axes; what it gives is not to be rounded."""
    with jax.numpy_rank_promotion("allow"), jax.default_matmul_precision("highest"):
        yield


def test_what_makes_no_nnx_module_is_refused():
    class Wide(nnx.Module):
        def __init__(self, width, rngs):
            self.linear = nnx.Linear(12, width, rngs=rngs)

        def __call__(self, x):
            return self.linear(x)

    with pytest.raises(TypeError, match="that makes an nnx module, .* made, a Wide"):
        from_flax(Wide(3, nnx.Rngs(0)), X[:1], layers=["linear"])
    with pytest.raises(ValueError, match="module must be .*, got TypeError: .*rngs"):
        from_flax(Wide, X[:1], layers=["linear"])
    with pytest.raises(TypeError, match="module must be .* got one that makes a int"):
        from_flax(lambda rngs: 3, X[:1])
    with pytest.raises(TypeError, match=r"must return a tuple .* of shape \(1, 3\)"):
        from_flax(lambda rngs: Wide(3, rngs), X[:1])


class _Inheriting(nnx.Linear):
    """A layer that leaves its call to the class above."""


class _Dropping(nnx.Module):
    def __init__(self, rngs):
        self.first = _Inheriting(12, 3, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.second = _Inheriting(3, 2, rngs=rngs)

    def __call__(self, x):
        return self.second(self.dropout(self.first(x)))


def test_dropout_alone_is_no_state_and_inherited_calls_are_recorded(key):
    network = from_flax(_Dropping, X[:1], layers=["first", "dropout"])
    assert network.state is None
    params = network.init(key)
    first, dropped, _ = network.activations(params, X)
    np.testing.assert_array_equal(first, _Dropping(nnx.Rngs(key)).first(X))
    np.testing.assert_array_equal(dropped, first)
    _, dropped, _ = network.activations(params, X, key=key, training=True)
    kept = np.asarray(dropped) != 0
    np.testing.assert_allclose(dropped, np.where(kept, 2 * first, 0), rtol=1e-6)
    assert 0 < kept.sum() < kept.size
    with pytest.raises(ValueError, match="key must be given where dropout trains"):
        network.activations(params, X, training=True)


class _Doubling(nnx.Linear):
    def __call__(self, x):
        return 2 * super().__call__(x)


class _NnxTwice(nnx.Module):
    def __init__(self, rngs):
        self.shared = _Doubling(12, 12, rngs=rngs)
        self.head = nnx.Linear(12, 2, rngs=rngs)

    def __call__(self, x):
        for _ in range(2):
            x = self.shared(x)
            self.sow(nnx.Intermediate, "bent", jnp.tanh(x))
        return self.head(x)


def test_calls_of_a_shared_nnx_module_are_told_apart(key):
    names = ["shared:0", "bent:0", "shared:1", "bent:1"]
    network = from_flax(_NnxTwice, X[:1], layers=names)
    model = _NnxTwice(nnx.Rngs(key))
    once = model.shared(X)
    twice = model.shared(once)
    expected = once, jnp.tanh(once), twice, jnp.tanh(twice), model.head(twice)
    found = network.activations(network.init(key), X)
    # The same products by another program: sums of 12 terms.
    for t, truth in zip(found, expected, strict=True):
        np.testing.assert_allclose(t, truth, rtol=1e-5, atol=1e-5)
    match = "bent:0, bent:1, head, shared:0, shared:1; got shared"
    with pytest.raises(ValueError, match=match):
        from_flax(_NnxTwice, X[:1], layers=["shared"])


class _Streams(nnx.Module):
    """Dropout of two streams, of which each module has its own."""

    def __init__(self, rngs):
        self.head = nnx.Linear(12, 2, rngs=rngs)
        streams = nnx.Rngs(first=rngs(), second=rngs())
        for name in ("first", "second"):
            dropout = nnx.Dropout(0.5, rngs=streams, rng_collection=name)
            setattr(self, name, dropout)

    def __call__(self, x):
        x = jnp.ones_like(x)
        return self.head(self.first(x) + self.second(x))


def test_streams_of_random_numbers_draw_apart(key):
    network = from_flax(_Streams, X[:1], layers=["first", "second"])
    params = network.init(key)
    first, second, _ = network.activations(params, X, key=key, training=True)
    # Masks of 84 fair bits each agree in half of them: within 4 standard errors.
    assert abs(np.mean(first == second) - 0.5) < 4 * np.sqrt(0.25 / first.size)


class _Train(linen.Module):
    @linen.compact
    def __call__(self, x, train):
        return x, 0 * linen.Dense(1)(x) + train


class _IsTraining(linen.Module):
    @linen.compact
    def __call__(self, x, is_training):
        return x, 0 * linen.Dense(1)(x) + is_training


class _Deterministic(linen.Module):
    @linen.compact
    def __call__(self, x, deterministic):
        return x, 0 * linen.Dense(1)(x) + (not deterministic)


@pytest.mark.parametrize("module", [_Train(), _IsTraining(), _Deterministic()])
def test_calls_are_told_by_any_usual_name_whether_they_train(module, key):
    network = from_flax(module, X[:1])
    params = network.init(key)
    for now in (False, True):
        _, told = network.activations(params, X, key=key, training=now)
        np.testing.assert_array_equal(told, np.full((7, 1), now))
