"""What do bad input, damaged files and kills make of the library?

Three campaigns, a row each. Calls: public functions with one argument replaced by what
a caller may give by mistake. Files: results with bytes changed, cut off or zeroed.
Kills: sweeps that SIGKILL ends at random moments, and that are resumed to their end.

A call is to answer or to raise a ValueError or TypeError that names the argument; what
raises anything else is listed. A damaged file is to be refused, or to read as the whole
one does. A resumed run is to end with the numbers of one that nothing stopped.

    python benchmarks/faults.py --output faults.json
"""

import argparse
import collections
import inspect
import io
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import harness
import numpy as np

NUM, CLASSES = 24, 2
_SWEEP = ["sweep", "szt", "--hidden", "3", "--seeds", "3", "--epochs", "400"]
_SWEEP += ["--snapshots", "40", "--estimators", "binning"]
# No call here takes so long, nor opening a file.
_LONGEST_SECONDS = 60


def good_arguments() -> dict[str, Any]:
    """Returns a value for every argument that the functions need, by its name."""
    import jax

    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, NUM, 2)).astype(np.float32)
    labels = np.arange(NUM) % CLASSES
    p_xy = rng.dirichlet(np.ones(8)).reshape(4, 2)
    curve = np.linspace(0, 1, 5)
    return {
        **{"x": x, "y": y, "z": z, "t": x, "rows": x, "residual": x, "matrix": x @ x.T},
        **{"labels": labels, "num_classes": CLASSES, "groups": labels},
        **{"x_cells": labels, "y_cells": labels, "num_x": CLASSES, "num_y": CLASSES},
        **{"p": p_xy, "q": p_xy, "p_xy": p_xy, "p_x": p_xy.sum(1), "p_y": p_xy.sum(0)},
        **{"p_y_given_x": p_xy / p_xy.sum(1)[:, None], "p_t_given_x": np.eye(4)},
        **{"beta": 5.0, "betas": [2.0, 5.0], "slope": 1.0, "k": 3, "dim": 2},
        **{"clusters": np.arange(4) % 3, "inputs": np.arange(4), "num_t": 3},
        **{"cov_x": np.eye(2), "cov_y": np.eye(2), "cov_xy": 0.5 * np.eye(2)},
        **{"i_xt": curve, "i_ty": curve / 2, "i_ty_error": 0.1, "information": curve},
        **{"curve_i_xt": curve, "curve_i_ty": curve / 2, "num_samples": 100},
        **{"noise_variance": 0.1, "noise_std": 0.3, "centres": x, "num_bins": 5},
        **{"scores": x @ x.T, "counts": np.array([5, 3, 2]), "distortion": np.eye(4)},
        **{"projection": np.eye(2), "noise_cov": np.eye(2), "key": jax.random.key(0)},
    }


def bad_values(rng: np.random.Generator, good: Any) -> Iterator[tuple[str, Any]]:
    """Yields mistakes, by a name: what a caller may give in place of a value."""
    import jax

    yield from {
        "an object": object(),
        "a text": "text",
        "None": None,
        "a dict": {"a": 1},
        "a ragged list": [[1.0], [1.0, 2.0]],
        "a number": 1.5,
        "a negative number": -3,
        "an empty list": [],
        "an array of texts": np.array(["a", "b"]),
        "an array of objects": np.array([object(), None]),
        "dates": np.array(["2026-01-01"], "datetime64[D]"),
        "a key of the older kind": jax.random.PRNGKey(0),
        "a typed key": jax.random.key(1),
        "True": True,
        "2**40": 2**40,
        "a function": len,
    }.items()
    if not isinstance(good, np.ndarray):
        return
    place = tuple(rng.integers(size) for size in good.shape)
    for name, value in (("NaN", np.nan), ("infinity", np.inf)):
        spoiled = good.astype(np.float64)
        spoiled[place] = value
        yield f"an array with {name}", spoiled
    yield "a masked array", np.ma.masked_array(good, np.zeros(good.shape, bool))
    for dtype in (bool, np.uint8, np.int64, np.float16, np.float64, np.complex64):
        yield f"an array of {np.dtype(dtype)}", good.astype(dtype)
    for scale in (1e30, 1e-30, -1.0):
        yield f"an array times {scale:g}", good * scale
    yield "an array of one axis more", good[None]
    yield "an array without its last row", good[:-1]
    yield "an array without rows", good[:0]


def public_functions() -> dict[str, Callable]:
    """Returns the functions of the modules that compute, by their public names."""
    from ibjax import bottleneck, estimators, measures

    found: dict[str, Callable] = {}
    seen = set()

    def walk(module, prefix):
        if module in seen:
            return
        seen.add(module)
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, types.ModuleType):
                if value.__name__.startswith("ibjax"):
                    walk(value, f"{prefix}.{name}")
            elif callable(value) and not inspect.isclass(value):
                found[f"{prefix}.{name}"] = value

    for module in (measures, estimators, bottleneck):
        walk(module, module.__name__.split(".")[-1])
    return found


def case_calls(args: argparse.Namespace) -> dict[str, Any]:
    """Calls functions with one argument spoiled."""
    good = good_arguments()
    needed = {}
    for name, function in public_functions().items():
        parameters = inspect.signature(function).parameters.values()
        required = [p.name for p in parameters if p.default is p.empty]
        required = [p for p in required if p not in ("options", "kwargs")]
        if all(parameter in good for parameter in required):
            needed[name] = function, required
    rng = np.random.default_rng(args.seed)
    outcomes, raw = collections.Counter(), collections.Counter()
    names = sorted(needed)
    for _ in range(args.calls):
        name = names[rng.integers(len(names))]
        function, required = needed[name]
        spoiled = required[rng.integers(len(required))]
        mistakes = list(bad_values(rng, good[spoiled]))
        mistake, value = mistakes[rng.integers(len(mistakes))]
        arguments = {p: good[p] for p in required} | {spoiled: value}
        outcome, what = _outcome(function, arguments)
        outcomes[outcome] += 1
        if outcome not in ("answered", "refused"):
            raw[f"{name}({spoiled} = {mistake}): {what}"] += 1
    _print_list(raw)
    return {"campaign": f"calls of {len(names)} functions", **outcomes}


def _outcome(function: Callable, arguments: dict[str, Any]) -> tuple[str, str]:
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            function(**arguments)
            outcome, what = "answered", ""
        except (ValueError, TypeError) as error:
            # Any argument: of two whose shapes differ either may be wrong.
            names = any(name in str(error) for name in arguments)
            outcome = "refused" if names else "raw error"
            what = f"{type(error).__name__}: {error}"
        except Exception as error:
            outcome, what = "raw error", f"{type(error).__name__}: {error}"
    if time.monotonic() - start > _LONGEST_SECONDS:
        outcome = "hung"
    return outcome, what.split("\n")[0][:90]


def case_files(args: argparse.Namespace) -> dict[str, Any]:
    """Opens results whose bytes were changed."""
    from ibjax import results
    from ibjax.results.example import example_dataset

    rng = np.random.default_rng(args.seed)
    outcomes, raw = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "results.nc"
        dataset = example_dataset(num_seeds=2)
        results.save_dataset(dataset, path)
        whole = path.read_bytes()
        expected = results.open_dataset(path)
        for _ in range(args.files):
            kind, content = _damaged(rng, whole)
            path.write_bytes(content)
            start = time.monotonic()
            try:
                found = results.open_dataset(path)
                same = found.identical(expected)
                outcome = "answered" if same else "silently wrong"
            except results.ResultsError:
                outcome = "refused"
            except Exception as error:
                outcome = "raw error"
                raw[f"{kind}: {type(error).__name__}: {error}"[:100]] += 1
            if time.monotonic() - start > _LONGEST_SECONDS:
                outcome = "hung"
            outcomes[outcome] += 1
        left = len(list(pathlib.Path(directory).iterdir())) - 1
    _print_list(raw)
    return {"campaign": "damaged results.nc", **outcomes, "files left": left}


def _damaged(rng: np.random.Generator, whole: bytes) -> tuple[str, bytes]:
    content = bytearray(whole)
    place = int(rng.integers(len(content)))
    kind = rng.choice(["a bit", "a byte", "zeros", "cut off", "twice", "inserted"])
    if kind == "a bit":
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == "a byte":
        content[place] = (content[place] + int(rng.integers(1, 256))) % 256
    elif kind == "zeros":
        content[place : place + 512] = bytes(min(512, len(content) - place))
    elif kind == "cut off":
        del content[place:]
    elif kind == "twice":
        content = content + content
    else:
        content[place:place] = rng.bytes(8)
    return str(kind), bytes(content)


def case_kills(args: argparse.Namespace) -> dict[str, Any]:
    """Kills a sweep and resumes it until it is done, again and again."""
    import xarray as xr

    rng = np.random.default_rng(args.seed)
    outcomes = collections.Counter()
    kills = left = 0
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        start = time.monotonic()
        _run(place / "whole")
        seconds = time.monotonic() - start

        def content(name):
            # What the run cost is another each time.
            data = (place / name / "results.nc").read_bytes()
            with xr.open_dataset(io.BytesIO(data), engine="h5netcdf") as dataset:
                return {n: v.values.copy() for n, v in dataset.variables.items()}

        expected = content("whole")
        while kills < args.kills:
            while True:
                limit = rng.uniform(0.3, 1.05) * seconds
                code = _run(place / "killed", resume=True, limit=limit)
                if code != -signal.SIGKILL:
                    break
                kills += 1
            if code:
                outcomes["lost"] += 1
            else:
                found = content("killed")
                same = found.keys() == expected.keys() and all(
                    np.array_equal(found[n], expected[n], equal_nan=v.dtype.kind == "f")
                    for n, v in expected.items()
                )
                outcomes["answered" if same else "silently wrong"] += 1
                left += len(list((place / "killed").glob("*.tmp")))
                left += len(list((place / "killed").glob(".*")))
            shutil.rmtree(place / "killed")
    return {"campaign": f"{kills} kills", **outcomes, "files left": left}


def _run(directory: pathlib.Path, *, resume: bool = False, limit: float | None = None):
    code = "from ibjax.cli import main; main()"
    command = [sys.executable, "-c", code, *_SWEEP, "--output", str(directory)]
    if resume and directory.exists():
        command.append("--resume")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode


def _print_list(counts: collections.Counter) -> None:
    for text, count in counts.most_common():
        print(f"{count} x {text}", file=sys.stderr)


CASES = {"calls": case_calls, "files": case_files, "kills": case_kills}
_OUTCOMES = ("answered", "refused", "raw error", "silently wrong", "lost", "hung")


def main() -> None:
    """Runs the campaigns and prints their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    harness.add_arguments(parser, list(CASES), repeats=1)
    args = parser.parse_args()
    found = harness.run_cases(args, CASES)
    if not found:
        raise SystemExit("no case ran")
    header = ["campaign", *_OUTCOMES, "files left"]
    rows = [
        [row["campaign"], *(row.get(name, 0) for name in header[1:])]
        for row in found.values()
    ]
    print(harness.markdown_table(header, rows))
    harness.write_json(args.output, results=found, conditions=harness.conditions())


if __name__ == "__main__":
    main()
