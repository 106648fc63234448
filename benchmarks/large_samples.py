"""What do large samples cost, on one device and divided among several?

Bounds by kernels of layers of 10 and of 1,024 units, information by neighbours of
Gaussian pairs, and bins of a layer of 10 units, up to 120,000, 60,000 and a million
samples. Every case runs in a process of its own, whose largest resident memory is told:
the interpreter, the samples and all that the compiled program holds. Cases with
``divided`` make a device of every core and estimate by
``ibjax.estimators.over_devices``; each must agree with its case on one device.
"""

import argparse
import math
import os
import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import harness
import numpy as np

from ibjax.estimators import binning, kde, knn, over_devices

CORRELATION = 0.6
NOISE_VARIANCE = 0.1


class Kind(NamedTuple):
    """An estimate of samples that grow.

    Attributes:
      label: What the table calls it.
      dim: Dimensions of a sample.
      sizes: Numbers of samples, increasing.
      call: From samples ``[num_samples, dim]`` to a function and its arguments.
    """

    label: str
    dim: int
    sizes: tuple[int, ...]
    call: Callable[[np.ndarray], tuple[Callable, tuple, dict]]


def by_kernels(x: np.ndarray) -> tuple[Callable, tuple, dict]:
    """Bounds of a layer of tanh units with noise, and two classes."""
    labels = (x[:, 0] > 0).astype(np.int32)
    np.tanh(x, out=x)
    options = {"num_classes": 2, "noise_variance": NOISE_VARIANCE}
    return kde.layer_information, (x, labels), options


def by_neighbours(x: np.ndarray) -> tuple[Callable, tuple, dict]:
    """Information of correlated Gaussians."""
    noise = np.random.default_rng(1).standard_normal(x.shape, dtype=np.float32)
    noise *= math.sqrt(1 - CORRELATION**2)
    noise += CORRELATION * x
    return knn.ksg, (x, noise), {}


def by_bins(x: np.ndarray) -> tuple[Callable, tuple, dict]:
    """Information of a layer of tanh units in bins, and two classes."""
    labels = (x[:, 0] > 0).astype(np.int32)
    np.tanh(x, out=x)
    return binning.layer_information, (x, labels), {"num_classes": 2, "bin_width": 0.5}


KINDS = {
    "kde": Kind("KDE, 10 units", 10, (15_000, 30_000, 60_000, 120_000), by_kernels),
    "kde_wide": Kind(
        "KDE, 1,024 units", 1024, (7_500, 15_000, 30_000, 60_000), by_kernels
    ),
    "ksg": Kind("KSG, 1 + 1", 1, (100_000, 300_000, 1_000_000), by_neighbours),
    "binning": Kind("bins, 10 units", 10, (100_000, 300_000, 1_000_000), by_bins),
}


def measure(args: argparse.Namespace, kind: Kind, divided: bool) -> dict[str, Any]:
    """Measures a kind at all of its sizes; the largest memory is that of the last."""
    num_devices = harness.host_cores() if divided else 1
    # Where one device is slowed down by other work, the others wait for it.
    os.environ.setdefault(
        "XLA_FLAGS", "--xla_cpu_collective_call_terminate_timeout_seconds=1200"
    )
    harness.set_host_devices(num_devices)
    rows = [_measure_one(args, kind, size, divided) for size in kind.sizes]
    return {"label": kind.label, "num_devices": num_devices, "rows": rows}


def _measure_one(
    args: argparse.Namespace, kind: Kind, num_samples: int, divided: bool
) -> dict[str, Any]:
    harness.highest_memory(forget=True)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((num_samples, kind.dim), dtype=np.float32)
    function, arguments, options = kind.call(x)
    if divided:
        function = over_devices(function)
    found = {}

    def call():
        found["last"] = function(*arguments, **options)
        return found["last"]

    timing = harness.time_calls(call, repeats=args.repeats)
    return {
        "num_samples": num_samples,
        "first_seconds": timing.warm_up,
        "seconds": timing.minimum,
        "resident_bytes": harness.highest_memory(),
        "nats": _number(found["last"]),
    }


def _number(found: Any) -> float:
    """The estimate of I(X;T), an upper one of two bounds, or of I(X;Y)."""
    found = getattr(found, "upper", found)
    return float(getattr(found, "i_xt", found))


CASES = {
    name + ("_divided" if divided else ""): partial(measure, kind=kind, divided=divided)
    for name, kind in KINDS.items()
    for divided in (False, True)
    if name != "binning" or not divided
}


def draw(results: dict[str, Any], path: pathlib.Path) -> None:
    """Draws seconds and memory against the number of samples."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    colors = dict(zip(KINDS, ("#0072b2", "#d55e00", "#009e73", "#cc79a7"), strict=True))
    with mpl.rc_context({"font.size": 7, "axes.spines.top": False}):
        figure = Figure(figsize=(5.5, 2.3), layout="constrained")
        seconds, memory = figure.subplots(1, 2)
        for name, result in results.items():
            divided = name.endswith("_divided")
            color = colors[name.removesuffix("_divided")]
            sizes = [row["num_samples"] for row in result["rows"]]
            for axes, field, unit in (
                (seconds, "seconds", 1),
                (memory, "resident_bytes", 2**30),
            ):
                axes.plot(
                    sizes,
                    [row[field] / unit for row in result["rows"]],
                    "--" if divided else "-",
                    marker="o",
                    markersize=3,
                    color=color,
                    label=None if divided else result["label"],
                )
                axes.set_xscale("log")
                axes.set_xlabel("samples")
                axes.spines["right"].set_visible(False)
        most = max(result["num_devices"] for result in results.values())
        seconds.plot([], [], "--", color="0.3", label=f"divided among {most} devices")
        seconds.set_yscale("log")
        seconds.set_ylabel("seconds")
        memory.axhline(2.0, color="0.6", linewidth=0.8, zorder=0)
        memory.set_ylim(0, None)
        memory.set_ylabel("largest memory (GiB)")
        figure.legend(
            *seconds.get_legend_handles_labels(),
            loc="outside upper center",
            ncols=5,
            frameon=False,
            handlelength=1.5,
            columnspacing=1.0,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200)


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=pathlib.Path, help="draw the growth here")
    harness.add_arguments(parser, list(CASES), repeats=1)
    args = parser.parse_args()
    results = harness.run_cases(args, CASES)
    header = ["", "devices", "samples", "first call, s", "s", "memory, MiB", "nats"]
    rows = [
        [
            result["label"],
            result["num_devices"],
            f"{row['num_samples']:,}",
            row["first_seconds"],
            row["seconds"],
            row["resident_bytes"] / 2**20,
            f"{row['nats']:.4f}",
        ]
        for result in results.values()
        for row in result["rows"]
    ]
    print(harness.markdown_table(header, rows))
    _check(results)
    if args.figure:
        draw(results, args.figure)
    harness.write_json(args.output, results=results)


def _check(results: dict[str, Any]) -> None:
    """Refuses to end well if devices disagree, but for what sums of kernels round."""
    for name, result in results.items():
        divided = results.get(f"{name}_divided", result)
        for one, many in zip(result["rows"], divided["rows"], strict=True):
            allowed = 1e-4 if name.startswith("kde") else 0.0
            if not abs(one["nats"] - many["nats"]) <= allowed:
                raise SystemExit(f"{name}: devices disagree: {one}, {many}")


if __name__ == "__main__":
    main()
