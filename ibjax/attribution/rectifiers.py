r"""Guided backpropagation: ReLUs that pass back only what is positive.

The ReLUs are found in the model's program, not in its source: each maximum with zero,
as of ``jax.nn.relu`` (which is that of flax), ``jax.nn.relu6``, ``jnp.maximum(x, 0)``
and ``jnp.clip(x, 0)``. So any model will do, as it is, and nothing is patched. The
maximum with zero of a normalization's variance, a mean of squares less a squared mean,
is none.

The map is near to a reconstruction of the input, whatever the upper layers are: it
hardly changes when they are drawn anew (Adebayo et al., 2018), and so does not explain
the model. It is here to be compared with.
"""

import dataclasses
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from ibjax.attribution.gradients import gradient
from ibjax.numerics import checks

__all__ = ["guided", "guided_backpropagation", "guided_relu"]

# Programs within a program that run once, as if they were written out.
_INLINE = {"jit", "pjit", "closed_call", "core_call", "remat2", "checkpoint"}
_LOOPS = {"scan", "while", "cond"}
# What leaves an array of zeros one, and what a function does that only clips.
_COPIES = {"broadcast_in_dim", "convert_element_type", "copy", "reshape"}
_CLIPS = {"max", "min", "convert_element_type"}
_SQUARES = {"square", "integer_pow"}


@jax.custom_vjp
def guided_relu(x: jax.Array) -> jax.Array:
    """ReLU whose gradient passes where it is positive, as well as the input.

    Example:
      >>> x = jnp.array([-1.0, 1.0, 1.0])
      >>> weighted = lambda x: jnp.sum(jnp.array([1.0, 1.0, -1.0]) * guided_relu(x))
      >>> print(jax.grad(weighted)(x))
      [0. 1. 0.]
    """
    return jnp.maximum(x, 0)


def _forward(x):
    return guided_relu(x), x


def _backward(x, g):
    return (jnp.where((x > 0) & (g > 0), g, 0),)


guided_relu.defvjp(_forward, _backward)


def guided_backpropagation(
    model: Callable,
    params: Any,
    x: ArrayLike,
    targets: ArrayLike,
    *,
    batch_size: int | None = None,
) -> jax.Array:
    """Gradient of the target's output through guided ReLUs.

    Args:
      model: ``model(params, x) -> [num, num_classes]``, with ReLUs.
      params: Its parameters.
      x: Inputs, ``[num, ...]``.
      targets: Classes, ``[num]`` or one.
      batch_size: Inputs at a time; None for all at once.

    Returns:
      Attributions, ``[num, ...]``.

    Raises:
      ValueError: If the model has no ReLU, or one within a loop, as of ``lax.scan``;
        and as :func:`ibjax.attribution.gradient`.

    References:
      Springenberg et al., `Striving for simplicity`, ICLR workshop 2015.

    Example:
      >>> model = lambda params, x: jax.nn.relu(x) @ params
      >>> params, x = jnp.array([[1.0], [-1.0]]), jnp.ones((1, 2))
      >>> print(guided_backpropagation(model, params, x, 0))
      [[1. 0.]]
    """
    return gradient(guided(model), params, x, targets, batch_size=batch_size)


@dataclasses.dataclass(frozen=True)
class _Guided:
    model: Callable

    def __call__(self, params: Any, x: jax.Array) -> jax.Array:
        program = jax.make_jaxpr(self.model)(params, x)
        found: list[int] = []
        (outputs,) = _run(
            program.jaxpr, program.consts, jax.tree.leaves((params, x)), found
        )
        if not found:
            raise ValueError("model must have a ReLU to guide, got one without")
        return outputs


def guided(model: Callable) -> _Guided:
    """The model with guided ReLUs in place of its own; outputs stay the same."""
    return _Guided(model)


def _run(program, consts, values, found: list[int]) -> list:
    """Evaluate a program with guided ReLUs, one entry of ``found`` for each."""
    known = dict(zip(program.constvars, consts, strict=True))
    known |= dict(zip(program.invars, values, strict=True))
    zeros = {var for var, value in known.items() if _is_zero(value)}
    makers = {var: equation for equation in program.eqns for var in equation.outvars}

    def read(var):
        return var.val if isinstance(var, jax.extend.core.Literal) else known[var]

    for equation in program.eqns:
        values = [read(var) for var in equation.invars]
        name = equation.primitive.name
        rectified = _rectified(equation, zeros, makers)
        if name in _COPIES and all(_is_zero_of(v, zeros) for v in equation.invars):
            zeros.update(equation.outvars)
        if rectified is not None:
            found.append(1)
            results = [guided_relu(values[rectified])]
        elif name in _INLINE or _clips(equation):
            results = _run(*_inner(equation), values, found)
        else:
            if name in _LOOPS and _has_relu(equation):
                raise ValueError(
                    f"model must have its ReLUs outside of loops, got one in a {name}; "
                    "a smaller batch_size does without a loop over parts of a batch"
                )
            results = _evaluated(program, equation, known)
        known |= dict(zip(equation.outvars, results, strict=True))
    return [read(var) for var in program.outvars]


def _evaluated(program, equation, known: dict) -> list:
    """Results of one equation, given the values of its variables."""
    variables = dict.fromkeys(
        v for v in equation.invars if not isinstance(v, jax.extend.core.Literal)
    )
    # As a program of its own: JAX has no public way to run an equation.
    alone = program.replace(
        constvars=[],
        invars=list(variables),
        outvars=equation.outvars,
        eqns=[equation],
    )
    run = jax.extend.core.jaxpr_as_fun(jax.extend.core.ClosedJaxpr(alone, ()))
    return run(*(known[v] for v in variables))


def _inner(equation) -> tuple[Any, list]:
    """Program and constants of a call."""
    inner = equation.params.get("jaxpr", equation.params.get("call_jaxpr"))
    if isinstance(inner, jax.extend.core.ClosedJaxpr):
        return inner.jaxpr, inner.consts
    return inner, []


def _is_zero(value) -> bool:
    # Neither what is traced nor a key has values to look at.
    if checks.is_traced(value) or not jnp.issubdtype(jnp.result_type(value), np.number):
        return False
    return not np.any(np.asarray(value))


def _is_zero_of(var, zeros) -> bool:
    if isinstance(var, jax.extend.core.Literal):
        return _is_zero(var.val)
    return var in zeros


def _clips(equation) -> bool:
    """Check for a function with a derivative of its own that only clips, as relu6."""
    if equation.primitive.name != "custom_jvp_call":
        return False
    inner = _written_out(_inner(equation)[0])
    return all(e.primitive.name in _CLIPS for e in inner.eqns) and _has_relu(equation)


def _written_out(program):
    """The program within a program that does nothing else."""
    while len(program.eqns) == 1 and program.eqns[0].primitive.name in _INLINE:
        program = _inner(program.eqns[0])[0]
    return program


def _is_variance(var, makers) -> bool:
    """Check for a difference from a square, of equations by what they make."""
    made = makers.get(var)
    if made is None or made.primitive.name != "sub":
        return False
    mean = made.invars[1]
    if isinstance(mean, jax.extend.core.Literal):
        return False
    return mean in makers and makers[mean].primitive.name in _SQUARES


def _rectified(equation, zeros=frozenset(), makers=MappingProxyType({})) -> int | None:
    """Place of the operand that an equation takes the maximum with zero of, or None."""
    if equation.primitive.name == "max":
        zero = [_is_zero_of(var, zeros) for var in equation.invars]
        if zero.count(True) != 1:
            return None
        place = zero.index(False)
        return None if _is_variance(equation.invars[place], makers) else place
    # The rule for the derivative of jax.nn.relu wraps it. A softplus has a maximum with
    # zero as well, but not alone.
    if equation.primitive.name == "custom_jvp_call":
        inner = _written_out(_inner(equation)[0])
        if len(inner.eqns) == 1 and inner.eqns[0].primitive.name == "max":
            return 0 if _rectified(inner.eqns[0]) is not None else None
    return None


def _has_relu(equation) -> bool:
    """Check if a ReLU is in a program within this equation, however deep."""
    inner = jax.tree.leaves(
        list(equation.params.values()),
        is_leaf=lambda v: isinstance(
            v, jax.extend.core.Jaxpr | jax.extend.core.ClosedJaxpr
        ),
    )
    programs = [getattr(v, "jaxpr", v) for v in inner]
    return any(
        _rectified(e) is not None or ("custom" not in e.primitive.name and _has_relu(e))
        for program in programs
        if isinstance(program, jax.extend.core.Jaxpr)
        for e in program.eqns
    )
