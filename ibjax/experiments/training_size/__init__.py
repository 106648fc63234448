"""Figure 3 of Shwartz-Ziv and Tishby (2017): 5, 45 and 85 % of the data to train on.

    ibjax reproduce training-size
    ibjax reproduce training-size --quick
    ibjax reproduce training-size --from ibjax-training-size

50 networks for each fraction, 10,000 epochs, which take a minute on two cores; the
sweeps are those of ``ibjax sweep training-size``.
"""

from ibjax import plots
from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.szt.setup import SztSetup
from ibjax.experiments.training_size.claims import training_size_claims

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="training-size",
    title="Training size (Shwartz-Ziv and Tishby, Fig. 3)",
    summary="5, 45 and 85 % of the inputs to train on (Shwartz-Ziv and Tishby, Fig. "
    "3).",
    setup=SztSetup(
        train_fraction=(0.05, 0.45, 0.85), estimators=("binning", "bin-width")
    ),
    full=Scale(50, 10_000, 40),
    quick=Scale(5, 1_000, 12),
    claims=training_size_claims,
    figures=lambda dataset: {"training_size": plots.grid_planes(dataset)},
    plain=True,
)
