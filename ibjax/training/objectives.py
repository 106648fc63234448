"""Objectives: what training lowers, as pure functions of parameters and a batch.

Those here compose: ``cross_entropy() + 0.01 * orthonormal()``. What an objective is,
and what any function may ask for to be one, says :mod:`ibjax.training.objective`.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.datasets.task import TARGETS
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks
from ibjax.training.objective import (
    GIVEN,
    Change,
    Objective,
    ObjectiveFn,
    as_objective,
    check_objective,
    evaluate,
    objective,
)

__all__ = [
    "GIVEN",
    "Change",
    "Objective",
    "ObjectiveFn",
    "annealed",
    "as_objective",
    "check_objective",
    "cross_entropy",
    "default_objective",
    "evaluate",
    "mean_loss",
    "objective",
    "orthonormal",
    "orthonormality",
    "squared_error",
    "weight_decay",
]


def default_objective(kind: str) -> Objective:
    """Cross-entropy where targets are classes, the squared error where vectors.

    Args:
      kind: One of ``ibjax.datasets.task.TARGETS``.

    Raises:
      ValueError: If there are no targets.
    """
    checks.one_of("kind", kind, TARGETS)
    if kind == "nothing":
        raise ValueError("objective must be given for a task without targets, got None")
    return squared_error() if kind == "vectors" else cross_entropy()


def cross_entropy() -> Objective:
    """Mean cross-entropy of the network's logits against p(y|x), in nats.

    The network is drawn with its noise, as it trains.

    Example:
      >>> from ibjax import datasets, networks
      >>> network = networks.mlp([12, 2])
      >>> params, key = network.init(jax.random.key(0)), jax.random.key(1)
      >>> params = jax.tree.map(jnp.zeros_like, params)
      >>> batch = datasets.szt().batch(jnp.arange(8))
      >>> loss, _ = cross_entropy()(params, batch, key, network=network)
      >>> print(f"{loss:.3f}")  # The logarithm of two.
      0.693
    """
    kinds = ("classes", "distributions")
    return objective(
        _cross_entropy, "cross_entropy", targets=kinds, output="softmax", weighs=True
    )


# Of the module, so that one objective equals another.
def _cross_entropy(params, batch, key, *, network):
    logits = network.activations(params, batch.x, key=key, training=True)[-1]
    return mean_loss(logits, batch.targets, batch.weights)


def squared_error() -> Objective:
    """Mean squared error of the network's output, summed over its dimensions.

    Example:
      >>> from ibjax import datasets, networks
      >>> network = networks.mlp([1, 1], output="linear")
      >>> task = datasets.make_task([[0.0], [1.0]], targets=[1.0, -2.0])
      >>> params = jax.tree.map(jnp.zeros_like, network.init(jax.random.key(0)))
      >>> batch, key = task.batch(jnp.arange(2)), jax.random.key(0)
      >>> print(squared_error()(params, batch, key, network=network)[0])
      2.5
    """

    def loss(params, batch, key, *, network):
        output = network.activations(params, batch.x, key=key, training=True)[-1]
        errors = jnp.sum((output - batch.targets) ** 2, axis=1)
        return jnp.sum(errors * batch.weights) / jnp.sum(batch.weights)

    return objective(
        loss, "squared_error", targets=("vectors",), output="linear", weighs=True
    )


def orthonormal() -> Objective:
    """Penalty on weight arrays without orthonormal rows or columns.

    See :func:`orthonormality`; Goldfeld et al. (2019) train with one.
    """

    def loss(params, batch, key, *, network):
        del batch, key
        return orthonormality(params, network)

    return objective(loss, "orthonormal", weighs=True)


def weight_decay() -> Objective:
    """Sum of the squares of all weights, without biases."""

    def loss(params, batch, key, *, network):
        del batch, key
        leaves = jax.tree.leaves(network.kernels(params))
        return sum(jnp.sum(w**2) for w in leaves)

    return objective(loss, "weight_decay", weighs=True)


@full_precision
def orthonormality(params: Params, network: Network) -> jax.Array:
    r"""Distance of weight arrays from orthonormal rows or columns.

    :math:`\sum_l \|G_l - I\|_F^2`, where :math:`G_l` is the smaller of
    :math:`W_l W_l^T` and :math:`W_l^T W_l`: zero is within reach then, whether a layer
    widens or narrows.

    Args:
      params: Parameters of the network.
      network: The network; all its weight arrays must be matrices.

    Returns:
      The sum, shape ``[]``.

    Raises:
      ValueError: If a weight array is no matrix.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax import networks
      >>> params = ((2 * jnp.eye(2, 3), jnp.zeros(2)),)
      >>> print(orthonormality(params, networks.mlp([3, 2])))
      18.0
    """
    total = jnp.zeros(())
    for w in jax.tree.leaves(network.kernels(params)):
        if w.ndim != 2:
            raise ValueError(
                f"orthonormality is of weight matrices, got an array of shape {w.shape}"
            )
        # Only the fewer of rows and columns can all be orthonormal.
        gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        total += jnp.sum((gram - jnp.eye(len(gram), dtype=w.dtype)) ** 2)
    return total


def annealed(
    bottleneck: Objective,
    *,
    start: float,
    num_epochs: int,
    hold: int = 0,
    beta: ArrayLike = 1.0,
) -> Objective:
    """An objective whose beta is first another, and is led to its value by epochs.

    Noise that is paid for from the first step on can hide all that there is to learn:
    codes and weights then fall back to the prior and never leave it, even where a
    network that has learned lowers the objective further. Led up from a small price,
    networks learn first, and forget what is not worth its price.

    Args:
      bottleneck: An objective that takes ``beta``, as those of
        :func:`ibjax.representations.vib` and :func:`ibjax.weights.weight_bottleneck`;
        numbers it takes besides keep their defaults.
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

    def loss(params, batch, key, *, epoch, network=None, beta=last):
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


def mean_loss(logits: jax.Array, targets: jax.Array, weights: jax.Array) -> jax.Array:
    """Weighted mean cross-entropy, in nats.

    Args:
      logits: Shape ``[num_samples, num_classes]``.
      targets: Distribution of the label, shape ``[num_samples, num_classes]``.
      weights: Weight of every sample, shape ``[num_samples]``.

    Returns:
      Mean loss, shape ``[]``.

    Raises:
      ValueError: If logits and targets differ in shape.

    Example:
      >>> weights = jnp.array([1.0, 1.0, 0.0])
      >>> value = mean_loss(jnp.zeros((3, 2)), jnp.eye(3, 2), weights)
      >>> print(f"{value:.3f}")  # The logarithm of two.
      0.693
    """
    checks.same_shape(logits=logits, targets=targets)
    # With the samples in the last axis, as the networks keep them: in the other
    # layout these few lines cost a CPU more than a whole layer.
    logits, targets = logits.T, targets.T
    # The shift leaves the loss as it is, and so has no gradient.
    logits = logits - lax.stop_gradient(jnp.max(logits, axis=0, keepdims=True))
    log_normalizer = jnp.log(jnp.sum(jnp.exp(logits), axis=0))
    losses = log_normalizer - jnp.sum(targets * logits, axis=0)
    return jnp.sum(losses * weights) / jnp.sum(weights)
