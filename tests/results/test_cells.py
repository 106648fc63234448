"""Cells of a grid: taken apart and put together again."""

import numpy as np

from ibjax.results.cells import cells_of, combine
from ibjax.results.example import example_dataset, example_grid
from ibjax.results.files import open_dataset, save_dataset


def test_cells_share_what_the_whole_run_took():
    whole = example_grid(num_seeds=2)
    whole.attrs |= {"wall_seconds": 12.0, "compile_seconds": 5.0}
    places, cells = zip(*cells_of(whole), strict=True)
    assert [cell.attrs["wall_seconds"] for cell in cells] == [6.0, 6.0]
    again = combine(places, cells)
    assert again.attrs["wall_seconds"] == 12.0
    assert again.attrs["compile_seconds"] == 5.0
    np.testing.assert_array_equal(again.i_xt, whole.i_xt)


def test_a_cell_that_was_read_does_not_cut_the_names_of_others(tmp_path):
    first, second = (example_dataset(num_seeds=2, seed=seed) for seed in (0, 1))
    names = [f"a name longer than all of the first {n}" for n in second.layer.values]
    second = second.assign_coords(layer_name=("layer", names))
    second["i_xt"] = second["i_xt"].astype(np.float64) + 2.0**-40
    places = [{"kind": "first"}, {"kind": "second"}]
    save_dataset(first, tmp_path / "first.nc")
    whole = combine(places, [open_dataset(tmp_path / "first.nc"), second])
    save_dataset(whole, tmp_path / "whole.nc")
    found = open_dataset(tmp_path / "whole.nc")
    assert found.layer_name.sel(kind="second").values.tolist() == names
    np.testing.assert_array_equal(found.i_xt.sel(kind="second"), second.i_xt)
