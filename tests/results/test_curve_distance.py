"""A sweep measured against the optimal curve: probe, distances, figure, claims."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ibjax
from ibjax import datasets, networks, probes
from ibjax.estimators import binning
from ibjax.experiments.ib_limit.claims import ib_limit_claims
from ibjax.report.text import format_summary
from ibjax.report.writing import report
from ibjax.results.curve_distance import curve_distance, has_curve
from ibjax.results.example import example_dataset
from ibjax.results.summary import summarize

EDGES = np.linspace(-1, 1, 5)
BETAS = np.geomspace(0.5, 50, 7)


@pytest.fixture(scope="module")
def task():
    x = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)], float)
    labels = np.array([0, 1, 1, 0, 1, 0, 0, 1])
    noise = np.where(x[:, 0] > 0, 0.1, 0.2)[:, None]
    p_y_given_x = (1 - noise) * np.eye(2)[labels] + noise / 2
    return datasets.make_task(x, labels, p_y_given_x=p_y_given_x, name="parity")


@pytest.fixture(scope="module")
def dataset(task):
    return ibjax.sweep(
        jax.random.key(0),
        task,
        networks.mlp([3, 4, 2, 2]),
        ibjax.TrainConfig(learning_rate=0.05, batch_size=None, train_fraction=1.0),
        num_seeds=3,
        snapshots=[0, 50, 200],
        probes=[
            probes.bin_edges(EDGES),
            probes.optimality(task, edges=EDGES, betas=BETAS),
            probes.losses,
        ],
    )


def test_only_the_last_snapshot_is_measured(dataset):
    assert np.isnan(dataset["optimal_beta"].values[:, :-1]).all()
    assert np.isfinite(dataset["optimal_beta"].values[:, -1]).all()
    assert np.isin(
        dataset["optimal_beta"].values[:, -1], BETAS.astype(np.float32)
    ).all()


def test_curve_is_that_of_the_task(task, dataset):
    with jax.enable_x64(True):
        p_y_given_x = np.asarray(task.p_y_given_x, np.float64)
        curve = ibjax.bottleneck.information_curve(
            p_y_given_x / p_y_given_x.sum(), BETAS
        )
    np.testing.assert_allclose(dataset["curve_i_xt"], curve.i_xt, atol=1e-12)
    np.testing.assert_allclose(dataset["curve_i_ty"], curve.i_ty, atol=1e-12)


def test_no_layer_lies_above_the_curve(dataset):
    distance = curve_distance(dataset)
    # Float32 estimates of order one; the chords of the curve lie below it by less than
    # their sagitta, 0.01 nats for these few betas.
    assert (distance.generalization_gap > -0.01).all()


def test_hard_labels_have_the_curve_of_two_lines():
    task = datasets.szt()
    probe = probes.optimality(task, betas=[0.5, 0.9, 1.1, 7.0])
    h_y = float(task.h_y)
    np.testing.assert_allclose(probe.constants["curve_i_xt"][1], [0, 0, h_y, h_y])
    np.testing.assert_allclose(probe.constants["curve_i_ty"][1], [0, 0, h_y, h_y])


def test_labels_drawn_anew_are_those_that_are_measured():
    bits = (np.arange(64)[:, None] >> np.arange(6)) & 1
    # Of the class 0 none is there without noise.
    task = datasets.make_task(bits, 1 + (bits.sum(1) > 3), num_classes=3)

    def optimality_of(snapshot, labels):
        clusters = [binning.clusters(t, edges=EDGES) for t in snapshot.layers]
        found = [
            ibjax.bottleneck.map_optimality(t, labels, np.eye(3), BETAS, num_t=64)
            for t in clusters
        ]
        return jnp.stack([each.divergence for each in found])

    def by_hand(snapshot):
        return {
            "of_own": optimality_of(snapshot, snapshot.measured.labels),
            "of_clean": optimality_of(snapshot, task.labels),
        }

    dataset = ibjax.sweep(
        jax.random.key(0),
        task,
        networks.mlp([6, 3, 3]),
        ibjax.TrainConfig(label_noise=0.5, learning_rate=0.05, batch_size=None),
        num_seeds=2,
        snapshots=[20],
        probes=[probes.optimality(task, edges=EDGES, betas=BETAS), by_hand],
    )
    # Sums of 64 terms in float32.
    found = dataset.optimality_divergence
    np.testing.assert_allclose(found, dataset.of_own, rtol=1e-4, atol=1e-5)
    assert (abs(found - dataset.of_clean) > 0.01).any()


def test_summary_and_report_hold_the_distances(dataset, tmp_path, undrawn):
    summary = summarize(dataset)
    assert [layer["layer"] for layer in summary["optimality"]] == [1, 2, 3]
    gap = summary["optimality"][0]["complexity_gap_bits"]["mean"]
    expected = curve_distance(dataset).complexity_gap[:, 0].mean() / np.log(2)
    np.testing.assert_allclose(gap, expected, rtol=1e-6)
    assert "against the optimal curve" in format_summary(summary)
    page = report(dataset, tmp_path, pdf=False).read_text()
    assert "Trained layers and the optimal curve" in page
    assert "Data processing" in page


def test_claims_follow_the_distances(dataset):
    found = ib_limit_claims(dataset)
    assert len(found) == 3 + 3 + 3 + 2
    distance = curve_distance(dataset)
    np.testing.assert_allclose(
        found[0].value, distance.generalization_gap[:, 0].mean() / np.log(2)
    )
    assert all(c.verdict in ("holds", "does not hold", "undecided") for c in found)


def test_a_sweep_without_the_probe_has_no_curve():
    dataset = example_dataset(num_seeds=2, num_epochs=4)
    assert not has_curve(dataset)
    with pytest.raises(ValueError, match="optimal_beta and curve_i_xt"):
        curve_distance(dataset)


def test_an_estimator_that_is_not_there_is_named(dataset):
    with pytest.raises(ValueError, match="estimator kde, got"):
        curve_distance(dataset, estimator="kde")


def test_clusters_are_the_rows_of_bins():
    rng = np.random.default_rng(0)
    t = rng.uniform(-1, 1, (60, 2)).astype(np.float32)
    numbers = np.asarray(binning.clusters(t, edges=EDGES))
    rows = np.sum(t[:, :, None] >= EDGES.astype(np.float32), axis=2)
    same = (rows[:, None] == rows[None, :]).all(axis=2)
    np.testing.assert_array_equal(numbers[:, None] == numbers[None, :], same)
    assert numbers.min() >= 0
    assert numbers.max() < 60
