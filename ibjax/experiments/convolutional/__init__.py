"""A convolutional network on the plane: channels side by side, or their mean.

    ibjax reproduce cnn
    ibjax reproduce cnn --quick
    ibjax reproduce cnn --download

The network of Keras's MNIST example without dropout: convolutions of 3 x 3 pixels with
32 and 64 channels, max-pooling over 2 x 2, 128 ReLU units, softmax; Adadelta at 1.0,
batches of 128. Every layer's kernel-density bounds are measured with the channels of an
image side by side and, channel by channel, as their mean; the noise variance, 0.0735,
is published as the one at which the labels have log2 10 bits.

By default the networks are 4, trained on the first 4,096 images for 4 epochs and
measured on 1,000 test images (5 minutes of processor time). Published are 60,000
images, 12 epochs and 10,000 test images: ``--images 60000 --epochs 12 --test-images
10000``, which takes 22 minutes and 11 GB for every network. First weights are
Glorot's, as there.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.convolutional.claims import convolutional_claims
from ibjax.experiments.convolutional.figures import activity_maps, channel_planes
from ibjax.experiments.convolutional.setup import CnnSetup
from ibjax.experiments.experiment import Experiment, Scale

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="cnn",
    title="A convolutional network: channels side by side, or their mean",
    summary="A convolutional network on images: channels side by side, or their mean.",
    setup=CnnSetup(),
    full=Scale(4, 4, 4, images=4_096, test_images=1_000),
    quick=Scale(2, 2, 3, images=1_024, test_images=300),
    block=1,
    claims=convolutional_claims,
    figures=lambda dataset: {
        "cnn_planes": channel_planes(dataset),
        "cnn_activities": activity_maps(dataset),
    },
)
