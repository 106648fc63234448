"""Claims: a number, its interval, a criterion and the verdict, as JSON and Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ibjax.numerics import checks
from ibjax.results.intervals import Estimate, mean_estimate

__all__ = [
    "Claim",
    "claims_json",
    "claims_markdown",
    "corrected_verdicts",
    "decide",
    "decide_mean",
    "exact_claim",
]

FAMILY_ERROR = 0.05
"""Probability, at most, of any wrong verdict in a table after Holm's correction."""

_LEAST_ERROR = 1e-6


class Claim(NamedTuple):
    """A claim, the number that decides it, and the verdict.

    Attributes:
      claim: The claim, a statement that is true or false.
      quantity: The quantity that decides it, with its unit.
      criterion: Condition on the whole interval, e.g. ``"above 0.1"``.
      value: The number.
      low: Lower end of its 95 % interval; NaN with too few seeds for one, ``value`` for
        a number that is not random.
      high: Upper end of the interval, likewise.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.
      num_seeds: Number of seeds behind the number; None for one that is not random.
      num_left_out: Number of the other seeds, which diverged or lack the quantity.
      error: The least error probability of an interval that still gives this verdict,
        its p-value, not below 1e-6; NaN for an undecided claim and for an interval that
        exists at 95 % only. 0 for a number that is not random.
      added: Whether the claim was added after a run had been seen.
    """

    claim: str
    quantity: str
    criterion: str
    value: float
    low: float
    high: float
    verdict: str
    num_seeds: int | None
    num_left_out: int
    error: float = math.nan
    added: bool = False


def decide(
    claim: str,
    quantity: str,
    estimate: Estimate,
    *,
    num_seeds: int,
    above: float = -math.inf,
    below: float = math.inf,
    added: bool = False,
) -> Claim:
    """Claim about a number over seeds, with the verdict of its interval.

    Args:
      claim: See :class:`Claim`.
      quantity: See :class:`Claim`.
      estimate: The number.
      num_seeds: Number of all seeds, those without the quantity included.
      above: Lower bound on the whole interval.
      below: Upper bound on the whole interval.
      added: Whether the claim was added after a run had been seen.

    Returns:
      The claim.

    Example:
      >>> estimate = Estimate(2.0, 1.5, 2.5, 9)
      >>> decide("It is so", "x", estimate, num_seeds=9, above=1.0).verdict
      'holds'
    """
    checks.instance("estimate", estimate, Estimate)
    checks.count("num_seeds", num_seeds, 0)
    checks.number("above", above)
    checks.number("below", below)
    checks.flag("added", added)
    value, low, high, count, again = estimate
    verdict = _verdict(low, high, above, below)
    bounds = [f"above {above:g}"] if above > -math.inf else []
    bounds += [f"below {below:g}"] if below < math.inf else []
    return Claim(
        claim,
        quantity,
        " and ".join(bounds),
        value,
        low,
        high,
        verdict,
        count,
        num_seeds - count,
        _least_error(verdict, again, above, below),
        added,
    )


def decide_mean(claim: str, quantity: str, values: ArrayLike, **limits: Any) -> Claim:
    """Claim about the mean of one number per seed.

    Args:
      claim: See :class:`Claim`.
      quantity: See :class:`Claim`.
      values: The numbers, ``[num_seeds]``; NaN of seeds that lack the quantity.
      **limits: Those of :func:`decide`, and ``added``.

    Returns:
      The claim.

    Example:
      >>> decide_mean("It is large", "size", [2.0, 2.1, 2.2], above=1.0).verdict
      'holds'
    """
    values = np.asarray(checks.real("values", values, np.asarray), np.float64)
    if values.ndim != 1:
        raise ValueError(f"values must be one for each seed, got shape {values.shape}")
    return decide(
        claim, quantity, mean_estimate(values), num_seeds=len(values), **limits
    )


def _verdict(low: float, high: float, above: float, below: float) -> str:
    known = not (math.isnan(low) or math.isnan(high))
    # Without a bound on a side, even an infinite end of the interval satisfies it.
    enough = above == -math.inf or low > above
    if known and enough and (below == math.inf or high < below):
        return "holds"
    # An interval that ends at a bound has nothing that meets it.
    if high <= above > -math.inf or low >= below < math.inf:
        return "does not hold"
    return "undecided"


def _least_error(
    verdict: str, again: Callable[..., Any] | None, above: float, below: float
) -> float:
    """Least error probability with the same verdict, by bisection of its logarithm."""
    if verdict == "undecided" or again is None:
        return math.nan

    def same(log_error: float) -> bool:
        low, high = again(confidence=1.0 - math.exp(log_error))[1:3]
        return _verdict(float(low), float(high), above, below) == verdict

    least, most = math.log(_LEAST_ERROR), math.log(0.05)
    if same(least):
        return _LEAST_ERROR
    while most - least > 1e-3:
        middle = (least + most) / 2
        least, most = (least, middle) if same(middle) else (middle, most)
    return math.exp(most)


def corrected_verdicts(claims: Sequence[Claim]) -> list[str]:
    """Verdicts after Holm's correction for the number of claims.

    With it the probability that any of the verdicts that are left is wrong is at most
    5 %, however the claims depend on each other, where the intervals cover what they
    say. All claims over seeds count, undecided ones too. A claim whose interval exists
    at 95 % only cannot be corrected and becomes undecided.

    Args:
      claims: The claims of a table.

    Returns:
      A verdict per claim: its own, or ``"undecided"``.

    References:
      Holm, `Scandinavian Journal of Statistics` 6, 1979.

    Example:
      >>> from ibjax.results.intervals import fraction_interval
      >>> many, few = (fraction_interval([True] * n) for n in (20, 6))
      >>> many = decide("a", "part", many, num_seeds=20, above=0.5)
      >>> few = decide("b", "part", few, num_seeds=20, above=0.5)
      >>> many.verdict, few.verdict, corrected_verdicts([few, many, few])
      ('holds', 'holds', ['undecided', 'holds', 'undecided'])
    """
    _check(claims)
    verdicts = [claim.verdict for claim in claims]
    errors = [math.inf if math.isnan(c.error) else c.error for c in claims]
    left = [n for n, claim in enumerate(claims) if claim.num_seeds is not None]
    left.sort(key=errors.__getitem__)
    while left and errors[left[0]] <= FAMILY_ERROR / len(left):
        del left[0]
    for place in left:
        verdicts[place] = "undecided"
    return verdicts


def exact_claim(
    claim: str, quantity: str, criterion: str, value: float, verdict: str
) -> Claim:
    """Claim about a number that is not random: its interval is a point, of no seeds.

    Args:
      claim: See :class:`Claim`.
      quantity: See :class:`Claim`; its unit may be any.
      criterion: Condition on the number, e.g. ``"below 0.01"``.
      value: The number.
      verdict: ``"holds"``, ``"does not hold"`` or ``"undecided"``.

    Returns:
      The claim.

    Example:
      >>> claim = exact_claim("It is so", "beta", "above 1", 1.5625, "holds")
      >>> claim.low, claim.high, claim.num_seeds
      (1.5625, 1.5625, None)
    """
    return Claim(claim, quantity, criterion, value, value, value, verdict, None, 0, 0.0)


def claims_json(claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """Claims as dictionaries in JSON's types.

    Args:
      claims: The claims.

    Returns:
      One dictionary per claim, with its ``corrected`` verdict
      (:func:`corrected_verdicts`); NaN becomes ``None`` and an infinity ``"inf"``.

    Example:
      >>> nan = float("nan")
      >>> claim = Claim("c", "q", "above 1", nan, nan, nan, "undecided", 0, 2)
      >>> claims_json([claim])[0]["value"] is None
      True
    """
    _check(claims)
    return [
        {k: _plain(v) for k, v in c._asdict().items()} | {"corrected": corrected}
        for c, corrected in zip(claims, corrected_verdicts(claims), strict=True)
    ]


def claims_markdown(claims: Sequence[Claim]) -> str:
    """Claims as a Markdown table, with a note on intervals over seeds if there are any.

    The last column is the verdict after Holm's correction for the number of claims in
    the table (:func:`corrected_verdicts`). Claims added after a run had been seen say
    so.

    Args:
      claims: The claims.

    Returns:
      The table and the note, with a newline at the end. A dash stands for a number
      that does not exist.

    Example:
      >>> number = (2.0, 1.5, 2.5)
      >>> claim = Claim("It is so", "bits", "above 1", *number, "holds", 9, 0, 0.01)
      >>> print(claims_markdown([claim]).splitlines()[2])
      | It is so | bits: 2.00 [1.50, 2.50], n = 9 | above 1 | holds | holds |
    """
    _check(claims)
    over_seeds = not claims or any(c.num_seeds is not None for c in claims)
    header = ["claim", "number that decides it", "holds if", "verdict"]
    table = [header + ["corrected"], ["---"] * 5]
    for c, corrected in zip(claims, corrected_verdicts(claims), strict=True):
        text = f"{c.claim}{ADDED if c.added else ''}"
        number = f"{c.quantity}: {_with_interval(c)}"
        table.append([text, number, c.criterion, c.verdict, corrected])
    columns = 5 if over_seeds else 4
    rows = [f"| {' | '.join(row[:columns])} |" for row in table]
    return "\n".join([*rows, "", *([_NOTE, ""] if over_seeds else [])])


ADDED = " (added after a run had been seen)"
"""Mark of a claim in a table that was not made before its run."""

_NOTE = (
    "In brackets 95 % intervals over seeds, each by itself; n is the number of seeds, "
    "and those left out diverged or lack the quantity. A claim holds if the whole "
    "interval meets the criterion, does not hold if none of it does, and is undecided "
    "otherwise or with too few seeds for an interval. The last column is the verdict "
    "after Holm's correction: that any of those is wrong has a probability of 5 % at "
    "most."
)


def _check(claims: Sequence[Claim]) -> None:
    checks.instance("claims", claims, list, tuple)
    for number, claim in enumerate(claims):
        checks.instance(f"claims[{number}]", claim, Claim)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def _with_interval(claim: Claim) -> str:
    if claim.num_seeds is None:
        return "-" if math.isnan(claim.value) else f"{claim.value:.6g}"
    left_out = f" ({claim.num_left_out} left out)" if claim.num_left_out else ""
    value, low, high = map(_number, (claim.value, claim.low, claim.high))
    return f"{value} [{low}, {high}], n = {claim.num_seeds}{left_out}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    # Two decimals, or two significant digits where that would leave fewer.
    return f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
