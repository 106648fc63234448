r"""Information in the weights of a Gaussian posterior, and of the best one of all.

The Lagrangian of a posterior Q against a prior P is

.. math:: C_\beta(Q) = E_Q L(w) + \beta\, \mathrm{KL}(Q \| P),

with a loss L that is *summed* over the training samples: at :math:`\beta = 1` it is the
negative evidence lower bound. For a mean loss over n samples the same posterior belongs
to :math:`\beta / n`. Of all posteriors the Gibbs distribution
:math:`P e^{-L / \beta} / Z` is best. Among Gaussians around a minimum of a quadratic
loss there is a closed form.

References:
  Achille and Soatto, `Where is the information in a deep neural network?`, 2019.
  Achille, Mbeng, Paolini and Soatto, `The information complexity of learning tasks,
  their structure and their distance`, Information and Inference 10, 2021.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.numerics import checks
from ibjax.numerics.logarithms import expm1_minus_x, x_minus_log1p

__all__ = [
    "GaussianInformation",
    "GibbsPosterior",
    "gaussian_information",
    "gaussian_lagrangian",
    "gibbs_posterior",
]


class GaussianInformation(NamedTuple):
    """Best Gaussian posterior around a minimum.

    Attributes:
      information: KL from the prior in nats, shape ``[]``.
      noise_variances: Variance of the weights along each eigenvector of the Hessian,
        shape ``[num_weights]``.
    """

    information: jax.Array
    noise_variances: jax.Array


class GibbsPosterior(NamedTuple):
    """Best posterior of all, on a table of weights.

    Attributes:
      posterior: Its probabilities, in the shape of the loss.
      value: Least value of the Lagrangian, in units of the loss, shape ``[]``.
      information: KL from the prior in nats, shape ``[]``. It is the derivative of the
        value by beta.
    """

    posterior: jax.Array
    value: jax.Array
    information: jax.Array


def gaussian_information(
    mean: ArrayLike,
    hessian_eigenvalues: ArrayLike,
    *,
    prior_variance: ArrayLike,
    beta: ArrayLike,
) -> GaussianInformation:
    r"""Information in the weights at a minimum with a given Hessian, in nats.

    For the prior :math:`N(0, \lambda^2 I)` and Gaussian posteriors around the minimum
    :math:`w^*`, the best covariance is :math:`\beta (H + \beta I / \lambda^2)^{-1}`,
    and with :math:`s_j = \lambda^2 h_j / \beta`

    .. math::
        \mathrm{KL} = \frac{|w^*|^2}{2 \lambda^2} + \frac12 \sum_j
        \Big[ \log (1 + s_j) - \frac{s_j}{1 + s_j} \Big] .

    A direction in which the loss is flat keeps the variance of the prior and costs
    nothing, so that a Hessian of low rank may be given by what is not zero of its
    spectrum, but for the variances.

    Args:
      mean: The minimum :math:`w^*`, shape ``[num_weights]``; in any basis, as only its
        length counts.
      hessian_eigenvalues: Eigenvalues :math:`h_j` of the Hessian of the loss, summed
        over samples, shape ``[num_eigenvalues]``.
      prior_variance: The prior's variance :math:`\lambda^2`; it may be traced.
      beta: The trade-off; it may be traced.

    Returns:
      The information and the variances. Both are NaN where an eigenvalue is so negative
      that no posterior is best, at :math:`-\beta / \lambda^2` or below.

    Raises:
      ValueError: If an array is no vector or not finite, or a number is not positive.

    References:
      Achille and Soatto, 2019, where the covariance is printed as that of half the
      Hessian, :math:`\frac\beta2 (H + \frac{\beta}{2 \lambda^2} I)^{-1}`.

    Example:
      >>> found = gaussian_information(
      ...     [1.0, -0.5], [50.0, 0.0], prior_variance=4.0, beta=0.05
      ... )
      >>> print(f"{found.information:.4f} nats", found.noise_variances)
      3.8035 nats [9.997501e-04 4.000000e+00]
    """
    arguments = _checked(mean, hessian_eigenvalues, prior_variance, beta)
    return _gaussian_information(*arguments)


@exact_jit
def _gaussian_information(mean, values, prior_variance, beta):
    s, log1p_s = _curvatures(values, prior_variance, beta)
    # log(1 + s) - s / (1 + s) is -u - log(1 - u) for u = s / (1 + s), where flat
    # directions, by far the most, do not cancel. Of steep ones u is one, to rounding.
    steep = s > 1
    flat = jnp.where(steep, 0.0, s)
    share = 1 / (1 + 1 / jnp.where(steep, s, 1.0))
    costs = jnp.where(steep, log1p_s - share, x_minus_log1p(-flat / (1 + flat)))
    variances = prior_variance / (1 + s)
    # Where s is out of range, so is one beside it.
    of_loss = beta / jnp.where(jnp.isinf(s), values, 1.0)
    variances = jnp.where(jnp.isinf(s), of_loss, variances)
    length = _square_over(mean, prior_variance)
    return GaussianInformation(length / 2 + jnp.sum(costs) / 2, variances)


def _curvatures(values, prior_variance, beta):
    r"""Ratios :math:`s_j`, NaN where no posterior is best, and log(1 + s_j)."""
    product = values * prior_variance
    # Of numbers whose product float32 does not hold, the ratio may be ordinary.
    lost = (product == 0) | jnp.isinf(product)
    s = jnp.where(lost, values * (prior_variance / beta), product / beta)
    s = jnp.where(jnp.all(s > -1), s, jnp.nan)
    beyond = jnp.isinf(s)
    log_s = jnp.log(jnp.where(beyond, values, 1.0))
    log_s += jnp.log(prior_variance) - jnp.log(beta)
    return s, jnp.where(beyond, log_s, jnp.log1p(jnp.where(beyond, 0.0, s)))


def _square_over(mean, variance):
    """Squared length over a variance, where the square alone may be out of range."""
    square = jnp.sum(mean**2)
    in_range = (square >= jnp.finfo(mean.dtype).tiny) & jnp.isfinite(square)
    in_units = jnp.where(in_range, 0.0, mean) / jnp.sqrt(variance)
    usual = jnp.where(in_range, square, 0.0) / variance
    return jnp.where(in_range, usual, jnp.sum(in_units**2))


def gaussian_lagrangian(
    mean: ArrayLike,
    hessian_eigenvalues: ArrayLike,
    *,
    loss: ArrayLike,
    prior_variance: ArrayLike,
    beta: ArrayLike,
) -> jax.Array:
    r"""Least value of the Lagrangian over Gaussian posteriors around a minimum.

    .. math::
        C_\beta = L(w^*) + \frac{\beta |w^*|^2}{2 \lambda^2}
        + \frac\beta2 \log \det (I + \lambda^2 H / \beta) .

    Its derivative by :math:`\beta` is the information of
    :func:`gaussian_information`.

    Args:
      mean: The minimum :math:`w^*`, shape ``[num_weights]``.
      hessian_eigenvalues: Eigenvalues of the Hessian, shape ``[num_eigenvalues]``.
      loss: Loss at the minimum, summed over samples.
      prior_variance: The prior's variance :math:`\lambda^2`; it may be traced.
      beta: The trade-off; it may be traced.

    Returns:
      The value, in units of the loss, shape ``[]``; NaN as for
      :func:`gaussian_information`.

    Raises:
      ValueError: If an array is no vector or not finite, or a number is not positive.

    References:
      Achille and Soatto, 2019.

    Example:
      >>> value = gaussian_lagrangian(
      ...     [1.0], [50.0], loss=0.0, prior_variance=4.0, beta=0.05
      ... )
      >>> print(f"{value:.4f}")
      0.2136
    """
    checks.shape("loss", checks.floats("loss", loss), ())
    arguments = _checked(mean, hessian_eigenvalues, prior_variance, beta)
    return _gaussian_lagrangian(*arguments, loss)


@exact_jit
def _gaussian_lagrangian(mean, values, prior_variance, beta, loss):
    _, log1p_s = _curvatures(values, prior_variance, beta)
    return loss + beta * (_square_over(mean, prior_variance) + jnp.sum(log1p_s)) / 2


def gibbs_posterior(
    loss: ArrayLike, prior: ArrayLike, *, beta: ArrayLike
) -> GibbsPosterior:
    r"""Best posterior :math:`P e^{-L / \beta} / Z` on a table of weights.

    The table may have any number of axes, one for each weight of a grid, say. The least
    value of the Lagrangian is :math:`-\beta \log Z`.

    Args:
      loss: Loss of every cell, summed over samples, shape ``[...]``.
      prior: Its prior probability, same shape; divided by its sum.
      beta: The trade-off; it may be traced.

    Returns:
      The posterior, the value and the information.

    Raises:
      ValueError: If the shapes differ, a loss is not finite, a probability negative,
        all of them are zero or ``beta`` is not positive.
      TypeError: If one of them is no array of numbers.

    References:
      Achille and Soatto, 2019. Catoni, `PAC-Bayesian supervised
      classification`, 2007.

    Example:
      >>> found = gibbs_posterior([0.0, 1.0], [0.5, 0.5], beta=0.5)
      >>> print(f"{found.posterior[0]:.4f}, {found.information:.4f} nats")
      0.8808, 0.3278 nats
    """
    loss = checks.finite("loss", checks.floats("loss", loss))
    prior = checks.floating("prior", checks.jax_array("prior", prior))
    checks.within("prior", prior, "[0, inf)")
    checks.same_shape(loss=loss, prior=prior)
    if not checks.is_traced(prior) and not bool(jnp.any(prior > 0)):
        raise ValueError(f"prior must have a positive sum, got {prior}")
    beta = checks.positive("beta", beta)
    return _gibbs_posterior(loss, prior, beta)


@exact_jit
def _gibbs_posterior(loss, prior, beta):
    prior = prior / jnp.sum(prior)
    # Relative to the least possible loss: not all exponentials underflow.
    possible = prior > 0
    least = jnp.min(jnp.where(possible, loss, jnp.inf))
    excess = jnp.where(possible, loss - least, 0.0) / beta
    # Where beta is large Z is nearly one, and what it lacks is all that counts.
    lacks = -jnp.sum(prior * jnp.expm1(-excess))
    near_one = lacks < 0.5
    log_z = jax.nn.logsumexp(-excess, b=prior)
    log_z = jnp.where(near_one, jnp.log1p(-jnp.where(near_one, lacks, 0.0)), log_z)
    # Logarithms of p / q; e^-1000 is no float.
    logs = jnp.minimum(excess + log_z, 1e3)
    ratio = jnp.exp(-logs)
    # Terms 1 - (q / p) (1 - log q / p) of the divergence, none of them negative.
    is_near = jnp.abs(logs) < 1
    near = ratio * expm1_minus_x(jnp.where(is_near, logs, 0.0))
    information = jnp.sum(prior * jnp.where(is_near, near, 1 - ratio * (1 + logs)))
    return GibbsPosterior(prior * ratio, least - beta * log_z, information)


def _checked(mean, hessian_eigenvalues, prior_variance, beta):
    """Arguments as arrays, checked."""
    mean = checks.finite("mean", checks.floats("mean", mean))
    values = checks.floats("hessian_eigenvalues", hessian_eigenvalues)
    checks.finite("hessian_eigenvalues", values)
    checks.shape("mean", mean, ("num_weights",))
    checks.shape("hessian_eigenvalues", values, ("num_eigenvalues",))
    prior_variance = checks.positive("prior_variance", prior_variance)
    beta = checks.positive("beta", beta)
    return mean, values, prior_variance, beta
