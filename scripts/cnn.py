"""A convolutional network on the plane: channels side by side, or their mean.

    python scripts/cnn.py --output results/cnn
    python scripts/cnn.py --quick
    python scripts/cnn.py --download

The network of Keras's MNIST example without dropout: convolutions of 3 x 3 pixels with
32 and 64 channels, max-pooling over 2 x 2, 128 ReLU units, softmax; Adadelta at 1.0,
batches of 128. Every layer's kernel-density bounds are measured with the channels of an
image side by side and, channel by channel, as their mean; the noise variance, 0.0735,
is published as the one at which the labels have log2 10 bits.

By default the networks are 4, trained on the first 4,096 images for 4 epochs and
measured on 1,000 test images (5 minutes of processor time). Published are 60,000
images, 12 epochs and 10,000 test images: ``--images 60000 --epochs 12 --test-images
10000``, whose activities alone take 2.7 GB a network. First weights are Glorot's, as
there.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweep.
"""

import argparse
import math

import common
import numpy as np
import xarray as xr
from images import add_image_options, image_task

from ibjax import datasets, probes, snapshot_epochs
from ibjax.channel_probes import activity_maps, channel_mean
from ibjax.claims.convolutional import convolutional_claims
from ibjax.grid import Cell
from ibjax.networks.convolutional import convolutional
from ibjax.plots import activity_maps as figures
from ibjax.training import TrainConfig

NOISE_VARIANCE = 0.0735
SEEDS, EPOCHS, SNAPSHOTS, IMAGES = 4, 4, 4, 4096
QUICK_SEEDS, QUICK_EPOCHS, QUICK_SNAPSHOTS, QUICK_IMAGES = 2, 2, 3, 1024
TEST_IMAGES, QUICK_TEST_IMAGES = 1000, 300


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    dataset = train(args)
    common.write(
        args.output,
        convolutional_claims(dataset),
        {
            "cnn_planes": figures.channel_planes(dataset),
            "cnn_activities": figures.activity_maps(dataset),
        },
        title="A convolutional network: channels side by side, or their mean",
        datasets=[dataset],
    )


def parser() -> argparse.ArgumentParser:
    options = common.options(__doc__, "cnn")
    add_image_options(options)
    options.add_argument("--test-images", type=int, help="images to measure on")
    return options


def train(args: argparse.Namespace) -> xr.Dataset:
    if args.results is not None:
        return common.read(args.results, "cnn")
    common.use_all_cores()
    num_seeds = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    num_epochs = args.epochs or (QUICK_EPOCHS if args.quick else EPOCHS)
    num_snapshots = QUICK_SNAPSHOTS if args.quick else SNAPSHOTS
    task = image_task(args, QUICK_IMAGES if args.quick else IMAGES)
    p_y = np.mean(task.measured.p_y_given_x, axis=0, dtype=float)
    task = measured_first(
        task, args.test_images or (QUICK_TEST_IMAGES if args.quick else TEST_IMAGES)
    )
    side = math.isqrt(task.num_inputs)
    network, shapes = convolutional((side, side), num_classes=task.num_classes)
    config = TrainConfig(
        learning_rate=1.0,
        optimizer="adadelta",
        batch_size=128,
        train_fraction=1 - task.num_measured / task.num_samples,
        split="ordered",
    )
    cell = Cell(
        place={},
        task=task,
        network=network,
        config=config,
        snapshots=snapshot_epochs(num_epochs, num_snapshots),
        probes=(
            probes.kde_bounds(NOISE_VARIANCE, "concat"),
            channel_mean(NOISE_VARIANCE, shapes),
            activity_maps(shapes, (side, side)),
            probes.losses,
        ),
        description={
            "shapes": shapes,
            "noise_variance": NOISE_VARIANCE,
            "p_y": p_y.tolist(),
        },
    )
    return common.sweep_cells(
        [cell], args.output / "cnn", num_seeds, resume=args.resume, block=1
    )


def measured_first(task: datasets.Task, num_measured: int) -> datasets.Task:
    """The task with the first of its measured inputs only."""
    num_measured = min(num_measured, task.num_measured)
    last = task.num_samples - task.num_measured + num_measured
    return datasets.make_task(
        task.x[:last],
        task.labels[:last],
        num_classes=task.num_classes,
        name=task.name,
        num_measured=num_measured,
    )


if __name__ == "__main__":
    main()
