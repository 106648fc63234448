"""Representations learned through a bottleneck: codes, their priors and objectives.

A network through a Gaussian code (:func:`variational`) is a network like any other,
trained on an objective that weighs what the code fails to tell against what it costs.
"""

from ibjax.representations.discrepancy import gaussian_mmd, median_bandwidth, mmd
from ibjax.representations.gaussians import (
    gaussian_kl,
    gaussian_log_density,
    relative_gaussian_kl,
)
from ibjax.representations.information import CodeInformation, code_information
from ibjax.representations.information_dropout import (
    ACTIVITY_PRIORS,
    InformationDropout,
    InformationDropoutParams,
    NoisyPass,
    information_dropout,
    information_map,
    with_information_dropout,
)
from ibjax.representations.log_normal import (
    LEAST_ACTIVITY,
    TotalCorrelation,
    log_normal_kl,
    log_normal_noise,
    log_total_correlation,
    log_uniform_kl,
)
from ibjax.representations.objectives import (
    LIKELIHOODS,
    RateDistortion,
    capacity_vae,
    ceb,
    info_vae,
    nonlinear_ib,
    rate_distortion,
    vib,
)
from ibjax.representations.priors import (
    Prior,
    class_prior,
    gaussian_prior,
    mixture_prior,
    standard_prior,
)
from ibjax.representations.variational import (
    COVARIANCES,
    Posterior,
    Variational,
    VariationalParams,
    encoder_width,
    predict,
    variational,
)

__all__ = [
    "ACTIVITY_PRIORS",
    "COVARIANCES",
    "CodeInformation",
    "InformationDropout",
    "InformationDropoutParams",
    "LEAST_ACTIVITY",
    "LIKELIHOODS",
    "NoisyPass",
    "Posterior",
    "Prior",
    "RateDistortion",
    "TotalCorrelation",
    "Variational",
    "VariationalParams",
    "capacity_vae",
    "ceb",
    "class_prior",
    "code_information",
    "encoder_width",
    "gaussian_kl",
    "gaussian_log_density",
    "gaussian_mmd",
    "gaussian_prior",
    "info_vae",
    "information_dropout",
    "information_map",
    "log_normal_kl",
    "log_normal_noise",
    "log_total_correlation",
    "log_uniform_kl",
    "median_bandwidth",
    "mixture_prior",
    "mmd",
    "nonlinear_ib",
    "predict",
    "rate_distortion",
    "relative_gaussian_kl",
    "standard_prior",
    "variational",
    "vib",
    "with_information_dropout",
]
