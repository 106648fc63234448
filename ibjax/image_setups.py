"""Set-ups of networks on images: fully connected ones, and a convolutional one."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ibjax import datasets, networks, probes, training
from ibjax.channel_probes import activity_maps, channel_mean
from ibjax.grid import Cell
from ibjax.networks.convolutional import convolutional
from ibjax.setup_grid import SetupGrid
from ibjax.setups import Activation, Optimizer, hidden_widths

__all__ = [
    "DIGITS_TEST",
    "CnnSetup",
    "Images",
    "MnistSetup",
    "cnn_cells",
    "first_measured",
    "image_side",
    "image_task",
    "mnist_cells",
]

Images = Literal["mnist", "digits"]

DIGITS_TEST = 360
"""How many of the digits, the last ones, are test images."""


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


def image_task(
    images: Images = "mnist",
    *,
    num_train: int | None = None,
    directory: str | Path | None = None,
    download: bool = False,
) -> datasets.Task:
    """Images to train on, then test images, on which layers are measured.

    Args:
      images: MNIST, or scikit-learn's digits of 8 by 8 pixels, which need no files and
        of which :data:`DIGITS_TEST` are test images.
      num_train: How many of MNIST's training images, the first ones; all by default.
        Digits are taken whole.
      directory: Where to look for MNIST before all other places.
      download: Whether to download MNIST where it is missing.

    Returns:
      The task.

    Raises:
      FileNotFoundError: If a file of MNIST is missing and not to be downloaded.
      ValueError: If a file is damaged, or a number or a name is none of those there
        are.
      OSError: If a file cannot be read or downloaded.

    Example:
      >>> task = image_task("digits")
      >>> print(task.num_samples, task.num_measured)
      1797 360
    """
    if images == "mnist":
        return datasets.mnist(directory, num_train=num_train, download=download)
    if images != "digits":
        raise ValueError(f"images must be mnist or digits, got {images!r}")
    return dataclasses.replace(datasets.digits(), num_measured=DIGITS_TEST)


def first_measured(task: datasets.Task, num_measured: int | None) -> datasets.Task:
    """A task of which fewer inputs are measured, the first of those that were.

    Args:
      task: The task.
      num_measured: How many to keep; all where there are fewer, or by default. The
        others are left out.

    Returns:
      The task.

    Raises:
      ValueError: If the number is not positive.

    Example:
      >>> task = first_measured(image_task("digits"), 7)
      >>> print(task.num_samples, task.num_measured)
      1444 7
    """
    before = task.measured.num_samples
    num_measured = before if num_measured is None else min(num_measured, before)
    if num_measured < 1:
        raise ValueError(f"num_measured must be at least 1, got {num_measured}")
    last = task.num_samples - before + num_measured
    return datasets.make_task(
        task.x[:last],
        task.labels[:last],
        num_classes=task.num_classes,
        name=task.name,
        num_measured=num_measured,
    )


def image_side(task: datasets.Task) -> int:
    """Pixels along a side of a task's images.

    Args:
      task: Square images.

    Returns:
      The number.

    Raises:
      ValueError: If the images are not square.

    Example:
      >>> image_side(image_task("digits"))
      8
    """
    side = math.isqrt(task.num_inputs)
    if side**2 != task.num_inputs:
        raise ValueError(f"task must hold square images, got {task.num_inputs} pixels")
    return side


def mnist_cells(
    setup: MnistSetup,
    task: datasets.Task,
    *,
    snapshots: Sequence[int],
    num_measured: int | None = None,
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The cells of a set-up's grid, for :func:`ibjax.grid.sweep_grid`.

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
      >>> cells = mnist_cells(MnistSetup(), image_task("digits"), snapshots=[0, 1])
      >>> print(len(cells), cells[0].place)
      4 {'hidden': '1024-20-20-20', 'activation': 'tanh'}
    """
    setup.check()
    task = first_measured(task, num_measured)
    config = _config(setup, task, key)
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


def cnn_cells(
    setup: CnnSetup,
    task: datasets.Task,
    *,
    snapshots: Sequence[int],
    num_measured: int | None = None,
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The one cell of a convolutional network, for :func:`ibjax.grid.sweep_grid`.

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
      >>> (cell,) = cnn_cells(CnnSetup(), image_task("digits"), snapshots=[0, 1])
      >>> cell.network.layer_names[:3]
      ('relu conv 32', 'relu conv 64', 'max-pool 2')
    """
    setup.check()
    side = image_side(task)
    p_y = np.mean(task.measured.p_y_given_x, axis=0, dtype=float)
    task = first_measured(task, num_measured)
    network, shapes = convolutional((side, side), num_classes=task.num_classes)
    measured = (
        probes.kde_bounds(setup.noise_variance, "concat"),
        channel_mean(setup.noise_variance, shapes),
        activity_maps(shapes, (side, side)),
        probes.losses,
    )
    own = {
        "epochs": snapshots[-1],
        "shapes": shapes,
        "noise_variance": setup.noise_variance,
        "p_y": p_y.tolist(),
    }
    own |= description or {}
    config = _config(setup, task, key)
    return [Cell({}, task, network, config, snapshots, measured, own)]


def _config(setup: MnistSetup | CnnSetup, task, key) -> training.TrainConfig:
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
