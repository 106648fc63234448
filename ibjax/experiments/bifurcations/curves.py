"""Curves of two tables, with branches of fewer clusters, and their claims."""

import importlib.metadata
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np

from ibjax import measures
from ibjax.bottleneck import InformationCurve, critical_beta, information_curve
from ibjax.datasets.szt import scores
from ibjax.experiments.bifurcations.claims import (
    betas_around,
    bifurcation_claims,
    curve_claims_markdown,
)
from ibjax.experiments.bifurcations.figures import bifurcations
from ibjax.experiments.szt.setup import SOFT_SHARPNESS, SOFT_THRESHOLD
from ibjax.numerics import checks
from ibjax.plots.files import save_figure
from ibjax.results.files import write_atomically

__all__ = ["BifurcationOptions", "random_table", "run", "solve", "szt_table"]

_NUM_RANDOM_INPUTS, _RANDOM_SEED = 6, 0
# From below one, where nothing pays, to where nearly all of I(X;Y) is kept.
_BETA_RANGE = (0.6, 1000.0)
_RESTARTS = 16
_QUICK_BETAS = 30
_BRANCHES = {"szt": (1, 2, 3), "random": (1, 2, 3, 4)}
# Most of the soft labels are all but certain.
_SCALES = {"szt": "logit", "random": "linear"}


@dataclass(frozen=True)
class BifurcationOptions:
    """Tables whose curves are computed, and at how many betas.

    Attributes:
      betas: Betas of the first pass.
      tables: Tables whose curves are computed.
    """

    betas: int = 100
    tables: tuple[Literal["szt", "random"], ...] = ("szt", "random")


def run(
    options: BifurcationOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Compute the curves, draw them, and write them with their claims.

    Args:
      options: Betas and tables.
      output: Directory to write to.
      quick: Whether to take 30 betas at most.
      sources: Must be empty: nothing that was computed before can be read.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.

    Raises:
      ValueError: If there are fewer than two betas, no tables, or sources.
    """
    checks.count("betas", options.betas, 2)
    checks.not_empty("tables", options.tables)
    if sources:
        raise ValueError(f"sources must be empty for bifurcations, got {list(sources)}")
    num_betas = min(options.betas, _QUICK_BETAS) if quick else options.betas
    content: dict[str, Any] = {
        "command": command,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("ibjax", "jax", "jaxlib", "numpy")
        },
        "device": jax.devices()[0].device_kind,
        "restarts": _RESTARTS,
        "tables": {},
    }
    text = ""
    # Near a division two objectives differ by less than float32 can tell.
    with jax.enable_x64(True):
        for name in options.tables:
            started = time.perf_counter()
            p_xy = {"szt": szt_table, "random": random_table}[name]()
            curve, branches = solve(p_xy, num_betas, _BRANCHES[name])
            claims = bifurcation_claims(p_xy, curve, branches)
            figure = bifurcations(p_xy, curve, branches, scale=_SCALES[name])
            save_figure(figure, output / f"bifurcations_{name}")
            text += f"## {name}\n\n{curve_claims_markdown(claims)}\n"
            content["tables"][name] = {
                # The other table has 4,096 rows, and follows from the task.
                "p_xy": p_xy.tolist() if name == "random" else None,
                "i_xy_bits": float(measures.mutual_information(p_xy) / np.log(2)),
                "beta_of_second_singular_value": float(critical_beta(p_xy)),
                "wall_seconds": round(time.perf_counter() - started, 1),
                "claims": [claim._asdict() for claim in claims],
                "curve": _numbers(curve),
                "branches": {n: _numbers(branch) for n, branch in branches.items()},
            }
    numbers = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(output / "claims.json", numbers + "\n")
    write_atomically(output / "claims.md", text)
    return text


def szt_table() -> np.ndarray:
    """Joint table of the task's 4,096 inputs and their soft labels, ``[4096, 2]``."""
    p_one = 0.5 * (1 + np.tanh(0.5 * SOFT_SHARPNESS * (scores() - SOFT_THRESHOLD)))
    return np.stack([1 - p_one, p_one], axis=1) / len(p_one)


def random_table() -> np.ndarray:
    """Joint table of random p(x) and a uniform p(y=1|x) of each input, ``[6, 2]``."""
    rng = np.random.default_rng(_RANDOM_SEED)
    p_one = rng.uniform(size=_NUM_RANDOM_INPUTS)
    p_x = rng.dirichlet(np.full(_NUM_RANDOM_INPUTS, 3.0))
    p_xy = np.stack([1 - p_one, p_one], axis=1) * p_x[:, None]
    return p_xy / p_xy.sum()


def solve(
    p_xy: np.ndarray, num_betas: int, numbers_of_clusters: Sequence[int]
) -> tuple[InformationCurve, dict[int, InformationCurve]]:
    """Information curve of a table, and branches of at most so many clusters."""
    betas = np.geomspace(*_BETA_RANGE, num_betas)
    first = information_curve(p_xy, betas)
    # The second pass has betas close to the critical ones that the first one found.
    betas = betas_around(betas, first.critical_beta)
    curve = information_curve(p_xy, betas)
    branches = {
        num_t: information_curve(
            p_xy, betas, key=jax.random.key(0), num_restarts=_RESTARTS, num_t=num_t
        )
        for num_t in numbers_of_clusters
    }
    return curve, branches


def _numbers(curve: InformationCurve) -> dict[str, Any]:
    """Points of a curve for JSON, in bits, without the encoders."""
    return {
        "beta": curve.beta.tolist(),
        "i_xt_bits": (curve.i_xt / np.log(2)).tolist(),
        "i_ty_bits": (curve.i_ty / np.log(2)).tolist(),
        "num_clusters": curve.num_clusters.tolist(),
        "num_not_converged": int((~curve.converged).sum()),
        "critical_beta": curve.critical_beta.tolist(),
    }
