"""How the clusters of the information bottleneck divide as beta grows.

Tishby and Zaslavsky (2015, Fig. 2) draw the information curve with branches of fewer
clusters that leave it at critical betas. Here are two tables and what was computed: the
inputs of Shwartz-Ziv and Tishby's task with their soft labels, and a small random one.
The claims made of such bifurcations are held against both and printed as a table.

    python scripts/bifurcations.py --output results/bifurcations
    python scripts/bifurcations.py --betas 30 --tables random --output try

Each table's curve is computed twice, the second time with betas close to the critical
ones that the first time found, in float64.

Written into the output directory: ``bifurcations_szt`` and ``bifurcations_random`` as
PNG and PDF, ``claims.json`` with the numbers, the curves and their conditions, and
``claims.md``.
"""

import argparse
import importlib.metadata
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ibjax import measures
from ibjax.bottleneck import InformationCurve, critical_beta, information_curve
from ibjax.datasets.szt import scores
from ibjax.experiments.bifurcations import claims as bifurcation_claims
from ibjax.experiments.bifurcations.figures import bifurcations
from ibjax.plots.files import save_figure
from ibjax.results.files import write_atomically

# The paper's soft labels, I(X;Y) = 0.99 bits.
SHARPNESS, THRESHOLD = 54.5, 7.632
NUM_RANDOM_INPUTS, SEED = 6, 0
# From below one, where nothing pays, to where nearly all of I(X;Y) is kept.
BETA_RANGE = (0.6, 1000.0)
RESTARTS = 16
BRANCHES = {"szt": (1, 2, 3), "random": (1, 2, 3, 4)}
# Most of the soft labels are all but certain.
SCALES = {"szt": "logit", "random": "linear"}


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    args.output.mkdir(parents=True, exist_ok=True)
    tables = {"szt": szt_table, "random": random_table}
    content: dict[str, Any] = {
        "command": shlex.join(["python", *sys.argv]),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("ibjax", "jax", "jaxlib", "numpy")
        },
        "device": jax.devices()[0].device_kind,
        "restarts": RESTARTS,
        "tables": {},
    }
    text = ""
    with jax.enable_x64(True):
        for name in args.tables:
            started = time.perf_counter()
            p_xy = tables[name]()
            curve, branches = solve(p_xy, args.betas, BRANCHES[name])
            claims = bifurcation_claims.bifurcation_claims(p_xy, curve, branches)
            figure = bifurcations(p_xy, curve, branches, scale=SCALES[name])
            save_figure(figure, args.output / f"bifurcations_{name}")
            table = bifurcation_claims.curve_claims_markdown(claims)
            text += f"## {name}\n\n{table}\n"
            content["tables"][name] = {
                "p_xy": p_xy.tolist() if name == "random" else None,
                "i_xy_bits": float(measures.mutual_information(p_xy) / np.log(2)),
                "beta_of_second_singular_value": float(critical_beta(p_xy)),
                "wall_seconds": round(time.perf_counter() - started, 1),
                "claims": [claim._asdict() for claim in claims],
                "curve": numbers(curve),
                "branches": {n: numbers(branch) for n, branch in branches.items()},
            }
    write_atomically(args.output / "claims.json", to_json(content))
    write_atomically(args.output / "claims.md", text)
    print(text)
    print(f"Written to {args.output}", file=sys.stderr)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--betas", type=int, default=100, help="betas of the first pass (100)"
    )
    parser.add_argument(
        "--tables", nargs="+", choices=BRANCHES, default=list(BRANCHES), help="(both)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("bifurcations"), help="directory"
    )
    args = parser.parse_args(arguments)
    if args.betas < 2:
        parser.error(f"--betas must be at least 2, got {args.betas}")
    return args


def szt_table() -> np.ndarray:
    """The soft labels of the 4,096 inputs of the task, ``[4096, 2]``."""
    p_one = 0.5 * (1 + np.tanh(0.5 * SHARPNESS * (scores() - THRESHOLD)))
    return np.stack([1 - p_one, p_one], axis=1) / len(p_one)


def random_table() -> np.ndarray:
    """Random weights of a few inputs and a uniform p(y=1|x) of each, ``[6, 2]``."""
    rng = np.random.default_rng(SEED)
    p_one = rng.uniform(size=NUM_RANDOM_INPUTS)
    p_x = rng.dirichlet(np.full(NUM_RANDOM_INPUTS, 3.0))
    p_xy = np.stack([1 - p_one, p_one], axis=1) * p_x[:, None]
    return p_xy / p_xy.sum()


def solve(
    p_xy: np.ndarray, num_betas: int, numbers_of_clusters: tuple[int, ...]
) -> tuple[InformationCurve, dict[int, InformationCurve]]:
    betas = np.geomspace(*BETA_RANGE, num_betas)
    first = information_curve(p_xy, betas)
    betas = bifurcation_claims.betas_around(betas, first.critical_beta)
    curve = information_curve(p_xy, betas)
    branches = {}
    for num_t in numbers_of_clusters:
        print(f"at most {num_t} clusters, {len(betas)} betas", file=sys.stderr)
        branches[num_t] = information_curve(
            p_xy, betas, key=jax.random.key(0), num_restarts=RESTARTS, num_t=num_t
        )
    return curve, branches


def numbers(curve: InformationCurve) -> dict[str, Any]:
    """A curve for JSON: its points in bits, without the encoders."""
    return {
        "beta": curve.beta.tolist(),
        "i_xt_bits": (curve.i_xt / np.log(2)).tolist(),
        "i_ty_bits": (curve.i_ty / np.log(2)).tolist(),
        "num_clusters": curve.num_clusters.tolist(),
        "num_not_converged": int((~curve.converged).sum()),
        "critical_beta": curve.critical_beta.tolist(),
    }


def to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()
