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
10000``, which takes 22 minutes and 11 GB for every network. First weights are
Glorot's, as there.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweep.
"""

import argparse
from functools import partial

import common
from images import add_image_options, image_task

from ibjax.experiments.convolutional import figures
from ibjax.experiments.convolutional.claims import convolutional_claims


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    dataset = common.preset_dataset("cnn", args, task=partial(image_task, args))
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
    return options


if __name__ == "__main__":
    main()
