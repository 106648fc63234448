"""Set-up of networks that see a deficit for a part of their training."""

import dataclasses
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

import jax.numpy as jnp
import numpy as np

from ibjax import networks, probes
from ibjax.datasets.images import image_shape
from ibjax.datasets.task import Task
from ibjax.experiments.choices import Optimizer
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.probes.probe import Probe
from ibjax.sweeps.grid import Cell
from ibjax.training.deficits import (
    Deficit,
    image_deficit,
    label_deficit,
    with_deficit,
)
from ibjax.training.objectives import Objective, cross_entropy, weight_decay
from ibjax.training.trainable import Variable

__all__ = ["CriticalSetup", "DeficitName", "Window"]

DeficitName = Literal["blur", "flip", "labels", "noise"]

Window = tuple[int, int]
"""First epoch with a deficit, and first one without it again."""

_CHANNELS = re.compile(r"([1-9]\d*)(?:/([1-9]\d*))?")


@dataclass(frozen=True)
class CriticalSetup(Setup):
    """Convolutional networks with a deficit in a window of epochs.

    Images are standardized, channel by channel; noise has mean zero and variance one.
    All windows of a deficit are trained in one program. Every network is judged after
    equally many epochs without a deficit, those of the last window, so that late
    removals have no less time; windows are parts of the epochs before these.

    Attributes:
      deficit: "blur", "flip" (upside down), "labels" (permuted) or "noise" in place of
        images; several are swept.
      removal: Ends of windows that begin with the training, in parts of the epochs with
        deficits.
      onset: Beginnings of windows of one length, likewise.
      length: Length of these, likewise.
      clean: Part of all epochs that follow the last window.
      blur: Factor by which images are made smaller and larger again.
      network: Channels of every convolution, and its stride, as 24/2-48/2-48.
      weight_decay: Factor of the sum of squared weights in the loss.
      optimizer: Optimizer; momentum is SGD with momentum 0.9.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      fisher_samples: Training images for the trace of the Fisher information.
    """

    grid_fields = ("deficit",)
    needs_images = True

    deficit: tuple[DeficitName, ...] = ("blur", "flip", "labels", "noise")
    removal: tuple[float, ...] = (0.25, 0.5, 1.0)
    onset: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75)
    length: float = 0.25
    clean: float = 0.5
    blur: int = 4
    network: str = "24/2-48/2-48"
    weight_decay: float = 0.0
    optimizer: Optimizer = "adam"
    learning_rate: float = 2e-3
    batch_size: int = 128
    fisher_samples: int = 100

    @property
    def varied(self) -> dict[str, tuple[float | str, ...]]:
        """Numbers of the windows, whose epochs :meth:`windows` knows."""
        num_windows = 1 + len(self._parts())
        return {"window": tuple(map(float, range(num_windows)))}

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for name in ("removal", "length", "clean"):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                checks.in_range(name, value, "(0, 1]" if name != "clean" else "(0, 1)")
        for value in self.onset:
            checks.in_range("onset", value, f"[0, {1 - self.length + 1e-9}]")
        checks.not_negative("weight-decay", self.weight_decay)
        checks.count("blur", self.blur)
        checks.count("fisher-samples", self.fisher_samples)

    def windows(self, num_epochs: int) -> list[Window]:
        """Windows in epochs, the empty one first, then by their beginnings.

        Args:
          num_epochs: All epochs.

        Returns:
          The windows, different ones.

        Raises:
          ValueError: If there are too few epochs to tell them apart.

        Example:
          >>> CriticalSetup(onset=(0.0, 0.5), length=0.5, removal=(1.0,)).windows(8)
          [(0, 0), (0, 2), (0, 4), (2, 4)]
        """
        span = num_epochs - self.clean_epochs(num_epochs)
        # Lengths are rounded rather than ends: windows of one length stay so.
        lengths = [round(round(b - a, 9) * span) for a, b in self._parts()]
        starts = [
            min(round(a * span), span - length)
            for (a, _), length in zip(self._parts(), lengths, strict=True)
        ]
        found = [(a, a + length) for a, length in zip(starts, lengths, strict=True)]
        if len(set(found)) < len(found) or any(a == b for a, b in found):
            raise ValueError(
                f"epochs must be enough to tell {len(found)} windows apart, got "
                f"{span} of {num_epochs} with deficits: {found}"
            )
        return [(0, 0), *found]

    def clean_epochs(self, num_epochs: int) -> int:
        """Epochs after which a network is judged, counted from the deficit's end."""
        return max(1, round(self.clean * num_epochs))

    def _parts(self) -> list[tuple[float, float]]:
        windows = {(0.0, end) for end in self.removal}
        # Sums of decimals differ in their last digits from what they are meant to be.
        windows |= {(start, round(start + self.length, 9)) for start in self.onset}
        return sorted(windows)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by losses and the trace of the Fisher information, on images as
        they are, and at the epochs at which its networks are judged.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 20], task=image_task("digits"))
          >>> cells = CriticalSetup().cells(context)
          >>> print([cell.place["deficit"] for cell in cells], cells[0].snapshots)
          ['blur', 'flip', 'labels', 'noise'] (0, 10, 12, 14, 15, 17, 18, 20)
        """
        self.check()
        task = _standardized(context.images())
        num_epochs = context.snapshots[-1]
        windows = self.windows(num_epochs)
        clean = self.clean_epochs(num_epochs)
        # Those at the beginnings are of networks with as many epochs and no deficit.
        judged = {end + clean for window in windows for end in window}
        snapshots = tuple(sorted({*context.snapshots, *judged}))
        context = context._replace(snapshots=snapshots)
        config = image_config(self, task, context.random_seed)
        network = self._network(task)
        measured = (
            probes.losses,
            probes.fisher_trace(num_samples=self.fisher_samples),
            _windows_probe(windows),
        )
        deficit_of = cache(self._deficit)
        cells = []
        for chosen, place in self.combinations():
            own = {
                "deficit": chosen["deficit"],
                "windows": [list(window) for window in windows],
                "clean_epochs": clean,
                "epochs": num_epochs,
            }
            deficit = deficit_of(chosen["deficit"], image_shape(task), task.num_classes)
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    network,
                    config,
                    measured,
                    own,
                    objective=self._objective(deficit, windows),
                )
            )
        return cells

    def _objective(self, deficit: Deficit, windows: list[Window]) -> Objective:
        total = cross_entropy()
        if self.weight_decay > 0:
            total = total + self.weight_decay * weight_decay()
        start, stop = zip(*windows, strict=True)
        return with_deficit(total, deficit, start=start, stop=stop)

    def _deficit(self, name, shape, num_classes) -> Deficit:
        if name == "labels":
            # No class keeps its name.
            return label_deficit((np.arange(num_classes) + 1) % num_classes)
        return image_deficit(name, shape, factor=self.blur, mean=0.0, std=1.0)

    def _network(self, task: Task) -> networks.Network:
        found = [_CHANNELS.fullmatch(part) for part in self.network.split("-")]
        if not all(found):
            raise ValueError(
                "network must be channels and strides such as 24/2-48, got "
                f"{self.network!r}"
            )
        return networks.all_convolutional(
            image_shape(task),
            [int(part[1]) for part in found],
            [int(part[2] or 1) for part in found],
            task.num_classes,
        )


def _standardized(task: Task) -> Task:
    """Images whose channels have mean zero and variance one in those to train on."""
    shape = image_shape(task)
    num_train = task.num_samples - (task.num_measured or 0)
    images = np.asarray(task.x, np.float64).reshape(-1, *shape)
    trained = images[:num_train]
    mean, std = trained.mean(axis=(0, 1, 2)), trained.std(axis=(0, 1, 2))
    images = (images - mean) / np.where(std > 0, std, 1.0)
    x = jnp.asarray(images.reshape(len(images), -1), jnp.float32)
    return dataclasses.replace(task, x=x, packed_x=None)


def _windows_probe(windows: list[Window]) -> Probe:
    """The window of every network, so that a dataset tells it by itself."""
    ends = np.array(windows, np.float32)

    def measure(snapshot):
        window = ends_of(snapshot.numbers["window"])
        return {"deficit_start": window[0], "deficit_stop": window[1]}

    def ends_of(number):
        return jnp.asarray(ends)[number.astype(int)]

    return Probe(
        measure,
        variables={
            "deficit_start": Variable((), "epochs", "first epoch with a deficit", True),
            "deficit_stop": Variable((), "epochs", "first epoch without it", True),
        },
        parameters={"windows": [list(window) for window in windows]},
        numbers=("window",),
    )
