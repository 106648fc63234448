"""Figures written to files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ibjax.results.files import write_atomically

__all__ = ["save_figure"]


def save_figure(
    figure: Figure, path: str | os.PathLike[str], *, pdf: bool = True
) -> bytes:
    """Writes a figure as PNG and PDF, each file whole or not at all.

    Args:
      figure: The figure; its layout is fixed by this.
      path: Where to write, without the suffix.
      pdf: Whether to write the PDF too.

    Returns:
      The PNG's bytes, the same for the same figure.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     png = save_figure(Figure(), Path(directory) / "empty")
      ...     print(sorted(path.name for path in Path(directory).iterdir()))
      ['empty.pdf', 'empty.png']
    """
    path = Path(path)
    # Both files share one layout, which takes as long as drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    png = _encode(figure, "png")
    write_atomically(path.with_name(f"{path.name}.png"), png)
    if pdf:
        write_atomically(path.with_name(f"{path.name}.pdf"), _encode(figure, "pdf"))
    return png


def _encode(figure: Figure, kind: str) -> bytes:
    """Bytes of a figure's file, the same for the same figure."""
    metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}}[kind]
    buffer = io.BytesIO()
    # Type 42 keeps the text of a PDF as text.
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format=kind, dpi=200, metadata=metadata)
    return buffer.getvalue()
