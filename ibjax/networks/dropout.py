"""Dropout of units of a chain of layers, and which of its layers may have noise."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.networks.network import Network
from ibjax.numerics import checks

__all__ = ["binary_dropout", "chosen_layers", "kernel_shapes"]


def binary_dropout(
    network: Network, rate: ArrayLike, *, layers: Sequence[int] | None = None
) -> Network:
    """A network whose units are dropped at random in training, the others scaled up.

    Args:
      network: A chain of layers, such as :func:`ibjax.networks.mlp` makes. Layers with
        noise, as of :func:`ibjax.networks.noisy`, have it before they are dropped.
      rate: Probability to drop a unit, in [0, 1). It may be traced, as a number that a
        sweep varies is.
      layers: Numbers of those layers, the first is 0; by default all with weights but
        the output.

    Returns:
      The network, with the parameters and the noise of ``network``; what it drops needs
      a key and ``training``.

    Raises:
      ValueError: If the network is no chain, its noise is another one for every input,
        it drops units already, a layer cannot be dropped, or the rate is out of range.

    References:
      Srivastava et al., `Dropout`, JMLR 2014.

    Example:
      >>> from ibjax.networks import mlp
      >>> network = binary_dropout(mlp([12, 1000, 2], "softplus"), 0.25)
      >>> params, x = network.init(jax.random.key(0)), jnp.ones((1, 12))
      >>> options = {"key": jax.random.key(1), "training": True}
      >>> hidden, _ = network.activations(params, x, **options)
      >>> print(f"{jnp.mean(hidden == 0):.2f}")
      0.25
    """
    checks.in_range("rate", rate, "[0, 1)")
    chosen = chosen_layers(layers, kernel_shapes(network))
    if any(layer.dropped or _is_nan(layer.noise_std) for layer in network.layers):
        raise ValueError(
            "network must have no dropout of its own, and no noise that is another one "
            f"for every input, got {network.description}"
        )

    def activations(params, x, *, key=None, training=False):
        if key is None or not training:
            return network.activations(params, x, key=key)
        keys = dict(zip(chosen, jax.random.split(key, len(chosen)), strict=True))
        # The next number: folding in those before would give the keys of what drops.
        key_noise = jax.random.fold_in(key, len(chosen))
        t, found = x.reshape(x.shape[0], -1), []
        for number, layer in enumerate(network.layers):
            t = network.layer(params, number, t)
            if layer.is_random:
                own = jax.random.fold_in(key_noise, number)
                t = t + layer.noise_std * jax.random.normal(own, t.shape)
            if number in keys:
                kept = jax.random.bernoulli(keys[number], 1 - rate, t.shape)
                t = jnp.where(kept, t / (1 - rate), 0)
            found.append(t)
        return tuple(found)

    marked = (
        layer._replace(dropped=number in chosen)
        for number, layer in enumerate(network.layers)
    )
    words = "varied" if checks.is_traced(rate) else f"{rate:g}"
    return network._replace(
        activations=full_precision(activations),
        layers=tuple(marked),
        description=(
            f"({network.description}) with dropout {words} on layers "
            f"{', '.join(map(str, chosen))}"
        ),
    )


def _is_nan(noise_std: ArrayLike) -> bool:
    return not checks.is_traced(noise_std) and math.isnan(noise_std)


def kernel_shapes(network: Network) -> list[tuple[int, ...]]:
    """Shape of the weights of every layer of a chain.

    Args:
      network: The network.

    Returns:
      The shapes; of a layer without weights one of size zero.

    Raises:
      ValueError: If it is no chain of layers, or has statistics of batches.

    Example:
      >>> from ibjax.networks import mlp
      >>> kernel_shapes(mlp([12, 10, 2]))
      [(10, 12), (2, 10)]
    """
    checks.instance("network", network, Network)
    if network.layer is None or network.state is not None:
        raise ValueError(
            "network must be a chain of layers without statistics of batches, such as "
            f"networks.mlp, got {network.description}"
        )
    params = jax.eval_shape(network.init, jax.random.key(0))
    return [kernel.shape for kernel in jax.eval_shape(network.kernels, params)]


def chosen_layers(
    layers: Sequence[int] | None, shapes: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    """Numbers of hidden layers with weights, all of them or those asked for.

    Args:
      layers: Numbers of layers, the first is 0; None for all.
      shapes: Shapes of the weights of every layer, from :func:`kernel_shapes`.

    Returns:
      The numbers in order.

    Raises:
      ValueError: If there are none, or one is not such a layer or named twice.

    Example:
      >>> chosen_layers(None, [(3, 3, 1, 4), (0, 0), (36, 5), (5, 2)])
      (0, 2)
    """
    possible = [n for n, shape in enumerate(shapes[:-1]) if math.prod(shape)]
    if layers is not None:
        checks.instance("layers", layers, list, tuple, range)
    chosen = tuple(possible if layers is None else layers)
    checks.not_empty("layers", chosen, "hidden layer with weights")
    for number in chosen:
        checks.one_of("layers", number, possible)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"layers must name each layer once, got {list(chosen)}")
    return tuple(sorted(chosen))
