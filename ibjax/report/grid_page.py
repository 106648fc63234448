"""The page of a grid of sweeps: its cells' numbers and figures in one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ibjax.report.html import (
    PageFigure,
    document,
    escaped,
    facts_html,
    figure_html,
    parsed,
    run_facts,
)
from ibjax.report.text import format_grid

__all__ = ["grid_page"]


def grid_page(
    summary: dict[str, Any],
    figures: Sequence[PageFigure],
    *,
    estimator: str,
    attributes: dict[str, Any],
) -> str:
    """HTML of a grid's report, which holds everything it shows.

    Args:
      summary: What :func:`ibjax.results.summary.summarize_grid` returns.
      figures: Figures in order.
      estimator: The estimator of the table.
      attributes: Attributes of the dataset.

    Returns:
      HTML document that opens from the file system and loads nothing.

    Example:
      >>> from ibjax.results.summary import summarize_grid
      >>> from ibjax.results.example import example_grid
      >>> summary = summarize_grid(example_grid(num_seeds=2))
      >>> page = grid_page(summary, [], estimator="binning", attributes={})
      >>> "relu" in page
      True
    """
    title = escaped(summary["title"])
    first = summary["cells"][0]["summary"]
    parts = [
        f"<h1>{title}</h1>\n<p class='lead'>{len(summary['cells'])} cells of "
        f"{first['num_seeds']} networks, epochs 0 to {first['epochs']['last']}</p>\n",
        "<h2>Summary</h2>\n",
        f"<div class='scroll'><pre>{escaped(format_grid(summary, estimator=estimator))}"
        "</pre></div>\n",
        "<p>Each cell's directory holds its dataset; <code>ibjax report</code> on it "
        "draws everything about it.</p>\n",
        "<h2>Figures</h2>\n",
        *(figure_html(figure) for figure in figures),
        "<h2>Notes</h2>\n",
        *(f"<p>{escaped(note)}</p>\n" for note in first["notes"]),
        "<h2>Configuration</h2>\n",
        facts_html(parsed(attributes.get("configuration"))),
        "<h2>Versions and machine</h2>\n",
        facts_html(parsed(attributes.get("versions")) | run_facts(attributes)),
    ]
    return document(title, "".join(parts))
