"""Set-up of a convolutional network on images."""

from dataclasses import dataclass

import numpy as np

from ibjax import probes
from ibjax.datasets.images import image_side
from ibjax.experiments.choices import Optimizer
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.networks.convolutional import convolutional
from ibjax.probes.channels import activity_maps, channel_mean
from ibjax.sweeps.grid import Cell

__all__ = ["CnnSetup"]


@dataclass(frozen=True)
class CnnSetup(Setup):
    """Keras's example of a convolutional network on images, without its dropout.

    Attributes:
      optimizer: Optimizer; momentum is SGD with momentum 0.9.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      noise_variance: Variance of the noise of the kernel-density bounds, in squared
        units of activity; 0.0735 is published as the one at which labels have log2 10
        bits.
    """

    positive_fields = ("noise_variance",)
    needs_images = True

    optimizer: Optimizer = "adadelta"
    learning_rate: float = 1.0
    batch_size: int = 128
    noise_variance: float = 0.0735

    def cells(self, context: Context) -> list[Cell]:
        """The one cell of the grid; see the base class.

        It is measured by kernel-density bounds with the channels of an image side by
        side, ``concat``, and as the mean over channels, ``mean``; with the activities
        of one image, and losses. ``configuration`` keeps the layers' ``shapes`` and
        ``p_y``, the classes' probabilities among all test images.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = CnnSetup().cells(context)
          >>> cell.network.layer_names[:3]
          ('relu conv 32', 'relu conv 64', 'max-pool 2')
        """
        self.check()
        task = context.images()
        side = image_side(task)
        all_labels = context.task.measured.p_y_given_x
        network = convolutional((side, side), num_classes=task.num_classes)
        measured = (
            probes.kde_bounds(self.noise_variance, "concat"),
            channel_mean(self.noise_variance),
            activity_maps((side, side)),
            probes.losses,
        )
        own = {
            "epochs": context.snapshots[-1],
            "shapes": [layer.shape for layer in network.layers],
            "noise_variance": self.noise_variance,
            "p_y": np.mean(all_labels, axis=0, dtype=float).tolist(),
        }
        config = image_config(self, task, context.random_seed)
        return [self.cell(context, {}, task, network, config, measured, own)]
