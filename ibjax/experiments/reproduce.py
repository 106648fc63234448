"""Run of an experiment: sweeps, figures, and its claims held against them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax
import xarray as xr

from ibjax import claims, results
from ibjax.datasets.task import Task
from ibjax.experiments.experiment import Experiment, Scale
from ibjax.plots.files import encode_figure, write_figure
from ibjax.plots.processes import Drawing
from ibjax.results.files import ResultsError, read_json, write_atomically
from ibjax.sweeps.grid import Cell, sweep_grid
from ibjax.sweeps.runs import Progress

__all__ = ["OnProgress", "reproduce"]

OnProgress = Callable[[str, Sequence[Cell], int, Progress], None]
"""Called after every step: name of the grid, its cells, number of the one that runs,
and how far that is."""


def reproduce(
    experiment: Experiment,
    output: Path,
    *,
    setup: Any = None,
    quick: bool = False,
    sizes: Mapping[str, Any] = MappingProxyType({}),
    sources: Sequence[Path] = (),
    images: Callable[[Scale], Task] | None = None,
    resume: bool = False,
    command: str = "",
    on_progress: OnProgress | None = None,
    drawing: Drawing | None = None,
) -> str:
    """Run an experiment, draw it, hold its claims against it, and write it all.

    The output directory receives the sweeps, each in a directory of its own, figures as
    PNG and PDF, ``claims.json`` with the numbers and their conditions, and
    ``claims.md``.

    Args:
      experiment: The experiment.
      output: Directory to write to.
      setup: A set-up, or options, in place of those of an experiment without parts.
      quick: Whether to make a small run of it.
      sizes: Fields of :class:`ibjax.experiments.experiment.Scale` to replace, by name.
      sources: Directories of finished sweeps, to read instead of training.
      images: Images of a size; for set-ups on images.
      resume: Whether to go on with unfinished sweeps in the output directory.
      command: The command that runs this, kept with the claims.
      on_progress: Called as the sweeps go on.
      drawing: Processes that draw beside this one; none by default.

    Returns:
      The claims as a table in Markdown.

    Raises:
      ValueError: If a field of a set-up or a number is out of range.
      ResultsError: If a directory holds no results where it must, or other ones.

    Example:
      >>> import dataclasses, tempfile
      >>> from ibjax.experiments.catalogue import EXPERIMENTS
      >>> from ibjax.results.example import example_dataset
      >>> szt = dataclasses.replace(EXPERIMENTS["szt"], figures=lambda dataset: {})
      >>> with tempfile.TemporaryDirectory() as directory:
      ...     directory = Path(directory)
      ...     dataset = example_dataset(num_seeds=3, num_epochs=6)
      ...     _ = results.save_dataset(dataset, directory / results.DATASET_FILE)
      ...     table = reproduce(szt, directory, sources=[directory])
      ...     print(table.splitlines()[0])
      | claim | number that decides it | holds if | verdict | corrected |
    """
    _check_output(experiment, output)
    setup = experiment.setup if setup is None else setup
    if experiment.run is not None:
        if resume:
            raise ValueError(f"resume must be False: {experiment.name} is no sweep")
        return experiment.run(
            setup, output, quick=quick, sources=sources, command=command
        )
    datasets = {}
    for name, part in experiment.grids.items():
        if sources:
            datasets[name] = _read(sources, name, alone=len(experiment.grids) == 1)
            continue
        if not experiment.parts:
            part = part.chosen(setup, quick)
        elif quick and part.quick_setup is not None:
            part = part._replace(setup=part.quick_setup)
        scale = (part.quick if quick else part.full).chosen(sizes)
        needs_images = part.setup.needs_images and images is not None
        task = images(scale) if needs_images else None
        cells = part.cells(scale, also=experiment.also, task=task)
        datasets[name] = sweep_grid(
            jax.random.key(0),
            cells,
            num_seeds=scale.seeds,
            directory=output / name,
            resume=resume,
            block=part.block_on(jax.default_backend()),
            on_progress=on_progress and partial(on_progress, name, cells),
        )
    return _write(experiment, datasets, output, command, drawing or Drawing())


def _check_output(experiment: Experiment, output: Path) -> None:
    """Check that a directory holds no claims of another experiment."""
    path = output / "claims.json"
    if not path.exists():
        return
    try:
        title = read_json(path).get("title", experiment.title)
    except (ResultsError, AttributeError) as error:
        raise ResultsError(
            f"{path} cannot be read; remove it, or choose another directory"
        ) from error
    if title != experiment.title:
        raise ResultsError(
            f"{output} holds another experiment, {title}; choose another directory"
        )


def _read(sources: Sequence[Path], name: str, *, alone: bool) -> xr.Dataset:
    """Dataset of finished sweeps: ``name`` in a source, or a source of this name.

    Where there is no other sweep it may be the first source, whatever its name.
    """
    found = [source / name for source in sources if (source / name).is_dir()]
    found += [source for source in sources if source.resolve().name == name]
    if not (found or alone):
        raise results.ResultsError(
            f"{', '.join(map(str, sources))} must hold {name}, a folder of a run"
        )
    return results.open_dataset([*found, *sources][0])


def _write(
    experiment: Experiment,
    datasets: Mapping[str, xr.Dataset],
    output: Path,
    command: str,
    drawing: Drawing,
) -> str:
    """Draw the datasets, hold the claims against them, and return the table."""
    derived = {} if experiment.derived is None else experiment.derived(datasets)
    known = {**datasets, **derived}
    given = known if experiment.parts else known[experiment.name]
    figures = experiment.figures(given)
    for figure in figures.values():
        drawing.submit(encode_figure, figure)
    for name, files in zip(figures, drawing.results(), strict=True):
        write_figure(files, output / name)
    table = claims.write_claims(
        output,
        experiment.claims(given),
        title=experiment.title,
        command=command,
        conditions=[claims.conditions(dataset) for dataset in datasets.values()],
    )
    files = {} if experiment.files is None else experiment.files(given)
    for name, text in files.items():
        write_atomically(output / name, text)
    return table
