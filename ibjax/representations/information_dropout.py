r"""Information dropout: noise on activities that a network learns to size, at a price.

Layers get multiplicative log-normal noise, :math:`z = f(x) e^{\alpha(x) \epsilon}`,
whose deviation :math:`\alpha(x) = 0.001 + a\, \mathrm{sigmoid}(\text{a linear map of
what the layer reads})` is learned. What a unit then tells, in nats, is its divergence
from a prior, and the objective charges for it: a network keeps the units that its task
needs and drowns the others.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from ibjax.compilation import full_precision
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.representations.log_normal import log_normal_kl, log_uniform_kl
from ibjax.representations.noisy_passes import (
    LEAST_ALPHA,
    InformationDropoutParams,
    NoisyPass,
    of_chain,
    of_named,
    state_of,
)
from ibjax.training.objectives import Objective, mean_loss, objective

__all__ = [
    "ACTIVITY_PRIORS",
    "InformationDropout",
    "information_dropout",
    "information_map",
    "with_information_dropout",
]

ACTIVITY_PRIORS = ("log-uniform", "log-normal")
"""Priors of noisy activities: without scale, or log-normal with learned scalars."""


class InformationDropout(NamedTuple):
    """A network with information dropout, and its parts.

    Attributes:
      network: All of it, for training and sweeps. Without a key the noise is one; with
        one it is drawn, in training and afterwards.
      run: ``run(params, x, *, key=None, training=False) -> NoisyPass``.
      divergences: ``divergences(params, noisy_pass)``: nats of every unit of every
        noisy layer, ``[num_samples, units]`` each.
      layers: Numbers of the noisy layers.
      max_alpha: Largest deviation of the logarithm of the noise.
      prior: One of :data:`ACTIVITY_PRIORS`.
    """

    network: Network
    run: Callable[..., NoisyPass]
    divergences: Callable[..., tuple[jax.Array, ...]]
    layers: tuple[int, ...]
    max_alpha: float
    prior: str

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the noisy layers."""
        return tuple(self.network.layers[number].name for number in self.layers)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the noisy layers."""
        return tuple(self.network.layers[number].shape for number in self.layers)


def with_information_dropout(
    network: Network,
    *,
    layers: Sequence[int] | None = None,
    prior: str = "log-uniform",
    max_alpha: float = 0.7,
    unit_mean: bool = False,
) -> InformationDropout:
    r"""A network with learned multiplicative log-normal noise on some layers.

    In a chain the noise of a fully connected layer is sized by a linear map of the
    whole input of the layer, that of a convolution by one more convolution of the same
    kernel. In a flax module, whose layers may be anything, it is sized by a linear map
    of the layer's own activity along its last axis, at every place by itself.

    Without a key the noise is one and the network is ``network``. The mean of the noise
    in training, however, is :math:`e^{\alpha^2 / 2}`, up to 1.28 at 0.7, so that later
    layers were trained on larger activities than they then see; the authors learned the
    statistics of their batches anew for that. ``unit_mean`` divides the noise by its
    mean instead.

    Args:
      network: A chain of fully connected layers and convolutions without padding, such
        as :func:`ibjax.networks.mlp` makes; or a flax module with named layers,
        ``from_flax(..., layers=)``, whose statistics of batches are those without the
        noise. Activities of noisy layers must not be negative (ReLU) for the
        log-uniform prior, and be positive (softplus) for the log-normal one.
      layers: Numbers of the noisy layers, the first is 0; by default all with weights
        but the output, or all named ones.
      prior: One of :data:`ACTIVITY_PRIORS`.
      max_alpha: Largest deviation of the logarithm of the noise, but 0.001.
      unit_mean: Whether the mean of the noise is one. Its median is one otherwise.

    Returns:
      The network and its parts.

    Raises:
      ValueError: If the network is no such one, or a chain with noise or dropout of its
        own, a layer cannot have noise, or an option is out of range; where it is first
        run, of a layer that is sown, or within a transformation of a flax module.

    References:
      Achille and Soatto, `Information dropout: learning optimal representations through
      noisy computation`, PAMI 2018.

    Example:
      >>> from ibjax import networks
      >>> model = with_information_dropout(networks.mlp([12, 10, 7, 2], "relu"))
      >>> model.layer_names
      ('relu 10', 'relu 7')
      >>> params = model.network.init(jax.random.key(0))
      >>> noisy = model.run(params, jnp.ones((4, 12)), key=jax.random.key(1))
      >>> [alpha.shape for alpha in noisy.alphas]
      [(4, 10), (4, 7)]
    """
    checks.flag("unit_mean", unit_mean)
    checks.one_of("prior", prior, ACTIVITY_PRIORS)
    max_alpha = checks.positive("max_alpha", max_alpha)
    checks.instance("network", network, Network)
    if network.layer is None and network.changed is None:
        raise ValueError(
            "network must be a chain of layers or name its flax module's submodules, "
            f"from_flax(..., layers=), got {network.description}"
        )
    if network.changed is None:
        chosen, map_shapes, run = of_chain(network, layers, max_alpha, unit_mean)
    else:
        chosen, map_shapes, run = of_named(network, layers, max_alpha, unit_mean)
    largest = LEAST_ALPHA + max_alpha

    def init(key):
        alphas = tuple((jnp.zeros(shape), jnp.zeros(shape[-1])) for shape in map_shapes)
        own = (jnp.zeros(()), jnp.zeros(())) if prior == "log-normal" else ()
        return InformationDropoutParams(network.init(key), alphas, (own,) * len(chosen))

    def activations(params, x, *, key=None, training=False):
        return run(params, x, key=key, training=training).layers

    def divergences(params, noisy):
        if prior == "log-uniform":
            return tuple(log_uniform_kl(a, max_alpha=largest) for a in noisy.alphas)
        return tuple(
            log_normal_kl(
                activity,
                alpha,
                prior_mean=mean,
                prior_std=jnp.exp(log_std),
                unit_mean=unit_mean,
            )
            for activity, alpha, (mean, log_std) in zip(
                noisy.activities, noisy.alphas, params.priors, strict=True
            )
        )

    whole = Network(
        init=init,
        activations=full_precision(activations),
        kernels=lambda params: network.kernels(params.network),
        layers=tuple(
            # Its noise is another one for every input.
            layer._replace(noise_std=math.nan) if number in chosen else layer
            for number, layer in enumerate(network.layers)
        ),
        description=(
            f"({network.description}) with information dropout on layers "
            f"{', '.join(map(str, chosen))}, {prior} prior, largest alpha "
            f"{largest:g}{', mean one' if unit_mean else ''}"
        ),
        output=network.output,
        layer=network.layer
        and (lambda params, number, t: network.layer(params.network, number, t)),
        state=network.state and state_of(network.state),
        resume=network.resume
        and (lambda params, number, t: network.resume(params.network, number, t)),
    )
    return InformationDropout(
        whole, full_precision(run), full_precision(divergences), chosen, largest, prior
    )


def information_dropout(model: InformationDropout, *, beta: float = 1e-4) -> Objective:
    r"""Cross-entropy + beta times what the noisy layers let through.

    The latter is, summed over layers and units, the mean over inputs of the divergence
    from the prior. Both terms are in nats, so that beta is the nats of cross-entropy
    that a nat let through is worth. The authors divide the divergence by the number of
    training inputs: **their beta is this one times that number** (3 of theirs on 50,000
    inputs is 6e-5 here).

    Args:
      model: The network, see :func:`with_information_dropout`.
      beta: The price where a sweep does not vary ``beta``.

    Returns:
      An objective of ``beta`` with terms ``cross_entropy`` and ``information``.

    Raises:
      ValueError: If beta is negative or infinite.

    References:
      Achille and Soatto, 2018.

    Example:
      >>> from ibjax import datasets, networks
      >>> model = with_information_dropout(networks.mlp([12, 6, 2], "relu"))
      >>> params = model.network.init(jax.random.key(0))
      >>> batch = datasets.szt().batch(jnp.arange(64))
      >>> objective = information_dropout(model)
      >>> loss, terms = objective(params, batch, jax.random.key(1), beta=1e-3)
      >>> print(f"{terms['information']:.3f}")  # Six units of log(0.701 / 0.351).
      4.150
    """
    beta = checks.not_negative("beta", beta)

    def loss(params, batch, key, *, beta=beta):
        noisy = model.run(params, batch.x, key=key, training=True)
        total = jnp.sum(batch.weights)
        information = sum(
            jnp.sum(jnp.sum(nats, axis=1) * batch.weights) / total
            for nats in model.divergences(params, noisy)
        )
        error = mean_loss(noisy.layers[-1], batch.targets, batch.weights)
        terms = {"cross_entropy": error, "information": information}
        return error + beta * information, terms

    return objective(
        loss,
        f"information_dropout, beta {beta:g}",
        targets=("classes", "distributions"),
        output="softmax",
        weighs=True,
        intervals={"beta": "[0, inf)"},
    )


def information_map(
    params: InformationDropoutParams,
    x: jax.Array,
    *,
    model: InformationDropout,
    key: jax.Array | None = None,
) -> tuple[jax.Array, ...]:
    """What every unit of the noisy layers lets through of every input, in nats.

    Args:
      params: Parameters of ``model.network``.
      x: Inputs, shape ``[num_samples, ...]``.
      model: The network.
      key: Draws the noise that a layer reads of those before it; without one there is
        none.

    Returns:
      For every noisy layer, nats in its own shape, ``[num_samples, *shape]``. Of layers
      with channels the sum over the last axis is a map.

    Example:
      >>> from ibjax.networks.convolutional import convolutional
      >>> network = convolutional((8, 8), channels=(2,), hidden=(5,))
      >>> model = with_information_dropout(network)
      >>> params = model.network.init(jax.random.key(0))
      >>> maps = information_map(params, jnp.ones((3, 64)), model=model)
      >>> [nats.shape for nats in maps]
      [(3, 6, 6, 2), (3, 5)]
    """
    checks.instance("model", model, InformationDropout)
    checks.instance("params", params, InformationDropoutParams)
    x = checks.finite("x", checks.jax_array("x", x))
    checks.shape("x", x, ("num_samples", "*shape"))
    if key is not None:
        checks.key("key", key)
    shapes_of("model", lambda params, x: model.run(params, x), params=params, x=x)
    noisy = model.run(params, x, key=key)
    return tuple(
        nats.reshape(-1, *shape)
        for nats, shape in zip(
            model.divergences(params, noisy), model.shapes, strict=True
        )
    )
