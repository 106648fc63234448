"""Forty standard tasks of the benchmark of Czyz et al. (2023)."""

from ibjax.datasets.known_information.families import (
    KnownInformation,
    additive_noise,
    multinormal_dense,
    multinormal_sparse,
    student,
)
from ibjax.datasets.known_information.transforms import (
    asinh,
    bimodal,
    half_cube,
    normal_cdf,
    spiral,
    swissroll,
    wiggly,
)

__all__ = ["standard_tasks"]


def standard_tasks() -> tuple[KnownInformation, ...]:
    """Forty tasks of the benchmark of Czyz et al., with unique names.

    Returns:
      Nine tasks of one and one dimension, the roll, nine multivariate normal and six
      Student ones, and fifteen transformed ones.

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
