"""Curvature over training, for batches of many sizes, and what it tells of test loss.

    ibjax reproduce sharpness
    ibjax reproduce sharpness --quick
    ibjax sweep sharpness --batch 16 256 full

The Fisher information of a network's weights rises and falls in training (Achille et
al., ICLR 2019), and gradients of few images are said to lead to where it is small,
where weights hold little information and networks generalise (Achille and Soatto,
2019; Keskar et al., ICLR 2017). Networks on true labels are trained with batches of 8
images to all of them at one step size, and measured over training: the Fisher trace,
the log-determinant that is in the information in the weights, the largest eigenvalue of
the Hessian, and the effective information in the first layer. As all of these fall
while a network grows certain, they are compared at one training loss too.

Images are MNIST's, averaged to 7 by 7 pixels, networks 49-100-10 with tanh; the full
run trains 40 networks on 1,000 images. MNIST is looked for in ``$IBJAX_DATA`` and
``~/.cache/ibjax``; ``--download`` puts it into the latter. ``--data digits`` takes
scikit-learn's digits of 8 by 8 pixels, with ``--side 8``.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.sharpness.claims import sharpness_claims
from ibjax.experiments.sharpness.figures import sharpness_figures
from ibjax.experiments.sharpness.setup import SharpnessSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="sharpness",
    title="Curvature, batch size and generalisation (Achille and Soatto; Keskar et "
    "al.)",
    summary="Fisher trace, log-determinant, sharpness and effective information over "
    "training, for batches of many sizes (Achille and Soatto; Keskar et al.).",
    setup=SharpnessSetup(),
    full=Scale(8, 1_000, 12, images=1_000, test_images=2_000),
    quick=Scale(2, 60, 6, images=200, test_images=500),
    quick_setup=SharpnessSetup(batch=(8, 64, "full"), samples=20),
    claims=sharpness_claims,
    figures=sharpness_figures,
)
