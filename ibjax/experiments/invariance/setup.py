"""Set-up of networks that pay for information, on digits below clutter."""

import math
from dataclasses import dataclass

import jax

from ibjax import datasets, probes
from ibjax.experiments.choices import Optimizer, hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.priced import Kind, priced_network
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["InvarianceSetup"]


@dataclass(frozen=True)
class InvarianceSetup(Setup):
    """Networks that pay for information, on digits below clutter.

    Attributes:
      kind: Through a Gaussian code (vib), or with information-dropout.
      beta: Nats of cross-entropy that a nat of information is worth; several are swept,
        in one program.
      hidden: Units of the hidden layers before the representation, as 128-128.
      dim: Dimensions of the code, or units of the last noisy layer.
      digit: Pixels of a side of the images, which the digits fill.
      fragments: Most fragments on an image; their number is uniform from 0 on.
      fragment: Pixels of a side of a fragment.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      steps: Steps of the discriminators.
    """

    grid_fields = ("beta",)
    number_fields = ("beta",)
    needs_images = True

    kind: Kind = "vib"
    beta: tuple[float, ...] = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3)
    hidden: str = "128-128"
    dim: int = 8
    digit: int = 14
    fragments: int = 3
    fragment: int = 5
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 100
    steps: int = 300

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for name in ("dim", "digit", "fragments", "fragment", "steps"):
            checks.count(name, getattr(self, name))
        for beta in self.beta:
            checks.not_negative("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by what its representation tells of the nuisance and of the
        label, by losses, and, through a code, by its bounds.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> (cell,) = InvarianceSetup(digit=8).cells(context)
          >>> print(cell.place, len(cell.vary["beta"]), cell.task.num_inputs)
          {} 7 64
        """
        self.check()
        images = context.images()
        side = math.isqrt(images.num_inputs)
        task, found = datasets.cluttered_task(
            jax.random.key(context.random_seed),
            images,
            # The digits fill the images, so that all stay in place.
            size=side // -(-side // self.digit),
            digit_size=self.digit,
            num_distractors=(0, self.fragments),
            fragment_size=self.fragment,
        )
        priced = priced_network(
            self.kind,
            (task.num_inputs, *hidden_widths(self.hidden)),
            dim=self.dim,
            num_classes=task.num_classes,
        )
        measured = (
            probes.drawn_information(
                priced.draw,
                {
                    "nuisance": found.num_fragments[-task.num_measured :],
                    "label": task.measured.labels,
                },
                num_steps=self.steps,
            ),
            priced.probe,
            probes.losses,
        )
        own = {
            "kind": self.kind,
            "hidden": list(hidden_widths(self.hidden)),
            "dim": self.dim,
            "digit": self.digit,
            "fragments": self.fragments,
            "fragment": self.fragment,
            "nuisance_entropy": math.log(self.fragments + 1),
            "epochs": context.snapshots[-1],
        }
        config = image_config(self, task, context.random_seed)
        return [
            self.cell(
                context,
                place,
                task,
                priced.network,
                config,
                measured,
                {**self.fixed(chosen), **own},
                objective=priced.objective(chosen["beta"]),
            )
            for chosen, place in self.combinations()
        ]
