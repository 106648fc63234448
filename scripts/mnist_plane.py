"""MNIST, fully connected (Saxe et al., 2018): tanh compresses, ReLU does not.

    python scripts/mnist_plane.py --output results/mnist
    python scripts/mnist_plane.py --quick
    python scripts/mnist_plane.py --download

784-1024-20-20-20-10 and 784-1024-20-20-10, tanh and ReLU, batches of 128. Measured on
the 10,000 test images: kernel-density bounds at noise variance 0.1 and bins of width
0.5; and over the batches of an epoch the gradient's signal-to-noise ratio.

By default the networks are 4 of each kind, trained on all 60,000 images for 64 epochs
with Adam at 0.001 (half an hour on one core). The paper has SGD at 0.001 and 10,000
epochs, which are ``--epochs 10000 --optimizer sgd``. Adam has learnt after a few epochs
what that takes thousands for.
First weights are normal with variance one over the inputs in place of Glorot's uniform
ones.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweeps.
"""

import argparse
import dataclasses
from functools import partial

import common
import xarray as xr
from images import add_image_options, image_task

from ibjax import plots
from ibjax.experiments.catalogue import PRESETS
from ibjax.experiments.mnist.claims import mnist_claims
from ibjax.results.cells import cells_of


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    dataset = train(args)
    figures = {
        "mnist_planes": plots.grid_planes(dataset, estimator="kde_upper"),
        "mnist_compression": plots.grid_compression(dataset),
    }
    for place, cell in cells_of(dataset):
        if place["hidden"] == PRESETS["mnist"].setup.hidden[0]:
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
    setup = dataclasses.replace(
        PRESETS["mnist"].setup,
        optimizer=args.optimizer,
        learning_rate=args.learning_rate,
    )
    return common.preset_dataset(
        "mnist", args, setup=setup, task=partial(image_task, args)
    )


if __name__ == "__main__":
    main()
