"""Calls of flax modules, linen or nnx, as pure functions of their variables.

Linen has modules that are plain descriptions, nnx has objects: of either,
:class:`Calls` are what :func:`ibjax.networks.from_flax` makes a network of.
"""

import contextlib
import inspect
import operator
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
from flax import linen, nnx
from flax.traverse_util import flatten_dict

from ibjax.networks.network import NetworkState
from ibjax.numerics.calls import in_a_line, is_said

__all__ = ["Calls", "linen_calls", "nnx_calls"]

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
_recording = threading.RLock()


class Calls(NamedTuple):
    """A module as pure functions of its variables.

    Attributes:
      init: ``init(key) -> params``.
      outputs: ``outputs(params, x, key, training, changes) -> (returned, by_name)``:
        what the module returns, and outputs of its submodules. ``changes``, by name of
        a submodule, are functions of its output whose values take its place.
      state: How state is kept apart from what is trained, None without any.
    """

    init: Callable
    outputs: Callable
    state: NetworkState | None


def linen_calls(module, example_input, state, *, named: bool) -> Calls:
    """Calls of a linen module.

    Args:
      module: The module.
      example_input: Inputs of the right shape, ``[num_samples, ...]``.
      state: Names of the collections that are not trained.
      named: Whether layers are chosen by name, so that all outputs are recorded.

    Returns:
      The calls.
    """
    signature = inspect.signature(type(module).__call__).parameters

    def init(key):
        variables = module.init(key, example_input, **_flags(signature, False))
        # What is sown while a module is initialised is no variable of its own.
        return {k: v for k, v in variables.items() if k != "intermediates"}

    def outputs(params, x, key, training, changes):
        extra = {"capture_intermediates": True} if named else {}
        mutable = ["intermediates"] if named else []
        with linen.intercept_methods(_changing(changes)):
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

    found = set(jax.eval_shape(init, jax.random.key(0)))
    _check_state(sorted(found - {"params"}), state, "collections")
    if not state:
        return Calls(init, outputs, None)

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
    return Calls(init, outputs, NetworkState(split, merge, update))


def _changing(changes: dict[str, Callable]) -> Callable:
    """Interceptor of linen that changes outputs of calls."""
    by_call = _by_call(changes)
    calls: Counter[str] = Counter()

    def intercept(next_call, args, kwargs, context):
        result = next_call(*args, **kwargs)
        if context.method_name != "__call__":
            return result
        path = "/".join(context.module.path)
        change = by_call.get((path, calls[path]))
        calls[path] += 1
        return result if change is None else change(result)

    return intercept


def nnx_calls(make, state) -> Calls:
    """Calls of an nnx module.

    Args:
      make: ``make(rngs)`` returns the module.
      state: Types of the variables that are not trained.

    Returns:
      The calls.

    Raises:
      TypeError: If ``make`` returns something else.
      ValueError: If it fails, or ``state`` lacks a type.
    """
    model = _model_shapes(make)
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

    def call(model, x, training, changes):
        # Recorded always: flax warns of what is sown otherwise.
        with _recorded(model, _by_call(changes)) as found:
            returned = model(x, **_flags(signature, training))
        found.pop("", None)  # The output itself.
        return returned, _calls_by_name(found)

    def statistics(model):
        return jax.tree.leaves(nnx.state(model, nnx.Any(*state))) if state else []

    def outputs(params, x, key, training, changes):
        model = built(params, key, training)
        before = statistics(model)
        found = call(model, x, training, changes)
        if not training and any(map(operator.is_not, before, statistics(model))):
            raise ValueError(
                "module must leave its statistics in evaluation, where no input may "
                "depend on those beside it: call batch norms without "
                "use_running_average=False"
            )
        return found

    if not state:
        return Calls(init, outputs, None)

    def update(params, x, key):
        model = built(params, key, True)
        call(model, x, True, {})
        return nnx.state(model, nnx.Any(*state))

    return Calls(
        init,
        outputs,
        NetworkState(lambda params: params, lambda *params: params, update),
    )


def _model_shapes(make: Callable[[nnx.Rngs], Any]) -> nnx.Module:
    must = "module must be a function that makes an nnx module of nnx.Rngs"

    def made():
        model = make(nnx.Rngs(0))
        if not isinstance(model, nnx.Module):
            raise TypeError(f"{must}, got one that makes a {type(model).__name__}")
        return model

    try:
        return nnx.eval_shape(made)
    except Exception as error:
        if is_said(error):
            raise
        raise ValueError(f"{must}, got {in_a_line(error)}") from error


def _calls_by_name(found: dict[str, Sequence[Any]]) -> dict[str, Any]:
    """Outputs by name, from those of every call by path: several are numbered."""
    return {
        path if len(values) == 1 else f"{path}:{number}": value
        for path, values in found.items()
        for number, value in enumerate(values)
    }


def _by_call(changes: dict[str, Callable]) -> dict[tuple[str, int], Callable]:
    """Changes by path of a submodule and number of its call, from layers' names."""
    parts = {name.partition(":"): change for name, change in changes.items()}
    return {(path, int(call or 0)): change for (path, _, call), change in parts.items()}


def _stream_names(model: nnx.Module) -> set[str]:
    """Names of the streams of random numbers of a module."""
    return {v.tag for _, v in nnx.to_flat_state(nnx.state(model, nnx.RngKey))}


@contextlib.contextmanager
def _recorded(
    model: nnx.Module, changes: dict[tuple[str, int], Callable]
) -> Iterator[dict[str, list[Any]]]:
    """Outputs of all calls of submodules, and what they sow, by path, in their order.

    Some are changed, by path and number of the call.

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
            own = found.setdefault(place, [])
            change = changes.get((place, len(own)))
            own.append(result if change is None else change(result))
            return own[-1]

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
