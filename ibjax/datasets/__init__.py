"""Tasks: inputs, labels and, where it is known, the truth about them."""

from ibjax.datasets import image_pairs, known_information, teacher_student
from ibjax.datasets.cluttered import Cluttered, cluttered, cluttered_task
from ibjax.datasets.image_pairs import ImagePairs
from ibjax.datasets.images import digits
from ibjax.datasets.known_information import KnownInformation, standard_tasks
from ibjax.datasets.mnist import download_mnist, mnist
from ibjax.datasets.sprites import Sprites, sprite_images, sprites
from ibjax.datasets.szt import szt
from ibjax.datasets.tables import read_columns, table_task
from ibjax.datasets.task import Batch, Task, make_task

__all__ = [
    "Batch",
    "Cluttered",
    "ImagePairs",
    "KnownInformation",
    "Sprites",
    "Task",
    "cluttered",
    "cluttered_task",
    "digits",
    "download_mnist",
    "image_pairs",
    "known_information",
    "make_task",
    "mnist",
    "read_columns",
    "standard_tasks",
    "sprite_images",
    "sprites",
    "szt",
    "table_task",
    "teacher_student",
]
