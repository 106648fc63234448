"""Network: pure functions of its parameters, and a description of its layers."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
from jax.typing import ArrayLike

from ibjax.numerics import checks

__all__ = ["OUTPUTS", "Layer", "Network", "NetworkState", "Params", "layer_number"]

Params = Any
"""Parameters of one network: a pytree of arrays."""

OUTPUTS = ("softmax", "linear")
"""Meaning of the last activity: logits of classes, or the output as it is."""


class Layer(NamedTuple):
    """One layer of a network.

    Attributes:
      name: Short name, e.g. ``"tanh 10"``.
      shape: Shape of one sample's activity, e.g. ``(10,)`` or ``(height, width,
        channels)``. Activities are handed over flat, ``[num_samples, units]``, with
        the last axis innermost.
      noise_std: Standard deviation of the layer's own noise, 0 for none. May be traced.
        NaN where noise is another one for every input.
      dropped: Whether training drops units of the layer.
    """

    name: str
    shape: tuple[int, ...]
    noise_std: ArrayLike = 0.0
    dropped: bool = False

    @property
    def is_random(self) -> bool:
        """Whether a draw of the layer is another than the layer, in training at least.

        A network that takes ``layer`` for the layer would lose what is drawn.
        """
        known = not checks.is_traced(self.noise_std)
        return self.dropped or not (known and self.noise_std == 0)

    @property
    def width(self) -> int:
        """Number of units."""
        return math.prod(self.shape)


class NetworkState(NamedTuple):
    """Parameters that no gradient changes, such as the statistics of batches.

    Attributes:
      split: ``split(params) -> (trainable, state)``.
      merge: ``merge(trainable, state) -> params``.
      update: ``update(params, x, key) -> state``: the state after a training batch.
    """

    split: Callable[[Params], tuple[Any, Any]]
    merge: Callable[[Any, Any], Params]
    update: Callable[[Params, jax.Array, jax.Array], Any]


class Network(NamedTuple):
    """A network, as pure functions of its parameters.

    Attributes:
      init: ``init(key) -> params``.
      activations: ``activations(params, x, *, key=None, training=False) -> (layer_1,
        ..., output)``: every layer's activities, ``[num_samples, units]`` each, for
        ``x`` of shape ``[num_samples, ...]``. With a key, one draw of the network's
        own noise; ``training`` adds what only training has, such as dropout.
      kernels: ``kernels(params)``: for every layer its weights, without biases: an
        array, or a pytree of arrays where a layer has several or none.
      layers: The layers, as many as ``activations`` returns.
      description: All that tells this network from others, in words; a saved sweep is
        resumed only with a network of the same description.
      output: One of :data:`OUTPUTS`.
      layer: ``layer(params, number, t)``: layer ``number`` before its noise, for the
        activities ``t`` of the layer before it or, for 0, the inputs. None for a
        network that is no chain of layers, or has other noise than that of its layers.
      state: How the state is kept apart from what is trained; None for no state.
      activate: ``activate(number, s)``: activities of layer ``number`` for its
        pre-activations ``s``, elementwise, before its noise. For a chain of dense
        layers with parameters ``(w, b)`` each, ``w`` of shape ``[units, inputs]``; None
        for any other network.
      resume: ``resume(params, number, t)``: the output, without noise or dropout, for
        activities ``t [num_samples, *shape]`` of layer ``number``; ValueError where the
        output depends on the inputs around that layer too. None for a network that is
        a chain, or cannot be cut.
      changed: ``changed(params, x, changes, *, key=None, training=False)``: as
        ``activations``, with functions of layers' activities ``[num_samples, *shape]``
        by their numbers, whose values take the place of these on the way on. None for a
        network that is a chain, or whose layers have no names.
    """

    init: Callable[[jax.Array], Params]
    activations: Callable[..., tuple[jax.Array, ...]]
    kernels: Callable[[Params], tuple[Any, ...]]
    layers: tuple[Layer, ...]
    description: str
    output: str = "softmax"
    layer: Callable[[Params, int, jax.Array], jax.Array] | None = None
    state: NetworkState | None = None
    activate: Callable[[int, jax.Array], jax.Array] | None = None
    resume: Callable[[Params, int, jax.Array], jax.Array] | None = None
    changed: Callable[..., tuple[jax.Array, ...]] | None = None

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Short name of every layer."""
        return tuple(layer.name for layer in self.layers)

    @property
    def noise_std(self) -> tuple[ArrayLike, ...]:
        """Standard deviation of the noise of every layer but the output."""
        return tuple(layer.noise_std for layer in self.layers[:-1])

    def from_layer(self, params: Params, number: int, t: jax.Array) -> jax.Array:
        """Output, without noise or dropout, for a layer's activities, as ``resume``."""
        if self.layer is None:
            if self.resume is None:
                raise ValueError(
                    "network must be a chain of layers or name its flax module's "
                    f"submodules, from_flax(..., layers=), got {self.description}"
                )
            return self.resume(params, number, t)
        t = t.reshape(t.shape[0], -1)
        for later in range(number + 1, len(self.layers)):
            t = self.layer(params, later, t)
        return t

    def split(self, params: Params) -> tuple[Any, Any]:
        """Trained parameters, and the state (None without one)."""
        return (params, None) if self.state is None else self.state.split(params)

    def merge(self, trainable: Any, state: Any) -> Params:
        """Parameters from what is trained and the state."""
        return trainable if self.state is None else self.state.merge(trainable, state)


def layer_number(layers: Sequence[Layer], layer: str | int) -> int:
    """Number of a layer from 0, from its name or number.

    Args:
      layers: Those of a network.
      layer: Its name, with or without the number of units in brackets, or its number.

    Raises:
      ValueError: If there is no such layer, or several of that name.

    Example:
      >>> from ibjax import networks
      >>> layer_number(networks.mlp([12, 5, 3, 2]).layers, "tanh 3")
      1
    """
    if not isinstance(layer, str):
        return checks.whole("layer", layer, f"[0,{len(layers)})")
    names = [own.name for own in layers]
    found = [n for n, name in enumerate(names) if name == layer]
    if not found:
        bare = [re.sub(r" \(\d+\)$", "", name) for name in names]
        found = [n for n, name in enumerate(bare) if name == layer]
    if not found:
        raise ValueError(
            f"layer must be one of the network's, {', '.join(names)}; got {layer!r}"
        )
    if len(found) > 1:
        raise ValueError(
            f"layer must name one layer, got {layer!r}, which the layers of the "
            f"numbers {', '.join(map(str, found))} share; give the number"
        )
    return found[0]
