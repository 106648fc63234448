"""Sample propagation through a noisy network: replicas of its layers, and estimates.

What is estimated from them is in :mod:`ibjax.estimators.propagation`. The first noisy
layer is a function of the input and needs none; every other gets a few noisy passes of
all inputs, and many of those that the means are over.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from ibjax.estimators.layers import check_layer, label_weights
from ibjax.estimators.propagation.information import (
    PropagatedInformation,
    information_at,
)
from ibjax.networks.network import Network, Params
from ibjax.numerics import checks

__all__ = [
    "DEFAULT_EFFORT",
    "Effort",
    "network_information_at",
    "noisy_layer_information",
]


class Effort(NamedTuple):
    """Numbers of samples to take.

    Attributes:
      num_rows: Inputs that the means are over, drawn without replacement.
      num_own: Noisy passes of each of them.
      num_replicas: Noisy passes of every input, for the density over all.
      num_draws: Draws of t for each of the inputs that the means are over.
    """

    num_rows: int = 512
    num_own: int = 256
    num_replicas: int = 8
    num_draws: int = 2


DEFAULT_EFFORT = Effort()
"""About a second of one core for Shwartz-Ziv and Tishby's network."""


def network_information_at(
    key: jax.Array,
    params: Params,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    network: Network,
    num_classes: int,
    effort: Effort = DEFAULT_EFFORT,
) -> PropagatedInformation:
    """I(X;T) and I(T;Y) of every hidden layer of a noisy network, in nats.

    The layers after the first are padded with units that are always zero and measured
    by the same compiled code.

    Args:
      key: A random key.
      params: Parameters of the network.
      x: All inputs, each once, shape ``[num_samples, num_inputs]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      network: A network of :func:`ibjax.networks.noisy`.
      num_classes: Number of classes.
      effort: How many samples to take; ``num_rows`` beyond the inputs are all of them.

    Returns:
      The information, each field of shape ``[num_hidden]``.

    Raises:
      ValueError: If shapes do not match, the network is no chain or a number is out of
        range.
      TypeError: If a dtype is wrong.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> from ibjax.networks import noisy
      >>> network = noisy([1, 1, 2], noise_std=0.1)
      >>> affine = lambda w, num: (w * jnp.ones((num, 1)), jnp.zeros(num))
      >>> params = (affine(20, 1), affine(1, 2))
      >>> found = network_information_at(
      ...     jax.random.key(1), params, jnp.array([[-1.0], [1.0]]), jnp.array([0, 1]),
      ...     network=network, num_classes=2,
      ... )
      >>> print(f"{found.i_xt[0]:.4f} nats")
      0.6931 nats
    """
    x, labels = check_layer(jnp.asarray(x), labels, num_classes)
    if network.layer is None:
        raise ValueError(
            "network must be a chain of layers with noise, such as networks.noisy, got "
            f"{network.description}"
        )
    _check_effort(effort, len(network.noise_std))
    key_rows, key_all, key_own, key_draws = jax.random.split(key, 4)
    # Drawn without replacement: all inputs once, where there are no more than wanted.
    num_rows = min(effort.num_rows, len(x))
    rows = jax.random.permutation(key_rows, len(x))[:num_rows]
    draws = jax.random.split(key_draws, len(network.noise_std))
    s = network.layer(params, 0, x)[:, None]
    estimate = partial(
        information_at,
        rows=rows,
        weights=label_weights(labels, num_classes, s.dtype),
        num_draws=effort.num_draws,
    )
    first = estimate(draws[0], s[rows], s, noise_std=network.noise_std[0])
    if len(network.noise_std) == 1:
        return jax.tree.map(lambda value: value[None], first)
    own = _centres(key_own, params, x[rows], network, effort.num_own)
    every = _centres(key_all, params, x, network, effort.num_replicas)
    # One program for all layers but the first: compiling it costs more than running it.
    others = lax.map(
        lambda layer: estimate(*layer, noise_std=1.0), (draws[1:], own, every)
    )
    return jax.tree.map(
        lambda one, more: jnp.concatenate([one[None], more]), first, others
    )


def _check_effort(effort: Effort, num_hidden: int) -> None:
    for name, least in zip(Effort._fields, (2, 2, 1, 2), strict=True):
        checks.at_least(name, getattr(effort, name), least)
    # Each draw is to come from another noisy pass, of which the first layer has none.
    if num_hidden > 1:
        checks.in_range("num_draws", effort.num_draws, f"[2, {effort.num_own}]")


def _centres(key, params, x, network, num_replicas):
    """Layers from the second on before their noise, in its units and one width.

    Shape ``[num_hidden - 1, num_samples, num_replicas, dim]``.
    """
    noisy = network.activations(params, jnp.repeat(x, num_replicas, axis=0), key=key)
    layers = [
        network.layer(params, number, noisy[number - 1]) / network.noise_std[number]
        for number in range(1, len(network.noise_std))
    ]
    # Units that are always zero change no distance and no density ratio.
    width = max(s.shape[1] for s in layers)
    padded = [jnp.pad(s, ((0, 0), (0, width - s.shape[1]))) for s in layers]
    return jnp.stack(padded).reshape(len(layers), len(x), num_replicas, width)


def noisy_layer_information(
    key: jax.Array,
    params: Params,
    x: ArrayLike,
    labels: ArrayLike,
    *,
    network: Network,
    num_classes: int,
    num_replicas: int = 32,
    num_draws: int = 8,
) -> tuple[PropagatedInformation, ...]:
    """I(X;T) and I(T;Y) of every hidden layer, with means over all inputs, in nats.

    :func:`network_information_at` with every input among the rows and as many noisy
    passes of it for its own density as for that over all.

    Args:
      key: A random key.
      params: See :func:`network_information_at`.
      x: See there.
      labels: See there.
      network: See there.
      num_classes: Number of classes.
      num_replicas: Noisy passes per input, at least 2. Goldfeld et al. took 1,000.
      num_draws: Draws of t per input, from 2 to ``num_replicas``.

    Returns:
      The information of every hidden layer, with fields of shape ``[]``.

    Raises:
      ValueError: If shapes do not match or a number is out of range.
      TypeError: If a dtype is wrong.

    Example:
      >>> from ibjax.networks import noisy
      >>> network = noisy([1, 1, 2], noise_std=0.1)
      >>> affine = lambda w, num: (w * jnp.ones((num, 1)), jnp.zeros(num))
      >>> params = (affine(20, 1), affine(1, 2))
      >>> x, labels = jnp.array([[-1.0], [1.0]]), jnp.array([0, 1])
      >>> (layer,) = noisy_layer_information(
      ...     jax.random.key(1), params, x, labels, network=network, num_classes=2
      ... )
      >>> print(f"{layer.i_xt:.4f} nats")
      0.6931 nats
    """
    checks.at_least("num_replicas", num_replicas, 2)
    effort = Effort(max(2, len(x)), num_replicas, num_replicas, num_draws)
    found = network_information_at(
        key, params, x, labels, network=network, num_classes=num_classes, effort=effort
    )
    return tuple(PropagatedInformation(*layer) for layer in zip(*found, strict=True))
