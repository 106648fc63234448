r"""Pairs of continuous variables whose mutual information is known in closed form.

An estimator is believed where it can be checked. Each task here draws X and Y and knows
I(X;Y), computed in float64 on the host. Three facts give all of them:

- jointly normal X and Y have
  :math:`I = \frac12 \log \frac{|\Sigma_X| |\Sigma_Y|}{|\Sigma|}`, which with canonical
  correlations :math:`\rho_i` is :math:`-\frac12 \sum_i \log (1 - \rho_i^2)`;
- a map that can be undone, applied to X or to Y alone, leaves I(X;Y) as it is, so that
  curved, bounded, heavy-tailed and bent variables inherit the value of plain ones;
- for a few families the density ratio integrates: multivariate Student
  (Arellano-Valle et al., 2013), uniform noise on a uniform variable, and an exponential
  variable whose rate is Gamma (Darbellay and Vajda, 2000).

:func:`standard_tasks` makes the forty of the benchmark of Czyz et al. (2023), each a
case that some estimator finds hard: no noise to speak of, heavy tails, long curves,
many useless dimensions.
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
    "half_cube",
    "log_gamma_exponential",
    "multinormal",
    "multinormal_dense",
    "multinormal_sparse",
    "normal_cdf",
    "smoothed_uniform",
    "spiral",
    "standard_tasks",
    "student",
    "swissroll",
    "transform",
    "wiggly",
]


def standard_tasks() -> tuple[KnownInformation, ...]:
    """The forty tasks of the benchmark of Czyz et al.

    Returns:
      Nine tasks of one and one dimension, the roll, nine multivariate normal and six
      Student ones, and fifteen transformed ones; names are unique.

    References:
      Czyz, Grabowski, Vogt, Beerenwinkel and Marx, `Beyond normal: on the evaluation
      of mutual information estimators`, NeurIPS 2023.

    Example:
      >>> tasks = {task.name: task for task in standard_tasks()}
      >>> print(f"{len(tasks)}, {tasks['spiral-2pair-5-5'].mutual_information:.6f}")
      40, 1.021651
    """
    normal = multinormal_sparse(1, 1, [0.75])._replace(name="1v1-normal-0.75")
    uniform = normal_cdf(normal)
    pairs = {
        dim: multinormal_sparse(dim, dim)._replace(name=f"2pair-{dim}-{dim}")
        for dim in (2, 3, 5, 25)
    }
    higher = [pairs[dim] for dim in (3, 5, 25)]
    return (
        normal,
        uniform,
        additive_noise(0.1),
        additive_noise(0.75),
        bimodal(normal),
        wiggly(normal),
        half_cube(normal),
        student(1, 1, 1),
        asinh(student(1, 1, 1)),
        swissroll(uniform),
        *(multinormal_dense(dim, dim) for dim in (2, 3, 5, 25, 50)),
        *pairs.values(),
        *(
            student(dim, dim, freedom)
            for dim, freedom in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))
        ),
        *map(normal_cdf, higher),
        *map(half_cube, higher),
        *map(spiral, higher),
        *(spiral(normal_cdf(task)) for task in higher),
        *(
            asinh(student(dim, dim, freedom))
            for dim, freedom in ((2, 1), (3, 2), (5, 2))
        ),
    )
