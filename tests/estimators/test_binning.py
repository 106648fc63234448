"""Binned information: exact against counting in numpy, limits, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators.binning import SZT_EDGES, clusters, layer_information

# Three sums of numbers below log 600 = 6.4, a few float32 roundings of 6e-8 each.
ABSOLUTE = 5e-6
NUM_SAMPLES = 600
EDGES = np.array([-1.0, -0.5, 0.0, 0.5, 1.0], np.float32)
LOW_PRECISION = pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])


def _counted(rows, weights):
    """H(T) and I(T;Y) of the table p(t, y), in float64."""
    _, number = np.unique(rows, axis=0, return_inverse=True)
    joint = np.zeros((number.max() + 1, weights.shape[1]))
    np.add.at(joint, number.ravel(), weights / len(rows))

    def entropy(p):
        return -np.sum(p[p > 0] * np.log(p[p > 0]))

    h_t, h_y = entropy(joint.sum(axis=1)), entropy(joint.sum(axis=0))
    return h_t, h_t + h_y - entropy(joint)


def _by_edges(t, weights, edges):
    bins = np.maximum(np.searchsorted(edges, t, side="right") - 1, 0)
    return _counted(bins, weights)


def _by_width(t, weights, width):
    return _counted(np.floor(t / np.float32(width)), weights)


def _layer(dim, seed=0, num_samples=NUM_SAMPLES, scale=0.7):
    """A few hundred different rows, each several times, some out of [-1, 1]."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, scale, (num_samples // 4, dim)).astype(np.float32)
    return rows[rng.integers(0, len(rows), num_samples)]


@pytest.fixture(scope="module")
def labels():
    return np.random.default_rng(10).integers(0, 3, NUM_SAMPLES)


@pytest.fixture(scope="module")
def one_hot(labels):
    return np.eye(3)[labels]


def test_szt_edges():
    assert len(SZT_EDGES) == 30 and SZT_EDGES.dtype == np.float32
    np.testing.assert_array_equal(SZT_EDGES, np.linspace(-1, 1, 30).astype(np.float32))


@pytest.mark.parametrize("dim", [*range(1, 13), 40])
def test_edges_count_exactly(dim, labels, one_hot):
    t = _layer(dim)
    assert t.min() < -1 and t.max() > 1
    found = layer_information(t, labels, num_classes=3, edges=SZT_EDGES)
    expected = _by_edges(t, one_hot, SZT_EDGES)
    np.testing.assert_allclose(found, expected, atol=ABSOLUTE)


@pytest.mark.parametrize("dim", [1, 2, 4, 8, 12, 40])
def test_widths_count_exactly(dim, labels, one_hot):
    t = _layer(dim)
    found = layer_information(t, labels, num_classes=3, bin_width=0.07)
    np.testing.assert_allclose(found, _by_width(t, one_hot, 0.07), atol=ABSOLUTE)


@pytest.mark.parametrize("width", [0.5, 0.07, 1e-3, 1e-6])
def test_narrow_and_wide_bins(width, labels, one_hot):
    t = _layer(4)
    found = layer_information(t, labels, num_classes=3, bin_width=width)
    np.testing.assert_allclose(found, _by_width(t, one_hot, width), atol=ABSOLUTE)


def test_more_edges_than_are_compared_one_by_one(labels, one_hot):
    edges = np.linspace(-1, 1, 101, dtype=np.float32)
    t = _layer(4)
    found = layer_information(t, labels, num_classes=3, edges=edges)
    np.testing.assert_allclose(found, _by_edges(t, one_hot, edges), atol=ABSOLUTE)


@pytest.mark.parametrize("num_edges", [5, 101])
def test_a_value_on_an_edge_belongs_to_the_bin_above(num_edges):
    edges = np.linspace(-1, 1, num_edges, dtype=np.float32)
    # Zero's neighbour is not a normal number, which processors take for zero.
    below = np.where(edges == 0, np.float32(-1e-37), np.nextafter(edges, -2))[1:]
    # Per bin its first and its last value; the last edge is a bin of its own.
    t = np.concatenate([edges, below])[:, None]
    expected = np.concatenate([np.arange(num_edges), np.arange(num_edges - 1)])
    found = layer_information(t, expected, num_classes=num_edges, edges=edges)
    h_t, i_ty = _counted(expected[:, None], np.eye(num_edges)[expected])
    np.testing.assert_allclose(found, (h_t, i_ty), atol=ABSOLUTE)
    np.testing.assert_allclose(h_t, i_ty)


def test_values_out_of_range_go_to_the_nearest_bin():
    t = np.array([-50.0, -1.0, -0.6, 0.9, 1.0, 50.0], np.float32)[:, None]
    bins = np.array([0, 0, 0, 3, 4, 4])
    found = layer_information(t, bins, num_classes=5, edges=EDGES)
    expected = _counted(bins[:, None], np.eye(5)[bins])
    np.testing.assert_allclose(found, expected, atol=ABSOLUTE)


def test_bins_of_a_width_start_at_zero_and_at_its_multiples():
    t = np.array([-0.5, -0.25, -0.0, 0.0, 0.25, 0.49, 0.5], np.float32)[:, None]
    bins = np.array([0, 1, 2, 2, 3, 3, 4])
    found = layer_information(t, bins, num_classes=5, bin_width=0.25)
    expected = _counted(bins[:, None], np.eye(5)[bins])
    np.testing.assert_allclose(found, expected, atol=ABSOLUTE)


def test_bins_are_told_apart_however_far_apart_they_are():
    t = np.array([[0.0], [1e10], [2e10]], np.float32)
    found = layer_information(t, [0, 1, 2], num_classes=3, bin_width=1.0)
    np.testing.assert_allclose(found, [np.log(3)] * 2, atol=ABSOLUTE)


def test_bins_of_float64_are_told_apart():
    # Beyond 2^24 float32 has not every whole number.
    t = 2.0**24 + np.arange(4)[:, None]
    labels = np.array([0, 1, 0, 1])
    with jax.enable_x64(True):
        found = layer_information(t, labels, num_classes=2, bin_width=1.0)
        np.testing.assert_allclose(found, [np.log(4), np.log(2)], rtol=1e-12)
        numbers = clusters(np.float64([[0.5], [-0.0], [-1e-9]]), bin_width=1.0)
    assert numbers[0] == numbers[1] != numbers[2]


def test_one_edge_tells_nothing(labels):
    found = layer_information(_layer(3), labels, num_classes=3, edges=[0.0])
    np.testing.assert_allclose(found, 0, atol=ABSOLUTE)


@pytest.mark.parametrize("bins", [{"edges": SZT_EDGES}, {"bin_width": 0.07}])
@pytest.mark.parametrize("dim", [4, 40])
class TestWithAnyBins:
    def test_one_hot_distributions_are_labels(self, bins, dim, labels, one_hot):
        t = _layer(dim)
        hard = layer_information(t, labels, num_classes=3, **bins)
        soft = layer_information(t, one_hot.astype(np.float32), num_classes=3, **bins)
        np.testing.assert_allclose(soft, hard, atol=ABSOLUTE)

    def test_soft_labels_count_by_their_weight(self, bins, dim):
        t = _layer(dim)
        weights = np.random.default_rng(1).dirichlet(np.ones(3), NUM_SAMPLES)
        found = layer_information(t, weights.astype(np.float32), num_classes=3, **bins)
        count = _by_edges if "edges" in bins else _by_width
        expected = count(t, weights, *bins.values())
        np.testing.assert_allclose(found, expected, atol=ABSOLUTE)

    def test_a_constant_layer_has_no_information(self, bins, dim, labels):
        t = np.full((NUM_SAMPLES, dim), 0.3, np.float32)
        found = layer_information(t, labels, num_classes=3, **bins)
        np.testing.assert_allclose(found, 0, atol=ABSOLUTE)

    def test_different_rows_have_log_n(self, bins, dim, labels, one_hot):
        t = np.zeros((NUM_SAMPLES, dim), np.float32)
        digits = (np.arange(NUM_SAMPLES)[:, None] // 25 ** np.arange(2)) % 25
        t[:, -2:] = -0.9 + 0.071 * digits
        found = layer_information(t, labels, num_classes=3, **bins)
        h_y, _ = _counted(labels[:, None], one_hot)
        np.testing.assert_allclose(found, (np.log(NUM_SAMPLES), h_y), atol=ABSOLUTE)

    def test_not_a_number_is_passed_on(self, bins, dim, labels):
        for bad in (np.nan, np.inf, -np.inf):
            t = _layer(dim)
            t[17, 1] = bad
            found = layer_information(t, labels, num_classes=3, **bins)
            assert np.all(np.isnan(found))

    def test_many_networks_are_as_many_single_ones(self, bins, dim, labels):
        layers = np.stack([_layer(dim, seed) for seed in range(3)])

        def measure(t):
            # The labels are constants of the traced function.
            return layer_information(t, labels, num_classes=3, **bins)

        found = jax.jit(jax.vmap(measure))(layers)
        for n, t in enumerate(layers):
            np.testing.assert_allclose([f[n] for f in found], measure(t), atol=ABSOLUTE)

    def test_bounds_and_invariances(self, bins, dim, labels, one_hot):
        t = _layer(dim)
        found = layer_information(t, labels, num_classes=3, **bins)
        h_y, _ = _counted(labels[:, None], one_hot)
        assert -ABSOLUTE <= found.i_ty <= min(h_y, found.i_xt) + ABSOLUTE
        assert found.i_xt <= np.log(NUM_SAMPLES) + ABSOLUTE
        rng = np.random.default_rng(3)
        order, units = rng.permutation(NUM_SAMPLES), rng.permutation(dim)
        moved = layer_information(
            t[order][:, units], labels[order], num_classes=3, **bins
        )
        np.testing.assert_allclose(moved, found, atol=ABSOLUTE)


@LOW_PRECISION
def test_half_precision_layers(dtype, labels, one_hot):
    t = jnp.asarray(_layer(4), dtype)
    found = layer_information(t, labels, num_classes=3, edges=EDGES)
    expected = _by_edges(np.asarray(t, np.float32), one_hot, EDGES)
    np.testing.assert_allclose(found, expected, atol=ABSOLUTE)


def test_a_label_may_be_absent(labels):
    t = _layer(4)
    found = layer_information(t, labels, num_classes=5, edges=EDGES)
    expected = layer_information(t, labels, num_classes=3, edges=EDGES)
    np.testing.assert_allclose(found, expected, atol=ABSOLUTE)


def test_one_sample():
    found = layer_information([[0.5]], [0], num_classes=1, edges=EDGES)
    assert found == (0, 0)


def test_lists_and_traced_options_are_accepted(labels, one_hot):
    t = _layer(4)
    found = jax.jit(
        lambda t, labels, edges: layer_information(
            t, labels, num_classes=3, edges=edges
        )
    )(t, labels, EDGES)
    np.testing.assert_allclose(found, _by_edges(t, one_hot, EDGES), atol=ABSOLUTE)
    found = jax.jit(
        lambda width: layer_information(t, labels, num_classes=3, bin_width=width)
    )(0.07)
    np.testing.assert_allclose(found, _by_width(t, one_hot, 0.07), atol=ABSOLUTE)


T, Y = np.zeros((3, 2), np.float32), np.array([0, 1, 1])


@pytest.mark.parametrize(
    "arguments, error, match",
    [
        ({"t": T[0]}, ValueError, r"t must have shape \[num_samples, dim\], got \(2,"),
        ({"t": T[:0], "labels": Y[:0]}, ValueError, r"t must have shape .*\(0, 2\)"),
        ({"t": T[:, :0]}, ValueError, r"t must have shape .*\(3, 0\)"),
        ({"t": T.astype(int)}, TypeError, "t must be floating, got int"),
        (
            {"num_classes": 0},
            ValueError,
            "num_classes must be a whole number, at least 1, got 0",
        ),
        ({"labels": Y > 0}, TypeError, r"labels must be integers or p\(y\|x\), got b"),
        ({"labels": Y[:2]}, ValueError, r"labels must have shape \[3\] to match t"),
        (
            {"labels": np.full((3, 3), 0.5, np.float32)},
            ValueError,
            r"labels must have shape \[3, 2\] to match t, got \(3, 3\)",
        ),
        (
            {"labels": Y + 1},
            ValueError,
            r"labels must lie in \[0, 2\), got values from 1 to 2",
        ),
        ({"labels": Y - 1}, ValueError, r"labels must lie in \[0, 2\)"),
        ({"edges": None}, ValueError, "give either edges or bin_width, got neither"),
        ({"bin_width": 0.1}, ValueError, "give either edges or bin_width, got both"),
        ({"edges": [EDGES]}, ValueError, r"edges must have shape \[num_edges\]"),
        ({"edges": []}, ValueError, r"edges must have shape \[num_edges\], got \(0,"),
        ({"edges": EDGES[::-1]}, ValueError, "edges must increase, got"),
        ({"edges": [0.0, 0.0]}, ValueError, "edges must increase, got"),
    ]
    + [
        (
            {"edges": None, "bin_width": width},
            ValueError,
            "bin_width must be one positive number, got",
        )
        for width in (0.0, -1.0, np.inf, np.nan, np.ones(2))
    ],
)
def test_wrong_arguments_are_refused(arguments, error, match):
    options = {"t": T, "labels": Y, "num_classes": 2, "edges": EDGES} | arguments
    with pytest.raises(error, match=match):
        layer_information(options.pop("t"), options.pop("labels"), **options)
