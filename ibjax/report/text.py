"""Summaries of sweeps and grids as plain text for a terminal."""

from __future__ import annotations

import textwrap
from typing import Any

from ibjax.report.tables import WIDTH, table_lines
from ibjax.report.verdict import grid_disagreements
from ibjax.results.ceiling import CEILING_WORDS, ceiling_list
from ibjax.results.cells import place_text
from ibjax.results.edges import EDGES_WORDS, beyond_edges_list
from ibjax.results.verdicts import verdicts_of

__all__ = ["format_grid", "format_summary", "format_violations"]

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

    First comes whether each layer compresses, by every estimator, and where they
    disagree; then the estimators one by one. Informations are means over seeds.
    ``compression`` is the 95 % interval that decides whether the layer ``compresses``,
    and ``seeds`` counts those that compress by more than 0.1 bit.

    Args:
      summary: Result of :func:`ibjax.results.summarize`, or the same read from JSON.
      estimator: The only estimator to show in detail; all by default.

    Returns:
      Lines without a newline at the end, no wider than 80 characters; long names of
      layers are cut off. ``+-`` is half the width of a 95 % interval; a dash stands for
      a number that does not exist.

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
        WIDTH,
    )
    if any(value is not None for value in ceilings.values()):
        lines.append(
            f"Ceilings: H(Y) {_number(ceilings['h_y_bits'], '.3f')}, "
            f"I(X;Y) {_number(ceilings['i_xy_bits'], '.3f')}, "
            f"log2 N {_number(ceilings['log2_num_samples_bits'], '.2f')} bits"
        )
    if summary["at_ceiling"]:
        text = f"{CEILING_WORDS}: {ceiling_list(summary['at_ceiling'])}"
        lines += textwrap.wrap(text, WIDTH)
    if summary["beyond_edges"]:
        text = f"{EDGES_WORDS}: {beyond_edges_list(summary['beyond_edges'])}"
        lines += textwrap.wrap(text, WIDTH)
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
    if len(summary["estimators"]) > 1:
        lines += ["", *_verdicts(summary)]
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
        lines += ["", *textwrap.wrap(text, WIDTH)]
    return "\n".join(lines)


def format_grid(summary: dict[str, Any], *, estimator: str | None = None) -> str:
    """A grid's summary as plain text: the compression of every layer of every cell.

    Args:
      summary: Result of :func:`ibjax.results.summarize_grid`.
      estimator: The only estimator to show; all by default, below each other, and where
        they disagree. Of a grid that measured no information, accuracy or error is all
        there is.

    Returns:
      Lines without a newline at the end, no wider than 80 characters. A star marks a
      layer that compresses, a question mark one that is undecided.

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
    known = list(
        dict.fromkeys(
            entry["estimator"]
            for cell in summary["cells"]
            for entry in cell["summary"]["estimators"]
        )
    )
    if estimator is not None and estimator not in known:
        raise ValueError(f"estimator must be one of the grid's, got {estimator!r}")
    shown = known if estimator is None else [estimator]
    several = len(shown) > 1
    rows = []
    for cell in summary["cells"]:
        facts = [
            place_text(cell["place"]),
            str(len(cell["summary"]["diverged_seeds"]) or "-"),
            _number(cell["summary"]["training"][measure]["mean"], ".4f"),
        ]
        of_cell = {e["estimator"]: e["layers"] for e in cell["summary"]["estimators"]}
        for name in shown or [None]:
            named = [name] if several else []
            marks = map(_marked, of_cell.get(name, ()))
            rows.append([facts[0], *named, *facts[1:], *marks])
            facts = [""] * 3
    # Networks of one grid may differ in depth.
    num_text = 1 + several
    num_layers = max(map(len, rows)) - num_text - 2
    header = ["", *["by"] * several, "diverged", title]
    header += [f"{n + 1} " for n in range(num_layers)]
    table = table_lines(header, rows, num_text=num_text)
    named = _named_seeds(summary["cells"])
    if not shown:
        return "\n".join(["At the last epoch:", *table, *named])
    by = "" if several else f" by {shown[0]}"
    lines = textwrap.wrap(
        f"Compression of each layer{by}, the largest I(X;T) less the last, in bits (* "
        "compresses by more than 0.1 bit, ? undecided):",
        WIDTH,
    )
    lines += [*table, *named]
    if several and (apart := grid_disagreements(summary)):
        lines += ["", *textwrap.wrap(apart, WIDTH)]
    for words, key, in_words in (
        (CEILING_WORDS, "at_ceiling", ceiling_list),
        (EDGES_WORDS, "beyond_edges", beyond_edges_list),
    ):
        listed = [
            f"{place_text(cell['place'])}: {in_words(cell['summary'][key])}"
            for cell in summary["cells"]
            if cell["summary"][key]
        ]
        if listed:
            lines += ["", *textwrap.wrap(f"{words}. {'; '.join(listed)}", WIDTH)]
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
    table = table_lines((*header, "at epoch", "seeds"), rows, num_text=4)
    return "\n".join([*lines, note, "", *table])


def _verdicts(summary: dict[str, Any]) -> list[str]:
    """Whether layers compress by every estimator, and where these disagree."""
    found = verdicts_of(summary)
    rows = [
        (f"{layer} {name}", *(_VERDICTS.get(v, v) for v in row))
        for layer, name, row in zip(found.layers, found.names, found.table, strict=True)
    ]
    lines = [
        "Layers that compress, by more than "
        f"{summary['compression_threshold_bits']:g} bit",
        *table_lines(("layer", *found.estimators), rows),
    ]
    for layer, by in found.disagreements.items():
        said = ", ".join(
            f"{_VERDICTS[verdict]} by {' and '.join(names)}"
            for verdict, names in by.items()
        )
        text = f"Estimators disagree on layer {layer}: {said}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ")
    return lines


def _training_lines(training: dict[str, Any]) -> list[str]:
    def line(name, key, digits, unit=""):
        train, test = (
            _plus_minus(training[f"{split}_{key}"], digits)
            for split in ("train", "test")
        )
        return f"Final {name}: train {train}, test {test}{unit}"

    if training["train_squared_error"]["mean"] is not None:
        return [line("squared error", "squared_error", 3)]
    # Recorded activities come without, and so do some objectives.
    if all(interval["mean"] is None for interval in training.values()):
        return []
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
        *table_lines(header, rows),
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
    return table_lines(("layer", "at epoch", "seeds", "from the start"), rows)


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
    return table_lines(header, rows)


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


def _named_seeds(cells: list[dict[str, Any]]) -> list[str]:
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
            lines += ["", *textwrap.wrap(text, WIDTH)]
    return lines


def _listing(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"
