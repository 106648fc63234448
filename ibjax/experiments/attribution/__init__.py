"""Attribution on cluttered digits and on photographs (Schulz et al., 2020).

    ibjax reproduce attribution
    ibjax reproduce attribution --quick
    ibjax reproduce attribution --from ibjax-reproduce-attribution
    ibjax reproduce attribution-cifar10

Convolutional networks of MNIST's digits, shrunk to 14 by 14 pixels, at random places
among four fragments of others, of 5 by 5, on 28 by 28. Their test images are explained
by the information bottleneck for four prices, by the readout bottleneck and by
nine other methods. Every method is held against what is known: how much of its heat
lies on the digit's square, how fast tiles that are replaced by the mean colour in its
order change the probability of the class, whether its sums say what the output loses
without random tiles, and whether it changes at all when the weights are drawn anew.

CIFAR-10's photographs, which were compressed as JPEG and so are near the original ones
and not equal, have no boxes: of them it is degradation, sums and new weights.

Maps explain the output for the true class. Of gradients, SmoothGrad and guided
methods the absolute value, the largest of a pixel's colours, is the heat; gradient
times input and integrated gradients keep their sign and are summed over colours. The
bottleneck is at the second convolution, of 14 by 14 places and 16 channels (16 by 16
and 32 for photographs); Grad-CAM is at the third, of 7 by 7 places (8 by 8). A readout
network would have to be trained again for every set of new weights: it has no sanity
check.

Intervals are over networks, each with its mean over images. MNIST is looked for in
``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it into the latter. Without
it the networks learn scikit-learn's digits of 8 by 8 pixels. CIFAR-10 is looked for in
the same places, see :func:`ibjax.datasets.cifar10`; there is no download.
"""

from ibjax.experiments.attribution.run import run
from ibjax.experiments.attribution.setup import ClutteredOptions, PhotographOptions
from ibjax.experiments.experiment import Experiment

__all__ = ["EXPERIMENT", "PHOTOGRAPHS"]

EXPERIMENT = Experiment(
    name="attribution",
    title=ClutteredOptions.title,
    summary="Attribution in bits and nine other methods on digits among clutter "
    "(Schulz et al.).",
    setup=ClutteredOptions(),
    run=run,
)

PHOTOGRAPHS = Experiment(
    name="attribution-cifar10",
    title=PhotographOptions.title,
    summary="Attribution in bits and nine other methods on CIFAR-10 as JPEG "
    "(Schulz et al.).",
    setup=PhotographOptions(),
    run=run,
)
