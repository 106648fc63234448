r"""Linear teacher and student, where every error has a formula.

Inputs are X ~ N(0, I / num_inputs), labels Y = A X + E with E ~ N(0, I). The teacher's
weights are normal with the variance ``snr``, the signal-to-noise ratio, so that a label
has the variance ``snr`` from the teacher and 1 from noise. The teacher may use the
first inputs only; the others are irrelevant, which the student has to find out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.numerics import checks
from ibjax.numerics.covariances import matmul

__all__ = [
    "LABEL_NOISE_VARIANCE",
    "TeacherStudent",
    "best_student",
    "draw_problem",
    "generalization_error",
    "mean_squared_error",
]

LABEL_NOISE_VARIANCE = 1.0
"""Variance of the labels' noise, fixed; ``snr`` scales the teacher."""


class TeacherStudent(NamedTuple):
    """Teacher and training set.

    Attributes:
      x: Training inputs, shape ``[num_samples, num_inputs]``.
      y: Their noisy labels, shape ``[num_samples, num_outputs]``.
      teacher: The teacher's weights, shape ``[num_outputs, num_inputs]``.
      weight_variance: Prior variance of each input's weights, 0 for an irrelevant
        input, shape ``[num_inputs]``.
    """

    x: jax.Array
    y: jax.Array
    teacher: jax.Array
    weight_variance: jax.Array

    @property
    def cov_x(self) -> jax.Array:
        """Covariance of the inputs, shape ``[num_inputs, num_inputs]``."""
        num_inputs = self.x.shape[1]
        return jnp.eye(num_inputs, dtype=self.x.dtype) / num_inputs

    @property
    def relevant(self) -> jax.Array:
        """Mask of the inputs that the teacher uses, shape ``[num_inputs]``."""
        return self.weight_variance > 0


def draw_problem(
    key: jax.Array,
    *,
    num_samples: int,
    num_inputs: int = 100,
    num_outputs: int = 1,
    num_relevant: int | None = None,
    snr: float = 1.0,
) -> TeacherStudent:
    """Random teacher and its training set.

    Args:
      key: Typed key.
      num_samples: Number of training samples.
      num_inputs: Number of inputs.
      num_outputs: Number of outputs.
      num_relevant: Number of inputs that the teacher uses, the first ones; all by
        default.
      snr: Variance of the teacher's weights over that of the labels' noise.

    Raises:
      ValueError: If a number is not positive or there are more relevant inputs than
        inputs.

    References:
      Advani and Saxe, `High-dimensional dynamics of generalization error in neural
      networks`, 2017. Saxe et al., `On the information bottleneck theory of deep
      learning`, ICLR 2018.

    Example:
      >>> problem = draw_problem(jax.random.key(0), num_samples=50, num_relevant=30)
      >>> print(problem.x.shape, problem.y.shape, problem.relevant.sum())
      (50, 100) (50, 1) 30
    """
    num_relevant = num_inputs if num_relevant is None else num_relevant
    checks.key("key", key)
    for name, number in (
        ("num_samples", num_samples),
        ("num_inputs", num_inputs),
        ("num_outputs", num_outputs),
        ("num_relevant", num_relevant),
    ):
        checks.count(name, number)
    snr = float(checks.positive("snr", snr))
    if num_relevant > num_inputs:
        raise ValueError(
            f"num_relevant must be at most num_inputs, {num_inputs}, got {num_relevant}"
        )
    # One flat draw: compiling a draw costs far more than running it.
    sizes = (num_samples * num_inputs, num_outputs * num_inputs)
    draws = jax.random.normal(key, (sum(sizes) + num_samples * num_outputs,))
    x = draws[: sizes[0]].reshape(num_samples, num_inputs) / num_inputs**0.5
    teacher = draws[sizes[0] : sum(sizes)].reshape(num_outputs, num_inputs)
    noise = draws[sum(sizes) :].reshape(num_samples, num_outputs)
    variance = jnp.where(jnp.arange(num_inputs) < num_relevant, snr, 0.0)
    teacher = teacher * jnp.sqrt(variance)[None]
    y = matmul(x, teacher.T) + LABEL_NOISE_VARIANCE**0.5 * noise
    return TeacherStudent(x, y, teacher, variance)


def generalization_error(problem: TeacherStudent, w: jax.Array) -> jax.Array:
    r"""Expected squared error of a linear student on new samples.

    For X of covariance S it is :math:`\mathrm{tr}[(A - W) S (A - W)^T]` plus the noise
    of the labels, here :math:`\|A - W\|_F^2` over the number of inputs plus the number
    of outputs. Saxe et al. write it without the division.

    The student is the product of all its weights, ``w [num_outputs, num_inputs]``; the
    error is summed over outputs, shape ``[]``.

    Example:
      >>> problem = draw_problem(jax.random.key(0), num_samples=50, snr=4.0)
      >>> print(generalization_error(problem, problem.teacher))
      1.0
    """
    checks.instance("problem", problem, TeacherStudent)
    num_outputs, num_inputs = problem.teacher.shape
    w = checks.shape("w", checks.real("w", w), [num_outputs, num_inputs])
    squares = jnp.sum((problem.teacher - w) ** 2) / num_inputs
    return squares + num_outputs * LABEL_NOISE_VARIANCE


def mean_squared_error(x: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """Squared error of a student, summed over outputs, mean over samples, shape ``[]``.

    Shapes are ``x [num_samples, num_inputs]``, ``y [num_samples, num_outputs]`` and
    ``w [num_outputs, num_inputs]``.

    Example:
      >>> print(mean_squared_error(jnp.eye(2), jnp.ones((2, 1)), jnp.ones((1, 2))))
      0.0
    """
    x = checks.shape("x", checks.real("x", x), ["num_samples", "num_inputs"])
    w = checks.shape("w", checks.real("w", w), ["num_outputs", x.shape[1]])
    y = checks.shape("y", checks.real("y", y), [len(x), len(w)])
    return jnp.mean(jnp.sum((y - matmul(x, w.T)) ** 2, axis=1))


def best_student(problem: TeacherStudent) -> jax.Array:
    r"""Student of least expected error, ``[num_outputs, num_inputs]``.

    It is the posterior mean of the teacher, :math:`Y^T (X D X^T + I)^{-1}
    X D` with the diagonal D of ``weight_variance``; where all inputs are relevant,
    ridge regression with the right penalty. Unlike a trained student, it knows which
    inputs are relevant and how noisy the labels are.

    Example:
      >>> problem = draw_problem(jax.random.key(0), num_samples=200)
      >>> error = generalization_error(problem, best_student(problem))
      >>> bool(error < generalization_error(problem, jnp.zeros((1, 100))))
      True
    """
    x, y, _, variance = checks.instance("problem", problem, TeacherStudent)
    scaled = x * variance[None]
    gram = matmul(scaled, x.T)
    gram = gram + LABEL_NOISE_VARIANCE * jnp.eye(len(x), dtype=x.dtype)
    root = jax.scipy.linalg.cho_factor(gram)
    return matmul(jax.scipy.linalg.cho_solve(root, y).T, scaled)
