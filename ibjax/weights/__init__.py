"""Information in the weights of networks: posteriors, Fisher, PAC-Bayes bounds."""

from ibjax.weights import pac_bayes
from ibjax.weights.divergences import (
    log_normal_information,
    mean_field_kl,
    optimal_prior_variance,
)
from ibjax.weights.emergence import (
    FlatMinimum,
    activation_precision,
    chain_bound,
    effective_information,
    flat_minimum,
    flat_minimum_bound,
    layer_information_plus_total_correlation,
    noise_of_information,
    unit_information,
)
from ibjax.weights.gaussian import (
    GaussianInformation,
    GibbsPosterior,
    gaussian_information,
    gaussian_lagrangian,
    gibbs_posterior,
)

__all__ = [
    "FlatMinimum",
    "GaussianInformation",
    "GibbsPosterior",
    "activation_precision",
    "chain_bound",
    "effective_information",
    "flat_minimum",
    "flat_minimum_bound",
    "gaussian_information",
    "gaussian_lagrangian",
    "gibbs_posterior",
    "layer_information_plus_total_correlation",
    "log_normal_information",
    "mean_field_kl",
    "noise_of_information",
    "optimal_prior_variance",
    "pac_bayes",
    "unit_information",
]
