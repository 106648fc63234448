"""Estimators held against tasks whose information is known, one's own among them."""

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import xarray as xr

from ibjax.compilation import for_each
from ibjax.estimators.choice.choice import mutual_information
from ibjax.estimators.choice.methods import METHODS
from ibjax.numerics import checks
from ibjax.numerics.memory import peak_memory

__all__ = ["benchmark"]

_OF_TASKS = ("name", "mutual_information", "sample")
_NORMAL_95 = 1.959963984540054

_VARIABLES = {
    "estimate": ("nats", "estimate of I(X;Y)"),
    "standard_error": ("nats", "the estimator's own standard error"),
    "seconds": ("s", "time of one estimate, in the first one that of compilation too"),
    "memory": (
        "B",
        "resident memory that an estimate added, compilation too",
    ),
    "truth": ("nats", "I(X;Y)"),
    "bias": ("nats", "mean of the estimates less the truth"),
    "bias_error": ("nats", "standard error of the bias over seeds"),
    "spread": ("nats", "standard deviation of the estimates over seeds"),
    "coverage": ("1", "part of the estimates within 1.96 of their own errors"),
}


def benchmark(
    methods: Sequence[str] | Mapping[str, Callable[[Any, Any], Any]],
    tasks: Sequence[Any],
    *,
    num_samples: int = 1000,
    num_seeds: int = 10,
    key: jax.Array | None = None,
) -> xr.Dataset:
    """Bias, spread and coverage of estimators where the information is known.

    All estimators get the same samples, seed by seed.

    Args:
      methods: Names of methods of :func:`ibjax.estimators.mutual_information` (``auto``
        too), or functions by name, ``function(x, y)`` of NumPy arrays ``[num_samples,
        dim]`` (labels ``[num_samples]``, integers), which return a number in nats or
        something with ``value`` and ``standard_error``. A name may stand for a function
        in the mapping: ``{"mine": mine, "ksg": "ksg"}``. What ``jax.jit`` has compiled
        estimates all seeds in one program.
      tasks: Things with ``name``, ``mutual_information`` in nats and ``sample(key,
        num_samples)``, as those of :mod:`ibjax.datasets.known_information`.
      num_samples: Samples of every pair of variables.
      num_seeds: Pairs of samples of every task.
      key: Typed key of the samples; ``jax.random.key(0)`` by default.

    Returns:
      Dataset over ``task``, ``estimator`` and ``seed``. An estimator that refuses a
      task with a ``ValueError`` is NaN there. ``coverage`` is NaN of one without
      errors. ``seconds`` and ``memory`` of one program are divided by the number of
      seeds; the memory is the host's, and NaN where the system does not tell (anything
      but Linux).

    Raises:
      ValueError: If there are no methods or tasks, a name is unknown or twice, or a
        number out of range.
      TypeError: If a method is no function, or returns no number.

    Example:
      >>> from ibjax.datasets.known_information import multinormal_sparse
      >>> def mine(x, y):
      ...     return -0.5 * np.log(1 - np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2)
      >>> found = benchmark({"mine": mine}, [multinormal_sparse(1, 1, [0.6])])
      >>> bool(abs(found.bias.item()) < 0.02), found.coverage.item()
      (True, nan)
    """
    functions = _functions(methods)
    checks.instance("tasks", tasks, list, tuple)
    checks.not_empty("tasks", tasks)
    for task in tasks:
        if not all(hasattr(task, name) for name in _OF_TASKS):
            raise TypeError(
                f"each of tasks must have {', '.join(_OF_TASKS)}, got {task!r:.80}"
            )
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"tasks must have names of their own, got {', '.join(names)}")
    checks.count("num_samples", num_samples, 2)
    checks.count("num_seeds", num_seeds)
    key = jax.random.key(0) if key is None else checks.key("key", key)
    # Compiled as a whole, so that no call has an effect but its result; made once, so
    # that tasks of one shape share a program.
    programs = {
        name: jax.jit(for_each(function))
        for name, function in functions.items()
        if isinstance(function, jax.stages.Wrapped)
    }
    shape = len(tasks), len(functions), num_seeds
    found = {name: np.full(shape, np.nan) for name in _Estimate._fields}
    for row, task in enumerate(tasks):
        drawn = [
            task.sample(jax.random.fold_in(key, seed), num_samples)
            for seed in range(num_seeds)
        ]
        pairs = [tuple(map(np.asarray, pair)) for pair in drawn]
        for column, (name, function) in enumerate(functions.items()):
            if name in programs:
                estimates = _in_one_program(name, programs[name], pairs)
            else:
                estimates = _one_by_one(name, function, pairs)
            for seed, estimate in enumerate(estimates):
                for variable, value in estimate._asdict().items():
                    found[variable][row, column, seed] = value
    dims = ("task", "estimator", "seed")
    dataset = xr.Dataset(
        {name: (dims, values) for name, values in found.items()},
        {"task": names, "estimator": list(functions), "seed": np.arange(num_seeds)},
        {"num_samples": num_samples},
    )
    truth = [float(task.mutual_information) for task in tasks]
    dataset["truth"] = ("task", truth)
    return _judged(dataset)


def _judged(dataset: xr.Dataset) -> xr.Dataset:
    off = dataset.estimate - dataset.truth
    spread = dataset.estimate.std("seed", ddof=1, skipna=False)
    if dataset.sizes["seed"] < 2:
        spread = spread * np.nan
    error = dataset.standard_error
    within = (abs(off) <= _NORMAL_95 * error).where(error.notnull())
    dataset = dataset.assign(
        bias=off.mean("seed", skipna=False),
        bias_error=spread / math.sqrt(dataset.sizes["seed"]),
        spread=spread,
        coverage=within.mean("seed", skipna=False),
    )
    for name, (units, long_name) in _VARIABLES.items():
        dataset[name].attrs = {"long_name": long_name, "units": units}
    return dataset


def _functions(methods: Any) -> dict[str, Callable[[Any, Any], Any]]:
    if isinstance(methods, str):
        methods = [methods]
    checks.instance("methods", methods, list, tuple, Mapping)
    if not isinstance(methods, Mapping):
        for name in methods:
            checks.instance("each of methods", name, str)
        if len({str(name) for name in methods}) < len(methods):
            raise ValueError(f"methods must name each once, got {methods}")
        methods = {name: name for name in methods}
    checks.not_empty("methods", methods)
    functions = {}
    for name, method in methods.items():
        if isinstance(method, str):
            checks.one_of("methods", method, ("auto", *METHODS))
            functions[name] = _by_name(method)
        else:
            functions[str(name)] = checks.function("each of methods", method)
    return functions


def _by_name(method: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: mutual_information(x, y, method=method)


class _Estimate(NamedTuple):
    estimate: float
    standard_error: float
    seconds: float
    memory: float


def _one_by_one(
    name: str,
    function: Callable[[Any, Any], Any],
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> Iterator[_Estimate]:
    """Estimates of every pair, NaN where the estimator refuses."""
    for x, y in pairs:
        result, seconds, memory = _measured(partial(function, x, y), math.nan)
        yield _Estimate(*_numbers(name, result), seconds, memory)


def _in_one_program(
    name: str,
    program: Callable[[Any, Any], Any],
    pairs: list[tuple[np.ndarray, np.ndarray]],
) -> Iterator[_Estimate]:
    """The same of a program for all pairs, which share what it took."""
    stacked = [np.stack(parts) for parts in zip(*pairs, strict=True)]
    refused = np.full(len(pairs), np.nan)
    results, *taken = _measured(partial(program, *stacked), refused)
    share = [value / len(pairs) for value in taken]
    for seed in range(len(pairs)):
        own = jax.tree.map(lambda part, seed=seed: part[seed], results)
        yield _Estimate(*_numbers(name, own), *share)


def _measured(call: Callable[[], Any], refused: Any) -> tuple[Any, float, float]:
    """Result of a call, or what stands for a refusal, seconds and bytes it took."""

    def timed():
        started = time.perf_counter()
        try:
            result = jax.block_until_ready(call())
        except ValueError:
            result = refused
        return result, time.perf_counter() - started

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (result, seconds), memory = peak_memory(timed)
    return result, seconds, math.nan if memory is None else memory


def _numbers(name: str, result: Any) -> tuple[float, float]:
    """Value and standard error of an estimator's result."""
    error = getattr(result, "standard_error", math.nan)
    value = getattr(result, "value", result)
    try:
        return float(value), float(error)
    except (TypeError, ValueError) as wrong:
        raise TypeError(
            f"method {name!r} must return a number in nats, got {result!r:.80}"
        ) from wrong
