"""Distances and counts against all pairs in NumPy."""

from functools import partial

import jax
import numpy as np
import pytest

from ibjax.estimators.knn import search as neighbours

NUM_SAMPLES = 1300  # Four blocks, the last of them padded.
DIMS = (2, 1)


def samples(grid=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, NUM_SAMPLES))
    y = 0.5 * x[:1] + rng.normal(size=(1, NUM_SAMPLES))
    if grid is not None:
        x, y = np.round(x / grid) * grid, np.round(y / grid) * grid
    return x.astype(np.float32), y.astype(np.float32)


def all_pairs(space, metric):
    """Separations as the module defines them, in float64: ``[sample, other]``."""
    difference = space[:, :, None].astype(np.float64) - space[:, None, :]
    if metric == "chebyshev":
        return np.max(np.abs(difference), axis=0)
    return np.sum(difference**2, axis=0)


@partial(jax.jit, static_argnames=("metric", "k"))
def nearest(x, y, metric, k):
    return neighbours.nearest_separations(
        neighbours.arrange((x, y)), NUM_SAMPLES, dims=DIMS, metric=metric, k=k
    )


arrange = jax.jit(neighbours.arrange)
count = jax.jit(neighbours.count_within, static_argnames=("metric", "inclusive"))


@pytest.mark.parametrize(("metric", "k"), [("chebyshev", 4), ("euclidean", 9)])
def test_nearest_equal_all_pairs(metric, k):
    x, y = samples()
    joint = np.maximum(all_pairs(x, metric), all_pairs(y, metric))
    np.fill_diagonal(joint, np.inf)
    expected = np.sort(joint, axis=1)[:, :k].T

    # A difference of neighbours is exact or rounded once; a square and a sum round
    # three times more: four times 2^-24 relatively.
    np.testing.assert_allclose(nearest(x, y, metric, k), expected, rtol=4 * 2.0**-24)


def test_nearest_among_copies():
    x, y = (np.repeat(space[:, :325], 4, axis=1) for space in samples())
    separations = nearest(x, y, "chebyshev", 4)
    # Three copies of every sample are at distance zero, itself not counted.
    assert np.all(separations[:3] == 0)
    assert np.all(separations[3] > 0)


@pytest.mark.parametrize(
    ("metric", "inclusive"), [("chebyshev", False), ("euclidean", True)]
)
def test_counts_of_tied_samples(metric, inclusive):
    # On a grid of eighths all differences and squares are exact, and most tie.
    x, y = samples(grid=0.125)
    radius = np.where(np.arange(NUM_SAMPLES) % 3 == 0, 0.25, 0.5).astype(np.float32)
    radius = radius if metric == "chebyshev" else radius**2
    for spaces in ((y,), (x, y)):
        joint = np.max([all_pairs(space, metric) for space in spaces], axis=0)
        inside = joint <= radius[:, None] if inclusive else joint < radius[:, None]
        counts = count(spaces, radius, metric=metric, inclusive=inclusive)
        np.testing.assert_array_equal(counts, inside.sum(axis=1))


def test_counts_on_a_line_are_exact_at_the_radius():
    # Radii that are distances themselves: one rounding the wrong way would show.
    _, y = samples()
    differences = np.abs(y[0][:, None] - y[0][None, :])  # Rounded to float32.
    radius = np.sort(differences, axis=1)[:, 40]
    for inclusive in (False, True):
        counts = count((y,), radius, metric="chebyshev", inclusive=inclusive)
        inside = np.less_equal if inclusive else np.less
        expected = inside(differences, radius[:, None]).sum(axis=1)
        np.testing.assert_array_equal(counts, expected)


def test_rectangle_encloses_the_neighbours():
    x, y = samples(grid=0.125)
    pairs = [all_pairs(space, "chebyshev") for space in (x, y)]
    radius = np.full(NUM_SAMPLES, 0.375, np.float32)
    near = np.max(pairs, axis=0) <= 0.375
    expected = [np.max(np.where(near, one, 0.0), axis=1) for one in pairs]
    sides = jax.jit(
        lambda x, y, radius: neighbours.rectangle(
            neighbours.arrange((x, y)), radius, dims=DIMS, metric="chebyshev"
        )
    )(x, y, radius)
    np.testing.assert_array_equal(sides, expected)


def test_arrangement_holds_every_sample_once():
    x, y = samples()
    arrangement = arrange((x, y))
    order = np.asarray(arrangement.order)
    is_sample = order < NUM_SAMPLES
    assert sorted(order[is_sample]) == list(range(NUM_SAMPLES))
    points = np.concatenate([x, y])
    np.testing.assert_array_equal(
        arrangement.points[:, is_sample], points[:, order[is_sample]]
    )
    assert np.all(np.isinf(arrangement.points[:, ~is_sample]))


def test_few_pairs_are_near_when_ordered():
    # The order is worth its sorting: most boxes of chunks are far from each other.
    x, _ = samples()
    low, high = (np.asarray(corner) for corner in arrange((x,))[2:4])
    whole = np.all(np.isfinite(high), axis=0)  # No padding in it.
    low, high = low[:, whole], high[:, whole]
    gap = np.max(low[:, :, None] - high[:, None, :], axis=0)
    assert np.mean(np.maximum(gap, gap.T) > 0.3) > 0.5


@pytest.fixture(scope="module")
def at_once_and_in_boxes():
    """All that is searched for, of boxes beside each other and of boxes in boxes."""
    # Counts of whole blocks: x below its large radius.
    radius = np.where(np.arange(NUM_SAMPLES) % 2, 0.3, 9.0).astype(np.float32)

    def program():
        @jax.jit
        def found(x, y):
            arrangement = neighbours.arrange((x, y))
            joint = partial(neighbours.rectangle, arrangement, dims=DIMS)
            return (
                neighbours.nearest_separations(
                    arrangement, NUM_SAMPLES, dims=DIMS, metric="chebyshev", k=3
                ),
                joint(radius, metric="chebyshev"),
                neighbours.count_within((x,), radius, metric="euclidean"),
            )

        return found.lower(*samples()).compile()

    at_once = program()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_MANY_BLOCKS", 2)
        return at_once, program()


@pytest.mark.parametrize("grid", [None, 0.5])
def test_boxes_in_boxes_change_nothing(grid, at_once_and_in_boxes):
    # Few near pairs, and copies.
    at_once, in_boxes = (search(*samples(grid)) for search in at_once_and_in_boxes)
    jax.tree.map(np.testing.assert_array_equal, in_boxes, at_once)
