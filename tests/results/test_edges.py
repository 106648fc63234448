"""Tests of what is told of activities beyond the edges of fixed bins."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ibjax
from ibjax import networks, probes, report, results, training
from ibjax.datasets import make_task
from ibjax.estimators import binning
from ibjax.plots.style import choose_estimator
from ibjax.report.text import format_grid, format_summary
from ibjax.results.edges import layers_beyond_edges
from ibjax.results.example import example_dataset


def _with_shares(shares):
    dataset = example_dataset(num_seeds=2)
    values = np.zeros([dataset.sizes[dim] for dim in ("seed", "epoch", "layer")])
    values[...] = shares
    return dataset.assign(binning_beyond_edges=(("seed", "epoch", "layer"), values))


def test_shares_are_those_of_the_recorded_activities():
    x = jax.random.normal(jax.random.key(0), (32, 3))
    network = networks.mlp([3, 4, 2], "relu")
    probe = probes.bin_edges(jnp.array([0.1, 0.2, 0.5]))
    activities = lambda snapshot: {"first": snapshot.layers[0]}  # noqa: E731
    dataset = ibjax.sweep(
        jax.random.key(1),
        make_task(x, np.arange(32) % 2),
        network,
        training.TrainConfig(batch_size=16),
        num_seeds=2,
        snapshots=[0, 3],
        probes=[probe, activities],
    )
    shares = dataset["binning_beyond_edges"]
    assert shares.dims == ("seed", "epoch", "layer")
    first = dataset["first"].values
    edges = np.float32([0.1, 0.5])
    expected = np.mean((first < edges[0]) | (first > edges[1]), axis=(2, 3))
    np.testing.assert_allclose(shares.sel(layer=1), expected, rtol=1e-6)
    assert 0 < expected.min() < expected.max() < 1
    assert (
        shares.attrs["long_name"] == "share of activities beyond the edges of binning"
    )


def test_bounded_layers_have_none_and_nan_is_no_share():
    measure = probes.bin_edges(binning.SZT_EDGES)
    assert measure.variables["binning_beyond_edges"].dims == ("layer",)
    dataset = _with_shares(0.0)
    assert layers_beyond_edges(dataset) == []
    assert layers_beyond_edges(example_dataset(num_seeds=2)) == []
    assert layers_beyond_edges(_with_shares(np.nan)) == []
    one = np.zeros((2, dataset.sizes["epoch"], dataset.sizes["layer"]))
    one[0, :, 2], one[1, -1, 2] = np.nan, 0.3
    (found,) = layers_beyond_edges(_with_shares(one))
    assert found == {"estimator": "binning", "layer": 3, "share": 0.3}


def test_text_pages_and_grids_tell_it(tmp_path, undrawn):
    shares = np.zeros(example_dataset(num_seeds=2).sizes["layer"])
    shares[-1] = 0.25
    dataset = _with_shares(shares)
    number = len(shares)
    words = f"binning up to 25 % in layer {number}"
    summary = results.summarize(dataset)
    assert words in " ".join(format_summary(summary).split())
    assert words in report.report(dataset, tmp_path).read_text()
    grid = results.combine([{"kind": "a"}, {"kind": "b"}], [_with_shares(0.0), dataset])
    text = " ".join(format_grid(results.summarize_grid(grid)).split())
    assert f"compress. b: {words}" in text
    assert "; a: binning" not in text


def test_what_is_no_dataset_is_refused():
    with pytest.raises(TypeError, match="dataset must be"):
        layers_beyond_edges({})


def test_figures_prefer_an_estimator_whose_edges_hold():
    kept, left = _with_shares(0.009), _with_shares([0.0] * 5 + [0.02])
    others = [name for name in left["estimator"].values if name != "binning"]
    assert choose_estimator(kept, None)[0] == "binning"
    assert choose_estimator(left, None)[0] == others[0]
    assert choose_estimator(left.mean("seed").isel(epoch=-1), None)[0] == others[0]
    assert choose_estimator(left, "binning")[0] == "binning"
    only = left.sel(estimator=["binning"])
    assert choose_estimator(only, None)[0] == "binning"
