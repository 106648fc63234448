"""Set-up of networks whose task has the paper's soft labels."""

from dataclasses import dataclass

from ibjax import datasets, networks, probes, training
from ibjax.estimators.binning import SZT_EDGES
from ibjax.experiments.setup import Context, Setup
from ibjax.experiments.szt.setup import SOFT_SHARPNESS, SOFT_THRESHOLD
from ibjax.sweeps.grid import Cell

__all__ = ["IbLimitSetup"]

_WIDTHS = (12, 10, 7, 5, 4, 3, 2)


@dataclass(frozen=True)
class IbLimitSetup(Setup):
    """Shwartz-Ziv and Tishby's networks on the soft rule, beside the optimal curve.

    Attributes:
      sharpness: Slope of the sigmoid that softens the labels, per unit of score; with
        the threshold it gives the paper's I(X;Y) of 0.99 bits.
      threshold: Score at which both labels are equally likely.
    """

    positive_fields = ("sharpness",)

    sharpness: float = SOFT_SHARPNESS
    threshold: float = SOFT_THRESHOLD

    def cells(self, context: Context) -> list[Cell]:
        """The one cell of the grid; see the base class."""
        self.check()
        task = datasets.szt(self.sharpness, self.threshold)
        network = networks.mlp(_WIDTHS)
        measured = [
            # The authors' bins of tanh, from -1 to 1.
            probes.bin_edges(SZT_EDGES),
            probes.optimality(task),
            probes.losses,
        ]
        config = training.TrainConfig(shuffle_seed=context.random_seed)
        own = {"sharpness": self.sharpness, "threshold": self.threshold}
        return [self.cell(context, {}, task, network, config, measured, own)]
