"""Set-ups of networks on images: fully connected ones, and a convolutional one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ibjax import datasets, networks, probes, training
from ibjax.datasets.images import first_measured
from ibjax.experiments.choices import Activation, Optimizer, hidden_widths
from ibjax.experiments.setup import SetupGrid
from ibjax.sweeps.grid import Cell

__all__ = ["MnistSetup", "mnist_cells"]


@dataclass(frozen=True)
class MnistSetup(SetupGrid):
    """Fully connected networks on images; a field with several values is swept.

    First weights are normal with variance one over the inputs, where
    Saxe et al. have Glorot's uniform ones.

    Attributes:
      hidden: Units of every hidden layer, as 1024-20-20; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      optimizer: Optimizer; momentum is SGD with momentum 0.9. The paper has SGD, which
        takes thousands of epochs for what Adam learns in a few.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      noise_variance: Variance of the noise of the kernel-density bounds, in squared
        units of activity.
      bin_width: Width of the bins, in units of activity.
    """

    grid_fields = ("hidden", "activation")
    positive_fields = ("noise_variance", "bin_width")

    hidden: tuple[str, ...] = ("1024-20-20-20", "1024-20-20")
    activation: tuple[Activation, ...] = ("tanh", "relu")
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    noise_variance: float = 0.1
    bin_width: float = 0.5

    def estimator_texts(self) -> list[str]:
        """What estimates the information, in words."""
        return [
            f"KDE bounds, noise variance {self.noise_variance:g}",
            f"bins of width {self.bin_width:g}",
        ]


def mnist_cells(
    setup: MnistSetup,
    task: datasets.Task,
    *,
    snapshots: Sequence[int],
    num_measured: int | None = None,
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The cells of a set-up's grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

    Each is measured by kernel-density bounds and bins, with gradients and losses.

    Args:
      setup: The set-up.
      task: Images, see :func:`image_task`.
      snapshots: Epochs at which to measure.
      num_measured: Test images to measure on, the first ones; all by default.
      key: Seed of the epochs' shuffles.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells, in the order of the grid.

    Raises:
      ValueError: If a field of the set-up or a number is out of range.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> cells = mnist_cells(MnistSetup(), image_task("digits"), snapshots=[0, 1])
      >>> print(len(cells), cells[0].place)
      4 {'hidden': '1024-20-20-20', 'activation': 'tanh'}
    """
    setup.check()
    task = first_measured(task, num_measured)
    config = image_config(setup, task, key)
    network_of = cache(networks.mlp)
    measured = (
        probes.kde_bounds(setup.noise_variance),
        probes.bin_width(setup.bin_width),
        probes.gradients,
        probes.losses,
    )
    cells = []
    for chosen, place in setup.combinations():
        hidden, activation = hidden_widths(chosen["hidden"]), chosen["activation"]
        own = {
            "hidden": list(hidden),
            "activation": activation,
            "epochs": snapshots[-1],
            "noise_variance": setup.noise_variance,
            "bin_width": setup.bin_width,
        }
        network = network_of((task.num_inputs, *hidden, task.num_classes), activation)
        own |= description or {}
        cells.append(Cell(place, task, network, config, snapshots, measured, own))
    return cells


def image_config(setup: SetupGrid, task, key) -> training.TrainConfig:
    config = training.TrainConfig(
        learning_rate=setup.learning_rate,
        optimizer=setup.optimizer,
        batch_size=setup.batch_size,
        train_fraction=1 - task.measured.num_samples / task.num_samples,
        split="ordered",
        shuffle_seed=key,
    )
    training.num_train_rows(task, config)  # Refuses what cannot be trained.
    return config
