r"""Information in the activities of a layer whose weights carry noise.

Weights that are known to :math:`\beta F^{-1}` only, the noise that the information in
the weights leaves at the trade-off :math:`\beta`, blur the activities, and so bound
what these tell of the input.

References:
  Achille and Soatto, `Where is the information in a deep neural network?`, 2019.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks

__all__ = ["activation_precision", "effective_information"]


def activation_precision(
    input_jacobian: ArrayLike,
    weight_jacobian: ArrayLike,
    fisher: ArrayLike,
    *,
    beta: ArrayLike,
) -> jax.Array:
    r"""Fisher information of the input in a layer whose weights carry noise.

    For the activities :math:`z = f_{w + n}(x)` with :math:`n \sim N(0, \beta F^{-1})`,
    to first order in the noise,

    .. math:: F_{z|x} = G^T (\beta J F^{-1} J^T)^{-1} G, \qquad
       G = \frac{\partial f}{\partial x}, \quad J = \frac{\partial f}{\partial w} .

    It does not depend on how the weights are parametrised. What the change of the
    covariance with x adds is not counted; it does not grow as beta falls.

    Args:
      input_jacobian: G, shape ``[num_units, num_inputs]``.
      weight_jacobian: J, shape ``[num_units, num_weights]``, of full row rank.
      fisher: Fisher matrix of the weights, positive definite, shape ``[num_weights,
        num_weights]``, or its diagonal, ``[num_weights]``.
      beta: The trade-off; it may be traced.

    Returns:
      The matrix, shape ``[num_inputs, num_inputs]``; not finite where a matrix that is
      to be inverted is singular.

    Raises:
      ValueError: If shapes do not fit, numbers are not finite, or ``beta`` is not
        positive.

    References:
      Achille and Soatto, 2019, with F printed for the inverse of J F^-1 J^T.

    Example:
      >>> print(activation_precision([[2.0]], [[1.0, 1.0]], [4.0, 4.0], beta=0.5))
      [[16.]]
    """
    g = checks.finite("input_jacobian", checks.floats("input_jacobian", input_jacobian))
    j = checks.floats("weight_jacobian", weight_jacobian)
    checks.finite("weight_jacobian", j)
    fisher = checks.finite("fisher", checks.floats("fisher", fisher))
    checks.shape("input_jacobian", g, ("num_units", "num_inputs"))
    why = "to match input_jacobian"
    checks.shape("weight_jacobian", j, (g.shape[0], "num_weights"), why=why)
    num = j.shape[1]
    checks.shape("fisher", fisher, (num,), (num, num), why="to match weight_jacobian")
    beta = checks.positive("beta", beta)
    return _precision(g, j, fisher, beta)


@exact_jit
def _precision(g, j, fisher, beta):
    if fisher.ndim == 1:
        spread = j.T / fisher[:, None]
    else:
        spread = jnp.linalg.solve(fisher, j.T)
    covariance = beta * (j @ spread)
    return g.T @ jnp.linalg.solve(covariance, g)


def effective_information(
    precisions: ArrayLike, *, input_entropy: ArrayLike
) -> jax.Array:
    r"""Effective information of the activities about the input, in nats.

    .. math:: I_\mathrm{eff}(x; z) = H(x)
       - E_x\, \frac12 \log \frac{(2 \pi e)^{\dim x}}{|F_{z|x}|} .

    Args:
      precisions: :func:`activation_precision` of every input, shape ``[num_samples,
        num_inputs, num_inputs]``.
      input_entropy: Differential entropy H(x) in nats.

    Returns:
      Effective information, shape ``[]``. It is minus infinity where there are fewer
      units than inputs, as z then leaves some of x open; rounding can make that a
      large negative number.

    Raises:
      ValueError: If ``precisions`` does not hold square matrices.

    References:
      Achille and Soatto, 2019.

    Example:
      >>> found = effective_information(100 * jnp.eye(2)[None], input_entropy=2.0)
      >>> print(f"{found:.4f} nats")
      3.7673 nats
    """
    checks.finite("input_entropy", checks.shape("input_entropy", input_entropy, ()))
    precisions = checks.floats("precisions", precisions)
    checks.shape("precisions", precisions, ("num_samples", "num_inputs", "num_inputs"))
    num = precisions.shape[2]
    checks.shape("precisions", precisions, ("num_samples", num, num))
    return _effective_information(precisions, input_entropy)


@exact_jit
def _effective_information(precisions, input_entropy):
    # By elimination, of all at once: a library's decomposition, beside others in one
    # program, can wait for ever on a CPU (jaxlib 0.10).
    def eliminate(row, state):
        left, log_det = state
        pivot = left[:, row, row]
        # A positive matrix has positive pivots, but for rounding where it is singular.
        log_det += jnp.log(jnp.where(pivot < 0, 0.0, pivot))
        column = left[:, :, row] / jnp.where(pivot > 0, pivot, 1.0)[:, None]
        return left - column[:, :, None] * left[:, row][:, None], log_det

    start = precisions, jnp.zeros(len(precisions), precisions.dtype)
    _, log_det = lax.fori_loop(0, precisions.shape[1], eliminate, start)
    num = precisions.shape[2]
    return input_entropy + jnp.mean(log_det - num * np.log(2 * np.pi * np.e)) / 2
