"""Attribution on cluttered digits, whose true region is known (Schulz et al., 2020).

    ibjax reproduce attribution
    ibjax reproduce attribution --quick
    ibjax reproduce attribution --from ibjax-reproduce-attribution

Convolutional networks of MNIST's digits, shrunk to 14 by 14 pixels, at random places
among four fragments of others, of 5 by 5, on 28 by 28. Their test images are explained
by the information bottleneck for four prices, by the readout bottleneck and by
nine other methods. Every method is held against what is known: how much of its heat
lies on the digit's square, how fast tiles that are replaced by the mean colour in its
order change the probability of the class, whether its sums say what the output loses
without random tiles, and whether it changes at all when the weights are drawn anew.

Maps explain the output for the true class. Of gradients, SmoothGrad and guided
backpropagation the absolute value is the heat; gradient times input and integrated
gradients keep their sign. The bottleneck is at the second convolution, of 14 by 14
places and 16 channels; Grad-CAM is at the third, of 7 by 7 places. A readout network
would have to be trained again for every set of new weights: it has no sanity check.

Intervals are over networks, each with its mean over images. MNIST is looked for in
``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it into the latter. Without
it the networks learn scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.attribution.run import TITLE, run
from ibjax.experiments.attribution.setup import AttributionOptions
from ibjax.experiments.experiment import Experiment

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="attribution",
    title=TITLE,
    summary="Attribution in bits and nine other methods on digits among clutter "
    "(Schulz et al.).",
    setup=AttributionOptions(),
    run=run,
)
