"""A linear teacher: errors by Monte Carlo and numpy, the best student by sklearn."""

import jax
import numpy as np
import pytest

from ibjax.datasets.teacher_student import (
    best_student,
    draw_problem,
    generalization_error,
    mean_squared_error,
)

SIZES = {"num_samples": 40, "num_inputs": 16, "num_outputs": 2, "snr": 4.0}


@pytest.fixture(scope="module")
def problem():
    return draw_problem(jax.random.key(0), num_relevant=6, **SIZES)


@pytest.fixture(scope="module")
def many():
    draw = jax.vmap(lambda key: draw_problem(key, num_relevant=6, **SIZES))
    return jax.device_get(draw(jax.random.split(jax.random.key(1), 500)))


def test_irrelevant_inputs_have_no_weight(problem):
    assert problem.relevant.tolist() == [True] * 6 + [False] * 10
    assert np.all((problem.teacher != 0) == np.asarray(problem.relevant)[None])


def test_moments_are_as_said(many):
    noise = many.y - many.x @ many.teacher.swapaxes(1, 2)
    for values, variance in (
        (many.x, 1 / 16),
        (many.teacher[:, :, :6], 4.0),
        (noise, 1.0),
    ):
        count = values.size
        # Of normal draws: sqrt(v / n) of the mean and v sqrt(2 / n) of the variance.
        assert abs(values.mean()) < 4 * (variance / count) ** 0.5
        assert abs(values.var() - variance) < 4 * variance * (2 / count) ** 0.5


def test_generalization_error_is_that_of_new_samples(problem):
    w = np.random.default_rng(0).normal(size=(2, 16))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40_000, 16)) / 4
    y = x @ problem.teacher.T + rng.normal(size=(40_000, 2))
    squares = np.sum((y - x @ w.T) ** 2, axis=1)
    error = squares.std() / len(squares) ** 0.5
    assert abs(generalization_error(problem, w) - squares.mean()) < 4 * error


def test_mean_squared_error_by_numpy(problem):
    w = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32)
    rest = np.asarray(problem.y, np.float64) - problem.x @ w.T
    expected = np.mean(np.sum(rest**2, axis=1))
    found = mean_squared_error(problem.x, problem.y, w)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_best_student_is_ridge_regression_on_relevant_inputs(problem):
    linear_model = pytest.importorskip("sklearn.linear_model")
    # The penalty is the noise's variance over that of the weights.
    ridge = linear_model.Ridge(alpha=1 / 4.0, fit_intercept=False)
    ridge.fit(np.asarray(problem.x, np.float64)[:, :6], problem.y)
    found = best_student(problem)
    np.testing.assert_allclose(found[:, :6], ridge.coef_, rtol=1e-3, atol=1e-4)
    assert np.all(np.asarray(found)[:, 6:] == 0)


def test_no_other_penalty_does_better_on_average(many):
    def error(scale):
        def one(problem):
            variance = scale * problem.weight_variance
            student = best_student(problem._replace(weight_variance=variance))
            return generalization_error(problem, student)

        return np.asarray(jax.vmap(one)(many))

    best = error(1.0)
    for scale in (0.25, 4.0):
        worse = error(scale) - best
        assert worse.mean() > 4 * worse.std() / len(worse) ** 0.5


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_samples": 0}, "num_samples must be a whole number, at least 1, got 0"),
        ({"snr": 0.0}, "snr must be one positive number"),
        ({"num_relevant": 17}, "num_relevant must be at most num_inputs, 16, got 17"),
    ],
)
def test_what_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        draw_problem(jax.random.key(0), **SIZES | wrong)


def test_shapes_do_not_broadcast():
    problem = draw_problem(jax.random.key(0), num_samples=4, num_inputs=2)
    with pytest.raises(ValueError, match=r"w must have shape \[1, 2\], got \(2, 1\)"):
        generalization_error(problem, np.zeros((2, 1)))
    with pytest.raises(ValueError, match=r"y must have shape \[4, 1\], got \(4,\)"):
        mean_squared_error(problem.x, np.zeros(4), np.zeros((1, 2)))
    with pytest.raises(TypeError, match="problem must be a TeacherStudent, got 3"):
        best_student(3)
