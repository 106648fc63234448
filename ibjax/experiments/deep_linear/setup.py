"""Set-ups of deep linear students of a linear teacher."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import xarray as xr

from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.deep_linear.students import StudentConfig, student
from ibjax.experiments.setup import SetupGrid
from ibjax.sweeps.seeds import sweep_trainable

__all__ = ["LinearSetup", "StudentCell", "linear_cells"]


@dataclass(frozen=True)
class LinearSetup(SetupGrid):
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

    def estimator_texts(self) -> list[str]:
        """What gives the information, in words."""
        variances = ", ".join(f"{variance:g}" for variance in self.noise_variances)
        return [f"exact, noise variance {variances}"]


class StudentCell(NamedTuple):
    """Students of one configuration, as a cell of :func:`ibjax.sweeps.grid.sweep_grid`.

    Attributes:
      place: Its coordinate on every axis of the grid, by the axis' name.
      config: What to train.
      snapshots: Epochs at which to measure.
      noise_variances: Variances of the noise of T.
      description: More to keep in the dataset's ``configuration``.
    """

    place: dict[str, float | str]
    config: StudentConfig
    snapshots: Sequence[int]
    noise_variances: Sequence[float]
    description: dict[str, Any]

    @property
    def network_text(self) -> str:
        """The student in words."""
        return f"{'-'.join(map(str, self.config.widths))} (linear)"

    def run(self, key: jax.Array, **options: Any) -> xr.Dataset:
        """Sweep; options as those of :func:`ibjax.sweeps.sweep_trainable`."""
        students = student(
            self.config,
            noise_variances=self.noise_variances,
            description=self.description,
        )
        return sweep_trainable(key, students, snapshots=self.snapshots, **options)


def linear_cells(
    setup: LinearSetup,
    *,
    snapshots: Sequence[int],
    description: dict[str, Any] | None = None,
) -> list[StudentCell]:
    """The cells of a set-up's grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

    Args:
      setup: The set-up.
      snapshots: Epochs at which to measure.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells, in the order of the grid.

    Raises:
      ValueError: If a field of the set-up is out of range.

    Example:
      >>> setup = LinearSetup(num_samples=(50, 100))
      >>> cells = linear_cells(setup, snapshots=[0, 1])
      >>> [cell.place for cell in cells]
      [{'num_samples': 50}, {'num_samples': 100}]
    """
    setup.check()
    cells = []
    for chosen, place in setup.combinations():
        batch_size = chosen["batch_size"]
        config = StudentConfig(
            hidden=hidden_widths(chosen["hidden"]),
            num_samples=chosen["num_samples"],
            num_inputs=setup.num_inputs,
            num_outputs=setup.num_outputs,
            num_relevant=setup.num_relevant,
            snr=chosen["snr"],
            batch_size=None if batch_size == "full" else batch_size,
            learning_rate=chosen["learning_rate"],
            init_scale=setup.init_scale,
        )
        own = {"epochs": snapshots[-1], **(description or {})}
        cells.append(StudentCell(place, config, snapshots, setup.noise_variances, own))
    return cells
