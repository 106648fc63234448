"""Noisy networks (Goldfeld et al., ICML 2019): compression is clustering.

    python scripts/noisy_networks.py --output results/noisy
    python scripts/noisy_networks.py --quick

Shwartz-Ziv and Tishby's network 12-10-7-5-4-3-2 of tanh units with Gaussian noise of
standard deviation 0.005 on every hidden layer, in training and when measured, with and
without a penalty that keeps the weights orthonormal. I(X;T) is a property of such a
network; sample propagation estimates it with a known error. Beside it are measured
H(bin(T)) for several widths of the bins, and the clusters of the samples.

10 networks, Adam, batches of 256, 10,000 epochs. Written: figures as PNG and PDF,
``claims.json``, ``claims.md`` and the sweeps.
"""

import argparse

import common
import xarray as xr

from ibjax import noisy_setups, snapshot_epochs

SEEDS, EPOCHS, SNAPSHOTS = 10, 10_000, 20
QUICK_SEEDS, QUICK_EPOCHS, QUICK_SNAPSHOTS = 2, 300, 6
# Where the authors' saved run has its peaks, and an epoch on their way down.
ALSO = (509, 559, 1874)


def train(args: argparse.Namespace) -> xr.Dataset:
    if args.results is not None:
        return common.read(args.results, "noisy")
    num_seeds = args.seeds or (QUICK_SEEDS if args.quick else SEEDS)
    num_epochs = args.epochs or (QUICK_EPOCHS if args.quick else EPOCHS)
    num_snapshots = QUICK_SNAPSHOTS if args.quick else SNAPSHOTS
    epochs = set(snapshot_epochs(num_epochs, num_snapshots))
    if not args.quick:
        epochs |= {epoch for epoch in ALSO if epoch <= num_epochs}
    common.use_all_cores()
    cells = noisy_setups.noisy_cells(
        noisy_setups.NoisySetup(), snapshots=sorted(epochs)
    )
    directory = args.output / "noisy"
    return common.sweep_cells(cells, directory, num_seeds, resume=args.resume)
