"""Invariance of learned representations to clutter (Achille and Soatto, 2018).

    ibjax reproduce invariance
    ibjax reproduce invariance --quick
    ibjax reproduce invariance --download

Digits below fragments of other digits, whose number, from none to three, is a nuisance:
it is drawn independently of the digit and known for every image. Two kinds of networks
learn the digit and pay for information: classifiers through a Gaussian code, trained on
distortion + beta rate, and networks with information dropout. Nobody tells them of the
nuisance. How much of it the code, or the last noisy layer, keeps, I(Z;N), and how much
it tells of the digit, I(Z;Y), is measured at the end on 5,000 test images, by nearest
neighbours and by a trained discriminator, for seven betas and five networks each, all
of a kind in one program.

Size and images are ours: digits of MNIST at 14 by 14 pixels, which stay in place, with
fragments of 5 by 5; 20,000 training images for 20 epochs; fully connected networks
196-128-128, a code of 8 dimensions and a noisy layer of 16. Neighbours need few
dimensions; a discriminator needs many images, or it learns the training ones by heart
and falls below zero.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it, with ``--data digits``, they are scikit-learn's digits of
8 by 8 pixels.
"""

import dataclasses

from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.invariance.claims import invariance_claims
from ibjax.experiments.invariance.figures import invariance_figures
from ibjax.experiments.invariance.setup import InvarianceSetup

__all__ = ["EXPERIMENT"]

_FULL = Scale(5, 20, 3, images=20_000, test_images=5_000)
_QUICK = Scale(2, 10, 3, images=4_000, test_images=3_000)
_CODE = InvarianceSetup(kind="vib")
_DROPOUT = InvarianceSetup(
    kind="information-dropout",
    beta=(0.0, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    dim=16,
)

EXPERIMENT = Experiment(
    name="invariance",
    title="Invariance to clutter (Achille and Soatto, JMLR 2018)",
    summary="What representations that pay for information keep of a nuisance (Achille "
    "and Soatto).",
    parts={
        "invariance": Part(
            _CODE,
            _FULL,
            _QUICK,
            "Classifiers of digits below clutter through a code, for prices of "
            "information.",
            block=1,
            quick_setup=dataclasses.replace(_CODE, beta=(0.0, 1e-2, 0.1, 0.3)),
            figures=lambda dataset: invariance_figures({"": dataset}),
        ),
        "invariance-dropout": Part(
            _DROPOUT,
            _FULL,
            _QUICK,
            "Networks with information dropout on digits below clutter, likewise.",
            block=1,
            quick_setup=dataclasses.replace(_DROPOUT, beta=(0.0, 1e-3, 1e-2, 3e-2)),
            figures=lambda dataset: invariance_figures({"": dataset}),
        ),
    },
    claims=invariance_claims,
    figures=invariance_figures,
)
