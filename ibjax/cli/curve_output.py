"""Printed lines and files of ``ibjax curve``."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ibjax import plots
from ibjax.bottleneck import InformationCurve
from ibjax.cli.joint_table import Table
from ibjax.measures import NATS_PER_BIT
from ibjax.plots.files import encode_figure
from ibjax.results.directory import RunDirectory, check_same_run
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    read_json,
    write_atomically,
)

__all__ = [
    "check_output",
    "columns_of",
    "print_found",
    "print_task",
    "write",
]

_FILES = ("curve.json", "curve.csv", "curve.png", "curve.pdf")
_ROUNDING = 1e-9
_NUM_NAMED = 8
# Critical betas are found to about this part.
_SAME_BETA = 1e-3


def check_output(directory: Path, configuration: dict[str, Any]) -> None:
    """Check that a directory holds no files of another run."""
    finished = directory / DATASET_FILE
    if finished.exists():
        raise ResultsError(
            f"{directory} holds the results of a sweep; choose another directory"
        )
    there = [name for name in _FILES if (directory / name).exists()]
    if not there:
        return
    try:
        earlier = _as_options(read_json(directory / _FILES[0])["configuration"])
    except (ResultsError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{directory} holds {', '.join(there)} of an unknown run; choose another "
            "directory"
        ) from error
    check_same_run(directory, _as_options(configuration), earlier)


def _as_options(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration by the names of the command's options."""
    return {
        name.replace("_sha256", "").replace("_", "-"): value
        for name, value in configuration.items()
    }


def print_task(
    path: Path,
    table: Table,
    merged: np.ndarray,
    configuration: dict[str, Any],
    output: Path,
) -> None:
    """Print the table and the points to be computed."""
    num_x, num_y = table.p_xy.shape
    layout = f"; {table.layout}" if table.layout else ""
    print(f"ibjax curve {path}: {num_x} inputs x {num_y} labels{layout}")
    if not math.isclose(table.total, 1, rel_tol=0, abs_tol=_ROUNDING):
        print(f"the numbers sum to {table.total:.9g} and were divided by that")
    print(
        f"{len(merged)} inputs with different p(y|x), equal ones merged\n"
        f"{configuration['betas']} betas from {configuration['min_beta']:g} to "
        f"{configuration['max_beta']:.5g}, {configuration['restarts']} random restarts "
        f"at each, float64; output: {output}",
        flush=True,
    )


def print_found(
    found: InformationCurve,
    merged: np.ndarray,
    i_xy: float,
    local: float,
    gap: float,
    num_clusters: int | None,
) -> None:
    """Print the critical betas and clusters of a curve, and its certificate.

    ``merged`` is the table, its equal inputs merged; ``local`` the beta at which the
    trivial representation stops being a local optimum; ``gap`` the largest of all
    points, in bits; ``num_clusters`` those that were allowed, None for any number.
    """
    print(f"I(X;Y): {i_xy / NATS_PER_BIT:.6f} bits")
    if len(merged) == 1:
        print("X says nothing of Y: every T is as good as none")
    elif np.all((merged > 0).sum(axis=1) == 1):
        print("Y is a function of X: T = Y is the solution at every beta above 1")
    first, further = found.critical_beta[:1], found.critical_beta[1:]
    for beta in first:
        jump = beta < (1 - _SAME_BETA) * local
        print(
            f"first division of clusters: beta {beta:.4g}, "
            f"{'before' if jump else 'at'} 1 / sigma_2^2 = {local:.4g}"
            f"{': a distant cluster appears' if jump else ''}"
        )
    if len(further):
        print(f"further critical betas: {_listed(further, '.4g')}")
    if not len(first):
        low, high = found.beta.min(), found.beta.max()
        print(f"no critical beta between {low:g} and {high:g}")
    counts, left = found.num_clusters, found.beta[~found.converged]
    print(f"clusters: {counts[0]} at the least beta, {counts[-1]} at the largest")
    if len(left):
        total = len(found.beta)
        betas = _listed(left, ".5g")
        print(f"not converged: {len(left)} of {total}, at beta {betas}")
    else:
        print(f"converged: all {len(found.beta)} points")
    few = "" if num_clusters is None else " with any number of clusters"
    estimated = "" if found.certified.all() else ", as far as a search has shown"
    print(
        f"no point is more than {gap:.1e} bits above the best there is{few} "
        f"(in I(X;T) - beta I(T;Y)){estimated}"
    )


def _listed(numbers: np.ndarray, spec: str) -> str:
    left = len(numbers) - _NUM_NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(format(number, spec) for number in numbers[:_NUM_NAMED]) + more


def columns_of(found: InformationCurve) -> dict[str, np.ndarray]:
    """Columns of curve.csv, informations in bits."""
    return {
        "beta": found.beta,
        "i_xt_bits": found.i_xt / NATS_PER_BIT,
        "i_ty_bits": found.i_ty / NATS_PER_BIT,
        "objective_bits": found.objective / NATS_PER_BIT,
        "gap_bits": found.gap / NATS_PER_BIT,
        "gap_proven": found.certified,
        "num_clusters": found.num_clusters,
        "converged": found.converged,
    }


def write(
    found: InformationCurve, i_xy: float, content: dict[str, Any], own: RunDirectory
) -> None:
    """Write the curve as a table and as figures, and with ``content`` as JSON."""
    table = pd.DataFrame(columns_of(found))
    for name in ("gap_proven", "converged"):
        table[name] = table[name].map({True: "true", False: "false"})
    drawn = encode_figure(plots.information_curve(found, i_xy=i_xy))
    files = {
        # First, so that whatever is there can be told to be of this run.
        "curve.json": json.dumps(content, indent=2, allow_nan=False) + "\n",
        "curve.csv": table.to_csv(index=False),
        "curve.png": drawn[".png"],
        "curve.pdf": drawn[".pdf"],
    }
    for name, data in files.items():
        with own.replacing(name) as path:
            write_atomically(path, data)
    print(f"written to {own.path}: {', '.join(files)}")
