"""Sweeps: what a seed's numbers depend on, and what is refused."""

import dataclasses
import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import datasets, networks, probes, results, training
from ibjax.estimators import binning, kde
from ibjax.sweeps import program
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.sweeps.networks import network_trainable
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.runs import snapshot_epochs
from ibjax.sweeps.seeds import sweep, sweep_trainable
from ibjax.training.trainable import Trainable
from tests.sweeps.small import LIGHT, SNAPSHOTS, run

# Of all inputs' kernels, which take longer than the rest.
FEWER = SNAPSHOTS[0], SNAPSHOTS[-1]


@pytest.fixture(scope="module")
def dataset(task, network, config):
    return run(task, network, config, snapshots=FEWER)


def test_dataset_is_labelled(dataset, task):
    assert dict(dataset.i_xt.sizes) == {
        "seed": 5,
        "epoch": 2,
        "layer": 3,
        "estimator": 3,
    }
    assert list(dataset.estimator.values) == ["binning", "kde_upper", "kde_lower"]
    assert list(dataset.layer_name.values) == ["tanh 4", "tanh 3", "softmax 2"]
    assert list(dataset.layer_width.values) == [4, 3, 2]
    assert dataset.i_xt.attrs["units"] == "nats"
    configuration = json.loads(dataset.attrs["configuration"])
    assert configuration["learning_rate"] == 1e-2
    assert configuration["snapshots"] == list(FEWER)
    assert {"jax", "python"} <= set(json.loads(dataset.attrs["versions"]))
    assert dataset.attrs["num_samples"] == task.num_samples
    assert not dataset.diverged.any()
    assert np.isfinite(dataset.i_xt).all()


@functools.partial(jax.jit, static_argnums=(2, 4))
def _trained_layers(key, task, network, config, num_epochs):
    params = training.train(key, task, network, config, num_epochs=num_epochs)
    *hidden, logits = network.activations(params, task.x)
    return (*hidden, jax.nn.softmax(logits))


def test_seed_is_the_network_that_train_gives(dataset, task, network, config):
    seed, epochs = 2, FEWER[-1]
    key = seed_key(jax.random.key(3), seed)
    layers = _trained_layers(key, task, network, config, epochs)
    for number, t in enumerate(layers, start=1):
        expected = {
            "binning": binning.layer_information(
                t, task.labels, num_classes=2, edges=binning.SZT_EDGES
            ),
            "kde_upper": kde.layer_information(
                t, task.labels, num_classes=2, noise_variance=1e-3
            ).upper,
        }
        for name, information in expected.items():
            got = dataset.sel(seed=seed, epoch=epochs, layer=number, estimator=name)
            # Two programs round differently: parameters agree to 1e-6 or so, and a
            # row that crosses a bin edge moves an entropy by about 2 log(N) / N.
            tolerance = 3 * 2 * np.log(4096) / 4096 if name == "binning" else 1e-3
            np.testing.assert_allclose(got.i_xt, information.i_xt, atol=tolerance)
            np.testing.assert_allclose(got.i_ty, information.i_ty, atol=tolerance)


@pytest.mark.parametrize(
    "layout",
    [
        {"num_seeds": 1},
        {"num_seeds": 14},
        {"devices": 1},
    ],
    ids=str,
)
def test_seed_depends_on_its_number_alone(light, task, network, config, layout):
    if "devices" in layout:
        layout = {"devices": jax.devices()[: layout["devices"]]}
    other = run(task, network, config, probes=LIGHT, **layout)
    seeds = sorted(set(light.seed.values) & set(other.seed.values))
    for name in ("train_loss", "i_xt"):
        np.testing.assert_array_equal(
            other[name].sel(seed=seeds), light[name].sel(seed=seeds), err_msg=name
        )


def test_measurements_depend_on_the_seed_alone(dataset, task, network, config):
    other = run(
        task,
        network,
        config,
        num_seeds=2,
        snapshots=FEWER[1:],
        devices=jax.devices()[:1],
    )
    expected = dataset.isel(seed=slice(2), epoch=[1])
    for name in ("weight_norm", "i_xt", "i_ty", "gradient_snr"):
        np.testing.assert_array_equal(other[name], expected[name], err_msg=name)


def test_seeds_trained_apart_are_merged(light, task, network, config):
    halves = [
        run(task, network, config, probes=LIGHT, num_seeds=count, first_seed=first)
        for first, count in ((2, 3), (0, 2))
    ]
    merged = results.merge(halves)
    # Another place in the block may round differently, as another block size does.
    np.testing.assert_allclose(merged.train_loss, light.train_loss, rtol=1e-4)
    assert list(merged.seed.values) == [0, 1, 2, 3, 4]


def test_other_blocks_differ_by_rounding(dataset, task, network, config):
    options = {"probes": [probes.losses], "snapshots": FEWER}
    other = run(task, network, config, block=2, **options)
    # 21 steps of size 1e-2, whose direction is off by a few roundings of float32.
    np.testing.assert_allclose(other.train_loss, dataset.train_loss, rtol=1e-4)


def test_layers_are_measured_before_any_step(dataset, task, network):
    key_params, _ = jax.random.split(seed_key(jax.random.key(3), 0))
    params = network.init(key_params)
    norms = [float(jnp.linalg.norm(w)) for w, _ in params]
    got = dataset.weight_norm.sel(seed=0, epoch=0)
    np.testing.assert_allclose(got, norms, rtol=1e-6)


def _sometimes_infinite(network):
    """One seed in some starts with infinite weights."""

    def init(key):
        (w, b), *rest = network.init(key)
        bad = jax.random.key_data(key)[0] % 3 == 0
        return ((jnp.where(bad, jnp.inf, w), b), *rest)

    return network._replace(init=init)


def test_diverging_seed_does_not_touch_the_others(task, config):
    fine = networks.mlp((12, 3, 2))
    network = _sometimes_infinite(fine)
    healthy = run(task, fine, config, num_seeds=6, probes=LIGHT)
    mixed = run(task, network, config, num_seeds=6, probes=LIGHT)
    diverged = mixed.diverged.values
    assert 0 < diverged.sum() < 6
    assert np.isnan(mixed.i_xt.sel(seed=diverged)).all()
    assert np.isnan(mixed.test_accuracy.sel(seed=diverged)).all()
    np.testing.assert_array_equal(
        mixed.i_xt.sel(seed=~diverged), healthy.i_xt.sel(seed=~diverged)
    )


def test_user_probe_becomes_a_variable(task, network, config):
    def saturation(snapshot):
        shares = [jnp.mean(jnp.abs(t) > 0.95) for t in snapshot.layers]
        return {"saturation": jnp.stack(shares), "bias": snapshot.params[0][1]}

    dataset = run(task, network, config, probes=[saturation])
    assert dataset.saturation.dims == ("seed", "epoch", "layer")
    assert dataset.bias.dims == ("seed", "epoch", "bias_0")
    assert "i_xt" not in dataset


def test_whole_numbers_and_halves_are_nan_where_there_are_none(task, config, tmp_path):
    def found(snapshot):
        correct = jnp.argmax(snapshot.logits, axis=1) == snapshot.task.labels
        return {
            "count": jnp.sum(correct),
            "first": correct[0],
            "half": snapshot.params[0][0][0, 0].astype(jnp.bfloat16),
        }

    def at_the_end(snapshot):
        return {f"last_{name}": value for name, value in found(snapshot).items()}

    own = found, probes.Probe(at_the_end, last_only=True), probes.losses
    dataset = run(
        task,
        _sometimes_infinite(networks.mlp((12, 2))),
        config,
        num_seeds=6,
        probes=own,
        directory=tmp_path,
    )
    assert dataset.identical(results.open_dataset(tmp_path))
    lost = dataset.diverged.values
    assert 0 < lost.sum() < 6
    for name in ("count", "first", "half"):
        last = dataset[f"last_{name}"]
        assert np.isnan(last[:, :-1]).all() and np.isnan(last[lost]).all()
        assert np.isnan(dataset[name][lost]).all()
        np.testing.assert_array_equal(last[~lost, -1], dataset[name][~lost, -1])
    fine = dataset.isel(seed=~lost)
    accuracy = (fine["count"] - fine.train_accuracy * 3277) / 819
    np.testing.assert_allclose(accuracy, fine.test_accuracy, atol=1e-6)
    assert set(np.unique(fine["first"])) <= {0.0, 1.0}


def test_layers_are_measured_on_the_last_inputs(config):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1500, 3)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int32)
    whole = datasets.make_task(x, labels)
    part = datasets.make_task(x, labels, num_measured=200)
    network = networks.mlp((3, 2, 2))
    options = {"num_seeds": 1, "snapshots": [1], "probes": LIGHT}
    found = run(part, network, config, **options)
    assert found.attrs["num_samples"] == 200
    # Trained alike, on all rows alike; logits part by part round differently.
    expected = run(whole, network, config, **(options | {"probes": [probes.losses]}))
    for name in ("train_loss", "test_loss", "test_accuracy"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)
    layers = _trained_layers(seed_key(jax.random.key(3), 0), whole, network, config, 1)
    for layer, t in enumerate(layers):
        information = binning.layer_information(
            t[-200:], labels[-200:], num_classes=2, edges=binning.SZT_EDGES
        )
        at = {"seed": 0, "epoch": 0, "layer": layer, "estimator": 0}
        np.testing.assert_allclose(found.i_xt.isel(at), information.i_xt, rtol=1e-6)
        np.testing.assert_allclose(found.i_ty.isel(at), information.i_ty, rtol=1e-6)


def test_a_learning_rate_of_its_own_does_not_compile_again(task, network, config):
    def compiled(config, probes=LIGHT):
        layout = program.lay_out(1, None, jax.devices()[:1])
        trainable = network_trainable(task, network, config, probes=probes)
        key = jax.random.key(3)
        return program.trace(key, trainable, np.arange(1), {}, layout).compile()

    first = compiled(config)
    other = dataclasses.replace(config, learning_rate=1e-3)
    assert compiled(other) == first
    fewer = compiled(config, probes=LIGHT[1:])
    assert fewer.train is first.train and fewer.measure is not first.measure


def test_soft_labels_reach_training_and_estimators(network, config):
    soft = run(datasets.szt(5.0), network, config, num_seeds=2, probes=LIGHT)
    assert (soft.i_ty <= soft.attrs["i_xy"] + 1e-4).all()
    # The loss cannot fall below the entropy of the labels given the input.
    assert (soft.train_loss > 0.9 * (np.log(2) - soft.attrs["i_xy"])).all()


ORTHOGONAL = """
import jax
jax.config.update("jax_num_cpu_devices", 2)
import numpy as np
from flax import linen
from ibjax import datasets, networks, probes, training
from ibjax.sweeps import program
from ibjax.sweeps.layout import lay_out
from ibjax.sweeps.networks import network_trainable

class Orthogonal(linen.Module):
    @linen.compact
    def __call__(self, x):
        layers = []
        for _ in range(4):
            x = linen.Dense(128, kernel_init=linen.initializers.orthogonal())(x)
            layers.append(x)
        return (*layers, linen.Dense(2)(x))

task = datasets.szt()
network = networks.from_flax(Orthogonal(), task.x[:1])
measured = [probes.losses]
trainable = network_trainable(task, network, training.TrainConfig(), probes=measured)
seeds = np.arange(4)
layout = lay_out(4, 2, jax.devices())
traced = program.trace(jax.random.key(0), trainable, seeds, {}, layout)
jax.block_until_ready(traced.start.lower().compile()(*traced.arguments))
print("started")
"""


def test_decompositions_of_many_seeds_do_not_wait_for_each_other(start_python):
    # On jaxlib 0.10 they waited for ever, two seeds and four matrices a device.
    out, _ = start_python(ORTHOGONAL).communicate(timeout=300)
    assert out == "started\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_seeds": 0}, "num_seeds must be a whole number, at least 1, got 0"),
        ({"snapshots": ()}, "snapshots must be increasing epochs"),
        ({"snapshots": (0, 3, 3)}, "snapshots must be increasing epochs"),
        ({"snapshots": (-1, 3)}, "snapshots must be increasing epochs"),
        ({"snapshots": (0, 3_000_000_000)}, r"snapshots must lie in \[0, 2147483647\]"),
        ({"first_seed": 2**31 - 2}, r"first_seed \+ num_seeds must lie in"),
        ({"first_seed": -1}, "first_seed must be a whole number, at least 0, got -1"),
        ({"block": 0}, "block must be a whole number, at least 1, got 0"),
        ({"devices": ()}, "devices must hold at least one"),
    ],
)
def test_bad_options_are_refused(task, network, config, options, message):
    with pytest.raises(ValueError, match=message):
        run(task, network, config, **options)


@pytest.mark.parametrize("key", [0, np.zeros(2, np.uint32)])
def test_a_key_must_be_typed_wherever_it_is_taken(key, task, network, config):
    options = {"num_seeds": 1, "snapshots": (0,)}
    cell = Cell({}, task, network, config, (0,), LIGHT)
    for run_with in (
        lambda key: sweep(key, task, network, config, **options),
        lambda key: sweep_trainable(key, Trainable(None, None, None), **options),
        lambda key: sweep_grid(key, [cell], num_seeds=1),
        lambda key: training.train(key, task, network, config, num_epochs=1),
    ):
        with pytest.raises(TypeError, match="^key must be a key such as"):
            run_with(key)


def test_probes_of_one_name_are_refused(task, network, config):
    with pytest.raises(ValueError, match="names of their own"):
        run(task, network, config, probes=[probes.losses, probes.losses])
    with pytest.raises(ValueError, match="probes must hold at least one"):
        run(task, network, config, probes=[])
    with pytest.raises(TypeError, match="probes must be some functions, got Array"):
        run(task, network, config, probes=jax.random.key(0))
    with pytest.raises(TypeError, match="resume must be True or False, got array"):
        run(task, network, config, resume=np.array([True, False]))


def test_a_batch_larger_than_the_training_set_is_the_whole_of_it(task, network):
    large, whole = (training.TrainConfig(batch_size=size) for size in (4000, None))
    options = {"probes": [probes.losses], "num_seeds": 1}
    found = run(task, network, large, **options)
    expected = run(task, network, whole, **options)
    np.testing.assert_array_equal(found.train_loss, expected.train_loss)


def test_snapshot_epochs_are_log_spaced():
    epochs = snapshot_epochs(10_000, 100)
    assert (epochs[0], epochs[1], epochs[-1]) == (0, 1, 10_000)
    assert len(epochs) == 100
    assert np.all(np.diff(epochs) > 0)
    # Past the first epochs, where rounding rules, steps are a constant factor.
    late = np.diff(np.log(epochs[60:]))
    assert late.max() / late.min() < 1.2
    assert snapshot_epochs(5, 100) == (0, 1, 2, 3, 4, 5)
    assert snapshot_epochs(1000, 2) == (0, 1000)
    assert snapshot_epochs(1000, 3) == (0, 1, 1000)
    with pytest.raises(ValueError, match="num_epochs must lie in"):
        snapshot_epochs(0)
    with pytest.raises(ValueError, match="num_snapshots must be a whole number"):
        snapshot_epochs(10, 1)


def test_progress_is_reported(task, network, config):
    seen = []
    run(task, network, config, probes=[probes.losses], on_progress=seen.append)
    assert [progress.stage for progress in seen] == ["compile", *["run"] * 4, "done"]
    assert [progress.epoch for progress in seen] == [0, 0, 0, 1, 3, 3]
    assert all(progress.num_epochs == 3 for progress in seen)


def test_results_land_where_they_are_told(task, network, config, tmp_path):
    directory = tmp_path / "new" / "place"
    run(task, network, config, probes=LIGHT, directory=str(directory))
    assert sorted(path.name for path in Path(directory).iterdir()) == ["results.nc"]


def test_a_device_without_memory_left_says_what_to_do(monkeypatch):
    def compile_(self):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(program.Traced, "compile", compile_)
    with pytest.raises(
        MemoryError, match=r"4 networks at once.*a block of 2 \(--block 2\) takes half"
    ):
        sweep(
            jax.random.key(0),
            datasets.szt(),
            networks.mlp([12, 2, 2]),
            training.TrainConfig(),
            num_seeds=4,
            snapshots=[0],
            probes=[probes.losses],
            block=4,
        )
