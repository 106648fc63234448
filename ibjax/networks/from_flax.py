"""Any flax module whose call returns its layers' activities, as a network."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.typing import ArrayLike

from ibjax.networks.network import Network

__all__ = ["from_flax"]


def from_flax(
    module: linen.Module | Callable[[nnx.Rngs], nnx.Module], example_input: ArrayLike
) -> Network:
    """A network from a linen module, or from a function that makes an nnx module.

    The module's call must return a tuple of every layer's activities, the class logits
    last, and use as many weight arrays of rank two or more as it has layers, in the
    order of the layers.

    Args:
      module: A linen module, or a function from ``nnx.Rngs`` to an nnx module (e.g.
        its class), so that each seed can have its own.
      example_input: Inputs of the shape the network is called with,
        ``[num_samples, num_inputs]``.

    Returns:
      The network. A layer of more than two axes is recorded with all but the first
      flattened.

    Raises:
      TypeError: If the call does not return a tuple of arrays.
      ValueError: If the number of weight arrays is not the number of layers.

    Example:
      >>> class Small(linen.Module):
      ...     @linen.compact
      ...     def __call__(self, x):
      ...         hidden = jnp.tanh(linen.Dense(4)(x))
      ...         return hidden, linen.Dense(2)(hidden)
      >>> network = from_flax(Small(), jnp.zeros((1, 12)))
      >>> network.layer_names
      ('layer 1 (4)', 'layer 2 (2)')
    """
    example_input = jnp.asarray(example_input)
    if isinstance(module, linen.Module):

        def init(key):
            return module.init(key, example_input)

        def call(params, x):
            return module.apply(params, x)
    else:
        graph = nnx.eval_shape(lambda: nnx.split(module(nnx.Rngs(0))))[0]

        def init(key):
            return nnx.split(module(nnx.Rngs(key)))[1]

        def call(params, x):
            return nnx.merge(graph, params)(x)

    def activations(params, x):
        layers = call(params, x)
        if not isinstance(layers, tuple) or not layers:
            raise TypeError(
                "module must return a tuple of its layers' activities, logits last, "
                f"got {type(layers).__name__}"
            )
        return tuple(layer.reshape(layer.shape[0], -1) for layer in layers)

    shapes = jax.eval_shape(init, jax.random.key(0))
    layers = jax.eval_shape(activations, shapes, example_input)
    kernel_places = _kernel_places(activations, shapes, example_input)
    num_kernels = len(kernel_places)
    if num_kernels != len(layers):
        raise ValueError(
            "module must have one weight array per layer it returns, got "
            f"{num_kernels} arrays for {len(layers)} layers"
        )
    return Network(
        init=init,
        activations=activations,
        kernels=lambda params: tuple(
            jax.tree.leaves(params)[place] for place in kernel_places
        ),
        layer_names=tuple(
            f"layer {number} ({layer.shape[1]})"
            for number, layer in enumerate(layers, start=1)
        ),
        description=f"{module!r} on {list(example_input.shape)}",
    )


def _kernel_places(
    activations: Callable, params: Any, example_input: jax.Array
) -> list[int]:
    """Which leaves of rank two or more the call uses, in the order it uses them."""
    leaves = jax.tree.leaves(params)
    program = jax.make_jaxpr(activations)(params, example_input).jaxpr
    place = {id(var): n for n, var in enumerate(program.invars[: len(leaves)])}
    used = [place[id(v)] for e in program.eqns for v in e.invars if id(v) in place]
    return [n for n in dict.fromkeys(used) if leaves[n].ndim >= 2]
