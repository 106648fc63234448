"""What do nearest-neighbour estimates of information cost, beside search trees?

Information of Gaussian pairs after Kraskov et al. (variant 1, k = 3, largest
difference of coordinates as the distance). Three questions, a table each: 5,000
samples in 1 + 1 to 5 + 5 dimensions; a hundred independent pairs of small samples, one
after the other and at once; growth with the number of samples and with the dimension,
with the memory that a call adds.

The peers do what is usual: a tree of the joint samples for the distances, one of each
variable for the counts. ibjax is compared with all pairs in NumPy in float64 before it
is timed, and in the growth with the tree.
"""

import argparse
import itertools
import math
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import harness
import numpy as np
from scipy import spatial, special

K = 3
CORRELATION = 0.6
DIMS = (1, 2, 3, 4, 5)
GROWTH = {
    "samples, 1 + 1": [(1, n) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "samples, 2 + 2": [(2, n) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "samples, 5 + 5": [(5, n) for n in (1_000, 3_000, 10_000, 30_000, 100_000)],
    "dimensions": [(d, 2_000) for d in (1, 2, 4, 8, 16, 32, 64)],
}


def gaussian_pair(dim: int, num_samples: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Returns correlated samples, two of shape ``[num_samples, dim]``, float32."""
    rng = np.random.default_rng((seed, dim, num_samples))
    x = rng.normal(size=(num_samples, dim))
    noise = rng.normal(size=(num_samples, dim))
    y = CORRELATION * x + math.sqrt(1 - CORRELATION**2) * noise
    return x.astype(np.float32), y.astype(np.float32)


def all_pairs_ksg(x: np.ndarray, y: np.ndarray) -> float:
    """Computes the truth in NumPy in float64, a few rows at a time."""
    num_samples = len(x)
    num_rows = max(1, 2_000_000 // num_samples)
    total = 0.0
    for start in range(0, num_samples, num_rows):
        rows = slice(start, start + num_rows)
        d_x, d_y = (
            spatial.distance.cdist(one[rows], one, "chebyshev") for one in (x, y)
        )
        joint = np.maximum(d_x, d_y)
        # The sample itself is the first, at distance zero.
        radius = np.partition(joint, K, axis=1)[:, K, None]
        for distance in (d_x, d_y):
            total += np.sum(special.digamma(np.sum(distance < radius, axis=1)))
    return special.digamma(K) + special.digamma(num_samples) - total / num_samples


def scipy_ksg(x: np.ndarray, y: np.ndarray, workers: int = 1) -> float:
    """Computes the estimate with SciPy's trees."""
    joint = np.concatenate([x, y], axis=1)
    options = {"p": np.inf, "workers": workers}
    radius = spatial.cKDTree(joint).query(joint, K + 1, **options)[0][:, -1]
    radius = np.nextafter(radius, 0)  # Strictly closer.
    options["return_length"] = True
    counts = [
        spatial.cKDTree(one).query_ball_point(one, radius, **options) for one in (x, y)
    ]
    return _estimate(counts)


def sklearn_ksg(neighbors: Any, x: np.ndarray, y: np.ndarray) -> float:
    """Computes the estimate with scikit-learn's trees, as NPEET does."""
    joint = np.concatenate([x, y], axis=1)
    radius = neighbors.KDTree(joint, metric="chebyshev").query(joint, K + 1)[0][:, -1]
    radius = np.nextafter(radius, 0)
    counts = [
        neighbors.KDTree(one, metric="chebyshev").query_radius(
            one, radius, count_only=True
        )
        for one in (x, y)
    ]
    return _estimate(counts)


def _estimate(counts: list[np.ndarray]) -> float:
    mean = np.mean(sum(special.digamma(count) for count in counts))
    return float(special.digamma(K) + special.digamma(len(counts[0])) - mean)


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax."""
    harness.set_host_devices(1)
    return {"label": "ibjax", **_measure_all(args, _ours()), **harness.device()}


def case_ours_plain(args: argparse.Namespace) -> dict[str, Any]:
    """Measures ibjax where it does not look for values that repeat."""
    harness.set_host_devices(1)
    estimate = _ours(ties=False)
    return {"label": "ibjax, ties=False", **_measure_all(args, estimate)}


def case_scipy(args: argparse.Namespace) -> dict[str, Any]:
    """Measures SciPy's trees on one core."""
    return {"label": "SciPy, k-d trees", **_measure_all(args, scipy_ksg)}


def case_scipy_cores(args: argparse.Namespace) -> dict[str, Any]:
    """Measures SciPy's trees on all cores."""
    rows = _measure_dims(args, lambda x, y: scipy_ksg(x, y, workers=-1))
    label = f"SciPy, k-d trees, workers: {harness.host_cores()}"
    return {"label": label, "dims": rows}


def case_sklearn(args: argparse.Namespace) -> dict[str, Any]:
    """Measures scikit-learn's trees."""
    neighbors = harness.require("sklearn.neighbors")
    rows = _measure_dims(args, lambda x, y: sklearn_ksg(neighbors, x, y))
    return {"label": "scikit-learn, k-d trees", "dims": rows}


def case_bmi(args: argparse.Namespace) -> dict[str, Any]:
    """Measures bmi's estimator in the environment that has it."""
    pairs = [gaussian_pair(dim, args.num_samples) for dim in DIMS]
    measured = harness.run_bmi(
        args.bmi_python, pairs, method="ksg", k=K, repeats=args.repeats
    )
    rows = []
    for dim, truth, found in zip(
        DIMS, args.case_input["truths"], measured, strict=True
    ):
        error = abs(found["value"] - truth)
        if not error <= args.tolerance:
            raise SystemExit(f"bmi, {dim} + {dim} dimensions: off by {error} nats")
        rows.append(
            {
                "dim": dim,
                "milliseconds_min": 1e3 * min(found["seconds"]),
                "milliseconds_median": 1e3 * statistics.median(found["seconds"]),
                "error_nats": error,
            }
        )
    return {"label": "bmi", "dims": rows}


def _ours(**options: Any) -> Callable[..., Any]:
    from ibjax.estimators import knn

    return lambda x, y: knn.ksg(x, y, k=K, **options)


def _measure_all(args: argparse.Namespace, estimate: Callable[..., Any]) -> dict:
    return {
        "dims": _measure_dims(args, estimate),
        "pairs": _measure_pairs(args, estimate),
        "growth": _measure_growth(args, estimate),
    }


def _place(args: argparse.Namespace, *arrays: np.ndarray) -> tuple[Any, ...]:
    """Puts arrays where the case wants them: trees take float64."""
    if not args.case.startswith("ours"):
        return tuple(array.astype(np.float64) for array in arrays)
    import jax.numpy as jnp

    return tuple(jnp.asarray(array) for array in arrays)


def _measure_dims(args: argparse.Namespace, estimate: Callable[..., Any]) -> list:
    rows = []
    for dim, truth in zip(DIMS, args.case_input["truths"], strict=True):
        x, y = _place(args, *gaussian_pair(dim, args.num_samples))
        error = abs(float(estimate(x, y)) - truth)
        if not error <= args.tolerance:
            raise SystemExit(f"{dim} + {dim} dimensions: off by {error} nats")
        timing = harness.time_calls(
            lambda x=x, y=y: estimate(x, y), repeats=args.repeats
        )
        rows.append(
            {
                "dim": dim,
                "milliseconds_min": 1e3 * timing.minimum,
                "milliseconds_median": 1e3 * timing.median,
                "error_nats": error,
            }
        )
    return rows


def _measure_pairs(args: argparse.Namespace, estimate: Callable[..., Any]) -> list:
    rows = []
    for num_samples, dim in itertools.product(args.pair_samples, (1, 3)):
        pairs = [
            gaussian_pair(dim, num_samples, seed) for seed in range(args.num_pairs)
        ]
        placed = [_place(args, *pair) for pair in pairs]
        truth = np.asarray([all_pairs_ksg(*pair) for pair in pairs])
        ways = {"one after the other": lambda p=placed: [estimate(*pair) for pair in p]}
        if args.case.startswith("ours"):
            import jax

            from ibjax.compilation import CPU_OPTIONS

            x, y = _place(args, *map(np.stack, zip(*pairs, strict=True)))
            at_once = jax.jit(jax.vmap(estimate), compiler_options=CPU_OPTIONS)
            ways["at once, vmap"] = lambda f=at_once, x=x, y=y: f(x, y)
        for way, call in ways.items():
            error = float(np.max(np.abs(np.asarray(call()) - truth)))
            # A count that differs by one weighs more in few samples.
            if not error <= 10 * args.tolerance:
                raise SystemExit(f"pairs, {way}: off by {error} nats")
            timing = harness.time_calls(call, repeats=args.repeats)
            rows.append(
                {
                    "num_samples": num_samples,
                    "dim": dim,
                    "way": way,
                    "milliseconds_min": 1e3 * timing.minimum,
                    "milliseconds_median": 1e3 * timing.median,
                    "error_nats": error,
                }
            )
    return rows


def _measure_growth(args: argparse.Namespace, estimate: Callable[..., Any]) -> dict:
    """Measures until a call takes longer than allowed."""
    growth: dict[str, list] = {}
    for name, sizes in GROWTH.items():
        growth[name] = []
        for dim, num_samples in sizes:
            x, y = _place(args, *gaussian_pair(dim, num_samples))
            if args.case.startswith("ours"):
                estimate(x, y).block_until_ready()  # Compiled.
            start = time.perf_counter()
            value, peak_bytes = harness.peak_memory(lambda x=x, y=y: estimate(x, y))
            seconds = time.perf_counter() - start
            if seconds < 1:
                call = lambda x=x, y=y: estimate(x, y)  # noqa: E731
                seconds = harness.time_calls(call, repeats=3).minimum
            growth[name].append(
                {
                    "dim": dim,
                    "num_samples": num_samples,
                    "seconds": seconds,
                    "peak_bytes": peak_bytes,
                    "nats": float(value),
                }
            )
            # The next size takes up to the square of the factor, about ten times.
            if 10 * seconds > args.longest and name != "dimensions":
                break
    return growth


CASES = {
    "ours": case_ours,
    "ours_plain": case_ours_plain,
    "scipy": case_scipy,
    "scipy_cores": case_scipy_cores,
    "sklearn": case_sklearn,
    "bmi": case_bmi,
}


def draw_growth(results: dict[str, Any], path: pathlib.Path) -> None:
    """Draws seconds against the size, one panel for each way to grow."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 7, "axes.spines.top": False}):
        figure = Figure(figsize=(7.2, 2.1), layout="constrained")
        panels = figure.subplots(1, len(GROWTH), sharey=True)
        for panel, name in zip(panels, GROWTH, strict=True):
            size = "dim" if name == "dimensions" else "num_samples"
            for result in results.values():
                if rows := result.get("growth", {}).get(name):
                    panel.loglog(
                        [row[size] for row in rows],
                        [row["seconds"] for row in rows],
                        marker="o",
                        markersize=3,
                        label=result["label"],
                    )
            panel.set_title("2,000 samples" if size == "dim" else name, fontsize=7)
            panel.set_xlabel(
                "dimensions of each variable" if size == "dim" else "samples"
            )
            panel.spines["right"].set_visible(False)
        panels[0].set_ylabel("seconds")
        panels[0].legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200)


def main() -> None:
    """Computes the truth, runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-samples", type=int, default=5000)
    parser.add_argument("--num-pairs", type=int, default=100)
    parser.add_argument("--pair-samples", type=int, nargs="+", default=[100, 200, 500])
    parser.add_argument(
        "--longest", type=float, default=100.0, help="growth ends about here, seconds"
    )
    parser.add_argument(
        "--tolerance", type=float, default=1e-5, help="allowed error, nats"
    )
    parser.add_argument("--figure", type=pathlib.Path, help="draw the growth here")
    parser.add_argument("--bmi-python", help="interpreter that has bmi")
    harness.add_arguments(parser, list(CASES), repeats=5)
    args = parser.parse_args()
    truths = []
    if not args.case:
        truths = [all_pairs_ksg(*gaussian_pair(dim, args.num_samples)) for dim in DIMS]
    results = harness.run_cases(args, CASES, case_input={"truths": truths})
    if not results:
        raise SystemExit("no case ran")

    header = ["", *(f"{dim} + {dim}, ms, min (median)" for dim in DIMS)]
    rows = [
        [
            result["label"],
            *(
                f"{row['milliseconds_min']:.3g} ({row['milliseconds_median']:.3g})"
                for row in result["dims"]
            ),
        ]
        for result in results.values()
    ]
    print(
        harness.markdown_table(
            [*header, "largest error, nats"],
            [
                [*row, max(one["error_nats"] for one in result["dims"])]
                for row, result in zip(rows, results.values(), strict=True)
            ],
        )
    )

    header = ["", "pairs", "samples", "dimensions", "ms, min", "median"]
    rows = [
        [
            result["label"],
            row["way"],
            row["num_samples"],
            f"{row['dim']} + {row['dim']}",
            row["milliseconds_min"],
            row["milliseconds_median"],
        ]
        for result in results.values()
        for row in result.get("pairs", [])
    ]
    if rows:
        print("\n" + harness.markdown_table(header, rows))

    header = ["", "dimensions", "samples", "s", "added memory, MiB", "nats"]
    rows = [
        [
            result["label"],
            f"{row['dim']} + {row['dim']}",
            f"{row['num_samples']:,}",
            row["seconds"],
            None if row["peak_bytes"] is None else row["peak_bytes"] / 2**20,
            row["nats"],
        ]
        for name in GROWTH
        for result in results.values()
        for row in result.get("growth", {}).get(name, [])
    ]
    if rows:
        print("\n" + harness.markdown_table(header, rows))
        _check_growth(results, 10 * args.tolerance)
    if args.figure:
        draw_growth(results, args.figure)
    harness.write_json(
        args.output,
        sizes={
            "num_samples": args.num_samples,
            "num_pairs": args.num_pairs,
            "pair_samples": args.pair_samples,
            "k": K,
        },
        dtype="float32",
        truths_nats=truths,
        results=results,
    )


def _check_growth(results: dict[str, Any], tolerance: float) -> None:
    """Refuses to end well if two implementations disagree."""
    values: dict[tuple[int, int], list[float]] = {}
    for result in results.values():
        for rows in result.get("growth", {}).values():
            for row in rows:
                size = row["dim"], row["num_samples"]
                values.setdefault(size, []).append(row["nats"])
    for size, nats in values.items():
        if max(nats) - min(nats) > tolerance:
            raise SystemExit(f"dimension and samples {size}: values differ: {nats}")


if __name__ == "__main__":
    main()
