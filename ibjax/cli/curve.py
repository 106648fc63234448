"""The command ``ibjax curve``: the information curve of a table in a file."""

import hashlib
import importlib.metadata
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from ibjax import measures
from ibjax.bottleneck import critical_beta, information_curve
from ibjax.bottleneck.tables import merge_inputs
from ibjax.cli import curve_output
from ibjax.cli.joint_table import Table, read_table
from ibjax.cli.options import check_key
from ibjax.measures import NATS_PER_BIT
from ibjax.numerics import checks
from ibjax.results.directory import RunDirectory, reserved

__all__ = ["CurveOptions", "Table", "curve", "read_table"]

# From beta = H(X) / (part I(X;Y)) on, no more than this part can be missing.
_MISSING_PART = 0.01
_HIGHEST_BETA = 1e6
# More are no more use to a reader, and would fill the memory before the first is done.
_MOST_BETAS = 10_000
_RESTARTS_OF_FEW_CLUSTERS = 16
# More than anyone waits for, and less than fills the memory before a word is said.
_MOST_RESTARTS = 100_000


@dataclass(frozen=True)
class CurveOptions:
    """Points of the curve, restarts, and the directory to write to."""

    counts: bool = False
    """Take the table for counts, to be divided by their sum; without it, it must hold
    probabilities."""
    betas: int = 100
    """Points of the curve: trade-offs beta of I(X;T) - beta I(T;Y), log-spaced."""
    min_beta: float = 1.0
    """Least beta; up to 1 nothing pays, whatever the table."""
    max_beta: Annotated[
        float | None,
        tyro.conf.arg(
            help="Largest beta.",
            help_behavior_hint="(default: 100 H(X) / I(X;Y), from where on at most 1 % "
            "of I(X;Y) can be missing; no more than 1e6)",
        ),
    ] = None
    restarts: Annotated[
        int | None,
        tyro.conf.arg(
            help="Random restarts at every beta, against local optima.",
            help_behavior_hint="(default: 0, with --num-clusters 16)",
        ),
    ] = None
    num_clusters: Annotated[
        int | None,
        tyro.conf.arg(
            help="Clusters at most; the curve is then sub-optimal where it needs more.",
            help_behavior_hint="(default: as many as it needs)",
        ),
    ] = None
    key: int = 0
    """Seed of all random numbers; used by restarts alone."""
    output: Path = Path("ibjax-curve")
    """Directory for everything that is written."""


def curve(
    table: tyro.conf.Positional[Path],
    options: tyro.conf.OmitArgPrefixes[CurveOptions],
) -> None:
    """Compute the information curve of a joint table of X and Y.

    Reads numbers separated by commas or blanks: a row for every x and a column for
    every y, with a first row and a first column of names or without. Names are text, or
    numbers that increase, as pandas.crosstab writes them; an empty first cell makes
    names of both. Writes curve.csv, curve.json, curve.png and curve.pdf, with
    informations in bits.

    Args:
      table: File of joint probabilities, or of counts.
      options: Points, restarts and output.
    """
    _check_options(options)
    joint = read_table(table, counts=options.counts)
    with reserved(options.output) as own:
        _curve(table, joint, options, own)


def _curve(path: Path, table: Table, options: CurveOptions, own: RunDirectory) -> None:
    started = time.perf_counter()
    with jax.enable_x64(True):
        merged, _ = merge_inputs(table.p_xy)
        i_xy = float(measures.mutual_information(merged))
        configuration = _configuration(options, table, merged, i_xy)
        curve_output.check_output(options.output, configuration)
        curve_output.print_task(path, table, merged, configuration, options.output)
        num_t = configuration["num_clusters"]
        restarts = configuration["restarts"]
        found = information_curve(
            table.p_xy,
            _betas(configuration),
            key=jax.random.key(options.key) if restarts else None,
            num_restarts=max(restarts, 1),
            num_t=None if num_t is None or num_t >= len(merged) else num_t,
        )
        local = float(critical_beta(merged))
    gap = float(found.gap.max()) / NATS_PER_BIT
    curve_output.print_found(found, merged, i_xy, local, gap, num_t)
    content = {
        "table": str(path),
        "configuration": configuration,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("ibjax", "jax", "jaxlib", "numpy")
        },
        "num_inputs": table.p_xy.shape[0],
        "num_labels": table.p_xy.shape[1],
        "num_merged_inputs": len(merged),
        "i_xy_bits": i_xy / NATS_PER_BIT,
        "critical_beta": found.critical_beta.tolist(),
        "beta_of_second_singular_value": local if math.isfinite(local) else None,
        "num_not_converged": int((~found.converged).sum()),
        "largest_gap_bits": gap,
        "gaps_proven": bool(found.certified.all()),
        "curve": {
            name: column.tolist()
            for name, column in curve_output.columns_of(found).items()
        },
    }
    curve_output.write(found, i_xy, content, own)
    print(f"{time.perf_counter() - started:.0f} s in all")


def _check_options(options: CurveOptions) -> None:
    check_key(options.key)
    checks.in_range("betas", options.betas, f"[2, {_MOST_BETAS}]")
    checks.positive("min-beta", options.min_beta)
    if options.max_beta is not None:
        checks.in_range("max-beta", options.max_beta, f"({options.min_beta}, inf)")
    if options.num_clusters is not None:
        checks.count("num-clusters", options.num_clusters)
    if options.restarts is not None:
        # Few clusters have local optima: one start at random at the least.
        least = 0 if options.num_clusters is None else 1
        checks.in_range("restarts", options.restarts, f"[{least}, {_MOST_RESTARTS}]")


def _configuration(
    options: CurveOptions, table: Table, merged: np.ndarray, i_xy: float
) -> dict[str, Any]:
    """Everything that determines the curve's numbers."""
    max_beta = options.max_beta
    if max_beta is None:
        h_x = float(measures.entropy(merged.sum(axis=1)))
        wanted = h_x / max(_MISSING_PART * i_xy, 1e-300)
        max_beta = max(min(wanted, _HIGHEST_BETA), 10 * options.min_beta)
    restarts = options.restarts
    if restarts is None:
        few = options.num_clusters is not None and options.num_clusters < len(merged)
        restarts = _RESTARTS_OF_FEW_CLUSTERS if few else 0
    return {
        "table_sha256": hashlib.sha256(table.p_xy.tobytes()).hexdigest(),
        "betas": options.betas,
        "min_beta": options.min_beta,
        "max_beta": max_beta,
        "restarts": restarts,
        "num_clusters": options.num_clusters,
        "key": options.key,
    }


def _betas(configuration: dict[str, Any]) -> np.ndarray:
    return np.geomspace(
        configuration["min_beta"], configuration["max_beta"], configuration["betas"]
    )
