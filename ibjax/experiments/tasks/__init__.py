"""Distances between tasks: information in the weights, and Task2Vec.

    ibjax reproduce tasks
    ibjax reproduce tasks --quick

What a network that holds one task has to learn besides to hold another, d(D1 -> D2) =
I(D1 D2; w) - I(D1; w), for networks with noisy weights on digits, digits of other
images, half of them, those of five classes, rotated digits, their parity, permuted
classes and random labels (Achille et al., 2021). Which of the two tasks an image is of
is an input too. The diagonal is the floor: a task and a copy of it.

Task2Vec (Achille et al., ICCV 2019) of digit pairs and of rotations: the Fisher
information of a small probe network whose last layer is trained on the task, from two
samples of images, whose distance is the noise of all distances; and the variational
form, the precision of the noise that the task leaves room for in the same weights. The
first of CIFAR-10's photographs too, 16 by 16 pixels, where they are there: each class
against all others.

Images are MNIST's, averaged to 14 by 14 pixels, networks 100 units wide. The full run
has 325 networks on 400 and 800 images, and takes ten minutes of a processor with the
photographs. MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; without it
the networks learn scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.experiment import Experiment
from ibjax.experiments.tasks.measure import TITLE, TasksOptions, run

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="tasks",
    title=TITLE,
    summary="Distances between tasks by the information in weights, and by Task2Vec "
    "(Achille et al.).",
    setup=TasksOptions(),
    run=run,
)
