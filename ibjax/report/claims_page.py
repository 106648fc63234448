"""One page of many tables of claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ibjax.claims.writing import VERDICTS, verdict_counts
from ibjax.report.html import PageFigure, document, escaped, figure_html

__all__ = ["claims_page"]

_PNG_WIDTH_OFFSET, _PIXELS_PER_INCH = 16, 200


def claims_page(
    collection: Sequence[dict[str, Any]], *, title: str = "Claims and verdicts"
) -> str:
    """HTML of all claims, with the figures that lie beside them.

    Args:
      collection: What :func:`ibjax.claims.collect_claims` returns. Figures are the PNG
        files in the directory of each ``path``.
      title: Title of the page.

    Returns:
      HTML document that opens from the file system and loads nothing.

    Example:
      >>> claim = {"claim": "It is so", "quantity": "x", "criterion": "above 1",
      ...     "value": 2.0, "low": 1.5, "high": 2.5, "num_seeds": 9, "verdict": "holds"}
      >>> content = {"title": "One", "command": "python one.py", "claims": [claim]}
      >>> "It is so" in claims_page([content])
      True
    """
    parts = [f"<h1>{escaped(title)}</h1>\n", _overview(collection)]
    for number, content in enumerate(collection):
        parts.append(f"<h2 id='{number}'>{escaped(content['title'])}</h2>\n")
        command = content.get("command", "")
        parts.append(f"<p class='lead'><code>{escaped(command)}</code></p>\n")
        parts.append(_claims(content["claims"]))
        parts += [figure_html(figure) for figure in _figures(content)]
    parts.append(
        "<p>In brackets 95 % intervals over seeds, each by itself. A claim holds if "
        "its whole interval meets the criterion, does not hold if none of it does, and "
        "is undecided otherwise.</p>\n"
    )
    return document(escaped(title), "".join(parts))


def _overview(collection) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("experiment", "claims", *VERDICTS))
    rows = []
    for number, content in enumerate(collection):
        cells = "".join(f"<td>{count}</td>" for count in verdict_counts(content))
        rows.append(
            f"<tr><td><a href='#{number}'>{escaped(content['title'])}</a></td>{cells}"
            "</tr>\n"
        )
    return f"<table><tr>{head}</tr>\n{''.join(rows)}</table>\n"


def _claims(claims) -> str:
    rows = []
    for claim in claims:
        interval = f"[{_number(claim['low'])}, {_number(claim['high'])}]"
        cells = (
            claim["claim"],
            claim["quantity"],
            f"{_number(claim['value'])} {interval}",
            claim["criterion"],
            claim["num_seeds"],
            claim["verdict"],
        )
        rows.append(
            "<tr>"
            + "".join(
                f"<td class='text' style='white-space: normal'>{escaped(cell)}</td>"
                for cell in cells
            )
            + "</tr>\n"
        )
    names = ("claim", "quantity", "value", "holds if", "seeds", "verdict")
    head = "".join(f"<th class='text'>{name}</th>" for name in names)
    return f"<div class='scroll'><table><tr>{head}</tr>\n{''.join(rows)}</table></div>"


def _number(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.3g}"


def _figures(content) -> list[PageFigure]:
    if "path" not in content:
        return []
    figures = []
    for path in sorted(Path(content["path"]).parent.glob("*.png")):
        png = path.read_bytes()
        width = int.from_bytes(png[_PNG_WIDTH_OFFSET : _PNG_WIDTH_OFFSET + 4], "big")
        name = path.stem.replace("_", " ")
        figures.append(PageFigure(name, name, png, width / _PIXELS_PER_INCH))
    return figures
