"""Set-up of dense networks on a table."""

from dataclasses import dataclass
from typing import ClassVar

from ibjax.datasets.task import Task
from ibjax.experiments.dense import DenseSetup
from ibjax.experiments.setup import Context
from ibjax.probes.named import LayerEstimator

__all__ = ["TableSetup"]


@dataclass(frozen=True)
class TableSetup(DenseSetup):
    """Dense networks on a table; a field with several values is swept.

    A batch is at most the training set.

    Attributes:
      estimators: Estimators of the information; without any binning, bin-width and kde,
        or for real targets ksg and gaussian. Ross is of classes, too.

    Example:
      >>> from ibjax.datasets import make_task
      >>> task = make_task([[0.0], [1.0], [2.0], [3.0]], targets=[0.1, 0.2, 0.3, 0.5])
      >>> (cell,) = TableSetup(hidden=("3",)).cells(Context([0, 1], task=task))
      >>> print(cell.network.layer_names, cell.config.batch_size)
      ('tanh 3', 'output 1') None
    """

    needs_table: ClassVar[bool] = True

    estimators: tuple[LayerEstimator, ...] = ()

    def task(self, context: Context) -> Task:
        """The table's task."""
        if context.task is None:
            raise ValueError("task must hold the table of the set-up, got None")
        return context.task

    def estimators_of(self, task: Task) -> tuple[str, ...]:
        """Names of the estimators for classes or for real targets."""
        if self.estimators:
            return self.estimators
        if task.kind == "vectors":
            return ("ksg", "gaussian")
        return ("binning", "bin-width", "kde")
