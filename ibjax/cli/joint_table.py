"""Joint tables of X and Y in text files."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = ["Table", "read_table"]

# Probabilities written with a few digits do not sum to one exactly.
_SUM_TOLERANCE = 1e-3
_NUM_NAMED = 8


class Table(NamedTuple):
    """A joint table as it was read.

    Attributes:
      p_xy: Joint probabilities, float64, shape ``[num_x, num_y]``; they sum to one.
      total: What the numbers in the file sum to.
      layout: What the file has beside its numbers, in words; empty if nothing.
    """

    p_xy: np.ndarray
    total: float
    layout: str


def read_table(path: str | Path, *, counts: bool = False) -> Table:
    r"""Read a joint table from a text file.

    Cells are separated by commas, or by blanks where the file has no comma. The first
    row holds names if none of its cells is a number, the first column if none of its
    cells below that is one, and both if their common cell is empty. A column of numbers
    that are names is thus taken for data; ``layout`` shows it. Empty lines and lines
    that begin with # are skipped.

    Args:
      path: The file.
      counts: Whether its numbers are counts instead of probabilities.

    Returns:
      The table, its numbers divided by their sum.

    Raises:
      ValueError: If the file holds no such table; the message names line and column.
      OSError: If it cannot be read.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     path = Path(directory) / "table.csv"
      ...     _ = path.write_text("x,no,yes\na,9,1\nb,1,9\n")
      ...     table = read_table(path, counts=True)
      >>> print(table.p_xy.tolist(), table.total, table.layout, sep="; ")
      [[0.45, 0.05], [0.05, 0.45]]; 20.0; columns no, yes; rows named
    """
    rows = _split(Path(path))
    corner = rows[0].cells[0] == ""
    header = corner or not any(map(_is_number, rows[0].cells))
    names, rows = (rows[0], rows[1:]) if header else (None, rows)
    if not rows:
        raise ValueError(f"{path} holds no numbers")
    labelled = corner or not any(_is_number(row.cells[0]) for row in rows)
    width = len(rows[0].cells)
    for row in rows:
        if len(row.cells) != width:
            raise ValueError(
                f"{path}: line {row.line} has {len(row.cells)} cells, but line "
                f"{rows[0].line} has {width}"
            )
    # R leaves out the name above the names of the rows.
    if names is not None and len(names.cells) not in (width, width - labelled):
        raise ValueError(
            f"{path}: line {names.line} has {len(names.cells)} names, but line "
            f"{rows[0].line} has {width} cells"
        )
    values = np.array(
        [
            [_number(path, row, column) for column in range(labelled, width)]
            for row in rows
        ]
    ).reshape(len(rows), -1)
    if values.shape[1] < 2:
        raise ValueError(
            f"{path} must have a column for every y, two or more, got {values.shape[1]}"
        )
    total = float(values.sum())
    if not 0 < total < math.inf:
        raise ValueError(f"{path} sums to {total:g}; some number must be positive")
    if not counts and abs(total - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"{path} must hold probabilities that sum to one, but they sum to "
            f"{total:.6g}; --counts divides by the sum"
        )
    layout = []
    if names is not None:
        shown = names.cells[len(names.cells) - values.shape[1] :]
        more = ", ..." if len(shown) > _NUM_NAMED else ""
        layout.append(f"columns {', '.join(shown[:_NUM_NAMED])}{more}")
    if labelled:
        layout.append("rows named")
    return Table(values / total, total, "; ".join(layout))


class _Row(NamedTuple):
    line: int
    cells: list[str]


def _split(path: Path) -> list[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8") from error
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ValueError(f"{path} is empty")
    if any("," in line for _, line in lines):
        split = [next(csv.reader([line], skipinitialspace=True)) for _, line in lines]
    elif ";" in lines[0][1]:
        raise ValueError(f"{path}: cells must be separated by commas or blanks, not ;")
    else:
        split = [line.split() for _, line in lines]
    return [
        _Row(number, [cell.strip() for cell in cells])
        for (number, _), cells in zip(lines, split, strict=True)
    ]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(path: str | Path, row: _Row, column: int) -> float:
    cell = row.cells[column]
    where = f"{path}: line {row.line}, column {column + 1}"
    if not cell:
        raise ValueError(f"{where} is empty")
    if not _is_number(cell):
        raise ValueError(f"{where}: {cell!r} is no number")
    value = float(cell)
    if not math.isfinite(value):
        raise ValueError(f"{where}: {cell!r} is not finite")
    if value < 0:
        raise ValueError(f"{where}: {cell} is negative")
    return value
