"""How many bytes does a sweep write to keep what it has done? On Linux."""

import argparse
import pathlib
import tempfile

import harness
import jax
import numpy as np

from ibjax import TrainConfig, datasets, networks, probes, sweep
from ibjax.estimators import binning


def _bytes_written() -> int:
    """Bytes that this process has written so far, to whatever place."""
    for line in pathlib.Path("/proc/self/io").read_text().splitlines():
        name, number = line.split(": ")
        if name == "wchar":
            return int(number)
    raise SystemExit("the system does not count what is written")


def main() -> None:
    """Sweeps with several numbers of snapshots, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", type=int, nargs="+", default=[100, 400, 1600])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=pathlib.Path, help="write the numbers as JSON")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    task = datasets.make_task(rng.normal(size=(64, 3)), rng.integers(0, 2, 64))
    rows, found = [], []
    for number in args.snapshots:

        def run(directory, number=number):
            return sweep(
                jax.random.key(0),
                task,
                networks.mlp((3, 4, 2)),
                TrainConfig(),
                num_seeds=args.seeds,
                snapshots=range(number),
                probes=(probes.bin_edges(binning.SZT_EDGES), probes.losses),
                directory=directory,
            )

        whole = run(None)  # What is compiled is not written again.
        with tempfile.TemporaryDirectory() as directory:
            before = _bytes_written()
            kept = run(directory)
            written = _bytes_written() - before
            size = (pathlib.Path(directory) / "results.nc").stat().st_size
        if not kept.equals(whole):
            raise SystemExit("a sweep that is saved has other numbers")
        found.append({"snapshots": number, "written": written, "results": size})
        rows.append([number, f"{written / 2**20:.2f}", f"{size / 2**10:.0f}"])
    print(harness.markdown_table(["snapshots", "MiB written", "KiB of results"], rows))
    harness.write_json(args.output, runs=found)


if __name__ == "__main__":
    main()
