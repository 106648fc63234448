"""Networks cut in two: the two parts together are the network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from ibjax import networks, weights
from ibjax.attribution import cutting
from ibjax.networks.convolutional import convolutional

X = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
# Sums of some dozen terms in another order.
ROUNDING = {"rtol": 1e-5, "atol": 1e-6}


class _Shared(linen.Module):
    """A module called twice, one inside another, and a value that is sown."""

    @linen.compact
    def __call__(self, x):
        shared = linen.Dense(6, name="shared")
        x = shared(jnp.tanh(shared(x)))
        self.sow("intermediates", "bent", jnp.tanh(x))
        return linen.Dense(2)(jnp.tanh(x))


class _Skip(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = x + jnp.tanh(linen.Dense(6, name="beside")(x))
        return linen.Dense(2)(linen.Dense(4, name="neck")(x))


class _Nnx(nnx.Module):
    def __init__(self, rngs):
        self.blocks = nnx.List([nnx.Linear(6, 6, rngs=rngs) for _ in range(2)])
        self.norm = nnx.BatchNorm(6, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(6, 2, rngs=rngs)

    def __call__(self, x):
        for block in self.blocks:
            x = jnp.tanh(block(x))
        return self.head(self.dropout(self.norm(x)))


def _chain():
    return networks.mlp([6, 5, 4, 2]), ["tanh 5", "tanh 4", "softmax 2", 0]


def _images():
    network = convolutional((6, 1), (2, 3), (4,), 2, kernel_size=1, pool_size=1)
    return network, ["relu conv 2", "max-pool 1", "relu 4"]


def _linen():
    layers = ["shared:0", "shared:1"]
    return networks.from_flax(_Shared(), X, layers=layers), [*layers, "output (2)"]


def _nnx():
    layers = ["blocks.0", "blocks.1", "norm"]
    network = networks.from_flax(_Nnx, X, layers=layers, state=nnx.BatchStat)
    return network, [*layers, 2]


@pytest.mark.parametrize("make", [_chain, _images, _linen, _nnx])
def test_the_parts_together_are_the_network(make):
    network, names = make()
    params = jax.jit(network.init)(jax.random.key(0))

    @jax.jit
    def run(params):
        found = []
        for name in names:
            front, back = cutting.split(network, name)
            r = front(params, X)
            found.append((r, back(params, r), back(params, r + 1)))
        return network.activations(params, X)[-1], found

    logits, found = run(params)
    for name, (r, same, other) in zip(names, found, strict=True):
        number = cutting.layer_number(network.layers, name)
        assert r.shape == (3, *network.layers[number].shape)
        np.testing.assert_allclose(same, logits, **ROUNDING)
        # The back reads r and nothing else.
        assert np.abs(other - logits).min() > 1e-3


def test_equal_cuts_are_compiled_once(small):
    network, *_ = small
    first, again = (cutting.split(network, "second") for _ in range(2))
    assert first == again and hash(first) == hash(again)
    assert cutting.split(network, "first")[0] != first[0]
    assert first[0] != first[1]


def test_an_output_that_goes_around_the_layer_is_refused():
    network = networks.from_flax(_Skip(), X, layers=["beside", "neck"])
    cutting.split(network, "neck")
    with pytest.raises(ValueError, match="beside cannot be replaced without the input"):
        cutting.split(network, "beside")
    network = networks.from_flax(_Shared(), X, layers=["bent"])
    with pytest.raises(ValueError, match="bent cannot be replaced, because the output"):
        cutting.split(network, "bent")


def test_layers_that_are_not_there_are_named():
    network, _ = _chain()
    with pytest.raises(ValueError, match=r"tanh 5, tanh 4, softmax 2; got 'tanh 7'"):
        cutting.split(network, "tanh 7")
    with pytest.raises(ValueError, match=r"layer must lie in \[0,3\), got 3"):
        cutting.split(network, 3)
    with pytest.raises(TypeError, match="layer must be an integer"):
        cutting.split(network, 1.5)
    with pytest.raises(ValueError, match="numbers 0, 1 share; give the number"):
        cutting.split(networks.mlp([6, 5, 5, 2]), "tanh 5")


class _Returning(linen.Module):
    @linen.compact
    def __call__(self, x):
        t = linen.Dense(4)(x)
        return t, linen.Dense(2)(t)


def test_a_module_that_returns_its_layers_cannot_be_cut():
    with pytest.raises(ValueError, match="must be a chain of layers or name"):
        cutting.split(networks.from_flax(_Returning(), X), 0)


def test_a_network_with_noisy_weights_is_cut_at_their_means():
    network = weights.noisy_weights(networks.mlp([6, 5, 4, 2]))
    front, back = cutting.split(network, 0)
    params = network.init(jax.random.key(0))
    output = network.activations(params, X)[-1]
    np.testing.assert_allclose(back(params, front(params, X)), output, **ROUNDING)
