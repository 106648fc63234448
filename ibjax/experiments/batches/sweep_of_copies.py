"""Gradient statistics over copies, for the networks of a sweep."""

import jax
import numpy as np
import xarray as xr

from ibjax import datasets, networks, training
from ibjax.experiments.batches.copies import copy_statistics
from ibjax.sweeps import seed_key

__all__ = ["copy_sweep"]


def copy_sweep(sweep: xr.Dataset) -> xr.Dataset:
    """Statistics over copies of the tanh networks that SGD trains on minibatches.

    Args:
      sweep: Dataset of ``ibjax sweep batches``, for its seeds and snapshots.

    Returns:
      Dataset over ``seed``, ``epoch`` and ``layer`` with ``gradient_mean``,
      ``gradient_std`` and ``gradient_snr``, see
      :func:`ibjax.experiments.batches.copies.copy_statistics`.
    """
    network = networks.mlp((12, 10, 7, 5, 4, 3, 2))
    config = training.TrainConfig(learning_rate=0.1, optimizer="sgd")
    task = datasets.szt()
    snapshots = tuple(sweep["epoch"].values.tolist())
    seeds = sweep["seed"].values
    keys = jax.vmap(lambda seed: seed_key(jax.random.key(0), seed))(seeds)

    def one_network(key):
        return copy_statistics(key, task, network, config, snapshots=snapshots)

    # One network after the other: each is as many copies as there are batches.
    found = jax.jit(lambda keys: jax.lax.map(one_network, keys))(keys)
    dims = ("seed", "epoch", "layer")
    return xr.Dataset(
        {
            "gradient_mean": (dims, np.asarray(found.mean_norm)),
            "gradient_std": (dims, np.asarray(found.std_norm)),
            "gradient_snr": (dims, np.asarray(found.snr)),
        },
        {
            "seed": seeds,
            "epoch": sweep["epoch"].values,
            "layer": np.arange(1, len(network.layer_names) + 1),
            "layer_name": ("layer", list(network.layer_names)),
        },
    )
