"""Covariances, and what the tests of the Gaussian bottleneck compare with."""

import jax
import numpy as np

# Everything has this shape where it can: compilation is most of the time.
DX, DY = 3, 2
# A few roundings of float64, times the condition numbers of some hundreds below.
EXACT = 1e-11
# The same in float32.
SINGLE = 2e-5


def with_x64():
    """A fixture's function: float64 during a test."""
    with jax.enable_x64(True):
        yield


def covariances_of(seed=0, dx=DX, dy=DY):
    """Covariances of two random variables that are far from degenerate."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(dx + dy, dx + dy + 3))
    joint = root @ root.T / (dx + dy)
    return joint[:dx, :dx], joint[dx:, dx:], joint[:dx, dx:]


def with_correlations(rho, dx=DX, dy=DY, seed=0):
    """Covariances with these canonical correlations, in random coordinates."""
    rng = np.random.default_rng(seed)
    between = np.zeros((dx, dy))
    np.fill_diagonal(between, rho)
    # Rotations and scales from 1/2 to 2: condition numbers up to 16.
    a, b = (
        np.linalg.qr(rng.normal(size=(d, d)))[0] * rng.uniform(0.5, 2, d)
        for d in (dx, dy)
    )
    return a @ a.T, b @ b.T, a @ between @ b.T


def joint_of(cov_x, cov_y, cov_xy):
    """The covariance of X and Y side by side."""
    return np.block([[cov_x, cov_xy], [cov_xy.T, cov_y]])


def log_det(matrix):
    """Logarithm of the determinant."""
    return np.linalg.slogdet(matrix)[1]


def information_of(cov_x, cov_y, cov_xy, projection, noise_cov):
    """I(X;T) and I(T;Y) by determinants, in numpy."""
    given_y = cov_x - cov_xy @ np.linalg.solve(cov_y, cov_xy.T)
    total = log_det(projection @ cov_x @ projection.T + noise_cov)
    left = log_det(projection @ given_y @ projection.T + noise_cov)
    return (total - log_det(noise_cov)) / 2, (total - left) / 2
