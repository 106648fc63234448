"""What every benchmark needs: timing, memory, fresh processes, tables and JSON.

A benchmark script names its implementations as cases. Each case runs in a Python
process of its own, because the number of CPU devices is fixed when JAX starts,
and because peak memory and thread pools must not leak from one implementation
into the next. The parent process never starts a JAX backend, so on a GPU each
case has the whole device.
"""

import argparse
import datetime
import gc
import importlib
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax.numerics import memory

__all__ = [
    "Timing",
    "add_arguments",
    "compile_function",
    "conditions",
    "device",
    "highest_memory",
    "host_cores",
    "markdown_table",
    "peak_memory",
    "require",
    "run_bmi",
    "run_cases",
    "set_host_devices",
    "time_calls",
    "write_json",
]

_PACKAGES = ("ibjax", "jax", "jaxlib", "numpy", "flax", "optax", "torch")


class Timing(NamedTuple):
    """Wall times of repeated calls, in seconds.

    Attributes:
      minimum: The fastest repeat.
      median: The median repeat.
      warm_up: The first call, which is not among the repeats. It includes
        compilation unless the function was compiled before.
      num_repeats: Repeats after the warm-up.
    """

    minimum: float
    median: float
    warm_up: float
    num_repeats: int


class MissingPeer(RuntimeError):
    """A baseline needs a package that is not installed."""


def host_cores() -> int:
    """Returns the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def set_host_devices(num_devices: int) -> None:
    """Sets the number of CPU devices; call it before anything touches a device."""
    if jax.config.jax_num_cpu_devices != num_devices:
        jax.config.update("jax_num_cpu_devices", num_devices)


def require(name: str) -> Any:
    """Imports a peer library, or leaves the row out of the table.

    Args:
      name: Module name, e.g. ``"torch"``.

    Returns:
      The module.

    Raises:
      MissingPeer: If it is not installed; the parent prints it and goes on.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != name.split(".")[0]:
            raise
        raise MissingPeer(f"{name} not installed: row left out") from error


def run_bmi(
    python: str | None,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    method: str,
    k: int,
    repeats: int = 0,
) -> list[dict[str, Any]]:
    """Runs bmi in the environment that has it, see bmi_peer.py.

    Args:
      python: Its interpreter; None leaves the row out.
      pairs: Samples of X and Y.
      method: ``"ksg"``, ``"ksg-unit-variance"`` or ``"cca"``.
      k: Number of neighbours.
      repeats: Timed calls of each pair after the first.

    Returns:
      For each pair its ``value`` in nats, the wall and the processor seconds of its
      ``first`` call, and the ``seconds`` of the repeats.

    Raises:
      MissingPeer: If no interpreter is named.
    """
    if python is None:
        raise MissingPeer("bmi: no interpreter named with --bmi-python: row left out")
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "pairs.npz"
        arrays = {
            f"{name}_{number}": array
            for number, pair in enumerate(pairs)
            for name, array in zip("xy", pair, strict=True)
        }
        np.savez(path, **arrays)
        script = pathlib.Path(__file__).with_name("bmi_peer.py")
        command = [python, script, path, method, str(k), str(repeats)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def compile_function(fn: Callable[..., Any], *args: Any) -> tuple[Any, float]:
    """Compiles a function ahead of time, as if nothing had been compiled before.

    Args:
      fn: Function of arrays, jitted or not.
      *args: Its arguments.

    Returns:
      The compiled function and the seconds that tracing, lowering and compiling
      took.
    """
    jax.clear_caches()
    start = time.perf_counter()
    compiled = jax.jit(fn).lower(*args).compile()
    return compiled, time.perf_counter() - start


def time_calls(fn: Callable[[], Any], *, repeats: int) -> Timing:
    """Times a call after one warm-up, waiting for its result each time.

    Args:
      fn: Function without arguments. What it returns is waited for if it holds
        JAX arrays.
      repeats: Timed calls after the warm-up.

    Returns:
      The timings.
    """
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(fn())
        seconds.append(time.perf_counter() - start)
    warm_up, *timed = seconds
    return Timing(min(timed), statistics.median(timed), warm_up, repeats)


def highest_memory(*, forget: bool = False) -> int:
    """Returns the largest resident memory of this process so far, in bytes; on Linux.

    Args:
      forget: Whether the next call tells the largest from now on.
    """
    highest = memory.resident_memory("VmHWM")
    if forget:
        pathlib.Path("/proc/self/clear_refs").write_text("5")
    return highest


def peak_memory(fn: Callable[[], Any]) -> tuple[Any, int | None]:
    """Calls a function that is compiled, and measures what the call adds to the memory.

    See :func:`ibjax.numerics.memory.peak_memory`; garbage is collected before.
    """
    gc.collect()
    return memory.peak_memory(fn)


def device() -> dict[str, Any]:
    """Describes the JAX devices of this process; starts the backend."""
    first = jax.devices()[0]
    stats = first.memory_stats() or {}
    return {
        "platform": first.platform,
        "device_kind": first.device_kind,
        "num_devices": len(jax.devices()),
        "device_peak_bytes": stats.get("peak_bytes_in_use"),
    }


def conditions() -> dict[str, Any]:
    """Describes the machine and the software, without starting a backend."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.argv]),
        "commit": _commit(),
        "cpu": _cpu_model(),
        "cores": host_cores(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in _PACKAGES},
        "x64": bool(jax.config.jax_enable_x64),
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1] for line in lines if line.startswith("model name")]
    return models[0].strip() if models else platform.processor()


def _commit() -> str | None:
    """Commit of the checkout this file lies in, with "+changes" if it was edited."""
    git = ["git", "--no-optional-locks", "-C", str(pathlib.Path(__file__).parent)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain"], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")


def add_arguments(
    parser: argparse.ArgumentParser, cases: Sequence[str], *, repeats: int = 10
) -> None:
    """Adds the options that all benchmarks share.

    Args:
      parser: Parser of the script.
      cases: Names of the script's cases; all run unless ``--cases`` names some.
      repeats: Default number of timed repeats.
    """
    parser.add_argument("--cases", nargs="+", choices=list(cases), default=list(cases))
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--output", type=pathlib.Path, help="write JSON to this file")
    parser.add_argument("--case", choices=list(cases), help=argparse.SUPPRESS)
    parser.add_argument("--case-output", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--case-input", type=pathlib.Path, help=argparse.SUPPRESS)


def run_cases(
    args: argparse.Namespace,
    cases: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]],
    *,
    case_input: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Runs each chosen case in a fresh process of the same script.

    In the child process, where ``args.case`` is set, it runs that case, hands the
    result to the parent and exits.

    Args:
      args: Parsed arguments, with those of :func:`add_arguments`.
      cases: Functions of the arguments that return values JSON can hold. A child
        finds ``case_input`` as ``args.case_input``.
      case_input: Values that every case gets, e.g. the true answers.

    Returns:
      Results by case name, in the order of ``args.cases``; a case whose peer is
      missing is left out.
    """
    if args.case:
        _run_child(args, cases[args.case])
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        input_file = pathlib.Path(directory) / "input.json"
        output_file = pathlib.Path(directory) / "output.json"
        input_file.write_text(json.dumps(case_input))
        for name in args.cases:
            print(f"running {name} ...", file=sys.stderr, flush=True)
            command = [sys.executable, *sys.argv, "--case", name]
            command += ["--case-output", str(output_file)]
            command += ["--case-input", str(input_file)]
            if subprocess.run(command).returncode:
                raise SystemExit(f"{name} failed; see above")
            result = json.loads(output_file.read_text())
            if "left_out" in result:
                print(result["left_out"])
            else:
                results[name] = result
    return results


def _run_child(
    args: argparse.Namespace, case: Callable[[argparse.Namespace], dict[str, Any]]
) -> None:
    args.case_input = json.loads(args.case_input.read_text())
    try:
        result = case(args)
    except MissingPeer as error:
        result = {"left_out": str(error)}
    args.case_output.write_text(json.dumps(result))
    raise SystemExit(0)


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Formats a table; numbers get three or more significant digits.

    Args:
      header: Column titles.
      rows: One sequence of cells per row.

    Returns:
      The table in Markdown.
    """
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value)
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def write_json(path: pathlib.Path | None, **content: Any) -> None:
    """Writes the conditions and the numbers, if a file was asked for."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"conditions": conditions(), **content}
        path.write_text(json.dumps(content, indent=2) + "\n")
