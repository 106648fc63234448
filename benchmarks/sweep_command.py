"""What does the command cost, from the shell prompt to the results?

Runs ``ibjax sweep szt`` with the arguments that follow in a fresh process and an empty
directory. Wall time includes starting Python, compiling and writing the results; the
peak of resident memory is that of the largest process the command started.
"""

import argparse
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import harness


def run_command(arguments: list[str]) -> dict[str, Any]:
    """Runs the command once.

    Args:
      arguments: Arguments after ``ibjax sweep szt``.

    Returns:
      Wall time, peak memory and what the results say of themselves.
    """
    import xarray as xr

    command = [*_ibjax(), "sweep", "szt", *arguments]
    with tempfile.TemporaryDirectory() as directory:
        start = time.perf_counter()
        status = subprocess.run(command, cwd=directory, stdout=sys.stderr).returncode
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"{' '.join(command)} failed with status {status}")
        files = list(pathlib.Path(directory).rglob("results.nc"))
        if len(files) != 1:
            raise SystemExit(f"expected one results.nc, found {len(files)}")
        with xr.open_dataset(files[0]) as results:
            sizes = {str(name): int(size) for name, size in results.sizes.items()}
            finite = {
                name: bool(results[name].notnull().all())
                for name in ("i_xt", "i_ty", "train_loss")
                if name in results
            }
            attributes = {
                name: float(results.attrs[name])
                for name in ("compile_seconds", "wall_seconds")
                if name in results.attrs
            }
        if not finite or not all(finite.values()):
            raise SystemExit(f"the results have missing values: {finite}")
    # Kilobytes on Linux, bytes on macOS; the largest of all children so far. Linux
    # counts this process too, as it was at the fork: less than JAX at work needs.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "process_seconds": seconds,
        "peak_bytes": peak if sys.platform == "darwin" else 1024 * peak,
        "sizes": sizes,
        **attributes,
    }


def _ibjax() -> list[str]:
    beside_python = os.path.dirname(sys.executable)
    path = os.pathsep.join([beside_python, os.environ.get("PATH", "")])
    if program := shutil.which("ibjax", path=path):
        return [program]
    raise SystemExit("the command ibjax is not installed; try `pip install .`")


def main() -> None:
    """Runs the command and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        allow_abbrev=False,
        epilog="All other arguments are passed on, e.g. --seeds 50 --epochs 10000.",
    )
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--output", type=pathlib.Path, help="write JSON to this file")
    args, passed_on = parser.parse_known_args()
    runs = [run_command(passed_on) for _ in range(args.repeats)]

    def minimum_and_median(name: str) -> tuple[float | None, float | None]:
        values = [run[name] for run in runs if name in run]
        return (min(values), statistics.median(values)) if values else (None, None)

    rows = [
        ["wall time of the command, s", *minimum_and_median("process_seconds")],
        ["of it compiling, s", *minimum_and_median("compile_seconds")],
        ["wall time of the sweep, s", *minimum_and_median("wall_seconds")],
    ]
    print(f"`{' '.join(['ibjax', 'sweep', 'szt', *passed_on])}`\n")
    print(harness.markdown_table(["", "min", "median"], rows))
    peak = max(run["peak_bytes"] for run in runs)
    sizes = ", ".join(f"{name} {size}" for name, size in runs[-1]["sizes"].items())
    print(f"\nPeak memory {peak / 2**20:,.0f} MiB. Results: {sizes}.")
    harness.write_json(
        args.output,
        command=["ibjax", "sweep", "szt", *passed_on],
        compilation_cache=os.environ.get("JAX_COMPILATION_CACHE_DIR"),
        runs=runs,
    )


if __name__ == "__main__":
    main()
