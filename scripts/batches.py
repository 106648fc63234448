"""Figure 5 of Saxe et al. (2018): stochastic against full-batch gradient descent.

    python scripts/batches.py --output results/batches
    python scripts/batches.py --quick

50 networks each of tanh and ReLU units, with batches of 512 and with the full batch,
by plain gradient descent and by Adam; 10,000 epochs. The sweeps are those of ``ibjax
sweep batches`` and ``ibjax sweep batches-adam``; ``--from DIR`` takes the directory
that holds both. The gradient's signal-to-noise ratio (SNR), the bend of the loss and
the onset of compression are put on one time axis, and for tanh units a variant of the
SNR: copies of one network that train on a minibatch each, compared with each other.
Claims are by bins of width 0.07, since edges from -1 to 1 cut ReLU activities off.

Written: figures as PNG and PDF, ``claims.json``, ``claims.md``, and the sweeps.
"""

import common
import jax
import numpy as np
import xarray as xr

from ibjax import claims, datasets, networks, plots
from ibjax.experiments.batches.claims import batch_claims
from ibjax.experiments.batches.copies import copy_statistics
from ibjax.experiments.batches.figures import transitions
from ibjax.results.intervals import fraction_interval
from ibjax.results.statistics import turning_epochs
from ibjax.sweeps.program import seed_key
from ibjax.training.config import TrainConfig


def main(arguments: list[str] | None = None) -> None:
    args = common.options(__doc__, "batches").parse_args(arguments)
    sgd = common.preset_dataset("batches", args)
    adam = common.preset_dataset("batches-adam", args)
    copies = train_copies(sgd)
    found = []
    for name, dataset in (("SGD", sgd), ("Adam", adam)):
        for claim in batch_claims(dataset, estimator="bin_width"):
            found.append(claim._replace(claim=f"{name}. {claim.claim}"))
    found += copy_claims(copies)
    common.write(
        args.output,
        found,
        {
            "batches_planes": plots.grid_planes(sgd, estimator="bin_width"),
            "batches_planes_adam": plots.grid_planes(adam, estimator="bin_width"),
            "batches_compression": plots.grid_compression(sgd),
            "batches_transitions": transitions(sgd, estimator="bin_width"),
            "batches_transitions_adam": transitions(adam, estimator="bin_width"),
            "batches_copies": plots.gradients(copies),
        },
        title="Stochastic against full-batch gradients (Saxe et al., Fig. 5)",
        datasets=[sgd, adam],
    )


def train_copies(sgd: xr.Dataset) -> xr.Dataset:
    """The SNR over copies, for the seeds and snapshots of the minibatch networks."""
    network = networks.mlp((12, 10, 7, 5, 4, 3, 2))
    config = TrainConfig(learning_rate=0.1, optimizer="sgd")
    task = datasets.szt()
    snapshots = tuple(sgd["epoch"].values.tolist())
    keys = jax.vmap(lambda seed: seed_key(jax.random.key(0), seed))(sgd["seed"].values)
    found = jax.jit(
        lambda keys: jax.lax.map(
            lambda key: copy_statistics(
                key, task, network, config, snapshots=snapshots
            ),
            keys,
        )
    )(keys)
    dims = ("seed", "epoch", "layer")
    return xr.Dataset(
        {
            "gradient_mean": (dims, np.asarray(found.mean_norm)),
            "gradient_std": (dims, np.asarray(found.std_norm)),
            "gradient_snr": (dims, np.asarray(found.snr)),
        },
        {
            "seed": sgd["seed"].values,
            "epoch": sgd["epoch"].values,
            "layer": np.arange(1, len(network.layer_names) + 1),
            "layer_name": ("layer", list(network.layer_names)),
        },
    )


def copy_claims(copies: xr.Dataset) -> list[claims.Claim]:
    """Whether copies that drift apart come to disagree."""
    found = []
    for layer in copies["layer"].values[:-1]:
        chosen = copies.sel(layer=layer)
        turning = turning_epochs(chosen["epoch"].values, chosen["gradient_snr"].values)
        found.append(
            claims.decide(
                f"Copies. Layer {layer} ({chosen['layer_name'].item()}) goes over to "
                "a gradient SNR below one",
                "fraction of networks whose SNR over copies falls below one for good",
                fraction_interval(np.isfinite(turning)),
                num_seeds=copies.sizes["seed"],
                above=0.5,
            )
        )
    return found


if __name__ == "__main__":
    main()
