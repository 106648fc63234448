r"""Objectives of noisy weights: a price that is led to its value, another prior."""

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

__all__ = ["annealed", "log_uniform_bottleneck", "log_uniform_information"]


def annealed(
    bottleneck: Objective,
    *,
    start: float,
    num_epochs: int,
    hold: int = 0,
    beta: ArrayLike = 1.0,
) -> Objective:
    r"""An objective whose beta is first another, and is led to its value by epochs.

    Noise that is paid for from the first step on can hide all that there is to learn:
    weights then fall back to the prior and never leave it, even where a network that
    has learned lowers the objective further. Led up from a small price, networks learn
    first, and forget what is not worth its price.

    Args:
      bottleneck: An objective that takes ``beta``, as :func:`ibjax.weights.
        weight_bottleneck`; numbers it takes besides keep their defaults.
      start: Price at first, positive.
      num_epochs: Epoch from which on the price is beta.
      hold: Epochs at the price ``start``; from then on it changes by one factor every
        epoch.
      beta: The last price, positive, where a sweep does not vary it.

    Returns:
      The objective, which takes ``beta``.

    Raises:
      ValueError: If a number is not positive, ``hold`` is not below ``num_epochs``, or
        ``bottleneck`` takes no ``beta``.

    Example:
      >>> from ibjax import datasets, networks, weights
      >>> bottleneck = weights.weight_bottleneck(num_samples=2)
      >>> led = annealed(bottleneck, start=0.01, num_epochs=10, hold=2)
      >>> sorted(led.keywords), led.intervals
      (['beta', 'epoch', 'network'], {'beta': '(0, inf)'})
    """
    checks.function("bottleneck", bottleneck)
    bottleneck = as_objective(bottleneck)
    checks.holds("the numbers of bottleneck", bottleneck.keywords, "beta")
    start = checks.positive("start", start)
    beta = checks.positive("beta", beta)
    checks.count("num_epochs", num_epochs)
    checks.whole("hold", hold, f"[0, {num_epochs})")
    takes_network = "network" in bottleneck.keywords
    last = beta

    def loss(params, batch, key, *, network, epoch, beta=last):
        left = jnp.clip((num_epochs - epoch) / (num_epochs - hold), 0.0, 1.0)
        price = jnp.exp(left * jnp.log(start) + (1.0 - left) * jnp.log(beta))
        own = {"network": network} if takes_network else {}
        return bottleneck(params, batch, key, beta=price, **own)

    kinds = [set(term.targets) for term in bottleneck.terms]
    outputs = [term.output for term in bottleneck.terms if term.output is not None]
    return objective(
        loss,
        f"{bottleneck.name}, beta from {start:g} in epochs {hold} to {num_epochs}",
        targets=sorted(set.intersection(*kinds)),
        output=outputs[0] if outputs else None,
        weighs=bottleneck.weighs,
        intervals={"beta": "(0, inf)"},
    )


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
      beta: The trade-off for a summed loss.
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
        found = log_uniform_information(network.split(params)[0])
        # Recorded by the name that all information in weights has.
        return beta / num_samples * found, {"weight_information": found}

    return loss + objective(
        information,
        "log_uniform_information",
        weighs=True,
        intervals={"beta": "[0, inf)"},
    )
