"""Summaries of sweeps and grids as plain text for a terminal."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from ibjax.results.ceiling import CEILING_WORDS, ceiling_list
from ibjax.results.cells import place_text

__all__ = ["format_grid", "format_summary", "format_violations"]

_WIDTH = 80
_SYMBOLS = {"i_xt": "I(X;T)", "i_ty": "I(T;Y)"}
_VERDICTS = {"compresses": "yes", "does not compress": "no"}
_COMPARISONS = {
    "holds": "hold",
    "violated": "violated",
    "undecided": "undecided",
    "no data": "without data",
}


def format_summary(summary: dict[str, Any], *, estimator: str | None = None) -> str:
    """A sweep's summary as plain text, informations in bits.

    Informations are means over seeds. ``compression`` is the 95 % interval that decides
    whether the layer ``compresses``, and ``seeds`` counts those that compress by more
    than 0.1 bit.

    Args:
      summary: Result of :func:`ibjax.results.summarize`, or the same read from JSON.
      estimator: The only estimator to show; all by default.

    Returns:
      Lines without a newline at the end, no wider than 80 characters unless a layer
      has a long name. ``+-`` is half the width of a 95 % interval; a dash stands for a
      number that does not exist.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> from ibjax.results import summarize
      >>> text = format_summary(summarize(example_dataset(num_seeds=5)))
      >>> print(text.splitlines()[0])
      Synthetic example: 5 seeds, 4096 inputs, 60 snapshots, epochs 0 to 10000
    """
    epochs, ceilings = summary["epochs"], summary["ceilings"]
    title = summary["title"] or summary["task"] or "sweep"
    count = summary["num_seeds"]
    inputs = f"{summary['num_samples']} inputs, " if summary["num_samples"] else ""
    lines = textwrap.wrap(
        f"{title}: {count} seed{'s' if count != 1 else ''}, {inputs}"
        f"{epochs['num_recorded']} snapshots, "
        f"epochs {epochs['first']} to {epochs['last']}",
        _WIDTH,
    )
    if any(value is not None for value in ceilings.values()):
        lines.append(
            f"Ceilings: H(Y) {_number(ceilings['h_y_bits'], '.3f')}, "
            f"I(X;Y) {_number(ceilings['i_xy_bits'], '.3f')}, "
            f"log2 N {_number(ceilings['log2_num_samples_bits'], '.2f')} bits"
        )
    if summary["at_ceiling"]:
        text = f"{CEILING_WORDS}: {ceiling_list(summary['at_ceiling'])}"
        lines += textwrap.wrap(text, _WIDTH)
    lines += [
        *_training_lines(summary["training"]),
        f"Diverged seeds: {_listing(summary['diverged_seeds'])}",
    ]
    if summary["collapsed_seeds"]:
        collapsed = _listing(summary["collapsed_seeds"])
        lines.append(f"Seeds whose code collapsed to its prior: {collapsed}")
    if summary["unfinished_seeds"]:
        lines.append(
            f"Seeds without final values: {_listing(summary['unfinished_seeds'])}"
        )
    for entry in summary["estimators"]:
        if estimator in (None, entry["estimator"]):
            lines += ["", *_estimator(entry)]
    if summary["gradients"]:
        lines += ["", "Gradient SNR falls below one for good", *_turning(summary)]
    if summary["optimality"]:
        lines += ["", "Trained layers against the optimal curve, binning, in bits"]
        lines += _optimality(summary)
    violations = summary["data_processing"]["violations"]
    if violations:
        named = sorted({v["estimator"] for v in violations})
        text = (
            f"Data processing: information rises between {len(violations)} pairs of "
            f"adjacent layers ({', '.join(named)})"
        )
        lines += ["", *textwrap.wrap(text, _WIDTH)]
    return "\n".join(lines)


def format_grid(summary: dict[str, Any], *, estimator: str | None) -> str:
    """A grid's summary as plain text: the compression of every layer of every cell.

    Args:
      summary: Result of :func:`ibjax.results.summarize_grid`.
      estimator: The estimator to show; None for a grid that measured no information,
        whose accuracy or error is all there is.

    Returns:
      Lines without a newline at the end. A star marks a layer that compresses, a
      question mark one that is undecided.

    Raises:
      ValueError: If no cell has the estimator.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> from ibjax.results import summarize_grid
      >>> summary = summarize_grid(example_grid(num_seeds=5))
      >>> text = format_grid(summary, estimator="binning")
      >>> rows = [line.split() for line in text.splitlines()]
      >>> print(next(row[:4] for row in rows if row[:1] == ["relu"]))
      ['relu', '-', '0.9598', '0.00']
    """
    measure, title = "test_accuracy", "test acc."
    if any(
        cell["summary"]["training"]["test_squared_error"]["mean"] is not None
        for cell in summary["cells"]
    ):
        measure, title = "test_squared_error", "test error"
    rows = []
    for cell in summary["cells"]:
        layers = [
            entry["layers"]
            for entry in cell["summary"]["estimators"]
            if entry["estimator"] == estimator
        ]
        if not layers and estimator is not None:
            raise ValueError(f"estimator must be one of the grid's, got {estimator!r}")
        num_diverged = len(cell["summary"]["diverged_seeds"])
        rows.append(
            [
                place_text(cell["place"]),
                str(num_diverged or "-"),
                _number(cell["summary"]["training"][measure]["mean"], ".4f"),
                *map(_marked, layers[0] if layers else ()),
            ]
        )
    # Networks of one grid may differ in depth.
    num_layers = max(map(len, rows)) - 3
    header = ["", "diverged", title, *(f"{n + 1} " for n in range(num_layers))]
    named = _named_seeds(summary["cells"])
    if estimator is None:
        return "\n".join(["At the last epoch:", *_table(header, rows), *named])
    lines = [
        "Compression of each layer, the largest I(X;T) less the last, in bits",
        f"by {estimator} (* compresses by more than 0.1 bit, ? undecided):",
        *_table(header, rows),
        *named,
    ]
    listed = [
        f"{place_text(cell['place'])}: {ceiling_list(cell['summary']['at_ceiling'])}"
        for cell in summary["cells"]
        if cell["summary"]["at_ceiling"]
    ]
    if listed:
        text = f"{CEILING_WORDS}. {'; '.join(listed)}"
        lines += ["", *textwrap.wrap(text, _WIDTH)]
    return "\n".join(lines)


def format_violations(found: dict[str, Any]) -> str:
    """Violations of the data-processing inequality as plain text, in bits.

    Args:
      found: Result of :func:`ibjax.results.data_processing.summarize_violations`.

    Returns:
      Lines without a newline at the end: the number of comparisons by verdict, and one
      row per violation with its epochs and its largest rise, ``+-`` half the width of
      the interval. ``seeds`` are those that rise at the epoch of the largest rise.

    Example:
      >>> from ibjax.results.data_processing import (
      ...     data_processing_violations, summarize_violations)
      >>> from ibjax.results.example import example_dataset
      >>> dataset = example_dataset(num_seeds=5, estimators=("binning",))
      >>> dataset["i_ty"].loc[{"layer": 4, "epoch": 10000}] += 0.5
      >>> found = summarize_violations(data_processing_violations(dataset))
      >>> print(format_violations(found).splitlines()[-1])
      binning    I(T;Y)    3 -> 4  1 of 60: 10000  0.711 +- 0.021     10000    5/5
    """
    counts = ", ".join(
        f"{found['verdicts'][verdict]} {word}" for verdict, word in _COMPARISONS.items()
    )
    lines = [
        f"Data processing: {counts}",
        f"Of {found['num_differences']} differences of single seeds "
        f"{found['num_rising']} are rises",
    ]
    if not found["violations"]:
        return "\n".join([*lines, "No mean over seeds rises beyond its interval"])
    rows = []
    for v in found["violations"]:
        epochs = v["epochs"]
        extent = "" if len(epochs) == 1 else f" to {epochs[-1]}"
        half = (v["high_bits"] - v["low_bits"]) / 2.0
        rows.append(
            (
                v["estimator"],
                _SYMBOLS[v["quantity"]],
                f"{v['layer']} -> {v['next_layer']}",
                f"{len(epochs)} of {found['num_epochs']}: {epochs[0]}{extent}",
                f"{v['rise_bits']:.3f} +- {half:.3f}",
                str(v["epoch"]),
                f"{v['num_rising']}/{v['num_seeds']}",
            )
        )
    header = ("estimator", "quantity", "layers", "epochs", "largest rise")
    note = (
        f"Rise: mean over seeds +- {100.0 * found['confidence']:g} % interval, not "
        "corrected for their number"
    )
    table = _table((*header, "at epoch", "seeds"), rows, num_text=4)
    return "\n".join([*lines, note, "", *table])


def _training_lines(training: dict[str, Any]) -> list[str]:
    def line(name, key, digits, unit=""):
        train, test = (
            _plus_minus(training[f"{split}_{key}"], digits)
            for split in ("train", "test")
        )
        return f"Final {name}: train {train}, test {test}{unit}"

    if training["train_squared_error"]["mean"] is not None:
        return [line("squared error", "squared_error", 3)]
    return [line("loss", "loss_bits", 3, " bits"), line("accuracy", "accuracy", 4)]


def _estimator(entry: dict[str, Any]) -> list[str]:
    header = (
        "layer",
        "max\nI(X;T)",
        "final\nI(X;T)",
        "compression",
        "epoch\nof max",
        "seeds",
        "final\nI(T;Y)",
        "compresses",
    )
    rows = [
        (
            f"{layer['layer']} {layer['name']}",
            _number(layer["i_xt_max_bits"]["mean"], ".2f"),
            _number(layer["i_xt_final_bits"]["mean"], ".2f"),
            _ends(layer["compression_bits"]),
            _number(layer["epoch_of_max"]["median"], ".0f"),
            f"{layer['num_seeds_compressing']}/{layer['num_seeds']}",
            _number(layer["i_ty_final_bits"]["mean"], ".2f"),
            _VERDICTS.get(layer["verdict"], layer["verdict"]),
        )
        for layer in entry["layers"]
    ]
    # By KDE it is a difference of two bounds.
    no_bound = entry["estimator"].startswith("kde")
    return [
        f"{entry['estimator']}: {entry['label']}, in bits"
        + (" (I(T;Y) is no bound)" if no_bound else ""),
        *_table(header, rows),
    ]


def _turning(summary: dict[str, Any]) -> list[str]:
    rows = [
        (
            f"{layer['layer']} {layer['name']}",
            _number(layer["turning_epoch"]["median"], ".0f"),
            f"{layer['num_seeds_turning']}/{layer['num_seeds']}",
            str(layer["num_seeds_below_from_start"]),
        )
        for layer in summary["gradients"]
    ]
    return _table(("layer", "at epoch", "seeds", "from the start"), rows)


def _optimality(summary: dict[str, Any]) -> list[str]:
    rows = [
        (
            f"{layer['layer']} {layer['name']}",
            _plus_minus(layer["generalization_gap_bits"], 3),
            _plus_minus(layer["complexity_gap_bits"], 2),
            _number(layer["optimal_beta"]["median"], ".4g"),
            _plus_minus(layer["divergence_bits"], 2),
        )
        for layer in summary["optimality"]
    ]
    header = ("layer", "I(T;Y) missing", "I(X;T) in excess", "beta", "divergence")
    return _table(header, rows)


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _plus_minus(interval: dict[str, Any], digits: int) -> str:
    if interval["mean"] is None:
        return "-"
    mean = f"{interval['mean']:.{digits}f}"
    if interval["high"] is None:
        return mean
    return f"{mean} +- {interval['high'] - interval['mean']:.{digits}f}"


def _ends(interval: dict[str, Any]) -> str:
    """Ends of an interval that need not be symmetric; its mean with too few seeds."""
    if interval["high"] is None:
        return _number(interval["mean"], ".2f")
    return f"{interval['low']:.2f} to {interval['high']:.2f}"


def _marked(layer: dict[str, Any]) -> str:
    mean = layer["compression_bits"]["mean"]
    # A blank as wide as a mark keeps the decimal points below each other.
    mark = {"compresses": "*", "undecided": "?"}.get(layer["verdict"], " ")
    return f"{_number(mean, '.2f')}{mark}"


def _named_seeds(cells: Sequence[dict[str, Any]]) -> list[str]:
    """Lines that name the seeds of each cell that diverged, or whose code collapsed."""
    lines = []
    for word in ("diverged", "collapsed"):
        found = [
            f"{place_text(cell['place'])}: {_listing(seeds)}"
            for cell in cells
            if (seeds := cell["summary"][f"{word}_seeds"])
        ]
        if found:
            text = f"Seeds that {word}. {'; '.join(found)}"
            lines += ["", *textwrap.wrap(text, _WIDTH)]
    return lines


def _listing(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"


def _table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    num_text: int = 1,
) -> list[str]:
    """Lines of a table; the first ``num_text`` columns are text, the others numbers."""
    for gap in (2, 1):  # Closer together where the terminal would break the rows.
        lines = _lines(header, rows, num_text, gap)
        if max(map(len, lines)) <= _WIDTH:
            break
    return lines


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
    console = Console(
        file=io.StringIO(),
        width=10_000,
        color_system=None,
        markup=False,
        emoji=False,
        force_jupyter=False,
    )
    console.print(table)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]
