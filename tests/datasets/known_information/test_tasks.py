"""Known truths: closed forms against published numbers, quadrature and Monte Carlo."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, linalg, optimize, special, stats

from ibjax.datasets import known_information as known

NUM_SAMPLES = 4000

PUBLISHED = {
    "1v1-normal-0.75": 0.413339,
    "normal_cdf-1v1-normal-0.75": 0.413339,
    "1v1-additive-0.1": 1.709438,
    "1v1-additive-0.75": 0.333333,
    "bimodal-1v1-normal-0.75": 0.413339,
    "wiggly-1v1-normal-0.75": 0.413339,
    "half_cube-1v1-normal-0.75": 0.413339,
    "student-identity-1-1-1": 0.224171,
    "asinh-student-identity-1-1-1": 0.224171,
    "swissroll_x-normal_cdf-1v1-normal-0.75": 0.413339,
    "multinormal-dense-2-2-0.5": 0.293893,
    "multinormal-dense-3-3-0.5": 0.413339,
    "multinormal-dense-5-5-0.5": 0.592812,
    "multinormal-dense-25-25-0.5": 1.292184,
    "multinormal-dense-50-50-0.5": 1.624265,
    "student-identity-2-2-1": 0.431946,
    "student-identity-2-2-2": 0.193147,
    "student-identity-3-3-2": 0.290922,
    "student-identity-3-3-3": 0.178712,
    "student-identity-5-5-2": 0.448151,
    "student-identity-5-5-3": 0.298544,
    "asinh-student-identity-2-2-1": 0.431946,
    "asinh-student-identity-3-3-2": 0.290922,
    "asinh-student-identity-5-5-2": 0.448151,
}


@pytest.fixture(scope="module")
def tasks():
    return {task.name: task for task in known.standard_tasks()}


def _draw(task, num_samples=NUM_SAMPLES):
    x, y = task.sample(jax.random.key(3), num_samples)
    return np.float64(x), np.float64(y)


def _agrees(log_ratio, value, rounding=0.0):
    """Whether log density ratios average to the value, within 4 standard errors."""
    error = log_ratio.std(ddof=1) / math.sqrt(len(log_ratio))
    assert abs(log_ratio.mean() - value) < 4 * error + rounding


def _normal_log_ratio(x, y, rho):
    """Of unit normal variables that are correlated pair by pair, or not at all."""
    total = np.zeros(len(x))
    for a, b, r in zip(x.T, y.T, rho, strict=False):
        joint = stats.multivariate_normal([0, 0], [[1, r], [r, 1]])
        total += joint.logpdf(np.stack([a, b], axis=1))
        total -= stats.norm.logpdf(a) + stats.norm.logpdf(b)
    return total


def test_values_are_the_published_ones(tasks):
    assert len(tasks) == 40
    pairs = {name: 1.021651 for name in tasks if "2pair" in name}
    assert len(pairs) == 16
    assert set(PUBLISHED) | set(pairs) == set(tasks)
    for name, value in (PUBLISHED | pairs).items():
        assert abs(tasks[name].mutual_information - value) < 6e-7, name


def test_samples_have_the_shapes_promised(tasks):
    for name in (
        "1v1-additive-0.1",
        "swissroll_x-normal_cdf-1v1-normal-0.75",
        "spiral-normal_cdf-2pair-5-5",
        "student-identity-3-3-2",
    ):
        task = tasks[name]
        x, y = jax.eval_shape(lambda key, t=task: t.sample(key, 7), jax.random.key(0))
        assert x.shape == (7, task.dim_x) and y.shape == (7, task.dim_y)
        assert x.dtype == y.dtype == jnp.float32


def test_normal_density_ratio(tasks):
    task = tasks["2pair-3-3"]
    x, y = _draw(task)
    _agrees(_normal_log_ratio(x, y, [0.8, 0.8]), task.mutual_information)
    task = tasks["multinormal-dense-2-2-0.5"]
    x, y = _draw(task)
    covariance = 0.5 * np.eye(4) + 0.5
    log_ratio = stats.multivariate_normal(np.zeros(4), covariance).logpdf(
        np.hstack([x, y])
    )
    for side in (x, y):
        log_ratio -= stats.multivariate_normal(np.zeros(2), covariance[:2, :2]).logpdf(
            side
        )
    _agrees(log_ratio, task.mutual_information)


def test_high_correlations_keep_their_precision():
    rho = math.sqrt(-math.expm1(-20))  # 10 nats, 1 - rho = 1e-9
    task = known.multinormal_sparse(1, 1, [rho])
    # 1 - rho itself is rounded: 1e-16 / 1e-9.
    assert abs(task.mutual_information - 10) < 1e-6
    x, y = _draw(task)
    spread = np.std(y - rho * x)
    # Rounded to float32, y at one standard deviation is 3e-8 off; the spread is 4.5e-5.
    np.testing.assert_allclose(spread, math.exp(-10), rtol=4 / math.sqrt(NUM_SAMPLES))


def test_multinormal_takes_any_covariance():
    rng = np.random.default_rng(0)
    root = rng.normal(size=(5, 5))
    covariance = root @ root.T + 0.1 * np.eye(5)
    task = known.multinormal(covariance, dim_x=2)
    # Canonical correlations by another way: the generalised eigenvalue problem.
    xx, xy, yy = covariance[:2, :2], covariance[:2, 2:], covariance[2:, 2:]
    squares = linalg.eigvalsh(xy @ np.linalg.solve(yy, xy.T), xx)
    expected = -0.5 * np.log1p(-squares).sum()
    assert abs(task.mutual_information - expected) < 1e-10
    x, y = _draw(task)
    observed = np.cov(np.hstack([x, y]).T)
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    # The standard error of a covariance is at most sqrt(2 / n) of the variances.
    limit = 5 * math.sqrt(2 / NUM_SAMPLES)
    assert np.abs((observed - covariance) / scale).max() < limit


@pytest.mark.parametrize("name", ["student-identity-1-1-1", "student-identity-3-3-2"])
def test_student_density_ratio(tasks, name):
    task = tasks[name]
    x, y = _draw(task)
    freedom = int(name[-1])

    def log_density(v):
        shape = np.eye(v.shape[1])
        return stats.multivariate_t(shape=shape, df=freedom).logpdf(v)

    log_ratio = log_density(np.hstack([x, y])) - log_density(x) - log_density(y)
    _agrees(log_ratio, task.mutual_information)


def test_student_with_a_dispersion():
    dispersion = np.array([[1.0, 0.6], [0.6, 2.0]])
    task = known.student(1, 1, 3.0, dispersion)
    x, y = _draw(task)

    def log_density(v, shape):
        return stats.multivariate_t(shape=shape, df=3).logpdf(v)

    log_ratio = log_density(np.hstack([x, y]), dispersion)
    log_ratio -= log_density(x, [[1.0]]) + log_density(y, [[2.0]])
    _agrees(log_ratio, task.mutual_information)


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 0.75])
def test_additive_noise_is_the_quadrature(epsilon):
    task = known.additive_noise(epsilon)

    def density(y):
        overlap = min(1, y + epsilon) - max(0, y - epsilon)
        return max(0.0, overlap) / (2 * epsilon)

    entropy = integrate.quad(
        lambda y: special.entr(density(y)),
        -epsilon,
        1 + epsilon,
        points=sorted({epsilon, 1 - epsilon}),
        epsabs=1e-10,
    )[0]
    assert abs(task.mutual_information - (entropy - math.log(2 * epsilon))) < 1e-8
    x, y = _draw(task)
    log_ratio = -np.log([2 * epsilon * density(value) for value in y[:, 0]])
    assert np.abs(y - x).max() <= epsilon * (1 + 1e-5)
    _agrees(log_ratio, task.mutual_information)


@pytest.mark.parametrize("information", [0.2, 0.5, 2.0, 10.0])
def test_smoothed_uniform_has_the_information_asked_for(information):
    task = known.smoothed_uniform(information)
    x, y = _draw(task)
    assert task.mutual_information == information
    # The largest noise of n draws lies within 20 / n of the end of its range.
    epsilon = np.abs(y - x).max()
    value = known.additive_noise(epsilon).mutual_information
    # dI / d log(epsilon) is at most one; y is rounded to 2^-24 of a noise of e^-I / 2.
    rounding = 2**-23 / epsilon
    assert abs(value - information) < 20 / NUM_SAMPLES + rounding
    many = known.smoothed_uniform(3 * information, dim=3)
    assert many.dim_x == many.dim_y == 3
    assert _draw(many, 10)[0].shape == (10, 3)


@pytest.mark.parametrize("information", [0.1, 2.0, 8.0])
def test_log_gamma_exponential_density_ratio(information):
    task = known.log_gamma_exponential(information)
    x, y = _draw(task)
    s = optimize.brentq(
        lambda s: special.digamma(1 / s) + s + math.log(s) - information, 1e-2, 1e5
    )
    shape = 1 / s
    # ln p(y|x) and ln p(y): an exponential given its rate, and given a Gamma one.
    given = x + y - np.exp(x + y)
    marginal = math.log(shape) + y - (shape + 1) * np.logaddexp(0, y)
    # At 8 nats s is 5,000: x and y are as large, and their float32 sum is 2e-4 off.
    _agrees((given - marginal)[:, 0], information, rounding=1e-3)


def test_bounded_and_bent_columns_can_be_undone(tasks):
    x, y = _draw(tasks["1v1-normal-0.75"])
    value = tasks["1v1-normal-0.75"].mutual_information

    def bent(name):
        return _draw(tasks[f"{name}-1v1-normal-0.75"])

    a, b = map(special.ndtri, bent("normal_cdf"))
    _agrees(_normal_log_ratio(a, b, [0.75]), value)
    # ndtr is rounded to 2^-24, at three standard deviations 1e-5 of a score.
    np.testing.assert_allclose(a, x, atol=1e-3)

    a, b = bent("half_cube")
    np.testing.assert_allclose(np.sign(a) * np.abs(a) ** (2 / 3), x, atol=1e-5)
    np.testing.assert_allclose(np.sign(b) * np.abs(b) ** (2 / 3), y, atol=1e-5)

    a, b = bent("bimodal")
    cdf_x = 0.3 * special.ndtr(a) + 0.7 * special.ndtr(a - 5)
    cdf_y = 0.5 * special.ndtr(b + 1) + 0.5 * special.ndtr(b - 3)
    # The value found is off by a few roundings of numbers up to 8, the density at most
    # 0.4; the rest is ndtr in float32.
    np.testing.assert_allclose(cdf_x, special.ndtr(x), atol=3e-6)
    np.testing.assert_allclose(cdf_y, special.ndtr(y), atol=3e-6)
    score = special.ndtri(cdf_x), special.ndtri(cdf_y)
    _agrees(_normal_log_ratio(*score, [0.75]), value)

    a, b = bent("wiggly")
    for before, after in ((x, a), (y, b)):
        order = np.argsort(before[:, 0])
        assert np.all(np.diff(after[order, 0]) >= 0)
        assert np.abs(after - before).max() > 0.1


def test_heavy_tails_are_shortened(tasks):
    x, y = _draw(tasks["student-identity-2-2-1"])
    a, b = _draw(tasks["asinh-student-identity-2-2-1"])
    np.testing.assert_allclose(np.sinh(a), x, rtol=1e-5)
    np.testing.assert_allclose(np.sinh(b), y, rtol=1e-5)


def test_spiral_is_a_turn_by_the_matrix_exponential(tasks):
    x, y = _draw(tasks["2pair-3-3"])
    # Samples are a pure function of the key, the same under jit.
    sample = jax.jit(tasks["spiral-2pair-3-3"].sample, static_argnums=1)
    a, b = map(np.float64, sample(jax.random.key(3), NUM_SAMPLES))
    for before, after, plane in ((x, a, (0, 1)), (y, b, (1, 2))):
        generator = np.zeros((3, 3))
        generator[plane[1], plane[0]], generator[plane] = 1, -1
        for v, turned in zip(before[:20], after[:20], strict=True):
            # Undone with the length of the result.
            back = linalg.expm(-generator * (turned @ turned) / 3) @ turned
            np.testing.assert_allclose(back, v, atol=1e-5)


def test_swissroll_is_a_curve_that_does_not_meet_itself(tasks):
    x, y = _draw(tasks["normal_cdf-1v1-normal-0.75"])
    a, b = _draw(tasks["swissroll_x-normal_cdf-1v1-normal-0.75"])
    np.testing.assert_array_equal(b, y)
    angle = 21 * np.hypot(a[:, 0], a[:, 1])
    np.testing.assert_allclose((angle / (1.5 * np.pi) - 1) / 2, x[:, 0], atol=1e-5)


def test_bad_input():
    with pytest.raises(ValueError, match=r"map_y's result must have shape \[num_samp"):
        known.transform(known.multinormal_dense(1, 1), "length", abs, len)
    with pytest.raises(ValueError, match="dim_x must lie in"):
        known.multinormal(np.eye(2), dim_x=2)
    with pytest.raises(ValueError, match="covariance must be a square matrix"):
        known.multinormal(np.ones((2, 3)), dim_x=1)
    with pytest.raises(ValueError, match="covariance must be symmetric and positive"):
        known.multinormal([[1.0, 2.0], [2.0, 1.0]], dim_x=1)
    with pytest.raises(ValueError, match="covariance must be symmetric and positive"):
        known.multinormal([[1.0, 0.3], [0.5, 1.0]], dim_x=1)
    with pytest.raises(ValueError, match="dim_x must be .* at least 1, got 0"):
        known.multinormal_dense(0, 1)
    with pytest.raises(ValueError, match="correlations must be at most 1"):
        known.multinormal_sparse(1, 2, [0.5, 0.5])
    with pytest.raises(ValueError, match="correlations must be"):
        known.multinormal_sparse(1, 1, [1.0])
    with pytest.raises(
        ValueError, match="degrees_of_freedom must be one positive number"
    ):
        known.student(1, 1, 0)
    with pytest.raises(ValueError, match="dispersion must have shape"):
        known.student(1, 1, 1, np.eye(3))
    with pytest.raises(ValueError, match="epsilon must be one positive number"):
        known.additive_noise(-0.1)
    with pytest.raises(ValueError, match="information must be one positive number"):
        known.smoothed_uniform(0.0)
    with pytest.raises(ValueError, match="dim must be a whole number, at least 1"):
        known.smoothed_uniform(1.0, dim=0)
    with pytest.raises(ValueError, match="information must be at most 20"):
        known.log_gamma_exponential(21.0)
    with pytest.raises(ValueError, match="at least 2 columns of X and 3 of Y"):
        known.spiral(known.multinormal_sparse(2, 2))
    with pytest.raises(ValueError, match="one column of X"):
        known.swissroll(known.multinormal_sparse(2, 2))


@pytest.mark.parametrize("transform", [known.asinh, known.spiral, known.swissroll])
def test_what_is_no_task_is_named(transform):
    with pytest.raises(TypeError, match="task must be a KnownInformation, got 3"):
        transform(3)


def test_maps_are_functions_and_correlations_numbers():
    task = known.multinormal_sparse(1, 1, [0.5])
    with pytest.raises(TypeError, match="map_x must be a function, got None"):
        known.transform(task, "name", None)
    with pytest.raises(TypeError, match="correlations must hold numbers"):
        known.multinormal_sparse(1, 1, ["a"])
    with pytest.raises(ValueError, match="dim_x and dim_y must sum to 32768 at most"):
        known.multinormal_dense(2**20, 1)
