"""What an experiment that is no sweep leaves: figures, claims, and one page of both."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ibjax.claims.claim import Claim
from ibjax.claims.writing import conditions, write_claims
from ibjax.plots.files import save_figure
from ibjax.report.pages import PageFigure, PageTable, experiment_page
from ibjax.report.writing import ReportFigure
from ibjax.results.files import read_json, write_atomically

__all__ = ["experiment_report"]


def experiment_report(
    directory: str | os.PathLike[str],
    claims: Sequence[Claim],
    figures: Mapping[str, ReportFigure],
    tables: Sequence[PageTable] = (),
    *,
    title: str,
    dataset: Any,
) -> str:
    """Write an experiment's figures, its claims, and one page with all of it.

    The directory receives every figure as PNG and PDF, ``claims.json``, ``claims.md``
    and ``report.html``, which embeds the figures and opens without a network.

    Args:
      directory: Where to write; made if missing.
      claims: The claims.
      figures: Figures with their texts, by the names of their files.
      tables: Tables of the page.
      title: Name of the experiment.
      dataset: Dataset whose attributes tell of the run: its ``command``, and those of
        :func:`ibjax.claims.conditions`.

    Returns:
      The claims as a table in Markdown.

    Example:
      >>> import tempfile
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=2, num_epochs=4)
      >>> dataset = dataset.assign_attrs(command="ibjax reproduce none")
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     _ = experiment_report(directory, [], {}, title="None", dataset=dataset)
      ...     print(sorted(path.name for path in Path(directory).iterdir()))
      ['claims.json', 'claims.md', 'report.html']
    """
    directory = Path(directory)
    shown = [
        PageFigure(
            item.title,
            item.caption,
            save_figure(item.figure, directory / name),
            item.figure.get_figwidth(),
        )
        for name, item in figures.items()
    ]
    table = write_claims(
        directory,
        claims,
        title=title,
        command=dataset.attrs["command"],
        **conditions(dataset),
    )
    content = read_json(directory / "claims.json")
    page = experiment_page(content, shown, tables, attributes=dict(dataset.attrs))
    write_atomically(directory / "report.html", page)
    return table
