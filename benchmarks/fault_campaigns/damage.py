"""Files that a run leaves, with bytes changed."""

import argparse
import contextlib
import io
import json
import os
import pathlib
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import numpy as np
import xarray as xr

from fault_campaigns.tally import Tally
from ibjax import claims, cli, datasets, networks, results, sweep, training
from ibjax.compilation import use_all_cores
from ibjax.results.example import example_dataset
from ibjax.results.files import seal
from ibjax.sweeps import Cell, sweep_grid

__all__ = ["case_checkpoints", "case_files"]

_SNAPSHOTS = (0, 1, 2, 3)
_TABLE = "x,no,yes\n1,0.4,0.1\n2,0.1,0.4\n"


def case_files(args: argparse.Namespace) -> dict[str, Any]:
    """Opens results whose bytes were changed."""
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "results.nc"
        results.save_dataset(example_dataset(num_seeds=2), path)
        whole = path.read_bytes()
        expected = results.open_dataset(path)
        for _ in range(args.files):
            kind, content = _damaged(rng, whole)
            path.write_bytes(content)
            with tally.timed():
                _judge(
                    tally,
                    kind,
                    lambda: results.open_dataset(path).identical(expected),
                )
        left = len(list(pathlib.Path(directory).iterdir())) - 1
    return tally.row("damaged results.nc", **{"files left": left})


def case_checkpoints(args: argparse.Namespace) -> dict[str, Any]:
    """Resumes runs of which a file was changed."""
    rng = np.random.default_rng(args.seed)
    tally = Tally()
    left = 0
    # The command would set their number, which it can no more once a sweep has run.
    use_all_cores()
    with tempfile.TemporaryDirectory() as directory:
        place = pathlib.Path(directory)
        # What a forged file would do if it were run.
        marker = place / "executed"
        kinds = _kinds(place)
        files = {
            name: sorted(f for f in (place / name).rglob("*") if f.is_file())
            for name in kinds
        }
        for number in range(args.checkpoints):
            name = list(kinds)[number % len(kinds)]
            whole = files[name][int(rng.integers(len(files[name])))]
            inner = whole.relative_to(place / name)
            copy = place / "copy"
            shutil.copytree(place / name, copy)
            kind = _spoil(rng, copy / inner, marker)
            with tally.timed():
                _judge(tally, f"{name}, {inner}, {kind}", partial(kinds[name], copy))
            if marker.exists():
                tally.add("silently wrong", f"{name}, {inner}: it was executed")
                marker.unlink()
            left += len(list(copy.rglob("*.tmp"))) + len(list(copy.rglob(".ibjax*")))
            shutil.rmtree(copy)
    return tally.row("damaged files of runs", **{"files left": left})


def _judge(tally: Tally, what: str, is_right: Callable[[], bool]) -> None:
    try:
        right = is_right()
        tally.add("answered" if right else "silently wrong", what)
    except (results.ResultsError, ValueError) as error:
        one_line = str(error) and "\n" not in str(error)
        # JSON's and NumPy's errors are of the same kind, and name no file.
        named = isinstance(error, results.ResultsError) or "must" in str(error)
        text = f"{what}: {type(error).__name__}: {str(error)[:100]}"
        tally.add("refused" if one_line and named else "raw error", text)
    except SystemExit as error:
        # The message of a command was read already.
        tally.add("refused" if error.code in (1, 2) else "raw error", what)
    except Exception as error:
        text = f"{what}: {type(error).__name__}: {str(error)[:100]}"
        tally.add("raw error", text)


def _damaged(rng: np.random.Generator, whole: bytes) -> tuple[str, bytes]:
    content = bytearray(whole)
    place = int(rng.integers(len(content)))
    kind = rng.choice(["a bit", "a byte", "zeros", "cut off", "twice", "inserted"])
    if kind == "a bit":
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == "a byte":
        content[place] = (content[place] + int(rng.integers(1, 256))) % 256
    elif kind == "zeros":
        content[place : place + 512] = bytes(min(512, len(content) - place))
    elif kind == "cut off":
        del content[place:]
    elif kind == "twice":
        content = content + content
    else:
        content[place:place] = rng.bytes(8)
    return str(kind), bytes(content)


def _spoil(rng: np.random.Generator, path: pathlib.Path, marker: pathlib.Path) -> str:
    """Damages a file, or puts another thing in its place."""
    chance = rng.random()
    if chance < 0.75 and path.stat().st_size:
        kind, content = _damaged(rng, path.read_bytes())
        path.write_bytes(content)
        return kind
    kinds = ["a directory", "nothing in it", "a link to nowhere", "nested JSON"]
    if path.suffix == ".npz":
        kinds += ["a pickle", "a huge header", "forged"] * 2
    if path.suffix == ".json":
        kinds += ["other JSON"]
    kind = str(rng.choice(kinds))
    if kind == "a directory":
        path.unlink()
        path.mkdir()
    elif kind == "nothing in it":
        path.write_bytes(b"")
    elif kind == "a link to nowhere":
        path.unlink()
        path.symlink_to(path.with_name("nowhere"))
    elif kind == "nested JSON":
        path.write_text("[" * 100_000)
    elif kind == "other JSON":
        path.write_text(str(rng.choice(["[]", "3", "null", '{"configuration": 3}'])))
    else:
        path.write_bytes(seal(_forged(rng, kind, path, marker)))
    return kind


class _Executed:
    """What touches a file when it is unpickled."""

    def __init__(self, marker: pathlib.Path):
        self._marker = marker

    def __reduce__(self):
        return os.mknod, (str(self._marker),)


def _forged(
    rng: np.random.Generator, kind: str, path: pathlib.Path, marker: pathlib.Path
) -> bytes:
    """A checkpoint with a good digest and one array that is not what it should be."""
    with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
        arrays = dict(file)
    name = str(rng.choice(sorted(arrays)))
    if kind == "a pickle":
        arrays[name] = np.array([_Executed(marker)], object)
    elif kind == "forged":
        array = arrays[name]
        others = [array[..., None], array[:0] if array.ndim else array, None]
        arrays[name] = others[int(rng.integers(2))]
    buffer = io.BytesIO()
    with contextlib.suppress(pickle.PicklingError):
        np.savez(buffer, **arrays)
    content = buffer.getvalue()
    if kind == "a huge header":
        # Of as many characters, so that the archive stays in order but for its sum.
        content = content.replace(b"'shape': (3,", b"'shape': (9,").replace(
            b"(4, 3", b"(9, 9"
        )
    return content


def _kinds(place: pathlib.Path) -> dict[str, Callable[[pathlib.Path], bool]]:
    """Makes directories of runs; what tells whether the run in a copy ends right."""
    task, network = datasets.szt(), networks.mlp([12, 3, 2])
    key, config = jax.random.key(0), training.TrainConfig(batch_size=512)

    def plain(directory, **options):
        return sweep(
            *(key, task, network, config),
            num_seeds=2,
            snapshots=_SNAPSHOTS,
            directory=directory,
            **options,
        )

    def grid(directory, **options):
        cells = [
            Cell(
                place={"learning_rate": rate},
                task=task,
                network=network,
                config=training.TrainConfig(learning_rate=rate, batch_size=512),
                snapshots=_SNAPSHOTS,
                probes=(lambda snapshot: {"mean": snapshot.layers[0].mean()},),
            )
            for rate in (1e-3, 1e-2)
        ]
        return sweep_grid(key, cells, num_seeds=2, directory=directory, **options)

    def curve(directory):
        table = place / "table.csv"
        table.write_text(_TABLE)
        arguments = ["curve", str(table), "--betas", "5", "--output", str(directory)]
        with contextlib.redirect_stdout(io.StringIO()), _one_line_of_errors():
            cli.main(arguments)
        return json.loads((directory / "curve.json").read_text())["curve"]

    def claimed(directory):
        (found,) = claims.collect_claims([directory])
        return {name: found[name] for name in ("title", "command", "claims")}

    expected = plain(place / "finished"), grid(place / "grid finished")
    for run, name, steps in ((plain, "unfinished", 2), (grid, "grid unfinished", 5)):
        with contextlib.suppress(_Stop):
            run(place / name, on_progress=_stop_after(steps))
    curves = curve(place / "curve")
    claim = claims.exact_claim("a", "b", "c", 1.0, "holds")
    claims.write_claims(
        place / "claims", [claim], title="t", command="c", conditions=[]
    )
    found = claimed(place / "claims")
    return {
        "unfinished": lambda d: _equal(plain(d, resume=True), expected[0]),
        "finished": lambda d: _equal(plain(d, resume=True), expected[0]),
        "grid unfinished": lambda d: _equal(grid(d, resume=True), expected[1]),
        "grid finished": lambda d: _equal(grid(d, resume=True), expected[1]),
        "curve": lambda d: curve(d) == curves,
        "claims": lambda d: claimed(d) == found,
    }


class _Stop(Exception):
    """Ends a run."""


def _stop_after(steps: int) -> Callable[..., None]:
    seen = []

    def progress(*arguments):
        seen.append(arguments)
        if len([a for a in seen if a[-1].seconds is not None]) >= steps:
            raise _Stop

    return progress


@contextlib.contextmanager
def _one_line_of_errors() -> Iterator[None]:
    """Lets a command end that says in one line why, and no other."""
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            yield
    except SystemExit as error:
        lines = errors.getvalue().strip().splitlines()
        if len(lines) != 1 or not lines[0].startswith("ibjax: error:"):
            raise RuntimeError(f"exit code {error.code}: {lines}") from error
        raise


def _equal(found: xr.Dataset, expected: xr.Dataset) -> bool:
    """True if all numbers are equal; what a run cost is another each time."""
    return found.drop_attrs().identical(expected.drop_attrs())
