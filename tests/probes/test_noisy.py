"""Probes of noisy networks: closed forms of one neuron, numpy, and a sweep."""

import math

import jax
import numpy as np
import pytest

from ibjax.datasets.task import make_task
from ibjax.experiments.noisy.setup import NoisySetup
from ibjax.experiments.setup import Context
from ibjax.networks import mlp, noisy
from ibjax.probes import noisy as noisy_probes
from ibjax.probes.propagation import Effort, network_information_at
from ibjax.probes.snapshot import Snapshot
from ibjax.sweeps.seeds import sweep

# A tanh neuron, weight 1, on {-3, -1, 1, 3} with noise 0.1, in nats, by quadrature.
NEURON = 1.1020565353
EFFORT = Effort(num_rows=4, num_own=2, num_replicas=1, num_draws=2)


def _snapshot(network, params, task):
    nothing = dict.fromkeys(Snapshot._fields)
    own = {"params": params, "task": task, "measured": task.measured}
    own |= {"network": network, "key": jax.random.key(0), "layers": network.layers}
    return Snapshot(**(nothing | own))


def _neuron(weight, repeats=1):
    """One tanh unit and a softmax on four inputs, each there several times."""
    network = noisy([1, 1, 2], noise_std=0.1)
    params = (
        (np.full((1, 1), weight, np.float32), np.zeros(1, np.float32)),
        (np.ones((2, 1), np.float32), np.zeros(2, np.float32)),
    )
    x = np.repeat([[-3.0], [-1.0], [1.0], [3.0]], repeats, axis=0)
    return _snapshot(network, params, make_task(x, (x[:, 0] > 0).astype(int)))


@pytest.fixture(scope="module")
def snapshot():
    network = noisy([3, 4, 2, 2], noise_std=[0.1, 0.2])
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(2), 64)
    task = make_task(rng.normal(size=(64, 3)), p.argmax(axis=1), p_y_given_x=p)
    return _snapshot(network, network.init(jax.random.key(0)), task)


def test_a_neuron_has_the_information_of_quadrature():
    """Inputs that are there 50 times weigh as much as once, and give more draws."""
    snapshot = _neuron(1.0, repeats=50)
    effort = Effort(num_rows=200, num_own=2, num_replicas=1, num_draws=200)
    found = noisy_probes.propagated(effort, name="sp")(snapshot)
    error = abs(float(found["sp"].i_xt[0]) - NEURON)
    assert error < 3 * float(found["sp_i_xt_error"][0])
    assert found["sp_i_xt_held_out"][0] == found["sp"].i_xt[0]
    for values in (*found["sp"], found["sp_i_xt_error"], found["sp_i_ty_error"]):
        assert np.isnan(values).tolist() == [False, True]


def test_propagated_is_the_estimator_of_the_network(snapshot):
    found = noisy_probes.propagated(EFFORT)(snapshot)
    direct = network_information_at(
        jax.random.fold_in(snapshot.key, noisy_probes._PROPAGATION),
        snapshot.params,
        snapshot.task.x,
        snapshot.task.p_y_given_x,
        network=snapshot.network,
        num_classes=2,
        effort=EFFORT,
    )
    np.testing.assert_array_equal(found["propagation"].i_xt[:2], direct.i_xt)
    np.testing.assert_array_equal(found["propagation"].i_ty[:2], direct.i_ty)
    held_out = found["propagation_i_xt_held_out"]
    np.testing.assert_array_equal(held_out[:2], direct.i_xt_held_out)


def test_draws_belong_to_the_network_and_not_to_the_snapshot(snapshot):
    probe = noisy_probes.layer_samples([2], num_inputs=8)
    first = probe(snapshot)["samples_of_layer_2"]
    np.testing.assert_array_equal(first, probe(snapshot)["samples_of_layer_2"])
    other = snapshot._replace(key=jax.random.key(1))
    assert not np.array_equal(first, probe(other)["samples_of_layer_2"])


def test_binned_entropies_agree_with_numpy(snapshot):
    widths = (0.05, 0.5, 5.0)
    found = noisy_probes.binned_entropies(widths, num_passes=2)(snapshot)
    x = np.repeat(snapshot.task.x, 2, axis=0)
    layers = noisy_probes._noisy_layers(snapshot, x, noisy_probes._BINS)
    np.testing.assert_allclose(np.sum(layers[-1], axis=1), 1.0, rtol=1e-6)
    for width in widths:
        for layer, t in enumerate(layers):
            bins = np.floor(np.asarray(t) / np.float32(width))
            p = np.unique(bins, axis=0, return_counts=True)[1] / len(x)
            expected = -np.sum(p * np.log(p))
            actual = found[noisy_probes.binned_entropy_name(width)][layer]
            # Sums of 128 terms of order one in float32.
            np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_bins_of_a_saturated_neuron_tell_its_two_clusters():
    """In bins far wider than the noise; in far finer ones every sample is alone."""
    snapshot = _neuron(20.0, repeats=16)
    found = noisy_probes.binned_entropies((2.0, 1e-6))(snapshot)
    # Bins [-4, -2), [-2, 0), [0, 2), [2, 4) halve each of the clusters at random.
    coarse = float(found["binned_entropy_2"][0])
    assert math.log(2) - 1e-6 <= coarse <= 2 * math.log(2) + 1e-6
    fine = float(found["binned_entropy_1e-06"][0])
    np.testing.assert_allclose(fine, math.log(64), rtol=1e-6)


def test_a_saturated_neuron_has_two_clusters():
    snapshot = _neuron(20.0, repeats=16)
    found = noisy_probes.clustering(link=5.0)(snapshot)
    assert found["num_clusters"][0] == 2 and np.isnan(found["num_clusters"][1])
    # |Z - Z'| has the mean 2 s / sqrt(pi) and about the deviation 0.85 s; 64 samples.
    within = 2 * 0.1 / math.sqrt(math.pi)
    assert abs(float(found["distance_within"][0]) - within) < 3 * 0.085 / math.sqrt(64)
    assert abs(float(found["distance_between"][0]) - 2) < 3 * 0.2 / math.sqrt(64)
    assert found["cosine_within"][0] == 1 and found["cosine_between"][0] == -1
    assert {values.shape for values in found.values()} == {(2,)}


def test_linear_outputs_have_no_softmax():
    network = mlp([3, 2], output="linear")
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    task = make_task(x, (x[:, 0] > 0).astype(int))
    snapshot = _snapshot(network, network.init(jax.random.key(0)), task)
    (t,) = network.activations(snapshot.params, task.x)
    samples = noisy_probes.layer_samples([1], num_inputs=64)(snapshot)
    np.testing.assert_array_equal(samples["samples_of_layer_1"], t)
    bins = np.floor(np.asarray(t) / 0.5)
    p = np.unique(bins, axis=0, return_counts=True)[1] / 64
    found = noisy_probes.binned_entropies([0.5])(snapshot)["binned_entropy_0.5"]
    np.testing.assert_allclose(found, [-np.sum(p * np.log(p))], rtol=1e-5)
    between = np.linalg.norm(t[:, None] - t[None], axis=-1)
    between = between[np.asarray(task.labels[:, None] != task.labels[None])].mean()
    found = noisy_probes.clustering()(snapshot)
    np.testing.assert_allclose(found["distance_between"], [between], rtol=1e-5)


def test_samples_are_those_of_the_named_inputs():
    snapshot = _neuron(20.0, repeats=16)
    probe = noisy_probes.layer_samples([1], num_inputs=10)
    samples = probe(snapshot)["samples_of_layer_1"]
    rows = noisy_probes.sample_rows(64, 10)
    assert samples.shape == (10, 1) and len(set(rows.tolist())) == 10
    # Saturated to -1 or 1 by the class, and the noise is a tenth.
    assert (np.sign(samples[:, 0]) == 2 * snapshot.task.labels[rows] - 1).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: noisy_probes.binned_entropies([]),
            r"bin_widths must have shape \[num_widths\], got",
        ),
        (
            lambda: noisy_probes.binned_entropies([0.1, 0]),
            "each of bin_widths must be one positive number, got 0",
        ),
        (
            lambda: noisy_probes.binned_entropies([0.1], num_passes=0),
            "num_passes must be a whole number, at least 1, got 0",
        ),
        (lambda: noisy_probes.clustering(link=0.0), "link must be .* got 0.0"),
        (lambda: noisy_probes.clustering(num_inputs=1), "num_inputs must be"),
        (
            lambda: noisy_probes.layer_samples([1, 3])(_neuron(1.0)),
            r"lie in \[1, 2\], got 3",
        ),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_noises_and_penalties_are_trained_in_one_program():
    setup = NoisySetup(noise_std=(0.005, 0.05), orthonormal=(0.0, 0.01))
    (cell,) = setup.cells(Context([0, 3], description={"note": "x"}))
    assert cell.place == {}
    assert cell.vary == {"noise_std": (0.005, 0.05), "orthonormal": (0.0, 0.01)}
    assert cell.objective.name == "cross_entropy + orthonormal orthonormal"
    assert cell.config.batch_size == 256 and cell.description["note"] == "x"
    network = cell.network(noise_std=0.05)
    assert network.description.endswith("noise [0.05, 0.05, 0.05, 0.05, 0.05]")
    # Layers that can be drawn.
    propagated, *_, samples, _, _ = cell.probes
    assert propagated.labels == {"propagation": "sample propagation"}
    assert samples.parameters["layer_samples"] == [3, 4, 5]
    (alone,) = NoisySetup(orthonormal=(0.01,)).cells(Context([0]))
    assert alone.objective.name == "cross_entropy + 0.01 orthonormal"
    assert alone.description["noise_std"] == 0.005 and not alone.vary


@pytest.mark.slow
def test_a_sweep_records_what_the_probes_measure():
    setup = NoisySetup(
        orthonormal=(0.01,),
        hidden=(3, 2),
        effort=EFFORT,
        num_inputs=16,
        noise_std=(0.1,),
    )
    (cell,) = setup.cells(Context([0, 2]))
    dataset = sweep(
        jax.random.key(0),
        cell.task,
        cell.network,
        cell.config,
        num_seeds=2,
        snapshots=cell.snapshots,
        probes=cell.probes,
        description=cell.description,
    )
    for name in ("propagation_i_xt_error", "num_clusters", "binned_entropy_0.05"):
        assert dataset[name].dims == ("seed", "epoch", "layer")
    assert dataset["samples_of_layer_1"].shape == (2, 2, 16, 3)
    assert dataset["samples_of_layer_2"].shape == (2, 2, 16, 2)
    i_xt = dataset["i_xt"].sel(estimator="propagation").isel(layer=slice(0, 2))
    assert i_xt.notnull().all() and i_xt.max() <= math.log(4096) + 1e-5
    assert dataset["orthonormality"].notnull().all()
