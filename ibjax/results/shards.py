"""Shards: parts of a run's seeds, each run by itself, and merged afterwards."""

import re
from typing import Any, NamedTuple

from ibjax.numerics import checks

__all__ = ["Shard", "shard_of"]

_TEXT = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")
_NAME = re.compile(r"shard-([0-9]{1,9})-of-([0-9]{1,9})")


class Shard(NamedTuple):
    """One of the shards of a run.

    Attributes:
      number: Its number, from 1 on.
      count: How many there are.
    """

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """The shard of a text.

        Args:
          text: ``"2/5"``, the second of five.

        Returns:
          The shard.

        Raises:
          TypeError: If it is no text.
          ValueError: If the text is none of a shard.

        Example:
          >>> Shard.parse("2/5")
          Shard(number=2, count=5)
        """
        checks.instance("shard", text, str)
        found = _TEXT.fullmatch(text)
        shard = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= shard.number <= shard.count:
            raise ValueError(
                f"shard must be K/N with K from 1 to N, such as 2/5, got {text!r}"
            )
        return shard

    @property
    def directory_name(self) -> str:
        """Name of its directory in that of the run.

        Example:
          >>> Shard(2, 5).directory_name
          'shard-2-of-5'
        """
        return f"shard-{self.number}-of-{self.count}"

    @classmethod
    def named(cls, name: str) -> "Shard | None":
        """The shard with a directory of this name, None if there is none."""
        found = _NAME.fullmatch(name)
        return cls(*map(int, found.groups())) if found else None

    def seeds(self, num_seeds: int, *, block: int = 1, first_seed: int = 0) -> range:
        """Seeds of this shard.

        Args:
          num_seeds: Number of seeds of the run.
          block: Seeds that are trained together, and stay together where there are as
            many blocks as shards: shards of parts of blocks cost as much as whole ones.
          first_seed: Number of the run's first seed.

        Returns:
          Consecutive seeds; all shards have together those of the run.

        Raises:
          ValueError: If there are more shards than seeds.

        Example:
          >>> [Shard(n, 3).seeds(50, block=5) for n in (1, 2, 3)]
          [range(0, 20), range(20, 35), range(35, 50)]
          >>> [len(Shard(n, 3).seeds(10, block=5)) for n in (1, 2, 3)]
          [4, 3, 3]
        """
        if self.count > num_seeds:
            raise ValueError(
                f"shard must be one of at most {num_seeds}, the number of seeds, got "
                f"{self}"
            )
        unit = block if -(-num_seeds // block) >= self.count else 1
        least, more = divmod(-(-num_seeds // unit), self.count)
        # The first ones have a unit more than the others.
        start, end = (n * least + min(n, more) for n in (self.number - 1, self.number))
        return range(first_seed + start * unit, first_seed + min(end * unit, num_seeds))


def shard_of(configuration: dict[str, Any]) -> tuple[Shard, int, int] | None:
    """Shard that a run was, as its configuration tells.

    Args:
      configuration: Configuration of a run or a grid.

    Returns:
      The shard, and number of seeds and first seed of the whole run; None for a run
      that was no shard.

    Raises:
      ValueError: If what it tells is none.

    Example:
      >>> entry = {"number": 2, "count": 5, "num_seeds": 10, "first_seed": 0}
      >>> shard_of({"shard": entry})
      (Shard(number=2, count=5), 10, 0)
    """
    entry = configuration.get("shard")
    if entry is None:
        return None
    names = ("number", "count", "num_seeds", "first_seed")
    try:
        number, count, num_seeds, first_seed = (int(entry[name]) for name in names)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"a shard must be one of a run, got {entry!r:.80}") from error
    return Shard(number, count), num_seeds, first_seed
