r"""The loss falls by the squared gradient: measured against predicted along training.

Trains the networks of the information plane by plain gradient descent, full batch and
with batches of 512, and holds what a step does to the training loss against
:math:`-\alpha |g|^2`, as a whole and layer by layer.

    python scripts/loss_dynamics.py --output results/loss-dynamics
    python scripts/loss_dynamics.py --quick --output results/loss-dynamics-quick
    python scripts/loss_dynamics.py --from results/loss-dynamics --output again

Written into the output directory: a figure of each as PNG and PDF, ``claims.json`` with
the numbers and their conditions, ``claims.md``, and the sweeps themselves.
"""

import argparse
import dataclasses

import common
import xarray as xr

from ibjax.experiments.catalogue import PRESETS
from ibjax.experiments.loss_dynamics import figures as plots
from ibjax.experiments.loss_dynamics.claims import loss_dynamics_claims

# Batch sizes by name, and after how many epochs there are about as many steps.
RUNS = {"full_batch": ("full", 7000), "batches": (512, 1000)}


def main(arguments: list[str] | None = None) -> None:
    parser = common.options(__doc__, "loss_dynamics")
    parser.add_argument(
        "--learning-rate", type=float, default=0.01, help="step size (0.01)"
    )
    args = parser.parse_args(arguments)
    found, figures, datasets = [], {}, []
    for name in RUNS:
        dataset = train(args, name)
        prefix = name.replace("_", " ").capitalize()
        for claim in loss_dynamics_claims(dataset):
            found.append(claim._replace(claim=f"{prefix}. {claim.claim}"))
        figures[f"loss_dynamics_{name}"] = plots.loss_dynamics(dataset)
        datasets.append(dataset)
    common.write(
        args.output,
        found,
        figures,
        title="Loss dynamics (the loss falls by the squared gradient)",
        datasets=datasets,
    )


def train(args: argparse.Namespace, name: str) -> xr.Dataset:
    batch_size, epochs = RUNS[name]
    setup = dataclasses.replace(
        PRESETS["loss-dynamics"].setup,
        learning_rate=(args.learning_rate,),
        batch_size=(batch_size,),
    )
    if args.epochs is None:
        epochs = epochs // 10 if args.quick else epochs
        args = argparse.Namespace(**vars(args) | {"epochs": epochs})
    return common.preset_dataset("loss-dynamics", args, setup=setup, directory=name)


if __name__ == "__main__":
    main()
