"""Information in the weights: posteriors, Fisher, PAC-Bayes, structure, tasks."""

from ibjax.training.objectives import annealed
from ibjax.weights import pac_bayes, posterior
from ibjax.weights.activations import activation_precision, effective_information
from ibjax.weights.decomposition import CrossEntropyTerms, cross_entropy_terms
from ibjax.weights.divergences import (
    log_normal_information,
    mean_field_kl,
    optimal_prior_variance,
)
from ibjax.weights.emergence import (
    FlatMinimum,
    chain_bound,
    flat_minimum,
    flat_minimum_bound,
    layer_information_plus_total_correlation,
    noise_of_information,
    unit_information,
)
from ibjax.weights.fisher import (
    FisherTrace,
    fisher_diagonal,
    fisher_trace,
    fisher_vector_product,
)
from ibjax.weights.fisher_matrix import (
    fisher_block_log_determinants,
    fisher_blocks,
    fisher_log_determinant,
)
from ibjax.weights.gaussian import (
    GaussianInformation,
    GibbsPosterior,
    gaussian_information,
    gaussian_lagrangian,
    gibbs_posterior,
)
from ibjax.weights.hessian import (
    Eigenvalues,
    Estimate,
    TraceEstimate,
    hessian_trace,
    hvp,
    log_determinant,
    spectral_sum,
    top_eigenvalues,
)
from ibjax.weights.noisy import NoisyState, noisy_weights, weight_bottleneck
from ibjax.weights.objectives import log_uniform_bottleneck, log_uniform_information
from ibjax.weights.posterior import (
    LogNormalPosterior,
    Posterior,
    gibbs_error,
    init_log_normal_posterior,
    init_posterior,
)
from ibjax.weights.reachability import (
    Reachability,
    kramers_time,
    langevin_paths,
    passage_time,
    reachability,
    task_reachability,
)
from ibjax.weights.structure import (
    StructureFunction,
    StructurePoint,
    structure_function,
    structure_of_table,
    sufficient_point,
)
from ibjax.weights.task2vec import (
    asymmetric_task_distance,
    embedding_distances,
    filter_means,
    task2vec,
    task2vec_of_posterior,
    task_distance,
)
from ibjax.weights.tasks import (
    TaskComplexity,
    joint_information,
    task_complexity,
    task_distances,
)

__all__ = [
    "CrossEntropyTerms",
    "Eigenvalues",
    "Estimate",
    "FisherTrace",
    "FlatMinimum",
    "GaussianInformation",
    "GibbsPosterior",
    "LogNormalPosterior",
    "NoisyState",
    "Posterior",
    "Reachability",
    "StructureFunction",
    "StructurePoint",
    "TaskComplexity",
    "TraceEstimate",
    "activation_precision",
    "annealed",
    "asymmetric_task_distance",
    "chain_bound",
    "cross_entropy_terms",
    "effective_information",
    "embedding_distances",
    "filter_means",
    "fisher_block_log_determinants",
    "fisher_blocks",
    "fisher_diagonal",
    "fisher_log_determinant",
    "fisher_trace",
    "fisher_vector_product",
    "flat_minimum",
    "flat_minimum_bound",
    "gaussian_information",
    "gaussian_lagrangian",
    "gibbs_error",
    "gibbs_posterior",
    "hessian_trace",
    "hvp",
    "init_log_normal_posterior",
    "init_posterior",
    "joint_information",
    "kramers_time",
    "langevin_paths",
    "layer_information_plus_total_correlation",
    "log_determinant",
    "log_normal_information",
    "log_uniform_bottleneck",
    "log_uniform_information",
    "mean_field_kl",
    "noise_of_information",
    "noisy_weights",
    "optimal_prior_variance",
    "pac_bayes",
    "passage_time",
    "posterior",
    "reachability",
    "spectral_sum",
    "structure_function",
    "structure_of_table",
    "sufficient_point",
    "task2vec",
    "task2vec_of_posterior",
    "task_complexity",
    "task_distance",
    "task_distances",
    "task_reachability",
    "top_eigenvalues",
    "unit_information",
    "weight_bottleneck",
]
