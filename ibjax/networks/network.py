"""A network is two pure functions; everything else about it is derived from them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

__all__ = ["Network", "Params"]

Params = Any
"""Parameters of one network: a pytree of arrays."""


class Network(NamedTuple):
    """A network, as pure functions of its parameters.

    Attributes:
      init: ``init(key) -> params``.
      activations: ``activations(params, x) -> (layer_1, ..., logits)``: every layer's
        activities, ``[num_samples, units]`` each, for ``x`` of shape
        ``[num_samples, num_inputs]``. The last entry holds the class logits.
      kernels: ``kernels(params)``: the weight array of every layer, without biases, as
        many as there are layers, in their order.
      layer_names: A short name of every layer, e.g. ``("tanh 10", "softmax 2")``.
      description: All that tells this network from others, in words; a saved sweep is
        resumed only with a network of the same description.
      noisy_activations: ``noisy_activations(key, params, x)``: the activities with one
        draw of the network's own noise, in which it is trained; None for a network
        without noise.
    """

    init: Callable[[jax.Array], Params]
    activations: Callable[[Params, jax.Array], tuple[jax.Array, ...]]
    kernels: Callable[[Params], tuple[jax.Array, ...]]
    layer_names: tuple[str, ...]
    description: str
    noisy_activations: (
        Callable[[jax.Array, Params, jax.Array], tuple[jax.Array, ...]] | None
    ) = None
