"""Clusters of samples against scipy, pairs against loops in float64."""

import jax
import numpy as np
import pytest
from scipy.cluster import hierarchy

from ibjax.probes.cluster_counts import connected_components, pair_statistics


@pytest.fixture(scope="module")
def samples():
    rng = np.random.default_rng(0)
    corners = rng.choice([-1.0, 1.0], size=(60, 3))
    return (corners + 0.2 * rng.normal(size=(60, 3))).astype(np.float32)


@pytest.mark.parametrize("step", [0.01, 0.2, 0.4, 0.8, 3.0])
def test_components_are_those_of_single_linkage(samples, step):
    tree = hierarchy.linkage(samples.astype(float), "single")
    expected = len(np.unique(hierarchy.fcluster(tree, step, "distance")))
    assert connected_components(samples, step) == expected


def test_a_long_chain_is_one_cluster():
    """However the samples of the chain are numbered, and with its middle cut, two."""
    chain = np.random.default_rng(0).permutation(60).astype(np.float32)[:, None]
    assert connected_components(chain, 1.0) == 1
    cut = chain + (chain > 30)
    assert connected_components(cut, 1.0) == 2


def test_equal_samples_are_one_cluster_and_nan_steps_join_nothing(samples):
    assert connected_components(np.zeros((60, 3), np.float32), 0.0) == 1
    assert connected_components(samples, np.nan) == 60


def test_pairs_agree_with_loops(samples):
    """Also where labels are uncertain."""
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 60).astype(np.float32)
    expected = {name: np.zeros(2) for name in ("within", "between")}
    weights = dict.fromkeys(expected, 0.0)
    for i, one in enumerate(samples.astype(float)):
        for j, other in enumerate(samples.astype(float)):
            if i == j:
                continue
            same = float(p[i].astype(float) @ p[j].astype(float))
            distance = np.linalg.norm(one - other)
            cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
            for name, weight in (("within", same), ("between", 1 - same)):
                expected[name] += weight * np.array([distance, cosine])
                weights[name] += weight
    found = pair_statistics(samples, p)
    for name, sums in expected.items():
        distance, cosine = sums / weights[name]
        # Cosines of both signs cancel in the mean: their rounding stays.
        np.testing.assert_allclose(found[f"distance_{name}"], distance, rtol=1e-5)
        np.testing.assert_allclose(found[f"cosine_{name}"], cosine, atol=1e-6)


def test_far_samples_do_not_cancel():
    """Distances of 0.01 at 100 from the origin, where a square of 1e4 has lost them."""
    samples = np.float32(100.0) + np.array([[0.0], [0.01], [0.02]], np.float32)
    gap = float(samples[1, 0]) - float(samples[0, 0])
    assert connected_components(samples, 1.01 * gap) == 1
    assert connected_components(samples, 0.9 * gap) == 3


def test_one_class_has_no_pairs_between(samples):
    found = pair_statistics(samples, np.ones((60, 1), np.float32))
    assert np.isnan(found["distance_between"]) and np.isfinite(found["cosine_within"])


def test_vmap_agrees_with_a_loop(samples):
    layers = np.stack([samples, 2 * samples])
    counts = jax.vmap(connected_components, in_axes=(0, None))(layers, 0.4)
    assert counts.tolist() == [int(connected_components(t, 0.4)) for t in layers]
