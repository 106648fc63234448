"""What a grid of sweeps found, cell by cell."""

from __future__ import annotations

import json
from typing import Any

import xarray as xr

from ibjax.grid import cells_of
from ibjax.summary import summarize

__all__ = ["format_grid", "place_text", "summarize_grid"]

_AXIS_NAMES = {
    "batch_size": "batch",
    "learning_rate": "step size",
    "noise_std": "noise",
    "noise_variance": "noise variance",
    "num_samples": "samples",
    "orthonormal": "penalty",
    "snr": "SNR",
}


def summarize_grid(dataset: xr.Dataset) -> dict[str, Any]:
    """Summaries of all cells, ready for JSON.

    Args:
      dataset: Dataset of a grid of sweeps.

    Returns:
      ``title``, the ``axes`` with their coordinates, and ``cells``: the ``place`` and
      the ``summary`` of each, see :func:`ibjax.summary.summarize`.

    Example:
      >>> from ibjax.plots.example import example_grid
      >>> summary = summarize_grid(example_grid(num_seeds=2))
      >>> [cell["place"] for cell in summary["cells"]]
      [{'activation': 'tanh'}, {'activation': 'relu'}]
    """
    return {
        "title": dataset.attrs["title"],
        "axes": json.loads(dataset.attrs["configuration"])["grid"],
        "cells": [
            {"place": place, "summary": summarize(cell)}
            for place, cell in cells_of(dataset)
        ],
    }


def format_grid(summary: dict[str, Any], *, estimator: str) -> str:
    """A grid's summary as plain text: the compression of every layer of every cell.

    Args:
      summary: What :func:`summarize_grid` returns.
      estimator: The estimator to show.

    Returns:
      Lines without a newline at the end. A star marks a layer that compresses, a
      question mark one that is undecided.

    Raises:
      ValueError: If no cell has the estimator.

    Example:
      >>> from ibjax.plots.example import example_grid
      >>> summary = summarize_grid(example_grid(num_seeds=5))
      >>> text = format_grid(summary, estimator="binning")
      >>> print(text.splitlines()[-1].split()[:4])
      ['relu', '-', '0.9598', '0.00']
    """
    rows = []
    measure, title = "test_accuracy", "test acc."
    if any(
        cell["summary"]["training"]["test_squared_error"]["mean"] is not None
        for cell in summary["cells"]
    ):
        measure, title = "test_squared_error", "test error"
    for cell in summary["cells"]:
        found = [
            entry
            for entry in cell["summary"]["estimators"]
            if entry["estimator"] == estimator
        ]
        if not found:
            raise ValueError(f"estimator must be one of the grid's, got {estimator!r}")
        seeds = len(cell["summary"]["diverged_seeds"])
        value = cell["summary"]["training"][measure]["mean"]
        rows.append(
            [
                place_text(cell["place"]),
                str(seeds) if seeds else "-",
                "-" if value is None else f"{value:.4f}",
                *(_layer(layer) for layer in found[0]["layers"]),
            ]
        )
    num_layers = max(len(row) for row in rows) - 3
    header = ["", "diverged", title, *(str(n + 1) for n in range(num_layers))]
    rows = [row + [""] * (len(header) - len(row)) for row in rows]
    widths = [
        max(len(row[column]) for row in [header, *rows])
        for column in range(len(header))
    ]
    lines = [
        "Compression of each layer, the largest I(X;T) less the last, in bits, by "
        f"{estimator}",
        "(* the layer compresses by more than 0.1 bit, ? undecided):",
    ]
    for row in [header, *rows]:
        first, *others = row
        columns = [
            cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append("  ".join([first.ljust(widths[0]), *columns]).rstrip())
    return "\n".join(lines)


def place_text(place: dict[str, float | str]) -> str:
    """A cell's place as a reader would say it.

    Args:
      place: Its coordinates.

    Returns:
      The text.

    Example:
      >>> place_text({"activation": "relu", "batch_size": "full"})
      'relu, batch full'
    """
    words = []
    for axis, value in place.items():
        text = value if isinstance(value, str) else f"{value:g}"
        if axis == "train_fraction":
            words.append(f"{100 * value:g} % to train on")
        elif axis in _AXIS_NAMES:
            words.append(f"{_AXIS_NAMES[axis]} {text}")
        else:
            words.append(text)
    return ", ".join(words)


def _layer(layer: dict[str, Any]) -> str:
    mean = layer["compression_bits"]["mean"]
    if mean is None:
        return "-"
    mark = {"compresses": "*", "undecided": "?"}.get(layer["verdict"], " ")
    return f"{mean:.2f}{mark}"
