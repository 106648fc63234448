"""The command ``ibjax reproduce``: an experiment held against its claims."""

import shlex
import sys

import tyro

from ibjax.cli.options import ReproduceOptions
from ibjax.cli.progress import GridBar, plain_console
from ibjax.cli.report import drawing_beside
from ibjax.datasets.images import image_task
from ibjax.datasets.task import Task
from ibjax.experiments.catalogue import EXPERIMENTS
from ibjax.experiments.experiment import Scale
from ibjax.experiments.reproduce import reproduce as run
from ibjax.results.directory import reserved

__all__ = ["reproduce"]


def reproduce(options: tyro.conf.OmitArgPrefixes[ReproduceOptions]) -> None:
    """Run a published experiment, draw it, and hold its claims against it.

    Prints every claim with the number that decides it, and writes figures as PNG and
    PDF, claims.json, claims.md and the sweeps.

    Args:
      options: The experiment.
    """
    experiment = EXPERIMENTS[options.name]

    def images(scale: Scale) -> Task:
        try:
            return options.images.task(scale)
        except FileNotFoundError as error:
            others = "MNIST; --download fetches it" if scale.data == "mnist" else "them"
            print(
                f"{error}\nNetworks learn scikit-learn's digits of 8 by 8 pixels in "
                f"place of {others}.",
                file=sys.stderr,
            )
            return image_task("digits")

    console = plain_console(stderr=True)
    with (
        drawing_beside() as drawing,
        reserved(options.output),
        GridBar(console) as bar,
    ):
        table = run(
            experiment,
            options.output,
            setup=None if experiment.parts else options.setup,
            quick=options.quick,
            sizes=vars(options.size) | vars(options.images),
            sources=options.run.sources,
            images=images,
            resume=options.resume,
            command=shlex.join(["ibjax", *sys.argv[1:]]),
            on_progress=bar.update,
            drawing=drawing,
        )
    print(table)
    print(f"Written to {options.output}", file=sys.stderr)
