"""What is refused as samples: message by message."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.estimators import (
    binning,
    density,
    discrete,
    gaussian,
    kde,
    knn,
    partitions,
    propagation,
    whitened_neighbours,
)
from ibjax.estimators.samples import (
    check_classes,
    check_sample_shape,
    check_samples,
    warn_of_pairs,
)
from ibjax.representations import median_bandwidth, mmd

LARGE = {"num_x": 2_000_000, "num_y": 2_000_000}
IMAGES = np.zeros((3, 4, 5), np.float32)


def test_samples_come_back_as_they_are():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(check_samples("x", x), x)
    np.testing.assert_array_equal(check_sample_shape("x", x, (2,)), x)
    assert check_samples("x", IMAGES, any_shape=True).shape == IMAGES.shape
    assert check_samples("x", jnp.zeros((2, 1), jnp.bfloat16)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        (IMAGES, {}, ValueError, r"a must have shape \[num_samples, dim\], got \(3, 4"),
        (IMAGES[0, 0], {"any_shape": True}, ValueError, r"\[num_samples, \*shape\]"),
        (IMAGES[:, :, :0], {"any_shape": True}, ValueError, r"got \(3, 4, 0\)"),
        (np.ones((3, 2), int), {}, TypeError, r"a must be floating, got int\d\d$"),
        (np.ones((3, 2), int), {"hint": "try b"}, TypeError, r"got int\d\d; try b$"),
        (np.ones((3, 2)), {"fewest": 4}, ValueError, "at least 4 samples, got 3"),
        (
            IMAGES / np.float32(np.inf) + np.inf,
            {"any_shape": True},
            ValueError,
            "60 Na",
        ),
    ],
)
def test_what_are_no_samples_is_refused(x, options, error, message):
    with pytest.raises(error, match=message):
        check_samples("a", x, **options)


def test_values_are_not_looked_at_under_jit():
    found = jax.jit(lambda x: check_samples("x", x))(
        np.full((2, 1), np.nan, np.float32)
    )
    assert np.all(np.isnan(found))


def test_samples_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"b must have shape \[num_samples, 4\], got"):
        check_sample_shape("b", IMAGES, (4,))
    with pytest.raises(TypeError, match="b must be floating"):
        check_sample_shape("b", IMAGES.astype(int), (4, 5))


def test_large_offsets_are_taken_off_before_rounding():
    x = np.random.default_rng(0).normal(size=(100, 2))
    moved = x + np.array([[1e8, 0.0]])
    found = np.asarray(check_samples("x", moved))
    # 1e8 was known to 1.5e-8, and what is left is rounded by float32.
    difference = (found - x)[:, 0]
    np.testing.assert_allclose(difference - difference[0], 0, atol=1e-6)
    np.testing.assert_array_equal(found[:, 1], x[:, 1].astype(np.float32))
    # Without need no bit is changed; a mean of ten deviations is no need.
    near = x + 10.0
    np.testing.assert_array_equal(check_samples("x", near), near.astype(np.float32))


@pytest.mark.parametrize("make", [np.asarray, jnp.asarray])
def test_digits_that_were_lost_before_are_named(make):
    x = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    x[:, 1] += np.float32(1e6)
    with pytest.warns(UserWarning, match="x came rounded to float32.*of column 1"):
        knn.ksg(make(x), make(x[:, :1]))


@pytest.mark.parametrize("value", [2**32, 2**33 + 1, -(2**32)])
def test_labels_beyond_32_bits_are_not_cut(value):
    labels = np.array([0, 1, value, 1, 0])
    x = np.linspace(0, 1, 5)[:, None]
    for call in (
        lambda: check_classes("labels", labels, 2, 5, "to match x"),
        lambda: knn.ross(x, labels, num_classes=2, k=1),
        lambda: binning.layer_information(x, labels, num_classes=2, bin_width=0.1),
        lambda: kde.layer_information(x, labels, num_classes=2, noise_variance=0.1),
    ):
        with pytest.raises(ValueError, match=rf"labels must lie in \[0, 2\).*{value}"):
            call()
    with pytest.raises(ValueError, match="x_cells must lie in"):
        discrete.mutual_information(labels, labels, num_x=2, num_y=2)


@pytest.mark.parametrize(
    ("dtype", "num_classes"),
    [(np.uint8, 255), (np.uint8, 256), (np.uint8, 257), (np.int8, 128)],
)
def test_labels_of_few_bits_are_those_of_many(dtype, num_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    x = (rng.normal(size=(60, 1)) + labels[:, None]).astype(np.float32)
    rows = np.arange(0, 60, 7)
    options = {"num_classes": num_classes}
    for estimate in (
        partial(binning.layer_information, x, bin_width=0.5, **options),
        partial(discrete.layer_information, x, bin_width=0.5, **options),
        partial(kde.layer_information, x, noise_variance=0.1, **options),
        partial(knn.ross, x, **options),
        partial(knn.class_information, x, **options),
        partial(density.class_information, x, bandwidth=0.4, **options),
        partial(whitened_neighbours.class_information, x, k=3, **options),
        lambda labels: propagation.layer_information(
            jax.random.key(0),
            x,
            labels,
            noise_std=0.3,
            rows=rows.astype(labels.dtype),
            **options,
        ),
        lambda labels: discrete.mutual_information(
            labels, labels, num_x=num_classes, num_y=num_classes
        ),
    ):
        found, expected = estimate(labels.astype(dtype)), estimate(labels)
        assert jax.tree.all(
            jax.tree.map(partial(np.array_equal, equal_nan=True), found, expected)
        )
        assert np.isfinite(jax.tree.leaves(found)[0])


def test_rows_of_few_bits_are_of_any_number_of_inputs():
    x = np.random.default_rng(0).normal(size=(300, 1)).astype(np.float32)
    narrow, wide = (
        propagation.layer_information(
            jax.random.key(0),
            x,
            np.arange(300) % 2,
            num_classes=2,
            noise_std=0.3,
            rows=np.array([0, 5, 100], dtype),
        )
        for dtype in (np.int8, np.int64)
    )
    assert narrow == wide


def test_numbers_that_float32_does_not_hold_are_refused():
    x = np.random.default_rng(0).normal(size=(50, 1))
    with pytest.raises(ValueError, match="x must lie within 3.4e.38 of zero"):
        gaussian.entropy(1e39 * x)
    with pytest.raises(ValueError, match="x must vary by more than 1.2e-38"):
        gaussian.entropy(1e-42 * x)
    # What does not depend on the scale needs no range.
    value = knn.ksg(x, x**2)
    for power in (2.0**-200, 2.0**200):
        assert knn.ksg(power * x, power * x**2) == value
    labels = (x[:, 0] > 0).astype(int)
    value = knn.ross(x, labels, num_classes=2)
    assert knn.ross(2.0**-140 * x, labels, num_classes=2) == value


def test_kernel_densities_far_from_the_origin():
    t = np.random.default_rng(0).normal(size=(200, 2))
    options = {"num_classes": 2, "noise_variance": 0.1}
    labels = (t[:, 0] > 0).astype(int)
    near = kde.layer_information(t, labels, **options)
    far = kde.layer_information(t + 1e8, labels, **options)
    np.testing.assert_allclose(far, near, rtol=1e-5)


@pytest.mark.parametrize("offset", [1e6, 1e8, -(2.0**27)])
def test_bins_far_from_the_origin(offset):
    """An offset of whole bins changes no bin, and edges may go with the activities."""
    t = np.random.default_rng(0).normal(size=(300, 2))
    t = np.round(t, 6)  # The same numbers beside the offset, to rounding of float64.
    labels = (t[:, 0] > 0).astype(int)
    edges = np.linspace(-3, 3, 13)
    for estimate in (binning.layer_information, discrete.layer_information):
        estimate = partial(estimate, labels=labels, num_classes=2)
        near = estimate(t, bin_width=0.5)
        assert estimate(t + offset, bin_width=0.5) == near
        near = estimate(t, edges=edges)
        assert estimate(t + offset, edges=edges + offset) == near
    far = partitions.equal_count_bins(t + offset, 8)
    np.testing.assert_array_equal(far, partitions.equal_count_bins(t, 8))
    with pytest.warns(UserWarning, match="t is rounded to float32"):
        partitions.data_range_edges(t + 1e6, 8)


def test_the_widest_bins_are_two():
    t = np.array([[-1e-3], [1e-3], [-1.0], [1.0]])
    for width in (1e30, 1e38):
        assert len(set(binning.clusters(t, bin_width=width).tolist())) == 2


def test_bins_say_what_they_cannot_hold():
    t = np.array([[0.1], [np.nan]])
    with pytest.raises(ValueError, match="t must be finite, got 1 NaN"):
        binning.clusters(t, bin_width=0.1)
    for width in (1e-46, 1e39):
        with pytest.raises(ValueError, match=r"bin_width must lie in \[1.17.*, 3.40"):
            binning.clusters(t[:1], bin_width=width)
    with pytest.raises(ValueError, match="num_bins must be a whole number.*got 2.5"):
        partitions.data_range_edges(t[:1], 2.5)
    with pytest.raises(TypeError, match="upper_edge must be True or False"):
        partitions.data_range_edges(t[:1], 2, upper_edge="both")


def test_so_many_pairs_are_told_of_before_they_are_compared():
    with pytest.warns(
        UserWarning, match=r"2,000,000 samples of 9 numbers .* 4e\+12 pairs"
    ):
        warn_of_pairs(2_000_000, 9)
    # Of few numbers nearly all pairs are passed over, or all meet all the same.
    warn_of_pairs(10_000_000, 2)
    with pytest.warns(UserWarning, match="hours"):
        warn_of_pairs(10_000_000, 2, all_meet=True)


@pytest.mark.parametrize(
    ("what", "call"),
    [
        ("num_x = 2,000,000", lambda n, x: discrete.mutual_information(n, n, **LARGE)),
        ("samples of x", lambda n, x: median_bandwidth(x)),
        ("samples of x and y", lambda n, x: mmd(x, x, bandwidth=1.0)),
        (
            "num_classes = 2,000,000,000",
            lambda n, x: binning.layer_information(
                x, n[:1].repeat(len(x)), num_classes=2 * 10**9, bin_width=1.0
            ),
        ),
    ],
)
def test_tables_beyond_any_memory_are_refused_before_they_are_made(what, call):
    x = np.zeros((200_000, 1), np.float32)
    with pytest.raises(MemoryError, match=rf"{what}.* takes [\d,.]+ GiB, and .* has"):
        call(np.arange(3), x)
