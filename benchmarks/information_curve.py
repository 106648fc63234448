"""What does an information curve cost?

Shwartz-Ziv and Tishby's soft table at 100 betas, without and with 16 restarts at each.
Everything in float64; a curve that the dual problem shows not to be optimal is not
timed.

    python benchmarks/information_curve.py --output curve.json
"""

import argparse
import time

import harness
import numpy as np


def soft_table() -> np.ndarray:
    """Returns p(x, y) of the soft rule, ``[4096, 2]``."""
    from ibjax.datasets.szt import scores

    log_odds = 54.5 * (scores().astype(np.float64) - 7.632)
    p_one = 1 / (1 + np.exp(-log_odds))
    return np.stack([1 - p_one, p_one], axis=1) / len(p_one)


def run_ours(p_xy: np.ndarray, betas: np.ndarray, repeats: int, restarts: int) -> dict:
    """Times a curve; the first call's excess over the next is compilation."""
    import jax

    from ibjax import bottleneck

    jax.config.update("jax_enable_x64", True)
    options = {"key": jax.random.key(0), "num_restarts": restarts} if restarts else {}
    started = time.perf_counter()
    curve = bottleneck.information_curve(p_xy, betas, **options)
    first = time.perf_counter() - started
    if not (np.abs(curve.gap) < 1e-5).all():
        raise SystemExit(f"the curve is not optimal: gap {np.abs(curve.gap).max():.2g}")
    timing = harness.time_calls(
        lambda: bottleneck.information_curve(p_xy, betas, **options).i_xt,
        repeats=repeats,
    )
    return {
        "compile_seconds": max(0.0, first - timing.minimum),
        "seconds": timing.minimum,
        "median": timing.median,
        "largest_gap_bits": float(np.abs(curve.gap).max() / np.log(2)),
        "not_converged": int(np.sum(~curve.converged)),
    }


def main() -> None:
    """Runs the cases and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    many = np.geomspace(1, 100, 100)
    cases = {
        "szt": lambda args: run_ours(soft_table(), many, args.repeats, 0),
        "szt-restarts": lambda args: run_ours(soft_table(), many, args.repeats, 16),
    }
    harness.add_arguments(parser, list(cases), repeats=3)
    args = parser.parse_args()
    results = harness.run_cases(args, cases)
    labels = {
        "szt": "ibjax, SZT's table, 100 betas",
        "szt-restarts": "ibjax, SZT's table, 100 betas x 16 restarts",
    }
    rows = []
    for name, result in results.items():
        rows.append(
            [
                labels[name],
                result["compile_seconds"],
                result["seconds"],
                result["median"],
                result["largest_gap_bits"],
                result["not_converged"],
            ]
        )
    header = ["", "compile, s", "s, min", "median", "largest gap, bits"]
    header += ["not converged"]
    print(harness.markdown_table(header, rows))
    harness.write_json(args.output, results=results)


if __name__ == "__main__":
    main()
