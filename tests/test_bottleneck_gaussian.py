"""The Gaussian bottleneck: closed forms, scipy, optimality, limits, float32, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ibjax.bottleneck import gaussian

# Everything has this shape where it can: compilation is most of the time.
DX, DY = 3, 2
# A few roundings of float64, times the condition numbers of some hundreds below.
EXACT = 1e-11
# The same in float32.
SINGLE = 2e-5


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


def _covariances(seed=0, dx=DX, dy=DY):
    """Covariances of two random variables that are far from degenerate."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(dx + dy, dx + dy + 3))
    joint = root @ root.T / (dx + dy)
    return joint[:dx, :dx], joint[dx:, dx:], joint[:dx, dx:]


def _with_correlations(rho, dx=DX, dy=DY, seed=0):
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


def _lambdas(cov_x, cov_y, cov_xy):
    """Eigenvalues and left eigenvectors of the paper's matrix, by scipy."""
    linalg = pytest.importorskip("scipy.linalg")
    given_y = cov_x - cov_xy @ np.linalg.solve(cov_y, cov_xy.T)
    values, left = linalg.eig(given_y @ np.linalg.inv(cov_x), left=True, right=False)
    order = np.argsort(values.real)
    return values.real[order], left.real[:, order]


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


def _joint(cov_x, cov_y, cov_xy):
    return np.block([[cov_x, cov_xy], [cov_xy.T, cov_y]])


def _log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def _information(cov_x, cov_y, cov_xy, projection, noise_cov):
    """I(X;T) and I(T;Y) by determinants, in numpy."""
    given_y = cov_x - cov_xy @ np.linalg.solve(cov_y, cov_xy.T)
    log_det = _log_det(projection @ cov_x @ projection.T + noise_cov)
    log_det_given_y = _log_det(projection @ given_y @ projection.T + noise_cov)
    return (log_det - _log_det(noise_cov)) / 2, (log_det - log_det_given_y) / 2


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
    covariances = _with_correlations([0.8, 0.5])
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
    covariances = _covariances(seed)
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
    i_xt, i_ty = _information(*covariances, np.array(rows), np.eye(DY))
    np.testing.assert_allclose(solution.i_xt, i_xt, rtol=EXACT)
    np.testing.assert_allclose(solution.i_ty, i_ty, rtol=EXACT)
    joint = _joint(*covariances)
    i_xy = (_log_det(cov_x) + _log_det(covariances[1]) - _log_det(joint)) / 2
    np.testing.assert_allclose(
        gaussian.mutual_information(*covariances), i_xy, rtol=EXACT
    )


def test_more_directions_of_y_than_of_x(x64):
    dx, dy = 3, 4
    covariances = _covariances(7, dx, dy)
    lambdas, _ = _lambdas(*covariances)
    solution = gaussian.solve(*covariances, 100.0)
    np.testing.assert_allclose(solution.lambdas, lambdas, rtol=EXACT, atol=EXACT)
    assert solution.projection.shape == (min(dx, dy), dx)
    information = _information(*covariances, solution.projection, np.eye(min(dx, dy)))
    np.testing.assert_allclose((solution.i_xt, solution.i_ty), information, rtol=EXACT)


def test_coordinates_have_no_say(x64):
    cov_x, cov_y, cov_xy = _covariances(1)
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
    covariances = _with_correlations([0.8, 0.5])
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
    covariances = _with_correlations([0.8, 0.5])
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


@pytest.mark.slow
def test_the_slope_is_one_over_beta(x64):
    covariances = _with_correlations([0.8, 0.5])
    betas = np.array([1.7, 3.9, 4.1, 50.0])
    curve = gaussian.information_curve(*covariances, betas)

    def slopes(beta, i_xt):
        """Of the curve, of I(T;X) against beta, and of I(T;Y) against beta."""
        joint = _joint(*covariances)
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


def test_betas_at_the_ends(x64):
    covariances = _with_correlations([0.8, 0.5])
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
        cov_x, cov_y, _ = _covariances(3)
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
        covariances = _with_correlations([1.0, 0.5], seed=seed)
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
    cov_x, cov_y, cov_xy = _covariances(4)
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


def test_linear_layers(x64):
    covariances = _covariances(5)
    rng = np.random.default_rng(6)
    for _ in range(3):
        projection = rng.normal(size=(DX, DX))
        root = rng.normal(size=(DX, DX))
        noise_cov = root @ root.T + 0.1 * np.eye(DX)
        found = gaussian.linear_projection_information(
            *covariances, projection, noise_cov
        )
        expected = _information(*covariances, projection, noise_cov)
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


def test_float32():
    covariances = [cov.astype(np.float32) for cov in _covariances(1)]
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
    batch = [_covariances(seed) for seed in range(4)]
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


def test_gradients_of_the_covariances(x64):
    joint = _joint(*_covariances(8))
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
    covariances = _covariances(8)
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
        joint = _joint(np.eye(DX), np.eye(DY), between)
        _, gradients = _gradients(joint, 8.0, 1.0, np.ones(4))
        for gradient in gradients:
            assert np.all(np.isfinite(gradient))
        _, (gradient, _, _) = _gradients(joint, 8.0, 1.0, np.array([1.0, 0, 0, 0]))
        # By hand: rho / (1 - rho^2), half of it in each of the two blocks.
        np.testing.assert_allclose(
            gradient[:DX, DX:], between / (1 - between**2) / 2, atol=EXACT
        )


def _impossible():
    cov_x, cov_y, cov_xy = _covariances(9)
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
    num_active, results = _every_result(*_covariances(), trade_off)
    assert num_active == 0
    for value in results[:3]:
        assert np.all(np.isfinite(value[:DY] if value.ndim else value))
    for value in results[3:]:
        assert np.all(np.isnan(value))


def test_impossible_noise_gives_nan_under_jit():
    layer = jax.jit(gaussian.linear_projection_information)(
        *_covariances(), np.ones((DY, DX)), np.zeros((DY, DY))
    )
    assert np.all(np.isnan(layer))


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
    layer = gaussian.linear_projection_information
    with pytest.raises(ValueError, match=r"projection must have shape \[dt, 3\]"):
        layer(*covariances, np.ones((2, 2)), np.eye(2))
    with pytest.raises(ValueError, match="noise_cov must have one row per row of proj"):
        layer(*covariances, np.ones((2, 3)), np.eye(3))
    with pytest.raises(ValueError, match="noise_cov must be positive definite"):
        layer(*covariances, np.ones((2, 3)), np.zeros((2, 2)))
