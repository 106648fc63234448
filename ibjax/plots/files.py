"""Figures written to files."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ibjax.results.files import write_atomically

__all__ = ["FORMATS", "encode_figure", "save_figure", "write_figure"]

_DPI = 200
FORMATS = ("png", "pdf", "svg", "pgf")
"""Formats of files; pgf, for LaTeX, needs a LaTeX that is installed."""

_SUFFIXES = tuple(f".{name}" for name in FORMATS)


def save_figure(
    figure: Figure,
    path: str | os.PathLike[str],
    *,
    pdf: bool = True,
    formats: Sequence[str] = (),
) -> bytes:
    """Writes a figure as PNG and PDF, each file whole or not at all.

    Args:
      figure: The figure; its layout is fixed by this.
      path: Where to write; a suffix of a format is left out, as several files are
        written.
      pdf: Whether to write the PDF too.
      formats: More formats, of :data:`FORMATS`.

    Returns:
      The PNG's bytes, the same for the same figure.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     png = save_figure(Figure(), Path(directory) / "empty.png")
      ...     print(sorted(path.name for path in Path(directory).iterdir()))
      ['empty.pdf', 'empty.png']
    """
    files = encode_figure(figure, pdf=pdf, formats=formats)
    write_figure(files, path)
    return files[".png"]


def encode_figure(
    figure: Figure, *, pdf: bool = True, formats: Sequence[str] = ()
) -> dict[str, bytes]:
    """Bytes of a figure's files by suffix, the same for the same figure."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(
            f"each of formats must be one of {', '.join(FORMATS)}, got {unknown[0]!r}"
        )
    if "pgf" in formats and shutil.which(matplotlib.rcParams["pgf.texsystem"]) is None:
        raise ValueError(
            f"formats must not have pgf without LaTeX: there is no "
            f"{matplotlib.rcParams['pgf.texsystem']} (setting pgf.texsystem)"
        )
    shown = figure.dpi
    # Text is measured once for the layout and the PNG if both have one resolution.
    figure.set_dpi(_DPI)
    try:
        with _collection_paused():
            engine = figure.get_layout_engine()
            if engine is not None:
                engine.execute(figure)
                figure.set_layout_engine("none")
            files = {".png": _encode(figure, FigureCanvasAgg)}
            others = [name for name in formats if name != "png"]
            for name in dict.fromkeys([*(["pdf"] if pdf else []), *others]):
                # Imported late: the start of a run need not wait for its fonts.
                backend = importlib.import_module(f"matplotlib.backends.backend_{name}")
                kind = f"FigureCanvas{_CANVASES[name]}"
                files[f".{name}"] = _encode(figure, getattr(backend, kind), name)
    finally:
        # A window of the caller's stays as large as it was.
        figure.set_dpi(shown)
    return files


def write_figure(files: dict[str, bytes], path: str | os.PathLike[str]) -> None:
    """Writes the files of :func:`encode_figure` beside each other."""
    path = Path(path)
    stem = path.stem if path.suffix in _SUFFIXES else path.name
    for suffix, content in files.items():
        write_atomically(path.with_name(stem + suffix), content)


@contextlib.contextmanager
def _collection_paused() -> Iterator[None]:
    """Context without garbage collection.

    The fonts of a PDF are so many objects that Python, beside JAX's many more, spends
    half of the time of embedding them on the search for garbage.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_CANVASES = {"pdf": "Pdf", "svg": "SVG", "pgf": "Pgf"}
# Text stays text, and files of the same figure are the same.
_SETTINGS = {"pdf.fonttype": 42, "svg.fonttype": "none", "svg.hashsalt": "ibjax"}
_METADATA = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def _encode(figure: Figure, kind: Any, name: str = "png") -> bytes:
    """Bytes of a figure drawn once; ``savefig`` draws it twice, to lay it out."""
    buffer, shown = io.BytesIO(), figure.canvas
    try:
        canvas = kind(figure)
        if kind is FigureCanvasAgg:
            canvas.print_png(buffer, metadata={"Software": None})
        else:
            with matplotlib.rc_context(_SETTINGS):
                known = {"metadata": _METADATA[name]} if name in _METADATA else {}
                getattr(canvas, f"print_{name}")(buffer, **known)
    finally:
        # The canvas of a window, of whoever made the figure.
        figure.set_canvas(shown)
        figure.set_dpi(_DPI)
    return buffer.getvalue()
