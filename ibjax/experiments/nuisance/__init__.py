"""What layers hold of a nuisance, for many prices of information in the weights.

    ibjax reproduce nuisance
    ibjax reproduce nuisance --quick
    ibjax sweep nuisance --square 3

A square covers one of nine places of every image: a nuisance, independent of the class.
Networks with noisy weights learn the classes, for prices of a nat over 3.5 decades.
Weights that hold less of the data are to leave less of the nuisance in the layers, and
all of the class (Achille and Soatto, JMLR 2018, Fig. 4). What drawn activities of a
layer hold is what a linear decoder finds in them, a lower bound.

Images are MNIST's, averaged to 14 by 14 pixels, networks 196-100-100-10; the full run
has 50 networks on 1,000 images. MNIST is looked for in ``$IBJAX_DATA`` and
``~/.cache/ibjax``; ``--download`` puts it into the latter. ``--data digits`` takes
scikit-learn's digits of 8 by 8 pixels, with ``--square 2``.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.nuisance.claims import nuisance_claims
from ibjax.experiments.nuisance.figures import nuisance_figures
from ibjax.experiments.nuisance.setup import NuisanceSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="nuisance",
    title="A nuisance in layers, by the price of information (Achille and Soatto)",
    summary="What layers hold of a nuisance and of the class, for many prices of "
    "information in the weights (Achille and Soatto).",
    setup=NuisanceSetup(),
    quick_setup=NuisanceSetup(beta=(1e-3, 0.01, 0.05, 0.2, 1.0)),
    full=Scale(5, 200, 2, images=1_000, test_images=2_000),
    quick=Scale(2, 100, 2, images=200, test_images=1_000),
    claims=nuisance_claims,
    figures=nuisance_figures,
)
