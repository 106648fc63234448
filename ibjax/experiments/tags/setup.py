"""Set-up of taggers."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from ibjax import networks, probes
from ibjax import representations as rep
from ibjax.experiments.choices import hidden_widths, train_config
from ibjax.experiments.setup import Context, Setup
from ibjax.experiments.tags.corpora import corpus
from ibjax.numerics import checks
from ibjax.sweeps.grid import Cell

__all__ = ["KINDS", "TagsSetup"]

KINDS: tuple[Literal["discrete", "continuous"], ...] = ("discrete", "continuous")
"""Kinds of tags."""


@dataclass(frozen=True)
class TagsSetup(Setup):
    """Taggers; a field with several values is swept.

    Attributes:
      corpus: The corpus: drawn, or the English Web Treebank.
      kind: Kinds of tags, discrete or continuous; several are swept.
      beta: Nats of distortion that a nat about the input is worth; several are swept,
        in one program.
      gamma: Nats of distortion that a nat from the context is worth, likewise.
      num_tags: Number of discrete tags.
      dim: Dimensions of continuous tags.
      initial_std: Deviation of continuous tags where training starts.
      softness: Nats that a nat of H(T|X) of discrete tags is worth at first; the price
        falls to zero in the first half of the epochs.
      hidden: Units of the hidden layers of both encoders, as 64-64.
      optimizer: Optimizer.
      learning_rate: Step size of the optimizer.
      batch_size: Tokens of a batch.
      num_draws: Draws of continuous tags whose probabilities are averaged.
    """

    grid_fields = ("kind", "beta", "gamma")
    number_fields = ("beta", "gamma")
    positive_fields = ("initial_std",)

    corpus: Literal["drawn", "ewt"] = "drawn"
    kind: tuple[Literal["discrete", "continuous"], ...] = KINDS
    beta: tuple[float, ...] = (1e-3, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8)
    gamma: tuple[float, ...] = (0.0, 0.1, 1.0)
    num_tags: int = 32
    dim: int = 8
    initial_std: float = 1.0
    softness: float = 0.3
    hidden: str = "64"
    optimizer: str = "adam"
    learning_rate: float = 3e-3
    batch_size: int = 256
    num_draws: int = 12

    def check(self) -> None:
        """Check the fields; see the base class."""
        super().check()
        for name in ("num_tags", "dim", "num_draws"):
            checks.count(name.replace("_", "-"), getattr(self, name))
        for name in ("beta", "gamma"):
            for price in getattr(self, name):
                checks.not_negative(name, price)
        checks.not_negative("softness", self.softness)
        for kind in self.kind:
            checks.one_of("kind", kind, KINDS)

    def cells(self, context: Context) -> list[Cell]:
        """Cells of the grid; see the base class.

        Example:
          >>> cells = TagsSetup().cells(Context(snapshots=[0, 1]))
          >>> print([cell.place for cell in cells], list(cells[0].vary))
          [{'kind': 'discrete'}, {'kind': 'continuous'}] ['beta', 'gamma']
        """
        self.check()
        found = corpus(self.corpus)
        task = found.task
        config = train_config(self, context.random_seed)
        model_of = cache(self._model)
        cells = []
        for chosen, place in self.combinations():
            kind = chosen["kind"]
            model = model_of(kind, task.num_inputs, found.type_width, task.num_classes)
            measured = probes.tag_bounds(
                model,
                properties={"part_of_speech": found.part_of_speech},
                num_draws=self.num_draws,
            )
            prices = {name: chosen[name] for name in ("beta", "gamma")}
            soft = {}
            if kind == "discrete":
                soft_epochs = max(1, context.snapshots[-1] // 2)
                soft = {"softness": self.softness, "soft_epochs": soft_epochs}
            own = {
                "corpus": self.corpus,
                "kind": kind,
                **self.fixed(prices),
                "hidden": list(hidden_widths(self.hidden)),
                "epochs": context.snapshots[-1],
                "known": found.known,
            }
            cells.append(
                self.cell(
                    context,
                    place,
                    task,
                    model.network,
                    config,
                    (measured, probes.losses),
                    own,
                    objective=rep.tag_bottleneck(model, **prices, **soft),
                )
            )
        return cells

    def _model(self, kind, num_inputs, type_width, num_classes) -> rep.Tagger:
        hidden = hidden_widths(self.hidden)
        size = self.num_tags if kind == "discrete" else self.dim
        width = size if kind == "discrete" else rep.encoder_width(size)
        encoder, type_encoder = (
            networks.mlp((inputs, *hidden, width), "relu", output="linear")
            for inputs in (num_inputs, type_width)
        )
        decoder = networks.mlp([size, num_classes])
        if kind == "discrete":
            return rep.discrete_tagger(
                encoder, decoder, type_encoder, type_width=type_width
            )
        return rep.continuous_tagger(
            encoder,
            decoder,
            type_encoder,
            dim=size,
            type_width=type_width,
            initial_std=self.initial_std,
        )
