r"""What noisy weights do to a layer's activities: flat minima, invariance, chains.

Weights carry multiplicative noise, :math:`w = \epsilon \hat w` with :math:`\log
\epsilon \sim N(-\alpha / 2, \alpha)`, of mean one and variance :math:`e^\alpha - 1`.
Under a log-uniform prior their information is :math:`-\frac12 \sum_i \log \alpha_i`
plus a constant that this improper prior leaves open: only differences mean something,
and no bound on the risk follows from it.

References:
  Achille and Soatto, `Emergence of invariance and disentanglement in deep
  representations`, JMLR 19, 2018.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.scales import power_of_two, root_of_squares

__all__ = [
    "FlatMinimum",
    "chain_bound",
    "flat_minimum",
    "flat_minimum_bound",
    "layer_information_plus_total_correlation",
    "noise_of_information",
    "unit_information",
]


class FlatMinimum(NamedTuple):
    """Best multiplicative noise at a minimum.

    Attributes:
      information: Information in the weights in nats, up to a constant, shape ``[]``.
      alphas: Variance of the log of every weight's noise, shape ``[num_weights]``.
    """

    information: jax.Array
    alphas: jax.Array


def flat_minimum(
    weights: ArrayLike, hessian_diagonal: ArrayLike, *, beta: ArrayLike
) -> FlatMinimum:
    r"""Best multiplicative noise at a minimum, and the information that it leaves.

    It minimises :math:`\frac12 \sum_i h_{ii} \hat w_i^2 \alpha_i - \frac\beta2 \sum_i
    \log \alpha_i`, so that :math:`\alpha_i = \beta / (h_{ii} \hat w_i^2)`.

    Args:
      weights: The minimum, shape ``[num_weights]``.
      hessian_diagonal: Diagonal of the Hessian of the summed loss, positive, same
        shape.
      beta: The trade-off; it may be traced.

    Returns:
      The information, up to a constant, and the noise. A weight that is zero, or has no
      curvature, has infinite noise and an information of minus infinity; where the
      curvature is negative both are NaN.

    Raises:
      ValueError: If shapes differ, a number is not finite or ``beta`` not positive.

    References:
      Achille and Soatto, 2018, proof of prop. 4.3, where beta is halved.

    Example:
      >>> found = flat_minimum([1.0, 2.0], [1.0, 3.0], beta=0.01)
      >>> print(f"{found.information:.3f} nats", found.alphas)
      5.848 nats [0.01       0.00083333]
    """
    weights = checks.finite("weights", checks.floats("weights", weights))
    curvature = checks.floats("hessian_diagonal", hessian_diagonal)
    checks.finite("hessian_diagonal", curvature)
    checks.shape("weights", weights, ("num_weights",))
    checks.same_shape(weights=weights, hessian_diagonal=curvature)
    beta = checks.positive("beta", beta)
    return _flat_minimum(weights, curvature, beta)


@exact_jit
def _flat_minimum(weights, curvature, beta):
    logs = jnp.log(curvature) + 2 * jnp.log(jnp.abs(weights)) - jnp.log(beta)
    return FlatMinimum(jnp.sum(logs) / 2, jnp.exp(-logs))


def flat_minimum_bound(
    weights: ArrayLike, hessian_trace: ArrayLike, *, beta: ArrayLike
) -> jax.Array:
    r"""Bound on the information at a minimum, by its flatness and the weights' length.

    .. math:: \frac K2 \Big[ \log |\hat w|^2 + \log \mathrm{tr} H
       - \log (K^2 \beta) \Big],

    for K weights: Jensen's inequality twice on :func:`flat_minimum`, and equal to it
    where all curvatures and all squared weights are equal.

    Args:
      weights: The minimum, shape ``[num_weights]``.
      hessian_trace: Trace of the Hessian of the summed loss; its nuclear norm at a
        minimum.
      beta: The trade-off; it may be traced.

    Returns:
      The bound in nats, up to the same constant, shape ``[]``.

    Raises:
      ValueError: If ``weights`` is no finite vector or a number is not positive.

    References:
      Achille and Soatto, 2018, prop. 4.3, printed with beta / 2, which is looser, and
      with a factor K at the last term alone.

    Example:
      >>> bound = flat_minimum_bound(jnp.ones(30), 30.0, beta=1e-4)
      >>> print(f"{bound:.4f} nats")
      138.1551 nats
    """
    weights = checks.finite("weights", checks.floats("weights", weights))
    checks.shape("weights", weights, ("num_weights",))
    hessian_trace = checks.positive("hessian_trace", hessian_trace)
    beta = checks.positive("beta", beta)
    num = len(weights)
    # Means in place of sums: the square of K divides out.
    log_mean_square = 2 * jnp.log(root_of_squares(weights)) - jnp.log(num)
    log_mean_curvature = jnp.log(hessian_trace) - jnp.log(num)
    return num / 2 * (log_mean_square + log_mean_curvature - jnp.log(beta))


def noise_of_information(information: ArrayLike, num_weights: int) -> jax.Array:
    r"""Noise :math:`\alpha = e^{-2 I / K}` of K weights that share an information.

    Args:
      information: Information in the weights in nats, up to a constant, any shape.
      num_weights: How many weights share it.

    Returns:
      Variance of the log of the noise.

    Raises:
      ValueError: If ``num_weights`` is no positive whole number.

    References:
      Achille and Soatto, 2018, prop. 5.2, printed without the factor 2.

    Example:
      >>> alphas = jnp.full(10, 0.3)
      >>> print(noise_of_information(-jnp.sum(jnp.log(alphas)) / 2, 10))
      0.3
    """
    checks.count("num_weights", num_weights)
    return jnp.exp(-2 * checks.floats("information", information) / num_weights)


def unit_information(alpha: ArrayLike) -> jax.Array:
    r"""Information :math:`g(\alpha) = -\frac12 \log (1 - e^{-\alpha})` of one unit.

    It falls as the noise of the weights grows, and is the only part of
    :func:`layer_information_plus_total_correlation` that depends on the noise.

    Args:
      alpha: Variance of the log of the noise, positive, any shape.

    Returns:
      Information in nats; infinite without noise.

    References:
      Achille and Soatto, 2018, prop. 5.2.

    Example:
      >>> print(f"{unit_information(0.1):.4f} nats")
      1.1761 nats
    """
    return -jnp.log(-jnp.expm1(-checks.floats("alpha", alpha))) / 2


def layer_information_plus_total_correlation(
    weights: ArrayLike, x: ArrayLike, *, alpha: ArrayLike
) -> jax.Array:
    r"""I(x;z) + TC(z) of a linear layer z = W x with multiplicative noise, in nats.

    Noise in the weights makes z invariant, with little I(x;z), and disentangled, with
    little total correlation TC(z). For Gaussian marginals and :math:`\tilde\alpha =
    e^\alpha - 1`,

    .. math::
        I(x;z) + \mathrm{TC}(z) = -\frac12 \sum_i E_x \log
        \frac{\tilde\alpha \sum_j w_{ij}^2 x_j^2}
        {w_i \mathrm{Cov}(x) w_i^T + \tilde\alpha \sum_j w_{ij}^2 E x_j^2} .

    For uncorrelated inputs of mean zero every unit adds :func:`unit_information` and a
    constant that does not depend on the noise.

    Args:
      weights: Means of the weights, shape ``[num_units, num_inputs]``.
      x: Inputs over which expectations are taken, shape ``[num_samples, num_inputs]``.
      alpha: Variance of the log of the noise, positive; it may be traced.

    Returns:
      The sum in nats, shape ``[]``; infinite where an input gives a unit nothing but
      zeros, as every input does where all weights of the unit are zero.

    Raises:
      ValueError: If shapes do not fit, numbers are not finite, or ``alpha`` is not
        positive.

    References:
      Achille and Soatto, 2018, props. 5.1 and 5.2.

    Example:
      >>> x = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
      >>> total = layer_information_plus_total_correlation(
      ...     [[2.0, 3.0]], x, alpha=0.1
      ... )
      >>> print(f"{total:.4f} {unit_information(0.1):.4f}")
      1.1761 1.1761
    """
    weights = checks.finite("weights", checks.floats("weights", weights))
    x = checks.finite("x", checks.floats("x", x))
    checks.shape("weights", weights, ("num_units", "num_inputs"))
    num_inputs = weights.shape[1]
    checks.shape("x", x, ("num_samples", num_inputs), why="to match weights")
    alpha = checks.positive("alpha", alpha)
    return _information_plus_correlation(weights, x, alpha)


@exact_jit
def _information_plus_correlation(weights, x, alpha):
    # Only ratios of variances matter, and squares may be out of range.
    weights /= power_of_two(jnp.max(jnp.abs(weights), axis=1, keepdims=True))
    x /= power_of_two(jnp.max(jnp.abs(x)))
    squares = x**2 @ (weights**2).T
    mean = jnp.mean(squares, axis=0)
    centred = x - jnp.mean(x, axis=0, keepdims=True)
    signal = jnp.mean((centred @ weights.T) ** 2, axis=0)
    # The noise of large alpha is out of range, and divides out but of the signal.
    of_signal = jnp.log1p(signal / jnp.where(mean > 0, mean, 1.0) / jnp.expm1(alpha))
    away = jnp.where(squares == 0, jnp.inf, jnp.log(mean)[None] - jnp.log(squares))
    return jnp.sum(of_signal + jnp.mean(away, axis=0)) / 2


def chain_bound(alphas: ArrayLike, widths: ArrayLike) -> jax.Array:
    r"""Bound :math:`\min_k \dim(z_{k+1}) [g(\alpha_k) + 1]` on what a last layer knows.

    By the data processing inequality the last layer knows no more of the input than the
    layer that lets least through. The one stands for the constant of
    :func:`layer_information_plus_total_correlation`, which is smaller for Gaussian
    inputs. It is an upper bound only: other layers may lose more.

    Args:
      alphas: Variance of the log of the noise of every layer's weights, positive,
        shape ``[num_layers]``.
      widths: Number of units of every layer, shape ``[num_layers]``.

    Returns:
      The bound in nats, shape ``[]``.

    Raises:
      ValueError: If the shapes differ.

    References:
      Achille and Soatto, 2018, sec. 5.

    Example:
      >>> print(f"{chain_bound([0.1, 0.5], [100, 10]):.2f} nats")
      14.66 nats
    """
    alphas = checks.shape("alphas", checks.floats("alphas", alphas), ("num_layers",))
    widths = checks.floats("widths", widths)
    checks.same_shape(alphas=alphas, widths=widths)
    return jnp.min(widths * (unit_information(alphas) + 1))
