"""A stochastic convolutional network through compression (Butakov et al., ICLR 2024).

    ibjax reproduce stochastic
    ibjax reproduce stochastic --quick
    ibjax reproduce stochastic --download

Three convolutions of 3 x 3 pixels with 8, 16 and 32 channels, each with max-pooling and
a leaky ReLU, then 32 units and 10 classes, with noise of 0.001 before every layer, in
training and when measured: additive, as in the paper's theory, and multiplicative, as
in its program. MNIST's test images are compressed to 4 numbers by an autoencoder, every
layer to 4 by principal components; I(X;L) and I(L;Y) come from weighted
Kozachenko-Leonenko entropies of whitened samples with k = 5.

Published are 300 epochs of Adam at 1e-5 with batches of 1024 on 60,000 images: 17,700
steps, 0.18 of step size in all. By default it is smaller: 6 networks with each noise,
the first 12,288 images, batches of 256, Adam at 1e-4, 60 epochs: 2,880 steps, 0.29 in
all. The autoencoder, convolutional and trained for the absolute error as published,
has 3,000 steps of 128 images in place of 200 epochs, and its learning rate falls. As
published:

    ibjax reproduce stochastic --images 60000 --epochs 300 --batch-size 1024
        --learning-rate 1e-5 --snapshots 301 --autoencoder-steps 93750

Their curves are smoothed before they are drawn, ours are not. Whatever their phases
are, these show what is beyond the errors.

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits, whose 8 by 8
pixels three poolings do not fit: each becomes 3 by 3.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.stochastic_convolutional.claims import (
    stochastic_convolutional_claims,
)
from ibjax.experiments.stochastic_convolutional.figures import stochastic_information
from ibjax.experiments.stochastic_convolutional.setup import StochasticSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="stochastic",
    title="A stochastic convolutional network through compression (Butakov et al.)",
    summary="A convolutional network with noise before every layer, measured through "
    "compression (Butakov et al.).",
    setup=StochasticSetup(),
    full=Scale(6, 60, 25, images=12_288),
    quick=Scale(2, 40, 5, images=4_096, test_images=2_000),
    block=1,
    claims=stochastic_convolutional_claims,
    figures=lambda dataset: {"stochastic_information": stochastic_information(dataset)},
)
