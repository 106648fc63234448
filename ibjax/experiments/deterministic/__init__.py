"""Caveats where labels are certain (Kolchinsky, Tracey and Van Kuyk, ICLR 2019).

    ibjax reproduce deterministic
    ibjax reproduce deterministic --quick
    ibjax reproduce deterministic --download

Where the label is a function of the input the information curve is straight: I(Z;Y) =
I(X;Z) up to H(Y). Every price below one has its end as the best point, every price
above one its beginning, and no price has a point between. The square of the information
in the objective has one point of the curve for every price. Both are solved exactly for
a table of ten certain classes, and trained on digits: classifiers through a code whose
noise is one learned deviation, at ten prices of the variational bound on I(X;Z), of the
bound by pairs of a batch (Kolchinsky, Tracey and Wolpert), and of the latter's square,
with five networks each, all prices of an objective in one program.

Encoders are 784-128-128-10, decoders 10-128-10, as published; 20,000 images of MNIST
for 20 epochs are not, nor is the variational bound beside the others. What the code
holds is measured at the end on 2,000 test images, without a prior and not by the bound
that was trained on.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it, with ``--data digits``, they are scikit-learn's digits of
8 by 8 pixels.
"""

from ibjax.experiments.deterministic.claims import deterministic_claims
from ibjax.experiments.deterministic.figures import deterministic_figures
from ibjax.experiments.deterministic.setup import DeterministicSetup
from ibjax.experiments.experiment import Experiment, Part, Scale

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="deterministic",
    title="Caveats where labels are certain (Kolchinsky et al., ICLR 2019)",
    summary="Bottlenecks of certain labels, whose prices reach only the ends of the "
    "curve (Kolchinsky et al.).",
    parts={
        "deterministic": Part(
            DeterministicSetup(),
            Scale(5, 20, 4, images=20_000),
            Scale(2, 60, 3, images=2_000, test_images=2_000),
            "Classifiers of certain labels through a code, by three objectives "
            "(Kolchinsky et al.).",
            block=1,
            quick_setup=DeterministicSetup(beta=(0.2, 0.3, 0.5, 0.9, 2.0), hidden="64"),
            figures=deterministic_figures,
        )
    },
    claims=lambda datasets: deterministic_claims(datasets["deterministic"]),
    figures=lambda datasets: deterministic_figures(datasets["deterministic"]),
)
