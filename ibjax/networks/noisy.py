r"""Fully connected networks whose hidden layers carry additive Gaussian noise.

Every hidden layer is :math:`T_l = f_l(T_{l-1}) + Z_l` with :math:`Z_l \sim
N(0, \sigma^2 I)`, added after the activation function and never to the logits. Then
I(X;T) is finite and is a property of the network itself, not of an estimator's bins
(Goldfeld et al., 2019).

The noise is *additive*: its size does not depend on the activity. Butakov et al. (2024)
state their theory for the same noise, but their program scales it with the activity,
``t + sigma * t * z``, which leaves units at zero without any; their curves are those of
another network.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ibjax.networks.mlp import ACTIVATIONS, mlp
from ibjax.networks.network import Network, Params

__all__ = ["NoisyNetwork", "noisy"]


class NoisyNetwork(NamedTuple):
    """A network with noise on its hidden layers, as pure functions.

    Attributes:
      init: ``init(key) -> params``.
      layer: ``layer(params, number, t) -> s``: the next layer *before* its noise, for
        the noisy layer (or, for ``number`` 0, the inputs) before it; ``t`` has shape
        ``[num_samples, units]``. ``number`` is a Python integer.
      activations: ``activations(key, params, x) -> (layer_1, ..., logits)``: every
        layer with its noise, ``[num_samples, units]`` each. One key is one draw of
        the noise.
      kernels: ``kernels(params)``: the weight array of every layer, without biases.
      noise_std: Standard deviation of every hidden layer's noise.
      layer_names: A short name of every layer.
      description: All that tells this network from others, in words.
      network: The network as :func:`ibjax.sweep` trains it, with its noise; what is
        measured are its activities without noise.
    """

    init: Callable[[jax.Array], Params]
    layer: Callable[[Params, int, jax.Array], jax.Array]
    activations: Callable[[jax.Array, Params, jax.Array], tuple[jax.Array, ...]]
    kernels: Callable[[Params], tuple[jax.Array, ...]]
    noise_std: tuple[float, ...]
    layer_names: tuple[str, ...]
    description: str
    network: Network


def noisy(
    widths: Sequence[int],
    activation: str = "tanh",
    *,
    noise_std: float | Sequence[float],
    init: str = "fan-in",
) -> NoisyNetwork:
    r"""A fully connected network with additive Gaussian noise on every hidden layer.

    Parameters and their initialization are those of :func:`ibjax.networks.mlp`, so
    that the two can exchange them.

    Args:
      widths: Number of inputs, of units of every hidden layer, and of classes.
      activation: One of ``ibjax.networks.ACTIVATIONS``.
      noise_std: Standard deviation of the noise, positive, in units of the activities;
        one for all hidden layers or one for each. Goldfeld et al. took 0.005 for
        Shwartz-Ziv and Tishby's network.
      init: One of ``ibjax.networks.INITIALIZERS``.

    Returns:
      The network; its last activation holds the logits, without noise.

    Raises:
      ValueError: If a width or a standard deviation is not positive, their numbers do
        not agree, there is no hidden layer, or a name is unknown.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> network = noisy([12, 10, 7, 2], noise_std=0.005)
      >>> params = network.init(jax.random.key(0))
      >>> layers = network.activations(jax.random.key(1), params, jnp.zeros((8, 12)))
      >>> [t.shape[1] for t in layers]
      [10, 7, 2]
    """
    base = mlp(widths, activation, init=init)
    widths = tuple(int(width) for width in widths)
    num_hidden = len(widths) - 2
    if num_hidden < 1:
        raise ValueError(
            f"widths must name at least one hidden layer, got {list(widths)}"
        )
    stds = np.atleast_1d(np.asarray(noise_std, dtype=float))
    if stds.shape == (1,):
        stds = np.repeat(stds, num_hidden)
    if stds.shape != (num_hidden,):
        raise ValueError(
            "noise_std must be one number or one for each of the "
            f"{num_hidden} hidden layers, got {noise_std}"
        )
    if not (np.isfinite(stds) & (stds > 0)).all():
        raise ValueError(f"noise_std must be positive, got {noise_std}")
    activation_fn = ACTIVATIONS[activation]
    # A network without hidden layers is one affine map.
    affine = [mlp(pair) for pair in zip(widths[:-1], widths[1:], strict=True)]

    def layer(params, number, t):
        (s,) = affine[number].activations((params[number],), t)
        return activation_fn(s) if number < num_hidden else s

    def activations(key, params, x):
        t = jnp.asarray(x)
        # One draw for all layers: compiling a draw costs far more than running it.
        z = jax.random.normal(key, (len(t), sum(widths[1:-1])))
        layers = []
        start = 0
        for number, std in enumerate(stds.tolist()):
            stop = start + widths[number + 1]
            t = layer(params, number, t) + std * z[:, start:stop]
            layers.append(t)
            start = stop
        return (*layers, layer(params, num_hidden, t))

    description = f"{base.description}, noise {stds.tolist()}"
    return NoisyNetwork(
        init=base.init,
        layer=layer,
        activations=activations,
        kernels=base.kernels,
        noise_std=tuple(stds.tolist()),
        layer_names=base.layer_names,
        description=description,
        network=base._replace(description=description, noisy_activations=activations),
    )
