"""Set-ups of experiments: fields of several values, and their combinations."""

import abc
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import jax

from ibjax.datasets.images import first_measured
from ibjax.datasets.task import Task
from ibjax.experiments.choices import check_batch
from ibjax.networks.network import Network
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell
from ibjax.training.config import TrainConfig
from ibjax.training.objectives import ObjectiveFn

__all__ = ["Context", "Setup"]


class Context(NamedTuple):
    """Everything besides the set-up that decides the cells of a grid.

    Attributes:
      snapshots: Epochs at which to measure.
      random_seed: Seed of all random numbers, that of the sweep's key too.
      num_seeds: Networks of every cell.
      block: Networks trained together, see :func:`ibjax.sweep`.
      devices: Devices to use.
      description: More to keep in every dataset's ``configuration``.
      task: Images, for a set-up on images; see
        :func:`ibjax.datasets.images.image_task`. Or a table.
      num_measured: Test images to measure on, the first ones; None for all.
    """

    snapshots: Sequence[int]
    random_seed: int = 0
    num_seeds: int = 1
    block: int | None = None
    devices: Sequence[jax.Device] | None = None
    description: Mapping[str, Any] = MappingProxyType({})
    task: Task | None = None
    num_measured: int | None = None

    def images(self) -> Task:
        """Images of a set-up on images, with ``num_measured`` of those measured.

        Returns:
          The task.

        Raises:
          ValueError: If there are no images, or ``num_measured`` is not positive.
        """
        if self.task is None:
            raise ValueError("task must hold the images of the set-up, got None")
        return first_measured(self.task, self.num_measured)


class Setup(abc.ABC):
    """Base of a frozen dataclass some of whose fields span a grid of sweeps.

    The fields are the options of ``ibjax sweep``.

    Attributes:
      grid_fields: Names of those fields, the slowest one first. Each is a tuple of
        values, and an axis of the grid where it holds several.
      optional_fields: Names of fields that may hold no value.
      positive_fields: Names of fields that must be positive numbers.
      number_fields: Names of those fields of the grid that training takes as numbers:
        several values of one are trained side by side in one program.
      needs_images: Whether the cells need images, :attr:`Context.task`.
      needs_table: Whether they need a table, there likewise.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Example(Setup):
      ...     grid_fields = ("activation", "batch_size")
      ...     activation: tuple[str, ...] = ("tanh",)
      ...     batch_size: tuple[int | str, ...] = (512, "full")
      ...
      ...     def cells(self, context):
      ...         return []
      >>> for chosen, place in Example().combinations():
      ...     print(chosen, place)
      {'activation': 'tanh', 'batch_size': 512} {'batch_size': '512'}
      {'activation': 'tanh', 'batch_size': 'full'} {'batch_size': 'full'}
    """

    grid_fields: ClassVar[tuple[str, ...]] = ()
    optional_fields: ClassVar[tuple[str, ...]] = ()
    positive_fields: ClassVar[tuple[str, ...]] = ()
    number_fields: ClassVar[tuple[str, ...]] = ()
    needs_images: ClassVar[bool] = False
    needs_table: ClassVar[bool] = False

    @abc.abstractmethod
    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

        Args:
          context: Everything else that decides them.

        Returns:
          The cells, in the order of the grid.

        Raises:
          ValueError: If a field or a number is out of range.
        """

    def cell(
        self,
        context: Context,
        place: dict[str, float | str],
        task: Task,
        network: Network | Callable[..., Network],
        config: TrainConfig,
        probes: Any,
        own: Mapping[str, Any],
        *,
        objective: ObjectiveFn | None = None,
    ) -> Cell:
        """One cell, which varies the set-up's numbers at the context's snapshots.

        Args:
          context: Everything besides the set-up.
          place: Its place in the grid.
          task: See :class:`ibjax.sweeps.Cell`.
          network: See there, or a function of numbers that are varied.
          config: See there.
          probes: See there.
          own: What it says of itself in the dataset's ``configuration``, besides the
            context's description.
          objective: See there.

        Returns:
          The cell.

        Raises:
          ValueError: If a batch is larger than the training set.
        """
        # Rows that cannot be trained on fail here, before anything has run.
        check_batch(task, config)
        return Cell(
            place,
            task,
            network,
            config,
            context.snapshots,
            probes,
            {**own, **context.description},
            objective,
            self.varied,
        )

    def swept(self, name: str) -> tuple[float | str, ...]:
        """Values of a field of the grid.

        Args:
          name: Name of the field. In ``hidden`` units are separated by dashes or
            commas; plain numbers are the layers of one network.

        Returns:
          The values.
        """
        values = getattr(self, name)
        if name != "hidden":
            return values
        if all(value.isdecimal() for value in values):
            return ("-".join(values),)
        return tuple(value.replace(",", "-") for value in values)

    @property
    def axes(self) -> dict[str, tuple[float | str, ...]]:
        """Values of the fields that are swept, by name."""
        axes = {}
        for name in self.grid_fields:
            values = self.swept(name)
            if len(values) > 1:
                labels = values
                if any(isinstance(value, str) for value in values):
                    labels = tuple(map(str, values))
                axes[name] = labels
        return axes

    @property
    def varied(self) -> dict[str, tuple[float | str, ...]]:
        """Numbers that are swept within a cell, by name."""
        return {k: v for k, v in self.axes.items() if k in self.number_fields}

    def fixed(self, chosen: dict[str, Any]) -> dict[str, Any]:
        """Values of one combination that its whole cell has."""
        return {k: v for k, v in chosen.items() if k not in self.varied}

    def combinations(self) -> Iterator[tuple[dict[str, Any], dict[str, float | str]]]:
        """Every combination of the values, in the order of the grid.

        Of numbers that are swept within a cell (:attr:`varied`) it has the first.

        Yields:
          The value of every field of the grid, and the place of its cell.
        """
        varied = self.varied
        axes = {k: v for k, v in self.axes.items() if k not in varied}
        choices = [
            self.swept(name)[: 1 if name in varied else None]
            for name in self.grid_fields
        ]
        for values in itertools.product(*choices):
            chosen = dict(zip(self.grid_fields, values, strict=True))
            place = {
                name: str(chosen[name]) if isinstance(labels[0], str) else chosen[name]
                for name, labels in axes.items()
            }
            yield chosen, place

    def check(self) -> None:
        """Check that every field has values, none of them twice or out of range.

        Raises:
          ValueError: If a field has not.
        """
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            name = field.name.replace("_", "-")
            if isinstance(values, tuple) and field.name not in self.optional_fields:
                checks.not_empty(name, values)
            swept = self.swept(field.name) if field.name in self.grid_fields else ()
            if len(set(swept)) < len(swept):
                raise ValueError(f"{name} must name each value once, got {values}")
            if field.name in self.positive_fields:
                for value in values if isinstance(values, tuple) else (values,):
                    checks.positive(name, value)
