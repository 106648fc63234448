"""What do the kernel-density bounds of a layer cost, and how exact are they?

Both bounds on I(X;T) and both estimates of I(T;Y), two classes, noise variance 1e-3.
The cost of ibjax depends on the layer, because it leaves out pairs of samples that
are too far apart to matter; so there are layers of ten units where all samples are
close together, where they are spread and where most units are saturated.

Every case is checked against NumPy in float64, which takes differences of samples
directly, before it is timed: ibjax to ``--tolerance`` bits, the others to 0.5 bits.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import harness
import jax
import jax.numpy as jnp
import numpy as np
import untrained

NOISE_VARIANCE = 1e-3
NUM_CLASSES = 2
SANE_ERROR_BITS = 0.5
QUANTITIES = ("lower i_xt", "lower i_ty", "upper i_xt", "upper i_ty")


class Problem(NamedTuple):
    """One layer.

    Attributes:
      name: What the layer is like.
      t: Activities, float32, shape ``[num_samples, dim]``.
      labels: Classes, int32, shape ``[num_samples]``.
    """

    name: str
    t: np.ndarray
    labels: np.ndarray


def problems(num_samples: int) -> list[Problem]:
    """Returns the layers, the same ones in every process.

    Args:
      num_samples: Rows of the layers of 12-bit inputs; the wide layer has at most
        1,000.

    Returns:
      One problem per layer.
    """
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(4096)[:num_samples])
    labels = untrained.two_classes()[rows]

    def layer(name: str, dim: int, gain: float) -> Problem:
        (t,) = untrained.random_layers(rng, widths=(dim,), gain=gain)
        return Problem(name, t[rows], labels)

    num_wide = min(1000, num_samples)
    inputs = rng.normal(size=(num_wide, 784))
    weights = rng.normal(size=(784, 1024)) * math.sqrt(2 / 784)
    wide = np.maximum(inputs @ weights, 0).astype(np.float32)
    return [
        layer("spread", 10, 1.0),
        layer("close together", 10, 0.1),
        layer("saturated", 10, 8.0),
        layer("spread", 5, 1.0),
        layer("spread", 2, 1.0),
        Problem("ReLU", wide, (inputs[:, 0] > 0).astype(np.int32)),
    ]


def float64_information(problem: Problem) -> list[float]:
    """Computes the truth in NumPy, a few rows at a time.

    Args:
      problem: The layer.

    Returns:
      The four ``QUANTITIES`` in nats.
    """
    t = problem.t.astype(np.float64)
    labels = problem.labels
    one_hot = np.eye(NUM_CLASSES)[labels]
    class_size = one_hot.sum(axis=0)
    num_samples, dim = t.shape
    num_rows = max(1, 2_000_000 // (num_samples * dim))
    wide, narrow = [], []
    for start in range(0, num_samples, num_rows):
        difference = t[start : start + num_rows, None] - t
        distance = np.einsum("ijd,ijd->ij", difference, difference)
        wide.append(np.exp(-distance / (8 * NOISE_VARIANCE)) @ one_hot)
        narrow.append(np.exp(-distance / (2 * NOISE_VARIANCE)) @ one_hot)
    values = []
    for sums in map(np.concatenate, (wide, narrow)):
        i_xt = -np.mean(np.log(sums.sum(axis=1) / num_samples))
        within = -np.log((sums / class_size)[np.arange(num_samples), labels])
        values += [float(i_xt), float(i_xt - np.mean(within))]
    return values


def ours(t: Any, labels: Any) -> tuple[Any, ...]:
    """Returns the four ``QUANTITIES`` from ibjax, in nats."""
    from ibjax.estimators import kde

    bounds = kde.layer_information(
        t, labels, num_classes=NUM_CLASSES, noise_variance=NOISE_VARIANCE
    )
    return (*bounds.lower, *bounds.upper)


def plain_jax(t: jax.Array, classes: list[jax.Array]) -> tuple[jax.Array, ...]:
    """Returns the four ``QUANTITIES`` the usual way, in nats.

    Args:
      t: Activities, shape ``[num_samples, dim]``.
      classes: Activities of each class.
    """

    def information(t: jax.Array, scale: float) -> jax.Array:
        square = jnp.sum(t**2, axis=1)
        distance = square[:, None] + square[None] - 2 * t @ t.T
        log_mean = jax.nn.logsumexp(-distance / scale, axis=1) - math.log(len(t))
        return -jnp.mean(log_mean)

    values = []
    for scale in (8 * NOISE_VARIANCE, 2 * NOISE_VARIANCE):
        i_xt = information(t, scale)
        within = [len(one) / len(t) * information(one, scale) for one in classes]
        values += [i_xt, i_xt - sum(within)]
    return tuple(values)


def reference_torch(torch: Any, t: Any, classes: list[Any]) -> tuple[Any, ...]:
    """Returns the four ``QUANTITIES`` as the code of Saxe et al. does, in PyTorch.

    Entropies first, each from its own matrix of all pairs, then their differences.

    Args:
      torch: The module.
      t: Activities, shape ``[num_samples, dim]``.
      classes: Activities of each class.
    """

    def entropy(t: Any, variance: float) -> Any:
        square = torch.sum(t**2, dim=1, keepdim=True)
        distance = square + square.T - 2 * t @ t.T
        norm = t.shape[1] / 2 * math.log(2 * math.pi * variance)
        log_sum = torch.logsumexp(-distance / (2 * variance), dim=1)
        return t.shape[1] / 2 - torch.mean(log_sum - math.log(len(t)) - norm)

    def lower(t: Any) -> Any:
        return entropy(t, 4 * NOISE_VARIANCE) + t.shape[1] / 2 * math.log(0.25)

    def upper(t: Any) -> Any:
        return entropy(t, NOISE_VARIANCE)

    noise_entropy = t.shape[1] / 2 * (math.log(2 * math.pi * NOISE_VARIANCE) + 1)
    values = []
    for bound in (lower, upper):
        entropy_t = bound(t)
        within = sum(len(one) / len(t) * bound(one) for one in classes)
        values += [entropy_t - noise_entropy, entropy_t - within]
    return tuple(values)


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax, one layer at a time."""
    harness.set_host_devices(1)

    def prepare(problem: Problem) -> tuple[Callable[[], Any], float | None]:
        t, labels = jnp.asarray(problem.t), jnp.asarray(problem.labels)
        _, seconds = harness.compile_function(ours, t, labels)
        jax.block_until_ready(ours(t, labels))
        return (lambda: ours(t, labels)), seconds

    rows = _measure(args, prepare, tolerance_bits=args.tolerance)
    return {"label": "ibjax", "rows": rows, **harness.device()}


def case_jax(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the pairwise matrix and logsumexp in JAX, jitted."""
    harness.set_host_devices(1)

    def prepare(problem: Problem) -> tuple[Callable[[], Any], float | None]:
        t = jnp.asarray(problem.t)
        classes = [jnp.asarray(one) for one in _classes(problem)]
        compiled, seconds = harness.compile_function(plain_jax, t, classes)
        return (lambda: compiled(t, classes)), seconds

    rows = _measure(args, prepare, tolerance_bits=SANE_ERROR_BITS)
    return {"label": "JAX, matrix of pairs", "rows": rows, **harness.device()}


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the reference's way in PyTorch on the CPU, all cores."""
    torch = harness.require("torch")
    torch.set_num_threads(harness.host_cores())
    # As XLA does; exponentials that underflow are slower without it.
    torch.set_flush_denormal(True)

    def prepare(problem: Problem) -> tuple[Callable[[], Any], float | None]:
        t = torch.from_numpy(problem.t)
        classes = [torch.from_numpy(one) for one in _classes(problem)]
        return (lambda: reference_torch(torch, t, classes)), None

    rows = _measure(args, prepare, tolerance_bits=SANE_ERROR_BITS)
    return {"label": "PyTorch, the reference's way", "rows": rows}


def _classes(problem: Problem) -> list[np.ndarray]:
    return [problem.t[problem.labels == label] for label in range(NUM_CLASSES)]


def _measure(
    args: argparse.Namespace,
    prepare: Callable[[Problem], tuple[Callable[[], Any], float | None]],
    *,
    tolerance_bits: float,
) -> list[dict[str, Any]]:
    rows = []
    truths = args.case_input["truths"]
    for problem, truth in zip(problems(args.num_samples), truths, strict=True):
        call, compile_seconds = prepare(problem)
        values, peak_bytes = harness.peak_memory(call)
        errors = [
            abs(float(value) - exact) / math.log(2)
            for value, exact in zip(values, truth, strict=True)
        ]
        num_samples, dim = problem.t.shape
        if not max(errors) <= tolerance_bits:
            raise SystemExit(
                f"{problem.name}, {num_samples} x {dim}: off by {errors} bits, "
                f"{tolerance_bits} are allowed"
            )
        timing = harness.time_calls(call, repeats=args.repeats)
        rows.append(
            {
                "layer": problem.name,
                "num_samples": num_samples,
                "dim": dim,
                "compile_seconds": compile_seconds,
                "milliseconds_min": 1e3 * timing.minimum,
                "milliseconds_median": 1e3 * timing.median,
                "num_repeats": timing.num_repeats,
                "peak_bytes": peak_bytes,
                "errors_bits": dict(zip(QUANTITIES, errors, strict=True)),
            }
        )
    return rows


def case_sweep(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax on the layers of many networks, sharded over all devices."""
    harness.set_host_devices(harness.host_cores())
    num_devices = len(jax.devices())
    num_networks = num_devices * args.networks_per_device
    layers = untrained.random_networks(num_networks)
    labels = jnp.asarray(untrained.two_classes())

    def one_network(layers: list[jax.Array]) -> list[tuple[Any, ...]]:
        return [ours(t, labels) for t in layers]

    sweep, placed, compile_seconds = untrained.map_networks(
        one_network, layers, num_devices
    )
    values = jax.tree.map(np.asarray, sweep(placed))
    alone = one_network([np.asarray(t)[-1] for t in layers])
    np.testing.assert_allclose(
        [[value[-1] for value in four] for four in values], alone, atol=1e-4
    )
    timing = harness.time_calls(lambda: sweep(placed), repeats=args.repeats)
    num_layers = num_networks * len(layers)
    return {
        "label": "ibjax, layers of many networks",
        "num_layers": num_layers,
        "compile_seconds": compile_seconds,
        "milliseconds_per_layer_min": 1e3 * timing.minimum / num_layers,
        "milliseconds_per_layer_median": 1e3 * timing.median / num_layers,
        "num_repeats": timing.num_repeats,
        **harness.device(),
    }


CASES = {
    "ours": case_ours,
    "jax": case_jax,
    "torch": case_torch,
    "sweep": case_sweep,
}


def main() -> None:
    """Computes the truth, runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-samples", type=int, default=4096, help="at most 4096")
    parser.add_argument(
        "--networks-per-device", type=int, default=5, help="six layers each"
    )
    parser.add_argument(
        "--tolerance", type=float, default=2e-3, help="allowed error of ibjax, bits"
    )
    harness.add_arguments(parser, list(CASES))
    args = parser.parse_args()
    truths, numpy_seconds = [], []
    if not args.case and args.cases != ["sweep"]:
        for problem in problems(args.num_samples):
            start = time.perf_counter()
            truths.append(float64_information(problem))
            numpy_seconds.append(time.perf_counter() - start)
    results = harness.run_cases(args, CASES, case_input={"truths": truths})
    if not results:
        raise SystemExit("no case ran")

    rows = [
        [
            f"{row['layer']}, {row['num_samples']} x {row['dim']}",
            result["label"],
            row["compile_seconds"],
            row["milliseconds_min"],
            row["milliseconds_median"],
            None if row["peak_bytes"] is None else row["peak_bytes"] / 2**20,
            max(row["errors_bits"].values()),
        ]
        for index in range(len(truths))
        for result in results.values()
        for row in result.get("rows", [])[index : index + 1]
    ]
    if rows:
        header = ["layer", "", "compile, s", "ms, min", "median", "peak memory, MiB"]
        print(harness.markdown_table(header + ["largest error, bits"], rows))
        seconds = ", ".join(f"{value:.2f}" for value in numpy_seconds)
        print(f"\nNumPy in float64 took, one run each, in this order: {seconds} s.")
    if sweep := results.get("sweep"):
        header = ["", "where", "layers", "compile, s", "ms a layer, min", "median"]
        row = [
            sweep["label"],
            f"{sweep['platform']}, devices: {sweep['num_devices']}",
            sweep["num_layers"],
            sweep["compile_seconds"],
            sweep["milliseconds_per_layer_min"],
            sweep["milliseconds_per_layer_median"],
        ]
        print("\n" + harness.markdown_table(header, [row]))
    harness.write_json(
        args.output,
        sizes={
            "num_samples": args.num_samples,
            "num_classes": NUM_CLASSES,
            "noise_variance": NOISE_VARIANCE,
            "sweep_widths": untrained.LAYER_WIDTHS,
        },
        dtype="float32",
        truths_nats=[dict(zip(QUANTITIES, truth, strict=True)) for truth in truths],
        numpy_float64_seconds=numpy_seconds,
        results=results,
    )


if __name__ == "__main__":
    main()
