"""The Gaussian bottleneck in programs: dtypes, batches, gradients, what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bottleneck import gaussian
from tests.bottleneck.gaussian_cases import (
    DX,
    DY,
    EXACT,
    SINGLE,
    covariances_of,
    joint_of,
    with_correlations,
    with_x64,
)

x64 = pytest.fixture(with_x64)


def _numbers(joint, beta, i_xt):
    """Everything but the projection, as one differentiable array."""
    joint = (joint + joint.T) / 2
    covariances = joint[:DX, :DX], joint[DX:, DX:], joint[:DX, DX:]
    solution = gaussian.solve(*covariances, beta)
    return jnp.stack(
        [
            gaussian.mutual_information(*covariances),
            gaussian.i_ty_of_i_xt(*covariances, i_xt),
            solution.i_xt,
            solution.i_ty,
        ]
    )


@jax.jit
def _gradients(joint, beta, i_xt, weights):
    """Values, and the derivatives of their weighted sum."""
    values, pull = jax.vjp(_numbers, joint, beta, i_xt)
    return values, pull(weights)


@jax.jit
def _every_result(cov_x, cov_y, cov_xy, trade_off):
    covariances = cov_x, cov_y, cov_xy
    solution = gaussian.solve(*covariances, trade_off)
    return solution.num_active, (
        gaussian.mutual_information(*covariances),
        gaussian.critical_betas(*covariances),
        solution.lambdas,
        gaussian.i_ty_of_i_xt(*covariances, trade_off),
        solution.i_xt,
        solution.i_ty,
        solution.projection,
    )


def test_float32():
    covariances = [cov.astype(np.float32) for cov in covariances_of(1)]
    with jax.enable_x64(True):
        exact = gaussian.solve(*(cov.astype(np.float64) for cov in covariances), 50.0)
        exact = [np.asarray(field) for field in exact]
    found = gaussian.solve(*covariances, 50.0)
    assert found.projection.dtype == found.i_xt.dtype == np.float32
    for name, field, expected in zip(found._fields, found, exact, strict=True):
        if name == "projection":
            signs = np.sign(np.sum(field * expected, axis=1, keepdims=True))
            field = field * signs
        # Relative to the largest: components of a row may be small.
        tolerance = SINGLE * np.max(np.abs(expected))
        np.testing.assert_allclose(field, expected, atol=tolerance)
    half = [jnp.asarray(cov, jnp.bfloat16) for cov in ([[1.0]], [[1.0]], [[0.5]])]
    assert jax.eval_shape(gaussian.mutual_information, *half).dtype == np.float32


def test_batches_equal_loops():
    batch = [covariances_of(seed) for seed in range(4)]
    stacked = [
        np.stack(covariances).astype(np.float32)
        for covariances in zip(*batch, strict=True)
    ]
    together = jax.jit(jax.vmap(gaussian.solve, (0, 0, 0, None)))(*stacked, 50.0)
    for i, covariances in enumerate(batch):
        alone = gaussian.solve(*covariances, 50.0)
        for fields, field in zip(together, alone, strict=True):
            np.testing.assert_allclose(fields[i], field, rtol=SINGLE, atol=SINGLE)
    betas = np.array([1.0, 5.0, 50.0], np.float32)
    curve = gaussian.information_curve(*batch[0], betas)
    for i, beta in enumerate(betas):
        for field, alone in zip(curve, gaussian.solve(*batch[0], beta), strict=True):
            np.testing.assert_allclose(field[i], alone, rtol=SINGLE, atol=1e-6)


def test_the_slope_is_one_over_beta(x64):
    covariances = with_correlations([0.8, 0.5])
    betas = np.array([1.7, 3.9, 4.1, 50.0])
    curve = gaussian.information_curve(*covariances, betas)

    def slopes(beta, i_xt):
        """Of the curve, of I(T;X) against beta, and of I(T;Y) against beta."""
        joint = joint_of(*covariances)
        _, first = _gradients(joint, beta, i_xt, np.array([0.0, 1, 1, 0]))
        _, second = _gradients(joint, beta, i_xt, np.array([0.0, 0, 0, 1]))
        return first[2], first[1], second[1]

    for i_xt, beta in zip(curve.i_xt, betas, strict=True):
        along_curve, i_xt_slope, i_ty_slope = slopes(beta, i_xt)
        np.testing.assert_allclose(along_curve, 1 / beta, rtol=EXACT)
        np.testing.assert_allclose(i_ty_slope / i_xt_slope, 1 / beta, rtol=EXACT)
    # At the start it is that of the first direction; before, nothing moves.
    assert slopes(1.2, 0.0)[1:] == (0, 0)
    np.testing.assert_allclose(slopes(1.2, 0.0)[0], 0.64, rtol=EXACT)


def test_gradients_of_the_covariances(x64):
    joint = joint_of(*covariances_of(8))
    rng = np.random.default_rng(8)
    direction = rng.normal(size=joint.shape)
    weights = rng.normal(size=4)
    _, (gradient, _, _) = _gradients(joint, 50.0, 1.0, weights)
    step = 1e-5
    above, below = (
        _gradients(joint + change * direction, 50.0, 1.0, weights)[0]
        for change in (step, -step)
    )
    # Central differences: the third derivative times the step squared.
    np.testing.assert_allclose(
        np.sum(gradient * direction), weights @ (above - below) / (2 * step), rtol=1e-6
    )


def test_gradients_of_the_projection(x64):
    covariances = covariances_of(8)
    change = np.diag([0.3, -0.2, 0.1])

    def gram(size):
        cov_x = covariances[0] + size * change
        projection = gaussian.solve(cov_x, *covariances[1:], 50.0).projection
        # Signs of rows are arbitrary.
        return projection.T @ projection

    gram_and_slope = jax.jit(lambda size: jax.jvp(gram, (size,), (1.0,)))
    _, found = gram_and_slope(0.0)
    step = 1e-5
    expected = (gram_and_slope(step)[0] - gram_and_slope(-step)[0]) / (2 * step)
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.max(np.abs(expected)))


def test_gradients_where_correlations_are_equal_or_none(x64):
    for rho in ([0.5, 0.5], [0.5, 0.0], [0.0, 0.0]):
        between = np.eye(DX, DY) * rho
        joint = joint_of(np.eye(DX), np.eye(DY), between)
        _, gradients = _gradients(joint, 8.0, 1.0, np.ones(4))
        for gradient in gradients:
            assert np.all(np.isfinite(gradient))
        _, (gradient, _, _) = _gradients(joint, 8.0, 1.0, np.array([1.0, 0, 0, 0]))
        # By hand: rho / (1 - rho^2), half of it in each of the two blocks.
        np.testing.assert_allclose(
            gradient[:DX, DX:], between / (1 - between**2) / 2, atol=EXACT
        )


def _impossible():
    cov_x, cov_y, cov_xy = covariances_of(9)
    degenerate = cov_x.copy()
    degenerate[2] = degenerate[:, 2] = degenerate[:, 0]
    degenerate[2, 2] = degenerate[0, 0]
    degenerate_xy = cov_xy.copy()
    degenerate_xy[2] = degenerate_xy[0]
    return {
        "not a number": (np.full((DX, DX), np.nan), cov_y, cov_xy),
        "infinite": (cov_x, cov_y, np.full((DX, DY), np.inf)),
        "degenerate x": (degenerate, cov_y, degenerate_xy),
        "negative variance of x": (-cov_x, cov_y, cov_xy),
        "negative variance of y": (cov_x, -cov_y, cov_xy),
        "too correlated": (np.eye(DX), np.eye(DY), 1.1 * np.eye(DX, DY)),
        "correlated with a constant": (
            np.eye(DX),
            np.diag([1.0, 0.0]),
            0.5 * np.eye(DX, DY),
        ),
    }


@pytest.mark.parametrize("case", list(_impossible()))
def test_impossible_covariances_give_nan_under_jit(case):
    covariances = _impossible()[case]
    num_active, results = _every_result(*covariances, 5.0)
    for value in results:
        assert np.all(np.isnan(value))
    assert num_active == 0
    with pytest.raises(ValueError, match="cov_x|cov_y|cov_xy"):
        gaussian.solve(*covariances, 5.0)


@pytest.mark.parametrize("trade_off", [-1.0, np.nan])
def test_impossible_trade_offs_give_nan_under_jit(trade_off):
    num_active, results = _every_result(*covariances_of(), trade_off)
    assert num_active == 0
    for value in results[:3]:
        assert np.all(np.isfinite(value[:DY] if value.ndim else value))
    for value in results[3:]:
        assert np.all(np.isnan(value))


@pytest.mark.parametrize(
    "change, error, message",
    [
        (
            {"cov_x": np.ones(3)},
            ValueError,
            r"cov_x must be a matrix, got shape \(3,\)",
        ),
        ({"cov_x": np.ones((3, 2))}, ValueError, r"cov_x must be square.*\(3, 2\)"),
        ({"cov_y": np.eye(2, dtype=int)}, TypeError, "cov_y must be floating, got int"),
        (
            {"cov_y": np.eye(3)},
            ValueError,
            r"cov_xy must have shape \[3, 3\].*\(3, 2\)",
        ),
        (
            {"cov_x": np.diag([1.0, np.nan, 1.0])},
            ValueError,
            "cov_x must be finite, got 1 NaN or infinite",
        ),
        (
            {"cov_x": np.eye(3) + np.eye(3, k=1)},
            ValueError,
            "cov_x must be symmetric, got entries that differ by 1 ",
        ),
        (
            {"cov_x": np.ones((3, 3)), "cov_xy": np.zeros((3, 2))},
            ValueError,
            "cov_x must be positive definite, got correlations whose smallest",
        ),
        (
            {"cov_y": np.array([[1.0, 2.0], [2.0, 1.0]])},
            ValueError,
            "cov_y must be positive semi-definite, got .* eigenvalue is -1$",
        ),
        (
            {"cov_xy": 1.1 * np.eye(3, 2)},
            ValueError,
            "cov_xy must belong to variables of covariance cov_x and cov_y.*-0.1$",
        ),
        ({"beta": -1.0}, ValueError, "beta must not be negative or NaN, got -1"),
        ({"beta": np.nan}, ValueError, "beta must not be negative or NaN, got nan"),
        (
            {"beta": np.ones(2)},
            ValueError,
            r"beta must be one number, got shape \(2,\)",
        ),
    ],
)
def test_refusals(change, error, message):
    arguments = {
        "cov_x": np.eye(3),
        "cov_y": np.eye(2),
        "cov_xy": 0.5 * np.eye(3, 2),
        "beta": 2.0,
    }
    with pytest.raises(error, match=message):
        gaussian.solve(**(arguments | change))


def test_refusals_of_the_other_functions():
    covariances = np.eye(3), np.eye(2), 0.5 * np.eye(3, 2)
    with pytest.raises(ValueError, match=r"betas must have shape \[num_betas\]"):
        gaussian.information_curve(*covariances, 2.0)
    with pytest.raises(ValueError, match="i_xt must not be negative"):
        gaussian.i_ty_of_i_xt(*covariances, -1.0)
