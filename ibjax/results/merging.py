"""Runs of different seeds joined to one."""

import json
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ibjax.results.ceiling import with_ceiling
from ibjax.results.files import (
    DATASET_FILE,
    ResultsError,
    datasets_in,
    open_dataset,
)
from ibjax.results.shards import Shard, shard_of

__all__ = ["merge", "merge_cells", "merge_directories", "shard_directories"]

# Entries of a configuration in which parts of a run differ.
_OWN = ("num_seeds", "first_seed", "shard")
_TITLE = re.compile(r"(?<=^ibjax sweep of )[0-9]+")
_NUM_NAMED = 8


def merge(datasets: Iterable[xr.Dataset]) -> xr.Dataset:
    """One dataset of sweeps of one configuration over different seeds.

    Times are added up, and the latest date is kept. Other versions of packages, kinds
    of devices or sizes of blocks are told by a warning, since they may round otherwise.

    Args:
      datasets: Datasets whose ``configuration`` differs in the seeds only: of the
        shards of a run, or of runs with a ``first_seed`` each.

    Returns:
      One dataset, sorted by seed; of shards that of the whole run.

    Raises:
      ValueError: If configurations or versions of ibjax differ, a seed or a shard
        appears twice, or one is missing.

    Example:
      >>> parts = [
      ...     xr.Dataset(
      ...         {"loss": (("seed", "epoch"), [[1.0]])},
      ...         {"seed": [seed], "epoch": [0]},
      ...         {"configuration": json.dumps({"num_seeds": 1, "first_seed": seed})},
      ...     )
      ...     for seed in (1, 0)
      ... ]
      >>> merged = merge(parts)
      >>> print(merged.seed.values, merged.attrs["configuration"])
      [0 1] {"num_seeds": 2, "first_seed": 0}
    """
    return _merge(datasets_in("datasets", datasets))


def merge_directories(directories: Sequence[str | Path]) -> xr.Dataset:
    """One dataset of finished runs of different seeds.

    Args:
      directories: Directories of runs. One that holds shards, as ``ibjax sweep`` writes
        them, stands for all of these.

    Returns:
      The dataset of :func:`merge`.

    Raises:
      ResultsError: If a run is missing, unfinished or damaged, or there twice, or is
        none of the others' run; the message names its directory.

    Example:
      >>> merge_directories(["no-such-place"])
      Traceback (most recent call last):
          ...
      ibjax.results.files.ResultsError: no results: no-such-place does not exist
    """
    found = shard_directories(directories)
    datasets = [_finished(path) for path in found]
    try:
        return _merge(datasets, [str(path) for path in found])
    except ValueError as error:
        raise ResultsError(str(error)) from error


def merge_cells(directories: Sequence[str | Path]) -> dict[str, xr.Dataset]:
    """The cells of finished grids of different seeds, each as one dataset.

    Args:
      directories: As for :func:`merge_directories`.

    Returns:
      Datasets by the names of the cells' directories; none for plain sweeps.

    Raises:
      ResultsError: If one is missing or damaged, or they do not fit together.
    """
    found = shard_directories(directories)
    names = sorted(path.parent.name for path in found[0].glob(f"*=*/{DATASET_FILE}"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What there is to say was said of the grid.
        return {name: merge_directories([p / name for p in found]) for name in names}


def shard_directories(directories: Sequence[str | Path]) -> list[Path]:
    """Directories of runs, with those of shards in place of the one that holds them.

    Args:
      directories: Directories.

    Returns:
      Directories of one run each, shards in the order of their numbers.

    Raises:
      ResultsError: If one of them does not exist, or is there twice.
    """
    found = []
    for directory in map(Path, directories):
        if not directory.is_dir():
            raise ResultsError(f"no results: {directory} does not exist")
        held = [(Shard.named(path.name), path) for path in directory.iterdir()]
        held = sorted((shard, path) for shard, path in held if shard is not None)
        found += [path for _, path in held] or [directory]
    for path, count in Counter(path.resolve() for path in found).items():
        if count > 1:
            raise ResultsError(f"{path} is there {count} times; each run may be once")
    return found


def _finished(directory: Path) -> xr.Dataset:
    if (directory / DATASET_FILE).exists():
        return open_dataset(directory)
    begun = (directory / "checkpoint.npz").exists() or any(directory.glob("*=*"))
    state = "is unfinished; go on with it by --resume" if begun else "has no results"
    raise ResultsError(f"{directory} {state}")


def _merge(datasets: list[xr.Dataset], names: list[str] | None = None) -> xr.Dataset:
    if not datasets:
        raise ValueError("datasets must hold at least one dataset, got none")
    configurations = [json.loads(d.attrs["configuration"]) for d in datasets]
    own = [{name: c.pop(name, None) for name in _OWN} for c in configurations]
    for number, configuration in enumerate(configurations):
        _check_same(configurations[0], configuration, names, number)
    _check_versions(datasets, names)
    whole = _check_shards(own, names)
    seeds = _check_seeds(datasets, names, whole)
    datasets = sorted(datasets, key=lambda dataset: dataset.seed.values[0])
    merged = xr.concat(datasets, "seed", data_vars="minimal", combine_attrs="override")
    merged = merged.sortby("seed")
    configuration = json.loads(datasets[0].attrs["configuration"])
    configuration |= {"num_seeds": len(seeds), "first_seed": int(seeds.min())}
    configuration.pop("shard", None)
    merged.attrs |= _attributes(datasets) | {"configuration": json.dumps(configuration)}
    if "title" in merged.attrs:
        merged.attrs["title"] = _TITLE.sub(str(len(seeds)), merged.attrs["title"])
    return with_ceiling(merged)


def _check_same(first, other, names, number) -> None:
    """Check that a configuration without its seeds is that of the first part."""
    if first == other:
        return
    differing = ", ".join(n for n in first | other if first.get(n) != other.get(n))
    if names is None:
        raise ValueError(f"datasets differ in {differing}")
    raise ValueError(
        f"{names[number]} is of another run than {names[0]}, which differs in "
        f"{differing}"
    )


def _check_versions(datasets, names) -> None:
    """Refuse other versions of ibjax, whose options may mean something else."""
    found = [_json(d.attrs.get("versions", "{}")).get("ibjax") for d in datasets]
    for number, version in enumerate(found):
        if version != found[0]:
            one, other = (_named(names, n) for n in (number, 0))
            raise ValueError(
                f"{one} is of version {version} of ibjax, {other} of {found[0]}"
            )


def _check_shards(own: list[dict[str, Any]], names) -> tuple[int, int] | None:
    """Check that shards are all those of one run; return its size and first seed."""
    known = [shard_of(entries) for entries in own]
    found = [entry for entry in known if entry is not None]
    if not found:
        return None
    if len(found) < len(known):
        raise ValueError(
            f"{_named(names, known.index(None))} is of no shard, others are"
        )
    for number, entry in enumerate(found):
        one, first = (_named(names, n) for n in (number, 0))
        shard, *whole = entry
        if (shard.count, *whole) != (found[0][0].count, *found[0][1:]):
            raise ValueError(
                f"{one} is shard {shard} of a run of {whole[0]} seeds from {whole[1]} "
                f"on, {first} shard {found[0][0]} of one of {found[0][1]} from "
                f"{found[0][2]} on"
            )
        earlier = [found[n][0] for n in range(number)]
        if shard in earlier:
            before = _named(names, earlier.index(shard))
            raise ValueError(f"shard {shard} is there twice: {before} and {one}")
    count = found[0][0].count
    missing = sorted(set(range(1, count + 1)) - {entry[0].number for entry in found})
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise ValueError(f"shard{plural} {_listed(missing)} of {count} missing")
    _, *whole = found[0]
    return whole[0], whole[1]


def _check_seeds(datasets, names, whole: tuple[int, int] | None) -> np.ndarray:
    """Check that the seeds have neither gaps nor repeats; return them."""
    holders: dict[int, int] = {}
    for number, dataset in enumerate(datasets):
        for seed in dataset.seed.values.tolist():
            if seed in holders:
                if names is None:
                    raise ValueError("datasets share seeds; each may appear once")
                raise ValueError(
                    f"{names[holders[seed]]} and {names[number]} both have seed {seed}"
                )
            holders[seed] = number
    seeds = np.array(sorted(holders))
    first, last = int(seeds[0]), int(seeds[-1])
    if whole is not None:
        first, last = whole[1], whole[1] + whole[0] - 1
    missing = sorted(set(range(first, last + 1)) - holders.keys())
    if missing:
        raise ValueError(
            f"datasets must hold all seeds from {first} to {last}, got none of "
            f"{_listed(missing)}"
        )
    return seeds


def _attributes(datasets: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Attributes of how the parts came about, combined."""
    combined: dict[str, Any] = {
        name: sum(dataset.attrs.get(name, 0.0) for dataset in datasets)
        for name in ("wall_seconds", "compile_seconds")
    }

    def values(name):
        found = [d.attrs[name] for d in datasets if name in d.attrs]
        return list(dict.fromkeys(found))

    if values("created"):
        combined["created"] = max(values("created"))
    differing = {}
    if len(values("devices")) > 1:
        combined["devices"] = "; ".join(values("devices"))
    kinds = [re.sub(r"^[0-9]+ x ", "", text) for text in values("devices")]
    differing["kinds of devices"] = list(dict.fromkeys(kinds))
    differing["versions"] = [
        ", ".join(f"{k} {v}" for k, v in parsed.items() if _varies(k, datasets))
        for parsed in map(_json, values("versions"))
    ]
    differing["sizes of blocks"] = values("block")
    said = [
        f"{name} ({'; '.join(map(str, found))})"
        for name, found in differing.items()
        if len(found) > 1
    ]
    if said:
        warnings.warn(
            f"parts of the run differ in {' and '.join(said)}: the last bits of one "
            "run of them all may be others",
            stacklevel=4,
        )
    return combined


def _varies(package: str, datasets: Sequence[xr.Dataset]) -> bool:
    parsed = [_json(d.attrs.get("versions", "{}")) for d in datasets]
    return len({versions.get(package) for versions in parsed}) > 1


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _named(names: list[str] | None, number: int) -> str:
    return f"dataset {number}" if names is None else names[number]


def _listed(numbers: list[int]) -> str:
    """The first of some numbers as text, and how many are left."""
    left = len(numbers) - _NUM_NAMED
    more = f" and {left} more" if left > 0 else ""
    return ", ".join(map(str, numbers[:_NUM_NAMED])) + more
