"""Reasons to doubt an estimate of information, in words."""

import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from ibjax.estimators import knn
from ibjax.estimators.choice.methods import Method, default_weighted_neighbours

__all__ = ["doubts"]

# Information within so much of what the samples can show is not to be trusted.
_MARGIN = 1.0
_HIGH_DIM = 10
_REPEATED_PART = 0.01
_LARGE_WEIGHTS = 20.0
_LARGE_BIAS = 0.05
_BELOW_ZERO = 0.1
# Directions whose standard deviation is within so many roundings of none.
_ROUNDINGS = 8


def doubts(
    method: Method,
    x: np.ndarray,
    y: np.ndarray,
    value: float,
    cap: float,
    options: dict,
) -> Iterator[str]:
    """Reasons to doubt a value in nats, one sentence each.

    Each variable is continuous, ``[num_samples, dim]``, or a label, ``[num_samples]``;
    ``cap`` is the most that the result can be, by its own account, or infinity.
    """
    num_samples = len(x)
    continuous = [a for a in (x, y) if a.ndim == 2]
    labels = [a for a in (x, y) if a.ndim == 1]
    if not math.isfinite(value):
        reason = method.not_finite and f": {method.not_finite}"
        yield f"the value is not finite{reason}"
    if not labels:
        name = "the log of the critic's batch"
        if cap == math.inf:
            cap, name = (
                math.log(num_samples),
                "log N, beyond which N samples cannot tell",
            )
        if method.largest is not None:
            cap, name = method.largest(num_samples, options)
        if value > cap - _MARGIN:
            yield f"the value is within {_MARGIN:g} nat of {name}: {cap:.2f} nats"
    if method.trained and value < -_BELOW_ZERO:
        yield (
            "the value is below zero, which information is not: the critic overfitted; "
            "take another method, or raise weight_decay"
        )
    if len(labels) == 2:
        yield from _count_doubts(x, y)
    for label in labels:
        entropy = float(stats.entropy(np.bincount(label)))
        # Above it by more than float32 rounds.
        if value > entropy + 1e-4:
            yield f"the value is above the entropy of the label, {entropy:.4f} nats"
    if not continuous:
        return
    joint = np.concatenate(continuous, axis=1)
    yield from _repeat_doubts(joint, method.counts_copies, options.get("ties"))
    yield from _shape_doubts(joint, method.needs_density)
    if method.weights is not None:
        k = options.get("k", default_weighted_neighbours(x, y))
        norm = knn.weight_norm(k, joint.shape[1], method.weights)
        if norm > _LARGE_WEIGHTS:
            yield (
                f"the absolute weights of the neighbours add up to {norm:.0f} and "
                f"magnify errors as much: raise k above {k}"
            )


def _count_doubts(x, y):
    """Doubts of tables with few samples to a cell."""
    num_x, num_y, num_xy = (
        len(np.unique(cells, axis=0)) for cells in (x, y, np.stack([x, y], axis=1))
    )
    bias = (num_xy - num_x - num_y + 1) / (2 * len(x))
    if abs(bias) > _LARGE_BIAS:
        yield (
            f"{len(x)} samples are few for {num_xy} cells: what is not corrected is of "
            f"the order of {abs(bias):.2f} nats"
        )


def _repeat_doubts(joint, counts_copies, ties):
    """Doubts of columns that repeat values."""
    ordered = np.sort(joint, axis=0)
    repeated = np.mean(ordered[1:] == ordered[:-1], axis=0)
    some = np.flatnonzero(repeated > _REPEATED_PART)
    if not len(some):
        return
    which = f"{len(some)} of {joint.shape[1]} columns repeat values, up to "
    which += f"{np.max(repeated):.0%} of one"
    if not counts_copies:
        yield f"{which}, as densities do not: take ksg, ross or discrete=True"
    elif ties is False:
        yield f"{which}: copies were not counted, and the value is mostly too large"
    else:
        yield f"{which}: copies were counted, and fine grids spread in their cells"


def _shape_doubts(joint, needs_density):
    num_samples, dim = joint.shape
    if dim > _HIGH_DIM:
        yield (
            f"{dim} dimensions are many, where estimates are mostly too small: "
            "compress the variables first"
        )
    if num_samples <= dim:
        yield f"{num_samples} samples are no more than the {dim} dimensions"
        return
    # In float64: dependent columns are found by eigenvalues, which are squares.
    joint = joint.astype(np.float64)
    standard = (joint - joint.mean(axis=0)) / joint.std(axis=0)
    eigenvalues = np.linalg.eigvalsh(standard.T @ standard)
    # Variances are squares; of float32 samples, whatever the dtype here.
    rounding = (_ROUNDINGS * np.finfo(np.float32).eps) ** 2
    rank = int(np.sum(eigenvalues > rounding * eigenvalues[-1]))
    if rank < dim:
        meaning = ", so that they have no density" if needs_density else ""
        yield (
            f"x and y together lie in {rank} of {dim} dimensions{meaning}: if one "
            "determines the other, their information is infinite"
        )
