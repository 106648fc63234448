"""Structure functions of true, partly random and random labels.

    ibjax reproduce structure
    ibjax reproduce structure --quick

The least loss of the training labels for every amount of information in the weights, as
its lower convex hull: networks with noisy weights for fourteen prices of a nat, and
guessing, which takes none. With slope -1 a nat saves a nat; where the curve is flatter,
labels are learned by heart. True labels fall steeply at first; random ones cannot fall
faster than slope -1, as no code of them is shorter than they are.

Networks, noise and prices are those of ``ibjax reproduce corruption``: 196-100-10 on
1,000 images of MNIST, five networks for each price and share. The full run has 210
networks, and should take about ten minutes on two cores and less than two on a GPU.
MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. ``--data digits`` takes scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.corruption.setup import CorruptionSetup
from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.structure.claims import structure_claims
from ibjax.experiments.structure.figures import structure_figures

__all__ = ["EXPERIMENT"]

_BETAS = (
    *(1e-3, 3e-3, 0.01, 0.02, 0.03, 0.05, 0.07),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0),
)

EXPERIMENT = Experiment(
    name="structure",
    title="Structure functions of true and random labels (Achille et al.)",
    summary="Least loss for every amount of information in the weights, of true, "
    "partly random and random labels (Achille et al.).",
    setup=CorruptionSetup(
        train_fraction=(1.0,), label_noise=(0.0, 0.5, 1.0), beta=_BETAS
    ),
    full=Scale(5, 200, 2, images=1_000, test_images=2_000),
    quick=Scale(2, 150, 2, images=200, test_images=1_000),
    claims=structure_claims,
    figures=structure_figures,
)
