"""Options of ``ibjax sweep``: those of every set-up, and those of its own."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Union

import tyro

from ibjax.datasets.images import Images
from ibjax.experiments.catalogue import PRESETS
from ibjax.experiments.convolutional.setup import CnnSetup
from ibjax.experiments.deep_linear.setup import LinearSetup
from ibjax.experiments.experiment import Scale
from ibjax.experiments.loss_dynamics.setup import LossSetup
from ibjax.experiments.mnist.setup import MnistSetup
from ibjax.experiments.noisy.setup import NoisySetup
from ibjax.experiments.stochastic_convolutional.setup import StochasticSetup
from ibjax.experiments.szt.setup import SztSetup
from ibjax.probes.propagation import DEFAULT_EFFORT, Effort

__all__ = [
    "CnnOptions",
    "ImageOptions",
    "LinearOptions",
    "LossOptions",
    "MnistOptions",
    "NoisyOptions",
    "Options",
    "RunOptions",
    "StochasticOptions",
    "SztOptions",
]


def _automatic(text: str, default: str = "automatic"):
    return tyro.conf.arg(help=text, help_behavior_hint=f"(default: {default})")


@dataclass(frozen=True)
class RunOptions:
    """How large an experiment is, and how to run it."""

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
    block: Annotated[int | None, _automatic("Networks trained together.")] = None
    devices: Annotated[int | None, _automatic("Devices to use.", "all")] = None
    key: int = 0
    """Seed of all random numbers."""
    output: Path = Path("ibjax-szt")
    """Directory for everything that is written."""
    resume: bool = False
    """Go on with an unfinished run of the same options in the output directory."""
    quick: bool = False
    """A smaller run that still shows the effect."""
    preset: tyro.conf.Suppress[str] = "szt"

    @property
    def scale(self) -> Scale:
        """The size that was asked for; the preset's where nothing was."""
        preset = PRESETS[self.preset]
        return (preset.quick if self.quick else preset.full).chosen(self)


@dataclass(frozen=True)
class ImageOptions(RunOptions):
    """Which images, and where they are."""

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


@dataclass(frozen=True)
class SztOptions(RunOptions, SztSetup):
    """A set-up on Shwartz-Ziv and Tishby's task, its size, and how to run it."""


@dataclass(frozen=True)
class MnistOptions(ImageOptions, MnistSetup):
    """Fully connected networks on images, their size, and how to run them."""


@dataclass(frozen=True)
class CnnOptions(ImageOptions, CnnSetup):
    """A convolutional network on images, its size, and how to run it."""


@dataclass(frozen=True)
class StochasticOptions(ImageOptions, StochasticSetup):
    """A stochastic convolutional network, its size, and how to run it."""


@dataclass(frozen=True)
class NoisyOptions(RunOptions, NoisySetup):
    """Noisy networks, their number, and how to run them."""

    effort: tyro.conf.Suppress[Effort] = DEFAULT_EFFORT
    num_inputs: tyro.conf.Suppress[int] = NoisySetup.num_inputs


@dataclass(frozen=True)
class LossOptions(RunOptions, LossSetup):
    """Steps of gradient descent, their networks' number, and how to run them."""


@dataclass(frozen=True)
class LinearOptions(RunOptions, LinearSetup):
    """Deep linear students, their number, and how to run them."""

    # They train together, on one device.
    block: tyro.conf.Suppress[int | None] = None
    devices: tyro.conf.Suppress[int | None] = 1


_OPTIONS = {
    SztSetup: SztOptions,
    MnistSetup: MnistOptions,
    CnnSetup: CnnOptions,
    StochasticSetup: StochasticOptions,
    NoisySetup: NoisyOptions,
    LossSetup: LossOptions,
    LinearSetup: LinearOptions,
}


def _subcommand(name: str):
    preset = PRESETS[name]
    setup_class = type(preset.setup)
    chosen = {
        field.name: getattr(preset.setup, field.name)
        for field in dataclasses.fields(setup_class)
    }
    options_class = _OPTIONS[setup_class]
    options = options_class(**chosen, output=Path(f"ibjax-{name}"), preset=name)
    full, quick = preset.full, preset.quick
    description = (
        f"{preset.summary} {full.seeds} networks, {full.epochs:,} epochs, "
        f"{full.snapshots} snapshots; with --quick {quick.seeds}, {quick.epochs:,} and "
        f"{quick.snapshots}."
    )
    if full.images is not None:
        description += f" {full.images:,} training images; quick, {quick.images:,}."
    return Annotated[
        options_class,
        tyro.conf.subcommand(name, default=options, description=description),
    ]


Options = Union[tuple(_subcommand(name) for name in PRESETS)]  # noqa: UP007
"""Options of one of the presets, a command of each."""
