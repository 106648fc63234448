"""Compilation for the processor at hand, and its cores as devices."""

import os
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import jax
from jax import lax

__all__ = ["CPU_OPTIONS", "jit", "use_all_cores"]

CPU_OPTIONS = {"xla_cpu_prefer_vector_width": 512}
"""Compiler options for programs on a CPU.

XLA does not use vectors of 512 bits unless asked, even where the processor has them;
where it has none, the option changes nothing.
"""


def jit(*, static_argnames: str | Sequence[str] = ()) -> Callable[..., Callable]:
    """Decorator: ``jax.jit`` with ``CPU_OPTIONS`` for programs compiled by themselves.

    XLA takes options for a whole program only. A call on arrays gets them; a call
    inside another ``jit`` or ``vmap``, or under a derivative, is compiled as that
    program is. ``jax.jit(jax.vmap(function), compiler_options=CPU_OPTIONS)`` passes
    them to a program of your own.

    Example:
      >>> @jit(static_argnames="power")
      ... def raised(x, power):
      ...     return x**power
      >>> print(raised(2.0, power=3))
      8.0
    """

    def decorate(function: Callable) -> Callable:
        inside = jax.jit(function, static_argnames=static_argnames)
        outermost = jax.jit(
            function, static_argnames=static_argnames, compiler_options=CPU_OPTIONS
        )

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            chosen = outermost if _is_outermost((args, kwargs)) else inside
            return chosen(*args, **kwargs)

        return call

    return decorate


def _is_outermost(arguments: Any) -> bool:
    """True if a call with these arguments is compiled by itself, for a CPU."""
    if jax.default_backend() != "cpu":
        return False
    # While a program is traced the arguments can be constants, but a result cannot be.
    traced = [*jax.tree.leaves(arguments), lax.neg(0.0)]
    return not any(isinstance(value, jax.core.Tracer) for value in traced)


def use_all_cores() -> None:
    """Make a device of every core that this process may use, to shard seeds over.

    It must run before JAX starts, and keeps a number of devices that was set before.
    """
    if jax.config.jax_num_cpu_devices >= 1:
        return
    if hasattr(os, "sched_getaffinity"):
        num_cores = len(os.sched_getaffinity(0))
    else:
        num_cores = os.cpu_count() or 1
    jax.config.update("jax_num_cpu_devices", num_cores)
