"""Bins that follow the activities, and estimates over a range of bins in one call.

The edges that these functions return are the lower edges of their bins: by the rule of
:mod:`ibjax.estimators.binning`, everything from the last edge on is one bin, so that
the largest activity shares the last bin with its neighbours instead of having one of
its own.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.estimators import binning
from ibjax.estimators.layers import LayerInformation, check_activities, check_layer

__all__ = [
    "bin_count_sweep",
    "bin_width_sweep",
    "data_range_edges",
    "equal_count_bins",
    "equal_count_edges",
]


def data_range_edges(t: ArrayLike, num_bins: int) -> jax.Array:
    """Edges of bins of one width from the smallest activity to the largest.

    Args:
      t: Activities, any shape: of a layer, of all layers, of all epochs.
      num_bins: Number of bins.

    Returns:
      Lower edges of the bins, increasing, shape ``[num_bins]``. If all activities are
      equal, bins are one unit wide. NaN under ``jit`` if an activity is not finite.

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
    edges = _data_range_edges(t, num_bins)
    if not isinstance(edges, jax.core.Tracer) and not np.all(np.diff(edges) > 0):
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
    return _equal_count_bins(_check_values(check_activities(t), num_bins), num_bins)


def bin_width_sweep(
    t: ArrayLike, labels: ArrayLike, *, num_classes: int, bin_widths: ArrayLike
) -> LayerInformation:
    """Binned I(X;T) and I(T;Y) for many bin widths in one call, in nats.

    Widths are taken one after the other, in the memory of one.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes or p(y|x); see
        :func:`ibjax.estimators.binning.layer_information`.
      num_classes: Number of classes.
      bin_widths: Widths of the bins, positive, shape ``[num_widths]``.

    Returns:
      Information with fields of shape ``[num_widths]``.

    Raises:
      ValueError: If shapes do not match, a label is out of range or a width is not
        positive (values are checked outside of ``jit``).
      TypeError: If ``t`` is not floating.

    Example:
      >>> t = jnp.array([[-0.9], [-0.8], [0.1], [0.9]])
      >>> sweep = bin_width_sweep(
      ...     t, jnp.array([0, 0, 1, 1]), num_classes=2, bin_widths=[2.0, 0.5, 0.05]
      ... )
      >>> print(sweep.i_xt.round(2))
      [0.69 1.04 1.39]
    """
    t, labels = check_layer(t, labels, num_classes)
    bin_widths = _check_list("bin_widths", bin_widths, 0).astype(t.dtype)
    return _bin_width_sweep(t, labels, num_classes, bin_widths)


def bin_count_sweep(
    t: ArrayLike, labels: ArrayLike, *, num_classes: int, num_bins: ArrayLike
) -> LayerInformation:
    """Binned I(X;T) and I(T;Y) for many numbers of bins in one call, in nats.

    Bins of one width from the layer's smallest activity to its largest, which is in the
    last bin.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes or p(y|x); see
        :func:`ibjax.estimators.binning.layer_information`.
      num_classes: Number of classes.
      num_bins: Numbers of bins, at least one, shape ``[num_counts]``.

    Returns:
      Information with fields of shape ``[num_counts]``.

    Raises:
      ValueError: If shapes do not match, a label is out of range or a number of bins is
        below one (values are checked outside of ``jit``).
      TypeError: If ``t`` is not floating.

    Example:
      >>> t = jnp.array([[-0.9], [-0.8], [0.1], [0.9]])
      >>> sweep = bin_count_sweep(
      ...     t, jnp.array([0, 0, 1, 1]), num_classes=2, num_bins=[1, 2, 3]
      ... )
      >>> print(sweep.i_xt.round(2))
      [0.   0.69 1.04]
    """
    t, labels = check_layer(t, labels, num_classes)
    num_bins = _check_list("num_bins", num_bins, 1).astype(t.dtype)
    return _bin_count_sweep(t, labels, num_classes, num_bins)


def _check_values(t, num_bins):
    t = jnp.asarray(t)
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}")
    if t.size == 0:
        raise ValueError(f"t must have activities, got shape {t.shape}")
    if not jnp.issubdtype(t.dtype, jnp.floating):
        raise TypeError(f"t must be floating, got {t.dtype}")
    t = t.astype(jnp.float32) if t.dtype.itemsize < 4 else t
    if not isinstance(t, jax.core.Tracer) and not np.all(np.isfinite(np.asarray(t))):
        raise ValueError("t must be finite, got NaN or infinite activities")
    return t


def _check_list(name, values, smallest):
    """Refuse what is no list of positive numbers, or of numbers from one on."""
    values = jnp.asarray(values)
    if values.ndim != 1 or values.shape[0] == 0:
        raise ValueError(f"{name} must be a list of numbers, got shape {values.shape}")
    if not isinstance(values, jax.core.Tracer):
        concrete = np.asarray(values)
        enough = concrete >= smallest if smallest else concrete > 0
        if not np.all(enough & np.isfinite(concrete)):
            bound = f"at least {smallest}" if smallest else "positive"
            raise ValueError(f"{name} must be {bound}, got {concrete}")
    return values


@partial(jax.jit, static_argnames="num_bins")
def _data_range_edges(t, num_bins):
    low, high = jnp.min(t), jnp.max(t)
    high = jnp.where(high > low, high, low + num_bins)
    fraction = jnp.arange(num_bins, dtype=t.dtype) / num_bins
    # A mean of both ends, since their difference can be out of range.
    edges = low * (1 - fraction) + high * fraction
    return jnp.where(jnp.isfinite(low + high), edges, jnp.nan)


@partial(jax.jit, static_argnames="num_bins")
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


@partial(jax.jit, static_argnames="num_bins")
def _equal_count_bins(t, num_bins):
    def one_unit(unit):
        edges = _equal_count_edges(unit, num_bins)
        bins = jnp.searchsorted(edges, unit, side="right") - 1
        return jnp.where(jnp.isfinite(edges[0]), bins.astype(t.dtype), jnp.nan)

    return lax.map(one_unit, t.T).T


@partial(jax.jit, static_argnames="num_classes")
def _bin_width_sweep(t, labels, num_classes, bin_widths):
    def one(bin_width):
        return binning.layer_information(
            t, labels, num_classes=num_classes, bin_width=bin_width
        )

    return lax.map(one, bin_widths)


@partial(jax.jit, static_argnames="num_classes")
def _bin_count_sweep(t, labels, num_classes, num_bins):
    low, high = jnp.min(t), jnp.max(t)
    place = (t / 2 - low / 2) / jnp.where(high > low, high / 2 - low / 2, 1)

    def one(num_bins):
        bins = jnp.minimum(jnp.floor(place * num_bins), num_bins - 1)
        return binning.layer_information(
            bins, labels, num_classes=num_classes, bin_width=1.0
        )

    return lax.map(one, num_bins)
