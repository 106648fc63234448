"""A network cut in two at a layer, and its output, as pure functions.

Attribution methods take plain functions, so that any model can be explained: a *model*
is ``model(params, x) -> [num, num_classes]``, logits as a rule; a *front* and a *back*
are ``front(params, x) -> r`` and ``back(params, r) -> [num, num_classes]``. Here they
are made of an ibjax network. Those of one network and layer are equal to each other, so
that what is compiled for one serves the next.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np

from ibjax.compilation import full_precision
from ibjax.networks.network import Network, Params, layer_number
from ibjax.numerics import checks

__all__ = ["joined", "layers_of", "output", "split"]


@dataclasses.dataclass(frozen=True, eq=False)
class _Part:
    """A part of a network; equal to others of the same functions at the same layer."""

    network: Network
    number: int

    def _identity(self):
        # Not the whole network: a standard deviation of noise may be traced.
        return type(self), self.network.activations, self.number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Part) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())


class _Front(_Part):
    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        r = self.network.activations(params, x)[self.number]
        return r.reshape(r.shape[0], *self.network.layers[self.number].shape)


class _Back(_Part):
    @full_precision
    def __call__(self, params: Params, r: jax.Array) -> jax.Array:
        return self.network.from_layer(params, self.number, r)


def split(network: Network, layer: str | int) -> tuple[_Front, _Back]:
    """The network up to a layer, and from there on.

    ``back(params, front(params, x))`` is the network's output. Neither has noise or
    dropout. The layer must be a bottleneck, through which all that the output knows of
    the inputs passes: one beside a skip connection is refused. Of a flax module it is
    what the submodule returns, before an activation function that is no submodule.

    Args:
      network: A chain of layers, as ``networks.mlp`` makes, or one of
        ``networks.from_flax(..., layers=)``.
      layer: Name of the layer, with or without the number of its units, or its number
        from 0, which tells apart two of one name.

    Returns:
      ``front(params, x)``, activities ``[num, *shape]`` in the layer's own shape, and
      ``back(params, r)``, outputs ``[num, num_classes]``.

    Raises:
      ValueError: If there is no such layer, or several; if the network cannot be cut;
        or if its output depends on the inputs around the layer as well.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([6, 4, 3])
      >>> front, back = split(network, "tanh 4")
      >>> params = network.init(jax.random.key(0))
      >>> r = front(params, jax.numpy.ones((8, 6)))
      >>> r.shape, back(params, r).shape
      ((8, 4), (8, 3))
    """
    checks.instance("network", network, Network)
    number = layer_number(network.layers, layer)
    front, back = _Front(network, number), _Back(network, number)
    if network.layer is None:
        # A network that cannot be cut there says so while it is traced.
        params = jax.eval_shape(network.init, jax.random.key(0))
        r = jax.ShapeDtypeStruct((1, *network.layers[number].shape), "float32")
        jax.eval_shape(back, params, r)
    return front, back


def output(network: Network) -> _Front:
    """The network as a model, ``model(params, x) -> [num, num_classes]``: its logits.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([6, 4, 3])
      >>> params = network.init(jax.random.key(0))
      >>> output(network)(params, jax.numpy.ones((8, 6))).shape
      (8, 3)
    """
    checks.instance("network", network, Network)
    return _Front(network, len(network.layers) - 1)


@dataclasses.dataclass(frozen=True)
class _Layers:
    fronts: tuple[_Front, ...]

    def __call__(self, params: Params, x: jax.Array) -> tuple[jax.Array, ...]:
        return tuple(front(params, x) for front in self.fronts)


def layers_of(
    network: Network, layers: Sequence[str | int], *, name: str = "layers"
) -> _Layers:
    """Several layers, ``read(params, x) -> (r_1, r_2, ...)``, in their own shapes.

    Example:
      >>> from ibjax import networks
      >>> network = networks.mlp([6, 4, 3])
      >>> params = network.init(jax.random.key(0))
      >>> read = layers_of(network, ["tanh 4", "softmax 3"])
      >>> [r.shape for r in read(params, jax.numpy.ones((8, 6)))]
      [(8, 4), (8, 3)]
    """
    checks.instance("network", network, Network)
    checks.instance(name, layers, list, tuple)
    for number, layer in enumerate(layers):
        if isinstance(layer, bool) or not isinstance(layer, str | int | np.integer):
            raise TypeError(
                f"{name}[{number}] must be a layer's name or number, got {layer!r:.80}"
            )
    return _Layers(
        tuple(_Front(network, layer_number(network.layers, n)) for n in layers)
    )


@dataclasses.dataclass(frozen=True)
class _Joined:
    front: Callable
    back: Callable

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        return self.back(params, self.front(params, x))


def joined(front: Callable, back: Callable) -> _Joined:
    """Front and back as one model, ``model(params, x) -> [num, num_classes]``."""
    return _Joined(front, back)
