r"""Weights of the weighted Kozachenko-Leonenko entropy, solved in float64 on the host.

The entropy estimated from the j-th neighbour's distance has a bias that is a series in
:math:`(j/N)^{2l/d}`. A weighted mean over :math:`j = 1..k` loses the terms up to
:math:`l = \lfloor d/4 \rfloor`, and with them what spoils the estimate in more than
three dimensions, if

.. math::
    \sum_j w_j = 1, \qquad \sum_j w_j \frac{\Gamma(j + 2l/d)}{\Gamma(j)} = 0
    \quad (1 \le l \le \lfloor d/4 \rfloor) .

Many weights do. Nearly equal rows make them large and of both signs, and an error of
the distances is multiplied by up to :math:`\sum_j |w_j|`: look at it before trusting
an estimate, and raise k when it is above about 30.
"""

import numpy as np
from scipy.special import gammaln

from ibjax.numerics import checks

__all__ = ["KINDS", "weight_norm", "weights"]

KINDS = ("bsy", "butakov")

# The cutoff of small singular values in the program of Butakov et al.
_BUTAKOV_CUTOFF = 1e-6
# Weights that miss a condition by more than this are none.
_ALLOWED_RESIDUAL = 1e-4
_LARGEST_K = 2**20


def weights(k: int, dim: int, kind: str = "bsy") -> np.ndarray:
    r"""Weights of the k nearest neighbours' log distances.

    ``"bsy"`` are those of Berrett, Samworth and Yuan's own program: the smallest sum of
    squares among all that meet the conditions, and the k-th neighbour alone below four
    dimensions. ``"butakov"`` are those of Butakov et al.: zero unless j is one of
    :math:`\lfloor k/d \rfloor, \lfloor 2k/d \rfloor, \dots, k`, as the paper of the
    former asks, and the *first* neighbour alone up to and including four dimensions.

    Args:
      k: Number of neighbours, at least ``1 + dim // 4``.
      dim: Dimension of the samples.
      kind: ``"bsy"`` or ``"butakov"``.

    Returns:
      Weights, float64, shape ``[k]``; they sum to one.

    Raises:
      ValueError: If ``k`` is too small for ``dim``, or no weights meet the conditions
        in float64, or ``kind`` is unknown.
      TypeError: If ``k`` or ``dim`` is no integer.

    References:
      Berrett, Samworth and Yuan, `Efficient multivariate entropy estimation via
      k-nearest neighbour distances`, Annals of Statistics, 2019. Butakov et al.,
      `Information bottleneck analysis of deep neural networks via lossy compression`,
      ICLR 2024.

    Example:
      >>> print(weights(5, 8).round(2))
      [ 9.85 -7.67 -7.23 -1.21  7.25]
    """
    k, dim = int(checks.whole("k", k)), int(checks.whole("dim", dim))
    checks.one_of("kind", kind, KINDS)
    checks.at_least("dim", dim, 1)
    num_terms = dim // 4
    if k < 1 + num_terms:
        raise ValueError(
            f"k must be at least 1 + dim // 4 = {1 + num_terms} in {dim} dimensions, "
            f"got {k}"
        )
    checks.in_range("k", k, f"[1, {_LARGEST_K}]")
    result = np.zeros(k)
    if kind == "bsy" and dim < 4:
        result[-1] = 1.0
        return result
    if kind == "butakov" and dim <= 4:
        result[0] = 1.0
        return result

    neighbour = np.arange(1, k + 1, dtype=np.float64)
    if kind == "butakov":
        support = np.unique(np.arange(1, dim + 1) * k // dim)
        neighbour = support[support > 0].astype(np.float64)
    power = 2 * np.arange(num_terms + 1)[:, None] / dim
    rows = np.exp(gammaln(neighbour[None] + power) - gammaln(neighbour)[None])
    # The conditions but the first are homogeneous: they may be scaled.
    scale = np.linalg.norm(rows, axis=1)
    target = np.zeros(num_terms + 1)
    target[0] = 1 / scale[0]
    cutoff = _BUTAKOV_CUTOFF if kind == "butakov" else None
    solution = np.linalg.lstsq(rows / scale[:, None], target, rcond=cutoff)[0]
    residual = np.max(np.abs(rows / scale[:, None] @ solution - target)) * scale[0]
    if residual > _ALLOWED_RESIDUAL:
        raise ValueError(
            f"no weights of kind {kind!r} for k = {k} in {dim} dimensions meet the "
            f"conditions in float64 (off by {residual:.1e}); raise k or reduce dim"
        )
    result[neighbour.astype(int) - 1] = solution
    return result


def weight_norm(k: int, dim: int, kind: str = "bsy") -> float:
    r"""Sum of the weights' absolute values, 1 if none is negative.

    It bounds how much an error of the log distances, from rounding or from few samples,
    is magnified.

    Args:
      k: As for :func:`weights`.
      dim: As for :func:`weights`.
      kind: As for :func:`weights`.

    Returns:
      :math:`\sum_j |w_j|`.

    Example:
      >>> print(f"{weight_norm(5, 8):.1f} {weight_norm(50, 8):.1f}")
      33.2 11.8
    """
    return float(np.sum(np.abs(weights(k, dim, kind))))
