"""Is the information curve the optimum, and its gap a bound?

Random tables of up to 6 x 4 in six kinds, each at eight betas, in float64: the curve
as it comes, without restarts, against the best of many solutions from random encoders
and of the one from T = X. The curve is not to lie above them, and its gap is not to be
less than what it lies above them.

    python benchmarks/curves.py --tables 1000 --restarts 32 --output curves.json
"""

import argparse
import time

import harness
import numpy as np

KINDS = ("dense", "sparse", "near zero", "deterministic", "duplicated", "unequal")
LARGEST = 6, 4
_AT_ONCE, _STEPS = 24, 600
BETAS = np.geomspace(1.02, 30.0, 8)


def random_table(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Returns a joint table of two to six inputs and two to four labels."""
    while True:
        num_x, num_y = rng.integers(2, LARGEST[0] + 1), rng.integers(2, LARGEST[1] + 1)
        table = rng.random((num_x, num_y))
        if kind in ("sparse", "near zero"):
            table[rng.random(table.shape) < 0.4] = 1e-9 if kind == "near zero" else 0
        elif kind == "deterministic":
            # Some rows, or all, have one label only.
            certain = rng.random(num_x) < rng.choice([0.5, 1.0])
            labels = np.eye(num_y)[rng.integers(num_y, size=num_x)]
            table[certain] = labels[certain]
        elif kind == "duplicated":
            table = table[rng.integers(num_x, size=num_x)]
            table *= rng.random((num_x, 1))
        elif kind == "unequal":
            table *= 10.0 ** rng.uniform(-8, 0, (num_x, 1))
        if table.sum() > 0 and (table.sum(axis=1) > 0).sum() > 1:
            return table / table.sum()


def betas_of(p_xy: np.ndarray) -> np.ndarray:
    """Returns betas from about the critical one on; from one if that is too large."""
    scale = np.sqrt(np.outer(p_xy.sum(axis=1), p_xy.sum(axis=0)))
    correlation = np.divide(p_xy, scale, out=np.zeros_like(p_xy), where=scale > 0)
    second = np.linalg.svd(correlation, compute_uv=False)[1]
    return BETAS * min(1 / max(second, 1e-3) ** 2, 50.0)


def objective(p_xy: np.ndarray, beta: float, encoder: np.ndarray) -> float:
    """Returns I(X;T) - beta I(T;Y), from the definitions."""
    p_xt = p_xy.sum(axis=1)[:, None] * encoder
    return information(p_xt) - beta * information(encoder.T @ p_xy)


def information(p: np.ndarray) -> float:
    """Returns the mutual information of a table."""
    product = np.outer(p.sum(axis=1), p.sum(axis=0))
    used = p > 0
    return float((p[used] * np.log(p[used] / product[used])).sum())


def compare(
    seed: int, num_tables: int, num_restarts: int, minutes: float
) -> list[dict]:
    """Returns objectives and gaps of the curve, and the best objective otherwise.

    It ends early, with the tables that are done, when the minutes are over.
    """
    import jax

    from ibjax import bottleneck

    jax.config.update("jax_enable_x64", True)

    @jax.jit
    @jax.vmap
    def brute_force(key, p_xy, betas):
        def at(beta):
            restarts = bottleneck.best_of_restarts(
                key, p_xy, beta, num_restarts=num_restarts, max_steps=_STEPS
            )
            from_x = bottleneck.blahut_arimoto(p_xy, beta, max_steps=_STEPS)
            return restarts.p_t_given_x, from_x.p_t_given_x

        return jax.vmap(at)(betas)

    cases = []
    end = time.monotonic() + 60 * minutes
    for first in range(0, num_tables, _AT_ONCE):
        if time.monotonic() > end:
            break
        numbers = range(first, first + _AT_ONCE)
        tables = [
            random_table(np.random.default_rng([seed, n]), KINDS[n % len(KINDS)])
            for n in numbers
        ]
        betas = np.stack([betas_of(table) for table in tables])
        # Zeros around fill all tables up to one shape, for one program.
        padded = np.zeros((_AT_ONCE, *LARGEST))
        for place, table in enumerate(tables):
            padded[place, : table.shape[0], : table.shape[1]] = table
        keys = jax.random.split(jax.random.key(first), _AT_ONCE)
        others = [np.asarray(e) for e in brute_force(keys, padded, betas)]
        for place, number in enumerate(numbers[: num_tables - first]):
            started = time.perf_counter()
            curve = bottleneck.information_curve(
                tables[place], betas[place], find_critical_betas=False
            )
            seconds = time.perf_counter() - started
            best = [
                min(objective(padded[place], beta, e[place, point]) for e in others)
                for point, beta in enumerate(betas[place])
            ]
            ours = [
                objective(tables[place], *point)
                for point in zip(betas[place], curve.p_t_given_x, strict=True)
            ]
            cases.append(
                {
                    "number": number,
                    "kind": KINDS[number % len(KINDS)],
                    "shape": tables[place].shape,
                    "betas": betas[place].tolist(),
                    "objective": ours,
                    "best": best,
                    "gap": curve.gap.tolist(),
                    "certified": bool(curve.certified.all()),
                    "not_converged": int((~curve.converged).sum()),
                    "seconds": seconds,
                }
            )
        print(f"{len(cases)} of {num_tables}", flush=True)
    return cases


def main() -> None:
    """Runs the comparison and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cases = {
        "compare": lambda args: {
            "tables": compare(args.seed, args.tables, args.restarts, args.minutes)
        }
    }
    harness.add_arguments(parser, list(cases), repeats=1)
    parser.add_argument("--tables", type=int, default=1000)
    parser.add_argument("--restarts", type=int, default=32)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    results = harness.run_cases(args, cases)
    rows = []
    tables = results["compare"]["tables"]
    for kind in (*KINDS, "all"):
        chosen = [t for t in tables if kind in (t["kind"], "all")]
        if not chosen:
            continue
        above, gap = (
            np.concatenate([np.subtract(t["objective"], t["best"]) for t in chosen]),
            np.concatenate([t["gap"] for t in chosen]),
        )
        rows.append(
            [
                kind,
                len(chosen),
                float(above.max()),
                int((above < -1e-6).sum()),
                float((above - gap).max()),
                float(gap.max()),
                float(np.median(gap)),
                all(t["certified"] for t in chosen),
                float(np.median([t["seconds"] for t in chosen])),
            ]
        )
    header = ["tables", "number", "most above the best, nats", "points 1e-6 below it"]
    header += ["most above it less the gap", "largest gap", "median gap", "all proven"]
    print(harness.markdown_table([*header, "median s a curve"], rows))
    harness.write_json(args.output, results=results)


if __name__ == "__main__":
    main()
