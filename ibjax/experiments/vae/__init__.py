"""Autoencoders of sprites: what disentangles them (Higgins et al.; Burgess et al.).

    ibjax reproduce vae
    ibjax reproduce vae --quick

Variational autoencoders of all 4,608 sprites of 16 by 16 pixels, whose five factors are
known: with a constant beta, with one that falls to its last value through the first
half of the training, with InfoVAE's discrepancy beside the rate, each for five betas;
and with a rate that is led up to one of five capacities. All numbers and seeds of a way
of training are one program. At the end the rate is taken apart, and the codes' means
are held against the factors by several scores of disentanglement.

Networks are dense, 256-128-16 and 8-128-256, five for each setting, and far smaller
than published ones, as are the images; the discrepancy has a kernel of a bandwidth that
is the root of the code's dimensions. 200 epochs are 7,200 steps, of which papers take a
hundred times as many (20 minutes of a processor); ``--epochs`` trains longer.
"""

from ibjax.experiments.experiment import Experiment, Part, Scale
from ibjax.experiments.vae.claims import vae_claims
from ibjax.experiments.vae.figures import vae_figures
from ibjax.experiments.vae.setup import CapacitySetup, VaeSetup

__all__ = ["EXPERIMENT"]

_FULL, _QUICK = Scale(5, 200, 4), Scale(2, 3, 2)

_PARTS = {
    "vae": Part(
        VaeSetup(),
        _FULL,
        _QUICK,
        "Autoencoders of sprites with known factors, for several prices of the rate "
        "(Higgins et al.; Zhao et al.).",
        figures=lambda dataset: vae_figures({"vae": dataset}),
    ),
    "vae-capacity": Part(
        CapacitySetup(),
        _FULL,
        _QUICK,
        "Autoencoders of sprites whose rate is led up to a capacity (Burgess et al.).",
        figures=lambda dataset: vae_figures({"vae-capacity": dataset}),
    ),
}

EXPERIMENT = Experiment(
    name="vae",
    title="Autoencoders of sprites (Higgins et al., Burgess et al.)",
    summary="What disentangles autoencoders of sprites with known factors (Higgins et "
    "al.; Burgess et al.).",
    parts=_PARTS,
    claims=vae_claims,
    figures=vae_figures,
)
