"""Set-up of networks on Shwartz-Ziv and Tishby's task."""

from dataclasses import dataclass
from typing import Any, Literal

from ibjax import datasets
from ibjax.experiments.dense import DenseSetup
from ibjax.experiments.setup import Context

__all__ = ["SOFT_SHARPNESS", "SOFT_THRESHOLD", "SztSetup"]

Estimator = Literal[
    "binning", "closed-binning", "bin-width", "data-range", "kde", "knn", "ross"
]

SOFT_SHARPNESS, SOFT_THRESHOLD = 54.5, 7.632
"""Slope and threshold with which soft labels have the paper's p(y=1) and I(X;Y)."""


@dataclass(frozen=True)
class SztSetup(DenseSetup):
    """Networks on Shwartz-Ziv and Tishby's task; a field with several values is swept.

    Attributes:
      sharpness: Slope of the sigmoid that softens the labels, per unit of score; 54.5
        gives the paper's I(X;Y) of 0.99 bits. None for certain labels.

    Example:
      >>> setup = SztSetup(activation=("tanh", "relu"), batch_size=(512, "full"))
      >>> cells = setup.cells(Context(snapshots=[0, 10]))
      >>> [tuple(cell.place.values()) for cell in cells]
      [('tanh', '512'), ('tanh', 'full'), ('relu', '512'), ('relu', 'full')]
    """

    estimators: tuple[Estimator, ...] = ("binning", "bin-width", "kde")
    sharpness: float | None = None

    def task(self, context: Context) -> datasets.Task:
        """The task, with soft labels if there is a sharpness."""
        del context
        if self.sharpness is None:
            return datasets.szt()
        return datasets.szt(self.sharpness, SOFT_THRESHOLD)

    def own(self, chosen: dict[str, Any], context: Context) -> dict[str, Any]:
        """What a cell says of itself; see the base class."""
        return {**super().own(chosen, context), "sharpness": self.sharpness}
