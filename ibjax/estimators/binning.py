r"""Information of a layer whose activities are cut into bins.

Shwartz-Ziv and Tishby (2017) replace every unit's activity by the bin it falls in and
take the row of bins as T. T is then a function of the input, so H(T|X) = 0 and

.. math:: I(X;T) = H(T), \qquad I(T;Y) = H(T) - H(T|Y),

with the entropies of the empirical distribution. The number depends on the bins as
much as on the network: it is a property of the layer *as read through these bins*.

Rows are counted in a hash table. Samples that meet in a slot of it are counted together
only if all their bins are the same, so that the counts are exact.
"""

import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.compilation import by_platform, exact_jit
from ibjax.estimators.layers import (
    LayerInformation,
    check_activities,
    check_layer,
    label_weights,
)
from ibjax.estimators.samples import as_array, offsets, to_jax
from ibjax.numerics import checks

__all__ = ["SZT_EDGES", "clusters", "layer_information"]

SZT_EDGES = np.linspace(-1, 1, 30, dtype=np.float32)
"""The 30 edges of Shwartz-Ziv and Tishby's program: 29 bins and the value 1 itself."""

_FEW_EDGES = 64
# The hash table has four to eight slots per sample.
_SLOT_BITS = 2


def layer_information(
    t: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    edges: ArrayLike | None = None,
    bin_width: ArrayLike | None = None,
) -> LayerInformation:
    r"""I(X;T) and I(T;Y) of a binned layer, in nats.

    With ``edges``, a value's bin is the number of edges at or below it, minus one;
    values outside of the range go to the nearest bin. The value of the last edge, and
    anything above, is a bin of its own. With ``bin_width``, it is
    :math:`\lfloor t / \mathrm{width} \rfloor`. Give one of the two.

    The plug-in entropy of N samples cannot exceed log N, and is biased low by about
    (number of occupied rows - 1) / 2N. Rows are counted exactly. With p(y|x) for
    labels, I(T;Y) is that of the table p(t, y). Memory is
    O(num_samples (dim + num_classes)).

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``, or p(y|x), floating, shape
        ``[num_samples, num_classes]``.
      num_classes: Number of classes.
      edges: Increasing bin edges, shape ``[num_edges]``.
      bin_width: Width of the bins, in the units of ``t``, positive.

    Returns:
      Information with fields of shape ``[]``. NaN if an activity is not finite; zero
      if all activities are equal.

    Raises:
      ValueError: If shapes do not match, a label is out of range, not exactly one of
        ``edges`` and ``bin_width`` is given, ``edges`` do not increase or
        ``bin_width`` is not positive (values are checked outside of ``jit``).
      TypeError: If ``t`` is not floating.

    References:
      Shwartz-Ziv and Tishby, `Opening the black box of deep neural networks via
      information`, 2017. Saxe et al., `On the information bottleneck theory of deep
      learning`, ICLR 2018.

    Example:
      >>> t = jnp.array([[-0.9], [-0.9], [0.1], [0.9]])
      >>> information = layer_information(
      ...     t, jnp.array([0, 0, 1, 1]), num_classes=2, edges=SZT_EDGES
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      1.0397 0.6931 nats
    """
    t, edges = near_zero(t, edges, bin_width)
    t, labels = check_layer(t, labels, num_classes)
    rows = row_numbers(t, edges, bin_width)
    return _finite_or_nan(t, _count(rows, labels, num_classes))


def clusters(
    t: ArrayLike, *, edges: ArrayLike | None = None, bin_width: ArrayLike | None = None
) -> jax.Array:
    """Number of every sample's row of bins: the layer as a map into clusters.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      edges: See :func:`layer_information`.
      bin_width: See :func:`layer_information`.

    Returns:
      Integers below ``num_samples``, the same for equal rows of bins and only for them,
      int32, shape ``[num_samples]``.

    Raises:
      ValueError: As :func:`layer_information`, or, outside of ``jit``, if an activity
        is not finite.
      TypeError: If ``t`` is not floating.

    Example:
      >>> t = jnp.array([[-0.9], [-0.9], [0.1], [0.9]])
      >>> numbers = clusters(t, edges=SZT_EDGES)
      >>> bool(numbers[0] == numbers[1]), bool(numbers[1] == numbers[2])
      (True, False)
    """
    t, edges = near_zero(t, edges, bin_width)
    t = checks.finite("t", check_activities(t))
    return row_numbers(t, edges, bin_width)


def near_zero(
    t: ArrayLike, edges: ArrayLike | None, bin_width: ArrayLike | None
) -> tuple[ArrayLike, ArrayLike | None]:
    """Activities and edges that rounding leaves their digits, in the same bins.

    Float64 of NumPy that is far from zero for its range is moved by a whole number of
    bins, or with its edges, before it is rounded to float32.
    """
    t = as_array("t", t)
    if not isinstance(t, np.ndarray) or t.ndim != 2 or t.dtype.kind != "f":
        return t, edges
    if edges is None:
        offset = offsets(t) if t.size else None
        fixed = bin_width is not None and not checks.is_traced(bin_width)
        if offset is None or not fixed or np.ndim(bin_width):
            return t, edges
        width = float(checks.positive("bin_width", bin_width))
        return t - width * np.round(offset / width)[None], edges
    edges = as_array("edges", edges)
    if not isinstance(edges, np.ndarray) or edges.ndim != 1 or edges.dtype.kind != "f":
        return t, edges
    offset = offsets(edges[:, None]) if edges.size else None
    return (t, edges) if offset is None else (t - offset, edges - offset)


def row_numbers(
    t: jax.Array, edges: ArrayLike | None, bin_width: ArrayLike | None
) -> jax.Array:
    """Numbers as of :func:`clusters`, of activities that may not be finite."""
    return _row_numbers(_bins(t, edges, bin_width))


def equal_rows(x: jax.Array) -> jax.Array:
    """Numbers as of :func:`clusters`, the same for rows of the same numbers."""
    return _row_numbers(_words_of(x.T))


def _bins(t, edges, bin_width):
    """Words for the bin of every activity, one or two, ``[num_words, num_samples]``."""
    if (edges is None) == (bin_width is None):
        raise ValueError(
            "give either edges or bin_width, got "
            + ("neither" if edges is None else "both")
        )
    if edges is not None:
        return _by_edges(t, _check_edges(edges))
    bin_width = checks.positive("bin_width", bin_width)
    if not checks.is_traced(bin_width):
        limits = jnp.finfo(t.dtype)
        interval = f"[{limits.tiny}, {limits.max}]"
        checks.in_range("bin_width", bin_width, interval)
    return _by_width(t, bin_width)


def _check_edges(edges: ArrayLike) -> jax.Array:
    edges = checks.shape("edges", as_array("edges", edges), ("num_edges",))
    checks.real("edges", edges)
    if not checks.is_traced(edges) and not np.all(np.diff(edges) > 0):
        raise ValueError(f"edges must increase, got {edges}")
    return to_jax("edges", edges)


# Below, activities are [dim, num_samples]: loops run along the samples.


@exact_jit
def _by_edges(t, edges):
    if len(edges) > _FEW_EDGES:
        return jnp.searchsorted(edges[1:], t.T, side="right").astype(jnp.uint32)
    # One comparison per edge, all in one loop over the activities.
    bins = jnp.zeros(t.T.shape, jnp.uint32)
    for edge in edges[1:]:
        bins += (t.T >= edge).astype(jnp.uint32)
    return bins


@exact_jit
def _by_width(t, bin_width):
    bins = jnp.floor(t.T / jnp.asarray(bin_width, t.dtype))
    # A quotient below the smallest number is -0 too.
    return _words_of(jnp.where((bins == 0) & (t.T < 0), -1.0, bins))


def _words_of(numbers):
    """Words that are the same for equal numbers, ``[num_words, num_samples]``."""
    # As a word, -0 is another number than 0.
    numbers = jnp.where(numbers == 0, 0.0, numbers)
    words = lax.bitcast_convert_type(numbers, jnp.uint32)
    # A number of 64 bits is two words, along an axis of their own.
    return words if words.ndim == 2 else jnp.concatenate([words[..., 0], words[..., 1]])


@exact_jit(static_argnames="num_classes")
def _count(row, labels, num_classes):
    """Information of the empirical table of row numbers and labels."""
    num_samples = labels.shape[0]
    chex.assert_shape(row, (num_samples,))
    dtype = jnp.result_type(float)  # Float32, unless float64 is enabled.
    weights = label_weights(labels, num_classes, dtype).T
    joint = jnp.zeros((num_classes, num_samples), dtype).at[:, row].add(weights)
    h_t, h_y, h_ty = (
        math.log(num_samples) - jnp.sum(_n_log_n(counts)) / num_samples
        for counts in (jnp.sum(joint, axis=0), jnp.sum(joint, axis=1), joint)
    )
    # Rounding can leave zero information just below it.
    return LayerInformation(jnp.maximum(h_t, 0.0), jnp.maximum(h_t + h_y - h_ty, 0.0))


@exact_jit
def _row_numbers(bins):
    """One number per sample, below ``num_samples``: the same for equal rows, and only.

    Every sample without a number claims a slot of a hash table, and the last one to
    claim it has it. Samples whose row is that of the slot's owner take the owner's
    number; the others go on to another slot. In every round at least one row is done.
    """
    num_samples = bins.shape[1]
    sample = jnp.arange(num_samples, dtype=jnp.int32)
    bits = (num_samples - 1).bit_length() + _SLOT_BITS

    def claim(state):
        words, row = state
        slot = words >> (32 - bits)
        claims = jnp.where(row < 0, sample, -1)
        owner = jnp.full(2**bits, -1, jnp.int32).at[slot].max(claims)[slot]
        equal = jnp.all(bins[:, owner] == bins, axis=0)
        return _scramble(words), jnp.where((row < 0) & equal, owner, row)

    # The words decide how many rounds there are, and not the result.
    words = by_platform(bins, cpu=_words_in_turn, default=_words_at_once)
    state = (words, jnp.full(num_samples, -1, jnp.int32))
    return lax.while_loop(lambda state: jnp.any(state[1] < 0), claim, state)[1]


def _words_in_turn(bins):
    """Hash of every row, unit after unit, ``[num_samples]``."""
    words = jnp.zeros(bins.shape[1], jnp.uint32)
    return lax.scan(lambda word, unit: (_scramble(word ^ unit), None), words, bins)[0]


def _words_at_once(bins):
    """Hash of every row in one sum, as an accelerator takes it, ``[num_samples]``."""
    unit = _scramble(1 + jnp.arange(len(bins), dtype=jnp.uint32))[:, None]
    return jnp.sum(_scramble(_scramble(bins ^ unit) + unit), axis=0, dtype=jnp.uint32)


def _scramble(word):
    """Mix the bits of a word; different words stay different."""
    word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
    word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
    return word ^ (word >> 16)


def _n_log_n(n):
    return jnp.where(n > 0, n * jnp.log(jnp.where(n > 0, n, 1.0)), 0.0)


def _finite_or_nan(t, information):
    finite = jnp.all(jnp.isfinite(t.T))
    return jax.tree.map(lambda value: jnp.where(finite, value, jnp.nan), information)
