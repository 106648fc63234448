"""Matrices, trees and maps of distances between tasks."""

import matplotlib.figure
import numpy as np
import pytest

from ibjax import plots

NAMES = ["a", "b", "c", "d"]
PLACES = np.array([[0.0, 0.0], [0.1, 0.0], [2.0, 1.0], [2.0, 1.4]])
DISTANCES = np.linalg.norm(PLACES[:, None] - PLACES[None], axis=2)


def test_a_map_keeps_distances_of_a_plane():
    # What two samples of one task are apart, and both ways, are no part of it.
    distances = (
        DISTANCES + np.triu(np.full((4, 4), 0.2)) - np.tril(np.full((4, 4), 0.2))
    )
    figure = plots.distance_map(
        distances + np.eye(4), NAMES, kinds=["p", "p", "q", "q"]
    )
    (axes,) = figure.axes
    drawn = np.concatenate([points.get_offsets() for points in axes.collections])
    found = np.linalg.norm(drawn[:, None] - drawn[None], axis=2)
    np.testing.assert_allclose(found, DISTANCES, atol=1e-6)
    assert axes.get_legend_handles_labels()[1] == ["p", "q"]
    assert [text.get_text() for text in axes.texts] == NAMES


def test_a_tree_puts_what_is_near_side_by_side():
    order = [2, 0, 3, 1]
    figure = plots.distance_tree(
        DISTANCES[np.ix_(order, order)], [NAMES[n] for n in order]
    )
    matrix, tree = figure.axes
    names = [text.get_text() for text in matrix.get_yticklabels()]
    assert {frozenset(names[:2]), frozenset(names[2:])} == {
        frozenset("ab"),
        frozenset("cd"),
    }
    shown = matrix.images[0].get_array()
    places = [NAMES.index(name) for name in names]
    np.testing.assert_allclose(shown, DISTANCES[np.ix_(places, places)])
    assert [text.get_text() for text in tree.get_yticklabels()] == names[::-1]


def test_a_map_is_drawn_in_axes_of_the_caller():
    axes = matplotlib.figure.Figure().subplots()
    assert plots.distance_map(DISTANCES, NAMES, ax=axes) is axes.figure
    assert axes.get_legend() is None


@pytest.mark.parametrize(
    "distances, names, options, message",
    [
        (DISTANCES[:3], NAMES, {}, "distances must have shape"),
        (DISTANCES, NAMES[:3], {}, "names"),
        (DISTANCES + np.nan, NAMES, {}, "distances must be finite"),
        (DISTANCES, NAMES, {"kinds": ["p"]}, "kinds"),
    ],
)
def test_bad_arguments_are_refused(distances, names, options, message):
    with pytest.raises(ValueError, match=message):
        plots.distance_map(distances, names, **options)
