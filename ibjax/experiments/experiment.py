"""A published experiment: its set-up and its sizes."""

from typing import Any, NamedTuple

__all__ = ["Scale", "Preset"]


class Scale(NamedTuple):
    """How large a grid of sweeps is.

    Attributes:
      seeds: Networks of every cell.
      epochs: Passes over the training rows.
      snapshots: Epochs at which to measure.
      images: Training images, where there are images; None for all.
      test_images: Test images to measure on; None for all.
    """

    seeds: int
    epochs: int
    snapshots: int
    images: int | None = None
    test_images: int | None = None

    def chosen(self, options: Any) -> "Scale":
        """The size with what ``options`` has, by these names and not None, in place."""
        given = {name: getattr(options, name, None) for name in self._fields}
        return self._replace(**{k: v for k, v in given.items() if v is not None})


class Preset(NamedTuple):
    """A published experiment.

    Attributes:
      summary: What it shows, in one sentence.
      setup: Its set-up.
      full: Its size.
      quick: A size to try it with.
      block: Networks trained together; None for as many as is best. Large ones fill a
        device by themselves.
    """

    summary: str
    setup: Any
    full: Scale
    quick: Scale
    block: int | None = None
