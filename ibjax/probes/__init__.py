"""Quantities measured at a snapshot: pure functions of one network as it stands."""

from ibjax.probes.layer_optimality import optimality
from ibjax.probes.layers import (
    bin_edges,
    bin_width,
    default_probes,
    kde_bounds,
    nearest_neighbours,
)
from ibjax.probes.probe import InformationProbe, LastProbe, Probe
from ibjax.probes.snapshot import Snapshot, take_snapshot
from ibjax.probes.training import gradients, losses

__all__ = [
    "InformationProbe",
    "LastProbe",
    "Probe",
    "Snapshot",
    "bin_edges",
    "bin_width",
    "default_probes",
    "gradients",
    "kde_bounds",
    "losses",
    "nearest_neighbours",
    "optimality",
    "take_snapshot",
]
