"""Tables of one's own in files: columns by name, and tasks made of them."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ibjax.datasets.task import Task, make_task
from ibjax.numerics import checks

__all__ = ["TARGET_KINDS", "read_columns", "table_task", "variable_columns"]

TARGET_KINDS = ("auto", "classes", "real")
"""What a column to predict is."""

# Whole numbers of more different values are amounts rather than classes.
_MOST_CLASSES = 20


def read_columns(path: str | os.PathLike[str]) -> pd.DataFrame:
    r"""Columns of a file by name.

    Args:
      path: A text file of cells between commas, semicolons, tabs or blanks, the first
        line their names (1, 2, 3 and so on where that line is numbers); an ``.npz`` of
        arrays ``[num_rows]`` or ``[num_rows, dim]``, whose columns are ``name_0``,
        ``name_1`` and so on; or an Apache Parquet file, for which ``pyarrow`` must be
        installed.

    Returns:
      The columns.

    Raises:
      FileNotFoundError: If there is no such file.
      ValueError: If it is no such table; the file is named.
      ModuleNotFoundError: If a package is missing that reads it.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     path = Path(directory) / "table.csv"
      ...     _ = path.write_text("height,species\n1.5,cat\n2.5,dog\n")
      ...     frame = read_columns(path)
      >>> print(list(frame), len(frame))
      ['height', 'species'] 2
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        elif path.suffix == ".npz" or zipfile.is_zipfile(path):
            frame = _arrays(path)
        else:
            frame = _text(path)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"{path} needs the package pyarrow, which is not installed: pip install "
            "pyarrow, or write the table as CSV"
        ) from error
    except (ValueError, OSError, zipfile.BadZipFile, pd.errors.ParserError) as error:
        raise ValueError(f"{path} is no table: {str(error).splitlines()[0]}") from error
    frame.columns = [str(name).strip() for name in frame.columns]
    if frame.empty:
        raise ValueError(f"{path} is no table: it has no rows or no columns")
    return frame


def table_task(
    frame: pd.DataFrame,
    target: str,
    *,
    columns: Sequence[str] | None = None,
    kind: str = "auto",
    standardize: bool = True,
    name: str = "table",
) -> Task:
    """Task of predicting one column of a table from others.

    Args:
      frame: The table, of :func:`read_columns` or of one's own.
      target: Name of the column to predict.
      columns: Names of the columns to predict it from; all others by default.
      kind: ``"classes"``, ``"real"``, or ``"auto"``: classes if the target is text,
        boolean, or whole numbers of at most 20 different values.
      standardize: Whether inputs, and real targets, have mean zero and standard
        deviation one over all rows; information is the same, and networks learn.
      name: Name of the task, and of the table in errors.

    Returns:
      The task.

    Raises:
      ValueError: If there is no such column, a cell is missing, text where numbers are
        or not finite, or the target has one value only; the column is named.

    Example:
      >>> frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": ["cat", "dog", "cat"]})
      >>> task = table_task(frame, "y")
      >>> print(task.kind, task.class_names, task.x.shape)
      classes ('cat', 'dog') (3, 1)
    """
    checks.instance("frame", frame, pd.DataFrame)
    checks.instance("target", target, str)
    checks.instance("name", name, str)
    checks.one_of("kind", kind, TARGET_KINDS)
    checks.flag("standardize", standardize)
    if columns is not None:
        for column in checks.instance("columns", columns, list, tuple):
            checks.instance("each of columns", column, str)
    _check_there(frame, [target], name, "target")
    if columns is None:
        columns = [column for column in frame if column != target]
    _check_there(frame, columns, name)
    if target in columns or not len(columns):
        raise ValueError(f"{name}: columns must be others than the target {target!r}")
    x = np.stack([_numbers(frame, column, name) for column in columns], axis=1)
    _check_filled(frame, target, name)
    values = frame[target]
    is_text = not _is_number(values)
    if is_text:
        _check_all_text(frame, target, name)
        if kind == "real":
            _numbers(frame, target, name)  # Says where the text is.
    is_whole = not is_text and bool(np.all(np.asarray(values, float) % 1 == 0))
    few = values.nunique() <= _MOST_CLASSES
    if kind == "auto":
        kind = "classes" if is_text or (is_whole and few) else "real"
    if values.nunique() < 2:
        raise ValueError(f"{name}: column {target!r} must have two values or more")
    if standardize:
        x = _standard(x)
    if kind == "classes":
        if not is_text and not is_whole:
            raise ValueError(
                f"{name}: column {target!r} must hold classes, got fractions"
            )
        labels = values.astype(str) if is_text else np.asarray(values).astype(np.int64)
        return make_task(x, np.asarray(labels), name=name)
    y = _numbers(frame, target, name)[:, None]
    return make_task(x, targets=_standard(y) if standardize else y, name=name)


def variable_columns(
    frame: pd.DataFrame, columns: Sequence[str], name: str = "table"
) -> np.ndarray:
    """Columns of a table as one variable of an estimator.

    Args:
      frame: The table.
      columns: Names of its columns.
      name: Name of the table in errors.

    Returns:
      Whole numbers, ``[num_rows]`` or ``[num_rows, dim]`` int64, where all are; numbers
      of classes for a single column of text; else float64.

    Raises:
      ValueError: As for :func:`table_task`.

    Example:
      >>> frame = pd.DataFrame({"a": [1.5, 2.0], "y": ["dog", "cat"]})
      >>> print(variable_columns(frame, ["a"]), variable_columns(frame, ["y"]))
      [1.5 2. ] [1 0]
    """
    _check_there(frame, columns, name)
    if len(columns) == 1 and not _is_number(frame[columns[0]]):
        _check_filled(frame, columns[0], name)
        _check_all_text(frame, columns[0], name)
        return np.unique(frame[columns[0]].astype(str), return_inverse=True)[1]
    values = np.stack([_numbers(frame, column, name) for column in columns], axis=1)
    if all(pd.api.types.is_integer_dtype(frame[column]) for column in columns):
        values = np.stack([np.asarray(frame[column]) for column in columns], axis=1)
    return values[:, 0] if len(columns) == 1 else values


def _text(path: Path) -> pd.DataFrame:
    options = {"sep": None, "engine": "python", "skipinitialspace": True}
    try:
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline()
    except UnicodeDecodeError as error:
        raise ValueError("it is no text in UTF-8") from error
    if not any(mark in first for mark in ",;\t "):
        options["sep"] = ","  # Of one column nothing can be guessed.
    frame = pd.read_csv(path, encoding="utf-8-sig", **options)
    if all(_is_float(column) for column in frame.columns):
        frame = pd.read_csv(path, header=None, encoding="utf-8-sig", **options)
        frame.columns = [str(number + 1) for number in range(frame.shape[1])]
    return frame


def _arrays(path: Path) -> pd.DataFrame:
    columns = {}
    with np.load(path) as file:
        for name in file.files:
            array = file[name]
            if array.ndim == 1:
                columns[name] = array
            elif array.ndim == 2:
                columns |= {f"{name}_{n}": column for n, column in enumerate(array.T)}
            else:
                raise ValueError(f"array {name!r} must have one or two axes")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"arrays must have as many rows each, got {lengths}")
    return pd.DataFrame(columns)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not (
        pd.api.types.is_bool_dtype(column)
    )


def _check_there(
    frame: pd.DataFrame, columns: Sequence[str], name: str, argument: str = "columns"
) -> None:
    checks.not_empty(argument, columns)
    missing = [column for column in columns if column not in frame]
    if missing:
        raise ValueError(
            f"{argument} must be of {name}, which has {', '.join(frame.columns)}; got "
            f"{missing[0]!r}"
        )


def _check_filled(frame: pd.DataFrame, column: str, name: str) -> None:
    empty = np.flatnonzero(frame[column].isna())
    if len(empty):
        raise ValueError(
            f"{name}: column {column!r} has {len(empty)} missing cells, the first in "
            f"row {empty[0] + 1} below the names"
        )


def _check_all_text(frame: pd.DataFrame, column: str, name: str) -> None:
    """Check that a column of text has no numbers among it."""
    if pd.api.types.is_bool_dtype(frame[column]):
        return
    numbers = pd.to_numeric(frame[column].astype(str), errors="coerce").notna()
    if numbers.any() and not numbers.all():
        _numbers(frame, column, name)


def _numbers(frame: pd.DataFrame, column: str, name: str) -> np.ndarray:
    """A column as float64, checked to hold finite numbers."""
    _check_filled(frame, column, name)
    values = frame[column]
    if pd.api.types.is_bool_dtype(values):
        return np.asarray(values, np.float64)
    if not _is_number(values):
        found = pd.to_numeric(values.astype(str), errors="coerce")
        text = np.flatnonzero(found.isna())
        if len(text):
            more = f", and {len(text) - 1} more" if len(text) > 1 else ""
            raise ValueError(
                f"{name}: column {column!r} must hold numbers, got "
                f"{str(values.iloc[text[0]])[:40]!r} in row {text[0] + 1} below the "
                f"names{more}"
            )
        values = found
    numbers = np.asarray(values, np.float64)
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise ValueError(
            f"{name}: column {column!r} must be finite, got {numbers[bad[0]]} in row "
            f"{bad[0] + 1} below the names"
        )
    return numbers


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns of mean zero and deviation one; constant ones are zero."""
    centred = values - values.mean(axis=0)
    scale = values.std(axis=0)
    return centred / np.where(scale > 0, scale, 1.0)
