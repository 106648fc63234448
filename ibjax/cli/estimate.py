"""The command ``ibjax estimate``: information between columns of a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import tyro

from ibjax import estimators
from ibjax.cli.options import check_key
from ibjax.cli.progress import wrapped
from ibjax.datasets.tables import read_columns, variable_columns
from ibjax.estimators.choice.methods import METHODS
from ibjax.measures import NATS_PER_BIT

__all__ = ["EstimateOptions", "estimate"]

MethodName = Literal[("auto", *METHODS)]


@dataclass(frozen=True)
class EstimateOptions:
    """The two variables, and how to estimate."""

    x: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COLUMN [COLUMN ...]")]
    """Columns of X."""
    y: Annotated[tuple[str, ...], tyro.conf.arg(metavar="COLUMN [COLUMN ...]")]
    """Columns of Y."""
    method: MethodName = "auto"
    """Estimator; auto chooses one that suits the variables."""
    discrete: Literal["auto", "x", "y", "both", "neither"] = "auto"
    """Which of X and Y are labels; auto takes text, and whole numbers that repeat."""
    scaling: Literal["spread", "ranks", "none"] = "spread"
    """Scale of the columns: by their quartiles, by ranks, or as they are."""
    key: int = 0
    """Seed of all random numbers."""


_LABELS = {
    "auto": "auto",
    "x": (True, False),
    "y": (False, True),
    "both": True,
    "neither": False,
}


def estimate(
    file: tyro.conf.Positional[Path],
    options: tyro.conf.OmitArgPrefixes[EstimateOptions],
) -> None:
    """Estimate the information between columns of a table.

    Reads CSV with the columns' names in the first line, NumPy's .npz of arrays by name,
    or Parquet. Prints the estimate with its standard error, and what makes it doubtful.

    Args:
      file: The table.
      options: The variables, and how to estimate.
    """
    check_key(options.key)
    frame = read_columns(file)
    x, y = (variable_columns(frame, each, str(file)) for each in (options.x, options.y))
    found = estimators.mutual_information(
        x,
        y,
        method=options.method,
        key=jax.random.key(options.key),
        discrete=_LABELS[options.discrete],
        scaling=None if options.scaling == "none" else options.scaling,
    )
    names = " ".join(options.x), " ".join(options.y)
    print(f"I({names[0]}; {names[1]}) by {found.method}, {len(frame)} samples:")
    value, error = found.value, found.standard_error
    for number, unit in ((1.0, "nats"), (NATS_PER_BIT, "bits")):
        print(f"{value / number:.4f} +- {error / number:.4f} {unit}")
    for warning in found.warnings:
        print(wrapped(f"warning: {warning}"))
