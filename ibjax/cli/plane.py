"""The command ``ibjax plane``: recorded activities on the information plane."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ibjax.cli.progress import ProgressBar, plain_console
from ibjax.cli.report import drawing_beside, write_report
from ibjax.plots.processes import Drawing
from ibjax.probes.named import LayerEstimator
from ibjax.results.directory import reserved
from ibjax.sweeps.checkpoint import check_unused, save_finished
from ibjax.sweeps.recorded import information_plane

__all__ = ["PlaneOptions", "plane"]


@dataclass(frozen=True)
class PlaneOptions:
    """Estimators, layers, and the directory to write to."""

    estimators: Annotated[
        tuple[LayerEstimator, ...],
        tyro.conf.arg(
            help="Estimators of the information.",
            help_behavior_hint="(default: bin-width kde, of real targets ksg gaussian)",
        ),
    ] = ()
    layers: Annotated[
        tuple[str, ...],
        tyro.conf.arg(
            help="Layers to look at, in order.",
            help_behavior_hint="(default: all, as the file says)",
        ),
    ] = ()
    num_bins: int = 30
    """Edges on [-1, 1] for the estimators binning and closed-binning."""
    bin_width: float = 0.07
    """Bin width for the estimator bin-width, in units of activity."""
    noise_variance: float = 1e-3
    """Variance of the noise for the estimators kde and knn, in squared units of
    activity."""
    output: Path = Path("ibjax-plane")
    """Directory for everything that is written."""


def plane(
    file: tyro.conf.Positional[Path],
    options: tyro.conf.OmitArgPrefixes[PlaneOptions],
) -> None:
    """Put recorded activities on the information plane.

    Reads arrays by name from a file of NumPy's .npz, of HDF5 or of zarr: for every
    layer the activities, [epoch, sample, unit] or [seed, epoch, sample, unit]; and
    labels, one for each sample, or real targets. Also epochs, increasing numbers, and
    layers, their names in order, if they are there. Writes what ibjax sweep writes.

    Args:
      file: File of activities and labels.
      options: Estimators, layers and output.
    """
    with drawing_beside() as drawing:
        _plane(file, options, drawing)


def _plane(file: Path, options: PlaneOptions, drawing: Drawing) -> None:
    started = time.perf_counter()
    console = plain_console()
    with reserved(options.output) as own:
        check_unused(own)
        try:
            with ProgressBar(console, doing="measuring") as bar:
                dataset = information_plane(
                    file,
                    layers=options.layers or None,
                    estimators=options.estimators or None,
                    num_bins=options.num_bins,
                    bin_width=options.bin_width,
                    noise_variance=options.noise_variance,
                    name=file.stem,
                    description={"command": "ibjax plane"},
                    on_progress=bar.update,
                )
        except TypeError as error:  # Of what the file holds.
            raise ValueError(f"{file}: {error}") from error
        save_finished(own, dataset)
        write_report(dataset, options.output, console, drawing)
    console.print(f"{time.perf_counter() - started:.0f} s in all")
