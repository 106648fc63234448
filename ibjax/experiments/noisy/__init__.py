"""Noisy networks (Goldfeld et al., ICML 2019): compression is clustering.

    ibjax reproduce noisy
    ibjax reproduce noisy --quick

Shwartz-Ziv and Tishby's network 12-10-7-5-4-3-2 of tanh units with Gaussian noise of
standard deviation 0.005 or 0.05 on every hidden layer, in training and when measured,
with and without a penalty that keeps the weights orthonormal. I(X;T) is a property of
such a network; sample propagation estimates it with a known error. Beside it are
measured H(bin(T)) for several widths of the bins, the clusters of the samples, and the
samples of the later layers.

10 networks, Adam, batches of 256, 10,000 epochs, ten minutes on one to two cores. Other
noises are swept by ``ibjax sweep noisy --noise-std 0.01 0.1``, whose output ``--from``
takes. ``authors_run.json`` has the authors' numbers beside ours.
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.noisy.authors import authors_files
from ibjax.experiments.noisy.claims import noisy_claims
from ibjax.experiments.noisy.figures import noisy_figures
from ibjax.experiments.noisy.setup import NoisySetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="noisy",
    title="Noisy networks (Goldfeld et al., ICML 2019)",
    summary="Networks with noise in every hidden layer, whose I(X;T) sample "
    "propagation estimates (Goldfeld et al.).",
    setup=NoisySetup(noise_std=(0.005, 0.05)),
    full=Scale(10, 10_000, 20),
    quick=Scale(2, 300, 6),
    # Epochs at which the authors' saved run has its peaks, and one on their way down.
    also=(509, 559, 1874),
    claims=noisy_claims,
    figures=noisy_figures,
    files=authors_files,
)
