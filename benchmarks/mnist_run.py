"""How long does a whole information-plane run on MNIST take?

Trains 784-1024-20-20-10 (tanh, Adam at 0.001, batches of 128) on the 60,000 training
images and takes the kernel-density bounds of every layer, noise variance 0.1, on the
10,000 test images, before training and after every epoch. The peer trains in PyTorch
and measures after the code of Saxe et al., see ``mnist_plane.py``; each with one thread
or one per core, whichever is faster.

The networks must have learned in the end, and the cases must agree on the test accuracy
to ``--accuracy-band``. The files of MNIST are needed, see ``ibjax.datasets.mnist``.
"""

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import harness
import jax
import numpy as np
from mnist_plane import NOISE_VARIANCE, prepare_torch, reference_torch

WIDTHS = (784, 1024, 20, 20, 10)
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
LEAST_ACCURACY = 0.85


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Measures a run of one network with ibjax."""
    return _measure(args, num_networks=1)


def case_ours_sharded(args: argparse.Namespace) -> dict[str, Any]:
    """Measures runs of one network a core with ibjax, side by side, per network."""
    return _measure(args, num_networks=harness.host_cores())


def _measure(args: argparse.Namespace, *, num_networks: int) -> dict[str, Any]:
    harness.set_host_devices(num_networks)
    from ibjax import networks, probes, training
    from ibjax.datasets.mnist import mnist
    from ibjax.sweeps.seeds import sweep

    task = mnist(num_train=args.num_train, num_test=args.num_samples)
    config = training.TrainConfig(
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        train_fraction=args.num_train / task.num_samples,
        split="ordered",
    )
    seconds, cpu_times = [], []

    def on_progress(progress: Any) -> None:
        if progress.stage == "run":
            cpu_times.append(time.process_time())
            if progress.seconds is not None:
                seconds.append(progress.seconds)

    def run() -> Any:
        return sweep(
            jax.random.key(0),
            task,
            networks.mlp(WIDTHS, "tanh"),
            config,
            num_seeds=num_networks,
            snapshots=range(args.epochs + 1),
            probes=[probes.kde_bounds(NOISE_VARIANCE), probes.losses],
            block=1,
            on_progress=on_progress,
        )

    dataset, peak_bytes = harness.peak_memory(run)
    plane = dataset.isel(epoch=-1)
    return {
        "label": f"ibjax, networks: {num_networks}",
        "num_networks": num_networks,
        "snapshot_seconds": seconds[0] / num_networks,
        "epoch_seconds": [value / num_networks for value in seconds[1:]],
        "cpu_seconds": (cpu_times[-1] - cpu_times[0]) / num_networks,
        "compile_seconds": float(dataset.attrs["compile_seconds"]),
        "peak_bytes": peak_bytes,
        "accuracy": float(plane.test_accuracy.mean()),
        "i_xt": {
            str(name): plane.i_xt.sel(estimator=name).mean("seed").values.tolist()
            for name in plane.estimator.values
        },
        **harness.device(),
    }


def case_torch(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the same run in PyTorch."""
    from ibjax.datasets.mnist import mnist

    torch = prepare_torch()
    task = mnist(num_train=args.num_train, num_test=args.num_samples)
    x = torch.from_numpy(np.array(task.x))
    y = torch.from_numpy(np.array(task.labels)).long()

    def run() -> dict[str, Any]:
        # A short trial of each part says how many threads suit it.
        train, measure = _torch_network(torch, x, y, args.num_train)
        train_threads = _best_threads(torch, lambda: train(20))
        measure_threads = _best_threads(torch, lambda: measure(1000))
        train, measure = _torch_network(torch, x, y, args.num_train)
        seconds = []
        cpu_start = time.process_time()
        for epoch in range(args.epochs + 1):
            start = time.perf_counter()
            if epoch:
                torch.set_num_threads(train_threads)
                train()
            torch.set_num_threads(measure_threads)
            plane, accuracy = measure()
            seconds.append(time.perf_counter() - start)
        lower, _, upper, _ = zip(*plane, strict=True)
        return {
            "snapshot_seconds": seconds[0],
            "epoch_seconds": seconds[1:],
            "cpu_seconds": time.process_time() - cpu_start,
            "num_threads": [train_threads, measure_threads],
            "accuracy": accuracy,
            "i_xt": {
                "kde_upper": [float(value) for value in upper],
                "kde_lower": [float(value) for value in lower],
            },
        }

    result, peak_bytes = harness.peak_memory(run)
    return {
        "label": "PyTorch, the reference's way",
        "num_networks": 1,
        "compile_seconds": None,
        "peak_bytes": peak_bytes,
        **result,
    }


def _torch_network(torch: Any, x: Any, y: Any, num_train: int) -> tuple[Any, Any]:
    """A new network, as functions that train it for an epoch and that measure it."""
    torch.manual_seed(0)
    layers = []
    for fan_in, fan_out in zip(WIDTHS[:-1], WIDTHS[1:], strict=True):
        layer = torch.nn.Linear(fan_in, fan_out)
        std = 1 / math.sqrt(fan_in)
        torch.nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
        torch.nn.init.zeros_(layer.bias)
        layers.append(layer)
    parameters = [p for layer in layers for p in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)

    def activities(x: Any) -> list[Any]:
        found = []
        for layer in layers[:-1]:
            x = torch.tanh(layer(x))
            found.append(x)
        return [*found, layers[-1](x)]

    def train(num_batches: int | None = None) -> None:
        for rows in torch.randperm(num_train).split(BATCH_SIZE)[:num_batches]:
            optimizer.zero_grad()
            logits = activities(x[rows])[-1]
            torch.nn.functional.cross_entropy(logits, y[rows]).backward()
            optimizer.step()

    def measure(num_samples: int | None = None) -> tuple[list[Any], float]:
        test_x, test_y = x[num_train:][:num_samples], y[num_train:][:num_samples]
        with torch.no_grad():
            *hidden, logits = activities(test_x)
            found = [*hidden, torch.softmax(logits, dim=1)]
            plane = [reference_torch(torch, t, test_y) for t in found]
        return plane, float((logits.argmax(dim=1) == test_y).float().mean())

    return train, measure


def _best_threads(torch: Any, call: Callable[[], Any]) -> int:
    """The number of threads that is faster, one or one per core."""
    timings = {}
    for num_threads in sorted({1, harness.host_cores()}):
        torch.set_num_threads(num_threads)
        timings[num_threads] = harness.time_calls(call, repeats=2).minimum
    return min(timings, key=timings.get)


def check_agreement(results: dict[str, dict[str, Any]], band: float) -> None:
    """Stops if a case has not learned, or two learned differently.

    Args:
      results: Results by case.
      band: Allowed difference between accuracies.
    """
    accuracies = {result["label"]: result["accuracy"] for result in results.values()}
    values = accuracies.values()
    if min(values) < LEAST_ACCURACY or max(values) - min(values) > band:
        raise SystemExit(
            f"accuracies are {accuracies}; at least {LEAST_ACCURACY} is asked for, and "
            f"{band} apart is allowed"
        )


CASES = {
    "ours": case_ours,
    "ours-sharded": case_ours_sharded,
    "torch": case_torch,
}


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--num-samples", type=int, default=10_000, help="test images, at most 10,000"
    )
    parser.add_argument(
        "--num-train", type=int, default=60_000, help="training images, at most 60,000"
    )
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument(
        "--accuracy-band", type=float, default=0.02, help="allowed between the cases"
    )
    harness.add_arguments(parser, list(CASES))
    args = parser.parse_args()
    if args.epochs < 1:
        parser.error("--epochs must be at least 1")
    results = harness.run_cases(args, CASES)
    if not results:
        raise SystemExit("no case ran")
    check_agreement(results, args.accuracy_band)
    print_table(results)
    harness.write_json(
        args.output,
        sizes={
            "num_samples": args.num_samples,
            "num_train": args.num_train,
            "epochs": args.epochs,
            "widths": WIDTHS,
            "noise_variance": NOISE_VARIANCE,
            "batch_size": BATCH_SIZE,
            "learning_rate": LEARNING_RATE,
        },
        dtype="float32",
        results=results,
    )


def print_table(results: dict[str, dict[str, Any]]) -> None:
    """Prints a row for each way to do a run, times and memory those of one network."""
    rows = []
    for result in results.values():
        seconds, peak = result["epoch_seconds"], result["peak_bytes"]
        rows.append(
            [
                result["label"],
                result["compile_seconds"],
                result["snapshot_seconds"],
                min(seconds),
                float(np.median(seconds)),
                result["snapshot_seconds"] + sum(seconds),
                result["cpu_seconds"],
                None if peak is None else peak / result["num_networks"] / 2**20,
                f"{100 * result['accuracy']:.2f} %",
                ", ".join(f"{value:.2f}" for value in result["i_xt"]["kde_upper"]),
            ]
        )
    header = ["", "compile, s", "one snapshot, s", "an epoch with its snapshot, s, min"]
    header += ["median", "whole run, s", "its CPU time, s", "peak memory, MiB"]
    header += ["test accuracy", "upper I(X;T) at the end, nats"]
    print(harness.markdown_table(header, rows))


if __name__ == "__main__":
    main()
