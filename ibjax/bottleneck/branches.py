"""Clusters of an information curve at every beta, and the points where they divide."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.bottleneck.annealing import LEAST_DISTANCE, LEAST_WEIGHT
from ibjax.bottleneck.curve import InformationCurve
from ibjax.numerics import checks

__all__ = ["Transition", "decoders", "transitions"]


class Transition(NamedTuple):
    """Critical beta of a curve, and the point of the curve at it.

    Attributes:
      beta: The critical beta.
      i_xt: I(X;T) there, in nats.
      i_ty: I(T;Y) there, in nats.
      before: Clusters at the next smaller beta of the curve.
      after: Clusters at the next larger beta of the curve.
    """

    beta: float
    i_xt: float
    i_ty: float
    before: int
    after: int


def decoders(p_xy: ArrayLike, p_t_given_x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Weights p(t) and decoders p(y|t) of the clusters that differ.

    Decoders within 1e-3 of each other in total variation count as one cluster, and
    clusters lighter than 1e-6 are left out.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, num_y]``.
      p_t_given_x: Encoder, shape ``[num_x, num_t]``.

    Returns:
      Weights, shape ``[num_clusters]``, and decoders, ``[num_clusters, num_y]``,
      heaviest cluster first.

    Raises:
      ValueError: If shapes do not match, or an entry is not finite.
      TypeError: If an entry is no number.

    Example:
      >>> halves = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
      >>> decoders([[0.45, 0.05], [0.05, 0.45]], halves)
      (array([0.5, 0.5]), array([[0.9, 0.1], [0.1, 0.9]]))
    """
    p_xy, p_t_given_x = (
        np.asarray(checks.finite(name, checks.real(name, table, np.asarray)), float)
        for name, table in (("p_xy", p_xy), ("p_t_given_x", p_t_given_x))
    )
    checks.shape("p_xy", p_xy, ("num_x", "num_y"))
    checks.shape("p_t_given_x", p_t_given_x, (len(p_xy), "num_t"), why="to match p_xy")
    p_ty = p_t_given_x.T @ p_xy
    p_ty = p_ty[np.argsort(-p_ty.sum(axis=1), kind="stable")]
    groups: list[np.ndarray] = []
    for row in p_ty[p_ty.sum(axis=1) > LEAST_WEIGHT]:
        decoder = row / row.sum()
        for index, group in enumerate(groups):
            distance = np.abs(decoder - group / group.sum()).sum() / 2
            if distance < LEAST_DISTANCE:
                groups[index] = group + row
                break
        else:
            groups.append(row)
    joint = np.array(groups).reshape(-1, p_xy.shape[1])
    weights = joint.sum(axis=1)
    return weights, joint / weights[:, None]


def transitions(curve: InformationCurve) -> list[Transition]:
    """Transitions of a curve: its critical betas and their points on the curve.

    The point is read off the parabola through the two neighbouring points of the curve
    with the tangents of slope 1/beta there. The first division lies at the curve's
    beginning: at its critical beta, the new clusters weigh nothing yet or say nothing
    yet.

    Args:
      curve: The curve, of two or more points.

    Returns:
      One transition for every critical beta, in increasing order.

    Raises:
      ValueError: If the curve has fewer than two points.

    Example:
      >>> from ibjax.bottleneck import information_curve
      >>> noisy_bit = np.array([[0.45, 0.05], [0.05, 0.45]])
      >>> [found] = transitions(information_curve(noisy_bit, [1.0, 1.5, 2.0, 4.0]))
      >>> print(f"{found.before} to {found.after} at {found.beta:.2f}")
      1 to 2 at 1.56
    """
    checks.instance("curve", curve, InformationCurve)
    if len(curve.beta) < 2:
        raise ValueError(f"curve must have two or more points, got {len(curve.beta)}")
    order = np.argsort(curve.beta, kind="stable")
    beta, counts = curve.beta[order], curve.num_clusters[order]
    place = np.stack([curve.i_xt, curve.i_ty], axis=1)[order].astype(float)
    found = []
    for critical in curve.critical_beta:
        high = int(np.clip(np.searchsorted(beta, critical), 1, len(beta) - 1))
        ends = place[high - 1 : high + 1]
        # From one cluster the curve leaves its end; nothing is to be interpolated.
        x, y = (
            ends[0]
            if counts[high - 1] == 1
            else _parabola(ends, beta[high - 1 : high + 1], critical)
        )
        found.append(
            Transition(float(critical), x, y, int(counts[high - 1]), int(counts[high]))
        )
    return found


def _parabola(ends: np.ndarray, betas: np.ndarray, beta: float) -> tuple[float, float]:
    """Point of slope 1 / beta on the parabola with the ends' tangents."""
    (x0, y0), (x1, y1) = ends
    slope0, slope1, slope = (1 / max(b, 1e-12) for b in (*betas, beta))
    # The third control point is where the tangents meet; halfway if rounding or a
    # beta that is not converged keeps them from meeting between the ends.
    middle = ends.mean(axis=0)
    if slope0 > slope1:
        x = (y1 - y0 + slope0 * x0 - slope1 * x1) / (slope0 - slope1)
        if x0 < x < x1:
            middle = np.array([x, y0 + slope0 * (x - x0)])
    before, after = middle - ends[0], ends[1] - middle
    # The derivative goes from 2 before to 2 after; find where it is along the slope.
    turn = np.array([-slope, 1.0])
    first, last = before @ turn, after @ turn
    s = float(np.clip(first / (first - last), 0.0, 1.0)) if first > last else 0.5
    x, y = (1 - s) ** 2 * ends[0] + 2 * s * (1 - s) * middle + s**2 * ends[1]
    return float(x), float(y)
