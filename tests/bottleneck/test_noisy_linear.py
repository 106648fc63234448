"""Noisy linear layers of Gaussian variables: determinants, degenerate inputs."""

import jax
import numpy as np
import pytest

from ibjax.bottleneck import gaussian
from tests.bottleneck.gaussian_cases import (
    DX,
    DY,
    EXACT,
    covariances_of,
    information_of,
    with_x64,
)

x64 = pytest.fixture(with_x64)


def test_linear_layers(x64):
    covariances = covariances_of(5)
    rng = np.random.default_rng(6)
    for _ in range(3):
        projection = rng.normal(size=(DX, DX))
        root = rng.normal(size=(DX, DX))
        noise_cov = root @ root.T + 0.1 * np.eye(DX)
        found = gaussian.linear_projection_information(
            *covariances, projection, noise_cov
        )
        expected = information_of(*covariances, projection, noise_cov)
        np.testing.assert_allclose(found, expected, rtol=EXACT)
        # T and Y are Gaussian too.
        cov_t = projection @ covariances[0] @ projection.T + noise_cov
        np.testing.assert_allclose(
            found.i_ty,
            gaussian.mutual_information(
                cov_t, covariances[1], projection @ covariances[2]
            ),
            rtol=EXACT,
        )
    blind = gaussian.linear_projection_information(
        *covariances, np.zeros((DX, DX)), np.eye(DX)
    )
    np.testing.assert_allclose(blind, 0, atol=1e-15)


def test_a_layer_of_a_degenerate_input(x64):
    # X's third component repeats its first: like one that has the weights of both.
    layer = gaussian.linear_projection_information
    rest = np.diag([1.0, 1.0, 0.0])
    twice = np.array([[1.0, 0, 0], [0, 1, 0], [1, 0, 0]])
    cov_xy = 0.5 * np.eye(DX, DY)
    weights = np.array([[1.0, 2.0, 0.7], [0.0, 1.0, -0.3], [0.5, 0.5, 0.5]])
    both = layer(
        twice @ rest @ twice.T, np.eye(DY), twice @ cov_xy, weights, np.eye(DX)
    )
    one = layer(np.eye(DX), np.eye(DY), cov_xy, weights @ twice, np.eye(DX))
    np.testing.assert_allclose(both, one, rtol=EXACT)


def test_impossible_noise_gives_nan_under_jit():
    layer = jax.jit(gaussian.linear_projection_information)(
        *covariances_of(), np.ones((DY, DX)), np.zeros((DY, DY))
    )
    assert np.all(np.isnan(layer))


def test_refusals_of_noisy_linear_layers():
    covariances = np.eye(3), np.eye(2), 0.5 * np.eye(3, 2)
    layer = gaussian.linear_projection_information
    with pytest.raises(ValueError, match=r"projection must have shape \[dt, 3\]"):
        layer(*covariances, np.ones((2, 2)), np.eye(2))
    with pytest.raises(
        ValueError, match="noise_cov must have shape \\[2, 2\\] to match proj"
    ):
        layer(*covariances, np.ones((2, 3)), np.eye(3))
    with pytest.raises(ValueError, match="noise_cov must be positive definite"):
        layer(*covariances, np.ones((2, 3)), np.zeros((2, 2)))
