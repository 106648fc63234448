"""Bins that follow the activities: of equal width over their range, or equally full.

The edges that these functions return are, by default, the lower edges of their bins: by
the rule of :mod:`ibjax.estimators.binning`, everything from the last edge on is one
bin, so that the largest activity shares the last bin with its neighbours instead of
having one of its own.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators.layers import check_activities
from ibjax.estimators.samples import as_array, at_least_float32, to_jax
from ibjax.numerics import checks
from ibjax.numerics.calls import warn
from ibjax.numerics.digits import digits_to_lose

__all__ = [
    "data_range_edges",
    "equal_count_bins",
    "equal_count_edges",
]


def data_range_edges(
    t: ArrayLike, num_bins: int, *, upper_edge: bool = False
) -> jax.Array:
    """Edges of bins of one width from the smallest activity to the largest.

    Args:
      t: Activities, any shape: of a layer, of all layers, of all epochs.
      num_bins: Number of bins.
      upper_edge: Whether the largest activity is an edge too. By the rule of
        :mod:`ibjax.estimators.binning` it then is a bin of its own, with all that is
        above, as 1 is in Shwartz-Ziv and Tishby's program.

    Returns:
      Lower edges of the bins, increasing, shape ``[num_bins]``, or one more with
      ``upper_edge``. If all activities are equal, bins are one unit wide. NaN under
      ``jit`` if an activity is not finite.

    Raises:
      ValueError: If ``t`` is empty, ``num_bins`` is below one or, outside of ``jit``,
        an activity is not finite or bins would be narrower than floating numbers lie
        apart.
      TypeError: If ``t`` is not floating.

    Example:
      >>> print(data_range_edges(jnp.array([[0.0, 1.0], [0.2, 4.0]]), 4))
      [0. 1. 2. 3.]
    """
    t = _check_values(t, num_bins)
    checks.flag("upper_edge", upper_edge)
    edges = _data_range_edges(t, num_bins, upper_edge)
    if not checks.is_traced(edges) and not np.all(np.diff(edges) > 0):
        raise ValueError(
            f"num_bins must leave bins wider than rounding, got {num_bins} from "
            f"{np.min(t)} to {np.max(t)}"
        )
    return edges


def equal_count_edges(t: ArrayLike, num_bins: int) -> jax.Array:
    """Edges of bins that hold as many activities each, over all units together.

    Equal activities always share a bin. A value that fills more than one bin, such as a
    saturated unit's, has one of its own, and bins that are left over are empty; so is
    every bin but ``len(t)`` if there are more bins than activities.

    Args:
      t: Activities, any shape.
      num_bins: Number of bins.

    Returns:
      Lower edges of the bins, increasing, shape ``[num_bins]``; the first is the
      smallest activity. NaN under ``jit`` if an activity is not finite.

    Raises:
      ValueError: If ``t`` is empty, ``num_bins`` is below one or, outside of ``jit``,
        an activity is not finite.
      TypeError: If ``t`` is not floating.

    References:
      Chelombiev, Houghton and O'Donnell, `Adaptive estimators show information
      compression in deep neural networks`, ICLR 2019.

    Example:
      >>> print(equal_count_edges(jnp.array([1.0, 7.0, 2.0, 3.0, 9.0, 4.0]), 3))
      [1. 3. 7.]
    """
    return _equal_count_edges(_check_values(t, num_bins), num_bins)


def equal_count_bins(t: ArrayLike, num_bins: int) -> jax.Array:
    """Bin of every activity among those of its unit, bins holding as many each.

    Unlike bins common to all units these are the same for a unit and any increasing
    function of it. The result is a layer itself: give it to
    :mod:`ibjax.estimators.binning` or :mod:`ibjax.estimators.discrete` with
    ``bin_width=1``.

    Args:
      t: Activities, shape ``[num_samples, dim]``.
      num_bins: Number of bins of every unit.

    Returns:
      Whole numbers in ``[0, num_bins)``, floating, shape ``[num_samples, dim]``. NaN
      under ``jit`` if an activity is not finite.

    Raises:
      ValueError: If the shape is wrong; else as :func:`equal_count_edges`.
      TypeError: If ``t`` is not floating.

    Example:
      >>> t = jnp.array([[1.0, 50.0], [2.0, 30.0], [3.0, 20.0], [9.0, 40.0]])
      >>> print(equal_count_bins(t, 2).T)
      [[0. 0. 1. 1.]
       [1. 0. 0. 1.]]
    """
    t = check_activities(t, movable=True)
    return _equal_count_bins(_check_values(t, num_bins), num_bins)


def _check_values(t, num_bins):
    checks.count("num_bins", num_bins)
    t = checks.floating("t", as_array("t", t))
    if t.size == 0:
        raise ValueError(f"t must have activities, got shape {t.shape}")
    if isinstance(t, np.ndarray) and (loss := digits_to_lose("t", t.reshape(-1, 1))):
        warn(loss)  # Edges are float32, and have a place among the activities.
    return at_least_float32(to_jax("t", checks.finite("t", t)))


@exact_jit(static_argnames=("num_bins", "upper_edge"))
def _data_range_edges(t, num_bins, upper_edge):
    low, high = jnp.min(t), jnp.max(t)
    high = jnp.where(high > low, high, low + num_bins)
    # By NumPy: compiled, a number may be divided here and multiplied by 1/n there.
    fraction = (np.arange(num_bins) / num_bins).astype(t.dtype)
    # A mean of both ends, since their difference can be out of range.
    edges = low * (1 - fraction) + high * fraction
    if upper_edge:
        edges = jnp.append(edges, high)
    return jnp.where(jnp.isfinite(low + high), edges, jnp.nan)


@exact_jit(static_argnames="num_bins")
def _equal_count_edges(t, num_bins):
    ordered = jnp.sort(t.ravel())
    first = -(-np.arange(num_bins) * len(ordered) // num_bins)  # Rounded up.
    tiny = jnp.finfo(t.dtype).tiny

    def separate(last, edge):
        # The smallest number above, and one that is not flushed to zero.
        above = jnp.maximum(
            jnp.nextafter(last, jnp.asarray(jnp.inf, t.dtype)), last + tiny
        )
        edge = jnp.maximum(edge, above)
        return edge, edge

    _, edges = lax.scan(separate, ordered[0], ordered[first[1:]])
    edges = jnp.concatenate([ordered[:1], edges])
    return jnp.where(jnp.isfinite(ordered[0] + ordered[-1]), edges, jnp.nan)


@exact_jit(static_argnames="num_bins")
def _equal_count_bins(t, num_bins):
    def one_unit(unit):
        edges = _equal_count_edges(unit, num_bins)
        bins = jnp.searchsorted(edges, unit, side="right") - 1
        return jnp.where(jnp.isfinite(edges[0]), bins.astype(t.dtype), jnp.nan)

    return lax.map(one_unit, t.T).T
