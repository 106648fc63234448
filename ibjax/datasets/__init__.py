"""Tasks: inputs, labels and, where it is known, the true p(y|x)."""

from ibjax.datasets.szt import szt
from ibjax.datasets.task import Task, make_task

__all__ = ["Task", "make_task", "szt"]
