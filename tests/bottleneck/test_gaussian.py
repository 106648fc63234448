"""The Gaussian bottleneck: closed forms, scipy, optimality, limits."""

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
    information_of,
    joint_of,
    log_det,
    with_correlations,
    with_x64,
)

x64 = pytest.fixture(with_x64)


def _lambdas(cov_x, cov_y, cov_xy):
    """Eigenvalues and left eigenvectors of the paper's matrix, by scipy."""
    linalg = pytest.importorskip("scipy.linalg")
    given_y = cov_x - cov_xy @ np.linalg.solve(cov_y, cov_xy.T)
    values, left = linalg.eig(given_y @ np.linalg.inv(cov_x), left=True, right=False)
    order = np.argsort(values.real)
    return values.real[order], left.real[:, order]


@pytest.mark.parametrize("rho", [1e-3, 0.3, 0.8, 0.999])
def test_two_numbers(x64, rho):
    # Variances 4 and 9: only the correlation may count.
    covariances = [[4.0]], [[9.0]], [[6 * rho]]
    opening = 1 / rho**2
    np.testing.assert_allclose(gaussian.critical_betas(*covariances), [opening])
    i_xy = -np.log1p(-(rho**2)) / 2
    # The rounding of rho is multiplied by rho / (1 - rho^2), 500 at most.
    np.testing.assert_allclose(
        gaussian.mutual_information(*covariances), i_xy, rtol=1e-12
    )
    for beta in opening * np.array([0.5, 1.01, 2, 30, 1e6]):
        solution = gaussian.solve(*covariances, beta)
        is_open = beta > opening
        i_xt = np.log((beta - 1) * rho**2 / (1 - rho**2)) / 2 if is_open else 0.0
        i_ty = -np.log1p(-(rho**2) * -np.expm1(-2 * i_xt)) / 2
        # Just above the opening both are differences of numbers near one.
        np.testing.assert_allclose(solution.i_xt, i_xt, rtol=1e-10)
        np.testing.assert_allclose(solution.i_ty, i_ty, rtol=1e-10)
        np.testing.assert_allclose(
            gaussian.i_ty_of_i_xt(*covariances, i_xt), i_ty, rtol=1e-10
        )
        length = np.sqrt(max(0, (beta * rho**2 - 1) / (1 - rho**2)) / 4)
        np.testing.assert_allclose(abs(solution.projection), [[length]], rtol=1e-10)
        assert solution.num_active == is_open


def test_two_directions_open_one_after_the_other(x64):
    covariances = with_correlations([0.8, 0.5])
    np.testing.assert_allclose(
        gaussian.critical_betas(*covariances), [1 / 0.64, 4, np.inf], rtol=EXACT
    )
    # By hand: 1/2 log((beta - 1) rho^2 / lambda) of one, then of both.
    expected = {
        1.5: (0, 0, 0),
        1 / 0.64 + 1e-9: (1, 0, 0),
        2.0: (1, np.log(16 / 9) / 2, np.log(16 / 9 / 1.28) / 2),
        4 - 1e-9: (1, np.log(16 / 3) / 2, np.log(16 / 3 / 2.56) / 2),
        10.0: (2, np.log(16 * 3) / 2, np.log(16 * 3 / 6.4 / 2.5) / 2),
    }
    betas = jnp.array(list(expected))
    curve = gaussian.information_curve(*covariances, betas)
    num_active, i_xt, i_ty = np.array(list(expected.values())).T
    np.testing.assert_array_equal(curve.num_active, num_active)
    # Two betas are 1e-9 from a kink, where the slopes are 2 at most.
    np.testing.assert_allclose(curve.i_xt, i_xt, atol=3e-9)
    np.testing.assert_allclose(curve.i_ty, i_ty, atol=3e-9)
    norms = np.linalg.norm(curve.projection, axis=2) > 0
    np.testing.assert_array_equal(norms.sum(axis=1), num_active)
    assert np.all(norms[:, 0] >= norms[:, 1])
    np.testing.assert_allclose(
        curve.lambdas, np.broadcast_to([0.36, 0.75, 1], (5, 3)), rtol=EXACT
    )


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_eigenvalue_problem(x64, seed):
    covariances = covariances_of(seed)
    cov_x = covariances[0]
    lambdas, left = _lambdas(*covariances)
    beta = 3 / (1 - lambdas[1])
    solution = gaussian.solve(*covariances, beta)
    np.testing.assert_allclose(solution.lambdas, lambdas, rtol=EXACT)
    np.testing.assert_allclose(
        gaussian.critical_betas(*covariances)[:2], 1 / (1 - lambdas[:2]), rtol=EXACT
    )
    rows = []
    for value, vector in zip(lambdas[:DY], left.T[:DY], strict=True):
        scale = vector @ cov_x @ vector
        rows.append(np.sqrt((beta * (1 - value) - 1) / (value * scale)) * vector)
    # The sign of a row is arbitrary.
    for found, row in zip(solution.projection, rows, strict=True):
        np.testing.assert_allclose(found * np.sign(found @ row), row, rtol=1e-9)
    i_xt, i_ty = information_of(*covariances, np.array(rows), np.eye(DY))
    np.testing.assert_allclose(solution.i_xt, i_xt, rtol=EXACT)
    np.testing.assert_allclose(solution.i_ty, i_ty, rtol=EXACT)
    joint = joint_of(*covariances)
    i_xy = (log_det(cov_x) + log_det(covariances[1]) - log_det(joint)) / 2
    np.testing.assert_allclose(
        gaussian.mutual_information(*covariances), i_xy, rtol=EXACT
    )


def test_more_directions_of_y_than_of_x(x64):
    dx, dy = 3, 4
    covariances = covariances_of(7, dx, dy)
    lambdas, _ = _lambdas(*covariances)
    solution = gaussian.solve(*covariances, 100.0)
    np.testing.assert_allclose(solution.lambdas, lambdas, rtol=EXACT, atol=EXACT)
    assert solution.projection.shape == (min(dx, dy), dx)
    information = information_of(*covariances, solution.projection, np.eye(min(dx, dy)))
    np.testing.assert_allclose((solution.i_xt, solution.i_ty), information, rtol=EXACT)


def test_coordinates_have_no_say(x64):
    cov_x, cov_y, cov_xy = covariances_of(1)
    rng = np.random.default_rng(2)
    # Units that differ by a million, and a mixing of condition number about ten.
    map_x = np.diag([1e-3, 1.0, 1e3]) @ (rng.normal(size=(DX, DX)) + 2 * np.eye(DX))
    map_y = rng.normal(size=(DY, DY)) + 2 * np.eye(DY)
    mapped = map_x @ cov_x @ map_x.T, map_y @ cov_y @ map_y.T, map_x @ cov_xy @ map_y.T
    # Beta here and there opens both directions.
    before = gaussian.solve(cov_x, cov_y, cov_xy, 50.0)
    after = gaussian.solve(*mapped, 50.0)
    assert before.num_active == after.num_active == 2
    # Covariances in the new coordinates are rounded: a few hundred times 1e-16.
    np.testing.assert_allclose(after.lambdas, before.lambdas, rtol=1e-10)
    np.testing.assert_allclose(after.i_xt, before.i_xt, rtol=1e-10)
    np.testing.assert_allclose(after.i_ty, before.i_ty, rtol=1e-10)
    for found, row in zip(after.projection @ map_x, before.projection, strict=True):
        np.testing.assert_allclose(found * np.sign(found @ row), row, rtol=1e-9)


def test_no_projection_does_better(x64):
    covariances = with_correlations([0.8, 0.5])
    rng = np.random.default_rng(3)

    @jax.jit
    @jax.value_and_grad
    def objective(projection, beta):
        information = gaussian.linear_projection_information(
            *covariances, projection, jnp.eye(DY)
        )
        return information.i_xt - beta * information.i_ty

    for beta in (1.0, 2.0, 6.0, 100.0):
        solution = gaussian.solve(*covariances, beta)
        best, gradient = objective(solution.projection, beta)
        np.testing.assert_allclose(
            best, solution.i_xt - beta * solution.i_ty, rtol=EXACT, atol=1e-15
        )
        # Rounding of both informations, times beta.
        np.testing.assert_allclose(gradient, 0, atol=1e-12 * (1 + beta))
        worse = []
        for size in np.geomspace(1e-5, 10, 200):
            other = solution.projection + size * rng.normal(size=(DY, DX))
            worse.append(objective(other, beta)[0] - best)
        assert np.min(worse) >= -1e-13 * (1 + beta)
        # Nor is the optimum reached from far away.
        assert np.median(worse) > 1e-6


def test_the_curve_without_beta(x64):
    covariances = with_correlations([0.8, 0.5])
    betas = jnp.geomspace(1.0, 1e6, 20)
    curve = gaussian.information_curve(*covariances, betas)

    def of_i_xt(values):
        return [gaussian.i_ty_of_i_xt(*covariances, i_xt) for i_xt in values]

    np.testing.assert_allclose(of_i_xt(curve.i_xt), curve.i_ty, rtol=EXACT, atol=1e-15)
    # The paper's form, with both directions open above log(16 / 3) / 2.
    i_xt = np.array([1.0, 2.0, 5.0])
    products = np.sqrt(0.64 * 0.25), np.sqrt(0.36 * 0.75)
    paper = i_xt - np.log(products[0] + np.exp(i_xt) * products[1])
    np.testing.assert_allclose(of_i_xt(i_xt), paper, rtol=EXACT)
    # Small amounts go along the first direction, to the last digit.
    np.testing.assert_allclose(of_i_xt(np.array([0, 1e-9])), [0, 0.64e-9], rtol=1e-8)
    # The end of the curve is I(X;Y).
    i_xy = gaussian.mutual_information(*covariances)
    np.testing.assert_allclose(i_xy, -np.log(0.36 * 0.75) / 2, rtol=EXACT)
    np.testing.assert_allclose(of_i_xt(np.array([50, np.inf])), i_xy, rtol=EXACT)


def test_betas_at_the_ends(x64):
    covariances = with_correlations([0.8, 0.5])
    curve = gaussian.information_curve(*covariances, jnp.array([0, 1, 1e6, np.inf]))
    np.testing.assert_array_equal(curve.num_active, [0, 0, 2, 2])
    np.testing.assert_array_equal(curve.i_xt[:2], 0)
    np.testing.assert_array_equal(curve.i_ty[:2], 0)
    np.testing.assert_array_equal(curve.projection[:2], 0)
    i_xy = gaussian.mutual_information(*covariances)
    # What is missing from I(X;Y) is 1/2 log(1 - 1 / beta) of each, 1e-6 at most.
    assert 0 < i_xy - curve.i_ty[2] < 1.1e-6
    np.testing.assert_allclose(curve.i_ty[3], i_xy, rtol=EXACT)
    assert np.isfinite(curve.i_xt[2]) and curve.i_xt[3] == np.inf
    assert np.all(np.isinf(curve.projection[3]))


@pytest.mark.parametrize("enabled", [False, True])
def test_independent_variables(enabled):
    with jax.enable_x64(enabled):
        cov_x, cov_y, _ = covariances_of(3)
        covariances = cov_x, cov_y, np.zeros((DX, DY))
        assert gaussian.mutual_information(*covariances) == 0
        np.testing.assert_array_equal(gaussian.critical_betas(*covariances), np.inf)
        for beta in (1.0, 1e6, np.inf):
            solution = gaussian.solve(*covariances, beta)
            assert solution.i_xt == solution.i_ty == solution.num_active == 0
            np.testing.assert_array_equal(solution.projection, 0)
            np.testing.assert_array_equal(solution.lambdas, 1)
        assert gaussian.i_ty_of_i_xt(*covariances, 2.0) == 0


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_direction_of_y_that_x_fixes(enabled, seed):
    with jax.enable_x64(enabled):
        # Y's first component is one of X, seen in coordinates of condition up to 16.
        covariances = with_correlations([1.0, 0.5], seed=seed)
        np.testing.assert_allclose(
            gaussian.critical_betas(*covariances), [1, 4, np.inf], rtol=SINGLE
        )
        assert gaussian.mutual_information(*covariances) == np.inf
        nothing = gaussian.solve(*covariances, 1.0)
        assert nothing.i_xt == nothing.i_ty == nothing.num_active == 0
        for beta, num_active in ((1.001, 1), (5.0, 2), (np.inf, 2)):
            solution = gaussian.solve(*covariances, beta)
            assert solution.i_xt == solution.i_ty == np.inf
            assert solution.num_active == num_active
            assert solution.lambdas[0] == 0
            assert np.all(np.isinf(solution.projection[0]))
        for i_xt in (0.0, 0.3, 40.0, np.inf):
            found = gaussian.i_ty_of_i_xt(*covariances, i_xt)
            np.testing.assert_allclose(found, i_xt, rtol=SINGLE)


def test_nearly_fixed_directions_keep_their_digits(x64):
    # Exact in float64: 1 - rho = 2^-40, in a product of two variances of one.
    rho = 1 - 2.0**-40
    covariances = [[1.0]], [[1.0]], [[rho]]
    lam = 2.0**-39 - 2.0**-80
    # The error of rho, 1e-16, is 6e-5 of lambda.
    np.testing.assert_allclose(
        gaussian.mutual_information(*covariances), -np.log(lam) / 2, atol=1e-4
    )
    solution = gaussian.solve(*covariances, 3.0)
    np.testing.assert_allclose(
        solution.i_xt, np.log(2 * (1 - lam) / lam) / 2, atol=1e-4
    )
    # The difference of the two informations does not suffer.
    np.testing.assert_allclose(
        solution.i_xt - solution.i_ty, np.log(3 * (1 - lam)) / 2, rtol=EXACT
    )


def test_a_degenerate_y(x64):
    cov_x, cov_y, cov_xy = covariances_of(4)
    # Y, a mixture of its components, and a constant.
    extend = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, -0.8], [0.0, 0.0]])
    extended = cov_x, extend @ cov_y @ extend.T, cov_xy @ extend.T
    np.testing.assert_allclose(
        gaussian.mutual_information(*extended),
        gaussian.mutual_information(cov_x, cov_y, cov_xy),
        rtol=EXACT,
    )
    found = gaussian.solve(*extended, 50.0)
    expected = gaussian.solve(cov_x, cov_y, cov_xy, 50.0)
    np.testing.assert_allclose(found.lambdas, expected.lambdas, rtol=EXACT)
    np.testing.assert_allclose(found.i_xt, expected.i_xt, rtol=EXACT)
    np.testing.assert_allclose(found.i_ty, expected.i_ty, rtol=EXACT)


@pytest.mark.parametrize("enabled", [False, True])
def test_a_constant_y(enabled):
    with jax.enable_x64(enabled):
        covariances = np.eye(DX), np.zeros((DY, DY)), np.zeros((DX, DY))
        assert gaussian.mutual_information(*covariances) == 0
        assert gaussian.solve(*covariances, 50.0).i_xt == 0
        # Or one of its components.
        covariances = np.eye(DX), np.diag([0.0, 9.0]), np.diag([0.0, 2.4, 0])[:, :DY]
        np.testing.assert_allclose(
            gaussian.mutual_information(*covariances), -np.log(0.36) / 2, rtol=SINGLE
        )
