"""MNIST, fully connected (Saxe et al., 2018): tanh compresses, ReLU does not.

    ibjax reproduce mnist
    ibjax reproduce mnist --quick
    ibjax reproduce mnist --download

784-1024-20-20-20-10 and 784-1024-20-20-10, tanh and ReLU, batches of 128. Measured on
the 10,000 test images: kernel-density bounds at noise variance 0.1 and bins of width
0.5; and over the batches of an epoch the gradient's signal-to-noise ratio.

By default the networks are 4 of each kind, trained on all 60,000 images for 64 epochs
with Adam at 0.001 (half an hour on one core). The paper has SGD at 0.001 and 10,000
epochs, which are ``--epochs 10000 --optimizer sgd``. Adam has learnt after a few epochs
what that takes thousands for. First weights are normal with variance one over the
inputs in place of Glorot's uniform ones.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.mnist.claims import mnist_claims
from ibjax.experiments.mnist.figures import mnist_figures
from ibjax.experiments.mnist.setup import MnistSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="mnist",
    title="MNIST, fully connected (Saxe et al., 2018)",
    summary="Fully connected networks on images, tanh and ReLU (Saxe et al., "
    "appendices).",
    setup=MnistSetup(),
    full=Scale(4, 64, 9, images=60_000),
    quick=Scale(2, 6, 5, images=5_000, test_images=2_000),
    block=1,
    claims=mnist_claims,
    figures=mnist_figures,
)
