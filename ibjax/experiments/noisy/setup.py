"""Set-up of networks with noise on Shwartz-Ziv and Tishby's task."""

from dataclasses import dataclass
from functools import partial

import jax
from tyro.conf import Suppress

from ibjax import datasets, networks, probes, training
from ibjax.experiments.setup import Context, Setup
from ibjax.probes import noisy as noisy_probes
from ibjax.probes.propagation import DEFAULT_EFFORT, Effort
from ibjax.sweeps.grid import Cell
from ibjax.training import objectives

__all__ = ["ESTIMATOR", "NoisySetup"]

# Samples of wider layers are not kept: two components would show little of them.
_MOST_UNITS_KEPT = 5

ESTIMATOR = "propagation"
"""Name of the informations by sample propagation in the datasets of these set-ups."""


@dataclass(frozen=True)
class NoisySetup(Setup):
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
    number_fields = ("noise_std", "orthonormal")

    noise_std: tuple[float, ...] = (0.005,)
    orthonormal: tuple[float, ...] = (0.0, 0.01)
    hidden: tuple[int, ...] = (10, 7, 5, 4, 3)
    learning_rate: float = 4e-4
    batch_size: int = 256
    bin_widths: tuple[float, ...] = (0.0005, 0.005, 0.05, 0.07, 0.5)
    # No options of the command: they decide how exact the estimates are.
    effort: Suppress[Effort] = DEFAULT_EFFORT
    num_inputs: Suppress[int] = 1024

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured by sample propagation, H(bin(T)), clusters, the samples of
        hidden layers of up to five units, ``orthonormality`` of the weights, and
        losses.

        Example:
          >>> (cell,) = NoisySetup().cells(Context(snapshots=[0, 10]))
          >>> cell.vary
          {'orthonormal': (0.0, 0.01)}
        """
        self.check()
        task = datasets.szt()
        widths = (task.num_inputs, *self.hidden, task.num_classes)
        # Noises and penalties are numbers: all are trained in one program.
        varied = self.varied
        network, penalty = partial(_network, widths), "orthonormal"
        own = {"noise_std": self.noise_std[0], "orthonormal": self.orthonormal[0]}
        if "noise_std" not in varied:
            network = network(noise_std=self.noise_std[0])
        if "orthonormal" not in varied:
            penalty = self.orthonormal[0]
        own = {
            **{name: value for name, value in own.items() if name not in varied},
            "hidden": list(self.hidden),
            "activation": "tanh",
            "epochs": context.snapshots[-1],
            "bin_widths": list(self.bin_widths),
        }
        config = training.TrainConfig(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            shuffle_seed=context.random_seed,
        )
        total = objectives.cross_entropy() + penalty * objectives.orthonormal()
        measured = _probes(self)
        return [
            self.cell(
                context, {}, task, network, config, measured, own, objective=total
            )
        ]


def _network(widths: tuple[int, ...], noise_std: float) -> networks.Network:
    return networks.noisy(widths, noise_std=noise_std)


def _orthonormality(snapshot: probes.Snapshot) -> dict[str, jax.Array]:
    value = training.orthonormality(snapshot.params, snapshot.network)
    return {"orthonormality": value}


def _probes(setup: NoisySetup) -> tuple[probes.Probe, ...]:
    widths = enumerate(setup.hidden, start=1)
    drawn = [layer for layer, width in widths if width <= _MOST_UNITS_KEPT]
    return (
        noisy_probes.propagated(setup.effort, name=ESTIMATOR),
        noisy_probes.binned_entropies(setup.bin_widths),
        noisy_probes.clustering(num_inputs=setup.num_inputs),
        noisy_probes.layer_samples(drawn, num_inputs=setup.num_inputs),
        probes.Probe(
            _orthonormality,
            variables={
                "orthonormality": probes.Variable(
                    (), "1", "distance of the weights from orthonormal ones"
                )
            },
            name="orthonormality",
        ),
        probes.losses,
    )
