"""Similarities of maps against closed forms and loops over windows and cells."""

import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.attribution import histogram_correlation, structural_similarity

RNG = np.random.default_rng(0)
MAPS = RNG.uniform(size=(2, 12, 9)).astype(np.float32)
C_1, C_2 = 0.01**2, 0.03**2


def _by_windows(a, b, *, window=7, std=1.5):
    """The definition in float64, for maps of a range of 1."""
    places = np.arange(window) - (window - 1) / 2
    line = np.exp(-(places**2) / (2 * std**2))
    weights = np.outer(line, line) / np.sum(line) ** 2
    values = []
    for i in range(a.shape[0] - window + 1):
        for j in range(a.shape[1] - window + 1):
            x, y = (
                t[i : i + window, j : j + window].astype(np.float64) for t in (a, b)
            )
            mean_x, mean_y = np.sum(weights * x), np.sum(weights * y)
            spread_x = np.sum(weights * (x - mean_x) ** 2)
            spread_y = np.sum(weights * (y - mean_y) ** 2)
            together = np.sum(weights * (x - mean_x) * (y - mean_y))
            values.append(
                (2 * mean_x * mean_y + C_1)
                * (2 * together + C_2)
                / (mean_x**2 + mean_y**2 + C_1)
                / (spread_x + spread_y + C_2)
            )
    return np.mean(values)


def test_it_is_the_mean_over_windows():
    found = structural_similarity(MAPS[:1], MAPS[1:], data_range=1.0)
    np.testing.assert_allclose(found, _by_windows(*MAPS), rtol=1e-5)


@pytest.mark.parametrize("data_range", [None, 1.0])
def test_a_map_is_most_similar_to_itself(data_range):
    found = structural_similarity(MAPS, MAPS, data_range=data_range)
    np.testing.assert_allclose(found, 1, rtol=1e-6)


def test_a_constant_shift_changes_the_means_alone():
    a, b = np.full((1, 7, 7), 0.3), np.full((1, 7, 7), 0.8)
    expected = (2 * 0.3 * 0.8 + C_1) / (0.3**2 + 0.8**2 + C_1)
    found = structural_similarity(a, b, data_range=1.0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # One window of a pattern, whose variances stay what they are.
    a = MAPS[:1, :7, :7]
    mean = np.mean(a)
    found = structural_similarity(a, a + 0.5, data_range=1.0, std=1e6)
    expected = 2 * mean * (mean + 0.5) + C_1
    expected /= mean**2 + (mean + 0.5) ** 2 + C_1
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_negative_of_mean_zero_is_the_opposite():
    pattern = np.indices((8, 8)).sum(axis=0) % 2 * 2.0 - 1.0
    # An even window of equal weights has as many of either sign: the means are zero.
    found = structural_similarity(
        pattern[None], -pattern[None], data_range=1.0, window=4, std=1e6
    )
    np.testing.assert_allclose(found, (C_2 - 2) / (C_2 + 2), rtol=1e-5)


def test_scale_and_shift_do_not_count_without_a_range():
    found = structural_similarity(MAPS, 1e4 + 50 * MAPS)
    # What float32 loses of the pattern beside 1e4 is 1e-5 of its range.
    np.testing.assert_allclose(found, 1, rtol=1e-3)


def test_constant_maps_and_nan_are_nan():
    a = jnp.asarray(MAPS)
    constant = structural_similarity(a, jnp.zeros_like(a))
    assert np.isnan(constant).all()
    broken = structural_similarity(a, a.at[0, 0, 0].set(jnp.nan), data_range=1.0)
    np.testing.assert_array_equal(np.isnan(broken), [True, False])


@pytest.mark.parametrize(
    "b, options, message",
    [
        (MAPS[:, 1:], {}, "a and b must have one shape"),
        (MAPS[0], {}, "b must have shape"),
        (MAPS, {"window": 10}, r"window must lie in \[1, 9\]"),
        (MAPS, {"data_range": 0.0}, "data_range must be one positive number"),
        (MAPS, {"std": -1.0}, "std must be one positive number"),
    ],
)
def test_bad_arguments(b, options, message):
    with pytest.raises(ValueError, match=message):
        structural_similarity(MAPS, b, **options)


def _histograms(a, cell):
    """Histograms of a map in [0, 1] by a loop over pixels, in float64."""
    a = a.astype(np.float64)
    rows, columns = (size // cell for size in a.shape)
    cells = np.zeros((rows, columns, 9))
    for i in range(rows * cell):
        for j in range(columns * cell):
            down = a[i + 1, j] - a[i - 1, j] if 0 < i < a.shape[0] - 1 else 0.0
            across = a[i, j + 1] - a[i, j - 1] if 0 < j < a.shape[1] - 1 else 0.0
            degrees = np.degrees(np.arctan2(down, across)) % 180
            cells[i // cell, j // cell, int(degrees // 20)] += np.hypot(down, across)
    found = []
    for i in range(rows - 1):
        for j in range(columns - 1):
            block = cells[i : i + 2, j : j + 2].ravel()
            block = np.minimum(block / np.linalg.norm(block), 0.2)
            found.append(block / np.linalg.norm(block))
    return np.concatenate(found)


# All of one shape, for one program.
def test_histograms_are_counts_of_pixels():
    scaled = (MAPS - MAPS.min()) / np.ptp(MAPS, axis=(1, 2), keepdims=True)
    expected = np.corrcoef(*(_histograms(a, 3) for a in scaled))[0, 1]
    found = histogram_correlation(MAPS, 7 * MAPS[::-1], cell=3)
    # The addend to the norm is 1e-10 of the least of them.
    np.testing.assert_allclose(found, [expected] * 2, atol=1e-5)


# Equal pixels must remain equal where the range is no power of two.
@pytest.mark.parametrize("scale", [1, 7, 0.3])
@pytest.mark.parametrize(("shape", "cell"), [((12, 9), 3), ((8, 8), 4), ((28, 28), 7)])
def test_gradients_have_an_orientation_and_no_direction(scale, shape, cell):
    down, across = scale * np.indices(shape).astype(np.float32)
    found = [
        histogram_correlation(across[None], other[None], cell=cell)[0]
        for other in (-across, down)
    ]
    # Ones at another of nine places: the covariance is -1/81, the variance 8/81.
    np.testing.assert_allclose(found, [1, -1 / 8], atol=1e-5)


def test_histograms_of_constant_maps_are_nan():
    assert np.isnan(histogram_correlation(MAPS, np.zeros_like(MAPS), cell=3)).all()


@pytest.mark.parametrize("cell", [0, 5])
def test_cells_that_do_not_fit(cell):
    with pytest.raises(ValueError, match="cell must"):
        histogram_correlation(MAPS, MAPS, cell=cell)
