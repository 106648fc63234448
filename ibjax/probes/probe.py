"""Types of probes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ibjax.estimators import LayerInformation
from ibjax.probes.snapshot import Snapshot

__all__ = ["Probe", "InformationProbe", "LastProbe"]


Probe = Callable[[Snapshot], dict[str, Any]]
"""A quantity to record: from a snapshot to named arrays."""


class InformationProbe(NamedTuple):
    """A probe that places the layers on the information plane.

    Attributes:
      measure: The probe itself.
      labels: What each estimator it returns is, in words, by name.
      parameters: Its parameters exactly; a saved sweep is resumed only with the same.
    """

    measure: Probe
    labels: dict[str, str]
    parameters: dict[str, Any]

    def __call__(self, snapshot: Snapshot) -> dict[str, LayerInformation]:
        """Measure one snapshot."""
        return self.measure(snapshot)


class LastProbe(NamedTuple):
    """A probe of the trained network: it runs at the last snapshot, and only there.

    Attributes:
      measure: The probe itself; at earlier snapshots its numbers are NaN.
      parameters: Its parameters exactly; a saved sweep is resumed only with the same.
      constants: What is the same for every network and kept with the results, by name:
        dims and array, as xarray takes them.
    """

    measure: Probe
    parameters: dict[str, Any]
    constants: dict[str, tuple[str, np.ndarray]]

    def __call__(self, snapshot: Snapshot) -> dict[str, Any]:
        """Measure one snapshot."""
        return self.measure(snapshot)
