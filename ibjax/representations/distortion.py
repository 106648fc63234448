"""What a code tells and what it costs: distortion and rate of a batch, in nats."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from ibjax.datasets.task import Batch
from ibjax.numerics import checks
from ibjax.numerics.probabilities import check_distributions
from ibjax.representations.gaussians import gaussian_log_density
from ibjax.representations.variational import (
    Posterior,
    Variational,
    VariationalParams,
)
from ibjax.training.objectives import mean_loss

__all__ = ["LIKELIHOODS", "OUTPUTS", "RateDistortion", "rate_distortion"]

LIKELIHOODS = ("categorical", "bernoulli", "gaussian", "heteroscedastic")
"""What the decoder's output is of: logits of classes, logits of pixels in [0, 1], means
of real numbers with variance one, or their means and then the logarithms of their
deviations. The likelihood of the last one has no bound: where the code tells inputs
apart, deviations shrink as long as the decoder lets them."""

OUTPUTS = {"categorical": "softmax"} | dict.fromkeys(LIKELIHOODS[1:], "linear")
"""Outputs of a network that likelihoods are of, by their names."""


class RateDistortion(NamedTuple):
    """What a code tells and what it costs, for a batch.

    Attributes:
      distortion: Mean over inputs in nats, shape ``[]``.
      rate: Mean over inputs in nats, shape ``[]``.
      posterior: Distribution of every code.
      z: The codes drawn, ``[num_samples, k]``.
      distortions: Of every input in nats, shape ``[num_samples]``.
      rates: Of every input in nats, likewise.
    """

    distortion: jax.Array
    rate: jax.Array
    posterior: Posterior
    z: jax.Array
    distortions: jax.Array
    rates: jax.Array


def rate_distortion(
    key: jax.Array,
    params: VariationalParams,
    batch: Batch,
    *,
    model: Variational,
    likelihood: str = "categorical",
    training: bool = False,
) -> RateDistortion:
    r"""Distortion and rate of a batch, with one draw of every code.

    With the label's entropy H(Y), I(Z;Y) is at least H(Y) less the distortion, and
    I(X;Z) at most the rate. With a prior for every class the rate bounds I(X;Z|Y), and
    I(X;Z) is at most H(Y) more.

    Args:
      key: Draws the codes.
      params: Parameters of ``model.network``.
      batch: Rows of a task. Where it has no targets the inputs are decoded.
      model: The network.
      likelihood: One of :data:`LIKELIHOODS`.
      training: Whether to add what only training has, such as dropout.

    Returns:
      Both, and the codes.

    Raises:
      ValueError: If the likelihood is unknown, or the batch or the network's output
        does not go with it.

    Example:
      >>> from ibjax import datasets, networks
      >>> from ibjax.representations import variational
      >>> encoder = networks.mlp([12, 4], output="linear")
      >>> model = variational(encoder, networks.mlp([2, 2]), dim=2)
      >>> batch = datasets.szt().batch(jnp.arange(64))
      >>> params = model.network.init(jax.random.key(0))
      >>> found = rate_distortion(jax.random.key(1), params, batch, model=model)
      >>> found.z.shape, bool(found.rate > 0)
      ((64, 2), True)
    """
    checks.key("key", key)
    checks.instance("model", model, Variational)
    checks.instance("params", params, VariationalParams)
    checks.instance("batch", batch, Batch)
    checks.one_of("likelihood", likelihood, LIKELIHOODS)
    checks.flag("training", training)
    allowed = [OUTPUTS[likelihood]]
    checks.one_of(f"the model's output for {likelihood}", model.network.output, allowed)
    if likelihood == "categorical":
        if batch.targets is None:
            raise ValueError("batch must have targets for a categorical decoder")
        check_distributions("targets of a categorical decoder", batch.targets)
    key_encoder, key_code, key_decoder = jax.random.split(key, 3)
    posterior = model.encode(params, batch.x, key=key_encoder, training=training)
    z = posterior.sample(key_code)
    output = model.decode(params, z, key=key_decoder, training=training)
    if likelihood == "categorical":
        # What is lowered is the mean: that of each, unless asked for, costs nothing.
        distortion = mean_loss(output, batch.targets, batch.weights)
        each = optax.softmax_cross_entropy(output, batch.targets)
    else:
        target = batch.x if batch.targets is None else batch.targets
        each = _reconstruction(likelihood, output, target.reshape(len(z), -1))
        distortion = _mean(each, batch.weights)
    rates = model.prior.rate(params.prior, posterior, z, batch.targets)
    rate = _mean(rates, batch.weights)
    return RateDistortion(distortion, rate, posterior, z, each, rates)


def _reconstruction(likelihood, output, target):
    """Negative log-likelihood of every input, summed over its numbers."""
    size = target.shape[1]
    width, why = size, "to match the targets"
    if likelihood == "heteroscedastic":
        width, why = 2 * size, "for means and log deviations"
    checks.shape("the decoder's output", output, (len(target), width), why=why)
    if likelihood == "gaussian":
        constant = 0.5 * jnp.log(2 * jnp.pi) * size
        return 0.5 * jnp.sum((output - target) ** 2, axis=1) + constant
    if likelihood == "heteroscedastic":
        scale = jnp.exp(output[:, size:])
        return -gaussian_log_density(target, output[:, :size], scale)
    checks.within("inputs or targets of a Bernoulli decoder", target, "[0, 1]")
    return jnp.sum(optax.sigmoid_binary_cross_entropy(output, target), axis=1)


def _mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    return jnp.sum(values * weights) / jnp.sum(weights)
