"""Deep variational information bottleneck (Alemi et al., ICLR 2017).

    ibjax reproduce vib
    ibjax reproduce vib --quick
    ibjax reproduce vib --download

Classifiers of MNIST through a Gaussian code, trained on distortion + beta rate for nine
betas from 1e-5 to 1, all betas and seeds side by side in one program for each kind of
code: 64 independent dimensions, and two with any covariance, which can be drawn. What
the code costs, I(X;Z), and tells, I(Z;Y), is bounded on test and training images; at
the end it is also measured without a prior, on 2,000 test images.

By default it is smaller than published: encoders 784-256-256 in place of
784-1024-1024, 64 dimensions in place of 256, Adam at 1e-3 for 10 epochs in place of a
falling rate for 200; five networks for each beta, whose spread makes the error bars. As
published, but for the falling rate and the mean of parameters over steps:

    ibjax reproduce vib --hidden 1024-1024 --code 256 2-full --learning-rate 1e-4
        --epochs 200

MNIST is looked for in ``$IBJAX_DATA`` and ``~/.cache/ibjax``; ``--download`` puts it
into the latter. Without it the networks learn scikit-learn's digits of 8 by 8 pixels.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.vib.claims import vib_claims
from ibjax.experiments.vib.figures import vib_figures
from ibjax.experiments.vib.setup import VibSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="vib",
    title="Deep variational information bottleneck (Alemi et al., ICLR 2017)",
    summary="Classifiers through a Gaussian code, for many prices of information "
    "(Alemi et al.).",
    setup=VibSetup(),
    full=Scale(5, 10, 6, images=60_000),
    quick=Scale(2, 6, 3, images=5_000, test_images=2_000),
    block=1,
    claims=vib_claims,
    figures=vib_figures,
)
