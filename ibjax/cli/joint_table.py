"""Joint tables of X and Y in text files."""

import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["Table", "read_table"]

# Probabilities written with a few digits do not sum to one exactly.
_SUM_TOLERANCE = 1e-3
_NUM_NAMED = 8
# Characters of a cell that are printed.
_NUM_SHOWN = 40


class Table(NamedTuple):
    """A joint table as it was read.

    Attributes:
      p_xy: Joint probabilities, float64, shape ``[num_x, num_y]``; they sum to one.
      total: Sum of the numbers in the file.
      layout: Names in the file, in words; empty if there are none.
    """

    p_xy: np.ndarray
    total: float
    layout: str


def read_table(path: str | Path, *, counts: bool = False) -> Table:
    r"""Joint table in a text file of probabilities or, with ``counts``, of counts.

    Any other content raises ``ValueError``, which names line and column.

    Cells are separated by commas, or by blanks where the file has no comma. Empty lines
    and lines that begin with # are skipped. Which cells are names is decided thus:

    * If the first cell is a number there are none.
    * If it is empty, the first row and the first column are names.
    * If it is text, the rest of the first row is names if it is text too, or if it is
      numbers that increase, as ``pandas.crosstab`` writes them; but not if
      probabilities sum to one with it. Likewise the rest of the first column.

    A first column of counts that happen to increase is thus taken for names where there
    is a header; ``layout`` says so, and without the header they are data.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     path = Path(directory) / "table.csv"
      ...     _ = path.write_text("x,no,yes\n1,9,1\n2,1,9\n")
      ...     table = read_table(path, counts=True)
      >>> print(table.p_xy.tolist(), table.total, table.layout, sep="; ")
      [[0.45, 0.05], [0.05, 0.45]]; 20.0; columns no, yes; rows named by x
    """
    cells, lines = _read_cells(Path(path))
    numbers = np.vectorize(_number, otypes=[float])(cells)
    header, named = _find_names(cells[0, 0], numbers, counts)
    values = numbers[header:, named:]
    if not values.size:
        raise ValueError(f"{path} holds no numbers")
    wrong = np.argwhere(~((values >= 0) & (values < np.inf)))
    if len(wrong):
        row, column = wrong[0] + (header, named)
        cell, number = cells[row, column], numbers[row, column]
        reason = "no number" if np.isnan(number) else "not finite"
        reason = "negative" if number < 0 else reason
        found = f": {_short(cell)!r} is {reason}" if cell else " is empty"
        raise ValueError(f"{path}: line {lines[row]}, column {column + 1}{found}")
    if values.shape[1] < 2:
        raise ValueError(
            f"{path} must have a column for every y, two or more, got {values.shape[1]}"
        )
    # Margins of a cross tabulation would count every sample four times.
    same_name = header and named and cells[0, -1] == cells[-1, 0]
    are_sums = min(values.shape) > 2 and all(
        np.allclose(rows[-1], rows[:-1].sum(axis=0)) for rows in (values, values.T)
    )
    if same_name and are_sums:
        raise ValueError(
            f"{path}: the last row and column, both named {_short(cells[-1, 0])}, are "
            "sums of the others; leave them out"
        )
    total = float(values.sum())
    if not 0 < total < math.inf:
        raise ValueError(f"{path} sums to {total:g}; some number must be positive")
    if not counts and not _is_one(total):
        raise ValueError(
            f"{path} must hold probabilities that sum to one, but they sum to "
            f"{total:.6g}; --counts divides by the sum"
        )
    layout = []
    if header:
        names = [_short(name) for name in cells[0, named:]]
        more = ["..."] if len(names) > _NUM_NAMED else []
        layout.append(f"columns {', '.join(names[:_NUM_NAMED] + more)}")
    if named:
        by = header and cells[0, 0] and not np.isnan(numbers[1:, 0]).all()
        layout.append(f"rows named by {_short(cells[0, 0])}" if by else "rows named")
    return Table(values / total, total, "; ".join(layout))


def _read_cells(path: Path) -> tuple[np.ndarray, list[int]]:
    """Cells of a file as text, ``[rows, columns]``, and the number of every line."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8") from error
    lines = {
        number: line
        for number, line in enumerate(map(str.strip, text.splitlines()), start=1)
        if line and not line.startswith("#")
    }
    if not lines:
        raise ValueError(f"{path} is empty")
    content = "\n".join(lines.values())
    comma = "," in content
    if not comma and ";" in content:
        raise ValueError(f"{path}: cells must be separated by commas or blanks, not ;")
    # As many cells as the longest line has, or more: a comma between quotes counts too.
    width = max(len(line.split("," if comma else None)) for line in lines.values())
    try:
        frame = pd.read_csv(
            io.StringIO(content),
            sep="," if comma else r"\s+",
            header=None,
            names=range(width),
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        ).set_axis(list(lines))
    except ValueError as error:
        raise ValueError(f"{path} has quotes that are not closed: {error}") from error
    cells = frame.map(str.strip).to_numpy(object)
    if '"' in content:
        cells = cells[:, (cells != "").any(axis=0)]
    # R leaves out the name above the names of the rows.
    if cells[0, -1] == "" and all(math.isnan(_number(cell)) for cell in cells[0]):
        cells[0] = np.roll(cells[0], 1)
    return cells, list(lines)


def _find_names(corner: str, numbers: np.ndarray, counts: bool) -> tuple[int, int]:
    """Number of first rows and of first columns that are names; NaN is text."""
    if not corner or not np.isnan(numbers[0, 0]):
        return int(not corner), int(not corner)
    row, column = numbers[0, 1:], numbers[1:, 0]
    row_is_text, column_is_text = np.isnan(row).all(), np.isnan(column).all()
    row_rises, column_rises = np.all(np.diff(row) > 0), np.all(np.diff(column) > 0)
    if row_is_text == column_is_text:
        # A single name among numbers is none, and will be refused.
        both = row_is_text or (row_rises and column_rises)
        return int(both), int(both)
    # One of the two is text; the other is numbers, names or data.
    rest = numbers[1:] if row_is_text else numbers[:, 1:]
    needed = rest.shape[1] < 3 if row_is_text else rest.shape[0] < 2
    if needed or (not counts and _is_one(rest.sum())):
        return int(row_is_text), int(column_is_text)
    return int(row_is_text or row_rises), int(column_is_text or column_rises)


def _short(cell: str) -> str:
    return cell if len(cell) <= _NUM_SHOWN else f"{cell[: _NUM_SHOWN - 3]}..."


def _is_one(total: float) -> bool:
    return abs(total - 1) <= _SUM_TOLERANCE


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
