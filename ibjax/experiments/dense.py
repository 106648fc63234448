"""Set-up of dense networks on a task, with layers measured by estimators of a name."""

import abc
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from ibjax import networks, probes, training
from ibjax.datasets.task import Task
from ibjax.experiments.choices import Activation, Optimizer, hidden_widths
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.probes.named import RANGE_LABEL, LayerEstimator, named_estimators
from ibjax.probes.probe import Probe
from ibjax.sweeps.activity_range import activity_range
from ibjax.sweeps.grid import Cell

__all__ = ["DenseSetup", "RangedProbes"]


@dataclass(frozen=True)
class DenseSetup(Setup):
    """Dense networks on a task; a field with several values is swept.

    Attributes:
      hidden: Units of every hidden layer, as 10-7-5-4-3; several networks are swept.
      activation: Activation function of the hidden layers; several are swept.
      optimizer: Optimizer; momentum is SGD with momentum 0.9. Several are swept.
      learning_rate: Step size of the optimizer; several are swept.
      batch_size: Rows of a batch, or "full" for the whole training set; several are
        swept. Where several fractions are, a batch is at most the training set.
      train_fraction: Part of the inputs to train on, in (0, 1]; several are swept.
      noise_variance: Variance of the noise for the estimators kde and knn, in squared
        units of activity; several are swept, in one program if kde alone reads them.
      split: Rows to train on: drawn for each network, or the first ones in order, for
        the szt task counting order as in the authors' program.
      init: Standard deviation of the weights: 1/sqrt(inputs) as Shwartz-Ziv and
        Tishby's program, or 1/sqrt(units) as Saxe et al.'s.
      estimators: Estimators of the information, or none. Closed-binning has the value
        1 in the last bin, where binning has it as a bin of its own, as Shwartz-Ziv and
        Tishby. Data-range has 100 bins from the least to the largest activity of the
        whole run, for which the networks are trained twice; knn takes far longer than
        the others.
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
    optional_fields = ("estimators",)
    positive_fields = ("bin_width", "noise_variance")

    hidden: tuple[str, ...] = ("10-7-5-4-3",)
    activation: tuple[Activation, ...] = ("tanh",)
    optimizer: tuple[Optimizer, ...] = ("adam",)
    learning_rate: tuple[float, ...] = (4e-4,)
    batch_size: tuple[int | Literal["full"], ...] = (512,)
    train_fraction: tuple[float, ...] = (0.8,)
    noise_variance: tuple[float, ...] = (1e-3,)
    split: Literal["random", "ordered"] = "random"
    init: Literal["fan-in", "fan-out"] = "fan-in"
    estimators: tuple[LayerEstimator, ...] = ("binning", "bin-width", "kde")
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

    @abc.abstractmethod
    def task(self, context: Context) -> Task:
        """The task."""

    def own(self, chosen: dict[str, Any], context: Context) -> dict[str, Any]:
        """What a cell says of itself in the dataset's ``configuration``."""
        return {
            "hidden": list(hidden_widths(chosen["hidden"])),
            "activation": chosen["activation"],
            "init": self.init,
            "epochs": context.snapshots[-1],
            "num_bins": self.num_bins,
            "bin_width": self.bin_width,
            "noise_variance": chosen["noise_variance"],
        }

    def estimators_of(self, task: Task) -> tuple[str, ...]:
        """Names of the estimators for a task."""
        del task
        return self.estimators

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class."""
        self.check()
        task = self.task(context)
        network_of = cache(partial(_network, task))
        probes_of = cache(partial(_probes, self, task))
        cells = []
        for chosen, place in self.combinations():
            config = _config(self, chosen, task, context.random_seed)
            network = network_of(chosen["hidden"], chosen["activation"], self.init)
            noise_variance = chosen["noise_variance"]
            if "noise_variance" in self.varied:
                noise_variance = "noise_variance"
            measured = probes_of(noise_variance)
            if "data-range" in self.estimators_of(task):
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
            own = self.own(chosen, context)
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


def _network(task: Task, hidden: str, activation: str, init: str) -> networks.Network:
    is_real = task.kind == "vectors"
    num_outputs = task.vectors.shape[1] if is_real else task.num_classes
    return networks.mlp(
        (task.num_inputs, *hidden_widths(hidden), num_outputs),
        activation,
        init=init,
        output="linear" if is_real else "softmax",
    )


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
    may_be_larger = len(setup.train_fraction) > 1 or setup.needs_table
    if may_be_larger and batch_size is not None:
        batch_size = batch_size if batch_size <= num_rows else None
    return dataclasses.replace(config, batch_size=batch_size)


def _probes(setup, task, noise_variance) -> tuple[Probe, ...]:
    estimators = setup.estimators_of(task)
    chosen = list(
        named_estimators(
            [name for name in estimators if name != "data-range"],
            num_bins=setup.num_bins,
            bin_width=setup.bin_width,
            noise_variance=noise_variance,
        )
    )
    if task.kind == "vectors":
        return (*chosen, probes.gradients, probes.squared_errors)
    if "binning" in estimators and not setup.axes and not setup.needs_table:
        edges = np.linspace(-1, 1, setup.num_bins, dtype=np.float32)
        chosen.append(probes.optimality(task, edges=edges))
    return (*chosen, probes.gradients, probes.losses)
