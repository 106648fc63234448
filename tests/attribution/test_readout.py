"""The readout bottleneck, on a model that looks at one feature alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import ndimage

from ibjax import attribution
from ibjax.attribution import FeatureStatistics, capacity, feature_statistics
from ibjax.attribution.readout import Readout, ReadoutNetwork, stacked_maps

KEY = jax.random.key(0)
rng = np.random.default_rng(0)
X = rng.normal(size=(64, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int32)


def _front(params, x):
    return params * x


def _back(params, r):
    """Half of the inputs are told by a feature below zero."""
    return jnp.stack([-10 * r[:, 0], 10 * r[:, 0]], axis=1)


def _read(params, x):
    return params * x, jnp.tanh(x[:, :1])


ONE = jnp.ones(())
READOUT = Readout(
    _front,
    _back,
    _read,
    ReadoutNetwork(3),
    feature_statistics(_front, ONE, X),
    feature_statistics(_read, ONE, X),
)
OPTIMIZER = optax.adam(0.01)


@pytest.fixture(scope="module")
def fit():
    return attribution.train_readout(
        KEY, READOUT, ONE, X, LABELS, beta=0.3, num_steps=200, optimizer=OPTIMIZER
    )


def test_at_the_start_nearly_everything_passes(fit):
    # Of the model without noise, whose logits are 10 times the feature, both signs.
    margins = 20 * np.abs(X[:, 0])
    plain = np.mean(np.log1p(np.exp(-margins)))
    # Noise of 0.0067 times a deviation of one, and a batch of half of the inputs. Of
    # features cut off at zero, half would have log 2; of labels of other inputs, ten.
    assert abs(fit.cross_entropy[0] - plain) < 0.1
    at_once = capacity(READOUT.statistics.normalize(X), 1 / (1 + np.exp(-5.0)))
    # Two batches of the same size make up the inputs; alpha is within 0.1 of five.
    np.testing.assert_allclose(
        fit.information[0], np.mean(np.sum(at_once, axis=1)), rtol=0.1
    )


def test_it_learns_which_feature_is_looked_at(fit):
    assert fit.information[-1] < 0.3 * fit.information[0]
    assert fit.cross_entropy[-1] < 0.4  # Less than log 2, of nothing known.
    found = attribution.read_out(READOUT, fit.params, ONE, X)
    share = np.sum(found.capacity[:, 0]) / np.sum(found.capacity)
    assert share > 0.9
    expected = capacity(READOUT.statistics.normalize(X), found.lam)
    np.testing.assert_allclose(found.capacity, expected, rtol=1e-4, atol=1e-6)
    parts = attribution.read_out(READOUT, fit.params, ONE, X, batch_size=25)
    np.testing.assert_allclose(parts.capacity, found.capacity, rtol=1e-5, atol=1e-7)


def test_alpha_ends_at_five_and_can_come_back():
    module = ReadoutNetwork(2)
    maps = np.ones((1, 4), np.float32)
    params = jax.jit(module.init)(KEY, maps)
    beyond = jax.tree.map(lambda w: w, params)
    beyond["params"]["Dense_2"]["bias"] = jnp.array([50.0, -50.0])
    total = lambda p: (jnp.sum(module.apply(p, maps)), module.apply(p, maps))  # noqa: E731
    gradient, alpha = jax.jit(jax.grad(total, has_aux=True))(beyond)
    np.testing.assert_array_equal(alpha, [[5.0, -5.0]])
    np.testing.assert_array_equal(gradient["params"]["Dense_2"]["bias"], [1.0, 1.0])


def test_maps_keep_their_corners():
    maps = rng.normal(size=(2, 3, 5, 4)).astype(np.float32)
    units = rng.normal(size=(2, 6)).astype(np.float32)
    plain = [
        FeatureStatistics(
            jnp.full(t.shape[1:], 0.5), jnp.full(t.shape[1:], 2.0),
            jnp.ones(t.shape[1:], bool), jnp.ones(()),
        )
        for t in (maps, units)
    ]  # fmt: skip
    stack = jax.jit(stacked_maps, static_argnums=2)
    found = stack([maps, units], plain, (6, 4))
    assert found.shape == (2, 6, 4, 10)
    zoomed = ndimage.zoom((maps - 0.5) / 2, (1, 2, 0.8, 1), order=1)
    np.testing.assert_allclose(found[..., :4], zoomed, atol=1e-5)
    tiled = np.broadcast_to((units[:, None, None] - 0.5) / 2, (2, 6, 4, 6))
    np.testing.assert_allclose(found[..., 4:], tiled, rtol=1e-6)
    flat = stack([maps, units], plain, ())
    np.testing.assert_allclose(flat[:, :4], ((maps - 0.5) / 2).mean((1, 2)), atol=1e-6)


@pytest.mark.slow
def test_it_reads_the_layers_of_a_network(small):
    network, params, x, targets = small
    readout = attribution.make_readout(
        network, "second", ["first", "second", "third", "output"], params, x
    )
    assert [s.mean.shape for s in readout.read_statistics] == [
        (8, 8, 4), (8, 8, 6), (24,), (3,)
    ]  # fmt: skip
    fit = attribution.train_readout(
        KEY, readout, params, x, targets, num_steps=2, batch_size=4
    )
    assert fit.params["params"]["Dense_0"]["kernel"].shape == (37, 18)
    found = attribution.read_out(readout, fit.params, params, x)
    assert found.capacity.shape == (5, 8, 8, 6)
    assert np.all(np.isfinite(found.capacity))
    maps = attribution.heatmap(found.capacity, (16, 16))
    bits = np.sum(found.capacity, axis=(1, 2, 3)) / np.log(2)
    np.testing.assert_allclose(np.sum(maps, axis=(1, 2)), bits, rtol=1e-5)


def test_bad_calls_are_named(small):
    def call(targets=LABELS, **options):
        return attribution.train_readout(KEY, READOUT, ONE, X, targets, **options)

    with pytest.raises(ValueError, match=r"batch_size must lie in \[1,64\], got 65"):
        call(batch_size=65)
    with pytest.raises(ValueError, match=r"targets must lie in \[0, 2\)"):
        call(targets=LABELS + 1)
    with pytest.raises(ValueError, match="beta must be one number from 0 on"):
        call(beta=-1.0)
    network, params, x, _ = small
    with pytest.raises(ValueError, match="read_layers must hold at least one layer"):
        attribution.make_readout(network, "second", [], params, x)
    with pytest.raises(TypeError, match=r"read_layers\[0\] must be a layer"):
        attribution.make_readout(network, "second", [1.5], params, x)
