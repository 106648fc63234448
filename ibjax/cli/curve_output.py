"""What ``ibjax curve`` prints, and the files it writes."""

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.bottleneck import InformationCurve
from ibjax.cli.joint_table import Table
from ibjax.plots.style import paper_style
from ibjax.results.files import ResultsError, write_atomically
from ibjax.results.statistics import NATS_PER_BIT

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
    """Refuse a directory with the files of another run."""
    there = [name for name in _FILES if (directory / name).exists()]
    if not there:
        return
    try:
        earlier = json.loads((directory / _FILES[0]).read_text())["configuration"]
        differing = [
            name.replace("_sha256", "").replace("_", "-")
            for name, value in configuration.items()
            if earlier.get(name) != value
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultsError(
            f"{directory} holds {', '.join(there)} of an unknown run; choose another "
            "output"
        ) from error
    if differing:
        raise ResultsError(
            f"{directory} holds another run, which differs in {', '.join(differing)}; "
            "choose another output"
        )


def print_task(
    path: Path,
    table: Table,
    merged: np.ndarray,
    configuration: dict[str, Any],
    output: Path,
) -> None:
    """Print what is to be computed, from which table."""
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
    """Print what was found: critical betas, clusters, how far it can be trusted.

    Args:
      found: The curve.
      merged: The table, its equal inputs merged.
      i_xy: I(X;Y) in nats.
      local: Beta at which the trivial representation stops being a local optimum.
      gap: Largest gap of all points, in bits.
      num_clusters: Clusters that were allowed, None for any number.
    """
    lines = [f"I(X;Y): {i_xy / NATS_PER_BIT:.6f} bits"]
    if len(merged) == 1:
        lines.append("X says nothing of Y: every T is as good as none")
    elif np.all((merged > 0).sum(axis=1) == 1):
        lines.append(
            "Y is a function of X: T = Y is the solution at every beta above 1"
        )
    betas = [f"{beta:.4g}" for beta in found.critical_beta]
    if betas:
        jump = found.critical_beta[0] < (1 - _SAME_BETA) * local
        how = "before" if jump else "at"
        lines.append(
            f"first division of clusters: beta {betas[0]}, {how} 1 / sigma_2^2 = "
            f"{local:.4g}{': a distant cluster appears' if jump else ''}"
        )
        if betas[1:]:
            further, left = betas[1 : 1 + _NUM_NAMED], len(betas) - 1 - _NUM_NAMED
            more = f" and {left} more" if left > 0 else ""
            lines.append(f"further critical betas: {', '.join(further)}{more}")
    else:
        low, high = found.beta.min(), found.beta.max()
        lines.append(f"no critical beta between {low:g} and {high:g}")
    counts = found.num_clusters
    lines.append(
        f"clusters: {counts[0]} at the least beta, {counts[-1]} at the largest"
    )
    left = found.beta[~found.converged]
    total = len(found.beta)
    if len(left):
        named = ", ".join(f"{beta:.5g}" for beta in left[:_NUM_NAMED])
        more = ", ..." if len(left) > _NUM_NAMED else ""
        lines.append(f"not converged: {len(left)} of {total}, at beta {named}{more}")
    else:
        lines.append(f"converged: all {total} points")
    few = "" if num_clusters is None else " with any number of clusters"
    lines.append(
        f"no point is more than {gap:.1e} bits above the best there is{few} "
        "(in I(X;T) - beta I(T;Y))"
    )
    print("\n".join(lines))


def columns_of(found: InformationCurve) -> dict[str, np.ndarray]:
    """The columns of curve.csv, informations in bits."""
    return {
        "beta": found.beta,
        "i_xt_bits": found.i_xt / NATS_PER_BIT,
        "i_ty_bits": found.i_ty / NATS_PER_BIT,
        "objective_bits": found.objective / NATS_PER_BIT,
        "gap_bits": found.gap / NATS_PER_BIT,
        "num_clusters": found.num_clusters,
        "converged": found.converged,
    }


def write(
    found: InformationCurve, i_xy: float, content: dict[str, Any], output: Path
) -> None:
    """Write the curve as a table and as figures, and with ``content`` as JSON."""
    columns = columns_of(found)
    rows = [",".join(columns)]
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        rows.append(",".join(str(value).lower() for value in values))
    figure = plots.information_curve(found, i_xy=i_xy)
    # Both files share one layout.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    files = {
        # First, so that whatever is there can be told to be of this run.
        "curve.json": json.dumps(content, indent=2, allow_nan=False) + "\n",
        "curve.csv": "\n".join(rows) + "\n",
        "curve.png": _encode(figure, "png"),
        "curve.pdf": _encode(figure, "pdf"),
    }
    for name, data in files.items():
        write_atomically(output / name, data)
    print(f"written to {output}: {', '.join(files)}")


def _encode(figure: Figure, kind: str) -> bytes:
    """A figure's file, the same bytes for the same figure."""
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    buffer = io.BytesIO()
    with paper_style():
        figure.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()
