r"""Maximum mean discrepancy: the distance of two samples' means of features.

Squared, with a kernel k, it is :math:`E k(x, x') + E k(y, y') - 2 E k(x, y)`: zero
exactly where both are of one distribution, and nothing has to be fitted.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.samples import as_array, offsets, to_jax
from ibjax.numerics import checks
from ibjax.numerics.memory import check_fits
from ibjax.numerics.scales import power_of_two, root_of_squares

__all__ = ["gaussian_mmd", "median_bandwidth", "mmd"]

# Bandwidths from the mean up to which rounding of squares, 1e-7 of the largest, moves
# an exponent by 1e-4 at most.
_FAR = 30.0


def mmd(x: ArrayLike, y: ArrayLike, *, bandwidth: ArrayLike) -> jax.Array:
    r"""Unbiased squared maximum mean discrepancy of two samples.

    The kernel is :math:`\exp(-\|x - y\|^2 / 2 b^2)`; of several bandwidths b it is the
    mean. A sample is not paired with itself, so the estimate of a zero may be negative.

    Args:
      x: Samples, shape ``[num_x, dim]``, at least two.
      y: Others, shape ``[num_y, dim]``, at least two.
      bandwidth: Bandwidth b, positive, in units of the samples; an array for several.

    Returns:
      The estimate, shape ``[]``. Its gradient is defined. NaN where a sample is 1e18
      bandwidths from another or farther. Under ``jit``, where samples may not be looked
      at first, a squared distance is rounded to 1e-7 of the largest squared distance
      from the mean: those should stay within some tens of bandwidths.

    Raises:
      ValueError: If shapes do not fit or a bandwidth is not positive.
      MemoryError: If a distance for every pair does not fit the memory.

    References:
      Gretton et al., `A kernel two-sample test`, JMLR 2012, eq. 3.

    Example:
      >>> x = jax.random.normal(jax.random.key(0), (2, 500, 3))
      >>> print(f"{mmd(x[0], x[1] + 1, bandwidth=2.0):.2f}")
      0.23
    """
    x, y = _samples(x=x, y=y)
    checks.shape("y", y, ("num_y", x.shape[1]), why="for the dimensions of x")
    num = len(x) + len(y)
    check_fits(
        f"every pair of the {num:,} samples of x and y",
        num**2 * x.dtype.itemsize,
        *(x, y),
        hint="take a random part of the samples",
    )
    bandwidth = jnp.ravel(checks.jax_array("bandwidth", bandwidth, x.dtype))
    checks.not_empty("bandwidth", bandwidth)
    checks.within("bandwidth", bandwidth, "(0, inf)")
    by_differences = not checks.is_traced(x, y, bandwidth) and bool(
        _farthest(x, y) > _FAR * jnp.min(bandwidth)
    )
    return _mmd(x, y, bandwidth, by_differences=by_differences)


@exact_jit(static_argnames="by_differences")
def _mmd(x, y, bandwidths, *, by_differences):
    # Squares of very small or large units are out of range.
    unit = lax.stop_gradient(power_of_two(jnp.max(bandwidths)))
    squared_distances = _squared_differences if by_differences else _squared_distances
    within_x, within_y, between = (
        squared_distances(a, b, unit) for a, b in ((x, x), (y, y), (x, y))
    )
    bandwidths = bandwidths / unit

    def with_kernel(bandwidth):
        def kernel(squared):
            return jnp.exp(-squared / (2 * bandwidth**2))

        def mean_of_pairs(squared):
            pairs = jnp.fill_diagonal(kernel(squared), 0, inplace=False)
            # As a float: the product of large numbers of samples is no 32-bit integer.
            return jnp.sum(pairs) / float(len(pairs) * (len(pairs) - 1))

        both = mean_of_pairs(within_x) + mean_of_pairs(within_y)
        return both - 2 * jnp.mean(kernel(between))

    return jnp.mean(jax.vmap(with_kernel)(bandwidths))


def _squared_distances(a, b, unit):
    origin = lax.stop_gradient(a[:1])
    a, b = (a - origin) / unit, (b - origin) / unit
    # Centred: what is subtracted is then no larger than the distances are.
    centre = jnp.mean(a, axis=0, keepdims=True)
    a, b = a - centre, b - centre
    squares = jnp.sum(a**2, axis=1)[:, None] + jnp.sum(b**2, axis=1)[None]
    return jnp.maximum(squares - 2 * a @ b.T, 0)


@exact_jit
def _farthest(x, y):
    """Largest distance of a sample from the mean of all."""
    samples = jnp.concatenate([x, y])
    # A mean of halves: a sum of the largest numbers is out of range.
    centred = samples / 2 - jnp.mean(samples / 2, axis=0, keepdims=True)
    return 2 * jnp.max(root_of_squares(centred))


def _squared_differences(a, b, unit):
    """As precise as the samples, at several times the cost of a product of matrices."""

    def one_row(row):
        return jnp.sum(((row[None] - b) / unit) ** 2, axis=1)

    # No difference is kept for the gradient.
    return lax.map(jax.checkpoint(one_row), a)


def median_bandwidth(x: ArrayLike) -> jax.Array:
    """Median distance of the pairs of a sample, a usual bandwidth.

    Args:
      x: Samples, shape ``[num_samples, dim]``, at least two.

    Returns:
      The bandwidth, shape ``[]``.

    Example:
      >>> print(median_bandwidth(jnp.array([[0.0], [1.0], [3.0]])))
      2.0
    """
    (x,) = _samples(x=x)
    check_fits(
        f"every pair of the {len(x):,} samples of x",
        len(x) ** 2 * x.dtype.itemsize,
        x,
        hint="take a random part of the samples",
    )
    rows, columns = jnp.triu_indices(len(x), 1)
    unit = power_of_two(jnp.max(jnp.abs(x - x[:1])))
    squares = _squared_differences(x, x, unit)[rows, columns]
    return unit * jnp.median(jnp.sqrt(squares))


def gaussian_mmd(
    mean: ArrayLike, variance: ArrayLike, *, bandwidth: ArrayLike
) -> jax.Array:
    r"""Squared maximum mean discrepancy of a Gaussian from the standard one.

    For :math:`N(\mu, s^2 I)` and :math:`N(0, I)` in d dimensions it is
    :math:`E(2 s^2, 0) + E(2, 0) - 2 E(1 + s^2, \|\mu\|^2)` with
    :math:`E(v, m) = (b^2 / (b^2 + v))^{d/2} \exp(-m / 2 (b^2 + v))`.

    Args:
      mean: Mean, shape ``[dim]``.
      variance: Variance of every dimension, not negative.
      bandwidth: Bandwidth of :func:`mmd`.

    Returns:
      The discrepancy, shape ``[]``.

    Example:
      >>> print(f"{gaussian_mmd(jnp.ones(2), 1.0, bandwidth=1.0):.4f}")
      0.1890
    """
    mean = checks.floats("mean", mean)
    checks.shape("mean", mean, ("dim",))
    variance = checks.not_negative("variance", variance)
    bandwidth = checks.positive("bandwidth", bandwidth)

    def expected(spread, mean):
        # Of ratios: the square of a bandwidth may be out of range.
        std = jnp.sqrt(spread)
        power = -jnp.log1p((std / bandwidth) ** 2) * len(mean) / 2
        return jnp.exp(power - jnp.sum((mean / jnp.hypot(bandwidth, std)) ** 2) / 2)

    nothing = jnp.zeros_like(mean)
    return (
        expected(2.0 * variance, nothing)
        + expected(2.0, nothing)
        - 2 * expected(1.0 + variance, mean)
    )


def _samples(**named: ArrayLike) -> list[jax.Array]:
    """Samples, checked; an offset that rounding would spend digits on is taken off."""
    arrays = []
    for name, value in named.items():
        found = checks.real(name, as_array(name, value))
        checks.shape(name, found, ("num_samples", "dim"))
        checks.count(f"the number of samples of {name}", len(found), 2)
        arrays.append(found)
    # All have the one origin.
    offset = offsets(arrays[0])
    if offset is not None and all(
        isinstance(array, np.ndarray) and array.shape[1:] == offset.shape
        for array in arrays
    ):
        arrays = [array - offset[None] for array in arrays]
    return [
        checks.floats(name, to_jax(name, array))
        for name, array in zip(named, arrays, strict=True)
    ]
