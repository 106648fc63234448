"""Figures 3, 4, 6, 18 and 21 of Saxe et al. (2018): deep linear students of a teacher.

Trains linear networks on a noisy linear teacher, with the exact I(X;T) and I(T;Y) of
every layer along the way: with fewer and more samples than inputs, with one and five
hidden layers, with overtraining, and with inputs that are irrelevant to the task; and
networks of one unit a layer, whose gradient goes over from signal to noise although
nothing can be compressed. The paper does not say their batches: 5 samples are those of
its other experiments, and with 20 the ratio is twice as high.

    python scripts/deep_linear.py --output results/deep-linear
    python scripts/deep_linear.py --quick --output results/deep-linear-quick
    python scripts/deep_linear.py --from results/deep-linear --output again

Written into the output directory: figures of the students, of relevant and irrelevant
inputs, of the same under less noise and of the gradient as PNG and PDF, ``claims.json``
with the numbers and their conditions, ``claims.md``, and every experiment's dataset in
a directory of its own.
"""

import argparse
import sys

import common
import xarray as xr

import ibjax
from ibjax.experiments.deep_linear import figures as plots
from ibjax.experiments.deep_linear.claims import deep_linear_claims
from ibjax.experiments.deep_linear.setup import StudentCell
from ibjax.experiments.deep_linear.students import StudentConfig, estimator_name

NOISE_VARIANCES = (1.0, 0.01)
_SGD = {"batch_size": 5, "learning_rate": 0.05}
_PARTS = {"num_relevant": 30, "batch_size": 5}
_ONE_UNIT = {"hidden": (1,), "num_inputs": 1, "learning_rate": 0.001}
SEEDS, QUICK_SEEDS = 20, 8
# Networks of one unit a layer are many times as fast.
SEEDS_OF_ONE_UNIT = 50
# What to train and for how many epochs.
EXPERIMENTS = {
    "generalization": (StudentConfig(), 2000),
    "generalization_50": (StudentConfig(num_samples=50), 2000),
    "generalization_400": (StudentConfig(num_samples=400), 2000),
    "generalization_deep": (
        StudentConfig(hidden=(50,) * 5, init_scale=0.6, learning_rate=0.05),
        4000,
    ),
    "overtraining": (StudentConfig(**_SGD), 1000),
    "relevance": (
        StudentConfig(**_PARTS, num_samples=200, snr=10.0, learning_rate=0.01),
        300,
    ),
    "relevance_400": (
        StudentConfig(**_PARTS, num_samples=400, snr=10.0, learning_rate=0.01),
        150,
    ),
    "low_snr": (
        StudentConfig(**_PARTS, num_samples=200, snr=1.0, learning_rate=0.02),
        300,
    ),
    "gradient_snr": (StudentConfig(**_ONE_UNIT, batch_size=5), 1000),
    "gradient_snr_20": (StudentConfig(**_ONE_UNIT, batch_size=20), 4000),
}


def main(arguments: list[str] | None = None) -> None:
    parser = common.options(__doc__, "deep_linear", epochs=False)
    args = parser.parse_args(arguments)
    if args.results is not None:
        datasets = {name: common.read(args.results, name) for name in EXPERIMENTS}
    else:
        datasets = train(args)
    shown = {
        "Generalisation": datasets["generalization"],
        "More samples": datasets["generalization_400"],
        "Overtraining": datasets["overtraining"],
    }
    parts = {
        "High SNR": datasets["relevance"],
        "More samples": datasets["relevance_400"],
        "Low SNR": datasets["low_snr"],
    }
    steps = {
        "One unit a layer": datasets["gradient_snr"],
        "Larger batches": datasets["gradient_snr_20"],
    }
    fine = estimator_name(NOISE_VARIANCES[1])
    common.write(
        args.output,
        deep_linear_claims(datasets),
        {
            "deep_linear_students": plots.students(shown),
            "deep_linear_relevance": plots.relevance(parts),
            "deep_linear_relevance_fine": plots.relevance(parts, estimator=fine),
            "deep_linear_gradients": plots.gradient_step(steps),
        },
        title="Deep linear networks (Saxe et al., Figs. 3, 4, 6, 18 and 21)",
        datasets=list(datasets.values()),
    )


def train(args: argparse.Namespace) -> dict[str, xr.Dataset]:
    datasets = {}
    for name, (config, epochs) in EXPERIMENTS.items():
        print(f"{name}:", file=sys.stderr)
        full = SEEDS_OF_ONE_UNIT if config.num_inputs == 1 else SEEDS
        snapshots = ibjax.snapshot_epochs(epochs, 15 if args.quick else 50)
        datasets[name] = common.sweep_cells(
            [StudentCell({}, config, snapshots, NOISE_VARIANCES, {})],
            args.output / name,
            args.seeds or (QUICK_SEEDS if args.quick else full),
            resume=args.resume,
        )
    return datasets


if __name__ == "__main__":
    main()
