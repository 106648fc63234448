"""What set-ups have in common: fields of several values, and their combinations."""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any, ClassVar

__all__ = ["SetupGrid"]


class SetupGrid:
    """Base of a frozen dataclass some of whose fields span a grid of sweeps.

    Attributes:
      grid_fields: Names of those fields, the slowest one first. Each is a tuple of
        values, and an axis of the grid where it holds several.
      positive_fields: Names of fields that must be positive numbers.

    Example:
      >>> @dataclasses.dataclass(frozen=True)
      ... class Setup(SetupGrid):
      ...     grid_fields = ("activation", "batch_size")
      ...     activation: tuple[str, ...] = ("tanh",)
      ...     batch_size: tuple[int | str, ...] = (512, "full")
      >>> for chosen, place in Setup().combinations():
      ...     print(chosen, place)
      {'activation': 'tanh', 'batch_size': 512} {'batch_size': '512'}
      {'activation': 'tanh', 'batch_size': 'full'} {'batch_size': 'full'}
    """

    grid_fields: ClassVar[tuple[str, ...]] = ()
    positive_fields: ClassVar[tuple[str, ...]] = ()

    def swept(self, name: str) -> tuple[float | str, ...]:
        """Values of a field of the grid.

        Args:
          name: Name of the field. Where ``hidden`` holds plain numbers, they are the
            layers of one network.

        Returns:
          The values.
        """
        values = getattr(self, name)
        if name == "hidden" and all(value.isdecimal() for value in values):
            return ("-".join(values),)
        return values

    @property
    def axes(self) -> dict[str, tuple[float | str, ...]]:
        """The fields that are swept, with their values."""
        axes = {}
        for name in self.grid_fields:
            values = self.swept(name)
            if len(values) > 1:
                labels = values
                if any(isinstance(value, str) for value in values):
                    labels = tuple(map(str, values))
                axes[name] = labels
        return axes

    def combinations(self) -> Iterator[tuple[dict[str, Any], dict[str, float | str]]]:
        """Every combination of the values, in the order of the grid.

        Yields:
          The value of every field of the grid, and the place of its cell.
        """
        axes = self.axes
        for values in itertools.product(*map(self.swept, self.grid_fields)):
            chosen = dict(zip(self.grid_fields, values, strict=True))
            place = {
                name: str(chosen[name]) if isinstance(labels[0], str) else chosen[name]
                for name, labels in axes.items()
            }
            yield chosen, place

    def check(self) -> None:
        """Refuse fields without a value, with one twice, or that are not positive.

        Raises:
          ValueError: If there is such a field.
        """
        for field in dataclasses.fields(self):
            values = getattr(self, field.name)
            name = field.name.replace("_", "-")
            if isinstance(values, tuple) and not values:
                raise ValueError(f"{name} must name at least one, got none")
            swept = self.swept(field.name) if field.name in self.grid_fields else ()
            if len(set(swept)) < len(swept):
                raise ValueError(f"{name} must name each value once, got {values}")
            if field.name in self.positive_fields:
                for value in values if isinstance(values, tuple) else (values,):
                    if not 0 < value < math.inf:
                        raise ValueError(
                            f"{name} must be one positive number, got {value}"
                        )
