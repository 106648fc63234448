"""Options of ``ibjax sweep`` and ``ibjax reproduce``: sizes, runs and set-ups."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar, Union

import tyro

from ibjax.datasets.images import Images, image_task
from ibjax.datasets.tables import TARGET_KINDS, read_columns, table_task
from ibjax.datasets.task import Task
from ibjax.experiments.catalogue import EXPERIMENTS, SWEEPS
from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.numerics import checks

__all__ = [
    "ImageOptions",
    "Nothing",
    "Options",
    "ReproduceOptions",
    "RunOptions",
    "SizeOptions",
    "SourceOptions",
    "SweepOptions",
    "TableOptions",
    "automatic",
    "check_key",
]


def check_key(key: int) -> None:
    """Check a seed of random numbers, of which JAX would cut off all beyond 32 bits."""
    checks.in_range("key", key, "[0, 4294967295]")


def automatic(text: str, default: str = "automatic"):
    """An option with its help, and in words what it is where it is not given."""
    return tyro.conf.arg(help=text, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class Nothing:
    """No options."""


@dataclass(frozen=True)
class SizeOptions:
    """Size of a grid of sweeps."""

    seeds: Annotated[
        int | None, automatic("Networks of every cell.", "the set-up's")
    ] = None
    epochs: Annotated[
        int | None, automatic("Passes over the training rows.", "the set-up's")
    ] = None
    snapshots: Annotated[
        int | None,
        automatic(
            "Epochs at which to measure, log-spaced; the first is the network before "
            "any step.",
            "the set-up's",
        ),
    ] = None


@dataclass(frozen=True)
class RunOptions:
    """Devices and random numbers of a run."""

    block: Annotated[int | None, automatic("Networks trained together.")] = None
    devices: Annotated[
        int | None, automatic("Devices to use, in a job those of each process.", "all")
    ] = None
    shard: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="K/N",
            help="Train part K of N of the networks, in a directory of its own in the "
            "output directory; ibjax merge joins all parts.",
            help_behavior_hint="(default: all)",
        ),
    ] = None
    distributed: Annotated[
        str | None,
        tyro.conf.arg(
            metavar="auto|HOST:PORT",
            help="Spread the networks over the devices of all processes of a job: auto "
            "in one of SLURM, Open MPI, Kubernetes or a TPU pod, the address of the "
            "first process elsewhere, with the next two options.",
            help_behavior_hint="(default: this process alone)",
        ),
    ] = None
    num_processes: Annotated[
        int | None, automatic("Processes of the job.", "the cluster's")
    ] = None
    process_id: Annotated[
        int | None, automatic("Number of this process, from 0.", "the cluster's")
    ] = None
    join_seconds: Annotated[
        int | None, automatic("Seconds to wait for all processes of the job.", "300")
    ] = None
    key: int = 0
    """Seed of all random numbers."""


@dataclass(frozen=True)
class SourceOptions:
    """Finished runs, to be used instead of running."""

    sources: Annotated[
        tuple[Path, ...],
        tyro.conf.arg(
            name="from",
            metavar="DIR [DIR ...]",
            help="Directories of finished runs to use.",
            help_behavior_hint="",
        ),
    ] = ()


@dataclass(frozen=True)
class ImageOptions:
    """Images of an experiment, and where they are."""

    images: Annotated[
        int | None,
        automatic(
            "Training images, the first ones; digits are taken whole.", "the set-up's"
        ),
    ] = None
    test_images: Annotated[
        int | None,
        automatic("Test images to measure on, the first ones.", "the set-up's"),
    ] = None
    data: Annotated[
        Images | None,
        automatic(
            "MNIST, CIFAR-10 as JPEG, or scikit-learn's 1,797 digits of 8 by 8 pixels, "
            "which need no files.",
            "the set-up's",
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        automatic(
            "Where to look for MNIST, and to download it to, and for CIFAR-10.",
            "$IBJAX_DATA, then ~/.cache/ibjax",
        ),
    ] = None
    download: bool = False
    """Download MNIST where it is missing."""

    def task(self, scale: Scale) -> Task:
        """Task of the images of a size that has been chosen."""
        return image_task(
            scale.data,
            num_train=scale.images,
            directory=self.data_dir,
            download=self.download,
        )


@dataclass(frozen=True)
class TableOptions:
    """A table, and what is to be predicted of it."""

    file: Annotated[
        tyro.conf.Positional[Path],
        tyro.conf.arg(
            help="Table: CSV with the names of the columns in the first line, NumPy's "
            ".npz of arrays by name, or Parquet."
        ),
    ]
    target: Annotated[
        str, tyro.conf.arg(metavar="COLUMN", help="Name of the column to predict.")
    ]
    columns: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            metavar="COLUMN [COLUMN ...]",
            help="Columns to predict it from.",
            help_behavior_hint="(default: all others)",
        ),
    ] = ()
    kind: Literal[TARGET_KINDS] = "auto"
    """What the target is: auto takes text and up to 20 different whole numbers for
    classes."""
    as_it_is: bool = False
    """Leave inputs and real targets as they are, in place of mean 0 and deviation 1."""

    def task(self, scale: Scale) -> Task:
        """Task of the table, all of whose rows are taken."""
        del scale
        return table_task(
            read_columns(self.file),
            self.target,
            columns=self.columns or None,
            kind=self.kind,
            standardize=not self.as_it_is,
            name=self.file.name,
        )


def _source_of(setup: Any) -> Any:
    """Options of where a set-up's task comes from."""
    if setup.needs_images:
        return ImageOptions()
    if setup.needs_table:
        return TableOptions(tyro.MISSING, tyro.MISSING)
    return Nothing()


SetupT = TypeVar("SetupT")
SizeT = TypeVar("SizeT")
RunT = TypeVar("RunT")
ImagesT = TypeVar("ImagesT")


@dataclass(frozen=True)
class Options(Generic[SetupT, SizeT, RunT, ImagesT]):
    """Options of one experiment; what it does not have is :class:`Nothing`."""

    name: tyro.conf.Suppress[str]
    setup: SetupT
    size: SizeT
    run: RunT
    images: ImagesT
    output: Path
    """Directory for everything that is written."""
    resume: bool = False
    """Go on with an unfinished run of the same options in the output directory."""
    quick: bool = False
    """A smaller run that still shows the effect."""


def _subcommand(description: str, name: str, output: str, *groups: Any):
    options = Options(name, *groups, output=Path(output))
    return Annotated[
        Options[tuple(map(type, groups))],
        tyro.conf.subcommand(name, default=options, description=description),
    ]


def _sweep(name: str, part: Part):
    setup, full, quick = part.setup, part.full, part.quick
    description = (
        f"{part.summary} {full.seeds} networks, {full.epochs:,} epochs, "
        f"{full.snapshots} snapshots; with --quick {quick.seeds}, {quick.epochs:,} and "
        f"{quick.snapshots}."
    )
    if full.images is not None:
        few = "the digits" if quick.data == "digits" else f"{quick.images:,}"
        description += f" {full.images:,} training images; quick, {few}."
    return _subcommand(
        description,
        name,
        f"ibjax-{name}",
        setup,
        SizeOptions(),
        RunOptions(),
        _source_of(setup),
    )


def _reproduction(experiment: Experiment):
    grids = experiment.grids
    needs_images = any(part.setup.needs_images for part in grids.values())
    return _subcommand(
        experiment.summary,
        experiment.name,
        f"ibjax-reproduce-{experiment.name}",
        # Several set-ups have fields of the same names: none is an option.
        Nothing() if experiment.parts else experiment.setup,
        SizeOptions() if grids else Nothing(),
        SourceOptions(),
        ImageOptions() if needs_images else Nothing(),
    )


if TYPE_CHECKING:
    SweepOptions = Options[Any, Any, Any, Any]
    ReproduceOptions = Options[Any, Any, Any, Any]
else:
    SweepOptions = Union[tuple(_sweep(*item) for item in SWEEPS.items())]  # noqa: UP007
    """Options of one of the grids of sweeps, a command of each."""

    ReproduceOptions = Union[tuple(map(_reproduction, EXPERIMENTS.values()))]  # noqa: UP007
    """Options of one of the experiments, a command of each."""
