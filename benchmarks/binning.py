"""What does binning the six layers of a network cost?

Six layers of 10, 7, 5, 4, 3 and 2 units of all 4,096 12-bit inputs, I(X;T) and I(T;Y)
from the number of rows in each bin: between 30 edges on [-1, 1], or in bins of width
0.07. The baseline is ``numpy.unique`` over rows of bin numbers.

Before anything is timed the entropies are compared with NumPy's, which come from
integer counts in float64. They are sums over the same counts, so only the rounding of
float32 may separate them: 1e-5 nats is allowed, and merging two bins that hold one
row each, the smallest merger, moves H(T) by 3e-4.
"""

import argparse
from typing import Any

import harness
import jax
import jax.numpy as jnp
import numpy as np
import untrained

NUM_CLASSES = 2
NUM_EDGES = 30
BIN_WIDTH = 0.07
ALLOWED_NATS = 1e-5
RULES = ("edges", "bin_width")


def ours(t: Any, labels: Any, rule: str) -> Any:
    """Returns ``(i_xt, i_ty)`` of one layer from ibjax, in nats."""
    from ibjax.estimators import binning

    option = {"edges": _edges()} if rule == "edges" else {"bin_width": BIN_WIDTH}
    return binning.layer_information(t, labels, num_classes=NUM_CLASSES, **option)


def unique_rows(t: np.ndarray, labels: np.ndarray, rule: str) -> tuple[float, float]:
    """Returns ``(i_xt, i_ty)`` of one layer from NumPy, in nats.

    Args:
      t: Activities, float32, shape ``[num_samples, dim]``.
      labels: Classes, shape ``[num_samples]``.
      rule: One of ``RULES``.
    """
    if rule == "edges":
        bins = np.clip(np.digitize(t, _edges()) - 1, 0, NUM_EDGES - 1)
    else:
        bins = np.floor(t / np.float32(BIN_WIDTH)).astype(np.int64)

    def entropy(bins: np.ndarray) -> float:
        _, counts = np.unique(bins, axis=0, return_counts=True)
        return float(np.log(len(bins)) - np.sum(counts * np.log(counts)) / len(bins))

    i_xt = entropy(bins)
    within = [
        np.mean(labels == label) * entropy(bins[labels == label])
        for label in range(NUM_CLASSES)
    ]
    return i_xt, i_xt - sum(within)


def _edges() -> np.ndarray:
    return np.linspace(-1, 1, NUM_EDGES, dtype=np.float32)


def case_one_device(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax on one CPU device, or one accelerator."""
    harness.set_host_devices(1)
    return _measure(args, num_devices=1)


def case_all_devices(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax on one CPU device per core, or on all accelerators."""
    harness.set_host_devices(harness.host_cores())
    return _measure(args, num_devices=len(jax.devices()))


def _measure(args: argparse.Namespace, *, num_devices: int) -> dict[str, Any]:
    num_networks = num_devices * args.networks_per_device
    layers = untrained.random_networks(num_networks)
    labels = untrained.two_classes()
    rows = []
    for rule in RULES:

        def one_network(layers: list[jax.Array], rule: str = rule) -> jax.Array:
            values = [jnp.stack(ours(t, jnp.asarray(labels), rule)) for t in layers]
            return jnp.stack(values)

        run, placed, compile_seconds = untrained.map_networks(
            one_network, layers, num_devices
        )
        values = np.asarray(run(placed), dtype=np.float64)
        exact = np.array(
            [
                [unique_rows(t[network], labels, rule) for t in layers]
                for network in range(num_networks)
            ]
        )
        largest = float(np.max(np.abs(values - exact)))
        if not largest <= ALLOWED_NATS:
            raise SystemExit(
                f"{rule}: {largest} nats from the counts, {ALLOWED_NATS} are allowed"
            )
        timing = harness.time_calls(
            lambda run=run, placed=placed: run(placed), repeats=args.repeats
        )
        rows.append(
            {
                "rule": rule,
                "compile_seconds": compile_seconds,
                **_milliseconds(timing, num_networks),
                "largest_difference_nats": largest,
            }
        )
    info = harness.device()
    where = f"{info['platform']}, devices: {num_devices}"
    return {"label": "ibjax", "where": where, "rows": rows, **info}


def case_numpy(args: argparse.Namespace) -> dict[str, Any]:
    """Measures NumPy on one network."""
    layers = [t[0] for t in untrained.random_networks(1)]
    labels = untrained.two_classes()
    rows = []
    for rule in RULES:
        timing = harness.time_calls(
            lambda rule=rule: [unique_rows(t, labels, rule) for t in layers],
            repeats=args.repeats,
        )
        rows.append(
            {
                "rule": rule,
                "compile_seconds": None,
                **_milliseconds(timing, 1),
                "largest_difference_nats": 0.0,
            }
        )
    return {"label": "numpy.unique", "where": "cpu, threads: 1", "rows": rows}


def _milliseconds(timing: harness.Timing, num_networks: int) -> dict[str, Any]:
    return {
        "num_networks": num_networks,
        "milliseconds_min": 1e3 * timing.minimum / num_networks,
        "milliseconds_median": 1e3 * timing.median / num_networks,
        "num_repeats": timing.num_repeats,
    }


CASES = {
    "one-device": case_one_device,
    "all-devices": case_all_devices,
    "numpy": case_numpy,
}


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks-per-device", type=int, default=8)
    harness.add_arguments(parser, list(CASES))
    args = parser.parse_args()
    results = harness.run_cases(args, CASES)
    rows = [
        [
            result["label"],
            row["rule"],
            result["where"],
            row["num_networks"],
            row["compile_seconds"],
            row["milliseconds_min"],
            row["milliseconds_median"],
            row["largest_difference_nats"],
        ]
        for result in results.values()
        for row in result["rows"]
    ]
    header = ["", "bins by", "where", "networks", "compile, s", "ms a network, min"]
    header += ["median", "largest difference, nats"]
    print(harness.markdown_table(header, rows))
    harness.write_json(
        args.output,
        sizes={
            "num_samples": 4096,
            "widths": untrained.LAYER_WIDTHS,
            "num_edges": NUM_EDGES,
            "bin_width": BIN_WIDTH,
        },
        dtype="float32",
        results=results,
    )


if __name__ == "__main__":
    main()
