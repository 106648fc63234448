"""Probe: a quantity measured at a snapshot, and what is known of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ibjax.training.trainable import Variable

__all__ = ["Probe", "ProbeFn", "as_probe"]

ProbeFn = Callable[[Any], dict[str, Any]]
"""``probe(snapshot) -> {name: array}``."""


class Probe(NamedTuple):
    """A quantity to record, with its dims, its unit, and what it depends on.

    Attributes:
      measure: From a :class:`~ibjax.probes.Snapshot` to arrays, or
        :class:`~ibjax.estimators.LayerInformation`, by name. Integers and booleans are
        recorded as floats: where there is no number they are NaN.
      labels: What each estimator it returns is, in words, by name.
      parameters: Its parameters exactly; a saved sweep is resumed only with the same.
      variables: Dims, units and long names of the arrays it returns, by name. The dims
        of those not named are guessed: ``layer`` for one axis with an entry per layer,
        names of their own for others.
      constants: What is the same for every network and kept with the results, by name:
        dims and array, as xarray takes them.
      last_only: Whether it runs at the last snapshot only; before, its numbers are NaN.
      name: Short name; ``parameters`` take its place where there are any.
      numbers: Names of the numbers it reads from ``snapshot.numbers``; a sweep must
        vary all of them.
      usually_last: Whether those of its kind run at the last snapshot only; a saved
        sweep keeps what is otherwise.
    """

    measure: ProbeFn
    labels: dict[str, str] = {}
    parameters: dict[str, Any] = {}
    variables: dict[str, Variable] = {}
    constants: dict[str, tuple[str, np.ndarray]] = {}
    last_only: bool = False
    name: str = ""
    numbers: tuple[str, ...] = ()
    usually_last: bool = False

    def __call__(self, snapshot: Any) -> dict[str, Any]:
        """Measure one snapshot."""
        return self.measure(snapshot)

    @property
    def configuration(self) -> dict[str, Any] | str:
        """What the configuration of a run says of it."""
        told = self.parameters or self.name
        # What is as it always was goes without saying, so that older runs can go on.
        if self.last_only == self.usually_last:
            return told
        return {"probe": told, "last_only": self.last_only}


def as_probe(probe: ProbeFn, name: str = "probes") -> Probe:
    """A plain function of a snapshot as a probe, from the argument of this name.

    Raises:
      TypeError: If it is no function.
    """
    if isinstance(probe, Probe):
        return probe
    if not callable(probe):
        raise TypeError(
            f"{name} must be functions of a snapshot, got {type(probe).__name__}"
        )
    return Probe(probe, name=getattr(probe, "__name__", type(probe).__name__))
