"""Separations: the numbers by which neighbours are compared, and when they tie.

The separation of two samples is their distance for the Chebyshev norm, its square for
the Euclidean one; see :mod:`ibjax.estimators.knn.search`.
"""

import jax.numpy as jnp

__all__ = [
    "METRICS",
    "below",
    "larger",
    "largest",
    "separation_of",
    "separations",
    "smaller",
    "tied",
]

METRICS = ("chebyshev", "euclidean")

# Sums of squares this close to each other, relatively, are equal: each of them is
# known to about one unit in the last place per coordinate, or better.
_ULPS = 8


# Below, every comparison is a select, one instruction: jnp.minimum also handles NaN,
# which costs more; NaN occurs here only between padding and padding.


def smaller(a, b):
    """Elementwise minimum of numbers that are not NaN."""
    return jnp.where(a < b, a, b)


def larger(a, b):
    """Elementwise maximum of numbers that are not NaN."""
    return jnp.where(a < b, b, a)


def separation_of(differences, metric):
    """Separation from the differences along the coordinates of one space."""
    if metric == "chebyshev":
        total = jnp.abs(differences[0])
        for difference in differences[1:]:
            total = larger(total, jnp.abs(difference))
        return total
    total = differences[0] * differences[0]
    for difference in differences[1:]:
        total = total + difference * difference
    return total


def separations(rows, columns, dims, metric):
    """Separation in every space; rows and columns are lists of coordinates."""
    differences = [row - column for row, column in zip(rows, columns, strict=True)]
    result = []
    for dim in dims:
        result.append(separation_of(differences[:dim], metric))
        differences = differences[dim:]
    return result


def largest(values):
    """Elementwise maximum of several arrays."""
    total = values[0]
    for value in values[1:]:
        total = larger(total, value)
    return total


def tied(separation, metric):
    """The largest separation that counts as equal to this one."""
    if metric == "chebyshev":
        return separation
    return separation * (1 + _ULPS * jnp.finfo(separation.dtype).eps)


def below(separation, metric):
    """The smallest separation that counts as equal to this one."""
    if metric == "chebyshev":
        return separation
    return separation * (1 - _ULPS * jnp.finfo(separation.dtype).eps)
