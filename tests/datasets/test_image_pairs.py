"""Image pairs: their information, their pixels, and that they can be undone."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from ibjax.datasets import image_pairs

NUM_SAMPLES = 2000


@pytest.fixture(scope="module")
def gaussians():
    @jax.jit  # With the information traced, as in a sweep over it.
    def draw(key, information):
        return image_pairs.gaussian_images(key, NUM_SAMPLES, information=information)

    return draw(jax.random.key(1), 4.0)


@pytest.fixture(scope="module")
def rectangles():
    key = jax.random.key(2)
    return image_pairs.rectangle_images(key, NUM_SAMPLES, information=4.0)


def _normal_information(u, v):
    """Of the normal scores of uniform vectors, from their canonical correlations."""
    a, b = special.ndtri(np.float64(u)), special.ndtri(np.float64(v))
    dim = a.shape[1]
    correlation = np.corrcoef(a.T, b.T)
    log_det = [
        np.linalg.slogdet(m)[1]
        for m in (correlation[:dim, :dim], correlation[dim:, dim:], correlation)
    ]
    return 0.5 * (log_det[0] + log_det[1] - log_det[2])


@pytest.mark.parametrize("information", [0.0, 1.0, 10.0])
def test_latents_have_the_information_asked_for(key, information):
    dim, num_samples = 2, NUM_SAMPLES
    u, v = image_pairs.latent_pairs(key, num_samples, dim=dim, information=information)
    # The log-determinants of d canonical pairs have a bias of about d^2 / 2n and a
    # variance of sum rho_i^2 / n, both to leading order; four standard errors.
    rho2 = -math.expm1(-2 * information / dim)
    bias = dim**2 / (2 * num_samples)
    tolerance = 4 * math.sqrt(dim * rho2 / num_samples) + 4 * bias
    error = _normal_information(u, v) - information - bias
    # Uniform latents in float32 are rounded to 2^-24; at 10 nats what is left of a
    # normal score given the other is 0.0067, and one rounding of a score at 3.5
    # standard deviations is 1e-4, which moves the information by less than 1e-3.
    assert abs(error) < tolerance + 1e-3


def test_latents_are_uniform(rectangles):
    for latents in (rectangles.latents_x, rectangles.latents_y):
        assert latents.shape == (NUM_SAMPLES, 4)
        for column in np.asarray(latents).T:
            # A wrong marginal of this many samples gives far less; eight are tested.
            assert stats.kstest(column, "uniform").pvalue > 1e-4
        off_diagonal = np.corrcoef(np.asarray(latents).T) - np.eye(4)
        assert np.abs(off_diagonal).max() < 5 / math.sqrt(NUM_SAMPLES)


def test_both_sides_are_mixed_by_rotations_of_their_own(rectangles):
    a = special.ndtri(np.float64(rectangles.latents_x))
    b = special.ndtri(np.float64(rectangles.latents_y))
    # cov(a, b) = rho Q_x^T Q_y is a rotation, and without mixing it is the identity.
    cross = a.T @ b / NUM_SAMPLES / math.sqrt(-math.expm1(-2))
    # The variance of an entry's mean product is at most 2 / n, and rho^2 is 0.86; a
    # product of the matrix with itself adds four such errors, each at most once over.
    tolerance = 4 * math.sqrt(2 / 0.86 / NUM_SAMPLES)
    np.testing.assert_allclose(cross @ cross.T, np.eye(4), atol=2 * tolerance)
    assert np.abs(cross - np.diag(np.diag(cross))).max() > 2 * tolerance


def test_gaussian_pixels():
    u0, u1 = 0.3, 0.85
    expected = [
        [math.exp(-10 * ((x / 15 - u0) ** 2 + (y / 15 - u1) ** 2)) for x in range(16)]
        for y in range(16)
    ]
    image = jax.jit(image_pairs.gaussian_image, static_argnums=1)(
        jnp.array([u0, u1]), 16
    )
    # The exponent reaches 15 and is rounded in float32.
    np.testing.assert_allclose(image, expected, rtol=16 * 2**-23)


@pytest.mark.parametrize("size", [16, 32])
def test_rectangle_pixels_are_covered_areas(size):
    u = [0.37, 0.6, 0.05, 0.2]

    def interval(first, second):
        m = 2 / size
        left = (1 - m) * (1 - math.sqrt(1 - first))
        right = left + m + second * (1 - left - m)
        return size * left, size * right

    left, right = interval(*u[:2])
    top, bottom = interval(*u[2:])
    expected = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            width = max(0, min(right, column + 1) - max(left, column))
            height = max(0, min(bottom, row + 1) - max(top, row))
            expected[row, column] = width * height
    image = jax.jit(image_pairs.rectangle_image, static_argnums=1)(jnp.array(u), size)
    # Edges are numbers up to size, rounded a few times.
    np.testing.assert_allclose(image, expected, atol=8 * size * 2**-24)
    area = (right - left) * (bottom - top)
    np.testing.assert_allclose(jnp.sum(image), area, rtol=1e-5)


def test_gaussians_can_be_undone(gaussians):
    place = np.linspace(0, 1, 16)
    for image, latents in zip(
        np.float64(gaussians.x[:50]), np.float64(gaussians.latents_x[:50]), strict=True
    ):
        # log f = -10 (p - u)^2 along a column or row: its slope tells u.
        row, column = np.unravel_index(image.argmax(), image.shape)
        for values, u in ((image[row], latents[0]), (image[:, column], latents[1])):
            near = values > 1e-3
            design = np.stack([np.ones(near.sum()), place[near]], axis=1)
            target = np.log(values[near]) + 10 * place[near] ** 2
            slope = np.linalg.lstsq(design, target)[0][1]
            # Errors of log f are a few roundings, 1e-6, and u is slope / 20.
            assert abs(slope / 20 - u) < 1e-6 * 10


def test_rectangles_can_be_undone(rectangles):
    m = 2 / 16
    for image, latents in zip(
        np.float64(rectangles.y[:50]),
        np.float64(rectangles.latents_y[:50]),
        strict=True,
    ):
        for axis, (first, second) in enumerate(latents.reshape(2, 2)):
            # A rectangle covers a pixel wholly in each direction, as it is 2 wide.
            covered = image.max(axis=axis)
            width = covered.sum()
            inside = np.flatnonzero(covered > 1 - 1e-5)
            left = inside[0] - (covered[inside[0] - 1] if inside[0] > 0 else 0)
            right = left + width
            left, right = left / 16, right / 16
            u_first = 1 - (1 - left / (1 - m)) ** 2
            u_second = (right - left - m) / (1 - left - m)
            # Areas are right to 1e-6; the second number is a ratio of lengths that
            # both vanish where the rectangle has no room to grow.
            assert abs(u_first - first) < 1e-5
            assert abs(u_second - second) < 1e-5 / (1 - left - m)


def test_bad_input(key):
    with pytest.raises(ValueError, match="information must be one number"):
        image_pairs.gaussian_images(key, 10, information=-1.0)
    with pytest.raises(ValueError, match="information must be one number"):
        image_pairs.latent_pairs(key, 10, dim=2, information=math.nan)
    with pytest.raises(ValueError, match="num_samples must be .* at least 1, got 0"):
        image_pairs.rectangle_images(key, 0, information=1.0)
    with pytest.raises(ValueError, match="size must be a whole number, at least 3"):
        image_pairs.rectangle_images(key, 10, information=1.0, size=2)
    with pytest.raises(ValueError, match="size must be a whole number, at least 2"):
        image_pairs.gaussian_images(key, 10, information=1.0, size=1)
    with pytest.raises(ValueError, match=r"latents must have shape \[2\]"):
        image_pairs.gaussian_image(jnp.zeros(3), 16)
    with pytest.raises(ValueError, match=r"latents must have shape \[4\]"):
        image_pairs.rectangle_image(jnp.zeros(2), 16)


def test_latents_sizes_and_keys_are_checked():
    with pytest.raises(TypeError, match="latents must be an array of numbers"):
        image_pairs.gaussian_image("text", 4)
    with pytest.raises((TypeError, ValueError), match="size must be a whole number"):
        image_pairs.gaussian_image([0.5, 0.5], 1.5)
    with pytest.raises(ValueError, match="size must lie in"):
        image_pairs.rectangle_image([0.5] * 4, 2**30)
    with pytest.raises(TypeError, match="key must be a key"):
        image_pairs.latent_pairs(0, 4, dim=2, information=1.0)
