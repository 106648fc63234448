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

import jax
import jax.numpy as jnp

from ibjax.estimators import kde
from ibjax.numerics import checks
from ibjax.representations.discrepancy import mmd
from ibjax.representations.distortion import (
    LIKELIHOODS,
    OUTPUTS,
    RateDistortion,
    rate_distortion,
)
from ibjax.representations.variational import Variational
from ibjax.training.objectives import Objective, ObjectiveFn, objective

__all__ = ["capacity_vae", "ceb", "info_vae", "nonlinear_ib", "vib"]


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
        output=OUTPUTS[likelihood],
        weighs=weighs,
        intervals=dict.fromkeys(numbers, "[0, inf)"),
        values="[0, 1]" if likelihood == "bernoulli" else None,
    )
