"""How fast does the bottleneck's iteration get how far?

A random table of 256 x 16 at five betas, against embo as it comes and with more
iterations and a tighter tolerance; then the cost of a step and of a whole solution, and
its memory, as |X|, |Y| and |T| grow. All in float64.

embo takes divergences in bits and exponentials of base e, so that its beta is log(2) of
the bottleneck's: ibjax runs at the same trade-offs. Objectives are compared in bits.

    python benchmarks/blahut_arimoto.py --figure figure.png --output solvers.json
"""

import argparse
import pathlib
import time
from typing import Any

import harness
import jax
import numpy as np

NUM_X, NUM_Y = 256, 16
EMBO_BETAS = np.linspace(4.0, 20.0, 5)
BETAS = EMBO_BETAS / np.log(2)
EMBO_TIGHT = {"iterations": 1_000, "rtol": 1e-7}
LOOSE_TOL = 1e-2

# |X|, |Y| and |T|, one of which grows.
SIZES = {
    "|X|": [(num_x, 16, 64) for num_x in (16, 64, 256, 1024)],
    "|Y|": [(256, num_y, 64) for num_y in (2, 4, 16, 64)],
    "|T|": [(256, 16, num_t) for num_t in (4, 16, 64, 256, 1024)],
}
SOLVED = [(16, 2), (16, 16), (256, 2), (256, 16), (256, 64), (1024, 16)]
STEPS = 300
TIMES_CRITICAL = 3.0


def random_table(num_x: int, num_y: int) -> np.ndarray:
    """Returns p(x, y), uniform over all tables, shape ``[num_x, num_y]``."""
    cells = np.random.default_rng(0).dirichlet(np.ones(num_x * num_y))
    return cells.reshape(num_x, num_y)


def run_points(args: argparse.Namespace, tol: float | None) -> dict[str, Any]:
    """Measures one solution at each beta, one after another, from T = X."""
    from ibjax import bottleneck

    p_xy = random_table(NUM_X, NUM_Y)

    def run():
        return [
            bottleneck.blahut_arimoto(p_xy, beta, tol=tol).objective for beta in BETAS
        ]

    return _measure(args, run)


def run_curve(args: argparse.Namespace) -> dict[str, Any]:
    """Measures the annealed curve through the betas, its gaps estimated."""
    from ibjax import bottleneck

    p_xy = random_table(NUM_X, NUM_Y)

    def run():
        curve = bottleneck.information_curve(p_xy, BETAS, find_critical_betas=False)
        if not np.max(curve.gap) < 1e-6:
            raise SystemExit(f"the curve is not optimal: gap {np.max(curve.gap):.2g}")
        return curve.objective

    return _measure(args, run)


def _measure(args, run) -> dict[str, Any]:
    timing = harness.time_calls(run, repeats=args.repeats)
    objectives, peak = harness.peak_memory(run)
    return {
        "compile_seconds": timing.warm_up - timing.median,
        "seconds_min": timing.minimum,
        "peak_bytes": peak,
        "objectives_bits": [float(nats) / np.log(2) for nats in objectives],
        **harness.device(),
    }


def run_embo(options: dict[str, float]) -> dict[str, Any]:
    """Measures embo, once, with a process per core and its three restarts."""
    embo = harness.require("embo")
    solver = embo.InformationBottleneck(
        pxy=random_table(NUM_X, NUM_Y),
        minbeta=EMBO_BETAS[0],
        maxbeta=EMBO_BETAS[-1],
        numbeta=len(EMBO_BETAS),
        processes=harness.host_cores(),
        ensure_monotonic_bound=False,
        **options,
    )
    start = time.perf_counter()
    i_xt, i_ty, _, betas = solver.get_bottleneck()
    seconds = time.perf_counter() - start
    if not np.allclose(betas, EMBO_BETAS):
        raise SystemExit(f"embo left betas out: {betas}")
    return {
        "compile_seconds": None,
        "seconds_min": seconds,
        "peak_bytes": None,
        "objectives_bits": (np.asarray(i_xt) - BETAS * np.asarray(i_ty)).tolist(),
    }


def run_growth(args: argparse.Namespace) -> dict[str, Any]:
    """Measures steps and solutions at many sizes."""
    from ibjax.bottleneck import blahut_arimoto, critical_beta, optimality_gap

    steps = []
    for grows, sizes in SIZES.items():
        for num_x, num_y, num_t in sizes:
            p_xy = random_table(num_x, num_y)
            encoder = np.random.default_rng(1).dirichlet(np.ones(num_t), num_x)
            beta = TIMES_CRITICAL * float(critical_beta(p_xy))

            def run(p_xy=p_xy, beta=beta, encoder=encoder):
                return blahut_arimoto(
                    p_xy, beta, p_t_given_x=encoder, max_steps=STEPS, tol=0.0
                )

            history = np.asarray(run().history)
            if not np.all(np.diff(history) <= 1e-12 * (1 + beta)):
                raise SystemExit(f"{num_x} x {num_y} x {num_t}: the objective rises")
            timing = harness.time_calls(run, repeats=args.repeats)
            sizes = {"|X|": num_x, "|Y|": num_y, "|T|": num_t}
            milliseconds = 1e3 * timing.minimum / STEPS
            steps.append({"grows": grows, **sizes, "milliseconds": milliseconds})
    solutions = []
    for num_x, num_y in SOLVED:
        p_xy = random_table(num_x, num_y)
        beta = TIMES_CRITICAL * float(critical_beta(p_xy))

        def run(p_xy=p_xy, beta=beta):
            return blahut_arimoto(p_xy, beta)

        timing = harness.time_calls(run, repeats=1)
        solution, peak = harness.peak_memory(run)
        gap = float(optimality_gap(p_xy, beta, solution.p_t_given_x).gap)
        if not gap >= -1e-10:
            raise SystemExit(f"{num_x} x {num_y}: {gap} nats below the bound")
        solutions.append(
            {
                "table": f"{num_x} x {num_y}",
                "seconds": timing.minimum,
                "peak_bytes": peak,
                "num_steps": int(solution.num_steps),
                "converged": bool(solution.converged),
                "gap": gap,
            }
        )
    return {"steps": steps, "solutions": solutions, **harness.device()}


def draw_growth(steps: list[dict[str, Any]], path: pathlib.Path) -> None:
    """Draws the time of a step against each of the sizes."""
    from matplotlib.figure import Figure

    from ibjax.plots import style

    with style.paper_style():
        figure = Figure(figsize=(7.0, 2.4), layout="constrained")
        panels = figure.subplots(1, len(SIZES), sharey=True)
        for grows, ax in zip(SIZES, panels, strict=True):
            rows = [row for row in steps if row["grows"] == grows]
            sizes = [row[grows] for row in rows]
            ax.loglog(sizes, [row["milliseconds"] for row in rows], "o-")
            kept = [f"{name} = {rows[0][name]}" for name in SIZES if name != grows]
            ax.set_title(", ".join(kept))
            ax.set_xlabel(grows)
            ax.set_xticks(sizes, [str(size) for size in sizes])
            ax.minorticks_off()
        panels[0].set_ylabel("time of a step (ms)")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=200)


def print_compared(results: dict[str, dict[str, Any]]) -> None:
    """Prints seconds and objectives side by side."""
    best = np.min([row["objectives_bits"] for row in results.values()], axis=0)
    embo = results.get("embo")
    rows = []
    for name, row in results.items():
        above = np.array(row["objectives_bits"]) - best
        not_worse = embo and np.all(
            np.array(row["objectives_bits"]) <= embo["objectives_bits"]
        )
        rows.append(
            [
                LABELS[name],
                row["compile_seconds"],
                row["seconds_min"],
                row["peak_bytes"] and row["peak_bytes"] / 2**20,
                embo and embo["seconds_min"] / row["seconds_min"],
                f"{above.max():.1e}",
                "yes" if not_worse else "no",
            ]
        )
    header = [f"{NUM_X} x {NUM_Y}, {len(BETAS)} betas", "compile, s", "s"]
    header += ["memory, MiB", "times as fast as embo"]
    header += ["most above the best, bits", "nowhere above embo"]
    print(harness.markdown_table(header, rows))


def print_growth(result: dict[str, Any]) -> None:
    """Prints the cost of steps and of solutions."""
    rows = [
        [*(row[name] for name in SIZES), row["milliseconds"]] for row in result["steps"]
    ]
    header = ["\\|X\\|", "\\|Y\\|", "\\|T\\|", "ms a step"]
    print(harness.markdown_table(header, rows))
    rows = [
        [
            row["table"],
            row["seconds"],
            row["peak_bytes"] and row["peak_bytes"] / 2**20,
            row["num_steps"],
            "yes" if row["converged"] else "no",
            f"{row['gap']:.1e}",
        ]
        for row in result["solutions"]
    ]
    header = ["table", "s", "memory, MiB", "steps", "converged", "gap, nats"]
    print(harness.markdown_table(header, rows))


LABELS = {
    "loose": f"ibjax, blahut_arimoto, tol={LOOSE_TOL:g}",
    "points": "ibjax, blahut_arimoto",
    "curve": "ibjax, information_curve, gaps estimated",
    "embo": "embo, as it comes",
    "embo-tight": "embo, "
    + ", ".join(f"{name}={value:g}" for name, value in EMBO_TIGHT.items()),
}


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=pathlib.Path, help="draw the growth here")
    cases = {
        "loose": lambda args: run_points(args, LOOSE_TOL),
        "points": lambda args: run_points(args, None),
        "curve": run_curve,
        "embo": lambda args: run_embo({}),
        "embo-tight": lambda args: run_embo(EMBO_TIGHT),
        "growth": run_growth,
    }
    harness.add_arguments(parser, list(cases), repeats=2)
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    results = harness.run_cases(args, cases)
    compared = {name: row for name, row in results.items() if name in LABELS}
    if compared:
        print_compared(compared)
    if "growth" in results:
        print_growth(results["growth"])
        if args.figure:
            draw_growth(results["growth"]["steps"], args.figure)
    harness.write_json(args.output, results=results)


if __name__ == "__main__":
    main()
