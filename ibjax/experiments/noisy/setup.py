"""Set-ups of networks with noise on Shwartz-Ziv and Tishby's task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from ibjax import datasets, networks, probes, training
from ibjax.experiments.setup import SetupGrid
from ibjax.probes import noisy as noisy_probes
from ibjax.probes.propagation import DEFAULT_EFFORT, Effort
from ibjax.sweeps.grid import Cell
from ibjax.training import objectives

__all__ = ["ESTIMATOR", "NoisySetup", "noisy_cells"]

# Samples of wider layers are not kept: two components would show little of them.
_MOST_UNITS_KEPT = 5

ESTIMATOR = "propagation"
"""Name of the informations by sample propagation in the datasets of these set-ups."""


@dataclass(frozen=True)
class NoisySetup(SetupGrid):
    """Goldfeld et al.'s noisy networks; several noises or penalties are swept.

    Attributes:
      noise_std: Standard deviations of the noise on every hidden layer.
      orthonormal: Weights of the penalty on weights that are not orthonormal; 0 is
        none. The paper's own one is not known. With 0.01 singular values stay near
        one and test accuracy within a percent or so; with 0.1 it falls to about 0.90.
      hidden: Units of every hidden layer.
      learning_rate: Step size of Adam.
      batch_size: Rows of a batch; 256 in the authors' run.
      bin_widths: Widths of the bins for H(bin(T)), in units of activity.
      effort: How many samples :func:`ibjax.probes.noisy.propagated` takes.
      num_inputs: Inputs for clusters, and for the samples that are kept.
    """

    grid_fields = ("noise_std", "orthonormal")
    positive_fields = ("noise_std", "bin_widths", "hidden")

    noise_std: tuple[float, ...] = (0.005,)
    orthonormal: tuple[float, ...] = (0.0, 0.01)
    hidden: tuple[int, ...] = (10, 7, 5, 4, 3)
    learning_rate: float = 4e-4
    batch_size: int = 256
    bin_widths: tuple[float, ...] = (0.0005, 0.005, 0.05, 0.07, 0.5)
    effort: Effort = DEFAULT_EFFORT
    num_inputs: int = 1024

    def estimator_texts(self) -> list[str]:
        """What estimates the information, in words."""
        widths = ", ".join(f"{width:g}" for width in self.bin_widths)
        return ["sample propagation", f"H(bin(T)) in bins of {widths}"]


def noisy_cells(
    setup: NoisySetup,
    *,
    snapshots: Sequence[int],
    key: int = 0,
    description: dict[str, Any] | None = None,
) -> list[Cell]:
    """The cells of a set-up's grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

    Each is measured by sample propagation, H(bin(T)), clusters, the samples of hidden
    layers of up to five units, ``orthonormality`` of the weights, and losses.

    Args:
      setup: The set-up.
      snapshots: Epochs at which to measure.
      key: Seed of the epochs' shuffles.
      description: More to keep in every dataset's ``configuration``.

    Returns:
      The cells; fields with several values are axes of the grid.

    Raises:
      ValueError: If a field of the set-up is out of range or names a value twice.

    Example:
      >>> cells = noisy_cells(NoisySetup(), snapshots=[0, 10])
      >>> [cell.place for cell in cells]
      [{'orthonormal': 0.0}, {'orthonormal': 0.01}]
    """
    setup.check()
    task = datasets.szt()
    cells = []
    networks_by_noise = {
        std: networks.noisy(
            (task.num_inputs, *setup.hidden, task.num_classes), noise_std=std
        )
        for std in setup.noise_std
    }
    for chosen, place in setup.combinations():
        network = networks_by_noise[chosen["noise_std"]]
        config = training.TrainConfig(
            learning_rate=setup.learning_rate,
            batch_size=setup.batch_size,
            shuffle_seed=key,
        )
        own = {
            "noise_std": chosen["noise_std"],
            "hidden": list(setup.hidden),
            "epochs": snapshots[-1],
            "bin_widths": list(setup.bin_widths),
        }
        cells.append(
            Cell(
                place,
                task,
                network,
                config,
                snapshots,
                _probes(network, setup),
                own | (description or {}),
                objective=objectives.cross_entropy()
                + chosen["orthonormal"] * objectives.orthonormal(),
            )
        )
    return cells


def _probes(network: networks.Network, setup: NoisySetup):
    def orthonormality(snapshot: probes.Snapshot) -> dict[str, jax.Array]:
        value = training.orthonormality(snapshot.params, snapshot.network)
        return {"orthonormality": value}

    propagated = noisy_probes.propagated(setup.effort, name=ESTIMATOR)
    widths = enumerate(setup.hidden, start=1)
    drawn = [layer for layer, width in widths if width <= _MOST_UNITS_KEPT]
    return (
        propagated,
        noisy_probes.binned_entropies(setup.bin_widths),
        noisy_probes.clustering(num_inputs=setup.num_inputs),
        noisy_probes.layer_samples(drawn, num_inputs=setup.num_inputs),
        orthonormality,
        probes.losses,
    )
