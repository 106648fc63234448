"""Critical learning periods in deep networks (Achille, Rovere and Soatto, ICLR 2019).

    ibjax sweep critical-periods
    ibjax sweep critical-periods --quick
    ibjax reproduce critical-periods --deficit blur --epochs 80

Small convolutional networks of CIFAR-10 see blurred or upside-down images, permuted
labels or noise for a part of their training: from the beginning on to an epoch, or in a
window of fixed length. All windows and seeds of a deficit are one program. Every
network is judged on images as they are, equally many epochs after its deficit, and held
against networks without one; beside it is the trace of the Fisher information over
training. A last figure has two pathways of a deep linear network, trained and by their
exact dynamics.

It is a miniature: 10,000 images in place of 50,000, networks of three convolutions in
place of eight, 12 epochs after a deficit in place of 160, Adam at a fixed rate, no
batch normalization and no augmentation; and the images are JPEG-compressed. With
``--quick`` networks learn scikit-learn's digits. What a claim says of a miniature is
not said of the paper's networks.

The full run has 140 networks and takes 270 minutes of a processor.

The archive of images, ``cifar10_jpg.npz``, is looked for in ``$IBJAX_DATA`` and
``~/.cache/ibjax``; see :func:`ibjax.datasets.cifar10`. ``--data mnist`` takes others.
"""

from ibjax.experiments.critical_periods.claims import critical_claims
from ibjax.experiments.critical_periods.figures import critical_figures
from ibjax.experiments.critical_periods.setup import CriticalSetup
from ibjax.experiments.experiment import Experiment, Scale

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="critical-periods",
    title="Critical learning periods in deep networks (Achille et al., ICLR 2019)",
    summary="Networks that see blur, flips, permuted labels or noise for a part of "
    "their training (Achille et al.).",
    setup=CriticalSetup(),
    full=Scale(5, 24, 8, images=10_000, test_images=5_000, data="cifar10"),
    quick=Scale(3, 30, 8, data="digits"),
    quick_setup=CriticalSetup(
        network="12/2-24/2-24",
        learning_rate=3e-3,
    ),
    claims=critical_claims,
    figures=critical_figures,
)
