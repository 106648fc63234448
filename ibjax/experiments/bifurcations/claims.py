"""Claims about the bifurcations of the information bottleneck.

Nothing here is random: a curve of a known table decides each claim by one number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from ibjax.bottleneck import InformationCurve, critical_beta
from ibjax.numerics import checks
from ibjax.results.statistics import NATS_PER_BIT

__all__ = [
    "CurveClaim",
    "betas_around",
    "bifurcation_claims",
    "curve_claims_markdown",
    "first_division",
]

# Two critical betas are the same if they differ by less, relative to their size.
_SAME_BETA = 1e-4
_SAME_PLACE = 0.01
# Distances along the curve and of objectives, in bits, that are no rounding.
_LEAST_BITS = 1e-6
_LEAST_EXCESS = 1e-8
_LEAST_DISTANCE = 0.01
_NEIGHBOURS = (3e-4, 1e-3, 1e-2, 3e-2)


class CurveClaim(NamedTuple):
    """A claim about a curve, the number that decides it, and the verdict.

    Attributes:
      claim: The claim, in the words of a statement that is true or false.
      quantity: What was computed to decide it, with its unit.
      criterion: What the number has to satisfy, e.g. ``"below 0.01"``.
      value: The number.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.
    """

    claim: str
    quantity: str
    criterion: str
    value: float
    verdict: str


def bifurcation_claims(
    p_xy: ArrayLike,
    curve: InformationCurve,
    branches: Mapping[int, InformationCurve],
) -> list[CurveClaim]:
    r"""Claims of Tishby and Zaslavsky (2015) and Rose (1998) about bifurcations.

    In order:

    1. The first division comes at :math:`1 / \sigma_2^2`
       (:func:`ibjax.bottleneck.critical_beta`), where the trivial representation stops
       being a local optimum. If it comes earlier it is by a cluster that appears far
       from the others, without weight at first; the distance is the second number.
       With two labels a check is the exact place, :func:`first_division`.
    2. The number of clusters never falls as beta grows.
    3. A solution with no more than n clusters leaves the curve where the optimum takes
       one more, and is sub-optimal from there on. Its objective is compared with that
       of the curve.
    4. The curve is concave and never falls, and all of its points are optimal, which is
       a check of the others. A gap below zero by more than rounding says that the bound
       on the optimum was not found, and leaves this open.

    Places are as exact as the betas of the curve lie close to them: see
    :func:`betas_around`.

    Args:
      p_xy: The joint table, shape ``[num_x, num_y]``.
      curve: Its curve, from :func:`ibjax.bottleneck.information_curve`.
      branches: Curves at the same betas with ``num_t`` clusters at most, by ``num_t``.

    Returns:
      The claims. Those of a branch that never leaves the curve are left out, and so
      is 1 for a curve of trivial points alone.

    Raises:
      ValueError: If a branch has other betas than the curve.

    References:
      Tishby and Zaslavsky, `Deep learning and the information bottleneck principle`,
      2015. Rose, `Deterministic annealing for clustering, compression, classification,
      regression, and related optimization problems`, 1998.

    Example:
      >>> from ibjax.plots.bottleneck import example_curve
      >>> for claim in bifurcation_claims(*example_curve(), {})[:3]:
      ...     print(f"{claim.claim[:30]} ... {claim.verdict}")
      1. The first division comes at ... holds
      1. What is new at the first di ... does not hold
      1. (A check.) The first divisi ... holds
    """
    p_xy = np.asarray(p_xy, float)
    curve = _sorted(curve)
    claims = _first(p_xy, curve) if len(curve.critical_beta) else []
    claims.append(_never_fewer(curve))
    for num_t, branch in sorted(branches.items()):
        claims += _leaves(num_t, curve, _sorted(branch))
    return [*claims, _concave(curve), _rising(curve), _optimal(curve)]


def betas_around(betas: ArrayLike, critical: ArrayLike) -> np.ndarray:
    """Betas and close neighbours of critical ones, on both sides, increasing.

    Args:
      betas: Any betas.
      critical: Critical betas.

    Returns:
      The betas, with those 0.03 %, 0.1 %, 1 % and 3 % from every critical one.

    Example:
      >>> print(betas_around([1.0, 4.0], [2.0]))
      [1.  1.94  1.98  1.998  1.9994  2.0006  2.002  2.02  2.06  4. ]
    """
    near = np.array([sign * part for part in _NEIGHBOURS for sign in (-1, 1)])
    around = np.multiply.outer(np.asarray(critical, float), 1 + near)
    return np.unique(np.concatenate([np.asarray(betas, float), around.ravel()]))


def first_division(p_xy: ArrayLike) -> float:
    r"""Beta from which on a representation of X pays, for two labels.

    It is the reciprocal of the largest :math:`D(q_Y \| p_Y) / D(q_X \| p_X)` over
    distributions :math:`q_X` with :math:`q_Y` what the channel makes of it
    (Anantharam et al. 2013). Among those with one :math:`q_Y` the least divergence
    from :math:`p_X` is that of :math:`q(x) \propto p(x) \exp(\lambda p(y=1|x))`, so
    that the maximum is over one number. It is at most
    :func:`ibjax.bottleneck.critical_beta`, the value for :math:`\lambda \to 0`.

    Args:
      p_xy: Joint probabilities, shape ``[num_x, 2]``.

    Returns:
      The beta; infinite if X and Y are independent.

    Raises:
      ValueError: If there are not two labels.

    References:
      Anantharam, Gohari, Kamath and Nair, `On maximal correlation, hypercontractivity,
      and the data processing inequality studied by Erkip and Cover`, 2013.

    Example:
      >>> print(f"{first_division([[0.45, 0.05], [0.05, 0.45]]):.4f}")
      1.5625
    """
    p_xy = checks.shape("p_xy", np.asarray(p_xy, float), ("num_x", 2))
    p_xy = p_xy[p_xy.sum(axis=1) > 0]
    p_x, p_one = p_xy.sum(axis=1), p_xy[:, 1].sum()
    given = p_xy[:, 1] / p_x
    if np.ptp(given) < 1e-12:
        return math.inf

    def ratio(tilt: float) -> float:
        exponent = tilt * (given - p_one)
        log_q = exponent - np.log(p_x @ np.exp(exponent))
        q = p_x * np.exp(log_q)
        q_one = np.clip(q @ given, 0, 1)
        gained = _binary_divergence(q_one, p_one)
        return float(gained / (q @ log_q))

    # The limit of no tilt, at which both divergences vanish and only rounding is left.
    largest = float(p_x @ (given - p_one) ** 2 / (p_one * (1 - p_one)))
    # From little tilt to all weight on the inputs with the most extreme p(y|x).
    tilts = np.geomspace(1e-2, 40 / np.ptp(given), 2_000)
    for side in (-tilts, tilts):
        ratios = [ratio(tilt) for tilt in side]
        best = int(np.clip(np.argmax(ratios), 1, len(side) - 2))
        found = optimize.minimize_scalar(
            lambda tilt: -ratio(tilt),
            bounds=sorted((side[best - 1], side[best + 1])),
            method="bounded",
            options={"xatol": 1e-10},
        )
        largest = max(largest, -float(found.fun), *ratios)
    return 1 / largest


def curve_claims_markdown(claims: Sequence[CurveClaim]) -> str:
    """Claims about a curve as a Markdown table.

    Args:
      claims: The claims.

    Returns:
      The table, with a newline at the end.

    Example:
      >>> claim = CurveClaim("It is so", "x, bits", "above 1", 2.0, "holds")
      >>> print(curve_claims_markdown([claim]).splitlines()[2])
      | It is so | x, bits: 2 | above 1 | holds |
    """
    rows = ["| claim | number that decides it | holds if | verdict |"]
    rows.append("| --- | --- | --- | --- |")
    for c in claims:
        number = "-" if math.isnan(c.value) else f"{c.value:.6g}"
        rows.append(
            f"| {c.claim} | {c.quantity}: {number} | {c.criterion} | {c.verdict} |"
        )
    return "\n".join([*rows, ""])


def _first(p_xy: np.ndarray, curve: InformationCurve) -> list[CurveClaim]:
    first = float(curve.critical_beta[0])
    local = float(critical_beta(p_xy))
    same = f"between {1 - _SAME_BETA:g} and {1 + _SAME_BETA:g}"
    ratio = first / local
    # The next beta that was solved: at the division itself both solutions are optimal.
    after = int(np.searchsorted(curve.beta, first, side="right"))
    after = min(after, len(curve.beta) - 1)
    weight, distance = _farthest(p_xy, curve.p_t_given_x[after])
    claims = [
        CurveClaim(
            "1. The first division comes at 1/sigma_2^2, where the trivial "
            "representation stops being a local optimum",
            f"beta of the first division, {first:.6g}, over 1/sigma_2^2, {local:.6g}",
            same,
            ratio,
            _verdict(abs(ratio - 1) < _SAME_BETA),
        ),
        CurveClaim(
            "1. What is new at the first division is far from what was there from the "
            "first: a jump",
            "total variation of p(y) from the p(y|t) farthest from it, of weight "
            f"{weight:.2g}, at beta {curve.beta[after]:.6g}, {_percent(curve, after)} "
            "above the division",
            f"above {_LEAST_DISTANCE:g}",
            distance,
            # Halves of one cluster are far apart too if the next beta is.
            _verdict(distance > _LEAST_DISTANCE and abs(ratio - 1) >= _SAME_BETA),
        ),
    ]
    if p_xy.shape[1] == 2:
        exact = first_division(p_xy)
        ratio = first / exact
        claims.append(
            CurveClaim(
                "1. (A check.) The first division comes where the largest ratio of "
                "divergences says",
                f"beta of the first division over the exact one, {exact:.6g}",
                same,
                ratio,
                _verdict(abs(ratio - 1) < _SAME_BETA),
            )
        )
    return claims


def _never_fewer(curve: InformationCurve) -> CurveClaim:
    falls = -np.diff(curve.num_clusters.astype(int), prepend=curve.num_clusters[0])
    worst = int(np.argmax(falls))
    where = f", at beta {curve.beta[worst]:.6g}" if falls[worst] > 0 else ""
    return CurveClaim(
        "2. The number of clusters never falls as beta grows "
        f"({', '.join(map(str, dict.fromkeys(curve.num_clusters.tolist())))} here)",
        f"largest fall between neighbouring betas{where}",
        "at most 0",
        float(max(falls[worst], 0)),
        _verdict(falls[worst] <= 0),
    )


def _leaves(
    num_t: int, curve: InformationCurve, branch: InformationCurve
) -> list[CurveClaim]:
    more = [
        float(critical)
        for critical in curve.critical_beta
        if curve.num_clusters[_after(curve, critical)] > num_t
    ]
    if not np.array_equal(branch.beta, curve.beta):
        raise ValueError(f"branches must have the betas of the curve; {num_t} has not")
    excess = (branch.objective - curve.objective) / NATS_PER_BIT
    above = excess > _LEAST_EXCESS
    if not more or not above[-1]:
        return []
    critical = more[0]
    # Near other critical betas neither objective is exact: from where on for good.
    first = len(above) - int(np.argmin(above[::-1])) if not above.all() else 0
    last_without = branch.beta[max(first - 1, 0)]
    # The middle on the log scale of betas, whose spacing bounds what can be told.
    ratio = math.sqrt(last_without * branch.beta[first]) / critical
    later = min(int(np.searchsorted(branch.beta, 2 * critical)), len(excess) - 1)
    clusters = f"{num_t} cluster{'s' if num_t > 1 else ''}"
    return [
        CurveClaim(
            f"3. With {clusters} at most the solution leaves the curve where the "
            "optimum takes more",
            f"beta between {last_without:.6g} and {branch.beta[first]:.6g}, where its "
            f"objective passes the curve's by {_LEAST_EXCESS:g} bits for good, over "
            f"the critical beta, {critical:.5g}",
            f"between {1 - _SAME_PLACE:g} and {1 + _SAME_PLACE:g}",
            ratio,
            _verdict(abs(ratio - 1) < _SAME_PLACE),
        ),
        CurveClaim(
            f"3. With {clusters} at most the solution is sub-optimal from there on",
            f"objective above the curve's, bits, at beta {branch.beta[later]:.6g}",
            f"above {_LEAST_EXCESS:g} there and at every larger beta",
            float(excess[later]),
            _verdict((excess[later:] > _LEAST_EXCESS).all()),
        ),
    ]


def _concave(curve: InformationCurve) -> CurveClaim:
    x, y = curve.i_xt / NATS_PER_BIT, curve.i_ty / NATS_PER_BIT
    below = _upper_hull(x, y) - y
    worst = int(np.argmax(below))
    return CurveClaim(
        "4. The curve is concave",
        "largest distance of a point below the line between two others, bits, at beta "
        f"{curve.beta[worst]:.6g}",
        f"below {_LEAST_BITS:g}",
        float(below[worst]),
        _verdict(below[worst] < _LEAST_BITS),
    )


def _rising(curve: InformationCurve) -> CurveClaim:
    # By I(X;T) and not by beta: along the curve, whatever the solver did between betas.
    order = np.argsort(curve.i_xt, kind="stable")
    y = curve.i_ty[order] / NATS_PER_BIT
    falls = np.maximum.accumulate(y) - y
    worst = int(np.argmax(falls))
    return CurveClaim(
        "4. The curve never falls",
        "largest I(T;Y) of a point less that of another with as much or more I(X;T), "
        "bits",
        f"below {_LEAST_BITS:g}",
        float(falls[worst]),
        _verdict(falls[worst] < _LEAST_BITS),
    )


def _optimal(curve: InformationCurve) -> CurveClaim:
    gap = curve.gap / NATS_PER_BIT
    worst = int(np.argmax(gap))
    verdict = _verdict(gap[worst] < _LEAST_BITS)
    # An estimate may be low.
    if verdict == _verdict(True) and not np.all(curve.certified):
        verdict = "undecided"
    return CurveClaim(
        "4. (A check.) All points of the curve are optimal",
        "largest gap between a point's objective and the bound on the least one, "
        f"bits, at beta {curve.beta[worst]:.6g}",
        f"below {_LEAST_BITS:g}",
        float(gap[worst]),
        verdict,
    )


def _farthest(p_xy: np.ndarray, p_t_given_x: np.ndarray) -> tuple[float, float]:
    """Weight and distance from p(y) of the cluster that is farthest from it."""
    p_ty = np.asarray(p_t_given_x, float).T @ p_xy
    weights = p_ty.sum(axis=1)
    # Clusters on their way out have weights of rounding size, and any p(y|t).
    p_ty, weights = p_ty[weights > 1e-6], weights[weights > 1e-6]
    distance = np.abs(p_ty / weights[:, None] - p_xy.sum(axis=0)).sum(axis=1) / 2
    farthest = int(np.argmax(distance))
    # One cluster may be held in several copies, whose weights add up.
    near = np.abs(distance - distance[farthest]) < 1e-3
    return float(weights[near].sum()), float(distance[farthest])


def _upper_hull(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the least concave function above the points, at each of them."""
    hull: list[int] = []
    for index in np.lexsort((-y, x)):
        # Sorted so that the highest of several points at one place comes first.
        if hull and x[index] == x[hull[-1]]:
            continue
        while len(hull) > 1:
            first, second = hull[-2:]
            rise = (y[second] - y[first]) * (x[index] - x[first])
            if rise > (y[index] - y[first]) * (x[second] - x[first]):
                break
            hull.pop()
        hull.append(int(index))
    return np.interp(x, x[hull], y[hull])


def _binary_divergence(q: float, p: float) -> float:
    terms = [a * math.log(a / b) for a, b in ((q, p), (1 - q, 1 - p)) if a > 0]
    return sum(terms)


def _after(curve: InformationCurve, critical: float) -> int:
    """Place of the smallest beta above a critical one."""
    place = int(np.searchsorted(curve.beta, critical, side="right"))
    return min(place, len(curve.beta) - 1)


def _percent(curve: InformationCurve, place: int) -> str:
    return f"{100 * (curve.beta[place] / curve.critical_beta[0] - 1):.2g} %"


def _sorted(curve: InformationCurve) -> InformationCurve:
    """A curve with increasing betas and in float64."""
    order = np.argsort(curve.beta, kind="stable")
    fields = {
        name: getattr(curve, name)[order]
        for name in curve._fields
        if name != "critical_beta"
    }
    floats = ("beta", "i_xt", "i_ty", "objective", "gap")
    fields |= {name: fields[name].astype(np.float64) for name in floats}
    return curve._replace(**fields)


def _verdict(holds: bool) -> str:
    return "holds" if holds else "does not hold"
