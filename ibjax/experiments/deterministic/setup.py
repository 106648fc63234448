"""Set-up of bottlenecks of certain labels, and the table that is solved exactly."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from ibjax import bottleneck, networks, probes
from ibjax import representations as rep
from ibjax.experiments.choices import hidden_widths
from ibjax.experiments.mnist.setup import image_config
from ibjax.experiments.setup import Context, Setup
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["METHODS", "DeterministicSetup", "Solved", "solve_table"]

METHODS = ("vib", "nonlinear", "squared")
"""Objectives: distortion + beta times the rate against a fixed prior, the information
by pairs of a batch, or the square of that."""


@dataclass(frozen=True)
class DeterministicSetup(Setup):
    """Classifiers through a code of one deviation; several values are swept.

    Attributes:
      method: Objectives: vib, nonlinear or squared.
      beta: Price of a nat, or of a nat squared; several are swept, in one program.
      dim: Dimensions of the code.
      hidden: Units of the encoder's hidden layers; the decoder has as many as its last.
      initial_std: Deviation of the code where training starts, in units of the code.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch, whose logarithm is the most information that the
        bound by pairs can have.
    """

    grid_fields = ("method", "beta")
    number_fields = ("beta",)
    positive_fields = ("initial_std",)
    needs_images = True

    method: tuple[str, ...] = METHODS
    beta: tuple[float, ...] = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 0.9, 1.2, 2.0)
    dim: int = 10
    hidden: str = "128-128"
    initial_std: float = 1.0
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 128

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        checks.count("dim", self.dim)
        for method in self.method:
            checks.one_of("method", method, METHODS)
        for beta in self.beta:
            checks.positive("beta", beta)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> from ibjax.datasets.images import image_task
          >>> context = Context(snapshots=[0, 1], task=image_task("digits"))
          >>> cells = DeterministicSetup().cells(context)
          >>> [cell.place["method"] for cell in cells]
          ['vib', 'nonlinear', 'squared']
        """
        self.check()
        task = context.images()
        config = image_config(self, task, context.random_seed)
        model = self._model(task.num_inputs, task.num_classes)
        measured = (
            probes.code_bounds(model),
            probes.code_mixture(model),
            probes.objective_terms,
        )
        cells = []
        for chosen, place in self.combinations():
            beta = chosen["beta"]
            own = {
                **self.fixed(chosen),
                "hidden": list(hidden_widths(self.hidden)),
                "dim": self.dim,
                "epochs": context.snapshots[-1],
            }
            if chosen["method"] == "vib":
                objective = rep.vib(model, beta=beta)
            else:
                power = 2.0 if chosen["method"] == "squared" else 1.0
                objective = rep.nonlinear_ib(model, beta=beta, power=power)
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    model.network,
                    config,
                    measured,
                    own,
                    objective=objective,
                )
            )
        return cells

    def _model(self, num_inputs: int, num_classes: int) -> rep.Variational:
        hidden = hidden_widths(self.hidden)
        return rep.variational(
            networks.mlp((num_inputs, *hidden, self.dim), "relu", output="linear"),
            networks.mlp((self.dim, hidden[-1], num_classes), "relu"),
            dim=self.dim,
            covariance="shared",
            initial_std=self.initial_std,
        )


class Solved(NamedTuple):
    """Exact solutions of a table, in nats, an entry for every price.

    Attributes:
      betas: The prices.
      plain: I(X;T) and I(T;Y) of the bottleneck, ``[num_prices]`` each.
      squared: Those of the squared bottleneck.
      h_y: Entropy of the label.
    """

    betas: np.ndarray
    plain: tuple[np.ndarray, np.ndarray]
    squared: tuple[np.ndarray, np.ndarray]
    h_y: float


def solve_table(betas: tuple[float, ...], num_classes: int = 10) -> Solved:
    """Two inputs of each of some equally frequent classes, by the exact solvers.

    A price beta of information is a price 1 / beta of relevance to the solvers.

    Args:
      betas: Prices, positive.
      num_classes: Number of classes.

    Returns:
      The solutions.

    Example:
      >>> found = solve_table((0.5, 2.0))
      >>> print(found.plain[1].round(3), found.squared[1].round(3))
      [2.303 0.   ] [1.   0.25]
    """
    certain = np.repeat(np.eye(num_classes, dtype=np.float32), 2, axis=0)
    p_xy = jnp.asarray(certain / certain.sum())
    plain, squared = (
        [solve(p_xy, 1 / beta) for beta in betas]
        for solve in (bottleneck.blahut_arimoto, bottleneck.squared_bottleneck)
    )

    def points(solutions):
        return tuple(
            np.array([float(getattr(s, name)) for s in solutions])
            for name in ("i_xt", "i_ty")
        )

    return Solved(
        np.array(betas), points(plain), points(squared), float(np.log(num_classes))
    )
