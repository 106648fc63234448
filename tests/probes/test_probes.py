"""Probes of layers: neighbours against all pairs in float64, bins by hand."""

import jax
import numpy as np
import pytest
from scipy import spatial, special

from ibjax import TrainConfig, datasets, networks, probes, training
from ibjax.compilation import exact_jit
from ibjax.estimators.binning import SZT_EDGES


def _entropy(t, k=2):
    """Kozachenko and Leonenko's estimate from all distances."""
    num_samples, dim = t.shape
    distance = np.sort(spatial.distance.cdist(t, t), axis=1)[:, k]
    ball = dim / 2 * np.log(np.pi) - special.gammaln(dim / 2 + 1)
    mean = dim * np.mean(np.log(distance))
    return -special.digamma(k) + np.log(num_samples - 1) + ball + mean


def test_nearest_neighbours_measure_noisy_layers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 3)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(np.int32)
    task, network = datasets.make_task(x, labels), networks.mlp((3, 3, 2))
    config = TrainConfig(batch_size=None)
    key = jax.random.key(0)
    params = network.init(key)
    rows = training.split_rows(key, task, config)
    batches = training.measured_batches(0, task, config)
    variance = 1e-2

    @exact_jit
    def measured(*arguments):
        snapshot = probes.take_snapshot(*arguments, network, config)
        return snapshot.layers, probes.nearest_neighbours(variance)(snapshot)["knn"]

    layers, found = measured(key, params, rows, batches, task)
    for layer, t in enumerate(layers):
        noise = jax.random.normal(jax.random.key(0), t.shape)
        noisy = np.asarray(t + variance**0.5 * noise, np.float64)
        h = _entropy(noisy)
        of_noise = t.shape[1] / 2 * np.log(2 * np.pi * np.e * variance)
        by_class = [_entropy(noisy[labels == c]) for c in (0, 1)]
        weights = np.bincount(labels) / len(labels)
        # Distances in float32, of numbers near one, over some hundredths.
        np.testing.assert_allclose(found.i_xt[layer], h - of_noise, atol=1e-4)
        np.testing.assert_allclose(found.i_ty[layer], h - weights @ by_class, atol=1e-4)


def test_an_activity_that_rounds_to_the_last_edge_can_stay_in_its_bin():
    # Softmax outputs: of differences of 10 and 20 one rounds to 1, and so to the edge.
    outputs = np.asarray(jax.nn.softmax(np.float32([[10, 0], [20, 0], [0, 20]])))
    assert (outputs[1:].max(axis=1) == 1).all() and outputs[0].max() < 1
    task = datasets.make_task(outputs, np.array([0, 0, 1]))
    # The probes look at nothing else.
    own = {"layers": (outputs,), "measured": task}
    snapshot = probes.Snapshot(**(dict.fromkeys(probes.Snapshot._fields) | own))
    open_, closed = (
        probes.bin_edges(SZT_EDGES, closed=is_closed)(snapshot)["binning"].i_xt[0]
        for is_closed in (False, True)
    )
    np.testing.assert_allclose(open_, np.log(3), rtol=1e-6)
    np.testing.assert_allclose(closed, np.log(3) - 2 / 3 * np.log(2), rtol=1e-6)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("inf")])
def test_noise_without_a_variance_is_refused(variance):
    with pytest.raises(ValueError, match="noise_variance must be one positive"):
        probes.nearest_neighbours(variance)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: probes.bin_edges("text"), "edges must be an array of numbers"),
        (lambda: probes.bin_edges([0.0, 1.0], closed=3), "closed must be True or"),
        (lambda: probes.bin_width(0.0), "width must be one positive number"),
        (lambda: probes.bin_width(0.1, name=3), "name must be a str, got 3"),
        (lambda: probes.nearest_neighbours(0.1, name={}), "name must be a str"),
        (lambda: probes.default_probes("text"), "kind must be one of classes"),
        (lambda: probes.optimality(3), "task must be a Task, got 3"),
    ],
)
def test_what_no_probe_is_made_of_is_named(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
