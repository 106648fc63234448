"""Random labels and true ones, for many prices of information in the weights.

    ibjax reproduce corruption
    ibjax reproduce corruption --quick
    ibjax sweep corruption --prior gaussian log-uniform log-normal

Achille and Soatto (JMLR 2018) train networks on the cross-entropy summed over the data
plus beta times the information in the weights. A random label costs as many nats to
remember as it saves, so that networks should give up random labels at beta = 1,
whatever the number of images and the network, and learn true ones beyond. Here beta
goes over four decades, for five shares of random labels, three training sizes and five
seeds; all prices, shares and seeds of a size are one program.

Weights are Gaussian, each by itself, with a Gaussian prior of the best variance for
every array, so that nats are those of a code; in the paper noise is a log-normal factor
of every weight and the prior log-uniform, which has no norm and gives differences alone
(``--prior log-normal``, and ``log-uniform`` for Gaussian weights). Factors begin with
little noise, and take 4,000 steps to grow to that of a high price, as in 400 epochs of
500 images.

Images are MNIST's, averaged to 14 by 14 pixels, networks 196-100-10. Prices are led up
from 0.001, because noise that is paid for from the first step on hides what there is to
learn.

The full run has 750 networks, and takes 18 minutes on one core. MNIST is looked for in
``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it into the latter.
``--data digits`` takes scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.corruption.claims import corruption_claims
from ibjax.experiments.corruption.figures import corruption_figures
from ibjax.experiments.corruption.setup import CorruptionSetup
from ibjax.experiments.experiment import Experiment, Scale

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="corruption",
    title="Random and true labels, by the price of information (Achille and Soatto)",
    summary="Networks with noisy weights on true, partly random and random labels, for "
    "many prices of information (Achille and Soatto).",
    setup=CorruptionSetup(),
    full=Scale(5, 200, 2, images=1_000, test_images=2_000),
    quick=Scale(2, 120, 2, images=200, test_images=1_000),
    claims=corruption_claims,
    figures=corruption_figures,
)
