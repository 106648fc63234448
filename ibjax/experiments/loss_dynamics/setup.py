"""Set-up of plain gradient descent whose steps are measured."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from ibjax import datasets, networks, probes, training
from ibjax.estimators.binning import SZT_EDGES
from ibjax.experiments.choices import Activation, hidden_widths
from ibjax.experiments.setup import Context, Setup
from ibjax.probes.loss_dynamics import loss_dynamics
from ibjax.sweeps.grid import Cell

__all__ = ["LossSetup"]


@dataclass(frozen=True)
class LossSetup(Setup):
    """Plain gradient descent on Shwartz-Ziv and Tishby's task, its steps measured.

    Attributes:
      hidden: Units of every hidden layer, as 10-7-5-4-3; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      learning_rate: Step size; several are swept.
      batch_size: Rows of a batch, or "full" for the whole training set; several are
        swept. An epoch of the full batch is one step, of batches of 512 seven.
    """

    grid_fields = ("hidden", "activation", "learning_rate", "batch_size")
    number_fields = ("learning_rate",)

    hidden: tuple[str, ...] = ("10-7-5-4-3",)
    activation: tuple[Activation, ...] = ("tanh",)
    learning_rate: tuple[float, ...] = (0.01,)
    batch_size: tuple[int | Literal["full"], ...] = ("full", 512)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by :func:`ibjax.probes.loss_dynamics.loss_dynamics`, bins and
        losses.

        Example:
          >>> cells = LossSetup().cells(Context(snapshots=[0, 1]))
          >>> [cell.place for cell in cells]
          [{'batch_size': 'full'}, {'batch_size': '512'}]
        """
        self.check()
        task = datasets.szt()
        network_of = cache(networks.mlp)
        cells = []
        for chosen, place in self.combinations():
            hidden, activation = hidden_widths(chosen["hidden"]), chosen["activation"]
            widths = (task.num_inputs, *hidden, task.num_classes)
            network = network_of(widths, activation)
            batch_size = chosen["batch_size"]
            config = training.TrainConfig(
                learning_rate=chosen["learning_rate"],
                optimizer="sgd",
                batch_size=None if batch_size == "full" else batch_size,
                shuffle_seed=context.random_seed,
            )
            measured = (
                loss_dynamics(config),
                probes.bin_edges(SZT_EDGES),
                probes.losses,
            )
            own = {
                "hidden": list(hidden),
                "activation": activation,
                "epochs": context.snapshots[-1],
            }
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells
