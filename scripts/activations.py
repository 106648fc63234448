"""Figure 1 of Saxe et al. (2018): which activation functions compress, and for whom.

    python scripts/activations.py --output results/activations
    python scripts/activations.py --quick

50 networks each of tanh, ReLU, softsign, softplus and linear units, Adam, batches of
512, 10,000 epochs; the sweeps are those of ``ibjax sweep activations``. Estimators:
bins between -1 and 1, a hundred bins over the range of the run's activities, both
kernel-density bounds and, on fewer networks and snapshots, nearest neighbours.
``--from DIR`` takes the directory that holds ``activations`` and ``activations-knn``.

Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweeps.
"""

import argparse
import dataclasses

import common
import xarray as xr

from ibjax import plots, snapshot_epochs
from ibjax.compilation import use_all_cores
from ibjax.experiments.activations.claims import activation_claims
from ibjax.experiments.catalogue import PRESETS
from ibjax.experiments.szt.setup import szt_cells

KNN_SEEDS, KNN_SNAPSHOTS = 5, 14


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "activations").parse_args(arguments)
    dataset = common.preset_dataset("activations", args)
    neighbours = train_neighbours(args)
    common.write(
        args.output,
        activation_claims(dataset) + activation_claims(neighbours),
        {
            "activations_planes": plots.grid_planes(dataset),
            "activations_planes_data_range": plots.grid_planes(
                dataset, estimator="data_range"
            ),
            "activations_compression": plots.grid_compression(dataset),
            "activations_compression_knn": plots.grid_compression(neighbours),
        },
        title="Activation functions and estimators (Saxe et al., Fig. 1)",
        datasets=[dataset, neighbours],
    )


def train_neighbours(args: argparse.Namespace) -> xr.Dataset:
    """The same networks, fewer of them, by nearest neighbours."""
    if args.results is not None:
        return common.read(args.results, "activations-knn")
    preset = PRESETS["activations"]
    scale = preset.quick if args.quick else preset.full
    num_seeds = min(2 if args.quick else KNN_SEEDS, args.seeds or scale.seeds)
    epochs = snapshot_epochs(
        args.epochs or scale.epochs, 4 if args.quick else KNN_SNAPSHOTS
    )
    setup = dataclasses.replace(preset.setup, estimators=("knn",))
    if args.quick:
        setup = dataclasses.replace(setup, activation=("tanh", "relu"))
    use_all_cores()
    cells = szt_cells(setup, num_seeds=num_seeds, snapshots=epochs)
    directory = args.output / "activations-knn"
    return common.sweep_cells(cells, directory, num_seeds, resume=args.resume)


if __name__ == "__main__":
    main()
