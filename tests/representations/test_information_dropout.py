"""Networks with information dropout: their noise, their objective, a sweep."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from scipy import stats

from ibjax import TrainConfig, datasets, networks, probes, sweep
from ibjax import representations as r
from ibjax.compilation import full_precision
from ibjax.networks.convolutional import convolutional

KEY = jax.random.key(0)
DENSE = networks.mlp([12, 6, 2], "relu")
IMAGES = convolutional((6, 6), channels=(2, 3), hidden=(), num_classes=3)


@pytest.mark.parametrize("network, inputs", [(DENSE, 12), (IMAGES, 36)])
def test_without_a_key_the_noise_is_one(network, inputs):
    model = r.with_information_dropout(network)
    params = model.network.init(KEY)
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(130, inputs)))
    expected, layers = jax.jit(
        lambda p: (network.activations(p.network, x), model.network.activations(p, x))
    )(params)
    for found, plain in zip(layers, expected, strict=True):
        # Products of a few numbers near one, in another order.
        np.testing.assert_allclose(found, plain, rtol=1e-5, atol=1e-6)


def test_noise_is_log_normal_with_the_alpha_of_each_unit():
    model = r.with_information_dropout(DENSE, layers=[0])
    params = model.network.init(KEY)
    w = jax.random.normal(jax.random.key(2), params.alphas[0][0].shape)
    params = params._replace(alphas=((w, jnp.linspace(-2.0, 2.0, 6)),))
    x = jnp.broadcast_to(jnp.linspace(-1.0, 1.0, 12)[None], (20_000, 12))
    noisy = jax.jit(model.run)(params, x, key=jax.random.key(1))
    alpha = 0.001 + 0.7 / (
        1 + np.exp(-(np.asarray(x[0]) @ np.asarray(w) + np.linspace(-2, 2, 6)))
    )
    np.testing.assert_allclose(noisy.alphas[0][0], alpha, rtol=1e-4)
    for unit in np.flatnonzero(noisy.activities[0][0] > 0):
        ratio = noisy.layers[0][:, unit] / noisy.activities[0][:, unit]
        logs = np.log(np.asarray(ratio, np.float64))
        assert stats.kstest(logs, stats.norm(0, alpha[unit]).cdf).pvalue > 0.001
    # The next layer reads the noisy one.
    after = DENSE.layer(params.network, 1, noisy.layers[0])
    np.testing.assert_allclose(noisy.layers[1], after, rtol=1e-5, atol=1e-6)


def test_a_convolutions_noise_is_sized_by_a_convolution():
    model = r.with_information_dropout(IMAGES, layers=[1])
    params = model.network.init(KEY)
    w = jax.random.normal(jax.random.key(2), (3, 3, 2, 3))
    params = params._replace(alphas=((w, jnp.zeros(3)),))
    x = jax.random.uniform(jax.random.key(1), (4, 36))
    noisy = jax.jit(model.run)(params, x)
    raw = full_precision(jax.lax.conv_general_dilated)(
        noisy.layers[0].reshape(-1, 4, 4, 2),
        w,
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    expected = 0.001 + 0.7 * jax.nn.sigmoid(raw.reshape(4, -1))
    np.testing.assert_allclose(noisy.alphas[0], expected, rtol=1e-4)
    (nats,) = jax.jit(partial(r.information_map, model=model))(params, x)
    assert nats.shape == (4, 2, 2, 3)
    expected = -np.log(np.asarray(noisy.alphas[0]) / 0.701)
    np.testing.assert_allclose(nats.reshape(4, -1), expected, rtol=1e-4, atol=1e-6)


def test_the_objective_is_cross_entropy_and_the_divergences_sum():
    network = networks.mlp([12, 6, 2], "softplus")
    model = r.with_information_dropout(network, prior="log-normal", unit_mean=True)
    params = model.network.init(KEY)
    batch = datasets.szt().batch(jnp.arange(50), jnp.arange(50) % 2.0)

    @jax.jit
    def everything(params):
        objective = r.information_dropout(model)

        def loss(params):
            return objective(params, batch, KEY, beta=0.3)

        found = jax.value_and_grad(loss, has_aux=True)(params)
        return *found, model.run(params, batch.x, key=KEY)

    (loss, terms), gradients, noisy = everything(params)
    total = 0.0
    for f, alpha in zip(noisy.activities, noisy.alphas, strict=True):
        f, alpha = (np.asarray(v, np.float64)[1::2] for v in (f, alpha))
        mean = np.log(f) - alpha**2 / 2
        total += np.mean(np.sum(0.5 * (mean**2 + alpha**2 - 1) - np.log(alpha), axis=1))
    np.testing.assert_allclose(terms["information"], total, rtol=1e-5)
    expected = terms["cross_entropy"] + 0.3 * terms["information"]
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    assert all(jnp.isfinite(g).all() and (g != 0).any() for g in gradients.priors[0])


def test_information_falls_with_its_price():
    model = r.with_information_dropout(DENSE)
    szt = datasets.szt()
    dataset = sweep(
        KEY,
        datasets.make_task(szt.x[::8], szt.labels[::8], num_measured=128),
        model.network,
        TrainConfig(learning_rate=1e-2, batch_size=64),
        objective=r.information_dropout(model),
        vary={"beta": [0.0, 1e-3, 0.1]},
        num_seeds=2,
        snapshots=[30],
        probes=[probes.objective_terms],
    )
    last = dataset.isel(epoch=-1)
    assert (last.information.diff("beta") < 0).all()


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: r.with_information_dropout(DENSE, layers=[2]), "layers must be one"),
        (lambda: r.with_information_dropout(DENSE, layers=[0, 0]), "each layer once"),
        (lambda: r.with_information_dropout(IMAGES, layers=[2]), "layers must be one"),
        (lambda: r.with_information_dropout(DENSE, layers=[]), "layers must hold"),
        (lambda: r.with_information_dropout(DENSE, prior="flat"), "prior must be one"),
        (lambda: r.with_information_dropout(DENSE, max_alpha=0), "max_alpha must be"),
        (
            lambda: r.with_information_dropout(DENSE._replace(layer=None)),
            "network must be a chain of layers",
        ),
        (
            lambda: r.with_information_dropout(networks.noisy([3, 2, 2], noise_std=1)),
            "network must have no noise or dropout of its own",
        ),
        (
            lambda: r.with_information_dropout(networks.binary_dropout(DENSE, 0.1)),
            "network must have no noise or dropout of its own",
        ),
        (
            lambda: r.information_dropout(r.with_information_dropout(DENSE), beta=-1),
            "beta must be one number from 0 on",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class _Relu(linen.Module):
    """A submodule whose output is an activity, so that it can have noise."""

    @linen.compact
    def __call__(self, x):
        return jax.nn.relu(x)


class _Linen(linen.Module):
    """Places with channels, statistics of batches, and a path around a noisy layer."""

    @linen.compact
    def __call__(self, x, training):
        x = linen.Dense(4, name="first")(x.reshape(len(x), 3, 4))
        x = linen.BatchNorm(use_running_average=not training)(x)
        t = _Relu(name="places")(x)
        t = _Relu(name="units")(linen.Dense(5)(t.reshape(len(t), -1)))
        self.sow("intermediates", "sown", t)
        around = jnp.mean(x, axis=1)
        return linen.Dense(2, name="last")(jnp.concatenate([t, around], axis=1))


class _Nnx(nnx.Module):
    def __init__(self, rngs):
        self.parts = nnx.List(
            [nnx.Linear(12, 6, rngs=rngs), nnx.Linear(6, 2, rngs=rngs)]
        )
        self.relu = _NnxRelu()

    def __call__(self, x):
        return self.parts[1](self.relu(self.parts[0](x)))


class _NnxRelu(nnx.Module):
    def __call__(self, x):
        return jax.nn.relu(x)


def _linen(layers=("places", "units")):
    x = np.zeros((1, 12), np.float32)
    return networks.from_flax(_Linen(), x, layers=layers, state="batch_stats")


def _nnx():
    return networks.from_flax(_Nnx, np.zeros((1, 12), np.float32), layers=["relu"])


X = jax.random.normal(jax.random.key(3), (40, 12))


@pytest.mark.parametrize("make", [_linen, _nnx])
def test_layers_of_flax_modules_have_noise_that_goes_on(make):
    network = make()
    model = r.with_information_dropout(network)
    params = model.network.init(KEY)
    alphas = [
        tuple(jax.random.normal(jax.random.key(n), leaf.shape) for leaf in pair)
        for n, pair in enumerate(params.alphas)
    ]
    params = params._replace(alphas=tuple(alphas))
    run = jax.jit(model.run)
    plain = network.activations(params.network, X)
    for found, expected in zip(run(params, X).layers, plain, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    noisy = run(params, X, key=jax.random.key(1))
    for number, (t, alpha, (w, b)) in enumerate(
        zip(noisy.activities, noisy.alphas, alphas, strict=True)
    ):
        own = np.asarray(t).reshape(-1, len(b))
        raw = own @ np.asarray(w) + np.asarray(b)
        expected = 0.001 + 0.7 * jax.nn.sigmoid(raw)
        np.testing.assert_allclose(alpha.reshape(own.shape), expected, rtol=1e-4)
        known = np.asarray(t) > 0
        logs = np.log(np.asarray(noisy.layers[number], np.float64)[known] / t[known])
        standard = logs / np.asarray(alpha)[known]
        assert stats.kstest(standard, stats.norm.cdf).pvalue > 0.001
    # What comes after reads the noisy layers.
    *_, last, output = noisy.layers
    assert np.abs(output - plain[-1]).max() > 0.01
    with jax.numpy_rank_promotion("allow"):
        if make is _linen:
            own = params.network["params"]
            means = params.network["batch_stats"]["BatchNorm_0"]
            x = X.reshape(40, 3, 4) @ own["first"]["kernel"] + own["first"]["bias"]
            x = (x - means["mean"]) / jnp.sqrt(means["var"] + 1e-5)
            x = x * own["BatchNorm_0"]["scale"] + own["BatchNorm_0"]["bias"]
            read = jnp.concatenate([last, jnp.mean(x, axis=1)], axis=1)
            w, b = own["last"]["kernel"], own["last"]["bias"]
        else:
            own = params.network["parts"][1]
            read, (w, b) = last, (own[name].get_value() for name in ("kernel", "bias"))
        np.testing.assert_allclose(output, read @ w + b, rtol=1e-4, atol=1e-5)


def test_a_flax_module_with_noise_is_swept_and_keeps_its_statistics():
    model = r.with_information_dropout(_linen(), layers=[1])
    assert model.layer_names == ("units (5)",) and model.shapes == ((5,),)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 12)).astype(np.float32)
    task = datasets.make_task(x, (x[:, 0] > 0).astype(int))
    found = sweep(
        KEY,
        task,
        model.network,
        TrainConfig(learning_rate=0.02, batch_size=30),
        objective=r.information_dropout(model),
        vary={"beta": [1e-4, 1.0]},
        num_seeds=2,
        snapshots=[0, 40],
        probes=[probes.dropout_information(model), probes.losses],
    ).isel(epoch=-1)
    held = found.layer_information.sum("noisy_layer")
    assert (held.sel(beta=1.0) < 0.2 * held.sel(beta=1e-4)).all()
    assert (found.test_accuracy.sel(beta=1e-4) > 0.7).all()


def test_what_is_sown_has_no_noise():
    model = r.with_information_dropout(_linen(["sown"]))
    with pytest.raises(ValueError, match="layers must be submodules.*sown"):
        model.run(model.network.init(KEY), X)
    nameless = networks.from_flax(_Returned(), np.zeros((1, 12), np.float32))
    with pytest.raises(ValueError, match="name its flax module's submodules"):
        r.with_information_dropout(nameless)


class _Returned(linen.Module):
    @linen.compact
    def __call__(self, x):
        return (linen.Dense(2)(x),)


class _Lifted(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.remat(_Relu)(name="units")(linen.Dense(5)(x))
        return linen.Dense(2)(x)


def test_layers_within_transformations_of_a_module_are_refused():
    network = networks.from_flax(
        _Lifted(), np.zeros((1, 12), np.float32), layers=["units"]
    )
    model = r.with_information_dropout(network)
    params = model.network.init(KEY)
    with pytest.raises(ValueError, match="not within a transformation.*units"):
        model.run(params, X, key=KEY)


def test_a_change_may_run_the_network_and_the_output_goes_on_from_a_layer():
    network = _nnx()
    params = network.init(KEY)
    # The layer's activities of other inputs.
    found = network.changed(
        params, X, {0: lambda t: network.activations(params, -X)[0]}
    )
    expected = network.activations(params, -X)
    np.testing.assert_allclose(found[-1], expected[-1], rtol=1e-5, atol=1e-6)
    model = r.with_information_dropout(network)
    own = model.network.init(KEY)
    layers = model.network.activations(own, X)
    output = model.network.from_layer(own, 0, layers[0])
    np.testing.assert_allclose(output, layers[-1], rtol=1e-5, atol=1e-6)
