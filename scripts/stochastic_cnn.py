"""A stochastic convolutional network through compression (Butakov et al., ICLR 2024).

    python scripts/stochastic_cnn.py --output results/stochastic
    python scripts/stochastic_cnn.py --quick
    python scripts/stochastic_cnn.py --download

Three convolutions of 3 x 3 pixels with 8, 16 and 32 channels, each with max-pooling and
a leaky ReLU, then 32 units and 10 classes, with noise of 0.001 before every layer, in
training and when measured: additive, as in the paper's theory, and multiplicative, as
in its program. MNIST's test images are compressed to 4 numbers by an autoencoder, every
layer to 4 by principal components; I(X;L) and I(L;Y) come from weighted
Kozachenko-Leonenko entropies of whitened samples with k = 5.

Published are 300 epochs of Adam at 1e-5 with batches of 1024 on 60,000 images: 17,700
steps, 0.18 of step size in all. By default it is smaller: 6 networks with each noise,
the first 12,288 images, batches of 256, Adam at 1e-4, 60 epochs: 2,880 steps, 0.29 in
all. The autoencoder, convolutional and trained for the absolute error as published,
has 3,000 steps of 128 images in place of 200 epochs, and its learning rate falls. As
published:

    python scripts/stochastic_cnn.py --images 60000 --epochs 300 --batch-size 1024
        --learning-rate 1e-5 --snapshots 301 --autoencoder-steps 93750

Their curves are smoothed before they are drawn, ours are not. Whatever their phases
are, these show what is beyond the errors.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits, whose 8 by 8
pixels three poolings do not fit: each becomes 3 by 3. Written: figures as PNG and PDF,
``claims.json``, ``claims.md``, and the sweeps.
"""

import argparse
import dataclasses
from functools import partial

import common
import xarray as xr
from images import add_image_options, image_task

from ibjax.experiments.catalogue import PRESETS
from ibjax.experiments.stochastic_convolutional.claims import (
    stochastic_convolutional_claims,
)
from ibjax.experiments.stochastic_convolutional.figures import stochastic_information
from ibjax.experiments.stochastic_convolutional.setup import StochasticSetup

# Fields of the set-up that are options here too.
NUMBERS = (
    "noise_std",
    "learning_rate",
    "batch_size",
    "autoencoder_steps",
    "neighbours",
)
CHOICES = {
    "autoencoder": ("convolutional", "dense"),
    "weights": ("butakov", "bsy"),
}


def main(arguments: list[str] | None = None) -> None:
    args = parser().parse_args(arguments)
    dataset = train(args)
    common.write(
        args.output,
        stochastic_convolutional_claims(dataset),
        {"stochastic_information": stochastic_information(dataset)},
        title="A stochastic convolutional network through compression (Butakov et al.)",
        datasets=[dataset],
    )


def parser() -> argparse.ArgumentParser:
    options = common.options(__doc__, "stochastic_cnn")
    add_image_options(options)
    default = PRESETS["stochastic"].setup
    options.add_argument("--snapshots", type=int, help="epochs to measure at")
    options.add_argument(
        "--noise", nargs="+", choices=default.noise, default=default.noise
    )
    for name in NUMBERS:
        value = getattr(default, name)
        options.add_argument(
            f"--{name.replace('_', '-')}", type=type(value), default=value
        )
    for name, choices in CHOICES.items():
        options.add_argument(
            f"--{name}", choices=choices, default=getattr(default, name)
        )
    return options


def train(args: argparse.Namespace) -> xr.Dataset:
    chosen = {name: getattr(args, name) for name in (*NUMBERS, *CHOICES)}
    setup = dataclasses.replace(StochasticSetup(noise=tuple(args.noise)), **chosen)
    return common.preset_dataset(
        "stochastic", args, setup=setup, task=partial(image_task, args)
    )


if __name__ == "__main__":
    main()
