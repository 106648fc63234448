"""Parts of the reports' pages: whole documents, figures, tables, facts."""

from __future__ import annotations

import base64
import html
import json
from typing import Any, NamedTuple

__all__ = [
    "PageFigure",
    "document",
    "escaped",
    "facts_html",
    "figure_html",
    "parsed",
    "run_facts",
    "table_html",
]


class PageFigure(NamedTuple):
    """A figure of the report.

    Attributes:
      title: Heading above it.
      caption: What it shows; also its text for readers who cannot see it.
      png: The image's bytes.
      width_inches: Width at which its fonts have their nominal size.
    """

    title: str
    caption: str
    png: bytes
    width_inches: float


_STYLE = """
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; color: #222;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
.lead { color: #555; margin-top: 0; }
.warning { border-left: 4px solid #D55E00; padding: .2rem .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .55rem; text-align: right; border-bottom: 1px solid #ddd; }
th { font-weight: 600; border-bottom: 1px solid #888; white-space: normal;
  vertical-align: bottom; }
th:first-child, td:first-child, .text { text-align: left; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.facts th { border-bottom: 1px solid #ddd; vertical-align: top; }
figure { margin: 1rem 0 2rem; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: 13px; max-width: 46rem; }
"""


def document(title: str, body: str) -> str:
    """A whole page that loads nothing.

    Args:
      title: Its title, as HTML.
      body: Its body, as HTML.

    Returns:
      The document.

    Example:
      >>> document("A page", "<p>text</p>").startswith("<!doctype html>")
      True
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body>\n{body}</body></html>\n"
    )


def figure_html(figure: PageFigure) -> str:
    """A figure with its title and caption, the image inside."""
    data = base64.b64encode(figure.png).decode()
    caption = escaped(figure.caption)
    # The sizes of fonts are for print; on a screen everything is a little larger.
    width = round(figure.width_inches * 120)
    return (
        f"<figure><h3>{escaped(figure.title)}</h3>\n"
        f'<img width="{width}" alt="{caption}" src="data:image/png;base64,{data}">\n'
        f"<figcaption>{caption}</figcaption></figure>\n"
    )


def table_html(header: list[str], rows: list[list[str]]) -> str:
    """A table; a column named verdict is text, others are numbers."""
    classes = [" class='text'" if name == "verdict" else "" for name in header]
    head = "".join(
        f"<th{kind}>{escaped(name)}</th>"
        for name, kind in zip(header, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{escaped(cell)}</td>"
            for cell, kind in zip(row, classes, strict=True)
        )
        + "</tr>\n"
        for row in rows
    )
    return f"<div class='scroll'><table><tr>{head}</tr>\n{body}</table></div>\n"


def facts_html(facts: dict[str, Any]) -> str:
    """A table of names and values."""
    rows = []
    for key, value in facts.items():
        if isinstance(value, float):
            value = f"{value:.6g}"
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        rows.append(f"<tr><th>{escaped(key)}</th><td>{escaped(shown)}</td></tr>")
    return f"<table class='facts'>{''.join(rows)}</table>\n" if rows else "<p>-</p>\n"


def parsed(text: Any) -> dict[str, Any]:
    """A JSON object in text as a dictionary; anything else is shown as it is."""
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        value = text
    return value if isinstance(value, dict) else {"": value}


def run_facts(attributes: dict[str, Any]) -> dict[str, Any]:
    """What a dataset's attributes say of the machine and the time."""
    names = {
        "devices": "devices",
        "created": "created",
        "wall_seconds": "wall time (s)",
        "compile_seconds": "compile time (s)",
    }
    return {names[key]: attributes[key] for key in names if key in attributes}


def escaped(value: Any) -> str:
    """A value as text that is safe in HTML."""
    return html.escape(str(value))
