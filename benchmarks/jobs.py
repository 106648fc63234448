"""Are jobs and shards of a sweep the run itself, and what is left of those killed?

Networks of Shwartz-Ziv and Tishby's task, with bins, kernel-density bounds, gradients
and losses: in one process; in jobs of ``--processes``; and in shards of 1 to
``--seeds``, merged. What each has measured is held against the first, bit for bit. Then
a shard, a process of a job, and the first process of one are killed after three
snapshots: what the others do, how many snapshots were saved, and whether the run that
goes on in one process ends with the numbers of the first.

    python benchmarks/jobs.py
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import harness
import jax
import xarray as xr

from ibjax import TrainConfig, datasets, networks, probes, results, sweep
from ibjax.estimators import binning
from ibjax.results.shards import Shard
from ibjax.sweeps import processes

_SNAPSHOTS = (0, 1, 3, 10, 30, 100)
# A process is killed when so many are saved, and waits there for it.
_KILLED_AFTER = 3


def run(num_seeds: int, **options: Any) -> xr.Dataset:
    """Sweeps, in blocks of two networks so that all processes have some."""
    return sweep(
        jax.random.key(0),
        datasets.szt(),
        networks.mlp([12, 10, 7, 5, 4, 3, 2]),
        TrainConfig(),
        num_seeds=num_seeds,
        snapshots=_SNAPSHOTS,
        probes=(
            probes.bin_edges(binning.SZT_EDGES),
            probes.kde_bounds(1e-3),
            probes.gradients,
            probes.losses,
        ),
        block=2,
        **options,
    )


def _child(request: dict[str, Any]) -> None:
    """What a process of its own does; told by JSON."""
    jax.config.update("jax_num_cpu_devices", 1)
    address, number, count = request.pop("job", (None, 0, 1))
    waits = request.pop("waits", False)
    if address is not None:
        processes.start(address, count, number)

    def on_progress(progress):
        if waits and progress.num_snapshots_done == _KILLED_AFTER:
            print("saved", flush=True)
            sys.stdin.readline()

    target = request.pop("target", None)
    try:
        dataset = run(**request, on_progress=on_progress)
    except processes.JobError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(processes.EXIT_STATUS)
    if target is not None and processes.is_first():
        results.save_dataset(dataset, target)


def _start(**request: Any) -> subprocess.Popen:
    command = [sys.executable, __file__, "--child", json.dumps(request)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _address() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listening.getsockname()[1]}"


def _job(count: int, **request: Any) -> list[subprocess.Popen]:
    address = _address()
    return [_start(**request, job=(address, n, count)) for n in range(count)]


def _ended(running: Sequence[subprocess.Popen]) -> None:
    for each in running:
        _, said = each.communicate()
        if each.returncode:
            raise SystemExit(f"a process ended with {each.returncode}:\n{said}")


def _alike(found: xr.Dataset, expected: xr.Dataset) -> str:
    """How many variables are the same, bit for bit."""
    names = list(expected.data_vars)
    same = [n for n in names if n in found and found[n].equals(expected[n])]
    return f"{len(same)} of {len(names)}"


def _said(running: subprocess.Popen, start: float) -> str:
    """How a process ended that was left alone at a time."""
    lines = running.stderr.read().splitlines()
    lines = [line for line in lines if line.strip() and "[Gloo]" not in line]
    status, seconds = running.wait(), time.perf_counter() - start
    own = [line for line in lines if line.startswith("another process")]
    words = f'"{own[0]}"' if own else "JAX's words"
    more = f", and {len(lines) - len(own)} lines of JAX" if own and lines != own else ""
    return f"{words}{more}, status {status} after {seconds:.0f} s"


def _killed(running: list[subprocess.Popen], which: int) -> list[str]:
    """Kills a process when it has saved enough, and waits for the others."""
    for each in running:
        while each.stdout.readline().strip() != "saved":
            if each.poll() is not None:
                raise SystemExit(each.stderr.read())
    running[which].send_signal(signal.SIGKILL)
    running[which].wait()
    start = time.perf_counter()
    others = [each for n, each in enumerate(running) if n != which]
    for each in others:
        each.stdin.write("\n")
        each.stdin.flush()
    return [_said(each, start) for each in others]


def main() -> None:
    """Runs everything, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=7)
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--output", type=pathlib.Path, help="write the tables as JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child is not None:
        _child(json.loads(args.child))
        return
    with tempfile.TemporaryDirectory() as directory:
        equal, killed = _tables(pathlib.Path(directory), args)
    print(harness.markdown_table(["run", "variables that are equal"], equal))
    header = ["killed", "the others", "snapshots kept", "variables that are equal"]
    print(harness.markdown_table(header, killed))
    harness.write_json(args.output, equal=equal, killed=killed)


def _tables(directory: pathlib.Path, args: argparse.Namespace) -> tuple[list, list]:
    options = {"num_seeds": args.seeds}

    def in_one_process(name, **request):
        target = directory / f"{name}.nc"
        _ended([_start(**options, **request, target=str(target))])
        return results.open_dataset(target)

    whole = in_one_process("one")
    equal, killed = [], []
    for count in args.processes:
        target = directory / f"job-{count}.nc"
        _ended(_job(count, **options, target=str(target)))
        found = results.open_dataset(target)
        equal.append([f"a job of {count} processes", _alike(found, whole)])
    for count in range(1, args.seeds + 1):
        place = directory / f"of-{count}"
        for number in range(1, count + 1):
            own = _shard(place, number, count)
            run(**options, shard=f"{number}/{count}", directory=own)
        merged = results.merge_directories([place])
        equal.append([f"shards: {count}", _alike(merged, whole)])
    for name, which in (("the second of two processes", 1), ("the first of two", 0)):
        place = directory / f"killed-{which}"
        job = _job(2, **options, directory=str(place), waits=True)
        words = "; ".join(_killed(job, which))
        killed.append([name, words, *_gone_on(place, whole, options)])
    place = directory / "killed-shard"
    own = _shard(place, 1, 2)
    _killed([_start(**options, shard="1/2", directory=str(own), waits=True)], 0)
    kept, _ = _gone_on(own, whole, options | {"shard": "1/2"})
    run(**options, shard="2/2", directory=_shard(place, 2, 2))
    found = _alike(results.merge_directories([place]), whole)
    killed.append(["the first of two shards", "know nothing of it", kept, found])
    return equal, killed


def _shard(place: pathlib.Path, number: int, count: int) -> pathlib.Path:
    return place / Shard(number, count).directory_name


def _gone_on(place, whole, options) -> tuple[int, str]:
    """Snapshots that were saved, and what a run that goes on in one process has."""
    seen: list[int] = []
    found = run(
        **options,
        directory=place,
        resume=True,
        on_progress=lambda progress: seen.append(progress.num_snapshots_done),
    )
    return seen[0], _alike(found, whole)


if __name__ == "__main__":
    main()
