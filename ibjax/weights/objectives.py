"""Information in noisy weights relative to a log-uniform prior, and its objective."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.training.objectives import (
    Objective,
    ObjectiveFn,
    as_objective,
    cross_entropy,
    objective,
)
from ibjax.weights.posterior import AnyPosterior, LogNormalPosterior, Posterior

__all__ = ["log_uniform_bottleneck", "log_uniform_information"]


def log_uniform_information(posterior: AnyPosterior) -> jax.Array:
    r"""Information in noisy weights relative to a log-uniform prior, in nats.

    :math:`-\frac12 \sum_i \log \alpha_i`. Of log-normal factors :math:`\alpha_i` is the
    variance of their logarithm, at most one, and the divergence is exact but for a
    constant. Of Gaussian weights it is the variance of the noise relative to the
    weight, :math:`\alpha_i = \sigma_i^2 / \mu_i^2`, where it is below one: a weight
    that its noise hides counts nothing. The prior has no norm, so that the zero is an
    arbitrary one: nats are not those that a code of the weights would take, and no
    bound on the risk follows.

    Args:
      posterior: The posterior.

    Returns:
      The information, shape ``[]``.

    Raises:
      TypeError: If ``posterior`` is none.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018, prop. 4.1. Kingma, Salimans and Welling,
      `Variational dropout and the local reparameterization trick`, NeurIPS 2015, on
      noise that is at most as large as the weight.

    Example:
      >>> weights = Posterior(jnp.array([1.0, -1.0, 0.0]), jnp.array([-2.0, 0.5, -9.0]))
      >>> print(log_uniform_information(weights))
      2.0
    """
    checks.instance("posterior", posterior, Posterior, LogNormalPosterior)
    if isinstance(posterior, LogNormalPosterior):
        # Of logits: log_normal_information has none of a variance that underflows.
        logs = jax.tree.map(jax.nn.log_sigmoid, posterior.logit)
        return sum((-jnp.sum(log) / 2 for log in jax.tree.leaves(logs)), jnp.zeros(()))

    def of_array(mean, log_std):
        known = jnp.abs(mean) > jnp.exp(log_std)
        # Guarded twice: a weight of zero must not have an infinite slope.
        log_mean = jnp.log(jnp.abs(jnp.where(known, mean, 1.0)))
        return jnp.sum(jnp.where(known, log_mean - log_std, 0.0))

    found = jax.tree.map(of_array, posterior.mean, posterior.log_std)
    return sum(jax.tree.leaves(found), jnp.zeros(()))


def log_uniform_bottleneck(
    *, num_samples: int, beta: ArrayLike = 1.0, loss: ObjectiveFn | None = None
) -> Objective:
    """Lagrangian of the information relative to a log-uniform prior, per sample.

    As :func:`ibjax.weights.weight_bottleneck`, with :func:`log_uniform_information` in
    place of the divergence from a Gaussian.

    Args:
      num_samples: Number of training samples.
      beta: The trade-off for a summed loss. At 0 the loss alone is lowered: the
        information is recorded and not paid for.
      loss: Mean loss of a batch, an objective; the cross-entropy by default.

    Returns:
      The objective, for networks of :func:`ibjax.weights.noisy_weights`.

    Raises:
      ValueError: If ``num_samples`` is not positive or beta is negative.

    Example:
      >>> log_uniform_bottleneck(num_samples=100).name
      'cross_entropy + log_uniform_information'
    """
    checks.count("num_samples", num_samples)
    beta = checks.not_negative("beta", beta)
    loss = cross_entropy() if loss is None else as_objective(loss)
    default = beta

    def information(params, batch, key, *, network, beta: Any = default):
        del batch, key
        posterior, _ = network.split(params)
        checks.not_empty_tree("network", posterior, "weight to train")
        found = log_uniform_information(posterior)
        # Recorded by the name that all information in weights has.
        return beta / num_samples * found, {"weight_information": found}

    return loss + objective(
        information,
        "log_uniform_information",
        weighs=True,
        intervals={"beta": "[0, inf)"},
    )
