"""Set-ups of autoencoders of sprites."""

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.datasets.sprites import sprites
from ibjax.experiments.choices import Optimizer, hidden_widths, train_config
from ibjax.experiments.setup import Context, Setup
from ibjax.experiments.vae.measured import (
    measured_rate,
    measured_scores,
    measured_traversal,
)
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell
from ibjax.training.objectives import Objective, annealed, objective

__all__ = ["CapacitySetup", "SpritesSetup", "VaeSetup", "priced"]

_SIZE = 16
_SCALES = 3

Method = Literal["beta", "annealed", "info"]


@dataclass(frozen=True)
class SpritesSetup(Setup):
    """What all autoencoders of sprites have in common.

    Attributes:
      code: Dimensions of the code.
      hidden: Units of the encoder's hidden layers, as 128-64; the decoder has them in
        the other order.
      orientations: Orientations of the sprites.
      positions: Positions of the sprites, across and down.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Rows of a batch.
    """

    code: int = 8
    hidden: str = "128"
    orientations: int = 8
    positions: int = 8
    optimizer: Optimizer = "adam"
    learning_rate: float = 1e-3
    batch_size: int = 128

    @abc.abstractmethod
    def objective(
        self, model: rep.Variational, chosen: Mapping[str, Any], epochs: int
    ) -> Objective:
        """What networks of a cell are trained on.

        Args:
          model: The network.
          chosen: Value of every field of the grid.
          epochs: Passes over the images.

        Returns:
          The objective, with terms ``distortion`` and ``rate`` alone.
        """

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for name in ("code", "orientations", "positions"):
            checks.count(name, getattr(self, name))

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Networks are trained on all images there are. At the last snapshot they are
        measured by all that is known of disentanglement.

        Example:
          >>> setup = VaeSetup(orientations=2, positions=2, batch_size=36)
          >>> cells = setup.cells(Context(snapshots=[0, 1]))
          >>> print([cell.place for cell in cells], len(cells[0].vary["beta"]))
          [{'method': 'beta'}, {'method': 'annealed'}, {'method': 'info'}] 5
        """
        self.check()
        epochs = context.snapshots[-1]
        data = sprites(
            num_values=(
                3,
                _SCALES,
                self.orientations,
                self.positions,
                self.positions,
            ),
            size=_SIZE,
        )
        model = self._model()
        config = train_config(self, context.random_seed, train_fraction=1.0)
        measured = (
            probes.objective_terms,
            measured_rate(model),
            measured_scores(model, data),
            measured_traversal(model, data),
        )
        cells = []
        for chosen, place in self.combinations():
            fixed = self.fixed(chosen)
            own = {
                **fixed,
                "code": self.code,
                "hidden": list(hidden_widths(self.hidden)),
                "num_values": list(data.num_values),
                "epochs": epochs,
            }
            cells.append(
                self.cell(
                    context,
                    place,
                    data.task,
                    model.network,
                    config,
                    measured,
                    own,
                    objective=self.objective(model, chosen, epochs),
                )
            )
        return cells

    def _model(self) -> rep.Variational:
        hidden, pixels = hidden_widths(self.hidden), _SIZE**2
        width = rep.encoder_width(self.code)
        return rep.variational(
            networks.mlp([pixels, *hidden, width], "relu", output="linear"),
            networks.mlp([self.code, *hidden[::-1], pixels], "relu", output="linear"),
            dim=self.code,
        )


@dataclass(frozen=True)
class VaeSetup(SpritesSetup):
    """Autoencoders for several prices of the rate, held, falling, or beside another.

    Attributes:
      method: "beta" for a constant price; "annealed" for one that falls to it; "info"
        for InfoVAE, which pays for the distance of q(z) from the prior too. Several are
        swept.
      beta: Nats of distortion that a nat of rate is worth, at last; several are swept,
        in one program.
      start: Price that falling ones start from; it falls through half of the epochs.
      discrepancy: Nats of distortion that the squared mean discrepancy of q(z) from
        the prior is worth to InfoVAE.
    """

    grid_fields = ("method", "beta")
    number_fields = ("beta",)
    positive_fields = ("start", "discrepancy")

    method: tuple[Method, ...] = ("beta", "annealed", "info")
    beta: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0)
    start: float = 30.0
    discrepancy: float = 500.0

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for method in self.method:
            checks.one_of("method", method, ("beta", "annealed", "info"))
        for beta in self.beta:
            checks.positive("beta", beta)

    def objective(
        self, model: rep.Variational, chosen: Mapping[str, Any], epochs: int
    ) -> Objective:
        """What networks of a cell are trained on; see the base class."""
        method, beta = chosen["method"], chosen["beta"]
        if method == "beta":
            return rep.vib(model, beta=beta, likelihood="bernoulli")
        if method == "annealed":
            return annealed(
                rep.vib(model, likelihood="bernoulli"),
                start=self.start,
                num_epochs=max(1, epochs // 2),
                beta=beta,
            )
        return priced(model, beta=beta, discrepancy=self.discrepancy)


@dataclass(frozen=True)
class CapacitySetup(SpritesSetup):
    """Autoencoders whose rate is led up to a capacity.

    Attributes:
      capacity: Nats at the end of the first half of the epochs; several are swept, in
        one program.
      weight: What a nat beside the capacity costs, in nats of distortion.
    """

    grid_fields = ("capacity",)
    number_fields = ("capacity",)
    positive_fields = ("weight",)

    capacity: tuple[float, ...] = (6.0, 9.0, 12.0, 15.0, 18.0)
    weight: float = 30.0

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for capacity in self.capacity:
            checks.not_negative("capacity", capacity)

    def objective(
        self, model: rep.Variational, chosen: Mapping[str, Any], epochs: int
    ) -> Objective:
        """What networks of a cell are trained on; see the base class."""
        return rep.capacity_vae(
            model,
            capacity=chosen["capacity"],
            num_epochs=max(1, epochs // 2),
            weight=self.weight,
        )


def priced(model: rep.Variational, *, beta: float, discrepancy: float) -> Objective:
    """Distortion + beta rate + ``discrepancy`` MMD: InfoVAE, with prices by name.

    Its alpha is 1 - beta, its lam the sum of both prices.
    """
    # The squared distance of two draws from the prior is 2 k on average.
    bandwidth = math.sqrt(model.dim)
    inner = rep.info_vae(model, bandwidth=bandwidth, likelihood="bernoulli")

    def loss(params, batch, key, *, beta=beta):
        weights = {"alpha": 1.0 - beta, "lam": beta + discrepancy}
        value, terms = inner(params, batch, key, **weights)
        return value, {name: terms[name] for name in ("distortion", "rate")}

    return objective(
        loss,
        f"info beta {beta:g}, discrepancy {discrepancy:g}, bandwidth {bandwidth:g}",
        targets=("nothing",),
        output="linear",
        intervals={"beta": "[0, inf)"},
    )
