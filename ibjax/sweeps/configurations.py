"""All that decides a run's numbers: its seeds, what varies, and what is trained."""

import itertools
import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ibjax.numerics import checks
from ibjax.results.shards import Shard
from ibjax.sweeps.layout import CPU_BLOCK
from ibjax.sweeps.runs import check_snapshots
from ibjax.training.trainable import Trainable

__all__ = [
    "Seeds",
    "check_outside",
    "check_vary",
    "chosen_seeds",
    "places_of",
    "run_configurations",
]


class Seeds(NamedTuple):
    """Seeds of a run.

    Attributes:
      own: Those that it trains.
      whole: Those of the run of which it is a shard; the same for one that is none.
      shard: Which shard.
    """

    own: range
    whole: range
    shard: Shard | None

    @property
    def entries(self) -> dict[str, Any]:
        """What a configuration says of them."""
        entries = {"num_seeds": len(self.own), "first_seed": self.own[0]}
        if self.shard is None:
            return entries
        whole = {"num_seeds": len(self.whole), "first_seed": self.whole[0]}
        return entries | {"shard": self.shard._asdict() | whole}

    def rows(self, num_places: int) -> np.ndarray | None:
        """Numbers of the own seeds among all copies of the whole run's.

        Args:
          num_places: Copies of each seed, one for every combination of numbers.

        Returns:
          Increasing numbers; None for a run that is no shard.
        """
        if self.shard is None:
            return None
        own = np.asarray(self.own) - self.whole[0]
        return (len(self.whole) * np.arange(num_places)[:, None] + own).ravel()


def chosen_seeds(
    num_seeds: int, first_seed: int, shard: str | None, block: int | None
) -> Seeds:
    """Seeds of a run, or of one of its shards, checked.

    Args:
      num_seeds: Number of seeds of the run.
      first_seed: The first of them.
      shard: Which shard, such as ``"2/5"``; None for the whole run.
      block: Seeds trained together, where that is not left to the device.

    Returns:
      The seeds.

    Raises:
      ValueError: If a number is out of range, or there is no such shard.
      TypeError: If a number is no whole number, or the shard no text.

    Example:
      >>> chosen_seeds(20, 0, "2/3", None).own
      range(10, 15)
    """
    checks.count("num_seeds", num_seeds)
    checks.count("first_seed", first_seed, 0)
    # A seed's number is 32 bits wide where it is folded into the key.
    checks.in_range("first_seed + num_seeds", first_seed + num_seeds, "[1, 2147483647]")
    whole = range(first_seed, first_seed + num_seeds)
    if shard is None:
        return Seeds(whole, whole, None)
    if block is not None:
        checks.count("block", block)
    found = Shard.parse(shard)
    # On whatever device: shards on other ones have to fit together.
    own = found.seeds(num_seeds, block=block or CPU_BLOCK, first_seed=first_seed)
    return Seeds(own, whole, found)


def run_configurations(
    key: jax.Array,
    trainable: Trainable,
    seeds: Seeds,
    *,
    snapshots: Sequence[int],
    vary: Mapping[str, Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """All that decides a run's numbers, as JSON returns it, of every varied place."""
    base = trainable.configuration | {
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "snapshots": list(check_snapshots(snapshots)),
        **seeds.entries,
    }
    base = json.loads(json.dumps(base))
    return [base | place for place in places_of(check_vary(vary))]


def places_of(vary: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """All combinations of varied numbers."""
    return [
        dict(zip(vary, values, strict=True))
        for values in itertools.product(*vary.values())
    ]


def check_vary(
    vary: Mapping[str, Sequence[float]] | None,
) -> dict[str, list[float]]:
    """Values of varied numbers by name, each checked to be one of its kind."""
    if vary is not None:
        checks.instance("vary", vary, Mapping)
    checked = {}
    for name, values in (vary or {}).items():
        try:
            checked[name] = [float(value) for value in np.asarray(values).ravel()]
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"vary must hold numbers, got {values} for {name}"
            ) from error
        different = len(set(checked[name])) == len(checked[name]) > 0
        if not different or not all(map(math.isfinite, checked[name])):
            raise ValueError(
                f"vary must hold different finite numbers, got {values} for {name}"
            )
    for rate in checked.get("learning_rate", ()):
        checks.positive("learning_rate", rate)
    for share in checked.get("label_noise", ()):
        checks.in_range("label_noise", share, "[0, 1]")
    return checked


def check_outside(directory: Any, devices: Any, on_progress: Any) -> None:
    """Check where a sweep is to run and write, and whom it tells, if that is given."""
    if directory is not None:
        checks.instance("directory", directory, str, os.PathLike)
    if devices is not None:
        checks.not_empty("devices", checks.instance("devices", devices, list, tuple))
        for number, device in enumerate(devices):
            checks.instance(f"devices[{number}]", device, jax.Device)
    if on_progress is not None:
        checks.function("on_progress", on_progress)
