"""Autoencoders of two points (Zhao, Song and Ermon, AAAI 2019, Fig. 1).

    ibjax reproduce two-points
    ibjax reproduce two-points --quick

The data are -1 and 1. An autoencoder with a code of one dimension tells them apart best
by codes far from each other: trained by the evidence bound it leaves a hole of q(z) at
zero, where the prior has most of its density. InfoVAE pays for the distance of q(z)
from the prior. Its objective is trained over two alphas and six lam, which it has the
evidence bound among, with ten networks each, side by side in one program. Everything
that is measured is exact but for rounding: there are two Gaussians, and one dimension
to integrate.

The paper's decoder learns mean and deviation, and so does this one: with a deviation
of one, the likelihood of two points two apart would not pay for any code but a blurred
one. A decoder without a least deviation has no best parameters, since codes that tell
the points apart allow densities without bound; here its deviation is above 0.05. An
encoder 1-16-2 and a decoder 1-32-32-2 of tanh are trained by Adam at 3e-3 for 3,000
steps, on 128 draws of either point, from codes of deviation one half, with a kernel of
bandwidth one half. Codes that start as wide as the prior are near it without telling
the points apart, and at a large lam many stay so; a kernel of bandwidth one hardly sees
the hole. (A few minutes on two cores.)
"""

from ibjax.experiments.experiment import Experiment, Scale
from ibjax.experiments.two_points.claims import two_points_claims
from ibjax.experiments.two_points.figures import two_points_figures
from ibjax.experiments.two_points.setup import TwoPointsSetup

__all__ = ["EXPERIMENT"]

EXPERIMENT = Experiment(
    name="two-points",
    title="Autoencoders of two points (Zhao, Song and Ermon, Fig. 1)",
    summary="The hole that the evidence bound leaves in the code of two points "
    "(Zhao et al.).",
    setup=TwoPointsSetup(),
    full=Scale(10, 3_000, 6),
    quick=Scale(2, 400, 3),
    claims=two_points_claims,
    figures=two_points_figures,
)
