"""Layers that depend on parameters, read off the network's program, not off names."""

from collections.abc import Callable
from typing import Any

import jax
import jax.extend.core

__all__ = ["dependencies", "first_layers", "kernel_places"]


def first_layers(
    activities: Callable, params: Any, example_input: jax.Array
) -> list[int | None]:
    """For every leaf of ``params``, the first layer that depends on it, or None.

    Args:
      activities: ``activities(params, x) -> (layer_1, ..., output)``.
      params: Parameters, or their shapes.
      example_input: Inputs, or their shape.
    """
    num_leaves = len(jax.tree.leaves(params))
    closed = jax.make_jaxpr(activities)(params, example_input)
    inputs = [{place} for place in range(num_leaves)]
    inputs += [set() for _ in closed.jaxpr.invars[num_leaves:]]
    needed = dependencies(closed.jaxpr, inputs)
    return [
        next((number for number, places in enumerate(needed) if place in places), None)
        for place in range(num_leaves)
    ]


def kernel_places(
    activities: Callable,
    params: Any,
    example_input: jax.Array,
    *,
    trained: Callable[[Any], Any] = lambda params: params,
) -> list[list[int]]:
    """For every layer, the weight arrays that it is the first to depend on.

    Args:
      activities: ``activities(params, x) -> (layer_1, ..., output)``.
      params: Parameters, or their shapes.
      example_input: Inputs, or their shape.
      trained: ``trained(params)``: those of them that are trained. State may have
        matrices too, as the vectors of a spectral norm are, which are no weights.

    Returns:
      Places among the leaves of ``params``.
    """
    leaves, structure = jax.tree.flatten(params)
    places = trained(jax.tree.unflatten(structure, range(len(leaves))))
    # A bias may have two axes too, as that of an attention's heads.
    weights = {
        place
        for path, place in jax.tree.leaves_with_path(places)
        if leaves[place].ndim >= 2 and "bias" not in _own_name(path)
    }
    first = first_layers(activities, params, example_input)
    num_layers = len(jax.eval_shape(activities, params, example_input))
    return [
        [place for place in sorted(weights) if first[place] == number]
        for number in range(num_layers)
    ]


def _own_name(path: tuple) -> str:
    """Name of an array itself, without the modules that it is in."""
    *_, last = path
    # Boxes of flax, such as nnx's variables, hold their array under one more name.
    boxed = last == jax.tree_util.GetAttrKey("value")
    return jax.tree_util.keystr(path[-2:-1] if boxed else path[-1:])


def dependencies(program, inputs: list[set]) -> list[set]:
    """What every output of a program depends on, given what its inputs stand for.

    Args:
      program: A ``jax.extend.core.Jaxpr``.
      inputs: For every input the set of what depends on it.

    Returns:
      For every output the union of the sets of the inputs that it may depend on.
    """
    known = dict(zip(program.invars, inputs, strict=True))
    known |= {var: set() for var in program.constvars}

    def of(var) -> set:
        return set() if isinstance(var, jax.extend.core.Literal) else known[var]

    for equation in program.eqns:
        needed = [of(var) for var in equation.invars]
        inner = equation.params.get("jaxpr")
        inner = getattr(inner, "jaxpr", inner)
        if (
            inner is not None
            and len(inner.invars) == len(needed)
            and (
                len(inner.outvars) == len(equation.outvars)
                and equation.primitive.name in ("jit", "pjit", "closed_call", "remat2")
            )
        ):
            found = dependencies(inner, needed)
        else:
            # Of loops and branches every output is taken to need every input.
            found = [set().union(*needed)] * len(equation.outvars)
        known |= dict(zip(equation.outvars, found, strict=True))
    return [of(var) for var in program.outvars]
