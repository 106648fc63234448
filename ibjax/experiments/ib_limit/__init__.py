"""Figure 6 of Shwartz-Ziv and Tishby (2017): trained layers and the optimal curve.

Trains the networks of the information plane on the soft rule, whose I(X;Y) is 0.99
bits, and holds every trained layer against the best representations of the same task:
on the plane, and by the divergence of its encoder from the closest encoder that solves
the bottleneck's equations with the layer's own clusters.

    ibjax reproduce ib-limit
    ibjax reproduce ib-limit --quick
    ibjax reproduce ib-limit --from ibjax-reproduce-ib-limit --output again

A full run, 50 networks and 10,000 epochs, takes three to four minutes on two cores.
"""

from ibjax import plots
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.ib_limit.claims import ib_limit_claims
from ibjax.experiments.ib_limit.setup import IbLimitSetup

__all__ = ["EXPERIMENT"]

_DIRECTORY = "szt_ib_limit"

EXPERIMENT = Experiment(
    name="ib-limit",
    title="Layers and the optimal curve (Shwartz-Ziv and Tishby, Fig. 6)",
    summary="Trained layers against the optimal curve of their task (Shwartz-Ziv and "
    "Tishby, Fig. 6).",
    parts={
        _DIRECTORY: Part(IbLimitSetup(), Scale(50, 10_000, 20), Scale(8, 500, 20)),
    },
    sweeps={},
    claims=lambda datasets: ib_limit_claims(datasets[_DIRECTORY]),
    figures=lambda datasets: {"figure6": plots.optimality(datasets[_DIRECTORY])},
)
