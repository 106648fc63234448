"""Record of a published experiment: set-ups, sizes, claims and figures."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import xarray as xr
from matplotlib.figure import Figure

from ibjax.claims import Claim
from ibjax.datasets.images import Images
from ibjax.experiments.setup import Context, Setup
from ibjax.sweeps.grid import Cell
from ibjax.sweeps.runs import snapshot_epochs

__all__ = ["Experiment", "Part", "Scale"]

Datasets = Mapping[str, xr.Dataset]


class Scale(NamedTuple):
    """Size of a grid of sweeps.

    Attributes:
      seeds: Networks of every cell.
      epochs: Passes over the training rows.
      snapshots: Epochs at which to measure.
      images: Training images, where there are images; None for all.
      test_images: Test images to measure on; None for all.
      data: Which images they are, where there are images.
    """

    seeds: int
    epochs: int
    snapshots: int
    images: int | None = None
    test_images: int | None = None
    data: Images = "mnist"

    def chosen(self, numbers: Mapping[str, Any]) -> "Scale":
        """The size with those of the numbers, by name, that are not None."""
        given = {name: numbers.get(name) for name in self._fields}
        return self._replace(**{k: v for k, v in given.items() if v is not None})


class Part(NamedTuple):
    """A grid of sweeps, and how large it is.

    Attributes:
      setup: Its set-up.
      full: Its size.
      quick: A size to try it with.
      summary: What it shows, in one sentence.
      block: Networks trained together on a CPU, which large ones fill by themselves;
        None for as many as is best, as on any other processor.
      quick_setup: A set-up to try it with, where it is another one.
      figures: From its dataset to figures, by name, that show what is its own beside
        those of every report.
    """

    setup: Setup
    full: Scale
    quick: Scale
    summary: str = ""
    block: int | None = None
    quick_setup: Setup | None = None
    figures: Callable[[xr.Dataset], dict[str, Figure]] | None = None

    def block_on(self, platform: str) -> int | None:
        """Networks trained together on a platform, as in ``device.platform``.

        Example:
          >>> from ibjax.experiments.catalogue import SWEEPS
          >>> SWEEPS["mnist"].block_on("cpu"), SWEEPS["mnist"].block_on("gpu")
          (1, None)
        """
        return self.block if platform == "cpu" else None

    def chosen(self, setup: Setup, quick: bool) -> "Part":
        """The part with a set-up, or with the quick one if that is as it was."""
        as_it_was = quick and self.quick_setup is not None and setup == self.setup
        return self._replace(setup=self.quick_setup if as_it_was else setup)

    def cells(
        self, scale: Scale, *, also: Iterable[int] = (), **context: Any
    ) -> list[Cell]:
        """Cells of the grid, for :func:`ibjax.sweeps.grid.sweep_grid`.

        Args:
          scale: Its size.
          also: Epochs to measure at besides those spread over the logarithm; those
            after the last one are left out.
          **context: More of :class:`ibjax.experiments.setup.Context`.

        Returns:
          The cells, in the order of the grid.

        Raises:
          ValueError: If a field of the set-up or a number is out of range, or a set-up
            on images has no task.

        Example:
          >>> from ibjax.experiments.catalogue import SWEEPS
          >>> part = SWEEPS["batches"]
          >>> cells = part.cells(part.quick, also=[500, 2_000])
          >>> print(len(cells), cells[0].snapshots[-3:])
          4 (500, 501, 1000)
        """
        epochs = set(snapshot_epochs(scale.epochs, scale.snapshots))
        epochs |= {epoch for epoch in also if epoch <= scale.epochs}
        return self.setup.cells(
            Context(
                tuple(sorted(epochs)),
                num_seeds=scale.seeds,
                num_measured=scale.test_images,
                **{"block": self.block_on(jax.default_backend())} | context,
            )
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A published experiment, as ``ibjax sweep`` and ``ibjax reproduce`` run it.

    One grid of sweeps is given by ``setup``, ``full``, ``quick`` and ``block``, several
    by ``parts``. An experiment that is no sweep has ``run``, and its options in
    ``setup``.

    Attributes:
      name: Its name in both commands.
      title: What its claims are about.
      summary: What it shows, in one sentence.
      setup: Its set-up.
      full: Its size.
      quick: A size to try it with.
      quick_setup: See :class:`Part`.
      also: Epochs that claims or figures need besides those spread over the logarithm.
      block: Networks trained together, see :class:`Part`.
      parts: Its grids of sweeps, by the names of their directories.
      sweeps: Grids that ``ibjax sweep`` offers, by name, where they are not the parts.
      claims: From the dataset, or all datasets by name if there are ``parts``, to what
        is claimed of it.
      figures: From the same to figures, by name.
      plain: Whether those are figures that every report has.
      derived: From the datasets to further ones, for claims and figures.
      files: From the same as claims to texts of further files, by name.
      run: For an experiment that is no sweep: runs ``setup``, writes into a directory
        and returns a text to print. Arguments are those two, and by name ``quick``,
        ``sources``, finished files to read, and the ``command``.
    """

    name: str
    title: str
    summary: str
    setup: Any = None
    full: Scale | None = None
    quick: Scale | None = None
    quick_setup: Any = None
    also: tuple[int, ...] = ()
    block: int | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)
    sweeps: Mapping[str, Part] | None = None
    claims: Callable[[Any], list[Claim]] | None = None
    figures: Callable[[Any], dict[str, Figure]] | None = None
    plain: bool = False
    derived: Callable[[Datasets], Datasets] | None = None
    files: Callable[[Any], dict[str, str]] | None = None
    run: Callable[..., str] | None = None

    @property
    def grids(self) -> dict[str, Part]:
        """All grids of sweeps, by the names of their directories."""
        if self.parts or self.run is not None:
            return dict(self.parts)
        own = Part(
            self.setup,
            self.full,
            self.quick,
            self.summary,
            self.block,
            self.quick_setup,
            None if self.plain else self.figures,
        )
        return {self.name: own}

    @property
    def presets(self) -> dict[str, Part]:
        """Grids that ``ibjax sweep`` offers, by name."""
        return self.grids if self.sweeps is None else dict(self.sweeps)
