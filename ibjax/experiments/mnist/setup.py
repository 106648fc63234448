"""Set-up of fully connected networks on images."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from ibjax import networks, probes, training
from ibjax.datasets.task import Task
from ibjax.experiments.choices import Activation, Optimizer, hidden_widths, train_config
from ibjax.experiments.setup import Context, Setup
from ibjax.sweeps.grid import Cell

__all__ = ["MnistSetup", "image_config"]


@dataclass(frozen=True)
class MnistSetup(Setup):
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
    needs_images = True

    hidden: tuple[str, ...] = ("1024-20-20-20", "1024-20-20")
    activation: tuple[Activation, ...] = ("tanh", "relu")
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128
    noise_variance: float = 0.1
    bin_width: float = 0.5

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by kernel-density bounds and bins, with gradients and losses.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> cells = MnistSetup().cells(context)
          >>> print(len(cells), cells[0].place)
          4 {'hidden': '1024-20-20-20', 'activation': 'tanh'}
        """
        self.check()
        task = context.images()
        config = image_config(self, task, context.random_seed)
        network_of = cache(networks.mlp)
        measured = (
            probes.kde_bounds(self.noise_variance),
            probes.bin_width(self.bin_width),
            probes.gradients,
            probes.losses,
        )
        cells = []
        for chosen, place in self.combinations():
            hidden, activation = hidden_widths(chosen["hidden"]), chosen["activation"]
            widths = (task.num_inputs, *hidden, task.num_classes)
            network = network_of(widths, activation)
            own = {
                "hidden": list(hidden),
                "activation": activation,
                "epochs": context.snapshots[-1],
                "noise_variance": self.noise_variance,
                "bin_width": self.bin_width,
            }
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells


def image_config(setup: Any, task: Task, random_seed: int) -> training.TrainConfig:
    """Training on all images but the measured ones, by fields of a set-up."""
    return train_config(
        setup,
        random_seed,
        # All but the measured ones, which come last.
        train_fraction=1 - task.measured.num_samples / task.num_samples,
        split="ordered",
    )
