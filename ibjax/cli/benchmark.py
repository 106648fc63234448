"""The command ``ibjax benchmark``: estimators where the information is known."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import jax
import tyro
import xarray as xr

from ibjax.cli.estimate import MethodName
from ibjax.cli.options import automatic, check_key
from ibjax.cli.progress import plain_console
from ibjax.datasets.known_information import mixed_tasks, standard_tasks
from ibjax.estimators import benchmark as run
from ibjax.plots.benchmark import estimator_errors
from ibjax.plots.files import save_figure
from ibjax.report.tables import table_lines
from ibjax.results.files import write_atomically

__all__ = ["BenchmarkOptions", "benchmark"]


@dataclass(frozen=True)
class BenchmarkOptions:
    """Estimators, tasks and sizes."""

    methods: tuple[MethodName, ...] = ("auto", "ksg", "gaussian")
    """Estimators."""
    tasks: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="WORD [WORD ...]",
            help="Tasks whose names have one of these words in them.",
        ),
    ] = ("1v1",)
    samples: int = 1000
    """Samples of every pair of variables."""
    seeds: int = 10
    """Pairs of samples of every task."""
    key: int = 0
    """Seed of all random numbers."""
    output: Annotated[
        Path | None,
        automatic("File for all numbers, as CSV.", "none"),
    ] = None
    figure: Annotated[
        Path | None,
        automatic("File for a figure of all errors, as PNG and PDF.", "none"),
    ] = None


def benchmark(options: tyro.conf.OmitArgPrefixes[BenchmarkOptions]) -> None:
    """Hold estimators against tasks of known information.

    Prints bias and spread over seeds in nats, how often the truth is within an
    estimate's own 95 % interval, and the median time of an estimate.

    Args:
      options: Estimators, tasks and sizes.
    """
    check_key(options.key)
    if options.output is not None and options.output.exists():
        raise ValueError(f"{options.output} is there already; choose another file")
    known = (*standard_tasks(), *mixed_tasks())
    chosen = [t for t in known if any(word in t.name for word in options.tasks)]
    if not chosen:
        names = ", ".join(task.name for task in known)
        raise ValueError(f"tasks must have words of some of {names}")
    dataset = run(
        options.methods,
        chosen,
        num_samples=options.samples,
        num_seeds=options.seeds,
        key=jax.random.key(options.key),
    )
    plain_console().print(_table(dataset))
    if options.output is not None:
        write_atomically(options.output, dataset.to_dataframe().to_csv())
        print(f"written to {options.output}")
    if options.figure is not None:
        save_figure(estimator_errors(dataset), options.figure)
        print(f"drawn to {options.figure.with_suffix('.png')} and .pdf")


def _table(dataset: xr.Dataset) -> str:
    header = ("task", "method", "truth", "bias", "spread", "covers", "seconds")
    rows = []
    for task in dataset.task.values:
        for name in dataset.estimator.values:
            row = dataset.sel(task=task, estimator=name)
            rows.append(
                (
                    str(task),
                    str(name),
                    f"{row.truth.item():.3f}",
                    _number(row.bias.item(), "+.3f"),
                    _number(row.spread.item(), ".3f"),
                    _number(100 * row.coverage.item(), ".0f", " %"),
                    f"{row.seconds.median().item():.2g}",
                )
            )
    return "\n".join(table_lines(header, rows, num_text=2))


def _number(value: float, spec: str, unit: str = "") -> str:
    return "-" if value != value else format(value, spec) + unit
