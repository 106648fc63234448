"""The papers' experiments by name: set-ups with their sizes, for ``ibjax sweep``."""

from collections.abc import Iterable, Sequence
from typing import Any

import jax

from ibjax.datasets.task import Task
from ibjax.experiments.convolutional.setup import CnnSetup, cnn_cells
from ibjax.experiments.deep_linear.setup import LinearSetup, linear_cells
from ibjax.experiments.experiment import Preset, Scale
from ibjax.experiments.loss_dynamics.setup import LossSetup, loss_cells
from ibjax.experiments.mnist.setup import MnistSetup, mnist_cells
from ibjax.experiments.noisy.setup import NoisySetup, noisy_cells
from ibjax.experiments.stochastic_convolutional.setup import (
    StochasticSetup,
    stochastic_cells,
)
from ibjax.experiments.szt.setup import SztSetup, szt_cells
from ibjax.sweeps.grid import AnyCell
from ibjax.sweeps.runs import snapshot_epochs

__all__ = ["PRESETS", "Setup", "setup_cells"]

ImageSetup = MnistSetup | CnnSetup | StochasticSetup
Setup = SztSetup | ImageSetup | NoisySetup | LossSetup | LinearSetup

_IMAGE_CELLS = {
    MnistSetup: mnist_cells,
    CnnSetup: cnn_cells,
    StochasticSetup: stochastic_cells,
}


_BINNED = ("binning", "bin-width")
_GRID = Scale(50, 10_000, 40)
_GRID_QUICK = Scale(5, 1_000, 12)

PRESETS = {
    "szt": Preset(
        "Shwartz-Ziv and Tishby's networks on the information plane (their Figs. 2 "
        "and 4).",
        SztSetup(),
        Scale(50, 10_000, 100),
        Scale(10, 3_000, 30),
    ),
    "training-size": Preset(
        "5, 45 and 85 % of the inputs to train on (Shwartz-Ziv and Tishby, Fig. 3).",
        SztSetup(train_fraction=(0.05, 0.45, 0.85), estimators=_BINNED),
        _GRID,
        _GRID_QUICK,
    ),
    "depth": Preset(
        "One to six hidden layers of 12 units and two fewer each (Shwartz-Ziv and "
        "Tishby, Fig. 5).",
        SztSetup(
            hidden=("12", "12-10", "12-10-8", "12-10-8-6", "12-10-8-6-4")
            + ("12-10-8-6-4-2",),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "width": Preset(
        "Five hidden layers of 5, 10 or 20 units each.",
        SztSetup(
            hidden=("5-5-5-5-5", "10-10-10-10-10", "20-20-20-20-20"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "activations": Preset(
        "Five activation functions under four estimators (Saxe et al., Fig. 1).",
        SztSetup(
            activation=("tanh", "relu", "softsign", "softplus", "linear"),
            estimators=("binning", "data-range", "kde"),
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "batches": Preset(
        "Stochastic against full-batch gradient descent (Saxe et al., Fig. 5).",
        SztSetup(
            activation=("tanh", "relu"),
            optimizer=("sgd",),
            learning_rate=(0.1,),
            batch_size=(512, "full"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "batches-adam": Preset(
        "The same with Adam, as Shwartz-Ziv and Tishby's program.",
        SztSetup(
            activation=("tanh", "relu"),
            batch_size=(512, "full"),
            estimators=_BINNED,
        ),
        _GRID,
        _GRID_QUICK,
    ),
    "mnist": Preset(
        "Fully connected networks on images, tanh and ReLU (Saxe et al., appendices).",
        MnistSetup(),
        Scale(4, 64, 9, images=60_000),
        Scale(2, 6, 5, images=5_000, test_images=2_000),
        block=1,
    ),
    "cnn": Preset(
        "A convolutional network on images: channels side by side, or their mean.",
        CnnSetup(),
        Scale(4, 4, 4, images=4_096, test_images=1_000),
        Scale(2, 2, 3, images=1_024, test_images=300),
        block=1,
    ),
    "stochastic": Preset(
        "A convolutional network with noise before every layer, measured through "
        "compression (Butakov et al.).",
        StochasticSetup(),
        Scale(6, 60, 25, images=12_288),
        Scale(2, 40, 5, images=4_096, test_images=2_000),
        block=1,
    ),
    "noisy": Preset(
        "Networks with noise in every hidden layer, whose I(X;T) sample propagation "
        "estimates (Goldfeld et al.).",
        NoisySetup(noise_std=(0.005, 0.05)),
        Scale(10, 10_000, 20),
        Scale(2, 300, 6),
    ),
    "loss-dynamics": Preset(
        "What a step of gradient descent does to the loss, measured against what the "
        "gradient says.",
        LossSetup(),
        Scale(20, 1_000, 30),
        Scale(4, 100, 30),
    ),
    "deep-linear": Preset(
        "Deep linear students of a noisy linear teacher, with fewer and more samples "
        "than inputs, all informations exact (Saxe et al., Fig. 3).",
        LinearSetup(num_samples=(50, 100, 400)),
        Scale(20, 2_000, 50),
        Scale(8, 2_000, 15),
    ),
    "relevance": Preset(
        "The same with 30 inputs that matter and 70 that do not (Saxe et al., Fig. 6).",
        LinearSetup(
            num_samples=(200,),
            snr=(10.0,),
            batch_size=(5,),
            learning_rate=(0.01,),
            num_relevant=30,
            noise_variances=(0.01, 1.0),
        ),
        Scale(20, 300, 50),
        Scale(8, 300, 15),
    ),
}
"""Set-ups by name."""


def setup_cells(
    setup: Setup,
    scale: Scale,
    *,
    task: Task | None = None,
    also: Iterable[int] = (),
    key: int = 0,
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    description: dict[str, Any] | None = None,
) -> list[AnyCell]:
    """The cells of any set-up's grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

    Args:
      setup: The set-up.
      scale: Its size.
      task: The images of a set-up on images, see
        :func:`ibjax.datasets.images.image_task`; others have a task of their own.
      also: Epochs to measure at besides those spread over the logarithm; those after
        the last one are left out.
      key: Seed of all random numbers, that of the sweep's key too.
      block: Networks trained together, see :func:`ibjax.sweep`.
      devices: Devices to use.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells, in the order of the grid.

    Raises:
      ValueError: If a field of the set-up or a number is out of range, or a set-up on
        images has no task.

    Example:
      >>> preset = PRESETS["batches"]
      >>> cells = setup_cells(preset.setup, preset.quick, also=[500, 2_000])
      >>> print(len(cells), cells[0].snapshots[-3:])
      4 (500, 501, 1000)
    """
    epochs = set(snapshot_epochs(scale.epochs, scale.snapshots))
    epochs |= {epoch for epoch in also if epoch <= scale.epochs}
    options = {"snapshots": tuple(sorted(epochs)), "description": description}
    if isinstance(setup, LinearSetup):
        return linear_cells(setup, **options)
    options["key"] = key
    if isinstance(setup, ImageSetup):
        if task is None:
            raise ValueError("task must hold the images of the set-up, got None")
        make_cells = next(
            make for kind, make in _IMAGE_CELLS.items() if isinstance(setup, kind)
        )
        return make_cells(setup, task, num_measured=scale.test_images, **options)
    if isinstance(setup, NoisySetup):
        return noisy_cells(setup, **options)
    if isinstance(setup, LossSetup):
        return loss_cells(setup, **options)
    options |= {"num_seeds": scale.seeds, "block": block, "devices": devices}
    return szt_cells(setup, **options)
