"""Information-bottleneck analysis of deep networks in JAX.

Every room is there after ``import ibjax``, and is imported when it is first looked at.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibjax import (
        attribution,
        bottleneck,
        claims,
        compilation,
        datasets,
        estimators,
        measures,
        networks,
        plots,
        probes,
        report,
        representations,
        results,
        sweeps,
        training,
        weights,
    )
    from ibjax.sweeps.recorded import information_plane
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
    "claims",
    "compilation",
    "datasets",
    "estimators",
    "gradients",
    "information_plane",
    "measures",
    "networks",
    "objectives",
    "plots",
    "probes",
    "replay",
    "report",
    "representations",
    "results",
    "snapshot_epochs",
    "sweep",
    "sweeps",
    "training",
    "weights",
]

# Modules of the names that are no rooms themselves.
_MODULES = {
    "TrainConfig": "training.config",
    "gradients": "training",
    "information_plane": "sweeps.recorded",
    "objectives": "training",
    "replay": "sweeps.replay",
    "snapshot_epochs": "sweeps.runs",
    "sweep": "sweeps.seeds",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _MODULES:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
        globals()[name] = getattr(module, name)
    else:
        globals()[name] = importlib.import_module(f"{__name__}.{name}")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted(globals().keys() | set(__all__))
