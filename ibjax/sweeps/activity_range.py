"""Range of the activities that a sweep's networks go through."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from ibjax import datasets, networks, probes, training
from ibjax.numerics import checks
from ibjax.sweeps.seeds import sweep

__all__ = ["activity_range"]


def activity_range(
    key: jax.Array,
    task: datasets.Task,
    network: networks.Network,
    config: training.TrainConfig,
    *,
    num_seeds: int,
    snapshots: Sequence[int],
    block: int | None = None,
    devices: Sequence[jax.Device] | None = None,
) -> tuple[float, float]:
    """Least and largest activity of a sweep's hidden layers, over all it goes through.

    The networks are trained once for it. Bins over this range are those of Saxe et
    al. (2018) for activities without limits.

    Args:
      key: Key of the sweep.
      task: What to learn.
      network: The network.
      config: How to train it.
      num_seeds: Number of networks.
      snapshots: Epochs to look at.
      block: See :func:`ibjax.sweep`.
      devices: See :func:`ibjax.sweep`.

    Returns:
      The least and the largest; networks that diverged are left out.

    Raises:
      ValueError: If all networks diverged, or the network has no hidden layer.

    Example:
      >>> network = networks.mlp([12, 3, 2], "relu")
      >>> low, high = activity_range(
      ...     jax.random.key(0),
      ...     datasets.szt(),
      ...     network,
      ...     training.TrainConfig(),
      ...     num_seeds=1,
      ...     snapshots=[0, 1],
      ... )
      >>> print(low, high > 1)
      0.0 True
    """
    checks.at_least("number of the network's layers", len(network.layer_names), 2)
    dataset = sweep(
        key,
        task,
        network,
        config,
        num_seeds=num_seeds,
        snapshots=snapshots,
        probes=[_extremes],
        block=block,
        devices=devices,
    )
    low = float(np.nanmin(np.where(dataset.diverged, np.nan, dataset.lowest.T)))
    high = float(np.nanmax(np.where(dataset.diverged, np.nan, dataset.highest.T)))
    if not low < high:
        raise ValueError(f"activities must not all be equal, got {low} to {high}")
    return low, high


def _extremes(snapshot: probes.Snapshot) -> dict[str, jax.Array]:
    hidden = snapshot.layers[:-1]
    return {
        "lowest": jnp.min(jnp.stack([jnp.min(t) for t in hidden])),
        "highest": jnp.max(jnp.stack([jnp.max(t) for t in hidden])),
    }
