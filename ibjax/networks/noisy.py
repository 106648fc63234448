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

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.networks.mlp import mlp
from ibjax.networks.network import Network
from ibjax.numerics import checks

__all__ = ["noisy"]


def noisy(
    widths: Sequence[int],
    activation: str = "tanh",
    *,
    noise_std: ArrayLike,
    init: str = "fan-in",
) -> Network:
    r"""A fully connected network with additive Gaussian noise on every hidden layer.

    Parameters and their initialization are those of :func:`ibjax.networks.mlp`, so
    that the two can exchange them.

    Args:
      widths: Number of inputs, of units of every hidden layer, and of classes.
      activation: One of ``ibjax.networks.ACTIVATIONS``.
      noise_std: Standard deviation of the noise, positive, in units of the activities;
        one for all hidden layers or one for each. Goldfeld et al. took 0.005 for
        Shwartz-Ziv and Tishby's network. It may be traced, as a number that a sweep
        varies is, and is not checked then.
      init: One of ``ibjax.networks.INITIALIZERS``.

    Returns:
      The network. Its activities have noise where they are given a key; the logits
      have none.

    Raises:
      ValueError: If a width or a standard deviation is not positive, their numbers do
        not agree, there is no hidden layer, or a name is unknown.

    References:
      Goldfeld et al., `Estimating information flow in deep neural networks`, ICML 2019.

    Example:
      >>> network = noisy([12, 10, 7, 2], noise_std=0.005)
      >>> params = network.init(jax.random.key(0))
      >>> x = jnp.zeros((8, 12))
      >>> layers = network.activations(params, x, key=jax.random.key(1))
      >>> [t.shape[1] for t in layers]
      [10, 7, 2]
    """
    widths = checks.counts("widths", widths, fewest=3)
    base = mlp(widths, activation, init=init)
    num_hidden = len(widths) - 2
    stds = _standard_deviations(noise_std, num_hidden)

    def activations(params, x, *, key=None, training=False):
        if key is None:
            return base.activations(params, x)
        t = x.reshape(x.shape[0], -1)
        # One draw for all layers: compiling a draw costs far more than running it.
        z = jax.random.normal(key, (len(t), sum(widths[1:-1])))
        layers = []
        start = 0
        for number, std in enumerate(stds):
            stop = start + widths[number + 1]
            t = base.layer(params, number, t) + std * z[:, start:stop]
            layers.append(t)
            start = stop
        return (*layers, base.layer(params, num_hidden, t))

    hidden = [
        layer._replace(noise_std=std)
        for layer, std in zip(base.layers[:-1], stds, strict=True)
    ]
    known = not any(isinstance(std, jax.core.Tracer) for std in stds)
    return base._replace(
        activations=activations,
        layers=(*hidden, base.layers[-1]),
        description=f"{base.description}, noise {stds if known else 'varied'}",
    )


def _standard_deviations(noise_std: ArrayLike, num_hidden: int) -> list:
    """Standard deviation of every hidden layer's noise."""
    # A number that a sweep varies is traced: NumPy can neither hold nor check it.
    if isinstance(noise_std, jax.core.Tracer):
        noise_std = jnp.broadcast_to(noise_std, (num_hidden,))
        return [noise_std[number] for number in range(num_hidden)]
    stds = checks.real("noise_std", noise_std, np.asarray)
    stds = np.atleast_1d(np.asarray(stds, dtype=float))
    if stds.shape == (1,):
        stds = np.repeat(stds, num_hidden)
    why = "for as many hidden layers, or be one number"
    checks.shape("noise_std", stds, (num_hidden,), why=why)
    return [checks.positive("noise_std", std) for std in stds.tolist()]
