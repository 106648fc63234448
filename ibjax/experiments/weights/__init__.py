"""Information in the weights against the test error, and bounds on the risk.

    ibjax reproduce weights
    ibjax reproduce weights --quick
    ibjax sweep weights --width 100 400 --beta 0.1 1

Networks with noisy weights on true labels, for prices of a nat over four decades and
three widths (Achille and Soatto, JMLR 2018, Fig. 3): the test error is to have a least
value between prices, and to stay where it is as networks grow. The prior is normal
around the weights at initialization, with a variance for every array that the data
choose and that is paid for (Dziugaite and Roy, UAI 2017), so that seven PAC-Bayes
bounds certify the error of networks with drawn weights, the draws of its estimate
included; beside them is the measured error.

Images are MNIST's, averaged to 14 by 14 pixels; the full run trains on 10,000, with
five networks for each of 27 cells, and takes 12 minutes on one core. MNIST is looked
for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it into the latter.
``--data digits`` takes scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.weights.claims import weights_claims
from ibjax.experiments.weights.figures import weights_figures
from ibjax.experiments.weights.setup import WeightsSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="weights",
    title="Information in the weights, test error and certificates (Achille and "
    "Soatto; Dziugaite and Roy)",
    summary="Test error and PAC-Bayes certificates of networks with noisy weights, for "
    "many prices of information (Achille and Soatto; Dziugaite and Roy).",
    setup=WeightsSetup(),
    full=Scale(5, 40, 2, images=10_000, test_images=5_000),
    quick=Scale(2, 30, 2, images=1_000, test_images=1_000),
    claims=weights_claims,
    figures=weights_figures,
)
