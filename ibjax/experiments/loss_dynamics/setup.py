"""Set-ups of what a step of gradient descent does to the loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ibjax import datasets, networks, probes, training
from ibjax.estimators.binning import SZT_EDGES
from ibjax.experiments.choices import Activation, hidden_widths
from ibjax.experiments.setup import SetupGrid
from ibjax.probes.loss_dynamics import loss_dynamics
from ibjax.sweeps.grid import Cell

__all__ = ["LossSetup", "loss_cells"]


@dataclass(frozen=True)
class LossSetup(SetupGrid):
    """Plain gradient descent on Shwartz-Ziv and Tishby's task, its steps measured.

    Attributes:
      hidden: Units of every hidden layer, as 10-7-5-4-3; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      learning_rate: Step size; several are swept.
      batch_size: Rows of a batch, or "full" for the whole training set; several are
        swept. An epoch of the full batch is one step, of batches of 512 seven.
    """

    grid_fields = ("hidden", "activation", "learning_rate", "batch_size")

    hidden: tuple[str, ...] = ("10-7-5-4-3",)
    activation: tuple[Activation, ...] = ("tanh",)
    learning_rate: tuple[float, ...] = (0.01,)
    batch_size: tuple[int | Literal["full"], ...] = ("full", 512)

    def estimator_texts(self) -> list[str]:
        """What estimates the information, in words."""
        return [f"{len(SZT_EDGES)} bin edges from -1 to 1"]


def loss_cells(
    setup: LossSetup,
    *,
    snapshots: Sequence[int],
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The cells of a set-up's grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

    Each is measured by :func:`ibjax.probes.loss_dynamics.loss_dynamics`, bins and
    losses.

    Args:
      setup: The set-up.
      snapshots: Epochs at which to measure.
      key: Seed of the epochs' shuffles.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells, in the order of the grid.

    Raises:
      ValueError: If a field of the set-up is out of range.

    Example:
      >>> cells = loss_cells(LossSetup(), snapshots=[0, 1])
      >>> [cell.place for cell in cells]
      [{'batch_size': 'full'}, {'batch_size': '512'}]
    """
    setup.check()
    task = datasets.szt()
    network_of = cache(networks.mlp)
    cells = []
    for chosen, place in setup.combinations():
        hidden, activation = hidden_widths(chosen["hidden"]), chosen["activation"]
        network = network_of((task.num_inputs, *hidden, task.num_classes), activation)
        batch_size = chosen["batch_size"]
        config = training.TrainConfig(
            learning_rate=chosen["learning_rate"],
            optimizer="sgd",
            batch_size=None if batch_size == "full" else batch_size,
            shuffle_seed=key,
        )
        training.num_train_rows(task, config)  # Refuses what cannot be trained.
        measured = (
            loss_dynamics(config),
            probes.bin_edges(SZT_EDGES),
            probes.losses,
        )
        own = {
            "hidden": list(hidden),
            "activation": activation,
            "epochs": snapshots[-1],
        }
        own |= description or {}
        cells.append(Cell(place, task, network, config, snapshots, measured, own))
    return cells
