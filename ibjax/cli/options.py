"""Options of ``ibjax sweep`` and ``ibjax reproduce``: sizes, runs and set-ups."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, Union

import tyro

from ibjax.datasets.images import Images
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS
from ibjax.experiments.experiment import Experiment, Part

__all__ = [
    "ImageOptions",
    "Nothing",
    "Reproduction",
    "RunOptions",
    "SizeOptions",
    "Sweep",
]


def _automatic(text: str, default: str = "automatic"):
    return tyro.conf.arg(help=text, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class Nothing:
    """No options."""


@dataclass(frozen=True)
class SizeOptions:
    """Size of an experiment."""

    seeds: Annotated[
        int | None, _automatic("Networks of every cell.", "the set-up's")
    ] = None
    epochs: Annotated[
        int | None, _automatic("Passes over the training rows.", "the set-up's")
    ] = None
    snapshots: Annotated[
        int | None,
        _automatic(
            "Epochs at which to measure, log-spaced; the first is the network before "
            "any step.",
            "the set-up's",
        ),
    ] = None
    resume: bool = False
    """Go on with an unfinished run of the same options in the output directory."""


@dataclass(frozen=True)
class RunOptions:
    """Devices and random numbers of a run."""

    block: Annotated[int | None, _automatic("Networks trained together.")] = None
    devices: Annotated[int | None, _automatic("Devices to use.", "all")] = None
    key: int = 0
    """Seed of all random numbers."""


@dataclass(frozen=True)
class OneDeviceOptions(RunOptions):
    """Random numbers of a run on one device, where all networks train together."""

    block: tyro.conf.Suppress[int | None] = None
    devices: tyro.conf.Suppress[int | None] = 1


@dataclass(frozen=True)
class ImageOptions:
    """Images of an experiment, and where they are."""

    images: Annotated[
        int | None,
        _automatic("Training images of MNIST, the first ones.", "the set-up's"),
    ] = None
    test_images: Annotated[
        int | None,
        _automatic("Test images to measure on, the first ones.", "the set-up's"),
    ] = None
    data: Images = "mnist"
    """MNIST, or scikit-learn's 1,797 digits of 8 by 8 pixels, which need no files."""
    data_dir: Annotated[
        Path | None,
        _automatic(
            "Where to look for MNIST, and to download it to.",
            "$IBJAX_DATA, then ~/.cache/ibjax",
        ),
    ] = None
    download: bool = False
    """Download MNIST where it is missing."""


Size = TypeVar("Size")
Run = TypeVar("Run")
ImagesOfIt = TypeVar("ImagesOfIt")
SetupOfIt = TypeVar("SetupOfIt")


@dataclass(frozen=True)
class Sweep(Generic[Run, ImagesOfIt, SetupOfIt]):
    """One of the grids that ``ibjax sweep`` offers, its size, and how to run it."""

    name: tyro.conf.Suppress[str]
    setup: SetupOfIt
    size: SizeOptions
    run: Run
    images: ImagesOfIt
    output: Path
    """Directory for everything that is written."""
    quick: bool = False
    """A smaller run that still shows the effect."""


@dataclass(frozen=True)
class Reproduction(Generic[Size, ImagesOfIt, SetupOfIt]):
    """One of the experiments, its size, and where to write."""

    name: tyro.conf.Suppress[str]
    setup: SetupOfIt
    size: Size
    images: ImagesOfIt
    output: Path
    """Directory for everything that is written."""
    sources: Annotated[
        tuple[Path, ...],
        tyro.conf.arg(
            name="from",
            metavar="DIR [DIR ...]",
            help="Use what finished runs left there instead of running.",
            help_behavior_hint="",
        ),
    ] = ()
    quick: bool = False
    """A small run, to try it."""


def _subcommand(options: Any, kinds: tuple[type, ...], description: str):
    return Annotated[
        type(options)[kinds],
        tyro.conf.subcommand(options.name, default=options, description=description),
    ]


def _sweep(name: str, part: Part):
    setup = part.setup
    run = OneDeviceOptions() if setup.on_one_device else RunOptions()
    images = ImageOptions() if setup.needs_images else Nothing()
    options = Sweep(name, setup, SizeOptions(), run, images, Path(f"ibjax-{name}"))
    full, quick = part.full, part.quick
    description = (
        f"{part.summary} {full.seeds} networks, {full.epochs:,} epochs, "
        f"{full.snapshots} snapshots; with --quick {quick.seeds}, {quick.epochs:,} and "
        f"{quick.snapshots}."
    )
    if full.images is not None:
        description += f" {full.images:,} training images; quick, {quick.images:,}."
    return _subcommand(options, (type(run), type(images), type(setup)), description)


def _reproduction(experiment: Experiment):
    # Several set-ups have fields of the same names: none is an option.
    setup = Nothing() if experiment.parts else experiment.setup
    size = SizeOptions() if experiment.grids else Nothing()
    needs_images = any(part.setup.needs_images for part in experiment.grids.values())
    images = ImageOptions() if needs_images else Nothing()
    options = Reproduction(
        experiment.name,
        setup,
        size,
        images,
        Path(f"ibjax-reproduce-{experiment.name}"),
    )
    kinds = (type(size), type(images), type(setup))
    return _subcommand(options, kinds, experiment.summary)


SweepCommand = Union[tuple(_sweep(*item) for item in SWEEPS.items())]  # noqa: UP007
"""Options of one of the grids of sweeps, a command of each."""

ReproduceCommand = Union[tuple(map(_reproduction, EXPERIMENTS.values()))]  # noqa: UP007
"""Options of one of the experiments, a command of each."""
