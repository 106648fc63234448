"""Representations learned through a bottleneck: codes, their priors and objectives.

A network through a Gaussian code (:func:`variational`) is a network like any other,
trained on an objective that weighs what the code fails to tell against what it costs.
"""

from ibjax.representations.decomposition import (
    RateDecomposition,
    gaussian_total_correlation,
    rate_decomposition,
)
from ibjax.representations.discrepancy import gaussian_mmd, median_bandwidth, mmd
from ibjax.representations.disentanglement import (
    FactorGaps,
    factor_information,
    mig,
    sampled_factor_information,
    sampled_mig,
    sap,
)
from ibjax.representations.gaussians import (
    gaussian_kl,
    gaussian_log_density,
    relative_gaussian_kl,
)
from ibjax.representations.importances import DciScores, dci, importance_scores
from ibjax.representations.information import CodeInformation, code_information
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
from ibjax.representations.votes import factor_score

__all__ = [
    "COVARIANCES",
    "CodeInformation",
    "DciScores",
    "FactorGaps",
    "LIKELIHOODS",
    "Posterior",
    "Prior",
    "RateDecomposition",
    "RateDistortion",
    "Variational",
    "VariationalParams",
    "capacity_vae",
    "ceb",
    "class_prior",
    "code_information",
    "dci",
    "encoder_width",
    "factor_information",
    "factor_score",
    "gaussian_kl",
    "gaussian_log_density",
    "gaussian_mmd",
    "gaussian_prior",
    "gaussian_total_correlation",
    "importance_scores",
    "info_vae",
    "median_bandwidth",
    "mig",
    "mixture_prior",
    "mmd",
    "nonlinear_ib",
    "predict",
    "rate_decomposition",
    "rate_distortion",
    "relative_gaussian_kl",
    "sampled_factor_information",
    "sampled_mig",
    "sap",
    "standard_prior",
    "variational",
    "vib",
]
