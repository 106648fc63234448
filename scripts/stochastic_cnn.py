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
        --learning-rate 1e-5 --snapshots 301 --steps 93750

Their curves are smoothed before they are drawn, ours are not. Whatever their phases
are, these show what is beyond the errors.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits, whose 8 by 8
pixels three poolings do not fit: each becomes 3 by 3. Written: figures as PNG and PDF,
``claims.json``, ``claims.md``, the codes of the images, and the sweeps.
"""

import argparse
import math
import sys
import time
from typing import Any

import common
import jax
import numpy as np
import xarray as xr
from images import add_image_options, image_task

from ibjax import datasets, probes, snapshot_epochs
from ibjax.claims.stochastic_convolutional import stochastic_convolutional_claims
from ibjax.compressed_probes import compressed
from ibjax.estimators import compression, knn_weights
from ibjax.grid import Cell
from ibjax.image_setups import first_measured
from ibjax.networks.autoencoders import convolutional_autoencoder, dense_autoencoder
from ibjax.networks.stochastic_convolutional import NOISES, stochastic_convolutional
from ibjax.plots.stochastic_convolutional import stochastic_information
from ibjax.presets import Scale
from ibjax.sweep_command import use_all_cores
from ibjax.training import TrainConfig

FULL = Scale(6, 60, 25, images=12_288)
QUICK = Scale(2, 6, 6, images=2048, test_images=2000)
STEPS, QUICK_STEPS = 3000, 300
LEARNING_RATE, QUICK_LEARNING_RATE, BATCH_SIZE = 1e-4, 1e-3, 256
DIM, NUM_COMPONENTS, NUM_NEIGHBOURS = 4, 4, 5
ENLARGED = 3
CODES_FILE = "codes.npz"


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
    options.add_argument("--snapshots", type=int, help="epochs to measure at")
    options.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    options.add_argument("--learning-rate", type=float)
    options.add_argument("--noise", nargs="+", choices=NOISES, default=list(NOISES))
    options.add_argument("--noise-std", type=float, default=1e-3)
    options.add_argument(
        "--autoencoder",
        choices=("convolutional", "dense"),
        default="convolutional",
        help="what compresses the images",
    )
    options.add_argument("--steps", type=int, help="training steps of the autoencoder")
    options.add_argument("--neighbours", type=int, default=NUM_NEIGHBOURS)
    options.add_argument(
        "--weights",
        choices=knn_weights.KINDS,
        default="butakov",
        help="of the neighbours' distances",
    )
    return options


def train(args: argparse.Namespace) -> xr.Dataset:
    if args.results is not None:
        return common.read(args.results, "stochastic")
    use_all_cores()
    scale = (QUICK if args.quick else FULL).chosen(args)
    task = first_measured(image_task(args, scale), scale.test_images)
    task = large_enough(task)
    codes, description = codes_of(task, args)
    learning_rate = QUICK_LEARNING_RATE if args.quick else LEARNING_RATE
    config = TrainConfig(
        learning_rate=args.learning_rate or learning_rate,
        batch_size=args.batch_size,
        train_fraction=1 - task.num_measured / task.num_samples,
        split="ordered",
    )
    snapshots = snapshot_epochs(scale.epochs, scale.snapshots)
    cells = [cell(noise, task, codes, config, snapshots, args) for noise in args.noise]
    cells = [one._replace(description=one.description | description) for one in cells]
    return common.sweep_cells(
        cells, args.output / "stochastic", scale.seeds, resume=args.resume, block=1
    )


def cell(
    noise: str,
    task: datasets.Task,
    codes: np.ndarray,
    config: TrainConfig,
    snapshots: tuple[int, ...],
    args: argparse.Namespace,
) -> Cell:
    """One sweep: the networks of one noise."""
    pixels = {}
    if task.name != "mnist":
        pixels = {
            "pixel_mean": float(np.mean(task.x)),
            "pixel_std": float(np.std(task.x)),
        }
    network = stochastic_convolutional(
        (_side(task), _side(task)),
        num_classes=task.num_classes,
        noise=noise,
        noise_std=args.noise_std,
        **pixels,
    )
    return Cell(
        place={"noise": noise},
        task=task,
        network=network.network,
        config=config,
        snapshots=snapshots,
        probes=(
            compressed(
                network,
                codes,
                num_components=NUM_COMPONENTS,
                k=args.neighbours,
                weights=args.weights,
            ),
            probes.losses,
        ),
        description={"noise": noise, "noise_std": args.noise_std},
    )


def large_enough(task: datasets.Task) -> datasets.Task:
    """The task, with digits of 8 by 8 pixels enlarged to 24 by 24."""
    if task.name == "mnist":
        return task
    side = _side(task)
    x = np.asarray(task.x).reshape(-1, side, side)
    x = np.kron(x, np.ones((1, ENLARGED, ENLARGED), np.float32))
    print(
        f"Three poolings do not fit {side} by {side} pixels: each becomes {ENLARGED} "
        f"by {ENLARGED}.",
        file=sys.stderr,
    )
    return datasets.make_task(
        x.reshape(len(x), -1),
        np.asarray(task.labels),
        num_classes=task.num_classes,
        name=task.name,
        num_measured=task.num_measured,
    )


def codes_of(
    task: datasets.Task, args: argparse.Namespace
) -> tuple[np.ndarray, dict[str, Any]]:
    """Codes of the measured images, and how good they are.

    They are kept beside the sweeps, so that a resumed run has the same.
    """
    file = args.output / CODES_FILE
    num_steps = args.steps or (QUICK_STEPS if args.quick else STEPS)
    made_with = {
        "autoencoder": args.autoencoder,
        "autoencoder_task": task.name,
        "autoencoder_steps": num_steps,
        "autoencoder_images": task.num_samples - task.num_measured,
    }
    if args.resume and file.exists():
        with np.load(file) as kept:
            known = {name: kept[name].item() for name in kept if name != "codes"}
            if (
                len(kept["codes"]) == task.num_measured
                and made_with.items() <= known.items()
            ):
                return kept["codes"], known
    side = _side(task)
    images = task.x.reshape(-1, side, side)
    fitted, measured = (
        images[: -task.num_measured],
        images[-task.num_measured :],
    )
    modules = (
        dense_autoencoder((side, side), DIM)
        if args.autoencoder == "dense"
        else convolutional_autoencoder((side, side), DIM, channels=(8, 16))
    )
    started = time.perf_counter()
    model = compression.autoencoder_fit(
        jax.random.key(0),
        fitted,
        dim=DIM,
        modules=modules,
        loss="l1",
        num_steps=num_steps,
    )
    codes = compression.encode(model, measured)
    residual = np.asarray(measured - compression.decode(model, codes))
    spread = np.asarray(measured - np.mean(measured, axis=0, keepdims=True))
    description = made_with | {
        "autoencoder_absolute_error": float(np.mean(np.abs(residual))),
        "autoencoder_relative_error": float(
            np.sqrt(np.mean(residual**2) / np.mean(spread**2))
        ),
    }
    print(
        f"The autoencoder took {time.perf_counter() - started:.0f} s. On the images "
        "measured its root mean square error is "
        f"{description['autoencoder_relative_error']:.2f} of that of their mean, its "
        f"absolute error {description['autoencoder_absolute_error']:.3f} a pixel.",
        file=sys.stderr,
    )
    codes = np.asarray(codes)
    args.output.mkdir(parents=True, exist_ok=True)
    np.savez(file, codes=codes, **description)
    return codes, description


def _side(task: datasets.Task) -> int:
    return math.isqrt(task.num_inputs)


if __name__ == "__main__":
    main()
