"""Images that the command's options name."""

from ibjax.cli.options import ImageOptions
from ibjax.datasets.images import image_task
from ibjax.datasets.task import Task
from ibjax.experiments.experiment import Scale

__all__ = ["images_of"]


def images_of(options: ImageOptions, scale: Scale) -> Task:
    """Task of the images that the options name, as large as the scale says."""
    return image_task(
        options.data,
        num_train=scale.images,
        directory=options.data_dir,
        download=options.download,
    )
