"""Figures 2 and 4 of Shwartz-Ziv and Tishby (2017), and what they say of them.

Fig. 2 is the information plane of 50 networks before training, after 400 epochs and
after 9,000; Fig. 4 the mean and standard deviation of every layer's gradient over the
norm of its weights, and here their ratio too. The claims made from them are held
against the same networks and printed as a table.

    python scripts/szt_information_plane.py --output results/szt
    python scripts/szt_information_plane.py --quick --output results/szt-quick
    python scripts/szt_information_plane.py --from results/szt/sweep --output again

The setting is that of the authors' program: 12-10-7-5-4-3-2 tanh units, Adam at 4e-4,
batches of 512, 80 % of the inputs to train on. The paper speaks of SGD, the program
uses Adam; and here the inputs are split at random for each network.

Written into the output directory: ``figure2`` and ``figure4`` as PNG and PDF,
``claims.json`` with the numbers and their conditions, ``claims.md``, and the sweep
itself in ``sweep``.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path

import jax
import xarray as xr
from matplotlib.figure import Figure

import ibjax
from ibjax import claims, plots, results
from ibjax.results import write_atomically
from ibjax.sweep import Progress

FIGURE_EPOCHS = (0, 400, 9000)
HIDDEN = (10, 7, 5, 4, 3)


def main(arguments: list[str] | None = None) -> None:
    args = parse(arguments)
    try:
        if args.results is not None:
            dataset = results.open_dataset(args.results)
        else:
            dataset = train(args)
    except (results.ResultsError, ValueError) as error:
        raise SystemExit(f"error: {error}") from error
    write(dataset, args.output)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, help="networks (50; 8 with --quick)")
    parser.add_argument("--epochs", type=int, help="epochs (10000; 500 with --quick)")
    parser.add_argument("--quick", action="store_true", help="a small run, to try it")
    parser.add_argument(
        "--output", type=Path, default=Path("szt_information_plane"), help="directory"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the sweep in the output"
    )
    parser.add_argument(
        "--from",
        dest="results",
        type=Path,
        metavar="DIR",
        help="use the finished sweep in this directory instead of training",
    )
    args = parser.parse_args(arguments)
    chosen = args.seeds is not None or args.epochs is not None
    if args.results is not None and (chosen or args.quick or args.resume):
        parser.error("--from trains nothing: no --seeds, --epochs, --quick, --resume")
    args.seeds = (8 if args.quick else 50) if args.seeds is None else args.seeds
    args.epochs = (500 if args.quick else 10000) if args.epochs is None else args.epochs
    args.snapshots = 25 if args.quick else 100
    return args


def train(args: argparse.Namespace) -> xr.Dataset:
    jax.config.update("jax_num_cpu_devices", os.cpu_count())
    # The epochs of Fig. 2 among those spread evenly over the logarithm.
    epochs = set(ibjax.snapshot_epochs(args.epochs, args.snapshots))
    epochs |= {epoch for epoch in FIGURE_EPOCHS if epoch <= args.epochs}
    task = ibjax.datasets.szt()
    return ibjax.sweep(
        jax.random.key(0),
        task,
        ibjax.networks.mlp([task.x.shape[1], *HIDDEN, task.num_classes]),
        ibjax.TrainConfig(),
        num_seeds=args.seeds,
        snapshots=sorted(epochs),
        directory=args.output / "sweep",
        resume=args.resume,
        description={"hidden": list(HIDDEN), "activation": "tanh", "init": "fan-in"},
        on_progress=show_progress,
    )


def show_progress(progress: Progress) -> None:
    line = f"epoch {progress.epoch} of {progress.num_epochs} ({progress.stage})"
    end = "\n" if progress.stage == "done" else ""
    print(f"\r{line:<50}", end=end, file=sys.stderr, flush=True)


def write(dataset: xr.Dataset, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    last = int(dataset["epoch"].values[-1])
    epochs = [min(epoch, last) for epoch in FIGURE_EPOCHS]
    figures = {
        "figure2": plots.snapshots(dataset, epochs=epochs),
        "figure4": plots.gradients(dataset, normalized=True),
    }
    for name, figure in figures.items():
        save_figure(figure, output / name)
    found = claims.szt_claims(dataset)
    table = claims.claims_markdown(found)
    content = {
        "command": shlex.join(["python", *sys.argv]),
        "devices": dataset.attrs.get("devices"),
        "versions": json.loads(dataset.attrs.get("versions", "{}")),
        "configuration": json.loads(dataset.attrs["configuration"]),
        "wall_seconds": dataset.attrs.get("wall_seconds"),
        "claims": claims.claims_json(found),
    }
    text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomically(output / "claims.json", text + "\n")
    write_atomically(output / "claims.md", table)
    print(table)
    print(f"Written to {output}", file=sys.stderr)


def save_figure(figure: Figure, path: Path) -> None:
    for suffix in (".png", ".pdf"):
        figure.savefig(path.with_name(path.name + suffix), dpi=200)


if __name__ == "__main__":
    main()
