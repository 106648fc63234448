"""Set-up of networks on Shwartz-Ziv and Tishby's task."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal, NamedTuple

import jax
import numpy as np

from ibjax import datasets, networks, probes, training
from ibjax.datasets.szt import NUM_BITS
from ibjax.experiments.choices import Activation, Optimizer, hidden_widths
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.probes.named import RANGE_LABEL, named_estimators
from ibjax.probes.probe import Probe
from ibjax.sweeps.activity_range import activity_range
from ibjax.sweeps.grid import Cell

__all__ = ["RangedProbes", "SOFT_SHARPNESS", "SOFT_THRESHOLD", "SztSetup"]

Estimator = Literal[
    "binning", "closed-binning", "bin-width", "data-range", "kde", "knn"
]

SOFT_SHARPNESS, SOFT_THRESHOLD = 54.5, 7.632
"""Slope and threshold with which soft labels have the paper's p(y=1) and I(X;Y)."""


@dataclass(frozen=True)
class SztSetup(Setup):
    """Networks on Shwartz-Ziv and Tishby's task; a field with several values is swept.

    Attributes:
      hidden: Units of every hidden layer, as 10-7-5-4-3; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      optimizer: Optimizer; momentum is SGD with momentum 0.9. Several are swept.
      learning_rate: Step size of the optimizer; several are swept.
      batch_size: Rows of a batch, or "full" for the whole training set; several are
        swept. Where several fractions are, a batch is at most the training set.
      train_fraction: Part of the 4,096 inputs to train on, in (0, 1]; several are
        swept.
      noise_variance: Variance of the noise for the estimators kde and knn, in squared
        units of activity; several are swept, in one program if kde alone reads them.
      split: Rows to train on: drawn for each network, or the first ones in counting
        order as in the authors' program.
      sharpness: Slope of the sigmoid that softens the labels, per unit of score; 54.5
        gives the paper's I(X;Y) of 0.99 bits. None for certain labels.
      init: Standard deviation of the weights: 1/sqrt(inputs) as Shwartz-Ziv and
        Tishby's program, or 1/sqrt(units) as Saxe et al.'s.
      estimators: Estimators of the information. Closed-binning has the value 1 in the
        last bin, where binning has it as a bin of its own, as Shwartz-Ziv and Tishby.
        Data-range has 100 bins from the least to the largest activity of the whole
        run, for which the networks are trained twice; knn takes far longer than the
        others.
      num_bins: Edges on [-1, 1] for the estimators binning and closed-binning; 30 are
        Shwartz-Ziv and Tishby's.
      bin_width: Bin width for the estimator bin-width, in units of activity.
    """

    grid_fields = (
        "hidden",
        "activation",
        "optimizer",
        "learning_rate",
        "batch_size",
        "train_fraction",
        "noise_variance",
    )
    positive_fields = ("bin_width", "noise_variance")

    hidden: tuple[str, ...] = ("10-7-5-4-3",)
    activation: tuple[Activation, ...] = ("tanh",)
    optimizer: tuple[Optimizer, ...] = ("adam",)
    learning_rate: tuple[float, ...] = (4e-4,)
    batch_size: tuple[int | Literal["full"], ...] = (512,)
    train_fraction: tuple[float, ...] = (0.8,)
    noise_variance: tuple[float, ...] = (1e-3,)
    split: Literal["random", "ordered"] = "random"
    sharpness: float | None = None
    init: Literal["fan-in", "fan-out"] = "fan-in"
    estimators: tuple[Estimator, ...] = ("binning", "bin-width", "kde")
    num_bins: int = 30
    bin_width: float = 0.07

    @property
    def number_fields(self) -> tuple[str, ...]:
        """Numbers that are trained side by side."""
        # The range of activities is that of one learning rate.
        rate = () if "data-range" in self.estimators else ("learning_rate",)
        # Neighbours have the entropy of one noise in their program, in float64.
        by_kernels = "kde" in self.estimators and "knn" not in self.estimators
        return (*rate, "noise_variance") if by_kernels else rate

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("num-bins", self.num_bins, 2)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> setup = SztSetup(activation=("tanh", "relu"), batch_size=(512, "full"))
          >>> cells = setup.cells(Context(snapshots=[0, 10]))
          >>> [tuple(cell.place.values()) for cell in cells]
          [('tanh', '512'), ('tanh', 'full'), ('relu', '512'), ('relu', 'full')]
        """
        self.check()
        task = _szt(self.sharpness)
        network_of = cache(_network)
        probes_of = cache(partial(_probes, self, task))
        cells = []
        for chosen, place in self.combinations():
            config = _config(self, chosen, task, context.random_seed)
            network = network_of(chosen["hidden"], chosen["activation"], self.init)
            noise_variance = chosen["noise_variance"]
            if "noise_variance" in self.varied:
                noise_variance = "noise_variance"
            measured = probes_of(noise_variance)
            if "data-range" in self.estimators:
                find_range = partial(
                    activity_range,
                    jax.random.key(context.random_seed),
                    task,
                    network,
                    config,
                    num_seeds=context.num_seeds,
                    snapshots=context.snapshots,
                    block=context.block,
                    devices=context.devices,
                )
                measured = RangedProbes(measured, find_range)
            own = {
                "hidden": list(hidden_widths(chosen["hidden"])),
                "activation": chosen["activation"],
                "init": self.init,
                "epochs": context.snapshots[-1],
                "sharpness": self.sharpness,
                "num_bins": self.num_bins,
                "bin_width": self.bin_width,
                "noise_variance": chosen["noise_variance"],
            }
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells


class RangedProbes(NamedTuple):
    """Probes of which one has bins over the range of a whole run's activities.

    Attributes:
      others: The other probes.
      find_range: Trains the networks once, to find the range.
    """

    others: tuple[Probe, ...]
    find_range: Callable[[], tuple[float, float]]

    @property
    def labels(self) -> dict[str, str]:
        """Estimators in words, by name."""
        labels = dict(RANGE_LABEL)
        for probe in self.others:
            labels |= getattr(probe, "labels", {})
        return labels

    def __call__(self) -> tuple[Probe, ...]:
        """All probes."""
        # Trains the networks: not before it is the cell's turn.
        (probe,) = named_estimators(["data-range"], find_range=self.find_range)
        first, *others = self.others
        return first, probe, *others


def _szt(sharpness: float | None) -> datasets.Task:
    if sharpness is None:
        return datasets.szt()
    return datasets.szt(sharpness, SOFT_THRESHOLD)


def _network(hidden: str, activation: str, init: str) -> networks.Network:
    return networks.mlp((NUM_BITS, *hidden_widths(hidden), 2), activation, init=init)


def _config(setup, chosen, task, random_seed) -> training.TrainConfig:
    batch_size = None if chosen["batch_size"] == "full" else chosen["batch_size"]
    config = training.TrainConfig(
        learning_rate=chosen["learning_rate"],
        optimizer=chosen["optimizer"],
        train_fraction=chosen["train_fraction"],
        batch_size=None,
        split=setup.split,
        shuffle_seed=random_seed,
    )
    # Of several sizes of the training set a batch may be larger than the smallest.
    num_rows = training.num_train_rows(task, config)
    if len(setup.train_fraction) > 1 and batch_size is not None:
        batch_size = batch_size if batch_size <= num_rows else None
    return dataclasses.replace(config, batch_size=batch_size)


def _probes(setup, task, noise_variance) -> tuple[Probe, ...]:
    names = [name for name in setup.estimators if name != "data-range"]
    chosen = list(
        named_estimators(
            names,
            num_bins=setup.num_bins,
            bin_width=setup.bin_width,
            noise_variance=noise_variance,
        )
    )
    if "binning" in setup.estimators and not setup.axes:
        edges = np.linspace(-1, 1, setup.num_bins, dtype=np.float32)
        chosen.append(probes.optimality(task, edges=edges))
    return (*chosen, probes.gradients, probes.losses)
