"""Cells of a grid: taken apart and put together again."""

import numpy as np

from ibjax.results.cells import cells_of, combine
from ibjax.results.example import example_grid


def test_cells_share_what_the_whole_run_took():
    whole = example_grid(num_seeds=2)
    whole.attrs |= {"wall_seconds": 12.0, "compile_seconds": 5.0}
    places, cells = zip(*cells_of(whole), strict=True)
    assert [cell.attrs["wall_seconds"] for cell in cells] == [6.0, 6.0]
    again = combine(places, cells)
    assert again.attrs["wall_seconds"] == 12.0
    assert again.attrs["compile_seconds"] == 5.0
    np.testing.assert_array_equal(again.i_xt, whole.i_xt)
