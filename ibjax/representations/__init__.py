"""Representations learned through a bottleneck: codes, their priors and objectives.

A network through a Gaussian code (:func:`variational`) is a network like any other,
trained on an objective that weighs what the code fails to tell against what it costs;
so is one through tags of tokens (:func:`discrete_tagger`, :func:`continuous_tagger`).
How well such a network, or any other, stands attacks is measured on the mean of its
draws (:func:`robust_accuracy`), and the attack beside it (:func:`check_attack`).
"""

from ibjax.representations.agreement import VMeasure, v_measure
from ibjax.representations.attacks import attack_gradient, fgsm, pgd
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
from ibjax.representations.distortion import (
    LIKELIHOODS,
    RateDistortion,
    rate_distortion,
)
from ibjax.representations.gaussians import (
    gaussian_kl,
    gaussian_log_density,
    relative_gaussian_kl,
)
from ibjax.representations.importances import DciScores, dci, importance_scores
from ibjax.representations.information import (
    CodeInformation,
    CodeInformationBounds,
    code_information,
    code_information_bounds,
)
from ibjax.representations.information_dropout import (
    ACTIVITY_PRIORS,
    InformationDropout,
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
from ibjax.representations.minimal_attacks import MinimalPerturbation, minimal_l2
from ibjax.representations.noisy_passes import InformationDropoutParams, NoisyPass
from ibjax.representations.nuisance import (
    NuisanceInequality,
    NuisanceInformation,
    nuisance_inequality,
    nuisance_information,
)
from ibjax.representations.objectives import (
    capacity_vae,
    ceb,
    info_vae,
    nonlinear_ib,
    vib,
)
from ibjax.representations.perturbations import ATTACK_LOSSES, NORMS, Attack
from ibjax.representations.predictors import (
    LogProbabilities,
    Predictor,
    averaged_log_probabilities,
)
from ibjax.representations.priors import (
    Prior,
    class_prior,
    gaussian_prior,
    mixture_prior,
    standard_prior,
)
from ibjax.representations.robustness import (
    AttackCheck,
    AttackChecks,
    RobustAccuracy,
    check_attack,
    robust_accuracy,
)
from ibjax.representations.tag_objectives import TagTerms, tag_bottleneck, tag_terms
from ibjax.representations.tags import (
    Tagger,
    TaggerParams,
    continuous_tagger,
    discrete_tagger,
)
from ibjax.representations.variational import (
    COVARIANCES,
    Posterior,
    Predictions,
    Variational,
    VariationalParams,
    encoder_width,
    predict,
    predict_each,
    variational,
)
from ibjax.representations.votes import factor_score

__all__ = [
    "ACTIVITY_PRIORS",
    "ATTACK_LOSSES",
    "COVARIANCES",
    "LEAST_ACTIVITY",
    "LIKELIHOODS",
    "NORMS",
    "Attack",
    "AttackCheck",
    "AttackChecks",
    "CodeInformation",
    "CodeInformationBounds",
    "DciScores",
    "FactorGaps",
    "InformationDropout",
    "InformationDropoutParams",
    "LogProbabilities",
    "MinimalPerturbation",
    "NoisyPass",
    "NuisanceInequality",
    "NuisanceInformation",
    "Posterior",
    "Predictions",
    "Predictor",
    "Prior",
    "RateDecomposition",
    "RateDistortion",
    "RobustAccuracy",
    "TagTerms",
    "Tagger",
    "TaggerParams",
    "TotalCorrelation",
    "VMeasure",
    "Variational",
    "VariationalParams",
    "attack_gradient",
    "averaged_log_probabilities",
    "capacity_vae",
    "ceb",
    "check_attack",
    "class_prior",
    "code_information",
    "code_information_bounds",
    "continuous_tagger",
    "dci",
    "discrete_tagger",
    "encoder_width",
    "factor_information",
    "factor_score",
    "fgsm",
    "gaussian_kl",
    "gaussian_log_density",
    "gaussian_mmd",
    "gaussian_prior",
    "gaussian_total_correlation",
    "importance_scores",
    "info_vae",
    "information_dropout",
    "information_map",
    "log_normal_kl",
    "log_normal_noise",
    "log_total_correlation",
    "log_uniform_kl",
    "median_bandwidth",
    "mig",
    "minimal_l2",
    "mixture_prior",
    "mmd",
    "nonlinear_ib",
    "nuisance_inequality",
    "nuisance_information",
    "pgd",
    "predict",
    "predict_each",
    "rate_decomposition",
    "rate_distortion",
    "relative_gaussian_kl",
    "robust_accuracy",
    "sampled_factor_information",
    "sampled_mig",
    "sap",
    "standard_prior",
    "tag_bottleneck",
    "tag_terms",
    "v_measure",
    "variational",
    "vib",
    "with_information_dropout",
]
