"""MNIST, fully connected (Saxe et al., 2018): tanh compresses, ReLU does not.

    python scripts/mnist_plane.py --output results/mnist
    python scripts/mnist_plane.py --quick
    python scripts/mnist_plane.py --download

784-1024-20-20-20-10 and 784-1024-20-20-10, tanh and ReLU, batches of 128. Measured on
the 10,000 test images: kernel-density bounds at noise variance 0.1 and bins of width
0.5; and over the batches of an epoch the gradient's signal-to-noise ratio.

By default the networks are 4 of each kind, trained on the first 20,000 images for 16
epochs with Adam at 0.001 (12 minutes of processor time). The paper has SGD at 0.001 and
10,000 epochs of all 60,000 images, which are ``--images 60000 --epochs 10000
--optimizer sgd``. Adam has learnt after a few epochs what that takes thousands for.
First weights are normal with variance one over the inputs in place of Glorot's uniform
ones.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweeps.
"""

import argparse

import common
import xarray as xr
from images import add_image_options, image_task

from ibjax import networks, plots, probes, snapshot_epochs
from ibjax.claims.mnist import mnist_claims
from ibjax.grid import Cell, cells_of
from ibjax.training import TrainConfig

HIDDEN = ("1024-20-20-20", "1024-20-20")
ACTIVATIONS = ("tanh", "relu")
NOISE_VARIANCE, BIN_WIDTH = 0.1, 0.5
SEEDS, EPOCHS, SNAPSHOTS, IMAGES = 4, 16, 9, 20_000
QUICK_SEEDS, QUICK_EPOCHS, QUICK_SNAPSHOTS, QUICK_IMAGES = 2, 6, 5, 5_000
QUICK_TEST_IMAGES = 2_000


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    dataset = train(args)
    figures = {
        "mnist_planes": plots.grid_planes(dataset, estimator="kde_upper"),
        "mnist_compression": plots.grid_compression(dataset),
    }
    for place, cell in cells_of(dataset):
        if place["hidden"] == HIDDEN[0]:
            activation = place["activation"]
            figures[f"mnist_gradients_{activation}"] = plots.gradients(cell)
            figures[f"mnist_information_{activation}"] = plots.estimator_comparison(
                cell
            )
    common.write(
        args.output,
        mnist_claims(dataset),
        figures,
        title="MNIST, fully connected (Saxe et al., 2018)",
        datasets=[dataset],
    )


def parser() -> argparse.ArgumentParser:
    options = common.options(__doc__, "mnist_plane")
    options.add_argument("--optimizer", default="adam", choices=("adam", "sgd"))
    options.add_argument("--learning-rate", type=float, default=1e-3, help="step size")
    add_image_options(options)
    return options


def train(args: argparse.Namespace) -> xr.Dataset:
    if args.results is not None:
        return common.read(args.results, "mnist")
    common.use_all_cores()
    num_seeds = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    num_epochs = args.epochs or (QUICK_EPOCHS if args.quick else EPOCHS)
    task = image_task(
        args,
        QUICK_IMAGES if args.quick else IMAGES,
        QUICK_TEST_IMAGES if args.quick else None,
    )
    config = TrainConfig(
        learning_rate=args.learning_rate,
        optimizer=args.optimizer,
        batch_size=128,
        train_fraction=1 - task.num_measured / task.num_samples,
        split="ordered",
    )
    measured = (
        probes.kde_bounds(NOISE_VARIANCE),
        probes.bin_width(BIN_WIDTH),
        probes.gradients,
        probes.losses,
    )
    cells = []
    for hidden in HIDDEN:
        for activation in ACTIVATIONS:
            widths = [task.num_inputs, *map(int, hidden.split("-")), task.num_classes]
            cells.append(
                Cell(
                    place={"hidden": hidden, "activation": activation},
                    task=task,
                    network=networks.mlp(widths, activation),
                    config=config,
                    snapshots=snapshot_epochs(
                        num_epochs, QUICK_SNAPSHOTS if args.quick else SNAPSHOTS
                    ),
                    probes=measured,
                    description={"hidden": hidden, "activation": activation},
                )
            )
    return common.sweep_cells(
        cells, args.output / "mnist", num_seeds, resume=args.resume, block=1
    )


if __name__ == "__main__":
    main()
