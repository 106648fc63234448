"""Verdicts of a summary side by side: every layer by every estimator."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Verdicts", "verdicts_of"]

_DECIDED = ("compresses", "does not compress")


class Verdicts(NamedTuple):
    """Whether layers compress, by every estimator.

    Attributes:
      estimators: Names of the estimators.
      layers: Numbers of the layers.
      names: Names of the layers.
      table: Verdict of every layer, ``[layer][estimator]``.
    """

    estimators: list[str]
    layers: list[int]
    names: list[str]
    table: list[list[str]]

    @property
    def disagreements(self) -> dict[int, dict[str, list[str]]]:
        """Estimators by their verdict, for layers on which two are decided otherwise.

        Example:
          >>> found = Verdicts(["a", "b", "c"], [1], ["tanh"], [
          ...     ["compresses", "undecided", "does not compress"]])
          >>> found.disagreements
          {1: {'compresses': ['a'], 'does not compress': ['c']}}
        """
        found = {}
        for layer, row in zip(self.layers, self.table, strict=True):
            by = {
                verdict: [
                    name
                    for name, own in zip(self.estimators, row, strict=True)
                    if own == verdict
                ]
                for verdict in _DECIDED
            }
            if all(by.values()):
                found[layer] = by
        return found


def verdicts_of(summary: dict[str, Any]) -> Verdicts:
    """Verdicts of a sweep's summary, that of :func:`ibjax.results.summarize`.

    Example:
      >>> from ibjax.results import summarize
      >>> from ibjax.results.example import example_dataset
      >>> found = verdicts_of(summarize(example_dataset(num_seeds=5)))
      >>> found.estimators[0], found.table[-1][0]
      ('binning', 'compresses')
    """
    entries = summary["estimators"]
    layers = entries[0]["layers"] if entries else []
    return Verdicts(
        [entry["estimator"] for entry in entries],
        [layer["layer"] for layer in layers],
        [layer["name"] for layer in layers],
        [
            [entry["layers"][n]["verdict"] for entry in entries]
            for n in range(len(layers))
        ],
    )
