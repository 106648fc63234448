r"""Pairs of variables whose mutual information is known.

Benchmarks of estimators: each task draws X and Y and knows I(X;Y), computed in float64
on the host. Three facts give all of them:

- jointly normal X and Y have
  :math:`I = \frac12 \log \frac{|\Sigma_X| |\Sigma_Y|}{|\Sigma|}`, which with canonical
  correlations :math:`\rho_i` is :math:`-\frac12 \sum_i \log (1 - \rho_i^2)`;
- an invertible map of X or of Y alone leaves I(X;Y) unchanged, so that curved, bounded
  and heavy-tailed variables inherit the value of simple ones;
- for a few families the density ratio integrates: multivariate Student
  (Arellano-Valle et al., 2013), uniform noise on a uniform variable, and an exponential
  variable whose rate is Gamma (Darbellay and Vajda, 2000).

:func:`standard_tasks` makes the forty of the benchmark of Czyz et al. (2023), each a
case that some estimator finds hard: hardly any noise, heavy tails, long curves, many
irrelevant dimensions. :func:`mixed_tasks` has the cases that a neural network makes:
units that are zero or saturated for many samples, rounded numbers, counts and classes
(:mod:`ibjax.datasets.known_information.mixed`).
"""

from ibjax.datasets.known_information.families import (
    KnownInformation,
    additive_noise,
    log_gamma_exponential,
    multinormal,
    multinormal_dense,
    multinormal_sparse,
    smoothed_uniform,
    student,
)
from ibjax.datasets.known_information.mixed import (
    clipped_classes,
    clipped_normal,
    mixed_tasks,
    poisson_classes,
    poisson_sum,
    rounded_classes,
    rounded_normal,
    uniform_steps,
    zero_inflated_normal,
    zero_inflated_poisson,
)
from ibjax.datasets.known_information.tasks import standard_tasks
from ibjax.datasets.known_information.transforms import (
    asinh,
    bimodal,
    half_cube,
    normal_cdf,
    spiral,
    swissroll,
    transform,
    wiggly,
)

__all__ = [
    "KnownInformation",
    "additive_noise",
    "asinh",
    "bimodal",
    "clipped_classes",
    "clipped_normal",
    "half_cube",
    "log_gamma_exponential",
    "mixed_tasks",
    "multinormal",
    "multinormal_dense",
    "multinormal_sparse",
    "normal_cdf",
    "poisson_classes",
    "poisson_sum",
    "rounded_classes",
    "rounded_normal",
    "smoothed_uniform",
    "spiral",
    "standard_tasks",
    "student",
    "swissroll",
    "transform",
    "uniform_steps",
    "wiggly",
    "zero_inflated_normal",
    "zero_inflated_poisson",
]
