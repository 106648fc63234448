r"""Entropy and information of counted cells, with corrections for few samples.

The plug-in entropy of N samples in m occupied cells is biased low, by
:math:`(m - 1) / 2N` where every cell has many samples and by much more where cells have
one or two. Information is a sum of such entropies and inherits what they leave.

==================  ===============================================================
``None``            plug-in, :math:`-\sum_i (n_i / N) \log (n_i / N)`; at most log N
``"miller_madow"``  plug-in :math:`+ (m - 1) / 2N`: the bias to first order
``"grassberger"``   :math:`\log N - \frac1N \sum_i n_i G(n_i)`, whose bias falls
                    exponentially with the counts
``"chao_shen"``     cells weighed by the chance to have been seen (Horvitz-Thompson),
                    and probabilities by the estimated coverage
``"nsb"``           mean of the posterior under Dirichlet priors mixed so that the
                    prior of the entropy is nearly flat; needs the number of cells
==================  ===============================================================

None is unbiased: no estimator is. Where N is far below the number of cells that carry
the probability, all of them say more about their assumptions than about the samples.
Only the plug-in keeps what holds for entropies of a distribution: corrected information
can be negative, and can break the data-processing inequality.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import digamma
from jax.typing import ArrayLike

from ibjax.compilation import exact_jit
from ibjax.estimators import binning
from ibjax.estimators.discrete.nsb import posterior_entropy
from ibjax.estimators.layers import LayerInformation, check_layer
from ibjax.estimators.samples import as_array, at_least_int32, to_jax
from ibjax.numerics import checks
from ibjax.numerics.memory import check_fits

__all__ = ["CORRECTIONS", "entropy", "layer_information", "mutual_information"]

CORRECTIONS = (None, "miller_madow", "grassberger", "chao_shen", "nsb")

# From here on an expansion is right to float32's last digit.
_LARGE_COUNT = 30
_HALF_WORD = 16
# Below it the series up to this power is right to 4e-14 of the sum.
_SMALL_EXCESS = 0.05
_HIGHEST_POWER = 10


def entropy(
    counts: ArrayLike,
    *,
    correction: str | None = None,
    num_cells: ArrayLike | None = None,
) -> jax.Array:
    r"""Entropy of the distribution that counts were drawn from, in nats.

    Args:
      counts: Samples in every cell, shape ``[num_counts]``, integers or whole floating
        numbers (any non-negative ones for the plug-in). Cells without samples may be
        there or not: they change nothing.
      correction: One of ``CORRECTIONS``; see above. With nothing but single samples,
        Chao and Shen's coverage would be zero: one sample is then taken to have been
        seen twice, that is, the coverage to be 1 / N.
      num_cells: Number K of cells that can have samples, for ``"nsb"`` only; by default
        the length of ``counts``. It may be floating, up to the largest number of the
        result's dtype, 3e38 in float32.

    Returns:
      Entropy in nats, shape ``[]``, float32 unless ``counts`` are float64. Under
      ``jit``, NaN if there are no samples, a count is negative or not finite, or
      ``num_cells`` is below the number of occupied cells.

    Raises:
      ValueError: If ``counts`` do not have rank 1 or ``correction`` is not known;
        outside of ``jit`` also wherever the result would be NaN, counts are not whole
        numbers, or their sum or ``num_cells`` is out of the range of its dtype.
      TypeError: If ``counts`` are neither integers nor floating.

    References:
      Miller, `Note on the bias of information estimates`, 1955. Grassberger, `Entropy
      estimates from insufficient samplings`, arXiv:physics/0307138, 2003. Chao and
      Shen, `Nonparametric estimation of Shannon's index of diversity when there are
      unseen species in sample`, 2003. Nemenman, Shafee and Bialek, `Entropy and
      inference, revisited`, 2002.

    Example:
      >>> counts = jnp.array([4, 2, 1, 1, 0])
      >>> print(f"{entropy(counts):.4f} nats")
      1.2130 nats
      >>> print(f"{entropy(counts, correction='miller_madow'):.4f} nats")
      1.4005 nats
    """
    counts = checks.shape("counts", as_array("counts", counts), ("num_counts",))
    if not _is_number(counts.dtype):
        raise TypeError(f"counts must be integers or floating, got {counts.dtype}")
    dtype = _float_dtype(jax.dtypes.canonicalize_dtype(counts.dtype))
    num_cells = _check_correction(correction, num_cells, dtype)
    if not checks.is_traced(counts):
        _check_counts(np.asarray(counts), correction, num_cells)
    cells = counts.shape[0] if num_cells is None else num_cells
    if isinstance(counts, np.ndarray) and counts.dtype.itemsize > 4:
        # Rounded, not cut, where JAX has 32 bits.
        counts = counts.astype(jax.dtypes.canonicalize_dtype(np.float64))
    value = _entropy(to_jax("counts", counts), cells, correction)
    if not checks.is_traced(value) and jnp.isnan(value):
        raise ValueError(f"counts must have a sum that {value.dtype} holds")
    return value


def mutual_information(
    x_cells: ArrayLike,
    y_cells: ArrayLike,
    *,
    num_x: int,
    num_y: int,
    correction: str | None = None,
) -> jax.Array:
    """I(X;Y) = H(X) + H(Y) - H(X,Y) of two columns of cell numbers, in nats.

    The plug-in is biased upward, by about (num_x - 1)(num_y - 1) / 2N if all cells are
    occupied. Corrected information can be negative. Memory is O(num_x num_y).

    Args:
      x_cells: Cell of every sample, integers in ``[0, num_x)``, ``[num_samples]``.
      y_cells: Cell of every sample, integers in ``[0, num_y)``, ``[num_samples]``.
      num_x: Number of cells of X.
      num_y: Number of cells of Y.
      correction: Correction of all three entropies; see :func:`entropy`. For ``"nsb"``
        there are ``num_x * num_y`` joint cells.

    Returns:
      Information in nats, shape ``[]``. Under ``jit``, NaN if a cell is out of range.

    Raises:
      ValueError: If the numbers of samples differ, there are none, or ``correction`` is
        not known; outside of ``jit`` also if a cell is out of range.
      TypeError: If cells are not integers.
      MemoryError: If the table does not fit the memory.

    References:
      See :func:`entropy`. Panzeri and Treves, `Analytical estimates of limited sampling
      biases in different information measures`, 1996.

    Example:
      >>> cells = jnp.array([0, 0, 1, 1])
      >>> print(f"{mutual_information(cells, cells, num_x=2, num_y=2):.4f} nats")
      0.6931 nats
    """
    _check_correction(correction, None, None)
    x_cells = _check_cells("x_cells", x_cells, "num_x", num_x)
    y_cells = _check_cells("y_cells", y_cells, "num_y", num_y)
    checks.same_length(x_cells=x_cells, y_cells=y_cells)
    check_fits(
        f"a table of num_x = {num_x:,} by num_y = {num_y:,} cells",
        4 * num_x * num_y,
        *(x_cells, y_cells),
        hint="number the cells that occur, as numpy.unique does",
    )
    return _mutual_information(x_cells, y_cells, num_x, num_y, correction)


def layer_information(
    t: ArrayLike,
    labels: ArrayLike,
    *,
    num_classes: int,
    edges: ArrayLike | None = None,
    bin_width: ArrayLike | None = None,
    correction: str | None = None,
    num_cells: ArrayLike | None = None,
) -> LayerInformation:
    """I(X;T) and I(T;Y) of a binned layer with corrected entropies, in nats.

    As :func:`ibjax.estimators.binning.layer_information`, which it equals without
    correction: I(X;T) = H(T) and I(T;Y) = H(T) - sum_y p(y) H(T|y). With one, inputs
    are taken for a sample of more inputs, and H(T) can exceed log N.

    Args:
      t: Activities, shape ``[num_samples, dim]``, floating.
      labels: Integer classes, shape ``[num_samples]``.
      num_classes: Number of classes.
      edges: See :func:`ibjax.estimators.binning.layer_information`.
      bin_width: See there.
      correction: See :func:`entropy`.
      num_cells: Number of rows of bins that are possible, for ``"nsb"``, where it is
        needed: ``len(edges) ** dim``, say. It may be floating, see there.

    Returns:
      Information with fields of shape ``[]``. NaN if an activity is not finite. A class
      that no sample has adds nothing.

    Raises:
      ValueError: As there and as :func:`entropy`, or if ``num_cells`` is missing.
      TypeError: If ``t`` is not floating or ``labels`` are not integers.

    References:
      See :func:`entropy`.

    Example:
      >>> t = jnp.array([[-0.9], [-0.9], [0.1], [0.9]])
      >>> information = layer_information(
      ...     t,
      ...     jnp.array([0, 0, 1, 1]),
      ...     num_classes=2,
      ...     bin_width=0.5,
      ...     correction="miller_madow",
      ... )
      >>> print(f"{information.i_xt:.4f} {information.i_ty:.4f} nats")
      1.2897 0.8181 nats
    """
    num_cells = _check_correction(correction, num_cells, jnp.result_type(float))
    if correction == "nsb" and num_cells is None:
        raise ValueError(
            'num_cells is needed for "nsb": give the number of rows of bins that are '
            "possible, e.g. len(edges) ** dim"
        )
    t, edges = binning.near_zero(t, edges, bin_width)
    t, labels = check_layer(t, labels, num_classes)
    if labels.ndim != 1:
        raise TypeError(f"labels must be integers, got p(y|x) of {labels.dtype}")
    rows = binning.row_numbers(t, edges, bin_width)
    finite = jnp.all(jnp.isfinite(t))
    if num_cells is not None and not checks.is_traced(rows) and finite:
        _check_occupied(len(np.unique(rows)), num_cells)
    cells = len(t) if num_cells is None else num_cells
    found = _layer_information(rows, labels, num_classes, cells, correction)
    return LayerInformation(*(jnp.where(finite, value, jnp.nan) for value in found))


def _is_number(dtype):
    return jnp.issubdtype(dtype, jnp.integer) or jnp.issubdtype(dtype, jnp.floating)


def _check_correction(correction, num_cells, dtype):
    checks.one_of("correction", correction, CORRECTIONS)
    if num_cells is None:
        return None
    if correction != "nsb":
        raise ValueError(f'num_cells is for "nsb" alone, got correction={correction!r}')
    checks.at_least("num_cells", num_cells, 1)
    most = float(jnp.finfo(dtype).max)
    if not checks.is_traced(num_cells) and num_cells > most:
        raise ValueError(
            f"num_cells must be at most {most:.1e}, what {dtype} holds, got {num_cells}"
        )
    return checks.positive("num_cells", num_cells)


def _check_counts(counts, correction, num_cells):
    if not np.all(np.isfinite(counts)) or np.any(counts < 0):
        raise ValueError("counts must be finite and not negative")
    if not np.any(counts > 0):
        raise ValueError("counts must have at least one sample, got none")
    if correction is not None and np.any(counts != np.floor(counts)):
        raise ValueError(f"counts must be whole numbers for {correction!r}")
    if num_cells is not None:
        _check_occupied(np.sum(counts > 0), num_cells)


def _check_occupied(occupied, num_cells):
    if not checks.is_traced(num_cells) and num_cells < occupied:
        raise ValueError(
            f"num_cells must be at least the {occupied} occupied cells, got {num_cells}"
        )


def _check_cells(name, cells, size, num_cells):
    checks.count(size, num_cells)
    cells = checks.shape(name, as_array(name, cells), ("num_samples",))
    cells = checks.indices(name, checks.integers(name, cells), num_cells)
    return at_least_int32(to_jax(name, cells))


@exact_jit(static_argnames="correction")
def _entropy(counts, num_cells, correction):
    dtype = _float_dtype(counts.dtype)
    total = _total(counts, dtype)
    counts = counts.astype(dtype)
    possible = jnp.all(counts >= 0) & (total > 0) & jnp.isfinite(total)
    occupied = counts > 0
    n = jnp.where(occupied, counts, 1)
    total = jnp.where(possible, total, 1)
    num_occupied = jnp.sum(occupied).astype(dtype)

    if correction in (None, "miller_madow"):
        # Terms of one sign: nothing cancels.
        value = jnp.sum(jnp.where(occupied, n / total * jnp.log(total / n), 0))
        if correction is not None:
            value += (num_occupied - 1) / (2 * total)
    elif correction == "grassberger":
        terms = n / total * (jnp.log(total) - _grassberger(n))
        value = jnp.sum(jnp.where(occupied, terms, 0))
    elif correction == "chao_shen":
        value = _chao_shen(n, total, occupied)
    else:
        num_cells = jnp.asarray(num_cells, dtype)
        possible &= num_cells >= num_occupied
        value = posterior_entropy(n, occupied, total, jnp.maximum(num_cells, 1))
    return jnp.where(possible, value, jnp.nan)


def _float_dtype(dtype):
    """Floating as the counts are; of integers the widest there is."""
    if jnp.issubdtype(dtype, jnp.integer):
        return jnp.result_type(float)
    return jnp.result_type(dtype, jnp.float32)


def _total(counts, dtype):
    """Sum of counts; of integers in halves, parts of which 32 bits hold the sum of."""
    if not jnp.issubdtype(counts.dtype, jnp.integer):
        return jnp.sum(counts.astype(dtype))
    if counts.dtype.itemsize > 4:
        return jnp.sum(counts).astype(dtype)
    width = min(counts.size, 2 ** (31 - _HALF_WORD))
    counts = at_least_int32(counts).ravel()
    parts = jnp.pad(counts, (0, -counts.size % width)).reshape(-1, width)
    high, low = parts >> _HALF_WORD, parts & (2**_HALF_WORD - 1)
    high, low = (jnp.sum(jnp.sum(half, axis=1).astype(dtype)) for half in (high, low))
    return high * 2**_HALF_WORD + low


def _grassberger(n):
    r"""G(n) = psi(n) + (-1)^n / 2 (psi((n + 1) / 2) - psi(n / 2))."""
    difference = digamma((n + 1) / 2) - digamma(n / 2)
    # Of large numbers, which are about as large, the difference is 1 / n and a little.
    far = 1 / n + 1 / (2 * n**2) - 1 / (4 * n**4)
    difference = jnp.where(n > _LARGE_COUNT, far, difference)
    return digamma(n) + jnp.where(n % 2 == 0, 0.5, -0.5) * difference


def _chao_shen(n, total, occupied):
    singles = jnp.sum(jnp.where(occupied & (n == 1), 1, 0)).astype(n.dtype)
    singles = jnp.where(singles == total, total - 1, singles)
    coverage = 1 - singles / total
    p = coverage * n / total
    certain = p >= 1
    log_missed = total * jnp.log1p(-jnp.where(certain, 0, p))
    seen = jnp.where(certain, 1, -jnp.expm1(log_missed))
    seen = jnp.where(occupied & (seen > 0), seen, 1)
    return -jnp.sum(jnp.where(occupied, p * jnp.log(p) / seen, 0))


@exact_jit(static_argnames=("num_x", "num_y", "correction"))
def _mutual_information(x_cells, y_cells, num_x, num_y, correction):
    # JAX drops what is out of range, or counts it from the end.
    possible = (x_cells >= 0) & (x_cells < num_x) & (y_cells >= 0) & (y_cells < num_y)
    joint = jnp.zeros((num_x, num_y), jnp.int32).at[x_cells, y_cells].add(1)
    if correction in (None, "miller_madow", "grassberger"):
        value = _joint_information(joint, correction)
    else:
        h_x, h_y, h_xy = (
            _entropy(counts, counts.shape[0], correction)
            for counts in (joint.sum(axis=1), joint.sum(axis=0), joint.ravel())
        )
        value = h_x + h_y - h_xy
    return jnp.where(jnp.all(possible), value, jnp.nan)


def _joint_information(joint, correction):
    """Information of a table of counts, as a sum of what its cells have of it.

    A sum over cells of p(x) p(y) phi(u), with 1 + u the ratio p(x, y) / p(x) p(y) and
    phi(u) = (1 + u) log(1 + u) - u, has no term below zero. A sum of three entropies
    rounds by their size, which can be many times its own.
    """
    dtype = _float_dtype(joint.dtype)
    total = _total(joint, dtype)
    n_xy = joint.astype(dtype)
    n_x, n_y = (jnp.sum(joint, axis=a, keepdims=True).astype(dtype) for a in (1, 0))
    expected = n_x * (n_y / total)
    occupied = expected > 0
    excess = (n_xy - expected) / jnp.where(occupied, expected, 1)
    seen = jnp.where(n_xy > 0, excess, 0)
    phi = (1 + seen) * jnp.log1p(seen) - seen
    # Its series, the sum of (-u)^k / k (k - 1), where the difference would cancel.
    series = jnp.zeros_like(excess)
    for power in range(_HIGHEST_POWER, 1, -1):
        series = 1 / (power * (power - 1)) - excess * series
    series = excess**2 * series
    phi = jnp.where(jnp.abs(seen) < _SMALL_EXCESS, series, phi)
    phi = jnp.where(n_xy > 0, phi, 1)
    value = jnp.sum(jnp.where(occupied, expected / total * phi, 0))
    sides = (n_x, 1.0), (n_y, 1.0), (n_xy, -1.0)
    if correction == "miller_madow":
        occupied = sum(sign * jnp.sum(n > 0) for n, sign in sides)
        value += (occupied - 1).astype(dtype) / (2 * total)
    elif correction == "grassberger":
        value += sum(
            sign * jnp.sum(jnp.where(n > 0, n / total * _log_less_grassberger(n), 0))
            for n, sign in sides
        )
    return value


def _log_less_grassberger(n):
    """Log n - G(n), without the difference of large numbers where n is large."""
    n = jnp.maximum(n, 1)
    far = jnp.maximum(n, _LARGE_COUNT)
    square = 1 / far**2
    # Log n - psi(n), and what of G(n) is an alternating sign.
    slow = 1 / (2 * far) + square * (1 / 12 - square * (1 / 120 - square / 252))
    swing = 1 / (2 * far) + square * (1 / 4 - square / 8)
    far = slow - jnp.where(n % 2 == 0, swing, -swing)
    return jnp.where(n > _LARGE_COUNT, far, jnp.log(n) - _grassberger(n))


@exact_jit(static_argnames=("num_classes", "correction"))
def _layer_information(rows, labels, num_classes, num_cells, correction):
    num_samples = len(rows)
    chex.assert_equal_shape([rows, labels])
    joint = jnp.zeros((num_classes, num_samples), jnp.int32).at[labels, rows].add(1)
    h_t = _entropy(jnp.sum(joint, axis=0), num_cells, correction)
    # One class after another, so that no array of all classes' terms is held.
    within = jax.lax.map(lambda n: _entropy(n, num_cells, correction), joint)
    share = jnp.sum(joint, axis=1) / num_samples
    h_t_given_y = jnp.sum(jnp.where(share > 0, share * within, 0))
    return LayerInformation(h_t, h_t - h_t_given_y)
