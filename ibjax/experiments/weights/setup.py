"""Set-up of networks with noisy weights, and of the bounds on their risk."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from ibjax import networks, probes, weights
from ibjax.experiments.choices import Optimizer, train_config
from ibjax.experiments.corruption.setup import led_up, small_images
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["WeightsSetup", "paid_information"]

# Variances that a prior can have, so that one chosen by the data can be paid for: the
# largest, and how many there are to a factor of e.
_SCALE, _PRECISION = 10.0, 100.0


@dataclass(frozen=True)
class WeightsSetup(Setup):
    """Networks with noisy weights on images; a field with several values is swept.

    Attributes:
      width: Units of a hidden layer; several networks are swept.
      beta: Price of a nat in the weights, in nats of loss summed over the images;
        several are swept, in one program.
      depth: Number of hidden layers.
      side: Pixels along a side to which images that have more are averaged.
      initial_std: Deviation of the weights' noise where training starts.
      start: Price during the first sixth of the epochs, from which it is led to beta in
        the second and third.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
      draws: Draws of the weights for every image when errors are measured.
      noise_variance: Variance of the noise of the kernel-density bounds of what layers
        hold of the test images, in squared units of activity.
    """

    grid_fields = ("width", "beta")
    number_fields = ("beta",)
    positive_fields = ("initial_std", "start", "beta", "noise_variance")
    needs_images = True

    width: tuple[int, ...] = (20, 100, 300)
    beta: tuple[float, ...] = (3e-3, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
    depth: int = 1
    side: int = 14
    initial_std: float = 0.03
    start: float = 1e-3
    optimizer: Optimizer = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 100
    draws: int = 20
    noise_variance: float = 0.1

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("side", self.side)
        checks.count("depth", self.depth)
        for width in self.width:
            checks.count("width", width)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Each is measured with losses, with the terms of its objective, with
        kernel-density bounds, and at the end with drawn weights.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> [cell.place for cell in WeightsSetup().cells(context)]
          [{'width': 20}, {'width': 100}, {'width': 300}]
        """
        self.check()
        epochs = context.snapshots[-1]
        task = small_images(context.images(), side=self.side)
        num_train = len(task.train_rows)
        config = train_config(self, context.random_seed)
        network_of = cache(networks.mlp)
        measured = (
            probes.losses,
            probes.objective_terms,
            probes.kde_bounds(self.noise_variance),
            probes.gibbs_errors(self.draws),
            paid_information(),
        )
        bottleneck = weights.weight_bottleneck(
            num_samples=num_train, prior_variance=None, prior_mean="initial"
        )
        cells = []
        for chosen, place in self.combinations():
            hidden = self.depth * (chosen["width"],)
            widths = (task.num_inputs, *hidden, task.num_classes)
            fixed = self.fixed(chosen)
            own = {
                **fixed,
                "hidden": list(hidden),
                "num_train": num_train,
                "num_weights": sum(
                    (n + 1) * m for n, m in zip(widths, widths[1:], strict=False)
                ),
                "draws": self.draws,
                "initial_std": self.initial_std,
                "noise_variance": self.noise_variance,
                "epochs": epochs,
            }
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    weights.noisy_weights(
                        network_of(widths, "relu"),
                        std=self.initial_std,
                        keep_initial=True,
                    ),
                    config,
                    measured,
                    own,
                    objective=led_up(
                        bottleneck,
                        start=self.start,
                        beta=chosen["beta"],
                        epochs=epochs,
                    ),
                )
            )
        return cells


def paid_information() -> probes.Probe:
    r"""Information in the weights with the cost of a prior that the data chose.

    The prior is normal around the weights at initialization. The variance of every
    array is the nearest to its best one of :math:`c\, e^{-j/b}`, whose number j costs
    :math:`2 \log j + \log (\pi^2 / 6)` nats, see
    ``ibjax.weights.pac_bayes.prior_union_cost``; the costs of all arrays add up. A
    bound on the risk holds with the sum.

    Returns:
      The probe of ``paid_information``, ``[]``, nats.

    Example:
      >>> list(paid_information().variables)
      ['paid_information']
    """

    def measure(snapshot: probes.Snapshot) -> dict[str, Any]:
        posterior, state = snapshot.network.split(snapshot.params)
        best = weights.optimal_prior_variance(
            posterior.mean, posterior.std, prior_mean=state.initial
        )
        number = jax.tree.map(
            lambda v: jnp.maximum(jnp.rint(_PRECISION * jnp.log(_SCALE / v)), 1.0), best
        )
        nearest = jax.tree.map(lambda j: _SCALE * jnp.exp(-j / _PRECISION), number)
        found = weights.posterior.kl(
            posterior, prior_variance=nearest, prior_mean=state.initial
        )
        cost = jax.tree.map(lambda j: 2 * jnp.log(j) + jnp.log(jnp.pi**2 / 6), number)
        return {"paid_information": found + sum(jax.tree.leaves(cost))}

    return probes.Probe(
        measure,
        variables={
            "paid_information": probes.Variable(
                (), "nats", "information in the weights, the choice of prior paid"
            )
        },
        parameters={"paid_information": [_SCALE, _PRECISION]},
    )
