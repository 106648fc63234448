"""Networks that are trained to be explained: the sweep's parameters are kept."""

from typing import Any, Protocol

import jax
import jax.numpy as jnp
import xarray as xr

from ibjax import probes, training
from ibjax.datasets.task import Task
from ibjax.networks.network import Network, Params
from ibjax.sweeps.seeds import sweep

__all__ = ["TrainingOptions", "trained_parameters"]


class TrainingOptions(Protocol):
    """How many networks are trained, and how.

    Attributes:
      seeds: Networks.
      epochs: Passes over the training rows.
      learning_rate: Step size of Adam.
      batch_size: Rows of a batch.
    """

    seeds: int
    epochs: int
    learning_rate: float
    batch_size: int


def trained_parameters(
    task: Task, network: Network, options: TrainingOptions
) -> list[Params]:
    """Train networks on all rows that are not measured.

    Args:
      task: The task.
      network: The network.
      options: How many, and how.

    Returns:
      Parameters of each.
    """
    kept = _KeptParameters(network)
    dataset = sweep(
        jax.random.key(0),
        task,
        network,
        training.TrainConfig(
            learning_rate=options.learning_rate,
            batch_size=options.batch_size,
            train_fraction=1 - task.num_measured / task.num_samples,
            split="ordered",
        ),
        num_seeds=options.seeds,
        snapshots=[options.epochs],
        probes=[kept.probe],
        # On a CPU one fills both cores, and the patches of several the caches.
        block=1 if jax.default_backend() == "cpu" else None,
    )
    return [kept.params(dataset, seed) for seed in range(options.seeds)]


class _KeptParameters:
    """Parameters as variables of a sweep's dataset, and back."""

    def __init__(self, network: Network):
        shapes = jax.eval_shape(network.init, jax.random.key(0))
        leaves, self._structure = jax.tree.flatten(shapes)
        self._dtypes = [leaf.dtype for leaf in leaves]
        self._names = [f"parameter_{n}" for n in range(len(leaves))]
        self.probe = probes.Probe(
            self._measure,
            variables={
                name: probes.Variable(
                    tuple(f"{name}_axis_{axis}" for axis in range(leaf.ndim)),
                    "1",
                    "parameters",
                    True,
                )
                for name, leaf in zip(self._names, leaves, strict=True)
            },
            last_only=True,
            usually_last=True,
            name="parameters",
        )

    def _measure(self, snapshot: probes.Snapshot) -> dict[str, Any]:
        return dict(zip(self._names, jax.tree.leaves(snapshot.params), strict=True))

    def params(self, dataset: xr.Dataset, seed: int) -> Params:
        """Parameters of one network at the last epoch."""
        own = dataset.isel(seed=seed)
        leaves = [
            jnp.asarray(own[name].values, dtype)
            for name, dtype in zip(self._names, self._dtypes, strict=True)
        ]
        return jax.tree.unflatten(self._structure, leaves)
