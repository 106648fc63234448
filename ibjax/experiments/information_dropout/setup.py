"""Set-ups of networks on cluttered digits: information dropout, and binary dropout."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import datasets, networks, probes
from ibjax import representations as rep
from ibjax.datasets.task import Task
from ibjax.experiments.choices import Optimizer, hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.networks.convolutional import convolutional
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["DRAWN", "BinaryDropoutSetup", "InformationDropoutSetup"]

DRAWN = 4
"""Measured images whose maps are kept."""

# More measured images would change the means over their places by little.
_MEASURED_BY_REGION = 500
# Bins of the layers without noise, for the planes that any sweep has.
_BIN_WIDTH = 0.5


@dataclass(frozen=True)
class _ClutteredSetup(Setup):
    """Convolutional networks on cluttered digits.

    Attributes:
      canvas: Pixels of a side of the images.
      digit: Most pixels of a digit's side.
      fragments: Fragments of other digits in each image.
      channels: Channels of the convolutions, of 3 x 3 pixels, as 8-8-8.
      hidden: Units of the fully connected hidden layers, as 64.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
    """

    needs_images = True

    canvas: int = 16
    digit: int = 8
    fragments: int = 4
    channels: str = "8-8-8"
    hidden: str = "64"
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 50

    def task(self, context: Context) -> tuple[Task, datasets.Cluttered]:
        """The images among clutter, and what is where in them."""
        return datasets.cluttered_task(
            jax.random.key(context.random_seed),
            context.images(),
            size=self.canvas,
            digit_size=self.digit,
            num_distractors=self.fragments,
        )

    def plain_network(self, num_classes: int) -> Network:
        """The network without noise."""
        return convolutional(
            (self.canvas, self.canvas),
            hidden_widths(self.channels),
            hidden_widths(self.hidden),
            num_classes,
        )

    def description(self, context: Context) -> dict:
        """What the configuration says of the images and the network."""
        return {
            "canvas": self.canvas,
            "digit": self.digit,
            "fragments": self.fragments,
            "channels": list(hidden_widths(self.channels)),
            "hidden": list(hidden_widths(self.hidden)),
            "epochs": context.snapshots[-1],
        }


@dataclass(frozen=True)
class InformationDropoutSetup(_ClutteredSetup):
    """Networks with information dropout on cluttered digits, for prices of information.

    Attributes:
      beta: Nats of cross-entropy that a nat let through is worth; several are swept, in
        one program.
      max_alpha: Largest deviation of the logarithm of the noise.
      unit_mean: Whether the mean of the noise is one; otherwise its median is.
      canvas: Pixels of a side of the images.
      digit: Most pixels of a digit's side.
      fragments: Fragments of other digits in each image.
      channels: Channels of the convolutions, of 3 x 3 pixels, as 8-8-8.
      hidden: Units of the fully connected hidden layers, as 64.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
    """

    grid_fields = ("beta",)
    number_fields = ("beta",)
    positive_fields = ("max_alpha",)

    beta: tuple[float, ...] = (0.0, 1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4)
    max_alpha: float = 0.7
    unit_mean: bool = True

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for beta in self.beta:
            checks.not_negative("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        The one cell is measured by what its layers let through, in all and on the ink
        of digit and clutter, by bins, and with losses; maps of :data:`DRAWN` images are
        kept.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = InformationDropoutSetup().cells(context)
          >>> print(cell.place, len(cell.vary["beta"]))
          {} 7
        """
        self.check()
        task, found = self.task(context)
        model = rep.with_information_dropout(
            self.plain_network(task.num_classes),
            max_alpha=self.max_alpha,
            unit_mean=self.unit_mean,
        )
        found = jax.tree.map(lambda array: array[-task.num_measured :], found)
        ink = found.images > 0
        regions = {
            "digit": found.digit & ink,
            "clutter": found.clutter & ink,
            "background": ~ink,
        }
        measured = (
            probes.dropout_information(
                model, regions=regions, num_rows=_MEASURED_BY_REGION
            ),
            probes.bin_width(_BIN_WIDTH),
            probes.losses,
            _maps(model, found),
        )
        config = image_config(self, task, context.random_seed)
        cells = []
        for chosen, place in self.combinations():
            own = {
                **self.fixed(chosen),
                "max_alpha": self.max_alpha,
                "unit_mean": self.unit_mean,
                **self.description(context),
            }
            objective = rep.information_dropout(model, beta=chosen["beta"])
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    model.network,
                    config,
                    measured,
                    own,
                    objective=objective,
                )
            )
        return cells


@dataclass(frozen=True)
class BinaryDropoutSetup(_ClutteredSetup):
    """The same networks with binary dropout, for rates.

    Attributes:
      rate: Probability to drop a unit of a convolution or a hidden layer; several are
        swept, in one program.
      canvas: Pixels of a side of the images.
      digit: Most pixels of a digit's side.
      fragments: Fragments of other digits in each image.
      channels: Channels of the convolutions, of 3 x 3 pixels, as 8-8-8.
      hidden: Units of the fully connected hidden layers, as 64.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
    """

    grid_fields = ("rate",)
    number_fields = ("rate",)

    rate: tuple[float, ...] = (0.0, 0.1, 0.2, 0.5)

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for rate in self.rate:
            checks.in_range("rate", rate, "[0, 1)")

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = BinaryDropoutSetup().cells(context)
          >>> cell.vary
          {'rate': (0.0, 0.1, 0.2, 0.5)}
        """
        self.check()
        task, _ = self.task(context)
        plain = self.plain_network(task.num_classes)
        config = image_config(self, task, context.random_seed)
        measured = probes.bin_width(_BIN_WIDTH), probes.losses

        def of_rate(rate):
            return networks.binary_dropout(plain, rate)

        cells = []
        for chosen, place in self.combinations():
            own = self.fixed(chosen) | self.description(context)
            network = of_rate if self.varied else of_rate(chosen["rate"])
            cells.append(
                self.cell(context, place, task, network, config, measured, own)
            )
        return cells


def _maps(model: rep.InformationDropout, found: datasets.Cluttered) -> probes.Probe:
    """Maps of some measured images, and the images, to draw them."""
    places = [number for number, shape in enumerate(model.shapes) if len(shape) == 3]

    def measure(snapshot):
        x = snapshot.measured.x[:DRAWN]
        maps = rep.information_map(snapshot.params, x, model=model)
        return {f"map_{n}": jnp.sum(maps[n], axis=3) for n in places}

    variables = {
        f"map_{n}": probes.Variable(
            ("drawn", f"row_{n}", f"column_{n}"),
            "nats",
            f"information per place of {model.layer_names[n]}",
            True,
        )
        for n in places
    }
    pixels = ("drawn", "row", "column")
    return probes.Probe(
        measure,
        variables=variables,
        parameters={"maps": DRAWN},
        constants={
            "drawn_image": (pixels, np.asarray(found.images[:DRAWN])),
            "drawn_digit": (pixels, np.asarray(found.digit[:DRAWN], np.float32)),
        },
        last_only=True,
        usually_last=True,
    )
