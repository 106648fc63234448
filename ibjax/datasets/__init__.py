"""Tasks: inputs, labels and, where it is known, the truth about them."""

from ibjax.datasets import deficits, image_pairs, known_information, teacher_student
from ibjax.datasets.cifar import cifar10
from ibjax.datasets.cluttered import Cluttered, cluttered, cluttered_task
from ibjax.datasets.image_pairs import ImagePairs
from ibjax.datasets.images import digits
from ibjax.datasets.known_information import KnownInformation, standard_tasks
from ibjax.datasets.mnist import download_mnist, mnist
from ibjax.datasets.sentences import Sentences, sst2
from ibjax.datasets.sprites import Sprites, sprite_images, sprites
from ibjax.datasets.szt import szt
from ibjax.datasets.tables import read_columns, table_task
from ibjax.datasets.tagged_corpus import TaggedCorpus, tagged_corpus
from ibjax.datasets.task import Batch, Task, make_task
from ibjax.datasets.treebanks import Treebank, read_conllu, ud_ewt
from ibjax.datasets.type_vectors import positive_information, type_vectors

__all__ = [
    "Batch",
    "Cluttered",
    "ImagePairs",
    "KnownInformation",
    "Sentences",
    "Sprites",
    "TaggedCorpus",
    "Task",
    "Treebank",
    "cifar10",
    "cluttered",
    "cluttered_task",
    "deficits",
    "digits",
    "download_mnist",
    "image_pairs",
    "known_information",
    "make_task",
    "mnist",
    "positive_information",
    "read_columns",
    "read_conllu",
    "standard_tasks",
    "sprite_images",
    "sprites",
    "sst2",
    "szt",
    "table_task",
    "tagged_corpus",
    "teacher_student",
    "type_vectors",
    "ud_ewt",
]
