"""Samples of all nearest-neighbour estimators: checks, scales, means."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import digamma
from scipy import special

from ibjax.estimators.knn import search as neighbours
from ibjax.estimators.samples import (
    at_least_float32,
    check_array,
    check_classes,
    single_labels,
    to_jax,
    warn_of_pairs,
    without_offsets,
)
from ibjax.numerics import checks
from ibjax.numerics.calls import warn

__all__ = [
    "check_labels",
    "check_neighbours",
    "check_together",
    "label_space",
    "mean_digamma",
    "mean_of",
    "psi",
    "scaled_spaces",
    "separations_in_class",
    "of_each",
    "without_single_labels",
]

# Outside of these squares of differences leave the range of float32, or come near it.
_SMALL, _LARGE = 2.0**-60, 2.0**120


def check_together(*, vary: bool = False, scale_free: bool = False, **variables):
    """Check that variables are samples of continuous quantities taken together.

    What is ``scale_free`` does not change if all variables are multiplied by one
    number: they are, by a power of two, if they would leave the range of the dtype.
    """
    hint = (
        "integers are labels: see ross, or convert them if they are samples of a "
        "continuous variable"
    )
    arrays = {
        name: without_offsets(name, check_array(name, values, 1, hint=hint))
        for name, values in variables.items()
    }
    checks.same_length(**arrays)
    if vary:
        for name, array in arrays.items():
            _check_varies(name, array)
    if scale_free:
        arrays = _within_range(arrays)
    arrays = [at_least_float32(to_jax(*item)) for item in arrays.items()]
    warn_of_pairs(len(arrays[0]), sum(math.prod(a.shape[1:]) for a in arrays))
    dtype = jnp.result_type(jnp.float32, *arrays)
    return tuple(array.astype(dtype) for array in arrays)


def _within_range(arrays):
    """Arrays times a power of two, if the largest number is out of a normal range."""
    if checks.is_traced(*arrays.values()):
        return arrays
    largest = max(float(np.max(np.abs(np.asarray(a)))) for a in arrays.values())
    if largest == 0 or _SMALL < largest < _LARGE:
        return arrays
    exponent = -math.frexp(largest)[1]
    return {
        name: np.ldexp(np.asarray(array), exponent) for name, array in arrays.items()
    }


def check_neighbours(k: int, num_samples: int) -> int:
    """Check that every one of so many samples has ``k`` neighbours, and one more."""
    checks.whole("k", k)
    if not 1 <= k <= num_samples - 2:
        raise ValueError(
            f"k must be at least 1 and at most num_samples - 2 = {num_samples - 2}, "
            f"got {k}"
        )
    return int(k)


def check_labels(labels, num_classes, num_samples, k):
    """Check that labels are in range and their classes have ``k`` neighbours."""
    checks.count("num_classes", num_classes)
    labels = check_classes("labels", labels, num_classes, num_samples, "to match x")
    if checks.is_traced(labels):
        return labels
    sizes = np.bincount(np.asarray(labels))
    small = np.nonzero((sizes > 0) & (sizes <= k))[0]
    if len(small):
        raise ValueError(
            f"every class must have more than k = {k} samples or none, but class "
            f"{small[0]} has {sizes[small[0]]}"
        )
    return labels


def scaled_spaces(*variables):
    """Variables with samples along the lanes, scaled by one power of two.

    A boolean, all are finite; the logarithm of the scale taken out; and the coordinates
    of each variable, ``[dim, num_samples]``, zero if not finite.
    """
    # The largest number comes below one, so that no square overflows; a power of two
    # changes no other bit.
    largest = jnp.stack([jnp.max(jnp.abs(variable)) for variable in variables])
    largest = jnp.max(largest)
    finite = jnp.isfinite(largest)
    limits = jnp.finfo(variables[0].dtype)
    exponent = jnp.frexp(jnp.where(finite, largest, 1.0))[1]
    exponent = jnp.clip(exponent, limits.minexp + 2, limits.maxexp - 2)
    scale = jnp.ldexp(jnp.ones((), limits.dtype), -exponent)
    spaces = tuple(jnp.where(finite, variable * scale, 0.0).T for variable in variables)
    return finite, exponent.astype(limits.dtype) * math.log(2), spaces


def separations_in_class(space, labels, num_classes, metric, k):
    """Separations of the nearest neighbours of the same class, ``[k, num_samples]``.

    The label is one more space, in which classes are farther apart than samples are in
    any other.
    """
    spaces = space, label_space(labels, num_classes, space.dtype)
    return neighbours.nearest_separations(
        neighbours.arrange(spaces),
        space.shape[1],
        dims=(len(space), 1),
        metric=metric,
        k=k,
    )


def without_single_labels(x, labels, num_classes, k):
    """Samples and labels without classes of one, and whether some have k or fewer."""
    checks.count("num_classes", num_classes)
    labels = check_classes("labels", labels, num_classes, len(x), "to match x")
    if checks.is_traced(labels, x):
        return x, labels, False
    single, left_out = single_labels(np.asarray(labels))
    if left_out:
        if np.all(single):
            raise ValueError("labels must have a class of two samples, got none")
        warn(left_out)
        x, labels = x[~single], labels[~single]
    sizes = np.bincount(np.asarray(labels))
    return x, labels, bool(np.any((sizes > 0) & (sizes <= k)))


def of_each(count, spaces, *arrays):
    """Counts of two spaces, ``[2, num_samples]``: ``count(space, ...)`` of each.

    ``arrays`` are more arguments, one for each space, of one shape.
    """
    arguments = (spaces, *arrays)
    if spaces[0].shape == spaces[1].shape:  # Compiled once instead of twice.
        stacked = tuple(jnp.stack(each) for each in arguments)
        return lax.map(lambda each: count(*each), stacked)
    return jnp.stack([count(*each) for each in zip(*arguments, strict=True)])


def label_space(labels, num_classes, dtype):
    """Labels as one coordinate, farther apart than samples are in any other."""
    apart = 0.5 * jnp.finfo(dtype).max / num_classes
    return (labels.astype(dtype) * apart)[None]


def psi(n):
    """Digamma function of a number known while tracing."""
    return float(special.digamma(n))


def mean_digamma(counts, dtype):
    """Mean digamma function of counts."""
    return mean_of(digamma(counts.astype(dtype)))


def mean_of(values):
    """Mean of many values; of partial sums, which round less than one long sum."""
    size = len(values)
    # About as many partial sums as each has terms.
    width = 2 ** (size.bit_length() // 2)
    values = jnp.pad(values, (0, -size % width)).reshape(-1, width)
    return jnp.sum(jnp.sum(values, axis=0)) / size


def _check_varies(name, array):
    if checks.is_traced(array):
        return
    concrete = np.asarray(array)
    varies = np.any(concrete != concrete[:1], axis=0)
    if not np.all(varies):
        raise ValueError(
            f"{name} must vary in every column to have a density, but column "
            f"{np.argmin(varies)} is constant"
        )
