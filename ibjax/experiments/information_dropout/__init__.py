"""Information dropout on cluttered digits (Achille and Soatto, PAMI 2018).

    ibjax reproduce information-dropout
    ibjax reproduce information-dropout --quick
    ibjax reproduce information-dropout --download

Convolutional networks of MNIST's digits at random places among fragments of others,
with noise on every layer whose size is learned and paid for: seven prices of a nat,
from none to 3e-4 nats of cross-entropy, and the same networks with binary dropout of
four rates, for five seeds each, all of a kind in one program. What each layer lets
through is measured in all and by place: on the ink of the digit, which the task needs,
on that of the fragments, which it does not, and where there is none.

It is much smaller than published, to run on a laptop: digits of 7 by 7 pixels and four
fragments of 3 by 3 on images of 16 by 16 in place of 96 by 96, three convolutions of 8
channels in place of seven or more of up to 192, no statistics of batches. The noise has
mean one in place of median one (``unit_mean``), so that nothing has to be learned anew
for images without it. Prices are per nat: times the number of training images, 10,000,
they are the authors' beta.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it, with ``--data digits``, they are scikit-learn's digits of
8 by 8 pixels.
"""

from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.information_dropout.claims import information_dropout_claims
from ibjax.experiments.information_dropout.figures import information_dropout_figures
from ibjax.experiments.information_dropout.setup import (
    BinaryDropoutSetup,
    InformationDropoutSetup,
)

__all__ = ["EXPERIMENT"]

_FULL = Scale(5, 20, 5, images=10_000, test_images=2_000)
_QUICK = Scale(2, 6, 3, images=3_000, test_images=500)
_QUICK_BETAS = (0.0, 3e-6, 3e-5, 3e-4)

EXPERIMENT = Experiment(
    name="information-dropout",
    title="Information dropout (Achille and Soatto, PAMI 2018)",
    summary="Noise whose size is learned and paid for, on digits among clutter "
    "(Achille and Soatto).",
    parts={
        "information-dropout": Part(
            InformationDropoutSetup(),
            _FULL,
            _QUICK,
            "Convolutional networks with information dropout, for prices of a nat "
            "(Achille and Soatto).",
            block=1,
            quick_setup=InformationDropoutSetup(beta=_QUICK_BETAS),
            figures=lambda dataset: information_dropout_figures(
                {"information-dropout": dataset}
            ),
        ),
        "binary-dropout": Part(
            BinaryDropoutSetup(),
            _FULL,
            _QUICK,
            "The networks of information-dropout with binary dropout, for rates.",
            block=1,
        ),
    },
    claims=information_dropout_claims,
    figures=information_dropout_figures,
)
