"""Summaries of sweeps as text."""

from __future__ import annotations

from typing import Any

from ibjax.results.cells import place_text

__all__ = ["format_summary", "format_grid"]


def format_summary(summary: dict[str, Any], *, estimator: str | None = None) -> str:
    """A summary as plain text for a terminal, informations in bits.

    ``seeds`` counts those whose compression exceeds 0.1 bit; ``I(T;Y)`` is the last
    value's mean. The dictionary holds more, e.g. the quartiles of the epochs.

    Args:
      summary: What :func:`summarize` returns, or the same read back from JSON.
      estimator: The one estimator to show; all by default.

    Returns:
      Lines of at most 100 characters, without a newline at the end. ``+-`` is half
      the width of a 95 % interval; a dash stands for a number that does not exist.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> from ibjax.results import summarize
      >>> text = format_summary(summarize(example_dataset(num_seeds=5)))
      >>> print(text.splitlines()[0])
      Synthetic example: 5 seeds, 4096 inputs, 60 snapshots, epochs 0 to 10000
    """
    epochs, training, ceilings = (
        summary[key] for key in ("epochs", "training", "ceilings")
    )
    title = summary["title"] or summary["task"] or "sweep"
    count = summary["num_seeds"]
    inputs = f"{summary['num_samples']} inputs, " if summary["num_samples"] else ""
    lines = [
        f"{title}: {count} seed{'s' if count != 1 else ''}, {inputs}"
        f"{epochs['num_recorded']} snapshots, "
        f"epochs {epochs['first']} to {epochs['last']}"
    ]
    if any(value is not None for value in ceilings.values()):
        lines.append(
            f"Ceilings: H(Y) {_number(ceilings['h_y_bits'], '.3f')}, "
            f"I(X;Y) {_number(ceilings['i_xy_bits'], '.3f')}, "
            f"log2 N {_number(ceilings['log2_num_samples_bits'], '.2f')} bits"
        )
    lines += [
        *_training_lines(training),
        f"Diverged seeds: {_listing(summary['diverged_seeds'])}",
    ]
    if summary["unfinished_seeds"]:
        lines.append(
            f"Seeds without final values: {_listing(summary['unfinished_seeds'])}"
        )
    for entry in summary["estimators"]:
        if estimator not in (None, entry["estimator"]):
            continue
        no_bound = (
            " (I(T;Y) here is no bound)" if entry["estimator"].startswith("kde") else ""
        )
        header = ("layer", "max I(X;T)", "final I(X;T)", "compression")
        header += ("at epoch", "seeds", "I(T;Y)", "verdict")
        rows = [
            (
                f"{layer['layer']} {layer['name']}",
                _plus_minus(layer["i_xt_max_bits"], 2),
                _plus_minus(layer["i_xt_final_bits"], 2),
                _plus_minus(layer["compression_bits"], 2),
                _number(layer["epoch_of_max"]["median"], ".0f"),
                f"{layer['num_seeds_compressing']}/{layer['num_seeds']}",
                _number(layer["i_ty_final_bits"]["mean"], ".2f"),
                layer["verdict"],
            )
            for layer in entry["layers"]
        ]
        lines += ["", f"{entry['estimator']}: {entry['label']}, in bits{no_bound}"]
        lines += _table(header, rows)
    rows = [
        (
            f"{layer['layer']} {layer['name']}",
            _number(layer["turning_epoch"]["median"], ".0f"),
            f"{layer['num_seeds_turning']}/{layer['num_seeds']}",
            str(layer["num_seeds_below_from_start"]),
        )
        for layer in summary["gradients"]
    ]
    if rows:
        lines += ["", "Gradient SNR falls below one for good"]
        lines += _table(("layer", "at epoch", "seeds", "from the start"), rows)
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
    if rows:
        header = ("layer", "I(T;Y) missing", "I(X;T) in excess", "beta", "divergence")
        lines += ["", "Trained layers against the optimal curve, binning, in bits"]
        lines += _table(header, rows)
    violations = summary["data_processing"]["violations"]
    if violations:
        named = sorted({v["estimator"] for v in violations})
        lines += [
            "",
            f"Data processing: {len(violations)} pairs of layers where a later one "
            f"seems to know more ({', '.join(named)})",
        ]
    return "\n".join(lines)


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


def _number(value: float | None, spec: str) -> str:
    return "-" if value is None else format(value, spec)


def _plus_minus(interval: dict[str, Any], digits: int) -> str:
    if interval["mean"] is None:
        return "-"
    mean = f"{interval['mean']:.{digits}f}"
    if interval["high"] is None:
        return mean
    return f"{mean} +- {interval['high'] - interval['mean']:.{digits}f}"


def _listing(seeds: list[int]) -> str:
    return ", ".join(str(seed) for seed in seeds) or "none"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    columns = list(zip(header, *rows, strict=True))
    # Text on the left, numbers on the right.
    padded = [
        [
            cell.ljust(max(map(len, column)))
            if i == 0 or column[1][:1].isalpha()
            else cell.rjust(max(map(len, column)))
            for cell in column
        ]
        for i, column in enumerate(columns)
    ]
    return ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]


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
      >>> from ibjax.results.example import example_grid
      >>> from ibjax.results import summarize_grid
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


def _layer(layer: dict[str, Any]) -> str:
    mean = layer["compression_bits"]["mean"]
    if mean is None:
        return "-"
    mark = {"compresses": "*", "undecided": "?"}.get(layer["verdict"], " ")
    return f"{mean:.2f}{mark}"
