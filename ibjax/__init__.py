"""Information-bottleneck analysis of deep networks in JAX."""

from ibjax import (
    attribution,
    bottleneck,
    datasets,
    estimators,
    measures,
    networks,
    probes,
    representations,
    results,
    training,
    weights,
)
from ibjax.sweeps.replay import replay
from ibjax.sweeps.runs import snapshot_epochs
from ibjax.sweeps.seeds import sweep
from ibjax.training import gradients, objectives
from ibjax.training.config import TrainConfig

__version__ = "0.2.0"

__all__ = [
    "TrainConfig",
    "attribution",
    "bottleneck",
    "datasets",
    "estimators",
    "gradients",
    "measures",
    "networks",
    "objectives",
    "probes",
    "replay",
    "representations",
    "results",
    "snapshot_epochs",
    "sweep",
    "training",
    "weights",
]
