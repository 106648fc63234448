"""The SZT task against the authors' file and its symmetry; tasks from arrays."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax import datasets
from ibjax.datasets.szt import orbits, scores

BIT = np.log(2.0)
GOLDEN = (1 + 5**0.5) / 2
# Bits at the vertices of an icosahedron: 0, 1, 2, ... at the corners of three golden
# rectangles, written down again here.
VERTICES = np.array(
    [
        [0, 1, GOLDEN],
        [1, GOLDEN, 0],
        [0, 1, -GOLDEN],
        [-1, GOLDEN, 0],
        [GOLDEN, 0, -1],
        [0, -1, GOLDEN],
        [1, -GOLDEN, 0],
        [-1, -GOLDEN, 0],
        [-GOLDEN, 0, -1],
        [0, -1, -GOLDEN],
        [-GOLDEN, 0, 1],
        [GOLDEN, 0, 1],
    ]
)
ANTIPODES = {0: 9, 1: 7, 2: 5, 3: 6, 4: 10, 8: 11}


def _permutation(matrix):
    """Where a symmetry sends every bit."""
    distance = np.linalg.norm((VERTICES @ matrix.T)[:, None] - VERTICES, axis=2)
    permutation = distance.argmin(axis=1)
    # A symmetry maps vertices on vertices, one to one.
    assert distance.min(axis=1).max() < 1e-12
    assert sorted(permutation) == list(range(12))
    return permutation


def _five_fold():
    """Rotation by 72 degrees about the first vertex (Rodrigues' formula)."""
    a, b, c = VERTICES[0] / np.linalg.norm(VERTICES[0])
    cross = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]])
    angle = 2 * np.pi / 5
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.fixture(scope="module")
def szt():
    return datasets.szt()


def test_szt_is_the_file_of_its_authors(szt, real_data):
    io = pytest.importorskip("scipy.io")
    file = io.loadmat(real_data("var_u.mat"))
    np.testing.assert_array_equal(szt.x, file["F"])
    np.testing.assert_array_equal(szt.labels, file["y"].ravel())


def test_szt_numbers(szt):
    assert szt.x.shape == (4096, 12) and szt.x.dtype == jnp.float32
    assert (szt.num_samples, szt.num_inputs, szt.num_classes) == (4096, 12, 2)
    assert szt.labels.dtype == jnp.int32 and szt.hard and szt.name == "szt"
    assert int(szt.labels.sum()) == 2118
    # Half a unit of the last digit of 0.999157.
    np.testing.assert_allclose(szt.h_y / BIT, 0.999157, atol=5e-7)
    # A sum of 8,192 equal-sized float32 terms is off by some 1e-6.
    np.testing.assert_allclose(szt.i_xy / BIT, 0.999157, atol=3e-6)


def test_szt_inputs_count_in_binary(szt):
    words = np.asarray(szt.x, int) @ 2 ** np.arange(11, -1, -1)
    np.testing.assert_array_equal(words, np.arange(4096))


def test_szt_labels_by_number_of_ones(szt):
    ones, labels = np.asarray(szt.x, int).sum(axis=1), np.asarray(szt.labels)
    found = {k: (labels[ones == k].sum(), sum(ones == k)) for k in range(13)}
    assert [found[k] for k in (5, 6, 7)] == [(60, 792), (532, 924), (732, 792)]
    assert all(found[k][0] == 0 for k in range(5))
    assert all(found[k][0] == found[k][1] for k in range(8, 13))


def test_szt_labels_depend_on_64_orbits(szt):
    orbit, labels = orbits(), np.asarray(szt.labels)
    assert sorted(set(orbit)) == list(range(64))
    assert all(len(set(labels[orbit == number])) == 1 for number in range(64))


@pytest.mark.parametrize(
    "matrix",
    [-np.eye(3), np.roll(np.eye(3), 1, axis=0), _five_fold()],
    ids=["inversion", "three-fold", "five-fold"],
)
def test_szt_has_the_symmetry_of_the_icosahedron(szt, matrix):
    # Together the three generate all 120 symmetries.
    permutation = _permutation(matrix)
    place = 2 ** np.arange(11, -1, -1)
    moved = np.asarray(szt.x, int)[:, permutation] @ place
    np.testing.assert_array_equal(szt.labels[moved], szt.labels)
    np.testing.assert_array_equal(orbits()[moved], orbits())
    # Twelve float64 additions of numbers below 12.
    np.testing.assert_allclose(scores()[moved], scores(), atol=1e-13)


def test_antipodes():
    permutation = _permutation(-np.eye(3))
    for bit, antipode in ANTIPODES.items():
        assert permutation[bit] == antipode and permutation[antipode] == bit


def test_szt_labels_hold_for_the_whole_interval_of_thresholds(szt):
    values = np.unique(np.round(scores(), 9))
    assert len(values) == 53
    below, above = values[values < 7.63].max(), values[values > 7.63].min()
    np.testing.assert_allclose([below, above], [7.56278, 7.70130], atol=5e-6)
    for threshold in (7.563, 7.701):
        other = datasets.szt(threshold=threshold)
        np.testing.assert_array_equal(other.labels, szt.labels)


@pytest.mark.parametrize(
    "sharpness, bits, digits", [(54.5, 0.99, 2), (20.0, 0.946, 3), (100.0, 0.9985, 4)]
)
def test_soft_szt_information(sharpness, bits, digits):
    task = datasets.szt(sharpness, 7.632)
    assert not task.hard
    # The reference is known to the digits given.
    np.testing.assert_allclose(task.i_xy / BIT, bits, atol=0.5 * 10.0**-digits)


def test_soft_szt_is_a_sigmoid_of_the_score():
    special = pytest.importorskip("scipy.special")
    task = datasets.szt(54.5, 7.632)
    expected = special.expit(54.5 * (scores() - 7.632))
    # p(y|x) is kept in float32: one rounding of a number below one.
    np.testing.assert_allclose(task.p_y_given_x[:, 1], expected, atol=6e-8)
    np.testing.assert_array_equal(task.labels, task.p_y_given_x[:, 1] > 0.5)


def test_very_sharp_szt_is_hard():
    assert datasets.szt(1e6).hard


@pytest.mark.parametrize("sharpness", [0.0, -1.0, np.inf, np.nan])
def test_szt_refuses_a_sharpness(sharpness):
    with pytest.raises(ValueError, match="sharpness must be one positive number"):
        datasets.szt(sharpness)


@pytest.mark.parametrize("threshold", [np.inf, np.nan])
def test_szt_refuses_a_threshold(threshold):
    with pytest.raises(ValueError, match="threshold must be finite"):
        datasets.szt(threshold=threshold)


@pytest.mark.parametrize("num_inputs", [1, 12, 32])
def test_packed_inputs_are_the_inputs(num_inputs):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (50, num_inputs))
    task = datasets.make_task(x, rng.integers(0, 3, 50), num_classes=3)
    assert task.packed_x.dtype == jnp.uint32
    plain = dataclasses.replace(task, packed_x=None)
    rows = jnp.array([0, 49, 7, 7])
    found, expected = task.batch(rows), plain.batch(rows)
    np.testing.assert_array_equal(found.x, x[rows])
    np.testing.assert_array_equal(expected.x, x[rows])
    assert found.x.dtype == expected.x.dtype
    np.testing.assert_array_equal(found.weights, np.ones(4))


def test_what_is_not_packed():
    labels = [0, 1]
    assert datasets.make_task(np.zeros((2, 33)), labels).packed_x is None
    assert datasets.make_task([[0.0], [0.5]], labels).packed_x is None
    assert datasets.make_task([[-1.0], [1.0]], labels).packed_x is None


def test_targets_of_hard_and_soft_tasks():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3), 10).astype(np.float32)
    soft = datasets.make_task(rng.normal(size=(10, 2)), p.argmax(1), p_y_given_x=p)
    hard = datasets.make_task(soft.x, soft.labels, num_classes=3)
    rows = jnp.array([3, 0, 9])
    np.testing.assert_array_equal(soft.batch(rows).targets, p[rows])
    np.testing.assert_array_equal(hard.batch(rows).targets, hard.p_y_given_x[rows])
    assert (hard.kind, soft.kind) == ("classes", "distributions")
    assert hard.hard and not soft.hard


def test_one_hot_distributions_are_hard():
    task = datasets.make_task([[0.1], [0.2]], [1, 0], p_y_given_x=[[0, 1], [1, 0]])
    assert task.hard
    certain = np.array([[0, 1], [1, 0]])
    other = datasets.make_task(task.x, [0, 0], num_classes=2, p_y_given_x=certain)
    assert not other.hard  # Certain, but not what the labels say.


def test_entropy_and_information_of_a_small_task():
    p = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [0.5, 0.5]])
    task = datasets.make_task(np.eye(4), [0, 1, 0, 1], p_y_given_x=p)
    h_y_given_x = np.mean(-np.sum(p * np.log(p), axis=1))
    np.testing.assert_allclose(task.h_y, BIT, rtol=1e-6)
    np.testing.assert_allclose(task.i_xy, BIT - h_y_given_x, rtol=1e-5)


def test_a_task_passes_through_jit():
    task = datasets.make_task([[0.0], [1.0]], [0, 1], name="two")
    same = jax.jit(lambda task: task)(task)
    assert same.hard and same.name == "two"
    np.testing.assert_array_equal(same.packed_x, task.packed_x)


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ({"x": np.zeros(3)}, ValueError, r"x must have shape \[num_samples"),
        ({"x": np.zeros((0, 2))}, ValueError, r"x must have shape .*\(0, 2\)"),
        ({"x": np.zeros((3, 0))}, ValueError, r"x must have shape .*\(3, 0\)"),
        (
            {"x": [[0.0], [np.nan], [np.inf]]},
            ValueError,
            "x must be finite, got 2 bad values",
        ),
        (
            {"labels": [0.0, 1.5, 1.0]},
            TypeError,
            "labels must be classes, got fractions; real targets are given as targets",
        ),
        (
            {"labels": ["a", "b", "a"], "num_classes": 2},
            TypeError,
            "labels must be integers where num_classes is given, got <U1",
        ),
        ({"labels": [0, 1]}, ValueError, r"labels must have shape \(3,\), got \(2,\)"),
        ({"labels": [[1, 0, 0]]}, ValueError, r"labels must have shape \(3,\)"),
        ({"labels": [[0, 1, 1]] * 3}, ValueError, "two axes must be one-hot rows"),
        (
            {"labels": [0, -1, 1], "num_classes": 2},
            ValueError,
            r"labels must lie in \[0, 2\).*-1 to 1",
        ),
        (
            {"labels": [0, 2, 1], "num_classes": 2},
            ValueError,
            r"labels must lie in \[0, 2\), got values from 0 to 2",
        ),
        (
            {"p_y_given_x": np.full((3, 3), 1 / 3), "num_classes": 2},
            ValueError,
            r"p_y_given_x must have shape \(3, 2\), got \(3, 3\)",
        ),
        ({"labels": jax.random.key(0)}, TypeError, "labels must be an array, got one"),
        ({"p_y_given_x": 2**40}, ValueError, r"must have shape \[num_samples, num_cl"),
        ({"p_y_given_x": [[0.5, 0.4]] * 3}, ValueError, "sum to one, but row 0"),
        ({"p_y_given_x": [[1.5, -0.5]] * 3}, ValueError, "must lie in .0, inf"),
        ({"p_y_given_x": [[np.nan, 1]] * 3}, ValueError, "must lie in .0, inf"),
    ],
)
def test_make_task_refuses(arguments, error, match):
    task = {"x": np.zeros((3, 1)), "labels": [0, 1, 1]} | arguments
    with pytest.raises(error, match=match):
        datasets.make_task(**task)


def test_measured_inputs_are_the_last():
    p = np.array([[0.2, 0.8], [1.0, 0.0], [0.4, 0.6]], np.float32)
    task = datasets.make_task(np.eye(3), [1, 0, 1], p_y_given_x=p, num_measured=2)
    measured = task.measured
    np.testing.assert_array_equal(measured.x, np.eye(3)[1:])
    np.testing.assert_array_equal(measured.labels, [0, 1])
    np.testing.assert_array_equal(measured.p_y_given_x, p[1:])
    np.testing.assert_array_equal(measured.batch(np.array([1])).x, [[0, 0, 1]])
    assert measured.measured is measured and measured.name == task.name
    whole = datasets.make_task(np.eye(3), [1, 0, 1])
    assert whole.measured is whole


@pytest.mark.parametrize("num_measured", [0, 4])
def test_more_measured_than_there_are_is_refused(num_measured):
    with pytest.raises(ValueError, match=r"num_measured must lie in \[1, 3\]"):
        datasets.make_task(np.eye(3), [1, 0, 1], num_measured=num_measured)
