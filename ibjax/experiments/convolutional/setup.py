"""Set-up of a convolutional network on images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ibjax import datasets, probes
from ibjax.datasets.images import first_measured, image_side
from ibjax.experiments.choices import Optimizer
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import SetupGrid
from ibjax.networks.convolutional import convolutional
from ibjax.probes.channels import activity_maps, channel_mean
from ibjax.sweeps.grid import Cell

__all__ = ["CnnSetup", "cnn_cells"]


@dataclass(frozen=True)
class CnnSetup(SetupGrid):
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

    optimizer: Optimizer = "adadelta"
    learning_rate: float = 1.0
    batch_size: int = 128
    noise_variance: float = 0.0735

    def estimator_texts(self) -> list[str]:
        """What estimates the information, in words."""
        bounds = f"KDE bounds, noise variance {self.noise_variance:g}"
        return [f"{bounds}, channels side by side", "their mean over channels"]


def cnn_cells(
    setup: CnnSetup,
    task: datasets.Task,
    *,
    snapshots: Sequence[int],
    num_measured: int | None = None,
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The one cell of a convolutional network's grid.

    It is measured by kernel-density bounds with the channels of an image side by side,
    ``concat``, and as the mean over channels, ``mean``; with the activities of one
    image, and losses. ``configuration`` keeps the layers' ``shapes`` and ``p_y``, the
    classes' probabilities among all test images.

    Args:
      setup: The set-up.
      task: Square images, see :func:`image_task`.
      snapshots: Epochs at which to measure.
      num_measured: Test images to measure on, the first ones; all by default.
      key: Seed of the epochs' shuffles.
      description: More to keep in the dataset's ``configuration``.

    Returns:
      The cell.

    Raises:
      ValueError: If a field of the set-up or a number is out of range, or images are
        not square.

    Example:
      >>> from ibjax.datasets.images import image_task
      >>> (cell,) = cnn_cells(CnnSetup(), image_task("digits"), snapshots=[0, 1])
      >>> cell.network.layer_names[:3]
      ('relu conv 32', 'relu conv 64', 'max-pool 2')
    """
    setup.check()
    side = image_side(task)
    p_y = np.mean(task.measured.p_y_given_x, axis=0, dtype=float)
    task = first_measured(task, num_measured)
    network = convolutional((side, side), num_classes=task.num_classes)
    measured = (
        probes.kde_bounds(setup.noise_variance, "concat"),
        channel_mean(setup.noise_variance),
        activity_maps((side, side)),
        probes.losses,
    )
    own = {
        "epochs": snapshots[-1],
        "shapes": [layer.shape for layer in network.layers],
        "noise_variance": setup.noise_variance,
        "p_y": p_y.tolist(),
    }
    own |= description or {}
    config = image_config(setup, task, key)
    return [Cell({}, task, network, config, snapshots, measured, own)]
