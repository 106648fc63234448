"""Information-bottleneck analysis of deep networks in JAX."""

from ibjax import (
    attribution,
    bottleneck,
    datasets,
    estimators,
    measures,
    networks,
    probes,
    results,
    training,
)
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
    "results",
    "snapshot_epochs",
    "sweep",
    "training",
]
