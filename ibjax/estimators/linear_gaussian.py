r"""Information of linear layers of Gaussian inputs, exactly.

A layer of a linear network is T = W X + Z, with W the product of the weights up to it
and Z ~ N(0, s^2 I). The network itself has no noise; Z is there for I(X;T) to be finite
and decides how fine a difference counts. Y = A X + E comes from a linear teacher A with
label noise E ~ N(0, v I). All is jointly Gaussian, so that every information is a
difference of log-determinants:

.. math::
    I(X;T) = \tfrac12 \log\det (I + W \Sigma W^T / s^2) = C(\Sigma), \qquad
    I(T;Y) = C(\Sigma) - C(\Sigma_{x|y}), \qquad
    I(X_b;T) = C(\Sigma) - C(\Sigma_{x|x_b}),

where :math:`\Sigma_{x|b}` is the covariance of X that is left when b is known. For a
part :math:`X_b` of the inputs the rest acts as noise. The parts do not add up to the
whole: for two that together are X, :math:`I(X;T) = I(X_1;T) + I(X_2;T|X_1)`, and given
the first the second is seen more clearly.

References:
  Saxe et al., `On the information bottleneck theory of deep learning`, ICLR 2018, the
  section on linear networks. Equation 6 there is printed without the factor 1/2 and
  without the covariance of the inputs; appendix G has the factor.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.layers import LayerInformation
from ibjax.numerics import checks
from ibjax.numerics.covariances import check_covariance, check_matrix, matmul

__all__ = ["input_information", "layer_information"]

# Components eliminated together: few passes over a large matrix, little work in each.
_BLOCK = 16


def layer_information(
    w: ArrayLike,
    cov_x: ArrayLike,
    teacher: ArrayLike,
    *,
    label_noise_variance: ArrayLike,
    noise_variance: ArrayLike,
) -> LayerInformation:
    """I(X;T) and I(T;Y) of a linear layer that learns from a linear teacher.

    :func:`ibjax.bottleneck.gaussian.linear_projection_information` is the same for any
    covariances of X, Y and the noise. It looks at the eigenvalues of them all to refuse
    those that no variables have, which takes much longer than the information itself.

    Args:
      w: Product of the weights up to the layer, shape ``[units, num_inputs]``.
      cov_x: Covariance of the inputs, shape ``[num_inputs, num_inputs]``.
      teacher: Weights A of the teacher, shape ``[num_outputs, num_inputs]``.
      label_noise_variance: Variance v of the labels' noise, not negative, shape ``[]``.
      noise_variance: Variance s^2 of the noise of T, positive, shape ``[]``.

    Returns:
      Information in nats. Under ``jit``, NaN if an argument is not finite or a variance
      out of range.

    Raises:
      ValueError: If shapes do not match or, outside of ``jit``, if ``cov_x`` is no
        covariance or a variance is out of range.
      TypeError: If an argument is not floating.

    References:
      Saxe et al., 2018; see the module's text.

    Example:
      >>> information = layer_information(
      ...     [[2.0]], [[1.0]], [[0.8]], label_noise_variance=0.36, noise_variance=1.0
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      0.8047 0.3587 nats
    """
    w, cov_x = _check_layer(w, cov_x)
    teacher = check_matrix("teacher", teacher)
    shape = ("num_outputs", len(cov_x))
    checks.shape("teacher", teacher, shape, why="to match cov_x")
    dtype = jnp.result_type(w, cov_x, teacher)
    label_noise_variance = checks.not_negative(
        "label_noise_variance", label_noise_variance
    )
    variance = jnp.asarray(label_noise_variance, dtype)
    noise_variance = checks.positive("noise_variance", noise_variance)
    noise = _noise_std(noise_variance, dtype)
    w, cov_x, teacher = (array.astype(dtype) for array in (w, cov_x, teacher))
    return _layer_information(w, cov_x, teacher, variance, noise)


def input_information(
    w: ArrayLike,
    cov_x: ArrayLike,
    inputs: ArrayLike,
    *,
    noise_variance: ArrayLike,
) -> jax.Array:
    r"""I(X_b;T) of some of a linear layer's inputs, the others acting as noise.

    Args:
      w: Product of the weights up to the layer, shape ``[units, num_inputs]``.
      cov_x: Covariance of the inputs, shape ``[num_inputs, num_inputs]``. The inputs
        may depend on each other.
      inputs: Which inputs are meant, booleans of shape ``[num_inputs]``. All give
        I(X;T), none give 0.
      noise_variance: Variance s^2 of the noise of T, positive, shape ``[]``.

    Returns:
      Information in nats, shape ``[]``. NaN as for :func:`layer_information`.

    Raises:
      ValueError: If shapes do not match or, outside of ``jit``, if ``cov_x`` is no
        covariance or the variance is out of range.
      TypeError: If ``inputs`` are not booleans or another argument is not floating.

    References:
      Saxe et al., 2018, on task-relevant and task-irrelevant information.

    Example:
      >>> w, mask = jnp.array([[1.0, 3.0]]), jnp.array([True, False])
      >>> found = input_information(w, jnp.eye(2), mask, noise_variance=1.0)
      >>> print(f"{found:.4f} nats, {jnp.log(11 / 10) / 2:.4f} by hand")
      0.0477 nats, 0.0477 by hand
    """
    w, cov_x = _check_layer(w, cov_x)
    inputs = checks.booleans("inputs", inputs)
    checks.shape("inputs", inputs, (len(cov_x),), why="to match cov_x")
    dtype = jnp.result_type(w, cov_x)
    noise_variance = checks.positive("noise_variance", noise_variance)
    noise = _noise_std(noise_variance, dtype)
    return _input_information(w.astype(dtype), cov_x.astype(dtype), inputs, noise)


@exact_jit
def _layer_information(w, cov_x, teacher, label_noise_variance, noise_std):
    num_outputs = teacher.shape[0]
    chex.assert_shape([w, teacher], (None, len(cov_x)))
    cov_xy = matmul(cov_x, teacher.T)
    # Eliminating Y from the covariance of Y and X leaves that of X given Y.
    noise = label_noise_variance * jnp.eye(num_outputs, dtype=w.dtype)
    joint = jnp.block([[matmul(teacher, cov_xy) + noise, cov_xy.T], [cov_xy, cov_x]])
    is_label = jnp.arange(len(joint)) < num_outputs
    left = _eliminate(joint, is_label)[0][num_outputs:, num_outputs:]
    i_xt = _capacity(w, cov_x, noise_std)
    i_ty = i_xt - _capacity(w, left, noise_std)
    return LayerInformation(i_xt, jnp.where(label_noise_variance >= 0, i_ty, jnp.nan))


@exact_jit
def _input_information(w, cov_x, inputs, noise_std):
    left = _eliminate(cov_x, inputs)[0]
    i_xt = _capacity(w, cov_x, noise_std)
    return i_xt - _capacity(w, left, noise_std)


def _noise_std(noise_variance, dtype):
    """Deviation of noise whose variance the dtype may not hold; NaN if negative."""
    sqrt = jnp.sqrt if checks.is_traced(noise_variance) else np.sqrt
    return jnp.asarray(sqrt(noise_variance), dtype)


def _capacity(w, cov_x, noise_std):
    """C of the module's text."""
    w = w / noise_std
    signal = matmul(matmul(w, cov_x), w.T)
    every = jnp.ones(len(w), bool)
    pivots = _eliminate(jnp.eye(len(w), dtype=w.dtype) + signal, every)[1]
    return jnp.where(noise_std > 0, jnp.sum(jnp.log(pivots)) / 2, jnp.nan)


def _eliminate(cov, known):
    """The covariance left when the components ``known`` are, and their variances then.

    Each is eliminated in its turn; one that those before it determine is left out, with
    a variance of 1. A Cholesky factor would do for the determinant, but XLA's CPU
    backend can lock up for good in a program that factors several batches of matrices.
    """
    num = len(cov)
    size = min(num, _BLOCK)
    padding = -num % size
    smallest = num * jnp.finfo(cov.dtype).eps * jnp.diagonal(cov)
    smallest = jnp.pad(smallest, (0, padding))
    known = jnp.pad(known, (0, padding))
    cov = jnp.pad(cov, ((0, padding), (0, padding)))

    def one_block(cov, start):
        # Rows of one block eliminate each other; the others follow in one product.
        def one(rows, place):
            row = rows[place]
            pivot = row[start + place]
            # NaN goes on: it is not at most anything.
            present = known[start + place] & ~(pivot <= smallest[start + place])
            pivot = jnp.where(present, pivot, 1)
            row = jnp.where(present, row, 0)
            rows = rows - rows[:, start + place][:, None] * (row / pivot)[None, :]
            return rows, (row, pivot)

        rows = lax.dynamic_slice_in_dim(cov, start, size)
        _, (rows, pivots) = lax.scan(one, rows, jnp.arange(size))
        return cov - matmul((rows / pivots[:, None]).T, rows), pivots

    cov, pivots = lax.scan(one_block, cov, jnp.arange(0, num, size))
    return cov[:num, :num], pivots.reshape(-1)


def _check_layer(w, cov_x):
    w, cov_x = check_matrix("w", w), check_covariance("cov_x", cov_x)
    return checks.shape("w", w, ("units", len(cov_x)), why="to match cov_x"), cov_x
