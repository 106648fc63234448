"""Many seeds at once: one compiled program, saved as it goes, and grids of sweeps."""

from ibjax.sweeps import processes
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.sweeps.networks import network_trainable
from ibjax.sweeps.program import seed_key
from ibjax.sweeps.replay import Replay, replay
from ibjax.sweeps.runs import Progress, snapshot_epochs
from ibjax.sweeps.seeds import sweep, sweep_trainable

__all__ = [
    "Cell",
    "Progress",
    "Replay",
    "network_trainable",
    "processes",
    "replay",
    "seed_key",
    "snapshot_epochs",
    "sweep",
    "sweep_grid",
    "sweep_trainable",
]
