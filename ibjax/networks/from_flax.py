"""Flax modules, linen or nnx, as networks.

Layers are what the module's call returns or, chosen by name, what its submodules return
and what it sows. Variables that are not trained (linen collections, nnx variable types)
are the network's state and have to be named, so that no statistic of a batch is trained
by mistake.
"""

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import flax.errors
import jax
import jax.numpy as jnp
from flax import linen, nnx
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.networks.dependencies import dependencies, kernel_places
from ibjax.networks.flax_calls import Calls, linen_calls, nnx_calls
from ibjax.networks.network import OUTPUTS, Layer, Network
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of
from ibjax.numerics.digests import program_digest

__all__ = ["from_flax"]

_NOTHING: dict[int, Callable] = {}


def from_flax(
    module: linen.Module | Callable[[nnx.Rngs], nnx.Module],
    example_input: ArrayLike,
    *,
    layers: Sequence[str] | None = None,
    state: Sequence[str | type[nnx.Variable]] | str | type[nnx.Variable] = (),
    output: str = "softmax",
) -> Network:
    """A network from a linen module, or from a function that makes an nnx module.

    Without ``layers`` the module's call must return a tuple of every layer's
    activities, the output last. With ``layers`` it returns the output alone, and the
    layers are the outputs of the submodules of these names, or what was sown by them:
    paths such as ``"Block_0/Dense_1"`` in linen and ``"blocks.0.attention"`` in nnx.
    Calls of a submodule that is called more than once are told apart, ``"shared:0"``
    and ``"shared:1"``. The output follows them as the last layer.

    A call that has an argument ``training``, ``train``, ``deterministic`` or
    ``use_running_average`` is told whether it trains; nnx modules are put into their
    training or evaluation mode besides. In training, dropout and other randomness draw
    from the key of the step.

    Args:
      module: A linen module, or a function from ``nnx.Rngs`` to an nnx module (e.g.
        its class), so that each seed can have its own.
      example_input: Inputs of the shape the network is called with, ``[num_samples,
        ...]``.
      layers: Names of the layers to record, in their order.
      state: What is not trained but kept up to date in training: collections of a
        linen module, e.g. ``"batch_stats"``, or variable types of an nnx module, e.g.
        ``nnx.BatchStat``.
      output: ``"softmax"`` if the output holds logits of classes, ``"linear"`` if not.

    Returns:
      The network. A layer of more than two axes is recorded flat; its ``shape`` says
      what it was. A weight array (trained, of rank two or more, and no bias by its own
      name) belongs to the first layer that depends on it.

    Raises:
      TypeError: If the call does not return what it must.
      ValueError: If a layer's name is unknown, the module has no parameters, it keeps
        variables that ``state`` does not name, or it cannot be called in training.

    Example:
      >>> class Small(linen.Module):
      ...     @linen.compact
      ...     def __call__(self, x, training):
      ...         hidden = linen.BatchNorm(use_running_average=not training)(
      ...             linen.Dense(4)(x)
      ...         )
      ...         return linen.Dense(2)(jnp.tanh(hidden))
      >>> network = from_flax(
      ...     Small(), jnp.zeros((1, 12)), layers=["BatchNorm_0"], state="batch_stats"
      ... )
      >>> network.layer_names
      ('BatchNorm_0 (4)', 'output (2)')
    """
    example_input = checks.jax_array("example_input", example_input)
    checks.shape("example_input", example_input, ("num_samples", "*shape"))
    if layers is not None:
        checks.instance("layers", layers, list, tuple)
        for number, name in enumerate(layers):
            checks.instance(f"layers[{number}]", name, str)
        if len(set(layers)) < len(layers):
            raise ValueError(f"layers must name each layer once, got {list(layers)}")
    checks.instance("state", state, str, type, list, tuple)
    if isinstance(module, nnx.Module):
        raise TypeError(
            "module must be a function that makes an nnx module, e.g. its class, so "
            "that each seed has weights of its own; got one that is made, a "
            f"{type(module).__name__}"
        )
    if not isinstance(module, linen.Module):
        checks.function("module", module)
    checks.one_of("output", output, OUTPUTS)
    state = (state,) if isinstance(state, str | type) else tuple(state)
    for number, entry in enumerate(state):
        checks.instance(f"state[{number}]", entry, str, type)
    if isinstance(module, linen.Module):
        calls = linen_calls(module, example_input, state, named=layers is not None)
    else:
        calls = nnx_calls(module, state)

    def activities(params, x, key=None, training=False, changes=_NOTHING):
        named = {layers[number]: change for number, change in changes.items()}
        returned, by_name = calls.outputs(params, x, key, training, named)
        if layers is None:
            return _returned_layers(returned)
        return (*_named_layers(layers, by_name), _array(returned, "output"))

    def changed(params, x, changes, *, key=None, training=False):
        found = activities(params, x, key, training, changes)
        return tuple(t.reshape(t.shape[0], -1) for t in found)

    def activations(params, x, *, key=None, training=False):
        return changed(params, x, _NOTHING, key=key, training=training)

    def trained(params):
        return params if calls.state is None else calls.state.split(params)[0]

    shapes = jax.eval_shape(calls.init, jax.random.key(0))
    if not jax.tree.leaves(trained(shapes)):
        raise ValueError("module must have parameters to train, got one without any")
    found = shapes_of("module", activities, params=shapes, example_input=example_input)
    _check_training(calls, shapes, example_input)
    kernels = kernel_places(activities, shapes, example_input, trained=trained)
    names = [f"layer {number}" for number in range(1, len(found) + 1)]
    if layers is not None:
        names = [*layers, "output"]
    chosen = "" if layers is None else f", layers {', '.join(layers)}"
    linear = ", linear output" if output == "linear" else ""
    resume = None
    if layers is not None:
        resume = full_precision(_resume(calls, layers, shapes, example_input, found))
    state = calls.state
    if state is not None:
        state = state._replace(update=full_precision(state.update))
    return Network(
        init=full_precision(calls.init),
        activations=full_precision(activations),
        kernels=lambda params: tuple(
            _one_or_all([jax.tree.leaves(params)[place] for place in places])
            for places in kernels
        ),
        layers=tuple(
            Layer(f"{name} ({math.prod(t.shape[1:])})", t.shape[1:])
            for name, t in zip(names, found, strict=True)
        ),
        description=(
            f"{_text(module, calls, activities, example_input)} on "
            f"{list(example_input.shape)}{chosen}{linear}"
        ),
        output=output,
        state=state,
        resume=resume,
        changed=None if layers is None else full_precision(changed),
    )


def _text(module, calls: Calls, activities, example_input) -> str:
    """A module in words, and a digest of what it computes unless it is of this package.

    Words have names of classes and functions, which tell nothing of what is in them.
    """
    # Without the addresses of functions, which differ from run to run.
    text = re.sub(" at 0x[0-9a-f]+", "", repr(module))
    source = type(module) if isinstance(module, linen.Module) else module
    own = getattr(source, "__module__", "").partition(".")[0]
    if own == __name__.partition(".")[0]:
        return text

    def computed(key, x):
        params, state = calls.init(key), calls.state
        kept = None if state is None else state.update(params, x, key)
        return activities(params, x), activities(params, x, key, True), kept

    return f"{text} {program_digest(computed, jax.random.key(0), example_input)}"


def _resume(calls: Calls, layers, shapes, example_input, activities) -> Callable:
    """The network from an activity of one of the named layers on."""

    def replaced(params, x, number, t):
        changes = {layers[number]: lambda _: t}
        returned, _ = calls.outputs(params, x, None, False, changes)
        return _array(returned, "output")

    @functools.cache
    def check(number):
        program = jax.make_jaxpr(lambda *args: replaced(*args[:2], number, args[2]))(
            shapes, example_input, activities[number]
        )
        params = [set() for _ in jax.tree.leaves(shapes)]
        (needed,) = dependencies(program.jaxpr, [*params, {"x"}, {"t"}])
        if "t" not in needed:
            raise ValueError(
                f"layer {layers[number]} cannot be replaced, because the output does "
                "not depend on it; of what is sown, name the submodule that computes it"
            )
        if "x" in needed:
            raise ValueError(
                f"layer {layers[number]} cannot be replaced without the inputs, on "
                "which the output depends around it too, as by a skip connection; name "
                "a layer that all paths lead through"
            )

    def resume(params, number, t):
        if number == len(layers):
            return t
        check(number)
        # The output does not depend on the inputs: any of the right shape will do.
        x = jnp.zeros((t.shape[0], *example_input.shape[1:]), example_input.dtype)
        return replaced(params, x, number, t)

    return resume


def _check_training(calls: Calls, shapes, example_input) -> None:
    """Call the module as training does, so that what it lacks is told before."""
    key = jax.random.key(0)
    try:
        jax.eval_shape(
            lambda params, x: calls.outputs(params, x, key, True, {}),
            shapes,
            example_input,
        )
        state = calls.state
        if state is not None:
            jax.eval_shape(
                lambda params, x: state.update(params, x, key),
                shapes,
                example_input,
            )
    except flax.errors.FlaxError as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"module cannot be called in training: {first}") from error


def _returned_layers(returned: Any) -> tuple[jax.Array, ...]:
    if not isinstance(returned, tuple) or not returned:
        raise TypeError(
            "module must return a tuple of its layers' activities, the output last, or "
            f"layers must name those to record; got {_described(returned)}"
        )
    return tuple(_array(t, f"layer {n}") for n, t in enumerate(returned, start=1))


def _named_layers(layers: Sequence[str], by_name: dict[str, Any]):
    unknown = [name for name in layers if name not in by_name]
    if unknown:
        raise ValueError(
            f"layers must be names of the module's, {', '.join(sorted(by_name))}; got "
            f"{', '.join(unknown)}"
        )
    return tuple(_array(by_name[name], f"layer {name}") for name in layers)


def _array(value: Any, what: str) -> jax.Array:
    if not hasattr(value, "ndim") or value.ndim < 2:
        raise TypeError(
            f"{what} must be an array [num_samples, ...], got {_described(value)}"
        )
    return value


def _described(value: Any) -> str:
    if hasattr(value, "shape"):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"


def _one_or_all(arrays: list[jax.Array]) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
