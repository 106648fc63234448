"""Set-up of networks trained with batches of many sizes, and their curvature."""

from dataclasses import dataclass

from ibjax import networks, probes
from ibjax.experiments.choices import Activation, Optimizer, hidden_widths, train_config
from ibjax.experiments.corruption.setup import small_images
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["SharpnessSetup"]


@dataclass(frozen=True)
class SharpnessSetup(Setup):
    """Networks on images, trained by gradients of batches of several sizes.

    Attributes:
      batch: Rows of a batch, or "full"; several are swept.
      hidden: Units of the hidden layers, as 100-100; the first one has to be as wide as
        there are pixels for the effective information in it.
      side: Pixels along a side to which images that have more are averaged.
      activation: Activation of the hidden layers.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer, the same for all batches.
      samples: Images whose gradients make the log-determinant.
      noise_variance: Variance of the noise of the kernel-density bounds of what layers
        hold of the test images, in squared units of activity.
    """

    grid_fields = ("batch",)
    positive_fields = ("learning_rate", "noise_variance")
    needs_images = True

    batch: tuple[int | str, ...] = (8, 32, 128, 512, "full")
    hidden: str = "100"
    side: int = 7
    activation: Activation = "tanh"
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    samples: int = 50
    noise_variance: float = 0.1

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("side", self.side)
        checks.count("samples", self.samples)
        for batch in self.batch:
            if batch != "full":
                checks.count("batch", batch, otherwise="full")

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured with losses, the Fisher trace, and curvature.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> setup = SharpnessSetup(batch=(8, "full"), side=8)
          >>> [cell.place for cell in setup.cells(context)]
          [{'batch': '8'}, {'batch': 'full'}]
        """
        self.check()
        task = small_images(context.images(), side=self.side)
        widths = (task.num_inputs, *hidden_widths(self.hidden), task.num_classes)
        network = networks.mlp(widths, self.activation)
        measured = (
            probes.losses,
            probes.kde_bounds(self.noise_variance),
            probes.fisher_trace(num_samples=500),
            probes.curvature(self.samples),
        )
        cells = []
        for chosen, place in self.combinations():
            batch = chosen["batch"]
            config = train_config(
                self,
                context.random_seed,
                batch_size=None if batch == "full" else int(batch),
            )
            own = {
                "batch": str(batch),
                "hidden": list(hidden_widths(self.hidden)),
                "num_train": len(task.train_rows),
                "side": self.side,
                "noise_variance": self.noise_variance,
            }
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells
