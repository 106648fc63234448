"""What do mistakes, damaged files, full disks and kills make of the library?

A campaign a row of the table:

* calls: public functions with one argument replaced by what a caller may give by
  mistake. A call is to answer, or to raise an error of ibjax's that names an argument.
* differential: functions of random arrays against NumPy, SciPy and scikit-learn in
  float64. Numbers that differ by more than rounding are silently wrong.
* command-lines: random lines of the command. They are to succeed or to end with a
  message and the exit code 1 or 2.
* files, checkpoints: results and all else that a run leaves, with bytes changed. They
  are to be refused in one line, or to be read as if they were whole.
* kills, disk-full: sweeps that SIGKILL or a disk without room stops, and that are
  resumed to their end. They are to have the numbers of one that nothing stopped.
* two-processes: two sweeps that start at one moment in one directory. One is to win.

    python benchmarks/faults.py --output faults.json
"""

import argparse
import importlib

import harness
from fault_campaigns import SIZES
from fault_campaigns.tally import OUTCOMES


def _case(name):
    def run(args):
        module, _ = SIZES[name]
        found = importlib.import_module(f"fault_campaigns.{module}")
        return getattr(found, f"case_{name.replace('-', '_')}")(args)

    return run


def main() -> None:
    """Runs the campaigns and prints their table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, (_, size) in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    parser.add_argument("--seed", type=int, default=0)
    harness.add_arguments(parser, list(SIZES), repeats=1)
    args = parser.parse_args()
    found = harness.run_cases(args, {name: _case(name) for name in SIZES})
    if not found:
        raise SystemExit("no case ran")
    header = ["campaign", *OUTCOMES, "files left"]
    rows = [
        [row["campaign"], *(row.get(name, 0) for name in header[1:])]
        for row in found.values()
    ]
    print(harness.markdown_table(header, rows))
    harness.write_json(args.output, results=found, conditions=harness.conditions())


if __name__ == "__main__":
    main()
