"""Calls of public functions with one argument spoiled.

A call is to answer, or to raise a ValueError or TypeError of ibjax that names an
argument. Anything else is a raw error: what came from further inside, and what does
not name the argument.
"""

import argparse
import contextlib
import inspect
import os
import re
import tempfile
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import ibjax
from fault_campaigns.arguments import bad_values, good_arguments, public_functions
from fault_campaigns.tally import Tally
from ibjax import results

__all__ = ["call", "case_calls"]

_PACKAGE = os.path.dirname(ibjax.__file__)
# Steps that someone may mean, and wait for.
_ENDLESS = ("num_steps", "max_steps", "num_restarts", "num_partitions")
# What somebody's own function says is theirs, also where none is given by default.
_FUNCTIONS = (
    "bound",
    "config",
    "estimators",
    "network",
    "objective",
    "on_progress",
    "probes",
)
# Calls after which all programs are forgotten, which many thousand have no room for.
_CLEARED = 1000
_REFUSALS = (ValueError, TypeError, FileNotFoundError, results.ResultsError)
_WORD = r"(?<!\w){}(?!\w)"


def case_calls(args: argparse.Namespace) -> dict[str, Any]:
    """Calls functions with one argument spoiled."""
    # As it stands JAX leaves its own frames out of a traceback.
    jax.config.update("jax_traceback_filtering", "off")
    functions, good = public_functions(), good_arguments()
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    for name, function in functions.items():
        # Else every refusal would be of the values that are meant to be good.
        call(function, good[name])
    arguments = {
        name: [p.name for p in parameters.values() if p.kind is not p.VAR_KEYWORD]
        for name, parameters in (
            (name, inspect.signature(function).parameters)
            for name, function in functions.items()
        )
    }
    names = [name for name in functions if arguments[name]]
    # A text may be taken for the name of a directory.
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        for number in range(args.calls):
            if number % _CLEARED == 0:
                jax.clear_caches()
            name = names[rng.integers(len(names))]
            spoiled = rng.choice(arguments[name])
            mistakes = list(bad_values(rng, good[name].get(spoiled)))
            mistake, value = mistakes[rng.integers(len(mistakes))]
            if mistake == "2**40" and spoiled in _ENDLESS:
                continue
            is_function = callable(good[name].get(spoiled)) or spoiled in _FUNCTIONS
            if mistake == "a function" and is_function:
                continue  # Whatever it says is said by what the caller gave.
            with tally.timed():
                outcome, what = _outcome(functions[name], good[name] | {spoiled: value})
                tally.add(outcome, f"{name}({spoiled} = {mistake}): {what}")
    return tally.row(f"calls of {len(names)} functions")


def call(function: Callable, arguments: dict[str, Any]) -> Any:
    """Calls a function by the names of its arguments, one with a star among them."""
    signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL and name in arguments:
            if not isinstance(arguments[name], list):
                arguments = arguments | {name: [arguments[name]]}
    bound = inspect.BoundArguments(signature, dict(arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*bound.args, **bound.kwargs)


def _outcome(function: Callable, arguments: dict[str, Any]) -> tuple[str, str]:
    try:
        call(function, arguments)
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        text = str(error)
        own = f"{_PACKAGE}{os.sep}" in last.filename
        kind = isinstance(error, _REFUSALS)
        # Any argument: of two whose shapes differ either may be wrong.
        named = any(re.search(_WORD.format(name), text) for name in arguments)
        # Of a text that is taken for a path the error names that.
        named |= isinstance(error, FileNotFoundError)
        if own and kind and named:
            return "refused", ""
        return "raw error", f"{type(error).__name__}: {text}".split("\n")[0][:120]
    return "answered", ""
