"""A small sweep, which most tests of sweeps start from."""

import jax

from ibjax import probes
from ibjax.estimators import binning
from ibjax.sweeps.seeds import sweep

SNAPSHOTS = (0, 1, 3)
LIGHT = (probes.bin_edges(binning.SZT_EDGES), probes.losses)


def run(task, network, config, **options):
    arguments = {"num_seeds": 5, "snapshots": SNAPSHOTS} | options
    return sweep(jax.random.key(3), task, network, config, **arguments)
