r"""Objectives of networks through a code: a distortion and a rate, in nats.

The **distortion** is what the code fails to tell, the mean over inputs of
:math:`-\log q(y|z)`. The **rate** is the mean divergence of the code's distribution
given the input from the prior, summed over the dimensions of the code; it bounds I(X;Z)
from above. Both are in nats, and the mean is over inputs, never over dimensions or
pixels, so that beta has one meaning: nats of distortion that a nat of rate is worth.

Each of these functions returns an objective ``(params, batch, key, *, beta) -> (loss,
terms)`` for :func:`ibjax.sweep` and :func:`ibjax.training.train`, whose numbers can be
varied there.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from ibjax.datasets.task import Batch
from ibjax.estimators import kde
from ibjax.numerics import checks
from ibjax.numerics.probabilities import check_distributions
from ibjax.representations.discrepancy import mmd
from ibjax.representations.gaussians import gaussian_log_density
from ibjax.representations.variational import (
    Posterior,
    Variational,
    VariationalParams,
)
from ibjax.training.objectives import (
    Objective,
    ObjectiveFn,
    mean_loss,
    objective,
)

__all__ = [
    "LIKELIHOODS",
    "RateDistortion",
    "capacity_vae",
    "ceb",
    "info_vae",
    "nonlinear_ib",
    "rate_distortion",
    "vib",
]

LIKELIHOODS = ("categorical", "bernoulli", "gaussian", "heteroscedastic")
"""What the decoder's output is of: logits of classes, logits of pixels in [0, 1], means
of real numbers with variance one, or their means and then the logarithms of their
deviations. The likelihood of the last one has no bound: where the code tells inputs
apart, deviations shrink as long as the decoder lets them."""

_OUTPUTS = {"categorical": "softmax"} | dict.fromkeys(LIKELIHOODS[1:], "linear")


class RateDistortion(NamedTuple):
    """What a code tells and what it costs, for a batch.

    Attributes:
      distortion: Mean over inputs in nats, shape ``[]``.
      rate: Mean over inputs in nats, shape ``[]``.
      posterior: Distribution of every code.
      z: The codes drawn, ``[num_samples, k]``.
    """

    distortion: jax.Array
    rate: jax.Array
    posterior: Posterior
    z: jax.Array


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
    output = _OUTPUTS[likelihood]
    checks.one_of(
        f"the model's output for {likelihood}", model.network.output, [output]
    )
    if likelihood == "categorical":
        if batch.targets is None:
            raise ValueError("batch must have targets for a categorical decoder")
        check_distributions("targets of a categorical decoder", batch.targets)
    key_encoder, key_code, key_decoder = jax.random.split(key, 3)
    posterior = model.encode(params, batch.x, key=key_encoder, training=training)
    z = posterior.sample(key_code)
    output = model.decode(params, z, key=key_decoder, training=training)
    if likelihood == "categorical":
        distortion = mean_loss(output, batch.targets, batch.weights)
    else:
        target = batch.x if batch.targets is None else batch.targets
        each = _reconstruction(likelihood, output, target.reshape(len(z), -1))
        distortion = _mean(each, batch.weights)
    rates = model.prior.rate(params.prior, posterior, z, batch.targets)
    return RateDistortion(distortion, _mean(rates, batch.weights), posterior, z)


def vib(
    model: Variational, *, beta: float = 1e-3, likelihood: str = "categorical"
) -> Objective:
    r"""Deep variational information bottleneck: distortion + beta rate.

    With inputs as their own targets it is a beta-VAE, at beta = 1 the (negative)
    evidence bound.

    Args:
      model: The network, see :func:`ibjax.representations.variational`.
      beta: What a nat of rate costs where a sweep does not vary ``beta``.
      likelihood: One of :data:`LIKELIHOODS`.

    Returns:
      An objective of ``beta`` with terms ``distortion`` and ``rate``.

    Raises:
      ValueError: If beta is negative or infinite, the likelihood unknown, or the prior
        another one for every class: that rate is no bound on I(X;Z), see :func:`ceb`.

    References:
      Alemi et al., `Deep variational information bottleneck`, ICLR 2017. Higgins et
      al., `beta-VAE`, ICLR 2017.

    Example:
      >>> from ibjax import datasets, networks, sweep, TrainConfig, probes
      >>> from ibjax.representations import variational
      >>> model = variational(
      ...     networks.mlp([12, 6, 4], "relu", output="linear"),
      ...     networks.mlp([2, 2]),
      ...     dim=2,
      ... )
      >>> dataset = sweep(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     model.network,
      ...     TrainConfig(learning_rate=1e-2),
      ...     objective=vib(model),
      ...     vary={"beta": [1e-3, 1.0]},
      ...     num_seeds=2,
      ...     snapshots=[2],
      ...     probes=[probes.objective_terms],
      ... )
      >>> dataset.rate.dims
      ('beta', 'seed', 'epoch')
    """
    _check_prior(model)
    beta = checks.not_negative("beta", beta)
    checks.one_of("likelihood", likelihood, LIKELIHOODS)

    def loss(params, batch, key, *, beta=beta):
        found = _training(model, likelihood, params, batch, key)
        terms = {"distortion": found.distortion, "rate": found.rate}
        return found.distortion + beta * found.rate, terms

    return _objective(loss, "vib", f"beta {beta:g}", likelihood=likelihood)


def ceb(model: Variational, *, beta: float = 1.0) -> Objective:
    r"""Conditional entropy bottleneck: distortion + beta residual information.

    The rate is held against a prior for every class, so that it bounds I(X;Z|Y) =
    I(X;Z) - I(Y;Z), which is zero at the minimum necessary information. For the gamma
    of I(X;Z|Y) - gamma I(Y;Z), beta is 1 / gamma; the information bottleneck's own
    Lagrangian I(X;Z) - beta I(Y;Z) has the same optimum at 1 + gamma.

    Args:
      model: A network whose prior is :func:`~ibjax.representations.class_prior`.
      beta: What a nat of the residual costs where a sweep does not vary ``beta``.

    Returns:
      An objective of ``beta`` with terms ``distortion`` and ``residual``.

    Raises:
      ValueError: If beta is negative or infinite, or the prior the same for all
        classes.

    References:
      Fischer, `The conditional entropy bottleneck`, Entropy 2020.
    """
    checks.instance("model", model, Variational)
    beta = checks.not_negative("beta", beta)
    if not model.prior.needs_targets:
        raise ValueError(
            "model must have a prior for every class, such as class_prior, got "
            f"{model.prior.description}"
        )

    def loss(params, batch, key, *, beta=beta):
        found = _training(model, "categorical", params, batch, key)
        terms = {"distortion": found.distortion, "residual": found.rate}
        return found.distortion + beta * found.rate, terms

    return _objective(loss, "ceb", f"beta {beta:g}")


def nonlinear_ib(
    model: Variational, *, beta: float = 1e-3, power: float = 1.0
) -> Objective:
    r"""Nonlinear information bottleneck: distortion + beta I(X;Z)^power.

    I(X;Z) is bounded from above by the pairs of a batch
    (:func:`ibjax.estimators.kde.layer_information`), without a prior, and is log of the
    batch's size at most: numbers of other batch sizes cannot be compared. ``power=2``
    is the squared functional, which reaches every point of a straight curve, as that of
    a deterministic label is, where the other one jumps from end to end.

    Args:
      model: A network whose codes share one covariance.
      beta: The price where a sweep does not vary ``beta``.
      power: Power of the information, at least one.

    Returns:
      An objective of ``beta`` with terms ``distortion`` and ``information``.

    Raises:
      ValueError: If beta is negative or infinite, ``power`` below one, or (when called)
        the covariance another.

    References:
      Kolchinsky, Tracey and Wolpert, `Nonlinear information bottleneck`, Entropy 2019.
      Kolchinsky, Tracey and Van Kuyk, `Caveats for information bottleneck in
      deterministic scenarios`, ICLR 2019.
    """
    beta = checks.not_negative("beta", beta)
    checks.at_least("power", power, 1)

    def loss(params, batch, key, *, beta=beta):
        if params.log_std is None:
            raise ValueError("model must have codes of covariance 'shared'")
        found = _training(model, "categorical", params, batch, key)
        information = kde.layer_information(
            found.posterior.mean,
            jnp.zeros(len(found.z), jnp.int32),
            num_classes=1,
            noise_variance=jnp.exp(2 * params.log_std),
        ).upper.i_xt
        terms = {"distortion": found.distortion, "information": information}
        return found.distortion + beta * information**power, terms

    return _objective(
        loss, "nonlinear_ib", f"beta {beta:g}", f"power {power:g}", weighs=False
    )


def capacity_vae(
    model: Variational,
    *,
    capacity: float,
    num_epochs: int,
    weight: float = 1000.0,
    likelihood: str = "bernoulli",
) -> Objective:
    r"""Variational autoencoder whose rate is led up to a capacity.

    The loss is distortion + weight \|rate - C\|, where C grows linearly from 0 to
    ``capacity`` over the first ``num_epochs`` epochs and then stays.

    Args:
      model: The network.
      capacity: Last capacity in nats where a sweep does not vary ``capacity``.
      num_epochs: Epochs until it is reached.
      weight: What a nat beside the capacity costs, in nats of distortion.
      likelihood: One of :data:`LIKELIHOODS`.

    Returns:
      An objective of ``capacity`` with terms ``distortion`` and ``rate``.

    Raises:
      ValueError: If an argument is out of range, or the prior another one for every
        class.

    References:
      Burgess et al., `Understanding disentangling in beta-VAE`, 2018.
    """
    _check_prior(model)
    capacity = checks.not_negative("capacity", capacity)
    checks.count("num_epochs", num_epochs)
    weight = checks.positive("weight", weight)
    checks.one_of("likelihood", likelihood, LIKELIHOODS)

    def loss(params, batch, key, *, epoch, capacity=capacity):
        found = _training(model, likelihood, params, batch, key)
        reached = capacity * jnp.minimum(epoch / num_epochs, 1.0)
        terms = {"distortion": found.distortion, "rate": found.rate}
        return found.distortion + weight * jnp.abs(found.rate - reached), terms

    text = f"to {capacity:g} nats in {num_epochs} epochs, weight {weight:g}"
    return _objective(
        loss, "capacity_vae", text, likelihood=likelihood, numbers=("capacity",)
    )


def info_vae(
    model: Variational,
    *,
    bandwidth: float,
    alpha: float = 0.0,
    lam: float = 1.0,
    likelihood: str = "bernoulli",
) -> Objective:
    r"""InfoVAE: distortion + (1 - alpha) rate + (alpha + lam - 1) MMD.

    The last term is the squared maximum mean discrepancy of the codes drawn from as
    many draws of the prior. At alpha = 0, lam = 1 it is the evidence bound; with
    alpha = 1 - lam a beta-VAE of beta = lam; at alpha = 1 the rate plays no part.

    Args:
      model: The network.
      bandwidth: Bandwidth of the Gaussian kernel, in units of the code. In d dimensions
        the squared distance of two draws of N(0, I) is 2 d; far above that the kernel
        is flat, and tells little apart.
      alpha: Share of the rate that is not paid where a sweep does not vary ``alpha``.
      lam: Weight of the code's own distribution where a sweep does not vary ``lam``.
      likelihood: One of :data:`LIKELIHOODS`.

    Returns:
      An objective of ``alpha`` and ``lam`` with terms ``distortion``, ``rate`` and
      ``discrepancy``.

    Raises:
      ValueError: If the bandwidth is not positive, a number out of range, the
        likelihood unknown or the prior another one for every class.

    References:
      Zhao, Song and Ermon, `InfoVAE: balancing learning and inference in variational
      autoencoders`, AAAI 2019, eq. 6.
    """
    _check_prior(model)
    bandwidth = checks.positive("bandwidth", bandwidth)
    checks.in_range("alpha", alpha, "(-inf, inf)")
    lam = checks.not_negative("lam", lam)
    checks.one_of("likelihood", likelihood, LIKELIHOODS)

    def loss(params, batch, key, *, alpha=alpha, lam=lam):
        found = _training(model, likelihood, params, batch, key)
        # A stream beside the three of the codes.
        key_prior = jax.random.fold_in(key, 3)
        draws = model.prior.sample(key_prior, params.prior, len(found.z))
        discrepancy = mmd(found.z, draws, bandwidth=bandwidth)
        terms = {
            "distortion": found.distortion,
            "rate": found.rate,
            "discrepancy": discrepancy,
        }
        bound = found.distortion + (1 - alpha) * found.rate
        return bound + (alpha + lam - 1) * discrepancy, terms

    return _objective(
        loss,
        "info_vae",
        f"bandwidth {bandwidth:g}, alpha {alpha:g}, lam {lam:g}",
        likelihood=likelihood,
        weighs=False,
        numbers=("lam",),
    )


def _check_prior(model: Variational) -> None:
    """Check that the rate bounds I(X;Z), not what the label leaves of it."""
    checks.instance("model", model, Variational)
    if model.prior.needs_targets:
        raise ValueError(
            "model must have one prior for all classes (ceb takes one for each), got "
            f"{model.prior.description}"
        )


def _training(model, likelihood, params, batch, key) -> RateDistortion:
    return rate_distortion(
        key, params, batch, model=model, likelihood=likelihood, training=True
    )


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


def _objective(
    loss: ObjectiveFn,
    *words: str,
    likelihood: str = "categorical",
    weighs: bool = True,
    numbers: Sequence[str] = ("beta",),
) -> Objective:
    """An objective for the targets and the output that a likelihood is of."""
    classes = likelihood == "categorical"
    return objective(
        loss,
        ", ".join(words if classes else (*words, likelihood)),
        targets=("classes", "distributions") if classes else ("vectors", "nothing"),
        output=_OUTPUTS[likelihood],
        weighs=weighs,
        intervals=dict.fromkeys(numbers, "[0, inf)"),
        values="[0, 1]" if likelihood == "bernoulli" else None,
    )
