"""Programs of networks, run with weights that are not numbers but carry their noise.

A network is a function of its weights, of which nothing is known but its program, as
JAX traces it. Here the program is run equation by equation. Weights stay what they are
as long as they are only laid out anew; where they meet activities, in a product or a
sum, rules say what comes of it, and anything else that needs their numbers gets them
drawn.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.extend.core
import numpy as np
from jax import lax

__all__ = ["Rules", "Sign", "Weight", "run_program"]

# Equations that hold a program, and under which name.
_INNER = {"jit": "jaxpr", "closed_call": "call_jaxpr", "remat2": "jaxpr"}
# Such with derivatives of their own, which a program that is run by itself has not.
_CUSTOM = {"custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
_PRODUCTS = ("dot_general", "conv_general_dilated")


class Sign(NamedTuple):
    """Signs of a weight array along one of its axes.

    Attributes:
      values: Signs, shape ``[num_signs]``.
      places: Which of them is that of an entry, integers of the array's shape.
    """

    values: jax.Array
    places: np.ndarray


class Weight(NamedTuple):
    """An array of weights with noise, as it is laid out at some point of a program.

    Attributes:
      mean: Means.
      spread: Standard deviations, or deviations from the means, of the same shape.
      signs: Signs of the deviations, whose product counts.
      leaf: Number of the network's array that it is made of.
      is_whole: Whether every entry is there once.
    """

    mean: jax.Array
    spread: jax.Array
    signs: tuple[Sign, ...]
    leaf: int
    is_whole: bool = True


class Rules(NamedTuple):
    """What comes of weights with noise.

    Attributes:
      product: ``product(bind, equation, weight, other, is_first)``: of a weight and
        activities in a product or convolution; None where the rule is not for it.
      add: ``add(weight, other)``: of a weight and activities in a sum.
      drawn: ``drawn(weight)``: numbers, for anything else.
      settled: ``settled(value)``: what the first two returned, as numbers.
      in_loops: Whether they serve a loop of several steps, which all have the same
        weights; else its weights are drawn before.
      in_custom: Whether they serve products within functions with derivatives of their
        own, which are then those of the products.
    """

    product: Callable
    add: Callable
    drawn: Callable
    settled: Callable
    in_loops: bool
    in_custom: bool = True


def run_program(program: Any, values: Sequence[Any], rules: Rules) -> list[Any]:
    """Outputs of a program some of whose inputs are weights with noise.

    Args:
      program: A closed program, as of ``jax.make_jaxpr``.
      values: Its inputs, arrays or :class:`Weight`.
      rules: What comes of weights.

    Returns:
      The outputs, arrays or, where they are only laid out anew, weights.
    """
    jaxpr = program.jaxpr
    known = dict(zip(jaxpr.invars, values, strict=True))
    known |= dict(zip(jaxpr.constvars, program.consts, strict=True))
    uses = Counter(
        var
        for equation in jaxpr.eqns
        for var in equation.invars
        if not isinstance(var, jax.extend.core.Literal)
    )
    uses.update(v for v in jaxpr.outvars if not isinstance(v, jax.extend.core.Literal))

    def read(var):
        """A value, settled, and the same one whenever it is read again."""
        if isinstance(var, jax.extend.core.Literal):
            return var.val
        value = known[var]
        if not isinstance(value, Weight):
            value = known[var] = rules.settled(value)
        return value

    for equation in jaxpr.eqns:
        once = [uses.get(v) == 1 for v in equation.invars if not _is_literal(v)]
        raw = equation.primitive.name == "add" and len(once) == 2 and all(once)
        # A sum of a bias may come before what it is added to is settled.
        found = [known[v] if raw else read(v) for v in equation.invars]
        if any(isinstance(value, Weight) for value in found):
            outputs = _with_weights(equation, found, rules)
        else:
            outputs = _bind(equation, [rules.settled(value) for value in found])
        for var, value in zip(equation.outvars, outputs, strict=True):
            known[var] = value
    return [read(var) for var in jaxpr.outvars]


def _is_literal(var) -> bool:
    return isinstance(var, jax.extend.core.Literal)


def _bind(equation, values) -> list[Any]:
    params = equation.primitive.get_bind_params(equation.params)
    found = equation.primitive.bind(*values, **params)
    return list(found) if equation.primitive.multiple_results else [found]


def _with_weights(equation, values, rules: Rules) -> list[Any]:
    name = equation.primitive.name
    inner = equation.params.get((_INNER | _CUSTOM).get(name))
    if inner is not None and not isinstance(inner, jax.extend.core.ClosedJaxpr):
        inner = jax.extend.core.ClosedJaxpr(inner, ())
    is_served = name in _INNER or rules.in_custom
    if inner is not None and is_served and (name in _INNER or _has_product(inner)):
        values = [v if isinstance(v, Weight) else rules.settled(v) for v in values]
        return run_program(inner, values, rules)
    if name == "scan":
        found = _in_loop(equation, values, rules)
        if found is not None:
            return found
    weights = [isinstance(value, Weight) for value in values]
    if name in _LAYOUTS and weights[0] and not any(weights[1:]):
        return [_laid_out(equation, values[0])]
    if len(values) == 2 and sum(weights) == 1:
        is_first = weights[0]
        weight, other = values if is_first else values[::-1]
        if name == "add":
            return [rules.add(weight, other)]
        if name in _PRODUCTS and weight.is_whole:
            found = rules.product(
                lambda *pair: _bind(equation, pair if is_first else pair[::-1])[0],
                equation,
                weight,
                rules.settled(other),
                is_first,
            )
            if found is not None:
                return [found]
    return _bind(
        equation,
        [rules.drawn(v) if isinstance(v, Weight) else rules.settled(v) for v in values],
    )


def _has_product(program) -> bool:
    """Whether there is a product in a program, or in one within it."""
    equations = getattr(program, "jaxpr", program).eqns
    within = (e.params.get(n) for e in equations for n in ("jaxpr", "call_jaxpr"))
    return any(e.primitive.name in _PRODUCTS for e in equations) or any(
        _has_product(inner) for inner in within if inner is not None
    )


def _num_longer(outside, inside) -> int:
    return sum(
        outer.aval.ndim > inner.aval.ndim
        for outer, inner in zip(outside, inside, strict=True)
    )


def _in_loop(equation, values, rules: Rules) -> list[Any] | None:
    """A loop whose steps have the same weights; None where rules are for no loop."""
    params = equation.params
    # Told by their shapes: what is sliced or stacked has an axis more outside the loop.
    inside = params["jaxpr"].jaxpr
    num_slices = _num_longer(equation.invars, inside.invars)
    num_carry = len(inside.outvars) - _num_longer(equation.outvars, inside.outvars)
    num_consts = len(inside.invars) - num_carry - num_slices
    if any(isinstance(value, Weight) for value in values[num_consts:]):
        return None
    consts = values[:num_consts]
    carried = values[num_consts : num_consts + num_carry]

    slices = values[num_consts + num_carry :]

    def step(carry, slices):
        found = run_program(params["jaxpr"], [*consts, *carry, *slices], rules)
        found = [rules.drawn(v) if isinstance(v, Weight) else v for v in found]
        return found[:num_carry], found[num_carry:]

    if params["length"] == 1:
        carry, own = step(carried, [each[0] for each in slices])
        return [*carry, *(each[None] for each in own)]
    if not rules.in_loops:
        return None
    carry, stacked = lax.scan(
        step, carried, slices, length=params["length"], reverse=params["reverse"]
    )
    return [*carry, *stacked]


# How places of entries move with them: programs may lay weights out anew as they like.
_LAYOUTS = {
    "reshape": lambda x, p: x.reshape(p["new_sizes"]),
    "transpose": lambda x, p: x.transpose(p["permutation"]),
    "squeeze": lambda x, p: x.squeeze(p["dimensions"]),
    "broadcast_in_dim": lambda x, p: np.broadcast_to(
        np.expand_dims(
            x, [a for a in range(len(p["shape"])) if a not in p["broadcast_dimensions"]]
        ),
        p["shape"],
    ),
    "convert_element_type": lambda x, p: x,
}


def _laid_out(equation, weight: Weight) -> Weight:
    place = _LAYOUTS[equation.primitive.name]
    (mean,), (spread,) = (_bind(equation, [v]) for v in (weight.mean, weight.spread))
    return weight._replace(
        mean=mean,
        spread=spread,
        signs=tuple(
            sign._replace(places=place(sign.places, equation.params))
            for sign in weight.signs
        ),
        is_whole=weight.is_whole and mean.size == weight.mean.size,
    )
