"""Flax modules, linen or nnx, as networks.

Layers are what the module's call returns or, chosen by name, what its submodules return
and what it sows. Variables that are not trained (linen collections, nnx variable types)
are the network's state and have to be named, so that no statistic of a batch is trained
by mistake.
"""

import contextlib
import functools
import inspect
import itertools
import math
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import flax.errors
import jax
import jax.numpy as jnp
from flax import linen, nnx
from flax.traverse_util import flatten_dict
from jax.typing import ArrayLike

from ibjax.compilation import full_precision
from ibjax.networks.dependencies import dependencies, kernel_places
from ibjax.networks.network import OUTPUTS, Layer, Network, NetworkState
from ibjax.numerics import checks
from ibjax.numerics.calls import shapes_of

__all__ = ["from_flax"]

# Names by which modules are told that they train, and the value that says so.
_TRAINING_ARGUMENTS = {
    "training": True,
    "train": True,
    "is_training": True,
    "deterministic": False,
    "use_running_average": False,
}
# Linen's streams of random numbers, all drawn from the one key of a step.
_STREAMS = ("dropout", "noise", "sample")
# Recording the outputs of nnx submodules changes their classes for a moment.
_recording = threading.Lock()


class _Calls(NamedTuple):
    """A module as pure functions of its variables.

    Attributes:
      init: ``init(key) -> params``.
      outputs: ``outputs(params, x, key, training) -> (returned, by_name)``.
      replaced: ``replaced(params, x, name, value) -> returned``: what the module
        returns with ``value`` for the output of the submodule ``name``.
      state: How state is kept apart from what is trained, None without any.
    """

    init: Callable
    outputs: Callable
    replaced: Callable
    state: NetworkState | None


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
      what it was. A weight array (of rank two or more) belongs to the first layer that
      depends on it.

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
    checks.instance("state", state, str, type, list, tuple)
    if not isinstance(module, linen.Module):
        checks.function("module", module)
    checks.one_of("output", output, OUTPUTS)
    state = (state,) if isinstance(state, str | type) else tuple(state)
    if isinstance(module, linen.Module):
        calls = _linen_calls(module, example_input, state, named=layers is not None)
    else:
        calls = _nnx_calls(module, state)

    def activities(params, x, key=None, training=False):
        returned, by_name = calls.outputs(params, x, key, training)
        if layers is None:
            return _returned_layers(returned)
        return (*_named_layers(layers, by_name), _array(returned, "output"))

    def activations(params, x, *, key=None, training=False):
        found = activities(params, x, key, training)
        return tuple(t.reshape(t.shape[0], -1) for t in found)

    shapes = jax.eval_shape(calls.init, jax.random.key(0))
    trained = shapes if calls.state is None else calls.state.split(shapes)[0]
    if not jax.tree.leaves(trained):
        raise ValueError("module must have parameters to train, got one without any")
    found = shapes_of("module", activities, params=shapes, example_input=example_input)
    _check_training(calls, shapes, example_input)
    kernels = kernel_places(activities, shapes, example_input)
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
        # Without the addresses of functions, which differ from run to run.
        description=(
            f"{re.sub(' at 0x[0-9a-f]+', '', repr(module))} on "
            f"{list(example_input.shape)}{chosen}{linear}"
        ),
        output=output,
        state=state,
        resume=resume,
    )


def _resume(calls: _Calls, layers, shapes, example_input, activities) -> Callable:
    """The network from an activity of one of the named layers on."""

    def replaced(params, x, number, t):
        return _array(calls.replaced(params, x, layers[number], t), "output")

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


def _linen_calls(module, example_input, state, *, named: bool) -> _Calls:
    signature = inspect.signature(type(module).__call__).parameters

    def init(key):
        variables = module.init(key, example_input, **_flags(signature, False))
        # What is sown while a module is initialised is no variable of its own.
        return {k: v for k, v in variables.items() if k != "intermediates"}

    def outputs(params, x, key, training):
        extra = {"capture_intermediates": True} if named else {}
        mutable = ["intermediates"] if named else []
        returned, changed = module.apply(
            params,
            x,
            **_flags(signature, training),
            rngs=_streams(key),
            # A batch's statistics are computed in training, and dropped here.
            mutable=[*mutable, *(state if training else ())],
            **extra,
        )
        found = flatten_dict(dict(changed.get("intermediates", {})), sep="/")
        found.pop("__call__", None)  # The output itself.
        return returned, _calls_by_name(
            {path.removesuffix("/__call__"): values for path, values in found.items()}
        )

    def replaced(params, x, name, value):
        place, number = _path_and_call(name)
        calls = itertools.count()

        def intercept(next_call, args, kwargs, context):
            is_call = context.method_name == "__call__"
            if not is_call or "/".join(context.module.path) != place:
                return next_call(*args, **kwargs)
            return value if next(calls) == number else next_call(*args, **kwargs)

        with linen.intercept_methods(intercept):
            return module.apply(params, x, **_flags(signature, False))

    found = set(jax.eval_shape(init, jax.random.key(0)))
    _check_state(sorted(found - {"params"}), state, "collections")
    if not state:
        return _Calls(init, outputs, replaced, None)

    def split(params):
        kept = {name: params[name] for name in state}
        return {k: v for k, v in params.items() if k not in state}, kept

    def update(params, x, key):
        _, changed = module.apply(
            params,
            x,
            **_flags(signature, True),
            rngs=_streams(key),
            mutable=list(state),
        )
        return {name: changed[name] for name in state}

    merge = lambda trainable, kept: {**trainable, **kept}  # noqa: E731
    return _Calls(init, outputs, replaced, NetworkState(split, merge, update))


def _nnx_calls(make, state) -> _Calls:
    model = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    signature = inspect.signature(type(model).__call__).parameters
    found = {type(v) for _, v in nnx.to_flat_state(nnx.state(model))}
    kinds = [
        kind.__name__
        for kind in found
        if not issubclass(kind, (nnx.Param, nnx.RngState, *state))
    ]
    _check_state(sorted(kinds), (), "variables of the types")
    filters = (nnx.Param, nnx.Any(*state)) if state else (nnx.Param,)
    parts: tuple[Any, ...] = nnx.split(model, *filters, nnx.RngState)
    graph, *_, random = parts
    # Keys of dropout are drawn anew at each step, so they are no parameters.
    has_random = bool(jax.tree.leaves(random))

    def init(key):
        _, trained, *others = nnx.split(make(nnx.Rngs(key)), *filters, nnx.RngState)
        return (trained, others[0]) if state else trained

    def built(params, key, training):
        # Variables made here: flax lets none change that an outer trace has made.
        params = jax.tree.map(lambda leaf: leaf, params)
        kept = params if state else (params,)
        fresh = ()
        if has_random:
            fresh = (nnx.split(make(nnx.Rngs(0)), *filters, nnx.RngState)[-1],)
        model = nnx.merge(graph, *kept, *fresh)
        model.train() if training else model.eval()
        if has_random:
            if training and key is None:
                raise ValueError("key must be given where dropout trains, got None")
            if key is not None:
                # Streams of one key would draw alike; the first has the key itself.
                names = enumerate(sorted(_stream_names(model)))
                keys = {s: jax.random.fold_in(key, n) if n else key for n, s in names}
                nnx.reseed(model, **keys)
        return model

    def call(model, x, training):
        # Recorded always: flax warns of what is sown otherwise.
        with _recorded(model) as found:
            returned = model(x, **_flags(signature, training))
        found.pop("", None)  # The output itself.
        return returned, _calls_by_name(found)

    def outputs(params, x, key, training):
        return call(built(params, key, training), x, training)

    def replaced(params, x, name, value):
        model = built(params, None, False)
        with _recorded(model, (*_path_and_call(name), value)):
            return model(x, **_flags(signature, False))

    if not state:
        return _Calls(init, outputs, replaced, None)

    def update(params, x, key):
        model = built(params, key, True)
        call(model, x, True)
        return nnx.state(model, nnx.Any(*state))

    return _Calls(
        init,
        outputs,
        replaced,
        NetworkState(lambda params: params, lambda *params: params, update),
    )


def _calls_by_name(found: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """Outputs by name, from those of every call by path: several are numbered."""
    return {
        path if len(values) == 1 else f"{path}:{number}": value
        for path, values in found.items()
        for number, value in enumerate(values)
    }


def _path_and_call(name: str) -> tuple[str, int]:
    """Path of a submodule and number of its call, from a layer's name."""
    path, _, number = name.partition(":")
    return path, int(number or 0)


def _stream_names(model: nnx.Module) -> set[str]:
    """Names of the streams of random numbers of a module."""
    return {v.tag for _, v in nnx.to_flat_state(nnx.state(model, nnx.RngKey))}


@contextlib.contextmanager
def _recorded(
    model: nnx.Module, replacement: tuple[str, int, Any] | None = None
) -> Iterator[dict[str, list[Any]]]:
    """Outputs of all calls of submodules, and what they sow, by path, in their order.

    A ``replacement`` (path, number of the call, value) takes the place of one output.

    The classes' calls are wrapped for that time: outputs inside lists of submodules are
    lost by ``nnx.capture`` of flax 0.12.
    """
    paths = {id(m): ".".join(map(str, path)) for path, m in nnx.iter_modules(model)}
    # A class that inherits its call records by the class that has it.
    classes = {cls for _, m in nnx.iter_modules(model) for cls in type(m).__mro__}
    found: dict[str, list[Any]] = {}
    running: set[int] = set()

    def recording(call):
        def wrapped(self, *args, **kwargs):
            # A call that goes on in a parent class's is one call.
            if id(self) not in paths or id(self) in running:
                return call(self, *args, **kwargs)
            running.add(id(self))
            try:
                result = call(self, *args, **kwargs)
            finally:
                running.discard(id(self))
            place = paths[id(self)]
            found.setdefault(place, []).append(result)
            if replacement and (place, len(found[place]) - 1) == replacement[:2]:
                return replacement[2]
            return result

        return wrapped

    def sow(self, kind, name, value, *args, **kwargs):
        path = f"{paths[id(self)]}.{name}".lstrip(".")
        found.setdefault(path, []).append(value)
        return True

    module: Any = nnx.Module
    with _recording:
        calls: dict[Any, Callable] = {
            cls: cls.__dict__["__call__"] for cls in classes if _has_call(cls)
        }
        original = module.sow
        try:
            for cls, call in calls.items():
                cls.__call__ = recording(call)
            module.sow = sow
            yield found
        finally:
            module.sow = original
            for cls, call in calls.items():
                cls.__call__ = call


def _has_call(cls: type) -> bool:
    return "__call__" in cls.__dict__


def _flags(signature, training: bool) -> dict[str, bool]:
    """Arguments that tell a call whether it trains."""
    return {
        name: value if training else not value
        for name, value in _TRAINING_ARGUMENTS.items()
        if name in signature
    }


def _streams(key: jax.Array | None) -> dict[str, jax.Array]:
    if key is None:
        return {}
    return {name: jax.random.fold_in(key, n) for n, name in enumerate(_STREAMS)}


def _check_state(found: list[str], state, kind: str) -> None:
    missing = [name for name in found if name not in state]
    if missing:
        raise ValueError(
            f"module keeps {kind} {', '.join(missing)} beside its parameters; name "
            "them in state, so that training updates and does not train them"
        )
    unknown = [name for name in state if name not in found]
    if unknown and kind == "collections":
        raise ValueError(
            f"state must name collections of the module, {', '.join(found) or 'none'}; "
            f"got {', '.join(unknown)}"
        )


def _check_training(calls: _Calls, shapes, example_input) -> None:
    """Call the module as training does, so that what it lacks is told before."""
    key = jax.random.key(0)
    try:
        jax.eval_shape(
            lambda params, x: calls.outputs(params, x, key, True), shapes, example_input
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
            f"layers must name those to record; got {type(returned).__name__}"
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
        shape = getattr(value, "shape", type(value).__name__)
        raise TypeError(f"{what} must be an array [num_samples, ...], got {shape}")
    return value


def _one_or_all(arrays: list[jax.Array]) -> Any:
    return arrays[0] if len(arrays) == 1 else tuple(arrays)
