"""Figure 6 of Shwartz-Ziv and Tishby (2017): trained layers and the optimal curve.

Trains the networks of the information plane on the soft rule, whose I(X;Y) is 0.99
bits, and holds every trained layer against the best representations of the same task:
on the plane, and by the divergence of its encoder from the closest encoder that solves
the bottleneck's equations with the layer's own clusters.

    python scripts/szt_ib_limit.py --output results/ib-limit
    python scripts/szt_ib_limit.py --quick --output results/ib-limit-quick
    python scripts/szt_ib_limit.py --from results/ib-limit --output again

Written into the output directory: ``figure6`` as PNG and PDF, ``claims.json`` with the
numbers and their conditions, ``claims.md``, and the sweep itself in ``szt_ib_limit``.
"""

import argparse

import common
import xarray as xr

import ibjax
from ibjax import networks, plots, probes
from ibjax.compilation import use_all_cores
from ibjax.estimators.binning import SZT_EDGES
from ibjax.experiments.ib_limit.claims import ib_limit_claims
from ibjax.sweeps.grid import Cell

WIDTHS = (12, 10, 7, 5, 4, 3, 2)
# The slope and threshold that give the paper's I(X;Y).
SHARPNESS, THRESHOLD = 54.5, 7.632


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "szt_ib_limit").parse_args(arguments)
    dataset = train(args)
    common.write(
        args.output,
        ib_limit_claims(dataset),
        {"figure6": plots.optimality(dataset)},
        title="Layers and the optimal curve (Shwartz-Ziv and Tishby, Fig. 6)",
        datasets=[dataset],
    )


def train(args: argparse.Namespace) -> xr.Dataset:
    if args.results is not None:
        return common.read(args.results, "szt_ib_limit")
    use_all_cores()
    num_seeds = args.seeds or (8 if args.quick else 50)
    num_epochs = args.epochs or (500 if args.quick else 10_000)
    task = ibjax.datasets.szt(SHARPNESS, THRESHOLD)
    cell = Cell(
        place={},
        task=task,
        network=networks.mlp(WIDTHS),
        config=ibjax.TrainConfig(),
        snapshots=ibjax.snapshot_epochs(num_epochs, 20),
        probes=[probes.bin_edges(SZT_EDGES), probes.optimality(task), probes.losses],
        description={"sharpness": SHARPNESS, "threshold": THRESHOLD},
    )
    directory = args.output / "szt_ib_limit"
    return common.sweep_cells([cell], directory, num_seeds, resume=args.resume)


if __name__ == "__main__":
    main()
