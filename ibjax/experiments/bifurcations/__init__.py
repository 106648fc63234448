"""Division of the information bottleneck's clusters as beta grows.

Tishby and Zaslavsky (2015, Fig. 2) draw the information curve with branches of fewer
clusters that leave it at critical betas. Here are two tables and what was computed: the
inputs of Shwartz-Ziv and Tishby's task with their soft labels, and a small random one.
The claims made of such bifurcations are held against both and printed as a table.

    ibjax reproduce bifurcations
    ibjax reproduce bifurcations --betas 30 --tables random --output try

Each table's curve is computed twice, the second time with betas close to the critical
ones that the first time found, in float64: two minutes on one core.
"""

from ibjax.experiments.bifurcations.curves import BifurcationOptions, run
from ibjax.experiments.experiment import Experiment

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="bifurcations",
    title="Bifurcations of the bottleneck",
    summary="Division of the optimal clusters as beta grows (Tishby and Zaslavsky, "
    "Fig. 2).",
    setup=BifurcationOptions(),
    run=run,
)
