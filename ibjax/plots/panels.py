"""Panels of a figure: new ones, as wide as a column of a paper, or a caller's axes."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["column_width", "figure_width", "headline", "in_a_row", "legend", "panels"]

# Inches that a panel with its labels takes at least.
_LEAST_PANEL = 1.6
_column: ContextVar[float | None] = ContextVar("column", default=None)


@contextlib.contextmanager
def column_width(inches: float | None) -> Iterator[None]:
    """Context in which figures are made that wide, with as many panels in a row as fit.

    Sizes of fonts stay, so that a figure is legible at its own size. None changes
    nothing.

    Example:
      >>> from ibjax.plots import information_curves
      >>> from ibjax.results.example import example_dataset
      >>> with column_width(3.3):
      ...     figure = information_curves(example_dataset(num_seeds=2, num_epochs=4))
      >>> print(figure.get_figwidth())
      3.3
    """
    token = _column.set(inches)
    try:
        yield
    finally:
        _column.reset(token)


def figure_width(wide: float) -> float:
    """Width of a figure: that of the column, or the one it has by itself."""
    column = _column.get()
    return wide if column is None else column


def in_a_row(wanted: int) -> int:
    """Panels in a row: as many as wanted, or as a column has room for."""
    column = _column.get()
    if column is None:
        return wanted
    return min(wanted, max(1, int(column / _LEAST_PANEL)))


def panels(
    ax: Axes | Sequence[Axes] | np.ndarray | None,
    rows: int,
    columns: int,
    size: tuple[float, float],
    *,
    count: int | None = None,
    **options: Any,
) -> tuple[Any, list[Axes]]:
    """The figure and its panels, in rows, or those of a caller.

    Args:
      ax: Axes of the caller, one for each panel, or None for those of a new figure.
      rows: Rows of a new figure.
      columns: Panels in a row of it.
      size: Width and height of it, in inches.
      count: How many panels there are, where the last row is not full.
      **options: Of ``Figure.subplots``.

    Returns:
      The figure and ``count`` axes.

    Raises:
      ValueError: If ``ax`` is not as many axes.
    """
    count = rows * columns if count is None else count
    if ax is not None:
        found: list[Any] = [ax]
        if isinstance(ax, Sequence | np.ndarray):
            found = list(np.ravel(np.asarray(ax, dtype=object)))
        if len(found) != count or not all(isinstance(one, Axes) for one in found):
            plural = "" if count == 1 else ", one for each panel"
            raise ValueError(f"ax must be {count} axes{plural}, got {ax!r:.80}")
        return found[0].figure, found
    figure = Figure(figsize=size, layout="constrained")
    made = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axes in made[count:]:
        axes.remove()
    return figure, list(made[:count])


def legend(
    figure: Any,
    axes: Axes,
    handles: Sequence[Any],
    texts: Sequence[str],
    *,
    is_new: bool,
    place: str = "outside right center",
    **options: Any,
) -> None:
    """A legend outside of the panels of a new figure, or inside of a caller's.

    In a column it stands below them, in as many columns of its own as fit.
    """
    if not is_new:  # What lies outside of the axes is the caller's.
        axes.legend(
            handles, texts, **{k: v for k, v in options.items() if k != "ncols"}
        )
        return
    column = _column.get()
    if column is not None:
        place = "outside lower center"
        longest = max((len(str(text)) for text in texts), default=1)
        options["ncols"] = max(1, int(column / (0.45 + _inches(longest))))
        texts = [textwrap.fill(str(text), _characters(column - 0.5)) for text in texts]
    figure.legend(handles, texts, loc=place, **options)


def headline(figure: Any, text: str, *, is_new: bool) -> None:
    """What a new figure shows, above its panels; a caller writes that as they like."""
    if is_new:
        width = _characters(figure.get_figwidth() - 0.1)
        figure.suptitle(textwrap.fill(text, width), x=0.01, ha="left")


def _characters(inches: float) -> int:
    """Characters of a line of text of that width, those of an average font."""
    return max(10, int(inches / _inches(1)))


def _inches(characters: int) -> float:
    return 0.55 * matplotlib.rcParams["font.size"] / 72 * characters
