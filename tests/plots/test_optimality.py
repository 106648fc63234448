"""The plane beside the optimal curve: limits that show the layers, and an inset."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.results.example import example_dataset


def _dataset(i_xt, i_ty):
    """Three layers at given bits, under the curve of a label of one bit."""
    dataset = example_dataset(num_seeds=2, num_epochs=2).isel(layer=[0, 1, 2])
    values = {
        name: dataset[name] * 0 + np.log(2) * xr.DataArray(bits, dims="layer")
        for name, bits in (("i_xt", i_xt), ("i_ty", i_ty))
    }
    of_layers = ("seed", "epoch", "layer")
    found = np.ones((2, 2, 3))
    return dataset.assign(
        **values,
        optimal_beta=(of_layers, found),
        optimality_divergence=(of_layers, found),
        curve_beta=("curve_beta", [0.5, 1.0, 2.0]),
        curve_i_xt=("curve_beta", np.array([0.0, 0.5, 1.0]) * np.log(2)),
        curve_i_ty=("curve_beta", np.array([0.0, 0.5, 1.0]) * np.log(2)),
    )


def _boxes(axes):
    """Corners of the inset, in units of the panel's axes."""
    (inset,) = axes.child_axes
    axes.figure.set_layout_engine("none")
    axes.figure.draw_without_rendering()
    corners = inset.get_position().get_points() * axes.figure.bbox.size
    return axes.transData.inverted().transform(corners)


def test_layers_that_know_most_of_the_label_fill_the_panel():
    figure = plots.optimality(_dataset([2.0, 8.0, 11.0], [0.90, 0.97, 0.99]))
    plane = figure.axes[0]
    low, high = plane.get_ylim()
    assert 0.85 < low < 0.90 and 1.0 < high < 1.05
    # All of the curve is in the inset, which keeps clear of the layers.
    (left, _), (_, top) = _boxes(plane)
    assert plane.child_axes[0].get_ylim()[0] == 0.0
    assert left > 2.0 and top < 0.97
    assert len(plane.child_axes[0].lines) == 1 + 3


def test_an_inset_moves_out_of_the_way_of_low_layers():
    plane = plots.optimality(_dataset([2.0, 8.0, 11.0], [0.97, 0.99, 0.90])).axes[0]
    (left, _), (_, top) = _boxes(plane)
    assert left < 11.0 and top < 0.90


def test_a_layer_that_knows_little_leaves_the_whole_plane():
    figure = Figure()
    ax = figure.subplots(1, 2)
    plots.optimality(_dataset([2.0, 8.0, 11.0], [0.3, 0.97, 0.99]), ax=ax)
    assert ax[0].get_ylim()[0] == 0.0 and not ax[0].child_axes


@pytest.mark.parametrize("i_ty", [1.0, np.nan])
def test_layers_without_a_spread_have_limits(i_ty):
    plane = plots.optimality(_dataset([2.0, 8.0, 11.0], [i_ty] * 3)).axes[0]
    low, high = plane.get_ylim()
    assert low == pytest.approx(0.9) and high > 1.0


@pytest.mark.parametrize("dataset", [True, np.zeros(3), None])
def test_what_is_no_dataset_is_named(dataset):
    with pytest.raises(TypeError, match="dataset must be a Dataset, got"):
        plots.optimality(dataset)
