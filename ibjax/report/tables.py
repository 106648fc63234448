"""Tables as lines of text, no wider than a terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

__all__ = ["WIDTH", "table_lines"]

WIDTH = 80
"""Characters of a line."""

_LEAST_TEXT = 16  # Characters that are left of a name.


def table_lines(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    num_text: int = 1,
) -> list[str]:
    """Lines of a table; the first ``num_text`` columns are text, the others numbers.

    Where it is wider than a terminal, columns come closer, texts are cut off, and the
    last columns follow below, in this order.
    """
    for gap in (2, 1):
        lines = _lines(header, rows, num_text, gap)
        if (width := max(map(len, lines))) <= WIDTH:
            return lines
    longest = max(len(row[0]) for row in rows)
    room = max(longest - (width - WIDTH), _LEAST_TEXT)
    if room < longest:
        rows = [(_cut_off(row[0], room), *row[1:]) for row in rows]
        lines = _lines(header, rows, num_text, 1)
        if max(map(len, lines)) <= WIDTH:
            return lines
    half = (num_text + len(header)) // 2
    if half == num_text:
        return lines
    named = [row[:num_text] for row in rows]
    after = [(*names, *row[half:]) for names, row in zip(named, rows, strict=True)]
    return [
        *table_lines(header[:half], [row[:half] for row in rows], num_text=num_text),
        "",
        *table_lines((*header[:num_text], *header[half:]), after, num_text=num_text),
    ]


def _cut_off(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], num_text: int, gap: int
) -> list[str]:
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="")
    for index, name in enumerate(header):
        justify = "left" if index < num_text else "right"
        table.add_column(name, justify=justify, vertical="bottom", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    # Rich cuts off what is wider than its console, which no number here may suffer.
    file = io.StringIO()
    console = Console(
        file=file,
        width=10_000,
        color_system=None,
        markup=False,
        emoji=False,
        force_jupyter=False,
    )
    console.print(table)
    return [line.rstrip() for line in file.getvalue().splitlines()]
