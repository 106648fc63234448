"""What a page says first: sentences of a summary, and words for who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ibjax.results.cells import place_text
from ibjax.results.verdicts import verdicts_of

__all__ = [
    "cell_verdicts",
    "disagreements",
    "grid_disagreements",
    "grid_verdict",
    "layers_by_verdict",
    "plane_in_words",
    "verdict",
]

_KINDS = {
    "compresses": ("compresses", "compress"),
    "undecided": ("is undecided", "are undecided"),
    "does not compress": ("does not compress", "do not compress"),
    "no data": ("has no data", "have no data"),
}


def verdict(summary: dict[str, Any], estimator: str) -> str:
    """Sentence that says which layers of a sweep compress, by one estimator."""
    entry = _entry(summary, estimator)
    threshold = f"by more than {summary['compression_threshold_bits']:g} bit"
    return (
        f"By {entry['label']}, {layers_by_verdict(entry['layers'])}. A layer "
        f"compresses if its I(X;T) falls from its largest value {threshold}, with the "
        "whole 95 % interval."
    )


def layers_by_verdict(layers: Sequence[dict[str, Any]]) -> str:
    """Layers of an estimator, by what is said of them.

    Example:
      >>> layers = [{"layer": n, "verdict": "compresses"} for n in (1, 2)]
      >>> layers_by_verdict([*layers, {"layer": 3, "verdict": "undecided"}])
      'layers 1 and 2 compress; layer 3 is undecided'
    """
    parts = []
    for kind, (one, several) in _KINDS.items():
        found = [layer["layer"] for layer in layers if layer["verdict"] == kind]
        if found:
            parts.append(f"{_named(found)} {several if len(found) > 1 else one}")
    return "; ".join(parts)


def disagreements(summary: dict[str, Any]) -> list[str]:
    """Sentences on layers that compress by some estimators and do not by others."""
    return [
        f"Estimators disagree on layer {layer}: it compresses by "
        f"{_listed(by['compresses'])}, and does not by "
        f"{_listed(by['does not compress'])}."
        for layer, by in verdicts_of(summary).disagreements.items()
    ]


def grid_disagreements(summary: dict[str, Any]) -> str:
    """Sentence on the layers of cells on which estimators disagree, if there are any.

    Example:
      >>> from ibjax.results.example import example_grid
      >>> from ibjax.results.summary import summarize_grid
      >>> grid_disagreements(summarize_grid(example_grid(num_seeds=5)))
      ''
    """
    apart = {
        place_text(cell["place"]): list(verdicts_of(cell["summary"]).disagreements)
        for cell in summary["cells"]
    }
    text = "; ".join(f"{place}, {_named(n)}" for place, n in apart.items() if n)
    return f"Estimators disagree: {text}." if text else ""


def grid_verdict(summary: dict[str, Any], estimator: str) -> str:
    """Sentence that says which layers of which cells compress, by one estimator."""
    entry = _entry(summary["cells"][0]["summary"], estimator)
    parts = [
        f"{place_text(cell['place'])}: "
        f"{layers_by_verdict(_entry(cell['summary'], estimator)['layers'])}"
        for cell in summary["cells"]
    ]
    return f"By {entry['label']}. {'. '.join(parts)}."


def cell_verdicts(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a grid's table: of every cell its verdicts, by every estimator."""
    return [
        {
            "place": place_text(cell["place"]),
            "apart": bool(verdicts_of(cell["summary"]).disagreements),
            "verdicts": [
                layers_by_verdict(entry["layers"])
                for entry in cell["summary"]["estimators"]
            ],
        }
        for cell in summary["cells"]
    ]


def plane_in_words(summary: dict[str, Any], estimator: str) -> str:
    """The course of every layer in the information plane, in words."""
    entry = _entry(summary, estimator)
    parts = []
    for layer in entry["layers"]:
        most, last, known = (
            layer[name]["mean"]
            for name in ("i_xt_max_bits", "i_xt_final_bits", "i_ty_final_bits")
        )
        if most is None or last is None or known is None:
            continue
        parts.append(
            f"layer {layer['layer']} has up to {most:.2f} bits of I(X;T) and ends at "
            f"{last:.2f}, with {known:.2f} bits of I(T;Y)"
        )
    return f"By {entry['label']}, means over seeds: {'; '.join(parts) or 'no data'}."


def _entry(summary: dict[str, Any], estimator: str) -> dict[str, Any]:
    (entry,) = (e for e in summary["estimators"] if e["estimator"] == estimator)
    return entry


def _named(layers: Sequence[int]) -> str:
    """Layers by their numbers, three or more that follow each other by their ends."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    words: list[str] = []
    for run in runs:
        words += [f"{run[0]} to {run[-1]}"] if len(run) > 2 else map(str, run)
    return f"layer{'s' if len(layers) > 1 else ''} {_listed(words)}"


def _listed(names: Sequence[str]) -> str:
    first, last = ", ".join(names[:-1]), names[-1]
    return f"{first} and {last}" if first else last
