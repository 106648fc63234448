"""How far from the truth is every estimator of information, and how far are its peers?

Every estimator on every task of known information: bias and standard deviation over
seeds of samples. Peers get the same arrays: a kd-tree KSG in SciPy, in float64, written
as NPEET does it but without its noise; scikit-learn's, where both variables have one
column; bmi's, with the maximum norm inside each variable. Then, per task: the best of
ours, whether it is within 10 % of the truth, and whether ours is worse than a peer's
same method. Cases can run one by one, each with its ``--output``; ``--merge`` makes the
tables of all of them.

"Worse" is a mean absolute error over the same seeds that is larger by more than three
standard errors of the paired difference, and by more than 1e-3 nats.

The best of ours is chosen with the truth at hand, which a user has not: it says what
the package can do, and the table of all estimators what to expect of each. KSG's and
KL's take 3 neighbours, the weighted entropies the cube root of the number of samples or
four times the dimension, whichever is more, in up to 20 dimensions, and 5 in up to 7
dimensions, where the weights are not yet large; bins, for one
column each, hold as many samples each, with Grassberger's correction. The door is what
``estimators.mutual_information`` chooses. Of a variable and a class, where values
repeat, Ross's estimate and KL's are taken; scikit-learn has Ross's too, and Gao et
al.'s estimator of mixtures in SciPy takes a class for a number.

Critics are trained on ``--critic-seeds`` of the seeds only, all of a task at once by
``jax.vmap``, because they cost many times as much as the others; kernel densities run
on ``--density-seeds``. Peers that slow down with the dimension run on tasks of up to
``--peer-dim`` columns together.

    python benchmarks/estimators.py --output estimators.json
    python benchmarks/estimators.py --tasks 1v1 2pair-3 --seeds 3 --estimators ksg kl
    python benchmarks/estimators.py --merge ours.json critics.json
"""

import argparse
import json
import math
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

import harness
import numpy as np

WITHIN = 0.1
HIGHEST_PROMISED_DIM = 5
NEIGHBOURS = 3
FEW_NEIGHBOURS = 5
BINS = 20
# Bins are for one column each; weights need too many neighbours in many dimensions.
MOST_COLUMNS = {"bins": 2, "wkl": 20, "wkl, 5 neighbours": 7, "wkl-butakov": 20}
CRITICS = ("infonce", "dv", "mine", "nwj", "smile", "club")
# Estimators in one table: more do not fit a page.
_COLUMNS = 8
# What runs must have in common to be put together.
_SIZES = ("num_samples", "critic_steps", "neighbours", "bins")
# Ours and a peer's that are the same method.
SAME = (
    ("ksg", "kd-tree KSG"),
    ("ksg, unit variance", "scikit-learn"),
    ("ksg, unit variance", "bmi KSG"),
    ("gaussian, uncorrected", "bmi CCA"),
    ("ksg", "kd-tree mixture"),
    ("ross", "scikit-learn"),
)


def tasks(patterns: list[str] | None) -> list[Any]:
    """Returns the tasks whose names contain one of the patterns, or all."""
    from ibjax.datasets import known_information as known

    chosen = [
        *known.standard_tasks(),
        *(known.smoothed_uniform(information) for information in (1.0, 3.0)),
        *(known.log_gamma_exponential(information) for information in (1.0, 3.0)),
        known.smoothed_uniform(2.0, dim=3),
        known.log_gamma_exponential(2.0, dim=3),
        *known.mixed_tasks(),
    ]
    if patterns:
        chosen = [t for t in chosen if any(p in t.name for p in patterns)]
    return chosen


def samples(task: Any, seed: int, num_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the arrays of one seed, float32, the same in every process."""
    import jax

    x, y = task.sample(jax.random.key(seed), num_samples)
    return np.asarray(x), np.asarray(y)


def ours() -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """Returns our estimators but the critics, by name."""
    from ibjax.estimators import density, discrete, gaussian, knn, partitions, whitening

    def neighbours(dim: int, num_samples: int) -> int:
        return max(round(num_samples ** (1 / 3)), 4 * dim)

    def unit_variance(v: np.ndarray) -> np.ndarray:
        return v / np.std(v, axis=0, dtype=np.float64).astype(v.dtype)

    def weighted(kind: str, k: int | None = None) -> Callable[..., float]:
        def estimate(x: np.ndarray, y: np.ndarray) -> float:
            number = k or neighbours(x.shape[1] + y.shape[1], len(x))
            return knn.mutual_information(x, y, k=number, weights=kind)

        return estimate

    def ksg(**options: Any) -> Callable[..., float]:
        return lambda x, y: knn.ksg(x, y, k=NEIGHBOURS, **options)

    def ranks(x: np.ndarray, y: np.ndarray) -> float:
        scores = gaussian.normal_scores(x), gaussian.normal_scores(y)
        return knn.ksg(*scores, k=NEIGHBOURS)

    def white(x: np.ndarray, y: np.ndarray) -> float:
        pair = whitening.whiten(x).white, whitening.whiten(y).white
        return knn.ksg(*pair, k=NEIGHBOURS)

    def bins(x: np.ndarray, y: np.ndarray) -> float:
        cells = [
            np.asarray(partitions.equal_count_bins(v, BINS)[:, 0]).astype(np.int32)
            for v in (x, y)
        ]
        return discrete.mutual_information(
            *cells, num_x=BINS, num_y=BINS, correction="grassberger"
        )

    return {
        "ksg": ksg(),
        "ksg2": ksg(variant=2),
        "ksg, unit variance": lambda x, y: ksg()(unit_variance(x), unit_variance(y)),
        "ksg, ranks": ranks,
        "ksg, white": white,
        "kl": lambda x, y: knn.mutual_information(x, y, k=NEIGHBOURS),
        "wkl": weighted("bsy"),
        "wkl, 5 neighbours": weighted("bsy", FEW_NEIGHBOURS),
        "wkl-butakov": weighted("butakov"),
        "kde-ml": lambda x, y: density.mutual_information(x, y).value,
        "kde-ls": lambda x, y: (
            density.mutual_information(x, y, bandwidth="least_squares").value
        ),
        "gaussian": lambda x, y: gaussian.mutual_information(x, y).value,
        "gaussian, uncorrected": lambda x, y: (
            gaussian.mutual_information(x, y, bias_correction=False).value
        ),
        "copula": lambda x, y: gaussian.copula_information(x, y).value,
        "bins": bins,
        "door": door,
    }


def ours_of_classes() -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """Returns our estimators of a variable and a class, by name."""
    from ibjax.estimators import knn

    def kl(x: np.ndarray, y: np.ndarray) -> float:
        return knn.class_information(x, y[:, 0], num_classes=2, k=NEIGHBOURS)

    return {
        "ross": lambda x, y: knn.ross(x, y[:, 0], num_classes=2, k=NEIGHBOURS),
        "kl": kl,
        "door": door,
    }


def door(x: np.ndarray, y: np.ndarray) -> float:
    """Returns what the package chooses by itself."""
    from ibjax.estimators import mutual_information

    return mutual_information(x, y, error=None).value


def kd_tree_mixture(x: np.ndarray, y: np.ndarray) -> float:
    """Returns Gao et al.'s estimator of mixtures from trees, as in their program."""
    from scipy import spatial, special

    x, y = x.astype(np.float64), y.astype(np.float64)
    joint = np.concatenate([x, y], axis=1)
    tree = spatial.cKDTree(joint)
    distance = tree.query(joint, NEIGHBOURS + 1, p=np.inf)[0][:, -1]
    atom = distance == 0
    radius = np.where(atom, 1e-15, distance - 1e-15)

    def count(v: np.ndarray) -> np.ndarray:
        return spatial.cKDTree(v).query_ball_point(
            v, radius, p=np.inf, return_length=True
        )

    k = np.where(atom, count(joint), NEIGHBOURS)
    terms = special.digamma(k) + math.log(len(x))
    return np.mean(terms - special.digamma(count(x)) - special.digamma(count(y)))


def kd_tree_ksg(x: np.ndarray, y: np.ndarray) -> float:
    """Returns KSG's first estimator from trees in float64, maximum norm, strict."""
    from scipy import spatial, special

    x, y = x.astype(np.float64), y.astype(np.float64)
    joint = np.concatenate([x, y], axis=1)
    distance = spatial.cKDTree(joint).query(joint, NEIGHBOURS + 1, p=np.inf)[0]
    radius = np.nextafter(distance[:, -1], 0)
    mean = 0.0
    for v in (x, y):
        closer = spatial.cKDTree(v).query_ball_point(
            v, radius, p=np.inf, return_length=True
        )
        mean += np.mean(special.digamma(closer))
    return special.digamma(NEIGHBOURS) + special.digamma(len(x)) - mean


def case_ours(args: argparse.Namespace) -> dict[str, Any]:
    """Runs our estimators."""
    return _run(args, ours(), max_dim=None, of_classes=ours_of_classes())


def case_critics(args: argparse.Namespace) -> dict[str, Any]:
    """Trains critics, all seeds of a task at once."""
    import jax
    import jax.numpy as jnp

    from ibjax.estimators import variational

    num_seeds = min(args.seeds, args.critic_seeds)
    names = {"dv": "donsker_varadhan"}
    rows = []
    for task in tasks(args.tasks):
        pairs = [samples(task, seed, args.samples) for seed in range(num_seeds)]
        if _has_classes(pairs):
            continue
        x, y = (jnp.stack([pair[i] for pair in pairs]) for i in (0, 1))
        keys = jax.vmap(jax.random.key)(jnp.arange(num_seeds))
        for name in CRITICS:
            if args.estimators and name not in args.estimators:
                continue

            def fit(key: Any, x: Any, y: Any, name: str = name) -> Any:
                return variational.fit(
                    key,
                    x,
                    y,
                    objective=names.get(name, name),
                    num_steps=args.critic_steps,
                ).value

            start = time.perf_counter(), time.process_time()
            values = [float(value) for value in jax.vmap(fit)(keys, x, y)]
            rows.append(_row(task, name, values, _since(start)))
    return {"rows": rows, **harness.device()}


def case_kd_tree(args: argparse.Namespace) -> dict[str, Any]:
    """Runs KSG in SciPy, as it is and as Gao et al. have it for mixtures."""
    mixture = {"kd-tree mixture": kd_tree_mixture}
    methods = {"kd-tree KSG": kd_tree_ksg, **mixture}
    return _run(args, methods, max_dim=args.peer_dim, of_classes=mixture)


def case_sklearn(args: argparse.Namespace) -> dict[str, Any]:
    """Runs scikit-learn, which takes one column and one target."""
    selection = harness.require("sklearn.feature_selection")

    def estimate(x: np.ndarray, y: np.ndarray) -> float:
        of_classes = np.issubdtype(y.dtype, np.integer)
        run = selection.mutual_info_regression
        run = selection.mutual_info_classif if of_classes else run
        return run(
            x.astype(np.float64), y[:, 0], n_neighbors=NEIGHBOURS, random_state=0
        )[0]

    methods = {"scikit-learn": estimate}
    return _run(args, methods, max_dim=2, of_classes=methods)


def case_bmi(args: argparse.Namespace) -> dict[str, Any]:
    """Runs the Beyond Normal package's KSG and canonical correlations."""
    chosen = [
        task
        for task in tasks(args.tasks)
        if task.dim_x + task.dim_y <= args.peer_dim and "classes" not in task.name
    ]
    pairs = [
        samples(task, seed, args.samples)
        for task in chosen
        for seed in range(args.seeds)
    ]
    rows = []
    for name, method in (("bmi KSG", "ksg-unit-variance"), ("bmi CCA", "cca")):
        found = harness.run_bmi(args.bmi_python, pairs, method=method, k=NEIGHBOURS)
        for number, task in enumerate(chosen):
            of_task = found[number * args.seeds : (number + 1) * args.seeds]
            seconds = tuple(np.sum([one["first"] for one in of_task], axis=0).tolist())
            rows.append(_row(task, name, [one["value"] for one in of_task], seconds))
    return {"rows": rows}


def _run(
    args: argparse.Namespace,
    methods: dict[str, Callable[[np.ndarray, np.ndarray], float]],
    max_dim: int | None,
    of_classes: dict[str, Callable[[np.ndarray, np.ndarray], float]],
) -> dict[str, Any]:
    rows = []
    for task in tasks(args.tasks):
        if max_dim is not None and task.dim_x + task.dim_y > max_dim:
            continue
        pairs = [samples(task, seed, args.samples) for seed in range(args.seeds)]
        suited = of_classes if _has_classes(pairs) else methods
        for name, estimate in suited.items():
            if max_dim is None and args.estimators and name not in args.estimators:
                continue
            if task.dim_x + task.dim_y > MOST_COLUMNS.get(name, math.inf):
                continue
            start = time.perf_counter(), time.process_time()
            values, refused = [], None
            fewer = args.density_seeds if name.startswith("kde") else args.seeds
            for x, y in pairs[:fewer]:
                try:
                    values.append(float(estimate(x, y)))
                except ValueError as error:
                    refused = str(error)
                    values.append(math.nan)
            row = _row(task, name, values, _since(start))
            rows.append({**row, "refused": refused})
    return {"rows": rows, **harness.device()}


def _has_classes(pairs: list[tuple[np.ndarray, np.ndarray]]) -> bool:
    return np.issubdtype(pairs[0][1].dtype, np.integer)


def _since(start: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - start[0], time.process_time() - start[1]


def _row(
    task: Any, name: str, values: list[float], seconds: tuple[float, float]
) -> dict[str, Any]:
    wall, processor = seconds
    print(f"{task.name}: {name}, {wall:.1f} s", file=sys.stderr, flush=True)
    return {
        "task": task.name,
        "dim_x": task.dim_x,
        "dim_y": task.dim_y,
        "truth": task.mutual_information,
        "estimator": name,
        # JSON has no NaN.
        "values": [value if math.isfinite(value) else None for value in values],
        "seconds": wall,
        "processor_seconds": processor,
    }


CASES = {
    "ours": case_ours,
    "critics": case_critics,
    "kd-tree": case_kd_tree,
    "sklearn": case_sklearn,
    "bmi": case_bmi,
}


def accuracy(row: dict[str, Any]) -> dict[str, float | None]:
    """Returns bias, standard deviation and mean absolute error of one row, in nats."""
    values = np.array([math.nan if v is None else v for v in row["values"]])
    error = values - row["truth"]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    numbers = {
        "bias": float(np.mean(error)),
        "standard_deviation": spread,
        "mean_absolute_error": float(np.mean(np.abs(error))),
    }
    return {name: v if math.isfinite(v) else None for name, v in numbers.items()}


def compare(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns, per task, the best of ours and how the peers' same methods did."""
    peers = {peer for _, peer in SAME}
    by_task: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(row["task"], {})[row["estimator"]] = row
    compared = []
    for name, found in by_task.items():
        first = next(iter(found.values()))
        valid = {
            estimator: row["bias"]
            for estimator, row in found.items()
            if estimator not in peers and row["bias"] is not None
        }
        best = min(valid, key=lambda e: abs(valid[e])) if valid else None
        # Of independent variables the error itself, as if the truth were one nat.
        off = abs(valid[best]) / (first["truth"] or 1.0) if best else None
        worse = [
            f"{mine} than {peer}"
            for mine, peer in SAME
            if mine in found and peer in found and _worse(found[mine], found[peer])
        ]
        compared.append(
            {
                "task": name,
                "dims": f"{first['dim_x']} + {first['dim_y']}",
                "dim": max(first["dim_x"], first["dim_y"]),
                "truth": first["truth"],
                "best": best,
                "best_bias": valid.get(best),
                "off": off,
                "within": None if off is None else off <= WITHIN,
                "worse": worse,
            }
        )
    return compared


def _worse(mine: dict[str, Any], peer: dict[str, Any]) -> bool:
    pairs = [
        (abs(a - mine["truth"]), abs(b - mine["truth"]))
        for a, b in zip(mine["values"], peer["values"], strict=False)
        if a is not None and b is not None
    ]
    if not pairs:
        return mine["bias"] is None and peer["bias"] is not None
    difference = np.array([a - b for a, b in pairs])
    error = np.std(difference, ddof=1) / math.sqrt(len(pairs)) if len(pairs) > 1 else 0
    return bool(np.mean(difference) > max(1e-3, 3 * error))


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["bias"] is None:
        missing = sum(value is None for value in row["values"])
        return f"{missing} of {len(row['values'])}"
    spread = row["standard_deviation"]
    return f"{row['bias']:+.3f}" + ("" if spread is None else f" ± {spread:.3f}")


def _seeds(rows: list[dict[str, Any]]) -> str:
    numbers = {row["estimator"]: len(row["values"]) for row in rows}
    most = max(numbers.values())
    fewer = [f"{name}: {n}" for name, n in numbers.items() if n < most]
    return f"{most} seeds" + (f" ({', '.join(fewer)})" if fewer else "")


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", help="parts of names of tasks")
    parser.add_argument("--estimators", nargs="+", help="names of our estimators")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--critic-seeds", type=int, default=3)
    parser.add_argument("--density-seeds", type=int, default=3)
    parser.add_argument("--critic-steps", type=int, default=1000)
    parser.add_argument(
        "--merge", type=pathlib.Path, nargs="+", help="outputs to make the tables of"
    )
    parser.add_argument("--bmi-python", help="interpreter that has bmi")
    parser.add_argument("--peer-dim", type=int, default=10, help="of X and Y together")
    harness.add_arguments(parser, list(CASES), repeats=1)
    args = parser.parse_args()
    sizes = {
        "num_samples": args.samples,
        "critic_steps": args.critic_steps,
        "neighbours": NEIGHBOURS,
        "bins": BINS,
    }
    devices: dict[str, Any] = {}
    if args.merge:
        rows, sizes = [], None
        for path in args.merge:
            run = json.loads(path.read_text())
            same = {name: run["sizes"][name] for name in _SIZES}
            if sizes not in (None, same):
                raise SystemExit(f"{path} has other sizes: {same}, not {sizes}")
            sizes = same
            rows += run["rows"]
            devices |= run["devices"]
    else:
        results = harness.run_cases(args, CASES)
        rows = [row for result in results.values() for row in result["rows"]]
        for name, result in results.items():
            devices[name] = {key: v for key, v in result.items() if key != "rows"}
    if len({(row["task"], row["estimator"]) for row in rows}) < len(rows):
        raise SystemExit("an estimator of a task is in two of the outputs")
    if not rows:
        raise SystemExit("no task and estimator were chosen")
    for row in rows:
        row.update(accuracy(row))
    compared = compare(rows)

    header = ["task", "dimensions", "truth, nats", "best of ours", "its bias"]
    header += [f"within {WITHIN:.0%}", "ours worse"]
    print(
        harness.markdown_table(
            header,
            [
                [
                    line["task"],
                    line["dims"],
                    f"{line['truth']:.3f}",
                    line["best"],
                    "" if line["best"] is None else f"{line['best_bias']:+.3f}",
                    "yes" if line["within"] else "no",
                    ", ".join(line["worse"]) or "no",
                ]
                for line in compared
            ],
        )
    )
    low = [line for line in compared if line["dim"] <= HIGHEST_PROMISED_DIM]
    reached = sum(bool(line["within"]) for line in low)
    print(
        f"\nOf {len(low)} tasks of up to {HIGHEST_PROMISED_DIM} dimensions a method of "
        f"ours is within {WITHIN:.0%} on {reached}.\n\n"
        f"Bias ± standard deviation in nats, {sizes['num_samples']} samples, "
        f"{_seeds(rows)}, critics trained for {sizes['critic_steps']} steps. 'k of n': "
        "so many seeds got no finite value.\n"
    )
    names = list(dict.fromkeys(row["estimator"] for row in rows))
    table = {(row["task"], row["estimator"]): row for row in rows}
    for first in range(0, len(names), _COLUMNS):
        some = names[first : first + _COLUMNS]
        cells = [
            [line["task"], *(_cell(table.get((line["task"], n))) for n in some)]
            for line in compared
        ]
        print(harness.markdown_table(["task", *some], cells) + "\n")
    cost = {
        name: sum(row["processor_seconds"] for row in rows if row["estimator"] == name)
        for name in names
    }
    print(
        "Processor seconds with compilation: "
        + ", ".join(f"{name} {seconds:.0f}" for name, seconds in cost.items())
    )
    harness.write_json(
        args.output,
        sizes=sizes,
        dtype="float32, peers float64",
        tasks=compared,
        rows=rows,
        processor_seconds=cost,
        devices=devices,
    )


if __name__ == "__main__":
    main()
