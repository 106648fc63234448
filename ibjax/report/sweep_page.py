"""The report's page: a summary, figures and a player as one HTML document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ibjax.report.html import (
    PageFigure,
    document,
    escaped,
    facts_html,
    figure_html,
    parsed,
    run_facts,
    table_html,
)

__all__ = ["report_page"]


_CAVEATS = (
    (
        "Compression",
        "The largest recorded I(X;T) less the last, seed by seed. The largest value "
        "of a noisy curve is biased upward, so jitter alone makes this positive; the "
        "verdicts ask for more than {threshold:g} bit. A verdict is about the "
        "estimate under its noise model, not about the network's map, which may "
        "stay one to one throughout.",
    ),
    (
        "Binning",
        "Assumes that activities are read with the resolution of the bins. The map "
        "from inputs to bins is deterministic, so I(X;T) is the entropy of the "
        "occupied bins, at most log2 of the number of inputs. It depends on the "
        "width and the place of the bins: saturating units gather in the outermost "
        "bins, which lowers I(X;T) whether or not information is lost in any other "
        "sense. With as many occupied bins as inputs both informations sit at their "
        "ceilings and say nothing.",
    ),
    (
        "KDE bounds",
        "Assume Gaussian noise of one variance added to every unit, in the estimate "
        "and not in the network; the numbers depend on that variance relative to the "
        "activities. Under that noise and for inputs drawn from the finite set, the "
        "true I(X;T) lies between the lower and the upper bound.",
    ),
    (
        "I(T;Y) by KDE",
        "The bound on the entropy of T less the bounds on its entropy within each "
        "class: a difference of two bounds, itself neither an upper nor a lower "
        "bound, whichever of the two names it carries. It may exceed I(X;Y).",
    ),
    (
        "Intervals",
        "95 % Student t intervals of the mean over seeds. They cover the variation "
        "between seeds and not the bias of an estimator.",
    ),
    (
        "Gradient SNR",
        "It turns at the first snapshot where it is below one there and at the next "
        "two, and at nine tenths or more of the snapshots from there on. Turning "
        "epochs are as coarse as the snapshots, and their nearness to the epoch of "
        "the largest I(X;T) is no evidence of a cause.",
    ),
)


def report_page(
    summary: dict[str, Any],
    figures: Sequence[PageFigure],
    player: str,
    *,
    attributes: dict[str, Any],
) -> str:
    """HTML of a report that holds everything it shows.

    Args:
      summary: What :func:`ibjax.results.summary.summarize` returns.
      figures: Figures in order.
      player: HTML of the player, from :func:`ibjax.report.player.player_fragment`.
      attributes: Attributes of the dataset: ``configuration`` and ``versions`` as
        JSON, ``devices``, ``created``, ``wall_seconds``, ``compile_seconds``.

    Returns:
      HTML document that opens from the file system and loads nothing.

    Example:
      >>> from ibjax.results.example import example_dataset
      >>> from ibjax.results.summary import summarize
      >>> page = report_page(summarize(example_dataset()), [], "", attributes={})
      >>> "<h1>Synthetic example</h1>" in page
      True
    """
    title = escaped(summary["title"] or summary["task"] or "Sweep")
    parts = [
        f"<h1>{title}</h1>\n<p class='lead'>{_lead(summary)}</p>\n",
        _warnings(summary),
        "<h2>Summary</h2>\n<p>Means over seeds with 95 % intervals of the mean; "
        "informations and cross-entropies in bits.</p>\n",
        _overview(summary),
        *(_estimator(entry, summary) for entry in summary["estimators"]),
        _turning(summary),
        _optimality(summary),
        _data_processing(summary),
        "<h2>Information plane over the epochs</h2>\n",
        player,
        "<h2>Figures</h2>\n",
        *(figure_html(figure) for figure in figures),
        "<h2>What the numbers assume</h2>\n",
        *(
            f"<p><strong>{name}.</strong> "
            f"{text.format(threshold=summary['compression_threshold_bits'])}</p>\n"
            for name, text in _CAVEATS
        ),
        "<h2>Configuration</h2>\n",
        facts_html(parsed(attributes.get("configuration"))),
        "<h2>Versions and machine</h2>\n",
        facts_html(parsed(attributes.get("versions")) | run_facts(attributes)),
    ]
    return document(title, "".join(parts))


def _lead(summary: dict[str, Any]) -> str:
    epochs, count = summary["epochs"], summary["num_seeds"]
    inputs = f"{summary['num_samples']} inputs, " if summary["num_samples"] else ""
    return escaped(
        f"{count} seed{'s' if count != 1 else ''}, {inputs}"
        f"{epochs['num_recorded']} snapshots from epoch {epochs['first']} to "
        f"{epochs['last']}"
    )


def _warnings(summary: dict[str, Any]) -> str:
    lines = []
    for key, text in (
        ("diverged_seeds", "Seeds whose parameters became non-finite"),
        ("unfinished_seeds", "Seeds without values at the last epoch"),
    ):
        if summary[key]:
            seeds = ", ".join(str(seed) for seed in summary[key])
            lines.append(f"{text}, left out of the summary: {seeds}.")
    return "".join(f"<p class='warning'>{escaped(line)}</p>\n" for line in lines)


def _overview(summary: dict[str, Any]) -> str:
    training, ceilings = summary["training"], summary["ceilings"]
    shown = [("cross-entropy (bits)", "loss_bits"), ("accuracy", "accuracy")]
    if training["train_squared_error"]["mean"] is not None:
        shown = [("squared error", "squared_error")]
    rows = [
        [f"final {name}"]
        + [_cell(training[f"{split}_{key}"], 4) for split in ("train", "test")]
        for name, key in shown
    ]
    known = [
        f"{name} = {ceilings[key]:.4g} bits"
        for name, key in (
            ("H(Y)", "h_y_bits"),
            ("I(X;Y)", "i_xy_bits"),
            ("log2 N", "log2_num_samples_bits"),
        )
        if ceilings[key] is not None
    ]
    return table_html(["", "train", "test"], rows) + (
        f"<p>Ceilings: {escaped(', '.join(known))}.</p>\n" if known else ""
    )


def _estimator(entry: dict[str, Any], summary: dict[str, Any]) -> str:
    threshold = f"seeds above {summary['compression_threshold_bits']:g} bit"
    header = ["layer", "verdict", "max I(X;T)", "final I(X;T)", "compression"]
    header += [threshold, "epoch of the max (quartiles)", "final I(T;Y)"]
    rows = [
        [
            f"{layer['layer']}: {layer['name']}",
            layer["verdict"],
            _cell(layer["i_xt_max_bits"], 3),
            _cell(layer["i_xt_final_bits"], 3),
            _cell(layer["compression_bits"], 3),
            f"{layer['num_seeds_compressing']} of {layer['num_seeds']}",
            _spread(layer["epoch_of_max"]),
            _cell(layer["i_ty_final_bits"], 3),
        ]
        for layer in entry["layers"]
    ]
    note = ""
    if entry["estimator"].startswith("kde"):
        note = "<p>I(T;Y) here is a difference of two bounds and itself no bound.</p>\n"
    return f"<h3>{escaped(entry['label'])}</h3>\n{note}{table_html(header, rows)}"


def _turning(summary: dict[str, Any]) -> str:
    rows = [
        [
            f"{layer['layer']}: {layer['name']}",
            _spread(layer["turning_epoch"]),
            f"{layer['num_seeds_turning']} of {layer['num_seeds']}",
            str(layer["num_seeds_below_from_start"]),
        ]
        for layer in summary["gradients"]
    ]
    if not rows:
        return ""
    header = ["layer", "epoch (quartiles)", "seeds", "below one from the start"]
    return (
        "<h3>Where the gradient's signal-to-noise ratio falls below one</h3>\n"
        + table_html(header, rows)
    )


def _optimality(summary: dict[str, Any]) -> str:
    if not summary["optimality"]:
        return ""
    rows = [
        [
            f"{layer['layer']} {layer['name']}",
            _cell(layer["generalization_gap_bits"], 3),
            _cell(layer["complexity_gap_bits"], 2),
            _quantile(layer["optimal_beta"]["median"]),
            _cell(layer["divergence_bits"], 2),
        ]
        for layer in summary["optimality"]
    ]
    header = ["layer", "I(T;Y) missing", "I(X;T) in excess", "beta", "divergence"]
    return (
        "<h3>Trained layers against the optimal curve, binning (bits)</h3>\n"
        + table_html(header, rows)
        + "<p>Missing: what the best representation of the same I(X;T) knows of Y "
        "beyond the layer. In excess: what the layer keeps of X beyond the least that "
        "allows its I(T;Y). Beta and divergence: of the closest optimal encoder of the "
        "layer's own bins.</p>\n"
    )


def _data_processing(summary: dict[str, Any]) -> str:
    text = summary["data_processing"]["text"]
    if not text:
        return ""
    return (
        "<h3>Data processing</h3>\n<p>A later layer knows no more than the one it "
        "reads. Here it can seem to: each is binned or given noise by itself.</p>\n"
        f"<div class='scroll'><pre>{escaped(text)}</pre></div>\n"
    )


def _quantile(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _cell(interval: dict[str, Any], digits: int) -> str:
    if interval["mean"] is None:
        return "\N{EN DASH}"
    mean = f"{interval['mean']:.{digits}f}"
    if interval["high"] is None:
        return mean
    half = interval["high"] - interval["mean"]
    return f"{mean} \N{PLUS-MINUS SIGN} {half:.{digits}f}"


def _spread(quartiles: dict[str, Any]) -> str:
    if quartiles["median"] is None:
        return "\N{EN DASH}"
    return (
        f"{quartiles['median']:.0f} ({quartiles['lower_quartile']:.0f} to "
        f"{quartiles['upper_quartile']:.0f})"
    )
