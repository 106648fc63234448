"""Figure 1 of Saxe et al. (2018): activation functions that compress, by estimator.

    ibjax reproduce activations
    ibjax reproduce activations --quick

50 networks each of tanh, ReLU, softsign, softplus and linear units, Adam, batches of
512, 10,000 epochs; the sweeps are those of ``ibjax sweep activations``. Estimators:
bins between -1 and 1, a hundred bins over the range of the run's activities, both
kernel-density bounds and, on fewer networks and snapshots, nearest neighbours. Eleven
minutes on two cores. ``--from DIR`` takes the directory that holds ``activations`` and
``activations-knn``.
"""

import xarray as xr
from matplotlib.figure import Figure

from ibjax import plots
from ibjax.experiments.activations.claims import activation_claims
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.szt.setup import SztSetup

__all__ = ["EXPERIMENT"]

_ACTIVATIONS = ("tanh", "relu", "softsign", "softplus", "linear")
_SWEEPS = Part(
    SztSetup(activation=_ACTIVATIONS, estimators=("binning", "data-range", "kde")),
    Scale(50, 10_000, 40),
    Scale(5, 1_000, 12),
    "Five activation functions under four estimators (Saxe et al., Fig. 1).",
)
# Nearest neighbours take far longer than the others.
_NEIGHBOURS = Part(
    SztSetup(activation=_ACTIVATIONS, estimators=("knn",)),
    Scale(5, 10_000, 14),
    Scale(2, 1_000, 4),
    quick_setup=SztSetup(activation=("tanh", "relu"), estimators=("knn",)),
)


def _figures(datasets: dict[str, xr.Dataset]) -> dict[str, Figure]:
    sweeps, neighbours = datasets["activations"], datasets["activations-knn"]
    return {
        "activations_planes": plots.grid_planes(sweeps, estimator="binning"),
        # A hundred bins over an unlimited range are coarse: paths are short there.
        "activations_planes_data_range": plots.grid_planes(
            sweeps, estimator="data_range", limits="own"
        ),
        "activations_compression": plots.grid_compression(sweeps),
        "activations_compression_knn": plots.grid_compression(neighbours),
    }


EXPERIMENT = Experiment(
    name="activations",
    title="Activation functions and estimators (Saxe et al., Fig. 1)",
    summary="Activation functions that compress, by estimator (Saxe et al., Fig. 1).",
    parts={"activations": _SWEEPS, "activations-knn": _NEIGHBOURS},
    sweeps={"activations": _SWEEPS},
    claims=lambda datasets: (
        activation_claims(datasets["activations"])
        + activation_claims(datasets["activations-knn"])
    ),
    figures=_figures,
)
