r"""Learning from a noisy linear teacher, where every error has a formula.

Inputs are X ~ N(0, I / num_inputs), labels Y = A X + E with E ~ N(0, I). The teacher's
weights are normal with the variance ``snr``, the signal-to-noise ratio, so that a label
has the variance ``snr`` from the teacher and 1 from noise. The teacher may look at the
first inputs only; the others are irrelevant to the task, which a student has to find
out.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

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
"""Variance of the labels' noise; the teacher's scale is what varies."""


class TeacherStudent(NamedTuple):
    """A teacher and what it says of a sample.

    Attributes:
      x: Training inputs, shape ``[num_samples, num_inputs]``.
      y: Their noisy labels, shape ``[num_samples, num_outputs]``.
      teacher: The teacher's weights, shape ``[num_outputs, num_inputs]``.
      weight_variance: Variance that each input's weights were drawn with, 0 for an
        irrelevant input, shape ``[num_inputs]``.
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
        """Which inputs the teacher looks at, booleans, shape ``[num_inputs]``."""
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
    """Draw a teacher and its training set.

    Args:
      key: Typed key.
      num_samples: Number of training samples.
      num_inputs: Number of inputs.
      num_outputs: Number of outputs.
      num_relevant: How many inputs the teacher looks at, the first ones; all by
        default.
      snr: Variance of the teacher's weights over that of the labels' noise.

    Returns:
      The problem.

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
    for name, number in (
        ("num_samples", num_samples),
        ("num_inputs", num_inputs),
        ("num_outputs", num_outputs),
        ("num_relevant", num_relevant),
        ("snr", snr),
    ):
        if not isinstance(number, jax.core.Tracer) and not number > 0:
            raise ValueError(f"{name} must be positive, got {number}")
    if num_relevant > num_inputs:
        raise ValueError(
            f"num_relevant must be at most num_inputs, {num_inputs}, got {num_relevant}"
        )
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
    r"""Mean squared error of a linear student on new samples, exactly.

    For X of covariance S it is :math:`\mathrm{tr}[(A - W) S (A - W)^T]` plus the noise
    of the labels, here :math:`\|A - W\|_F^2` over the number of inputs plus the number
    of outputs. Saxe et al. write it without the division.

    Args:
      problem: The problem.
      w: The student, the product of all its weights, shape ``[num_outputs,
        num_inputs]``.

    Returns:
      Squared error summed over outputs, shape ``[]``.

    Example:
      >>> problem = draw_problem(jax.random.key(0), num_samples=50, snr=4.0)
      >>> print(generalization_error(problem, problem.teacher))
      1.0
    """
    num_outputs, num_inputs = problem.teacher.shape
    squares = jnp.sum((problem.teacher - w) ** 2) / num_inputs
    return squares + num_outputs * LABEL_NOISE_VARIANCE


def mean_squared_error(x: jax.Array, y: jax.Array, w: jax.Array) -> jax.Array:
    """Mean squared error of a linear student on samples.

    Args:
      x: Inputs, shape ``[num_samples, num_inputs]``.
      y: Labels, shape ``[num_samples, num_outputs]``.
      w: The student, shape ``[num_outputs, num_inputs]``.

    Returns:
      Squared error summed over outputs, mean over samples, shape ``[]``.

    Example:
      >>> print(mean_squared_error(jnp.eye(2), jnp.ones((2, 1)), jnp.ones((1, 2))))
      0.0
    """
    return jnp.mean(jnp.sum((y - matmul(x, w.T)) ** 2, axis=1))


def best_student(problem: TeacherStudent) -> jax.Array:
    r"""The student that no other beats on average, given the training set.

    It is the mean of the teacher given the training set, :math:`Y^T (X D X^T + I)^{-1}
    X D` with the diagonal D of ``weight_variance``; where all inputs are relevant,
    ridge regression of the right penalty. It knows which inputs are relevant and how
    noisy labels are, which a trained student does not.

    Args:
      problem: The problem.

    Returns:
      Weights, shape ``[num_outputs, num_inputs]``.

    Example:
      >>> problem = draw_problem(jax.random.key(0), num_samples=200)
      >>> error = generalization_error(problem, best_student(problem))
      >>> bool(error < generalization_error(problem, jnp.zeros((1, 100))))
      True
    """
    x, y, _, variance = problem
    scaled = x * variance[None]
    gram = matmul(scaled, x.T)
    gram = gram + LABEL_NOISE_VARIANCE * jnp.eye(len(x), dtype=x.dtype)
    root = jax.scipy.linalg.cho_factor(gram)
    return matmul(jax.scipy.linalg.cho_solve(root, y).T, scaled)
