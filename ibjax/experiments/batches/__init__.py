"""Figure 5 of Saxe et al. (2018): stochastic against full-batch gradient descent.

    ibjax reproduce batches
    ibjax reproduce batches --quick

50 networks each of tanh and ReLU units, with batches of 512 and with the full batch,
by plain gradient descent and by Adam; 10,000 epochs, eight minutes on two cores. The
sweeps are those of ``ibjax sweep batches`` and ``ibjax sweep batches-adam``; ``--from
DIR`` takes the directory that holds both. The gradient's signal-to-noise ratio (SNR),
the bend of the loss and the onset of compression are put on one time axis, and for tanh
units a variant of the SNR: copies of one network that train on a minibatch each,
compared with each other. Claims are by bins of width 0.07, since edges from -1 to 1 cut
ReLU activities off.
"""

import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.claims import Claim
from ibjax.experiments.batches.claims import batch_claims, copy_claims
from ibjax.experiments.batches.copies import copy_sweep
from ibjax.experiments.batches.figures import transitions
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.szt.setup import SztSetup

__all__ = ["EXPERIMENT"]

_FULL = Scale(50, 10_000, 40)
_QUICK = Scale(5, 1_000, 12)
_GRID = {
    "activation": ("tanh", "relu"),
    "batch_size": (512, "full"),
    "estimators": ("binning", "bin-width"),
}
_SGD = SztSetup(optimizer=("sgd",), learning_rate=(0.1,), **_GRID)


def _claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    sgd, adam = datasets["batches"], datasets["batches-adam"]
    found = {
        "SGD": batch_claims(sgd, estimator="bin_width"),
        "Adam": batch_claims(adam, estimator="bin_width"),
        "Copies": copy_claims(datasets["copies"]),
    }
    return [
        claim._replace(claim=f"{name}. {claim.claim}")
        for name, claims in found.items()
        for claim in claims
    ]


def _transitions(dataset: xr.Dataset) -> dict[str, Figure]:
    return {"batches_transitions": transitions(dataset)}


def _figures(datasets: dict[str, xr.Dataset]) -> dict[str, Figure]:
    sgd, adam = datasets["batches"], datasets["batches-adam"]
    return {
        "batches_planes": plots.grid_planes(sgd, estimator="bin_width"),
        "batches_planes_adam": plots.grid_planes(adam, estimator="bin_width"),
        "batches_compression": plots.grid_compression(sgd),
        "batches_transitions": transitions(sgd, estimator="bin_width"),
        "batches_transitions_adam": transitions(adam, estimator="bin_width"),
        "batches_copies": plots.gradients(datasets["copies"]),
    }


EXPERIMENT = Experiment(
    name="batches",
    title="Stochastic against full-batch gradients (Saxe et al., Fig. 5)",
    summary="Stochastic against full-batch gradient descent, plain and with Adam.",
    parts={
        "batches": Part(
            _SGD,
            _FULL,
            _QUICK,
            "Stochastic against full-batch gradient descent (Saxe et al., Fig. 5).",
            figures=_transitions,
        ),
        "batches-adam": Part(
            SztSetup(**_GRID),
            _FULL,
            _QUICK,
            "The same with Adam, as Shwartz-Ziv and Tishby's program.",
            figures=_transitions,
        ),
    },
    derived=lambda datasets: {"copies": copy_sweep(datasets["batches"])},
    claims=_claims,
    figures=_figures,
)
