"""Invariance of learned representations to clutter (Achille and Soatto, 2018).

    ibjax reproduce invariance
    ibjax reproduce invariance --quick
    ibjax reproduce invariance --download

Digits below fragments of other digits, whose number, from none to three, is a nuisance:
it is drawn independently of the digit and known for every image. Two kinds of networks
pay for information in nothing but nats: classifiers through a Gaussian code, on
distortion + beta rate, and networks with information dropout. Nobody tells them of the
nuisance. What the code, and the last noisy layer, keep of it, I(Z;N), and tell of the
digit, I(Z;Y), is measured at the end on 2,000 test images, by nearest neighbours and by
a trained discriminator, for seven betas and five networks each, all of a kind in one
program.

It is ours in size and images: the digits of MNIST at 14 by 14 pixels, fully connected
networks 196-128-128, a code of 8 dimensions and a noisy layer of 16.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it, with ``--images digits``, they are scikit-learn's digits of
8 by 8 pixels.
"""

import dataclasses

from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.invariance.claims import invariance_claims
from ibjax.experiments.invariance.figures import invariance_figures
from ibjax.experiments.invariance.setup import InvarianceSetup

__all__ = ["EXPERIMENT"]

_FULL = Scale(5, 20, 3, images=20_000, test_images=2_000)
_QUICK = Scale(2, 10, 3, images=4_000, test_images=1_000)
_CODE = InvarianceSetup(kind="vib")
_FEW_STEPS = 300
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
            quick_setup=dataclasses.replace(
                _CODE, beta=(0.0, 1e-2, 0.1, 0.3), steps=_FEW_STEPS
            ),
        ),
        "invariance-dropout": Part(
            _DROPOUT,
            _FULL,
            _QUICK,
            "Networks with information dropout on digits below clutter, likewise.",
            block=1,
            quick_setup=dataclasses.replace(
                _DROPOUT, beta=(0.0, 1e-3, 1e-2, 3e-2), steps=_FEW_STEPS
            ),
        ),
    },
    claims=invariance_claims,
    figures=invariance_figures,
)
