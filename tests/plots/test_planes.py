"""Planes of grids: which part of the plane is shown, and layers named at their ends."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.plots.plane import number_ends
from ibjax.results.example import example_dataset, example_grid


@pytest.fixture(scope="module")
def grid():
    """Two cells; the second's I(X;T) is half of what it was, so below 6 bits."""
    found = example_grid(num_seeds=2, num_epochs=6).isel(layer=[2, 4])
    part = xr.DataArray([1.0, 0.5], dims="activation")
    return found.assign(i_xt=(found["i_xt"] * part).transpose(*found["i_xt"].dims))


def _ends(*paths):
    """Labels, how they are aligned and where, of paths from one place to another."""
    axes = Figure().subplots()
    axes.set(xlim=(0, 12), ylim=(0, 1.2))
    values = np.array(paths, float).transpose(1, 2, 0)  # [epoch, xy, layer]
    number_ends(axes, values[:, 0], values[:, 1], ["#0072B2"] * len(paths))
    return [(t.get_text(), t.get_ha(), t.xy) for t in axes.texts]


def test_numbers_stand_ahead_of_their_paths():
    found = _ends([(9, 0.2), (3, 0.9)], [(2, 0.2), (8, 0.6)], [(6, 0.2), (6, 0.2)])
    assert [(text, side) for text, side, _ in found] == [
        ("1", "right"),
        ("2", "left"),
        ("3", "center"),
    ]
    np.testing.assert_allclose([xy for *_, xy in found], [(3, 0.9), (8, 0.6), (6, 0.2)])


def test_layers_that_end_in_one_place_share_a_label():
    corner = [(9, 0.2), (12, 1.0)]
    assert [f[0] for f in _ends(corner, corner, corner)] == ["1–3"]
    away = [(9, 0.2), (3, 0.9)]
    assert [f[0] for f in _ends(corner, corner, away)] == ["1, 2", "3"]
    assert [f[0] for f in _ends(corner, away, corner, corner)] == ["1, 3, 4", "2"]
    unknown = [(9, 0.2), (np.nan, 0.9)]
    assert [f[0] for f in _ends(unknown, away)] == ["2"]


def test_a_number_does_not_hide_another_end():
    behind = [(4, 0.2), (11.3, 0.99)]
    assert _ends(behind)[0][1] == "left"
    assert _ends(behind, [(12, 1.0), (12, 1.0)])[0][1] == "center"


def test_panels_have_their_own_part_of_the_plane(grid):
    tanh, relu, *_ = plots.grid_planes(grid, limits="own").axes
    whole = plots.grid_planes(grid).axes[0].get_xlim()
    assert tanh.get_xlim() == whole
    bits = grid["i_xt"].sel(activation="relu", estimator="binning") / np.log(2)
    assert bits.max() < relu.get_xlim()[1] < 0.65 * whole[1]
    # Its ceiling is out of view, and said to be.
    notes = [[text.get_text() for text in axes.texts] for axes in (tanh, relu)]
    assert r"$\log_2 N$" in notes[0]
    assert r"$\log_2 N \rightarrow$" in notes[1]
    assert len(relu.lines) == len(tanh.lines) - 1


def test_limits_of_paths_leave_out_what_has_none(grid):
    late = grid.isel(epoch=slice(3, None))
    for axes in plots.grid_planes(late, limits="paths").axes[:2]:
        for name, (low, high) in (("i_xt", axes.get_xlim()), ("i_ty", axes.get_ylim())):
            bits = late[name].sel(estimator="binning").mean("seed") / np.log(2)
            assert 0 < bits.min() - low < 0.2 * (high - low)
            assert bits.max() < high
    with pytest.raises(ValueError, match="limits must be one of"):
        plots.grid_planes(grid, limits="mine")


def test_distances_from_the_ceiling():
    dataset = example_dataset(num_seeds=2, num_epochs=6).isel(layer=[0, 5])
    figure = plots.estimator_comparison(dataset, below_ceiling=True)
    axes = figure.axes[1]
    low, high = axes.get_ylim()
    assert low > 12 and high < 0  # The ceiling is on top.
    bits = dataset["i_xt"].sel(estimator="binning", layer=6).mean("seed") / np.log(2)
    line = next(line for line in axes.lines if "bin edges" in line.get_label())
    np.testing.assert_allclose(line.get_ydata(), 12 - bits, rtol=1e-5)
    plain = plots.estimator_comparison(dataset).axes[0]
    assert [text.get_text() for text in plain.texts] == [r"$\log_2 N$"]
    assert any((np.asarray(line.get_ydata()) == 12).all() for line in plain.lines)
    del dataset.attrs["num_samples"]
    with pytest.raises(ValueError, match="must hold num_samples"):
        plots.estimator_comparison(dataset, below_ceiling=True)
