"""Measured distances between tasks."""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from ibjax import claims
from ibjax.datasets.images import Images
from ibjax.experiments.choices import smaller
from ibjax.experiments.tasks.claims import tasks_claims
from ibjax.experiments.tasks.embeddings import digit_distances
from ibjax.experiments.tasks.figures import tasks_figures
from ibjax.experiments.tasks.images import LABELLINGS, Labelling, loaded
from ibjax.experiments.tasks.information import held_information
from ibjax.experiments.tasks.photographs import photograph_distances
from ibjax.numerics import checks
from ibjax.plots.files import save_figure
from ibjax.results.files import ResultsError, read_json, write_atomically
from ibjax.results.provenance import describe_devices, package_versions

__all__ = ["TITLE", "TasksOptions", "run"]

TITLE = "Distances between tasks (Achille et al.)"

_FILE = "distances.json"


@dataclass(frozen=True)
class TasksOptions:
    """Tasks of digits, and the networks that hold them.

    Attributes:
      data: Images.
      side: Pixels along a side to which images that have more are averaged.
      labellings: Tasks of upright digits for the information distance.
      angles: Degrees of rotated digits, for both distances.
      digits: Digits of the pairs for Task2Vec.
      samples: Images of a task for the information distance.
      probe_samples: Images of a task for Task2Vec.
      photographs: Photographs of CIFAR-10 for Task2Vec of its classes, where they are
        there; 0 for none.
      seeds: Networks of every task and pair.
      beta: Price of a nat in the weights.
      hidden: Units of the networks' hidden layers.
      epochs: Passes over the images.
      learning_rate: Step size of Adam.
      batch_size: Rows of a batch.
    """

    data: Images = "mnist"
    side: int = 14
    labellings: tuple[Labelling, ...] = LABELLINGS
    angles: tuple[float, ...] = (15.0, 45.0, 90.0)
    digits: tuple[int, ...] = (0, 1, 3, 5, 8)
    samples: int = 400
    probe_samples: int = 600
    photographs: int = 8000
    seeds: int = 5
    beta: float = 0.03
    hidden: int = 100
    epochs: int = 200
    learning_rate: float = 3e-3
    batch_size: int = 50

    def quick(self) -> "TasksOptions":
        """The options of a small run; those that are not the defaults are kept."""
        return smaller(
            self,
            labellings=("digits", "other digits", "parity", "random"),
            angles=(15.0, 90.0),
            digits=(0, 1, 3),
            samples=100,
            probe_samples=300,
            photographs=400,
            seeds=2,
            epochs=120,
        )

    def check(self) -> None:
        """Check the fields.

        Raises:
          ValueError: If one is out of range.
        """
        for name in ("samples", "probe_samples", "seeds", "hidden", "batch_size"):
            checks.count(name, getattr(self, name))
        checks.count("epochs", self.epochs, 2)
        checks.count("photographs", self.photographs, 0)
        checks.positive("beta", self.beta)
        checks.not_empty("labellings", self.labellings)
        if len(self.digits) < 2:
            raise ValueError(f"digits must be at least two, got {self.digits}")


def run(
    options: TasksOptions,
    output: Path,
    *,
    quick: bool = False,
    sources: Sequence[Path] = (),
    command: str = "",
) -> str:
    """Measure the distances or read them, draw them, and write them with their claims.

    Args:
      options: What is measured.
      output: Directory to write to.
      quick: Whether to make a small run of it.
      sources: A file of distances, or a directory with one, to read instead.
      command: The command that runs this.

    Returns:
      The claims, in Markdown.

    Raises:
      ValueError: If an option is out of range.
      ResultsError: If a file holds no distances.
    """
    if sources:
        content = _read(sources[0])
    else:
        options = options.quick() if quick else options
        options.check()
        start = time.perf_counter()
        task = loaded(options.data, options.side)
        found = {
            "information": held_information(
                task,
                names=[*options.labellings, *(f"{a:g}°" for a in options.angles)],
                samples=options.samples,
                seeds=options.seeds,
                beta=options.beta,
                hidden=options.hidden,
                epochs=options.epochs,
                learning_rate=options.learning_rate,
                batch_size=options.batch_size,
            ),
            "task2vec": digit_distances(
                task,
                digits=options.digits,
                angles=options.angles,
                probe_samples=options.probe_samples,
                hidden=options.hidden,
                seeds=options.seeds,
                learning_rate=options.learning_rate,
            ),
        }
        photographs = photograph_distances(
            photographs=options.photographs,
            probe_samples=options.probe_samples,
            seeds=options.seeds,
            learning_rate=options.learning_rate,
        )
        if photographs is not None:
            found["photographs"] = photographs
        content = {
            "command": command,
            "devices": describe_devices(jax.devices()),
            "versions": package_versions(),
            "configuration": dataclasses.asdict(options) | {"task": task.name},
            "wall_seconds": time.perf_counter() - start,
            "distances": found,
        }
    text = json.dumps(_known(content), indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(output / _FILE, text + "\n")
    for name, figure in tasks_figures(content["distances"]).items():
        save_figure(figure, output / name)
    conditions = {k: v for k, v in content.items() if k != "distances"}
    found = tasks_claims(content["distances"])
    return claims.write_claims(output, found, title=TITLE, **conditions)


def _known(content: Any) -> Any:
    """The content with None for numbers that are not finite, as JSON has none."""
    if isinstance(content, dict):
        return {key: _known(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_known(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _read(path: Path) -> dict[str, Any]:
    """Distances of an earlier run."""
    path = path / _FILE if path.is_dir() else path
    content = read_json(path)
    if not isinstance(content, dict) or "distances" not in content:
        raise ResultsError(f"{path} holds no distances of this experiment")
    return content
