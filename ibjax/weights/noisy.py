r"""Networks whose weights carry noise, and the objective that they are trained on.

A network's weights become a posterior, a Gaussian one
(:class:`~ibjax.weights.Posterior`) or with log-normal factors
(:class:`~ibjax.weights.LogNormalPosterior`), whose means and deviations are what is
trained, by the one training loop. The objective is the Lagrangian of the information in
the weights.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.networks.network import Network, NetworkState
from ibjax.numerics import checks
from ibjax.training.objectives import (
    Objective,
    ObjectiveFn,
    as_objective,
    cross_entropy,
    objective,
)
from ibjax.weights.draws import flipout_activations, local_activations
from ibjax.weights.posterior import (
    AnyPosterior,
    LogNormalPosterior,
    Posterior,
    init_log_normal_posterior,
    init_posterior,
    kl,
    sample,
)

__all__ = ["NoisyState", "noisy_weights", "weight_bottleneck"]


class NoisyState(NamedTuple):
    """What no gradient changes of a network with noisy weights.

    Attributes:
      own: State of the network itself, None without one.
      initial: Weights at initialization, None where they are not kept.
    """

    own: Any
    initial: Any


def noisy_weights(
    network: Network,
    *,
    std: ArrayLike = 0.1,
    noise: str = "gaussian",
    draws: str | None = None,
    keep_initial: bool = False,
) -> Network:
    r"""A network whose parameters are a posterior over those of another.

    Where its activities are given a key, as in training, its weights are drawn; without
    one, as when layers are measured, they are the means. Draws are

    - *local*: every pre-activation of dense and convolutional layers is drawn for every
      sample by itself, from :math:`N(M t + m, S^2 t^2 + s^2)` for an activity t before
      it, means M and m and standard deviations S and s. Gradients have less variance,
      as samples do not share their noise. Of a chain of dense layers a sample has the
      distribution that drawn weights give it. Of a convolution every pre-activation
      has, but not all together: places share no noise, as they do where they share a
      drawn kernel. Weights that are used otherwise, such as scales and embeddings, or
      more than once, as in the steps of a loop, are drawn once for all samples;
    - *flipout*: samples share one deviation of all weights from their means, but for
      signs of every weight's inputs and outputs. A sample by itself has the
      distribution that drawn weights give it, and different ones are uncorrelated. Each
      sample has to go through the network by itself, which a network with a state, as
      the statistics of batches, does not allow; or
    - *explicit*: all samples of a batch share one draw of the weights.

    The first two are made of the program of the network, as JAX traces it, whatever it
    was written in. Log-normal factors, :math:`w = \epsilon \hat w`, are drawn as they
    are where draws are explicit. Local draws have normal pre-activations of the same
    means and variances, which those of many inputs tend to; a flipout has none, as a
    factor turned round is no longer log-normal.

    Args:
      network: The network.
      std: Standard deviation of all weights at initialization, positive; it may be
        traced, as a number that a sweep varies is. Of log-normal factors, that of the
        factor, below 1.31.
      noise: ``"gaussian"``, or ``"log-normal"`` for factors of the weights, which go
        with :func:`ibjax.weights.log_uniform_bottleneck`.
      draws: ``"local"``, ``"flipout"`` or ``"explicit"``. By default local of networks
        of :func:`ibjax.networks.mlp`, and else flipout, but explicit of a network with
        a state or with log-normal factors.
      keep_initial: Whether the initial weights are kept, as the mean of a prior that
        training does not move, see :func:`weight_bottleneck`.

    Returns:
      The network. Its parameters are a :class:`~ibjax.weights.Posterior` or a
      :class:`~ibjax.weights.LogNormalPosterior`; or, of a network with a state or whose
      initial weights are kept, a posterior and a :class:`NoisyState`.

    Raises:
      ValueError: If ``std`` is out of range, ``noise`` or ``draws`` is another name, or
        flipout of a network with a state or with log-normal factors; where its weights
        are first drawn, if it has none.

    References:
      Kingma, Salimans and Welling, `Variational dropout and the local
      reparameterization trick`, NeurIPS 2015. Wen, Vicol, Ba, Tran and Grosse,
      `Flipout: efficient pseudo-independent weight perturbations on mini-batches`, ICLR
      2018. Blundell et al., `Weight uncertainty in neural networks`, ICML 2015. Achille
      and Soatto, `Emergence of invariance and disentanglement in deep representations`,
      JMLR 19, 2018, on log-normal factors.

    Example:
      >>> from ibjax import networks
      >>> network = noisy_weights(networks.mlp([3, 4, 2]), std=0.2)
      >>> @jax.jit
      ... def drawn(key, x):
      ...     params = network.init(key)
      ...     return params, network.activations(params, x, key=key)
      >>> params, layers = drawn(jax.random.key(0), jnp.ones((5, 3)))
      >>> print(type(params).__name__, [t.shape for t in layers])
      Posterior [(5, 4), (5, 2)]
    """
    checks.instance("network", network, Network)
    checks.flag("keep_initial", keep_initial)
    std = checks.positive("std", std)
    checks.one_of("noise", noise, _POSTERIORS)
    if noise == "log-normal":
        checks.in_range("std", std, "(0, 1.31)")
    is_chain = (
        network.activate is not None
        and network.state is None
        and not any(layer.is_random for layer in network.layers)
    )
    if draws is None:
        flips = network.state is None and noise == "gaussian"
        draws = "local" if is_chain else "flipout" if flips else "explicit"
    checks.one_of("draws", draws, ["local", "flipout", "explicit"])
    if draws == "flipout" and noise != "gaussian":
        raise ValueError(
            "draws must be local or explicit for log-normal noise, whose factors have "
            "no sign, got flipout"
        )
    if draws == "flipout" and network.state is not None:
        raise ValueError(
            "draws must be local or explicit for a network with a state, got flipout "
            f"for {network.description}"
        )
    has_state = network.state is not None or keep_initial

    def split(params):
        return params if has_state else (params, NoisyState(None, None))

    def drawn(params, key):
        posterior, state = split(params)
        return network.merge(sample(key, posterior), state.own)

    def mean(params):
        posterior, state = split(params)
        return network.merge(posterior.mean, state.own)

    def init(key):
        trained, own = network.split(network.init(key))
        checks.not_empty_tree("network", trained, "weight to train")
        posterior = _POSTERIORS[noise](trained, std=std)
        initial = trained if keep_initial else None
        return (posterior, NoisyState(own, initial)) if has_state else posterior

    def activations(params, x, *, key=None, training=False):
        if key is None:
            return network.activations(mean(params), x, training=training)
        posterior, state = split(params)
        if draws == "local" and is_chain:
            return _local_activations(key, network, posterior, x)
        key_weights, key_own = jax.random.split(key)

        def own(weights, x, key):
            weights = network.merge(weights, state.own)
            return network.activations(weights, x, key=key, training=training)

        if draws == "local":
            return local_activations(key_weights, own, posterior, x, key_own)
        if draws == "flipout":
            return flipout_activations(key_weights, own, posterior, x, key=key_own)
        return own(sample(key_weights, posterior), x, key_own)

    def update(params, x, key):
        _, state = params
        if network.state is None:
            return state
        # The statistics of the batch under the weights that it is trained with.
        key_weights, key_own = jax.random.split(key)
        own = network.state.update(drawn(params, key_weights), x, key_own)
        return state._replace(own=own)

    def resume(params, number, t):
        return network.from_layer(mean(params), number, t)

    size = "varied" if checks.is_traced(std) else float(std)
    kept = ", initial weights kept" if keep_initial else ""
    kind = "noise" if noise == "gaussian" else f"{noise} noise"
    return Network(
        init=init,
        activations=full_precision(activations),
        kernels=lambda params: network.kernels(mean(params)),
        layers=network.layers,
        description=(
            f"{network.description}, {draws} {kind} of weights from std {size}{kept}"
        ),
        output=network.output,
        state=NetworkState(split, _pair, update) if has_state else None,
        resume=resume,
    )


_POSTERIORS = {"gaussian": init_posterior, "log-normal": init_log_normal_posterior}


def _pair(
    posterior: AnyPosterior, state: NoisyState
) -> tuple[AnyPosterior, NoisyState]:
    return posterior, state


def weight_bottleneck(
    *,
    num_samples: int,
    beta: ArrayLike = 1.0,
    prior_variance: Any = 1.0,
    prior_mean: Any = 0.0,
    loss: ObjectiveFn | None = None,
) -> Objective:
    r"""Lagrangian of the information in the weights, per training sample.

    The loss summed over the training set, plus :math:`\beta` times the information, is
    :math:`\sum_i L_i + \beta\, \mathrm{KL}(Q \| P)`; at :math:`\beta = 1` it is the
    negative evidence lower bound, and learning random labels costs as much as it saves.
    What is lowered is this divided by the number N of samples: for every batch its mean
    loss plus :math:`\beta / N` times the KL, so that an epoch pays for the information
    once, whatever the batch size, and learning rates keep their meaning. The beta of
    some papers is this :math:`\beta / N`.

    A sweep records ``weight_information``, the KL in nats, beside the loss by its name,
    and can vary ``beta`` and ``prior_variance``.

    Args:
      num_samples: Number of training samples N.
      beta: The trade-off for a summed loss. At 0 the loss alone is lowered: the
        information is recorded and not paid for.
      prior_variance: Variance of the Gaussian prior, a number or a prefix tree of the
        network's weights; None for the best one of every array, as it is learned.
      prior_mean: Mean of the prior, as in :func:`ibjax.weights.mean_field_kl`; or
        ``"initial"`` for the weights at initialization, which ``noisy_weights(...,
        keep_initial=True)`` keeps. They lie nearer to those that are trained than zero
        does, so that a bound on the risk can mean something.
      loss: Mean loss of a batch, an objective; the cross-entropy by default.

    Returns:
      The objective, for networks of :func:`noisy_weights`.

    Raises:
      ValueError: If a number is not positive, beta is negative, or ``prior_mean`` is
        another name.

    References:
      Achille and Soatto, `Emergence of invariance and disentanglement in deep
      representations`, JMLR 19, 2018, sec. 3. Dziugaite and Roy, `Computing nonvacuous
      generalization bounds for deep (stochastic) neural networks`, UAI 2017, on initial
      weights as the prior.

    Example:
      >>> from ibjax import datasets, networks
      >>> task = datasets.make_task([[0.0], [1.0]], ["no", "yes"])
      >>> network = noisy_weights(networks.mlp([1, 2]), std=0.5)
      >>> params = init_posterior(((jnp.zeros((2, 1)), jnp.zeros(2)),), std=0.5)
      >>> objective = weight_bottleneck(num_samples=2, beta=0.1)
      >>> @jax.jit
      ... def loss(params, key):
      ...     batch = task.batch(jnp.arange(2))
      ...     return objective(params, batch, key, network=network)
      >>> value, terms = loss(params, jax.random.key(0))
      >>> print(f"{terms['weight_information']:.4f} nats")  # 4/2 [0.25 - 1 - log 0.25]
      1.2726 nats
      >>> print(f"{value - terms['cross_entropy']:.4f}")
      0.0636
    """
    checks.count("num_samples", num_samples)
    beta = checks.not_negative("beta", beta)
    if isinstance(prior_variance, int | float | np.number):
        prior_variance = checks.positive("prior_variance", prior_variance)
    if isinstance(prior_mean, str):
        checks.one_of("prior_mean", prior_mean, ["initial"], otherwise="a tree")
    loss = cross_entropy() if loss is None else as_objective(loss)
    chosen = {"beta": beta, "prior_variance": prior_variance}

    def weight_information(
        params,
        batch,
        key,
        *,
        network,
        beta=chosen["beta"],
        prior_variance=chosen["prior_variance"],
    ):
        del batch, key
        posterior, state = network.split(params)
        if isinstance(posterior, LogNormalPosterior):
            raise TypeError(
                "network must have Gaussian noise, got log-normal factors, whose prior "
                "is that of log_uniform_bottleneck"
            )
        if not isinstance(posterior, Posterior):
            raise TypeError(
                "network must be one of weights.noisy_weights, got parameters of type "
                f"{type(posterior).__name__}"
            )
        checks.not_empty_tree("network", posterior, "weight to train")
        centre = prior_mean
        if isinstance(prior_mean, str):
            centre = None if state is None else state.initial
            if centre is None:
                raise ValueError(
                    "network must be one of noisy_weights(..., keep_initial=True) for "
                    "prior_mean 'initial', got one that does not keep its weights"
                )
        information = kl(posterior, prior_variance=prior_variance, prior_mean=centre)
        # The term is recorded without its factor, in nats.
        terms = {"weight_information": information}
        return beta / num_samples * information, terms

    return loss + objective(
        weight_information,
        "weight_information",
        weighs=True,
        intervals={"beta": "[0, inf)", "prior_variance": "(0, inf)"},
    )


def _local_activations(key, network: Network, posterior: AnyPosterior, x: jax.Array):
    """Activities with pre-activations drawn for every sample by itself."""
    means, stds = posterior.mean, posterior.std
    # From here on [unit, sample], as such networks keep them.
    t = x.reshape(x.shape[0], -1).T
    widths = [layer.width for layer in network.layers]
    # One flat draw: compiling a draw costs far more than running it.
    noise = jax.random.normal(key, (sum(widths), t.shape[1]), t.dtype)
    layers = []
    start = 0
    for number, ((w, b), (w_std, b_std)) in enumerate(zip(means, stds, strict=True)):
        mean = w @ t + b[:, None]
        variance = w_std**2 @ t**2 + b_std[:, None] ** 2
        z = noise[start : start + widths[number]]
        # A variance that underflows must not have an infinite slope.
        std = jnp.sqrt(variance + jnp.finfo(variance.dtype).tiny)
        t = network.activate(number, mean + std * z)
        layers.append(t.T)
        start += widths[number]
    return tuple(layers)
