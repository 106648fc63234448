"""Set-up of deep linear students of a linear teacher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.deep_linear.students import StudentConfig, student
from ibjax.experiments.setup import Context, Setup
from ibjax.sweeps.grid import Cell

__all__ = ["LinearSetup"]


@dataclass(frozen=True)
class LinearSetup(Setup):
    """Deep linear students; a field with several values is swept.

    Attributes:
      hidden: Units of every hidden layer, as 50-50; several networks are swept.
      num_samples: Training samples; several numbers are swept.
      snr: Variance of the teacher's weights over that of the labels' noise; several are
        swept.
      batch_size: Samples of a batch, which must divide their number, or "full" for all;
        several are swept.
      learning_rate: Step size of gradient descent; several are swept.
      num_inputs: Inputs of teacher and student.
      num_relevant: How many of them the teacher looks at; None for all. With it the
        information on the others is measured by itself.
      num_outputs: Outputs of teacher and student.
      init_scale: Scale of the initial weights; at 1 a layer keeps the norm of its input
        on average.
      noise_variances: Variances of the noise under which I(X;T) is finite, an estimator
        of each; the student has none.
    """

    grid_fields = ("hidden", "num_samples", "snr", "batch_size", "learning_rate")
    positive_fields = ("noise_variances",)
    number_fields = ("learning_rate",)

    hidden: tuple[str, ...] = ("100",)
    num_samples: tuple[int, ...] = (100,)
    snr: tuple[float, ...] = (1.0,)
    batch_size: tuple[int | Literal["full"], ...] = ("full",)
    learning_rate: tuple[float, ...] = (0.15,)
    num_inputs: int = 100
    num_relevant: int | None = None
    num_outputs: int = 1
    init_scale: float = 0.1
    noise_variances: tuple[float, ...] = (1.0, 0.01)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> setup = LinearSetup(num_samples=(50, 100))
          >>> [cell.place for cell in setup.cells(Context(snapshots=[0, 1]))]
          [{'num_samples': 50}, {'num_samples': 100}]
        """
        self.check()
        cells = []
        for chosen, place in self.combinations():
            batch_size = chosen["batch_size"]
            config = StudentConfig(
                hidden=hidden_widths(chosen["hidden"]),
                num_samples=chosen["num_samples"],
                num_inputs=self.num_inputs,
                num_outputs=self.num_outputs,
                num_relevant=self.num_relevant,
                snr=chosen["snr"],
                batch_size=None if batch_size == "full" else batch_size,
                learning_rate=chosen["learning_rate"],
                init_scale=self.init_scale,
            )
            students = student(
                config,
                noise_variances=self.noise_variances,
                description={"epochs": context.snapshots[-1], **context.description},
            )
            cells.append(
                Cell(
                    place,
                    snapshots=context.snapshots,
                    vary=self.varied,
                    trainable=students,
                )
            )
        return cells
