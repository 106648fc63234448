"""What does the information plane of MNIST cost at one snapshot?

Kernel-density bounds of all layers for the 10,000 test images, noise variance 0.1, on
untrained networks 784-1024-20-20-20-10. The peer is written after the code of Saxe et
al.: entropies from a matrix of all pairs, one for each bound and each class, in
float32; in PyTorch, with one thread or one per core, whichever is faster.

Every case is checked against NumPy in float64 before it is timed: ibjax to
``--tolerance`` bits, the peer to 0.05 bits. The files of MNIST are needed, see
``ibjax.datasets.mnist``.
"""

import argparse
import ctypes
import math
import pathlib
import tempfile
import time
from collections.abc import Callable
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np

NOISE_VARIANCE = 0.1
NUM_CLASSES = 10
WIDTHS = (784, 1024, 20, 20, 20, 10)
ACTIVATIONS = ("tanh", "relu")
SANE_ERROR_BITS = 0.05
QUANTITIES = ("lower i_xt", "lower i_ty", "upper i_xt", "upper i_ty")


def save_layers(path: pathlib.Path, num_samples: int) -> None:
    """Writes the layers of untrained networks, so that all cases get the same ones.

    Args:
      path: File to write.
      num_samples: Test images.
    """
    from ibjax import networks

    x, labels = _test_images(num_samples)
    arrays = {"labels": labels}
    for activation in ACTIVATIONS:
        network = networks.mlp(WIDTHS, activation)
        *hidden, logits = network.activations(network.init(jax.random.key(0)), x)
        for number, t in enumerate((*hidden, jax.nn.softmax(logits))):
            arrays[f"{activation} {number}"] = np.asarray(t)
    np.savez(path, **arrays)


def load_layers(path: str) -> tuple[dict[str, list[np.ndarray]], np.ndarray]:
    """Returns the layers by activation function, and the labels."""
    with np.load(path) as arrays:
        layers = {
            activation: [
                arrays[f"{activation} {number}"] for number in range(len(WIDTHS) - 1)
            ]
            for activation in ACTIVATIONS
        }
        return layers, arrays["labels"]


def float64_information(t: np.ndarray, labels: np.ndarray) -> list[float]:
    """Computes the truth in NumPy, a few rows at a time.

    Args:
      t: Activities, shape ``[num_samples, dim]``.
      labels: Classes, shape ``[num_samples]``.

    Returns:
      The four ``QUANTITIES`` in nats.
    """
    t = t.astype(np.float64)
    t -= t.mean(axis=0)
    square = np.sum(t**2, axis=1)
    one_hot = np.eye(NUM_CLASSES)[labels]
    class_size = one_hot.sum(axis=0)
    wide, narrow = [], []
    for rows in np.array_split(np.arange(len(t)), math.ceil(len(t) / 500)):
        distance = square[rows, None] + square - 2 * t[rows] @ t.T
        kernel = np.exp(-np.maximum(distance, 0) / (8 * NOISE_VARIANCE))
        wide.append(kernel @ one_hot)
        narrow.append(kernel**4 @ one_hot)
    values = []
    for sums in map(np.concatenate, (wide, narrow)):
        i_xt = -np.mean(np.log(sums.sum(axis=1) / len(t)))
        within = (sums / np.maximum(class_size, 1))[np.arange(len(t)), labels]
        values += [float(i_xt), float(i_xt + np.mean(np.log(within)))]
    return values


def ours(t: Any, labels: Any) -> tuple[Any, ...]:
    """Returns the four ``QUANTITIES`` from ibjax, in nats."""
    from ibjax.estimators import kde

    bounds = kde.layer_information(
        t, labels, num_classes=NUM_CLASSES, noise_variance=NOISE_VARIANCE
    )
    return (*bounds.lower, *bounds.upper)


def reference_torch(torch: Any, t: Any, labels: Any) -> tuple[Any, ...]:
    """Returns the four ``QUANTITIES`` as the code of Saxe et al. does, in PyTorch.

    Args:
      torch: The module.
      t: Activities, shape ``[num_samples, dim]``.
      labels: Classes, shape ``[num_samples]``.
    """
    dim = t.shape[1]
    classes = [t[labels == label] for label in range(NUM_CLASSES)]
    classes = [one for one in classes if len(one)]

    def upper(t: Any, variance: float = NOISE_VARIANCE) -> Any:
        square = torch.sum(t**2, dim=1, keepdim=True)
        distance = square + square.T - 2 * t @ t.T
        log_sum = torch.logsumexp(-distance / (2 * variance), dim=1)
        norm = math.log(len(t)) + dim / 2 * math.log(2 * math.pi * variance)
        return dim / 2 - torch.mean(log_sum - norm)

    def lower(t: Any) -> Any:
        return upper(t, 4 * NOISE_VARIANCE) + dim / 2 * math.log(0.25)

    noise_entropy = dim / 2 * (math.log(2 * math.pi * NOISE_VARIANCE) + 1)
    values = []
    for bound in (lower, upper):
        entropy_t = bound(t)
        within = sum(len(one) / len(t) * bound(one) for one in classes)
        values += [entropy_t - noise_entropy, entropy_t - within]
    return tuple(values)


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax on the layers of one network, one after another."""
    harness.set_host_devices(1)

    def prepare(t: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        t, labels = jnp.asarray(t), jnp.asarray(labels)
        jax.block_until_ready(ours(t, labels))
        return lambda: ours(t, labels)

    rows = _measure(args, prepare, tolerance_bits=args.tolerance)
    return {"label": "ibjax", "rows": rows, **harness.device()}


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the reference's way in PyTorch."""
    return _measure_torch(args, "PyTorch, the reference's way")


def case_torch_kept(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the same where freed matrices stay with the process.

    By default every matrix of all pairs is fetched from the system anew, and the
    first touch of its pages can take longer than what is computed with it.
    """
    m_trim_threshold, m_mmap_max = -1, -4  # Of glibc's malloc.h.
    libc = ctypes.CDLL(None)
    libc.mallopt(m_mmap_max, 0)
    libc.mallopt(m_trim_threshold, 2**31 - 1)
    return _measure_torch(args, "PyTorch, freed memory kept")


def _measure_torch(args: argparse.Namespace, label: str) -> dict[str, Any]:
    """Measures each layer with one thread and one per core; the faster is kept."""
    torch = prepare_torch()

    def prepare(t: np.ndarray, labels: np.ndarray) -> Callable[[], Any]:
        t, labels = torch.from_numpy(t), torch.from_numpy(labels)
        return lambda: reference_torch(torch, t, labels)

    by_threads = []
    for num_threads in sorted({1, harness.host_cores()}):
        torch.set_num_threads(num_threads)
        rows = _measure(args, prepare, tolerance_bits=SANE_ERROR_BITS)
        by_threads.append([{**row, "num_threads": num_threads} for row in rows])
    rows = [
        min(same_layer, key=lambda row: row["seconds_min"])
        for same_layer in zip(*by_threads, strict=True)
    ]
    return {"label": label, "rows": rows}


def _measure(
    args: argparse.Namespace,
    prepare: Callable[[np.ndarray, np.ndarray], Callable[[], Any]],
    *,
    tolerance_bits: float,
) -> list[dict[str, Any]]:
    """Checks each layer, then times it; memory is the largest of a network's layers."""
    rows = []
    networks, labels = load_layers(args.case_input["layers"])
    for activation, layers in networks.items():
        for number, t in enumerate(layers):
            call = prepare(t, labels)
            values, peak_bytes = harness.peak_memory(call)
            truth = args.case_input["truths"][activation][number]
            errors = [
                abs(float(value) - exact) / math.log(2)
                for value, exact in zip(values, truth, strict=True)
            ]
            if not max(errors) <= tolerance_bits:
                raise SystemExit(
                    f"{activation}, {t.shape[0]} x {t.shape[1]}: off by {errors} bits, "
                    f"{tolerance_bits} are allowed"
                )
            cpu_start = time.process_time()
            timing = harness.time_calls(call, repeats=args.repeats)
            cpu_seconds = time.process_time() - cpu_start
            rows.append(
                {
                    "activation": activation,
                    "dim": t.shape[1],
                    "seconds_min": timing.minimum,
                    "seconds_median": timing.median,
                    "num_repeats": timing.num_repeats,
                    # The call before the repeats costs what a repeat costs.
                    "cpu_seconds_mean": cpu_seconds / (timing.num_repeats + 1),
                    "peak_bytes": peak_bytes,
                    "errors_bits": dict(zip(QUANTITIES, errors, strict=True)),
                }
            )
    return rows


def prepare_torch() -> Any:
    """Imports PyTorch and has it treat small numbers as XLA does."""
    torch = harness.require("torch")
    # Exponentials that underflow are slower without it.
    torch.set_flush_denormal(True)
    return torch


def _test_images(num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    from ibjax.datasets.mnist import mnist

    task = mnist(num_train=1, num_test=num_samples).measured
    return np.asarray(task.x), np.asarray(task.labels)


CASES = {
    "ours": case_ours,
    "torch": case_torch,
    "torch-kept": case_torch_kept,
}


def main() -> None:
    """Computes the truth, runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--num-samples", type=int, default=10_000, help="test images, at most 10,000"
    )
    parser.add_argument(
        "--tolerance", type=float, default=1e-3, help="allowed error of ibjax, bits"
    )
    harness.add_arguments(parser, list(CASES), repeats=5)
    args = parser.parse_args()
    if args.case:
        harness.run_cases(args, CASES)
    with tempfile.TemporaryDirectory() as directory:
        layers_file = pathlib.Path(directory) / "layers.npz"
        # A GPU is left to the cases.
        jax.config.update("jax_platforms", "cpu")
        save_layers(layers_file, args.num_samples)
        networks, labels = load_layers(layers_file)
        truths = {
            activation: [float64_information(t, labels) for t in layers]
            for activation, layers in networks.items()
        }
        del networks
        results = harness.run_cases(
            args, CASES, case_input={"layers": str(layers_file), "truths": truths}
        )
    if not results:
        raise SystemExit("no case ran")
    print_table(results)
    harness.write_json(
        args.output,
        sizes={
            "num_samples": args.num_samples,
            "widths": WIDTHS,
            "noise_variance": NOISE_VARIANCE,
        },
        dtype="float32",
        truths_nats=truths,
        results=results,
    )


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Prints a row for each layer, and for all layers of a network."""
    cases = [result for result in results.values() if "rows" in result]
    rows = []
    for activation in ACTIVATIONS:
        by_case = [
            [row for row in result["rows"] if row["activation"] == activation]
            for result in cases
        ]
        for layers in zip(*by_case, strict=True):
            for result, row in zip(cases, layers, strict=True):
                rows.append(_cells(f"{activation} {row['dim']}", result, [row]))
        for result, layers in zip(cases, by_case, strict=True):
            rows.append(_cells(f"{activation}, all", result, layers))
    if rows:
        header = ["layer", "", "seconds, min", "median", "CPU seconds"]
        header += ["peak memory, MiB", "largest error, bits"]
        print(harness.markdown_table(header, rows))


def _cells(name: str, result: dict[str, Any], rows: list[Any]) -> list[Any]:
    peaks = [row["peak_bytes"] for row in rows]
    return [
        name,
        result["label"],
        sum(row["seconds_min"] for row in rows),
        sum(row["seconds_median"] for row in rows),
        sum(row["cpu_seconds_mean"] for row in rows),
        None if None in peaks else max(peaks) / 2**20,
        max(max(row["errors_bits"].values()) for row in rows),
    ]


if __name__ == "__main__":
    main()
