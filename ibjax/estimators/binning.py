r"""Information of a layer whose activities are cut into bins.

Shwartz-Ziv and Tishby (2017) replace every unit's activity by the bin it falls in and
take the row of bins as T. T is then a function of the input, so H(T|X) = 0 and

.. math:: I(X;T) = H(T), \qquad I(T;Y) = H(T) - H(T|Y),

with the entropies of the empirical distribution. The number depends on the bins as
much as on the network: it is a property of the layer *as read through these bins*.

A row of bins is written as one word, or two, and sorting the words lets equal rows
count themselves.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from ibjax.estimators.layers import LayerInformation, check_layer, label_weights

__all__ = ["SZT_EDGES", "layer_information"]

SZT_EDGES = np.linspace(-1, 1, 30, dtype=np.float32)
"""The 30 edges of Shwartz-Ziv and Tishby's program: 29 bins and the value 1 itself."""

_FEW_EDGES = 64
# Numbers below 2^31 leave room for the rounding of a sum of logarithms.
_SAFE_BITS = 31.0


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
    (number of occupied rows - 1) / 2N. Rows are counted exactly: with ``bin_width``,
    or with more units than two words of 31 bits hold, rows too long for a word are told
    apart by a 64-bit hash, which takes two of 4,096 rows for equal with probability
    5e-13. With p(y|x) for labels, I(T;Y) is that of the table p(t, y).

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
    t, labels = check_layer(t, labels, num_classes)
    if (edges is None) == (bin_width is None):
        raise ValueError(
            "give either edges or bin_width, got "
            + ("neither" if edges is None else "both")
        )
    if edges is not None:
        edges = _check_edges(edges)
        return _by_edges(t, labels, edges, num_classes)
    concrete = not isinstance(bin_width, jax.core.Tracer)
    if jnp.ndim(bin_width) != 0 or (concrete and not 0 < bin_width < math.inf):
        raise ValueError(f"bin_width must be one positive number, got {bin_width}")
    return _by_width(t, labels, bin_width, num_classes)


def _check_edges(edges: ArrayLike) -> jax.Array:
    edges = jnp.asarray(edges)
    if edges.ndim != 1 or edges.shape[0] == 0:
        raise ValueError(f"edges must have shape [num_edges], got {edges.shape}")
    if not isinstance(edges, jax.core.Tracer) and not np.all(np.diff(edges) > 0):
        raise ValueError(f"edges must increase, got {edges}")
    return edges


# Below, activities are [dim, num_samples]: loops run along the samples.


@partial(jax.jit, static_argnames="num_classes")
def _by_edges(t, labels, edges, num_classes):
    dim, num_bins = t.shape[1], edges.shape[0]
    if num_bins <= _FEW_EDGES:
        # One comparison per edge, all in one loop over the activities.
        bins = jnp.zeros(t.T.shape, jnp.uint32)
        for k in range(1, num_bins):
            bins += (t.T >= edges[k]).astype(jnp.uint32)
    else:
        bins = jnp.searchsorted(edges, t.T, side="right").astype(jnp.int32) - 1
        bins = jnp.maximum(bins, 0).astype(jnp.uint32)
    class_bits = math.log2(num_classes) if labels.ndim == 1 else 0.0
    units_per_word = max(1, int(_SAFE_BITS / math.log2(max(num_bins, 2))))
    if dim * math.log2(num_bins) + class_bits <= _SAFE_BITS:
        words = [_mixed_radix(bins, [num_bins] * dim)]
    elif 2 <= dim <= 2 * units_per_word:
        words = [
            _mixed_radix(part, [num_bins] * len(part))
            for part in (bins[: dim // 2], bins[dim // 2 :])
        ]
    else:
        words = _hash_words(bins)
    return _finite_or_nan(t, _count(words, labels, num_classes))


@partial(jax.jit, static_argnames="num_classes")
def _by_width(t, labels, bin_width, num_classes):
    bins = jnp.floor(t.T / jnp.asarray(bin_width, t.dtype))
    bins = bins - jnp.min(bins, axis=1, keepdims=True)
    spans = jnp.max(bins, axis=1) + 1
    class_bits = math.log2(num_classes) if labels.ndim == 1 else 0.0
    fits = jnp.sum(jnp.log2(spans)) + class_bits <= _SAFE_BITS
    digits, spans = bins.astype(jnp.uint32), spans.astype(jnp.uint32)
    information = lax.cond(
        fits,
        lambda: _count([_mixed_radix(digits, spans)], labels, num_classes),
        lambda: _count(_hash_words(_float_bits(bins)), labels, num_classes),
    )
    return _finite_or_nan(t, information)


def _mixed_radix(bins, spans):
    """One word per sample: the number whose digits are the sample's bins."""
    word = bins[0]
    for unit in range(1, len(bins)):
        word = word * jnp.uint32(spans[unit]) + bins[unit]
    return word


def _float_bits(x):
    """One word per number, different for different numbers of float32."""
    return lax.bitcast_convert_type(x.astype(jnp.float32) + 0.0, jnp.uint32)


def _hash_words(bins):
    """Two words per sample, together a 64-bit hash (mix, multiply, twice over)."""

    def hash_word(seed, multiplier):
        def absorb(word, unit):
            word = (word ^ unit) * jnp.uint32(multiplier)
            return word ^ (word >> 15), None

        word = jnp.full(bins.shape[1:], seed, jnp.uint32)
        word, _ = lax.scan(absorb, word, bins)
        word = (word ^ (word >> 16)) * jnp.uint32(0x7FEB352D)
        word = (word ^ (word >> 15)) * jnp.uint32(0x846CA68B)
        return word ^ (word >> 16)

    return [hash_word(0x9E3779B9, 0x01000193), hash_word(0x85EBCA6B, 0xCC9E2D51)]


def _count(words, labels, num_classes):
    """Information of the empirical table of rows, given as words, and labels."""
    if labels.ndim == 2:
        return _count_soft(words, labels, num_classes)
    num_samples = labels.shape[0]
    labels = labels.astype(jnp.uint32)
    if len(words) == 1:
        # The class is the last digit: one sort orders rows, and classes within a row.
        (joint,) = lax.sort(
            (words[0] * jnp.uint32(num_classes) + labels,), is_stable=False
        )
        keys, joint_keys = [joint // jnp.uint32(num_classes)], [joint]
    else:
        joint_keys = lax.sort((*words, labels), num_keys=3, is_stable=False)
        keys = joint_keys[:2]
    h_t = _entropy_of_runs(keys)
    h_ty = _entropy_of_runs(joint_keys)
    class_size = jnp.zeros(num_classes, jnp.float32).at[labels].add(1.0)
    h_y = math.log(num_samples) - jnp.sum(_n_log_n(class_size)) / num_samples
    return _information(h_t, h_y, h_ty)


def _count_soft(words, weights, num_classes):
    num_samples = weights.shape[0]
    number = jnp.arange(num_samples)
    *keys, order = lax.sort((*words, number), num_keys=len(words))
    row = jnp.cumsum(_run_starts(keys)) - 1
    weights = label_weights(weights, num_classes, jnp.float32)[order]
    joint = jax.ops.segment_sum(weights, row, num_samples, indices_are_sorted=True)
    total = jnp.sum(joint, axis=1)
    h_t = math.log(num_samples) - jnp.sum(_n_log_n(total)) / num_samples
    h_y = math.log(num_samples) - jnp.sum(_n_log_n(jnp.sum(joint, 0))) / num_samples
    h_ty = math.log(num_samples) - jnp.sum(_n_log_n(joint)) / num_samples
    return _information(h_t, h_y, h_ty)


def _information(h_t, h_y, h_ty):
    """From entropies whose rounding can leave zero information just below it."""
    i_ty = jnp.maximum(h_t + h_y - h_ty, 0.0)
    return LayerInformation(jnp.maximum(h_t, 0.0), i_ty)


def _run_starts(keys):
    """Whether each sorted row differs from the one before it."""
    differs = jnp.zeros(keys[0].shape[0] - 1, bool)
    for key in keys:
        differs |= key[1:] != key[:-1]
    return jnp.concatenate([jnp.ones(1, bool), differs])


def _entropy_of_runs(keys):
    num_samples = keys[0].shape[0]
    starts = _run_starts(keys)
    number = jnp.arange(num_samples)
    place = number - lax.cummax(jnp.where(starts, number, 0)) + 1
    ends = jnp.concatenate([starts[1:], jnp.ones(1, bool)])
    counts = jnp.where(ends, place, 0).astype(jnp.float32)
    return math.log(num_samples) - jnp.sum(_n_log_n(counts)) / num_samples


def _n_log_n(n):
    return jnp.where(n > 0, n * jnp.log(jnp.where(n > 0, n, 1.0)), 0.0)


def _finite_or_nan(t, information):
    finite = jnp.all(jnp.isfinite(t))
    return jax.tree.map(lambda value: jnp.where(finite, value, jnp.nan), information)
